"""The table of exit statuses in zksup(1), row by row, for each verb that runs a command, with and without a
terminal."""

import fcntl
import os
import pty
import signal
import subprocess
import termios
from typing import NamedTuple

import pytest
from kazoo.security import make_acl

from harness import children_of, is_alive
from zk_server import free_ports, wait_for

SIGNALS = {name: getattr(signal, "SIG" + name) for name in ("HUP", "INT", "QUIT", "KILL", "SEGV", "TERM", "USR1")}


class Verb(NamedTuple):
    name: str
    options: list  # so that one only can run a command, and that once
    queue: str  # where its znode is, below the root

    def __str__(self):
        return self.name + (" --slots" if "--slots" in self.options else "")


VERBS = [
    Verb("run", ["--restart", "never", "--max", "1"], "sequence/default"),
    Verb("lock", ["job"], "lock/job"),
    Verb("lead", ["job", "--restart", "never"], "election/job"),
]
# In line it is another program than lock; what it does with its command is the same.
SLOTS = Verb("lock", ["job", "--slots", "1"], "semaphore/job/leases")
WITH_SLOTS = [*VERBS, SLOTS]
HAVE_WAIT = [v for v in WITH_SLOTS if v.name != "lead"]


@pytest.fixture(params=VERBS, ids=str)
def verb(request):
    return request.param


def on_terminal(slave):
    return {"start_new_session": True, "stdin": slave, "preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)}


@pytest.fixture(params=["no tty", "tty"])
def terminal(request):
    """What goes to Popen: in a session of its own, without a terminal or as the leader of one's foreground."""
    if request.param == "no tty":
        yield {"start_new_session": True}
        return
    master, slave = pty.openpty()
    yield on_terminal(slave)
    os.close(slave)
    os.close(master)


@pytest.fixture
def start(run_zksup, verb, terminal):
    """start(OPTION..., command=[...], ...) -> Zksup: the verb under test."""

    def start(*options, command=("true",), end=("--",), **rest):
        return run_zksup(verb.name, *verb.options, *options, *end, *command, **{**terminal, **rest})

    return start


def shell(script):
    return ["/bin/sh", "-c", "ulimit -c 0; " + script]


# --- the command's own ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 42, 119, 120, 124, 125, 127, 128, 255])
def test_the_commands_own_code(start, code):
    assert start(command=shell(f"exit {code}")).wait() == code


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "SEGV", "HUP", "USR1"])
def test_128_and_the_signal_that_killed_the_command(start, name):
    assert start(command=shell(f"kill -{name} $$; sleep 60")).wait() == 128 + SIGNALS[name]


def test_what_the_command_leaves_behind_does_not_change_its_status(start):
    assert start(command=shell("trap '' TERM; (exec sleep 600) & exit 42"), *[]).wait() == 42


# --- not executed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("command, status", [
    ("./file-without-x", 126), (".", 126), ("/", 126), ("./not-there", 127), ("zksup-test-no-such-command", 127),
    ("/etc/passwd/x", 126),
])  # fmt: skip
def test_126_and_127_for_what_cannot_be_executed(start, tmp_path, command, status):
    (tmp_path / "file-without-x").write_text("#!/bin/sh\nexit 0\n")
    process = start(command=[command], cwd=tmp_path)
    assert process.wait() == status
    assert f"'{command}'" in process.err, process


# --- mistakes and failures of zksup ------------------------------------------------------------------

USAGE = {
    "no command": ([], ["--"], [], "there is no command"),
    "no command, no dashes": ([], [], [], "there is no command"),
    "no dashes": ([], [], ["true"], "write '--' before the command"),
    "an empty command": ([], ["--"], [""], "the command is empty"),
    "no such option": (["--nope"], ["--"], ["true"], "there is no option '--nope'"),
    "an option without its value": (["--session-timeout"], [], [], "needs a value"),
    "no duration": (["--grace", "soon"], ["--"], ["true"], "--grace 'soon'"),
    "no choice": (["--contain", "jail"], ["--"], ["true"], "--contain 'jail'"),
    "no signal": (["--stop-signal", "KILL"], ["--"], ["true"], "--stop-signal 'KILL'"),
    "a session timeout out of range": (["--session-timeout", "1ms"], ["--"], ["true"], "--session-timeout"),
    "no file to authenticate by": (["--auth-file", "/nowhere/at-all"], ["--"], ["true"], "/nowhere/at-all"),
    "no such access control": (["--acl", "everybody"], ["--"], ["true"], "ACL entry 'everybody'"),
    "no connect string": (["--connect", "host:notaport"], ["--"], ["true"], "notaport"),
    "no root": (["--root", "relative"], ["--"], ["true"], "--root 'relative'"),
}


@pytest.mark.parametrize("mistake", USAGE)
def test_125_and_one_line_for_a_mistake_in_the_usage(start, mistake):
    options, end, command, message = USAGE[mistake]
    process = start(*options, end=end, command=command)
    assert process.wait() == 125
    assert message in process.err and len(process.err.splitlines()) == 1, process


def test_125_for_a_grace_that_does_not_fit(start):
    process = start("--session-timeout", "4s", "--grace", "10s")
    assert process.wait() == 125
    assert "grace 10s" in process.err, process


def test_125_without_a_guard(start):
    process = start(env={"ZKSUP_GUARD": "/nowhere/zksup-guard"})
    assert process.wait() == 125
    assert "guard" in process.err, process


def test_125_for_a_command_that_is_not_ready_in_time(start):
    process = start("--ready", "fd:3", "--ready-timeout", "300ms", command=["sleep", "600"])
    assert process.wait() == 125


def test_125_when_the_guard_is_killed_and_the_status_lost_with_it(start):
    process = running(start, "echo started; exec sleep 600")
    (guard,) = children_of(process.pid)
    (command,) = children_of(guard)
    os.kill(guard, signal.SIGKILL)
    assert process.wait() == 125, process
    assert not is_alive(command)


@pytest.mark.parametrize("words", [[], ["nope"], ["--nope"], ["lock"], ["lock", "--", "true"], ["lead", "--", "true"],
                                   ["lock", "a/b", "--", "true"], ["lead", "a/b", "--", "true"],
                                   ["lock", "a", "b", "--", "true"], ["lock", "a", "--slots", "0", "--", "true"],
                                   ["lock", "a", "--shared", "--exclusive", "--", "true"],
                                   ["lock", "a", "--wait", "1s", "--no-wait", "--", "true"],
                                   ["run", "--max", "1", "--first", "2", "--", "true"], ["help", "nope"]],
                         ids=lambda words: " ".join(words) or "nothing")  # fmt: skip
def test_125_for_what_is_said_wrongly_in_the_first_place(zksup, words):
    done = subprocess.run([zksup, *words], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (125, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr


# --- the ensemble ------------------------------------------------------------------------------------


def test_121_without_an_ensemble(start):
    process = start("--connect-timeout", "500ms", connect=f"127.0.0.1:{free_ports(1)[0]}")
    assert process.wait() == 121
    assert "no ensemble" in process.err, process


def test_123_where_the_access_control_refuses_us(start, kazoo, root):
    kazoo.create(root, acl=[make_acl("world", "anyone", read=True)])
    process = start()
    assert process.wait() == 123


# --- waiting -----------------------------------------------------------------------------------------


@pytest.fixture
def holder(run_zksup, verb):
    """Somebody who has it."""
    process = run_zksup(verb.name, *verb.options, "--", "/bin/sh", "-c", "echo held; exec sleep 600", name="holder")
    process.wait_out("held")
    return process


@pytest.mark.parametrize("verb", HAVE_WAIT, ids=str, indirect=True)
@pytest.mark.parametrize("limit", ["300ms", "0"])
def test_124_when_it_is_not_acquired_within_wait(start, holder, limit):
    process = start("--wait", limit)
    assert process.wait() == 124
    assert ("--wait 300ms" if limit == "300ms" else "without waiting") in process.err, process


@pytest.mark.parametrize("verb", [v for v in WITH_SLOTS if v.name == "lock"], ids=str, indirect=True)
def test_124_at_once_with_no_wait(start, holder):
    assert start("--no-wait").wait() == 124


@pytest.mark.parametrize("verb", HAVE_WAIT, ids=str, indirect=True)
def test_wait_does_not_end_what_has_begun(start):
    assert start("--wait", "300ms", command=shell("sleep 1; exit 3")).wait() == 3


@pytest.mark.parametrize("verb", WITH_SLOTS, ids=str, indirect=True)
@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT"])
def test_a_signal_ends_the_wait_at_once(start, holder, name):
    process = start()
    process.wait_err("waiting")
    process.signal(SIGNALS[name])
    assert process.wait(5) == 128 + SIGNALS[name], process
    assert holder.status is None


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_a_signal_ends_the_wait_for_an_ensemble(start, name):
    process = start("-v", connect=f"127.0.0.1:{free_ports(1)[0]}")
    process.wait_err("zksup:")
    process.signal(SIGNALS[name])
    assert process.wait(10) == 128 + SIGNALS[name], process


@pytest.fixture
def keyboard():
    """A terminal and what goes to Popen for it."""
    master, slave = pty.openpty()
    yield master, on_terminal(slave)
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize("key, status", [(b"\x03", 130), (b"\x1c", 131)], ids=["^C", "^\\"])
def test_a_key_ends_the_wait(run_zksup, verb, holder, keyboard, key, status):
    master, popen = keyboard
    waiting = run_zksup(verb.name, *verb.options, "--", *shell("echo started; exec sleep 600"), **popen)
    waiting.wait_err("waiting")
    os.write(master, key)
    assert waiting.wait(5) == status, waiting


@pytest.mark.parametrize("key, status", [(b"\x03", 130), (b"\x1c", 131)], ids=["^C", "^\\"])
def test_a_key_ends_the_command(run_zksup, verb, keyboard, key, status):
    master, popen = keyboard
    process = run_zksup(verb.name, *verb.options, "--", *shell("echo started; exec sleep 600"), **popen)
    process.wait_out("started")
    os.write(master, key)
    assert process.wait() == status, process


# --- running -----------------------------------------------------------------------------------------


def running(start, script, *options):
    process = start(*options, command=shell(script))
    process.wait_out("started")
    return process


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1"])
def test_a_signal_that_the_command_dies_of(start, name):
    process = running(start, "echo started; exec sleep 600")
    process.signal(SIGNALS[name])
    assert process.wait() == 128 + SIGNALS[name], process


@pytest.mark.parametrize("name, code", [("TERM", 0), ("TERM", 7), ("INT", 7), ("HUP", 7), ("USR1", 7)])
def test_a_signal_that_the_command_obeys_in_its_own_way(start, name, code):
    process = running(start, f"trap 'exit {code}' {name}; echo started; while :; do sleep 0.05; done")
    process.signal(SIGNALS[name])
    assert process.wait() == code, process


def test_a_signal_that_the_command_goes_on_after(start):
    process = running(start, "trap 'echo again' USR1; echo started; until [ -e go ]; do sleep 0.05; done; exit 9")
    process.signal(signal.SIGUSR1)
    process.wait_out("again")
    process.signal(signal.SIGTERM)
    assert process.wait() == 143


def test_the_stop_signal_is_the_one_that_was_asked_for(start):
    process = running(start, "trap 'exit 3' QUIT; trap '' TERM; echo started; while :; do sleep 0.05; done",
                      "--stop-signal", "QUIT")  # fmt: skip
    process.signal(signal.SIGTERM)
    assert process.wait() == 3


@pytest.mark.parametrize("first, second", [("TERM", "TERM"), ("INT", "INT"), ("INT", "TERM")])
def test_a_second_term_or_int_kills(start, first, second):
    process = running(start, "trap 'echo ignored' TERM INT; echo started; while :; do sleep 0.05; done",
                      "--session-timeout", "40s", "--grace", "15s")  # fmt: skip
    process.signal(SIGNALS[first])
    process.wait_out("ignored")
    process.signal(SIGNALS[second])
    assert process.wait(8) == 137, process


def test_a_grace_that_is_over_kills(start):
    process = running(start, "trap '' TERM; echo started; while :; do sleep 0.05; done", "--grace", "300ms")
    process.signal(signal.SIGTERM)
    assert process.wait() == 137, process


@pytest.mark.parametrize("verb", [v for v in WITH_SLOTS if v.name == "lock"], ids=str, indirect=True)
def test_a_signal_ends_what_hold_min_keeps_and_the_status_stays_the_commands(start):
    process = start("--hold-min", "1h", command=shell("echo started; exit 5"))
    process.wait_err("exited with status 5")
    process.signal(signal.SIGTERM)
    assert process.wait() == 5, process


# --- losing it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", WITH_SLOTS, ids=str, indirect=True)
def test_120_when_the_hold_is_taken_away(start, verb, kazoo, root):
    process = running(start, "echo started; exec sleep 600", "--on-loss", "stop", "--session-timeout", "4s")
    for child in kazoo.get_children(f"{root}/{verb.queue}"):
        kazoo.delete(f"{root}/{verb.queue}/{child}")
    assert process.wait() == 120, process
    assert "lost" in process.err


def test_120_when_the_lease_runs_out(start):
    process = running(start, "echo started; exec sleep 600", "--on-loss", "stop", "--session-timeout", "3s")
    (guard,) = wait_for(lambda: children_of(process.pid), 5, "the guard")
    process.signal(signal.SIGSTOP)
    wait_for(lambda: not children_of(guard), 10, "the guard has ended the command")
    process.signal(signal.SIGCONT)
    assert process.wait() == 120, process
