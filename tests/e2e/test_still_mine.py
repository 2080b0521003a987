"""zksup still-mine: what a command is told about its own hold, from wherever in its tree it asks."""

import json
import mmap
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import pytest

from supervised import Lease
from zk_server import SCALE, wait_for

# Asks at once, then until it is ended; a line for each answer: the time before, the status, what was said.
ASKER = """
import json, os, signal, subprocess, sys, time
def ask(why, *options):
    begin = time.clock_gettime(time.CLOCK_BOOTTIME)
    done = subprocess.run([os.environ["ZKSUP"], "still-mine", "-v", *options], capture_output=True, text=True)
    if done.returncode < 0:
        return  # the stop signal, which everybody in the tree gets, has hit the one who asks
    with open(os.environ["ANSWERS"], "a") as file:
        file.write(json.dumps([why, begin, done.returncode, done.stdout + done.stderr]) + "\\n")
stopped = []
signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(1))
while True:
    ask("stopping" if stopped else "running", *sys.argv[1:])
    time.sleep(0.02)
"""


def boottime():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Asker:
    """zksup run with a command that goes on asking and does not obey TERM."""

    def __init__(self, run_zksup, zksup, directory, *options, ask=(), **rest):
        self.path = pathlib.Path(directory) / "answers"
        self.path.touch()
        command = ["/usr/bin/python3", "-c", ASKER, *ask]
        self.zksup = run_zksup("run", *options, "--", *command, env={"ZKSUP": zksup, "ANSWERS": str(self.path)}, **rest)

    @property
    def answers(self):
        text = self.path.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def wait_for(self, predicate, what, deadline=20):
        return wait_for(lambda: next((a for a in self.answers if predicate(a)), None), deadline,
                        f"{what}; {self.zksup!r}")  # fmt: skip


@pytest.fixture
def asker(run_zksup, zksup, tmp_path):
    return lambda *options, **rest: Asker(run_zksup, zksup, tmp_path, *options, **rest)


def skip_without(process, contain):
    if contain == "cgroup" and "no control group" in process.err:
        pytest.skip("no control group is delegated to us")


WAYS = {
    "the command": '"$ZKSUP" still-mine',
    "a child without descriptors":
        """/usr/bin/python3 -c 'import os, subprocess, sys
sys.exit(subprocess.run([os.environ["ZKSUP"], "still-mine"], close_fds=True).returncode)' """,
    "an orphan in a session of its own":
        """rm -f "$OUT"; (setsid sh -c '"$ZKSUP" still-mine; echo $? >"$OUT.new"; mv "$OUT.new" "$OUT"' 3>&- &)
until [ -e "$OUT" ]; do sleep 0.05; done; (exit "$(cat "$OUT")")""",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("contain", ["subreaper", "cgroup", "pidns"])
def test_everybody_in_the_tree_is_told_yes(run_zksup, zksup, tmp_path, contain, way):
    process = run_zksup("run", "--restart", "never", "--contain", contain, "--", "sh", "-c", WAYS[way] + "\nexit $((40 + $?))",
                        env={"ZKSUP": zksup, "OUT": str(tmp_path / "out")})  # fmt: skip
    status = process.wait()
    skip_without(process, contain)
    assert (status, process.out) == (40, ""), process


@pytest.mark.parametrize("contain", ["subreaper", "pidns"])
def test_without_privilege_too(run_zksup, zksup, contain):
    if os.geteuid() != 0:
        pytest.skip("this test starts zksup as another user, which needs root; the others run without privilege already")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        for program in (zksup, os.environ["ZKSUP_GUARD"]):
            shutil.copy(program, directory)
        mine = directory + "/zksup"
        process = run_zksup("run", "--restart", "never", "--contain", contain, "--", "sh", "-c",
                            'cat /proc/1/comm; "$ZKSUP" still-mine -v; exit $((40 + $?))', cwd="/",
                            env={"ZKSUP": mine, "ZKSUP_GUARD": directory + "/zksup-guard"}, user=65534, group=65534,
                            extra_groups=[], executable=mine)  # fmt: skip
        status = process.wait()
    if contain == "pidns" and "zksup-init" not in process.out:
        pytest.skip("no user namespaces without privilege")
    assert status == 40, process
    assert "ours for another" in process.out


def ask_through(run_zksup, zksup, *wrapper):
    """Starts a command that asks through WRAPPER; skips where that cannot be done."""
    if os.geteuid() != 0 or subprocess.run([*wrapper, "true"], capture_output=True).returncode != 0:
        pytest.skip(f"{wrapper[0]} cannot do that here")
    run = run_zksup("run", "--restart", "never", "--", *wrapper, zksup, "still-mine")
    return run.wait(), run.err


def test_whoever_has_become_another_user_is_told_no(run_zksup, zksup):
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        shutil.copy(zksup, directory)
        status, err = ask_through(run_zksup, directory + "/zksup", "setpriv", "--reuid", "65534", "--clear-groups")
    assert status == 1 and "as another user" in err


def test_in_a_time_namespace_with_another_clock_the_answer_is_no(run_zksup, zksup):
    status, err = ask_through(run_zksup, zksup, "unshare", "--time", "--boottime", "-100")
    assert status == 1 and "another time namespace" in err


@pytest.mark.parametrize("contain", ["subreaper", "pidns"])
def test_with_the_supervisor_stopped_it_turns_to_no_in_time(asker, contain):
    lease = Lease(5)
    margin = 1.5
    assert margin > lease.kill
    run = asker("--session-timeout", "5s", "--contain", contain, ask=["--for", f"{margin}s"])
    run.wait_for(lambda a: a[2] == 0, "it is told yes")
    run.zksup.signal(signal.SIGSTOP)
    stop = boottime()  # no renewal was sent after this
    no = run.wait_for(lambda a: a[1] > stop and a[2] != 0, "it is told no while it lives", lease.lease + 5)
    assert no[2] == 1 and "the lease ends in" in no[3], no
    later = run.answers
    assert any(a[1] > stop and a[2] == 0 for a in later), "the stopped supervisor's page is not read"
    late = [a for a in later if a[2] == 0 and a[1] > stop + lease.lease - margin]
    assert not late, f"yes though the lease had less than {margin} s: {late}"
    assert no[1] < stop + lease.lease - lease.kill, "told only after the kill was due"
    run.zksup.signal(signal.SIGCONT)


def test_a_dead_supervisors_page_is_not_read(asker, run_zksup, zksup):
    run = run_zksup("run", "--restart", "never", "--", "sh", "-c", 'echo "$ZKSUP_LEASE"')
    assert run.wait() == 0
    done = ask(zksup, run.out.strip())
    assert done.returncode == 1
    assert "has ended" in done.stderr


def test_a_hold_that_was_taken_away_is_denied_at_once(asker, kazoo, root):
    run = asker("--session-timeout", "10s", "--grace", "3s", "--on-loss", "stop")
    run.wait_for(lambda a: a[2] == 0, "it is told yes")
    kazoo.delete(f"{root}/sequence/default/1")
    no = run.wait_for(lambda a: a[2] != 0, "it is told no while it is being stopped")
    assert no[2] == 1 and "lost or given back" in no[3], no
    assert all(a[2] == 1 for a in run.answers if a[1] > no[1])


def test_while_it_is_told_to_stop_in_order_the_hold_is_its_own(asker):
    run = asker("--grace", f"{2 * SCALE}s")
    run.wait_for(lambda a: a[2] == 0, "it is told yes")
    run.zksup.signal(signal.SIGTERM)
    assert run.wait_for(lambda a: a[0] == "stopping", "it asks while it stops")[2] == 0


def test_of_a_leadership_only_what_runs_for_it_is_told_yes(run_zksup, zksup, tmp_path):
    (tmp_path / "ask").write_text('"$ZKSUP" still-mine 2>&1; echo "$1 $?" >>"$OUT"\n')
    out = tmp_path / "out"
    ask = f"/bin/sh {tmp_path}/ask"
    holder = run_zksup("lead", "x", "--", "sleep", "600", name="holder")
    holder.wait_err("started")
    run = run_zksup("lead", "x", "--standby", f"/bin/sh -c '{ask} standby; exec sleep 600'", "--on-won", f"{ask} on-won",
                    "--on-lost", f"{ask} on-lost", "--restart", "never", "--", "/bin/sh", tmp_path / "ask", "command",
                    env={"ZKSUP": zksup, "OUT": str(out)})  # fmt: skip
    wait_for(lambda: out.exists() and "standby" in out.read_text(), 15, f"the standby has asked; {run!r}")
    holder.stop()
    assert run.wait() == 0
    assert out.read_text().splitlines() == ["standby 1", "on-won 0", "command 0", "on-lost 1"]


def test_a_hook_for_a_leadership_that_was_taken_away_is_told_no(run_zksup, zksup, kazoo, root, tmp_path):
    (tmp_path / "ask").write_text("trap '' TERM\nwhile :; do \"$ZKSUP\" still-mine -q; echo $? >>\"$OUT\"; sleep 0.05; done")
    for attempt in range(5):
        out = tmp_path / f"out-{attempt}"
        run = run_zksup("lead", f"x{attempt}", "--session-timeout", "10s", "--grace", "3s", "--on-loss", "stop",
                        "--on-won", f"/bin/sh {tmp_path}/ask", "--hook-timeout", "1h", "--", "true",
                        env={"ZKSUP": zksup, "OUT": str(out)})  # fmt: skip
        wait_for(lambda: out.exists() and "0" in out.read_text(), 15, f"the hook is told yes; {run!r}")
        (candidate,) = kazoo.get_children(f"{root}/election/x{attempt}")
        kazoo.delete(f"{root}/election/x{attempt}/{candidate}")
        assert run.wait() == 120, run
        answers = out.read_text().split()
        assert answers == sorted(answers), "once told no, always told no"
        # A hook has a second until it is killed; on a busy machine one question can take longer.
        if "1" in answers:
            return
    raise AssertionError(f"the hook is never told no while it is being stopped; {run!r}")


@pytest.mark.parametrize("options", [[], ["--shared"], ["--exclusive"], ["--slots", "2"]], ids=" ".join)
def test_under_each_kind_of_lock_the_command_is_told_yes(run_zksup, zksup, options):
    run = run_zksup("lock", "x", *options, "--", "sh", "-c", '"$0" still-mine -v; echo "$ZK_FENCE"', zksup)
    assert run.wait() == 0
    said, fence = run.out.splitlines()
    assert said.endswith(f"fencing token {fence}"), said


def test_verbose_says_for_how_long_and_with_which_token(run_zksup, zksup):
    run = run_zksup("run", "--restart", "never", "--", "sh", "-c", '"$0" still-mine -v; echo "$ZK_FENCE"', zksup)
    assert run.wait() == 0
    said, fence = run.out.splitlines()
    assert said.startswith("ours for another ") and said.endswith(f"s, fencing token {fence}"), said


@pytest.fixture
def held(supervise, zksup):
    """The ZKSUP_LEASE of a run that goes on."""
    run = supervise("--session-timeout", "10s")
    run.wait_starts()
    (pid, *_) = run.processes()
    for entry in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        if entry.startswith(b"ZKSUP_LEASE="):
            return entry.partition(b"=")[2].decode()
    raise AssertionError("no ZKSUP_LEASE")


def ask(zksup, lease, *options, env=None):
    environment = {k: v for k, v in os.environ.items() if k not in ("ZKSUP_LEASE", "ZK_ROLE")}
    if lease is not None:
        environment["ZKSUP_LEASE"] = lease
    return subprocess.run([zksup, "still-mine", *options], env={**environment, **(env or {})}, capture_output=True,
                          text=True, timeout=30)  # fmt: skip


def test_for_is_compared_with_what_is_left(zksup, held):
    assert ask(zksup, held, "--for", "2s").returncode == 0
    for time_asked in ("8.1s", "1h", "infinity"):
        done = ask(zksup, held, "--for", time_asked)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert "--for asks for" in done.stderr
    assert ask(zksup, held, "--for", "1h", "--quiet").stderr == ""


def test_a_standby_holds_nothing(zksup, held):
    assert ask(zksup, held, env={"ZK_ROLE": "leader"}).returncode == 0
    done = ask(zksup, held, env={"ZK_ROLE": "standby"})
    assert done.returncode == 1
    assert "standby" in done.stderr


@pytest.mark.parametrize("lease, options", [
    (None, []), ("", []), ("nonsense", []), ("1:2:3", []), ("1:2:3:4", ["--for"]), ("1:2:3:4", ["--for", "soon"]),
    ("1:2:3:4", ["--nope"]), ("1:2:3:4", ["--", "true"]),
])  # fmt: skip
def test_outside_and_wrongly_used_it_is_125_with_one_line(zksup, lease, options):
    done = ask(zksup, lease, *options)
    assert (done.returncode, done.stdout) == (125, "")
    assert len(done.stderr.splitlines()) == 1 and "still-mine" in done.stderr


def test_what_is_not_the_page_is_a_no(zksup, held):
    pid, fd, word, inode = held.split(":")
    for wrong in (f"{pid}:{fd}:{word}:{int(inode) + 1}", f"{pid}:0:{word}:{inode}", f"{os.getpid()}:{fd}:{word}:{inode}",
                  f"{pid}:{fd}:100000000:{inode}"):  # fmt: skip
        done = ask(zksup, wrong)
        assert done.returncode == 1, (wrong, done)
        assert "cannot read the lease page" in done.stderr


def test_another_program_reads_the_page_as_the_manual_says_and_cannot_write_it(held):
    pid, fd, word, inode = (int(field) for field in held.split(":"))
    page = os.open(f"/proc/{pid}/fd/{fd}", os.O_RDONLY)
    try:
        assert os.fstat(page).st_ino == inode
        with mmap.mmap(page, 0, prot=mmap.PROT_READ) as memory:
            (deadline,) = struct.unpack_from("=Q", memory, 8 * word)
    finally:
        os.close(page)
    left = deadline / 1e6 - boottime()
    assert 0 < left <= Lease(10).lease
    page = os.open(f"/proc/{pid}/fd/{fd}", os.O_RDWR)
    try:
        with pytest.raises(PermissionError):
            os.pwrite(page, b"\xff" * 8, 8 * word)
        with pytest.raises(PermissionError):
            mmap.mmap(page, 0, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    finally:
        os.close(page)
