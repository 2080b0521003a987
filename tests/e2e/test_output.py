"""Where what units print goes, and that nobody waits for whom it must not: zksup up with its outputs, zksup logs."""

import os
import pathlib
import shutil
import stat
import subprocess
import time

import pytest
from harness import SCALE
from zk_server import wait_for

WORKS = ("running", "ready")


def shell(script):
    script = script.replace("\\", "\\\\").replace('"', '\\"')
    return f'command = {{"sh", "-c", "{script}"}}'


def unit(name, *lines):
    return f"unit {name} {{\n    " + "\n    ".join(lines) + "\n}\n"


@pytest.fixture
def logs(zksup):
    def run(daemon, *arguments):
        return subprocess.run([zksup, "logs", "--socket", daemon.socket, *arguments], capture_output=True, text=True, timeout=60)
    return run


# --- where lines go -----------------------------------------------------------------------------------


def test_inherited_lines_have_the_name_of_the_unit_before_them(up, logs):
    daemon = up(unit("a", "stdout = inherit", "stderr = inherit", shell("echo one; echo two >&2; printf three; exec sleep 600"))
                + unit("b", "stdout = inherit", "stderr = inherit", shell("echo four; printf last"), "restart = never"))  # fmt: skip
    daemon.zksup.wait_out("a: one\n")
    daemon.zksup.wait_err("a: two\n")
    daemon.zksup.wait_out("b: four\n")
    daemon.zksup.wait_out("\nb: last\n")
    wait_for(lambda: sorted(logs(daemon, "a").stdout.splitlines()) == ["one", "two"], 20, "both streams are remembered")
    assert daemon.zksup.stop() == 0
    assert "a: three\n" in daemon.zksup.out, "a line without an end is printed at the end"


def test_a_command_has_no_input(up):
    daemon = up(unit("a", "stdout = inherit", shell("cat; echo over; exec sleep 600")))
    daemon.zksup.wait_out("a: over\n")


def test_both_streams_in_one_file_keep_their_order(up, tmp_path):
    path = tmp_path / "a.log"
    daemon = up(unit("a", f'stdout = "file:{path}"', f'stderr = "file:{path}"', "restart = never",
                     shell("for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done")))  # fmt: skip
    daemon.wait_unit("a", "finished")
    wait_for(lambda: path.read_text().count("\n") == 10, 20, "all lines are there")
    assert path.read_text() == "".join(f"out {i}\nerr {i}\n" for i in range(1, 6))
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0


def test_a_file_is_rotated_between_lines(up, tmp_path):
    path = tmp_path / "a.log"
    daemon = up(unit("a", f'stdout = "file:{path}"', "rotate-size = 1K", "rotate-keep = 2", "restart = never",
                     shell("seq 1000 1999")))  # fmt: skip
    daemon.wait_unit("a", "finished")
    files = [tmp_path / "a.log.2", tmp_path / "a.log.1", path]
    wait_for(lambda: path.read_text().endswith("1999\n"), 20, "the last line is there")
    assert not (tmp_path / "a.log.3").exists()
    text = "".join(f.read_text() for f in files)
    assert text == "".join(f"{i}\n" for i in range(1000, 2000))[-len(text):]
    assert all(f.stat().st_size <= 1024 for f in files) and files[0].stat().st_size > 1000


def test_what_was_not_in_time_for_its_directory_comes_later(up, tmp_path):
    path = tmp_path / "later" / "a.log"
    daemon = up(unit("a", f'stdout = "file:{path}"', shell("while :; do echo x; sleep 0.1; done")))
    daemon.zksup.wait_err(f"cannot write to {path}: No such file or directory")
    daemon.wait_unit("a", *WORKS)
    path.parent.mkdir()
    wait_for(lambda: path.exists() and path.stat().st_size, 20, "the file is written")
    daemon.zksup.wait_err("can be written again")
    assert daemon.zksup.err.count("cannot write to") == 1
    assert daemon.unit("a")["lines_dropped"] > 0


def test_a_standby_and_hooks_print_where_their_unit_does(up):
    daemon = up(unit("a", 'lead = "l"', "stdout = inherit", 'on-won = "echo won"', 'on-lost = "echo lost"',
                     shell("echo leads; exec sleep 600")))  # fmt: skip
    daemon.zksup.wait_out("a: won\na: leads\n")
    daemon.post("/v1/units/a/stop")
    daemon.zksup.wait_out("a: won\na: leads\na: lost\n")


def test_without_a_journal_it_is_inherited(up):
    if pathlib.Path("/run/systemd/journal/stdout").exists():
        pytest.skip("there is a journal")
    daemon = up(unit("a", "stdout = journal", shell("echo one; exec sleep 600")))
    daemon.zksup.wait_out("a: one\n")
    daemon.zksup.wait_err("there is no journal")


# --- nobody waits -------------------------------------------------------------------------------------


def session(daemon):
    return daemon.get("/v1/session")["session"]


def watch(daemon, seconds, holder="holder"):
    """Looks at the lease of a unit all the time; returns the least that was left of it, as a share of the whole."""
    least, until = 1.0, time.monotonic() + seconds * SCALE
    whole = session(daemon)["lease_seconds"]
    while time.monotonic() < until:
        least = min(least, daemon.unit(holder)["lease_left_seconds"] / whole)
        time.sleep(0.02)
    return least


def assert_undisturbed(daemon, pid):
    u = daemon.unit("holder")
    assert (u["pid"], u["hold_losses"], u["restarts"]) == (pid, 0, 0), u
    assert session(daemon)["expiries"] == 0


def test_a_flood_does_not_make_renewals_late(up, tmp_path):
    """The lease is 0.8 s where the machine is quick; a renewal is due every sixth of it."""
    daemon = up(unit("holder", 'lock = "k"', 'command = {"sleep", "600"}')
                + unit("flood", 'command = {"yes"}', f'stdout = "file:{tmp_path}/flood.log"', "rotate-size = 1M", "rotate-keep = 1"),
                header=f'session-timeout = "{int(1000 * SCALE)}ms"\n')  # fmt: skip
    pid = daemon.wait_unit("holder", "ready")["pid"]
    daemon.wait_unit("flood", *WORKS)
    before = session(daemon)["renewals"]
    least = watch(daemon, 3)
    assert least > 0.3, "half of the lease is for silence, not for our own work"
    assert session(daemon)["renewals"] - before >= 10
    assert_undisturbed(daemon, pid)
    assert daemon.unit("flood")["lines_dropped"] == 0
    assert sum(f.stat().st_size for f in tmp_path.glob("flood.log*")) <= 2 * 1024 * 1024


def test_a_stuck_reader_of_our_output_holds_nobody_up(up, tmp_path):
    count = tmp_path / "count"
    flood = shell(f"i=0; while :; do yes | head -n 20000; i=$((i + 1)); echo $i >{count}; done")
    reader, writer = os.pipe()
    try:
        daemon = up(unit("holder", 'lock = "k"', 'command = {"sleep", "600"}') + unit("flood", "stdout = inherit", flood),
                    stdout=writer)  # fmt: skip
        pid = daemon.wait_unit("holder", "ready")["pid"]
        daemon.zksup.wait_err("cannot write to standard output: its reader is stuck", 20)
        wait_for(lambda: count.exists() and int(count.read_text() or 0) >= 20, 20, "the command goes on")
        assert daemon.unit("flood")["lines_dropped"] > 0
        assert_undisturbed(daemon, pid)
        os.close(writer)
        writer = -1
        os.set_blocking(reader, False)

        def readable():
            while True:
                try:
                    if not os.read(reader, 65536):
                        break
                except BlockingIOError:
                    break
            return "standard output can be written again" in daemon.zksup.err
        wait_for(readable, 20, "the reader is back")
        assert daemon.zksup.stop() == 0
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def test_a_full_disk_drops_lines_and_nothing_else(up, logs):
    daemon = up(unit("holder", 'lock = "k"', "stdout = file:/dev/full", shell("while :; do echo x; sleep 0.01; done")))
    pid = daemon.wait_unit("holder", "ready")["pid"]
    wait_for(lambda: daemon.unit("holder")["lines_dropped"] > 20, 20, "lines are dropped")
    assert daemon.zksup.err.count("cannot write to /dev/full: No space left on device") == 1
    assert logs(daemon, "holder", "-n", "3").stdout == "x\nx\nx\n"
    assert_undisturbed(daemon, pid)


COUNT = "i=0; while :; do echo $((i += 1)); sleep 0.002; done"


def test_no_line_is_lost_when_another_program_takes_over(up, zksup, logs, tmp_path):
    path = tmp_path / "b.log"
    daemon = up(unit("a", "stdout = inherit", shell(COUNT)) + unit("b", f'stdout = "file:{path}"', shell(COUNT)))
    pids = [daemon.wait_unit(name, *WORKS)["pid"] for name in "ab"]
    followed = tmp_path / "followed"
    with open(followed, "wb") as f:
        follower = subprocess.Popen([zksup, "logs", "-f", "-n", "10000", "-s", daemon.socket, "a"], stdout=f)
    for _ in range(3):
        daemon.zksup.wait_out(f"a: {len(daemon.zksup.out.splitlines()) + 50}\n")
        done = subprocess.run([zksup, "reexec", "--socket", daemon.socket], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    assert [daemon.unit(name)["pid"] for name in "ab"] == pids
    daemon.zksup.wait_out(f"a: {len(daemon.zksup.out.splitlines()) + 50}\n")
    lines = logs(daemon, "a", "-n", "10000").stdout.split()
    assert lines == [str(i) for i in range(int(lines[-1]) - len(lines) + 1, int(lines[-1]) + 1)] and lines[0] == "1"
    wait_for(lambda: f"\n{lines[-1]}\n" in followed.read_text(), 20, "who follows is told")
    assert daemon.zksup.stop() == 0
    assert follower.wait(20 * SCALE) == 125
    numbers = followed.read_text().split()
    assert numbers == [str(i) for i in range(1, len(numbers) + 1)]
    assert daemon.zksup.out.splitlines() == [f"a: {i}" for i in range(1, daemon.zksup.out.count("\n") + 1)]
    written = path.read_text().split()
    assert written == [str(i) for i in range(1, len(written) + 1)]


@pytest.fixture
def disk(tmp_path):
    """A file system of its own that can be frozen."""
    if os.geteuid() != 0 or not all(shutil.which(program) for program in ("mkfs.ext4", "fsfreeze", "losetup")):
        pytest.skip("needs root, mkfs.ext4, fsfreeze and losetup")
    image, mount = tmp_path / "image", tmp_path / "disk"
    with open(image, "wb") as f:
        f.truncate(16 * 1024 * 1024)
    mount.mkdir()
    subprocess.run(["mkfs.ext4", "-q", image], check=True, timeout=60)
    if subprocess.run(["mount", "-o", "loop", image, mount], stderr=subprocess.DEVNULL, timeout=60).returncode:
        pytest.skip("no loop device to be had")
    yield mount
    subprocess.run(["fsfreeze", "-u", mount], stderr=subprocess.DEVNULL, timeout=60)
    wait_for(lambda: subprocess.run(["umount", mount], stderr=subprocess.DEVNULL, timeout=60).returncode == 0, 20, "umount")


def test_a_frozen_file_system_holds_nobody_up(up, disk, logs):
    daemon = up(unit("holder", 'lock = "k"', f'stdout = "file:{disk}/a.log"', shell("i=0; while :; do echo $((i += 1)); sleep 0.001; done"))
                + unit("other", 'lock = "o"', 'command = {"sleep", "600"}'),
                header=f'session-timeout = "{int(2000 * SCALE)}ms"\n')  # fmt: skip
    pid = daemon.wait_unit("holder", "ready")["pid"]
    daemon.wait_unit("other", "ready")
    path = disk / "a.log"
    wait_for(lambda: path.exists() and path.stat().st_size, 20, "lines are written")
    subprocess.run(["fsfreeze", "-f", disk], check=True, timeout=60)
    try:
        assert watch(daemon, 3) > 0.3
        before = int(logs(daemon, "holder", "-n", "1").stdout)
        wait_for(lambda: int(logs(daemon, "holder", "-n", "1").stdout) > before, 20, "the command goes on")
    finally:
        subprocess.run(["fsfreeze", "-u", disk], check=True, timeout=60)
    assert_undisturbed(daemon, pid)
    last = int(logs(daemon, "holder", "-n", "1").stdout)
    wait_for(lambda: int(path.read_text().split("\n")[-2]) > last, 20, "lines are written again")
    assert daemon.zksup.stop() == 0


# --- zksup logs ---------------------------------------------------------------------------------------


def test_logs_are_the_last_lines(up, logs):
    daemon = up(unit("a", "stdout = inherit", shell("seq 1 100; exec sleep 600"))
                + unit("b", "stdout = inherit", shell("echo 'ä <b>'; exec sleep 600"))
                + unit("c", "stdout = null", shell("echo nothing; exec sleep 600")))  # fmt: skip
    wait_for(lambda: logs(daemon, "a", "-n", "1").stdout == "100\n", 20, "all lines are there")
    assert logs(daemon, "a").stdout == "".join(f"{i}\n" for i in range(51, 101))
    assert logs(daemon, "-n", "200", "a").stdout == "".join(f"{i}\n" for i in range(1, 101))
    wait_for(lambda: logs(daemon, "b").stdout == "ä <b>\n", 20, "b has printed")
    assert logs(daemon, "--lines=1").stdout == "a: 100\nb: ä <b>\n", "of several units each line has the name"
    assert logs(daemon, "c").stdout == ""
    nobody = logs(daemon, "nobody")
    assert nobody.returncode == 125 and "nobody" in nobody.stderr
    assert logs(daemon, "a", "-n", "0").returncode == 125


def test_logs_follow_what_is_printed(up, zksup, tmp_path):
    go = tmp_path / "go"
    daemon = up(unit("a", "stdout = inherit",
                     shell(f"echo before; while ! [ -e {go} ]; do sleep 0.05; done; seq 1 5000; echo after; exec sleep 600")))  # fmt: skip
    daemon.zksup.wait_out("a: before\n")
    out = tmp_path / "followed"
    with open(out, "wb") as f:
        follower = subprocess.Popen([zksup, "logs", "-f", "-s", daemon.socket, "a"], stdout=f, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: out.read_text() == "before\n", 20, "what was there is printed")
        go.touch()
        wait_for(lambda: out.read_text().endswith("after\n"), 20, "what comes is printed")
        assert out.read_text() == "before\n" + "".join(f"{i}\n" for i in range(1, 5001)) + "after\n"
        assert daemon.zksup.stop() == 0
        assert follower.wait(20 * SCALE) == 125
    finally:
        follower.kill()
        assert "no supervisor" in follower.stderr.read().decode() or follower.returncode == -9
        follower.wait()
        follower.stderr.close()


def test_logs_without_a_supervisor_say_so(zksup, tmp_path):
    done = subprocess.run([zksup, "logs", "-s", tmp_path / "none.sock"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 125 and "none.sock" in done.stderr and done.stdout == ""
