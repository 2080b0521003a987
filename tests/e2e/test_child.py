"""As whom, where and with what a command runs under zksup up, and what goes with it; zksup still-mine in it."""

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from journal import is_running
from zk_server import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change users")

NOBODY = pwd.getpwnam("nobody")
CONTAIN = ("subreaper", "cgroup", "pidns")


@pytest.fixture
def public(zksup):
    """A directory that every user may write to, with the program in it."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="zksup-test-"))
    directory.chmod(0o777)
    shutil.copy(zksup, directory / "zksup")
    (directory / "zksup").chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def script(public, name, text):
    path = public / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def unit(name, *lines):
    return f"unit {name} {{\n    " + "\n    ".join(lines) + "\n}\n"


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


def test_the_command_its_standby_and_its_hooks_run_as_the_unit_says(up, public):
    """Two units on the same leadership, so that one of them stands by."""
    who = script(public, "who", f"""
echo "$1 $(id -un) $(id -gn) $(pwd) $(umask) $(ulimit -Sn):$(ulimit -Hn) $HOME $COLOUR ${{SECRET-none}}" >>{public}/log
[ "$2" ] && exec sleep 600
exit 0
""")  # fmt: skip
    common = (f'command = {{"{who}", "leads", "stays"}}', f'standby = "{who} stands stays"', f'on-won = "{who} won"',
              f'on-lost = "{who} lost"', 'lead = "l"', 'user = "nobody"', f'directory = "{public}"', "umask = 027",
              'clear-environment = true', 'environment = {"COLOUR=green"}', 'limits = {"nofile=100:200"}')  # fmt: skip
    daemon = up(unit("a", *common) + unit("b", *common), env={"SECRET": "x"})
    log = public / "log"
    wait_for(lambda: {"leads", "stands", "won"} <= {line.split()[0] for line in lines_of(log)}, 20, "both run")
    assert daemon.zksup.stop() == 0
    expected = f"nobody nogroup {public} 0027 100:200 {NOBODY.pw_dir} green none"
    assert {line.split(" ", 1)[1] for line in lines_of(log)} == {expected}
    assert {"leads", "stands", "won", "lost"} == {line.split()[0] for line in lines_of(log)}


def test_what_cannot_be_set_is_named(up, public):
    private = public / "private"
    private.mkdir(mode=0o700)
    daemon = up(unit("missing", 'command = {"true"}', 'directory = "/nonexistent"')
                + unit("closed", 'command = {"true"}', 'user = "nobody"', f'directory = "{private}"')
                + unit("limit", 'command = {"true"}', 'limits = {"nofile=1:9999999999999"}')
                + unit("fine", 'command = {"sleep", "600"}'))  # fmt: skip
    daemon.wait_unit("fine", "running", "ready")
    for line in ("missing: cannot change to directory '/nonexistent': No such file or directory",
                 f"closed: cannot change to directory '{private}' as user 'nobody': Permission denied",
                 "limit: cannot set limit 'nofile' to 1:9999999999999: Operation not permitted"):  # fmt: skip
        daemon.zksup.wait_err(line)


ASKER = """
exec >>{public}/answers.$1 2>&1
n=0
while :; do
    # every descriptor but the first three is closed, as many programs do
    /usr/bin/python3 -c 'import subprocess, sys
sys.exit(subprocess.run(sys.argv[1:], close_fds=True).returncode)' {public}/zksup still-mine -v
    echo "status $? $(id -un) $ZKSUP_LEASE"
    sleep 0.05
done
"""


def test_a_command_of_another_user_can_ask_whatever_becomes_of_zksup(up, public):
    asker = script(public, "asker", ASKER.replace("{public}", str(public)))
    daemon = up("".join(unit(contain, f'command = {{"{asker}", "{contain}"}}', f'lock = "{contain}"', 'user = "nobody"',
                             f'contain = "{contain}"') for contain in CONTAIN))  # fmt: skip
    leases = {}
    for contain in CONTAIN:
        path = public / f"answers.{contain}"

        def yes(path=path):
            return next((line for line in lines_of(path) if line.startswith("status 0 nobody ")), None)

        leases[contain] = wait_for(yes, 20, f"yes in {contain}: {daemon.zksup!r}").split()[-1]
        assert any("ours for another" in line for line in lines_of(path))

    def ask(lease):
        done = subprocess.run([public / "zksup", "still-mine"], env={"ZKSUP_LEASE": lease}, user=NOBODY.pw_uid,
                              group=NOBODY.pw_gid, extra_groups=[], capture_output=True, text=True)  # fmt: skip
        return done.returncode, done.stderr

    children = [daemon.unit(contain)["pid"] for contain in CONTAIN if contain != "pidns"]
    for lease in leases.values():
        assert ask(lease) == (0, "")
    daemon.post("/v1/reexec")  # another program goes on with the file
    daemon.zksup.wait_err("goes on in place of")
    daemon.wait_up()
    for contain, lease in leases.items():
        assert ask(lease) == (0, "")
        count = len(lines_of(public / f"answers.{contain}"))
        wait_for(lambda: len(lines_of(public / f"answers.{contain}")) > count + 2, 20, f"{contain} asks on")  # noqa: B023
        assert not any("status 1" in line for line in lines_of(public / f"answers.{contain}"))
    daemon.zksup.process.kill()
    daemon.zksup.process.wait()
    for lease in leases.values():
        status, said = ask(lease)
        assert status == 1 and "has ended" in said, said
    wait_for(lambda: not any(is_running(pid) for pid in children), 20, "the guards have ended them")


def group_of(guard):
    words = pathlib.Path(f"/proc/{guard}/cmdline").read_bytes().split(b"\0")
    return pathlib.Path(words[words.index(b"--cgroup") + 1].decode()) if b"--cgroup" in words else None


def test_a_job_goes_on_after_somebody_has_removed_its_control_group(up, public):
    job = script(public, "job", f"echo ran >>{public}/runs\n")
    daemon = up(unit("tick", f'command = {{"{job}"}}', 'cron = "t"', 'schedule = "@every 1s"'))
    wait_for(lambda: lines_of(public / "runs"), 20, "it runs")
    group = group_of(daemon.unit("tick")["guard_pid"])
    if not group:
        pytest.skip("no control group is to be had")

    def removed():
        try:
            group.rmdir()
        except OSError:
            return False
        return True

    wait_for(removed, 20, "nothing is in the group")
    daemon.zksup.wait_err(f"the control group {group} was removed")
    runs = len(lines_of(public / "runs"))
    wait_for(lambda: len(lines_of(public / "runs")) >= runs + 2, 20, f"it runs on: {daemon.zksup!r}")
