"""zksup in an interactive shell: the command is the foreground job."""

import fcntl
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import termios
import time

import pytest

from harness import children_of, is_alive
from supervised import Lease, marked_processes, wait_gone
from zk_server import SCALE, wait_for

CHILD = """
import os, signal, sys, time
def say(text):  # not print(): the handler may interrupt it, and it cannot be entered twice
    os.write(1, (text + "\\n").encode())
def on_interrupt(number, frame):
    say("child-interrupted")
    sys.exit(5)
signal.signal(signal.SIGINT, on_interrupt)
foreground = os.tcgetpgrp(0) == os.getpgrp()
say("child-%s-%d" % ("foreground" if foreground else "background", os.getpid()))
for line in sys.stdin:
    say("child-read-" + line.strip())
    if line.strip() == "bye":
        sys.exit(4)
"""


class Shell:
    """bash with job control on a terminal of its own."""

    def __init__(self, zksup, connect, root, directory, marker):
        self.zksup, self.connect, self.root = zksup, connect, root
        self.err = pathlib.Path(directory) / "zksup.err"
        self.seen = ""
        self.at = 0
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="$ ", ZKSUP_TEST_MARKER=marker, HISTFILE="")
            os.execl("/bin/bash", "bash", "--norc", "--noprofile", "--noediting", "-i")
        self.send("PS1='prompt'-; stty -echo")
        self.wait("prompt-")

    def send(self, line):
        os.write(self.master, line.encode() + b"\n")

    def key(self, key):
        os.write(self.master, key)

    def wait(self, pattern, deadline=15):
        """Waits until PATTERN appears after what was matched before; returns the match."""
        end = time.monotonic() + deadline * SCALE
        while True:
            match = re.compile(pattern).search(self.seen, self.at)
            if match:
                self.at = match.end()
                return match
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, f"{pattern!r} does not come after {self.seen[self.at:]!r}; zksup said {self.err.read_text()}"
            self.seen += os.read(self.master, 65536).decode(errors="replace")

    def run(self, *options, command, after="; echo status=$?", before=""):
        words = [self.zksup, "run", "--connect", self.connect, "--root", self.root, "--restart", "never",
                 *options, "--", *command]
        self.send(f"{before}{shlex.join(str(w) for w in words)} 2>>{self.err}{after}")

    def end(self):
        for pid in (*children_of(self.pid), self.pid):
            for number in (signal.SIGTERM, signal.SIGCONT):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
        os.close(self.master)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@pytest.fixture
def shell(zksup, zk, root, tmp_path):
    (tmp_path / "zksup.err").touch()
    shell = Shell(zksup, zk.connect, root, tmp_path, root)
    yield shell
    zksups = children_of(shell.pid)
    shell.end()
    wait_for(lambda: not any(is_alive(p) for p in zksups), 20, "zksup ends with its shell")
    found = re.search(r"ERROR: \w+Sanitizer|runtime error:", shell.err.read_text())
    assert not found, shell.err.read_text()


def command():
    return ["/usr/bin/python3", "-c", CHILD]


def state(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_the_child_is_the_foreground_job_and_reads_the_terminal(shell):
    shell.run(command=command())
    shell.wait("child-foreground-")
    shell.send("hello")
    shell.wait("child-read-hello")
    shell.send("bye")
    shell.wait("status=4")
    # The terminal is the shell's again.
    shell.send("echo back-$((6*7))")
    shell.wait("back-42")


def test_ctrl_c_reaches_the_child_and_its_status_comes_back(shell):
    shell.run(command=command())
    shell.wait("child-foreground-")
    shell.key(b"\x03")
    shell.wait("child-interrupted")
    shell.wait("status=5")


def test_a_child_that_ctrl_c_kills_ends_zksup_with_130(shell):
    shell.run(command=["/bin/sh", "-c", "echo child-$((1+1)); exec sleep 600"])
    shell.wait("child-2")
    shell.key(b"\x03")
    shell.wait("prompt-|status=130")
    shell.send("echo then=$?")
    shell.wait("then=(130|0)")


def test_ctrl_z_stops_zksup_and_the_child_and_fg_goes_on(shell):
    shell.run("--session-timeout", "30s", command=command(), after="")
    child = int(shell.wait(r"child-foreground-(\d+)").group(1))
    (zksup,) = children_of(shell.pid)
    for _ in range(2):
        shell.key(b"\x1a")
        shell.wait("Stopped")
        wait_for(lambda: state(child) == "T" and state(zksup) == "T", 10, "both are stopped")
        shell.send("echo shell-$((6*7))")
        shell.wait("shell-42")
        shell.send("fg")
        wait_for(lambda: state(child) != "T" and state(zksup) != "T", 10, "both go on")
        shell.send("hello")
        shell.wait("child-read-hello")
    shell.send("bye")
    shell.wait("prompt-")
    shell.send("echo status=$?")
    shell.wait("status=4")


def test_stopped_for_longer_than_its_lease_the_child_is_gone_and_zksup_says_so(shell, root):
    lease = Lease(3)
    shell.run("--session-timeout", "3s", "--on-loss", "stop", command=command(), after="")
    child = int(shell.wait(r"child-foreground-(\d+)").group(1))
    shell.key(b"\x1a")
    shell.wait("Stopped")
    wait_gone(lambda: is_alive(child), time.monotonic(), lease.lease / SCALE, "stopped by the terminal")
    shell.send("fg")
    shell.wait("prompt-")
    shell.send("echo status=$?")
    shell.wait("status=120")


def test_bash_inside_has_job_control_of_its_own(shell):
    # bash writes its prompt to standard error, which the test has sent to a file.
    shell.run(command=["/bin/sh", "-c", "exec /bin/bash --norc --noprofile --noediting -i 2>&1"], before="PS1=inner- ")
    shell.wait("inner-")
    shell.send("sleep 600")
    wait_for(lambda: any("sleep" in pathlib.Path(f"/proc/{p}/cmdline").read_text()
                         for p in marked_processes(shell.root)), 10, "the inner job runs")
    shell.key(b"\x1a")
    shell.wait("Stopped")
    shell.send("fg")
    shell.wait("sleep 600")
    wait_for(lambda: all(state(p) != "T" for p in marked_processes(shell.root)), 10, "the inner job goes on")
    shell.key(b"\x03")
    shell.send("exit 9")
    shell.wait("status=9")


def test_in_a_pipeline_it_passes_on_what_it_is_given(shell):
    shell.run(command=["cat"], before="echo one two | ", after=" | tr a-z A-Z")
    shell.wait("ONE TWO")
    shell.wait("prompt-")


def test_a_restarting_unit_leaves_the_terminal_alone_and_ctrl_c_stops_it(shell):
    shell.run("--restart", "always", command=["/bin/sh", "-c", "echo child-$((1+1)); exec sleep 600"])
    shell.wait("child-2")
    shell.key(b"\x03")
    shell.wait("status=130")


@pytest.mark.parametrize("tty", ["auto", "yes", "no"])
def test_without_a_terminal_nothing_breaks(run_zksup, tty):
    process = run_zksup("run", "--tty", tty, "--restart", "never", "--", "sh", "-c", "cat; echo end; exit 3",
                        start_new_session=True)
    assert process.wait() == 3
    assert process.out == "end\n"


@pytest.mark.parametrize("waiting", [False, True], ids=["running", "waiting"])
def test_ctrl_z_is_without_effect_where_no_shell_could_continue_us(run_zksup, waiting):
    # As in "ssh -t HOST zksup ...": the kernel ignores the key for a program that leads its session.
    if waiting:
        run_zksup("lock", "x", "--", "sh", "-c", "echo held; exec sleep 600").wait_out("held")
    master, slave = pty.openpty()
    process = run_zksup("lock", "x", "--", "sh", "-c", "echo started; read line; exit 4", stdin=slave, start_new_session=True,
                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))  # fmt: skip
    process.wait_err("waiting" if waiting else "started")
    os.write(master, b"\x1a")
    os.write(master, b"\x03" if waiting else b"\n")
    assert process.wait(10) == (130 if waiting else 4), process
    os.close(slave)
    os.close(master)
