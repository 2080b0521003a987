"""Where there is a journal: what units print there, what zksup says about them, zksup logs. A journal of its own is
started for that, in a mount namespace with another /run."""

import json
import os
import re
import subprocess

import pytest
from harness import SCALE
from test_output import shell, unit
from zk_server import _die_with_parent, wait_for

JOURNALD = "/lib/systemd/systemd-journald"
# As a service has it: all output goes to the journal, and JOURNAL_STREAM says so.
CAT = "systemd-cat -t zksup sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$@\"' sh"


@pytest.fixture
def journald():
    """The start of a command line that runs in the namespace with the journal."""
    if os.geteuid() != 0 or not os.access(JOURNALD, os.X_OK):
        pytest.skip("needs root and systemd-journald")
    script = f"mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal && exec {JOURNALD}"
    process = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", script],
                               stderr=subprocess.DEVNULL, preexec_fn=_die_with_parent)  # fmt: skip
    enter = ["nsenter", "-t", str(process.pid), "-m", "--"]
    try:
        wait_for(lambda: subprocess.run([*enter, "test", "-S", "/run/systemd/journal/stdout"], timeout=20).returncode == 0, 20)
        yield enter
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def zksup(journald, tmp_path):
    """zksup in that namespace; zksup up like a service."""
    wrapper = tmp_path / "zksup"
    wrapper.write_text(f"""#!/bin/sh
[ "$1" = up ] && exec {' '.join(journald)} {CAT} {os.environ['ZKSUP_BIN']} "$@"
exec {' '.join(journald)} {os.environ['ZKSUP_BIN']} "$@"
""")
    wrapper.chmod(0o755)
    return str(wrapper)


@pytest.fixture
def entries(journald):
    def read(*matches):
        subprocess.run([*journald, "journalctl", "--sync"], timeout=60, capture_output=True)
        done = subprocess.run([*journald, "journalctl", "-o", "json", *matches], capture_output=True, text=True, timeout=60)
        return [json.loads(line) for line in done.stdout.splitlines()]
    return read


def message_id(event):
    with open(os.path.dirname(__file__) + "/../../src/manager/journal.c") as f:
        return re.search(rf"\[LOG_EVENT_{event}\] = \"(\w+)\"", f.read())[1]


def wait_entry(entries, *matches, **fields):
    def there():
        return next((e for e in entries(*matches) if all(e.get(k) == v for k, v in fields.items())), None)
    return wait_for(there, 20, f"an entry {matches} {fields}", interval=0.1)


def test_units_print_into_the_journal_under_their_names(up, entries):
    daemon = up(unit("a", shell("echo one; echo two >&2; exec sleep 600")) + unit("b", shell("echo three; exec sleep 600")))
    assert wait_entry(entries, "SYSLOG_IDENTIFIER=a", MESSAGE="one")["PRIORITY"] == "6"
    assert wait_entry(entries, "SYSLOG_IDENTIFIER=a", MESSAGE="two")["PRIORITY"] == "3"
    wait_entry(entries, "SYSLOG_IDENTIFIER=b", MESSAGE="three")
    assert daemon.zksup.stop() == 0


def test_what_is_said_about_a_unit_has_its_name_and_its_hold(up, entries):
    daemon = up(unit("a", 'lock = "k"', 'command = {"sleep", "600"}') + unit("b", 'lead = "l"', 'command = {"sleep", "600"}')
                + unit("c", shell("exit 3"), "restart = never"))  # fmt: skip
    a, _ = daemon.wait_unit("a", "ready"), daemon.wait_unit("b", "ready")
    got = wait_entry(entries, f"MESSAGE_ID={message_id('HOLD_ACQUIRED')}")
    assert (got["ZKSUP_UNIT"], got["ZKSUP_HOLD"], got["ZKSUP_TOKEN"]) == ("a", "lock 'k'", str(a["token"]))
    assert got["MESSAGE"].startswith("a: holds lock 'k'") and got["SYSLOG_IDENTIFIER"] == "zksup"
    assert wait_entry(entries, f"MESSAGE_ID={message_id('LEADERSHIP_WON')}")["ZKSUP_UNIT"] == "b"
    assert wait_entry(entries, f"MESSAGE_ID={message_id('UNIT_FAILED')}", ZKSUP_UNIT="c")["MESSAGE"] == "c: exited with status 3"
    connected = wait_entry(entries, f"MESSAGE_ID={message_id('CONNECTED')}")
    assert "ZKSUP_UNIT" not in connected
    assert int(connected["ZKSUP_SESSION"], 16) == int(daemon.get("/v1/session")["session"]["id"], 16)


def test_what_becomes_of_a_reload_is_an_event(up, entries):
    daemon = up(unit("a", 'command = {"sleep", "600"}'))
    daemon.write("unit a { nonsense = 1 }\n")
    assert daemon.ask("POST", "/v1/reload", {})[0] == 409
    wait_entry(entries, f"MESSAGE_ID={message_id('RELOAD_REFUSED')}")
    daemon.write(unit("a", 'command = {"sleep", "600"}', "# the same"))
    daemon.post("/v1/reload")
    wait_entry(entries, f"MESSAGE_ID={message_id('RELOADED')}")


def test_inherited_lines_go_to_the_journal_as_ours(up, entries):
    up(unit("a", "stdout = inherit", "stderr = inherit", shell("echo one; echo two >&2; exec sleep 600")))
    wait_entry(entries, "SYSLOG_IDENTIFIER=zksup", MESSAGE="a: one")
    wait_entry(entries, "SYSLOG_IDENTIFIER=zksup", MESSAGE="a: two")


def test_logs_come_from_the_journal(up, zksup, entries, tmp_path):
    go = tmp_path / "go"
    daemon = up(unit("a", shell(f"seq 1 20; while ! [ -e {go} ]; do sleep 0.05; done; echo after; exec sleep 600"))
                + unit("b", "stdout = inherit", "stderr = inherit", shell("echo memory; exec sleep 600")))  # fmt: skip
    wait_entry(entries, "SYSLOG_IDENTIFIER=a", MESSAGE="20")

    def logs(*arguments):
        done = subprocess.run([zksup, "logs", "-s", daemon.socket, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()
    # What zksup says is there as well, before or after what the command has printed meanwhile.
    wait_for(lambda: [line for line in logs("a") if line.startswith("a: started as process")], 20, "zksup has said it")
    assert [line for line in logs("a", "-n", "3") if not line.startswith("a: ")][-2:] == ["19", "20"]
    assert len(logs("a", "-n", "3")) == 3
    both = logs("-n", "3")
    assert "b: memory" in both and "a: 20" in both
    out = tmp_path / "followed"
    with open(out, "wb") as f:
        follower = subprocess.Popen([zksup, "logs", "-f", "-n", "3", "-s", daemon.socket], stdout=f)
    try:
        wait_for(lambda: "a: 20\n" in out.read_text(), 20, "what was there is printed")
        go.touch()
        wait_for(lambda: "a: after\n" in out.read_text(), 20, "what comes is printed")
        assert daemon.zksup.stop() == 0
        assert follower.wait(20 * SCALE) == 125
    finally:
        follower.kill()
        follower.wait()
