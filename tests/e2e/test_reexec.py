"""zksup reexec: another program takes the place of the supervisor; commands, holds, numbers, tokens and the session go on."""

import os
import pathlib
import shutil
import signal
import stat
import subprocess

import pytest
from daemon import children
from harness import is_alive
from tcp_proxy import Proxy
from zk_server import SCALE, wait_for

WORKS = ("running", "ready")
SLEEP = 'command = {"sleep", "600"}'
BIN = pathlib.Path(os.environ["ZKSUP_BIN"])


def unit(name, *lines):
    return f"unit {name} {{\n    " + "\n    ".join(lines or (SLEEP,)) + "\n}\n"


def env_of(pid):
    text = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def beating(path):
    """A command that writes a byte now and then, whoever watches it."""
    return f'command = {{"sh", "-c", "while :; do printf . >> {path}; sleep 0.02; done"}}'


def lines(daemon):
    return (daemon.zksup.err + daemon.zksup.out).splitlines()


def programs(daemon):
    return [line for line in lines(daemon) if "goes on in place of" in line]


def reexec(daemon):
    """Asks, and waits until the other program answers."""
    before = len(programs(daemon))
    daemon.post("/v1/reexec")
    wait_for(lambda: len(programs(daemon)) > before, 20, f"another program runs: {daemon.zksup!r}")
    daemon.wait_up()


def refused(daemon, *words):
    def said():
        return [line for line in lines(daemon) if "no other program takes over" in line]

    line = wait_for(said, 20, f"it is refused: {daemon.zksup!r}")[-1]
    for word in words:
        assert word in line, line
    return line


FACTS = ("name", "state", "pid", "guard_pid", "token", "sequence", "starts", "restarts", "role", "hold_losses")


def facts(daemon):
    answer = daemon.get("/v1/units?full=1")
    return answer["session"]["id"], {u["name"]: {k: u.get(k) for k in FACTS} for u in answer["units"]}


KINDS = (unit("plain") + unit("first", SLEEP, 'pool = "p"') + unit("second", SLEEP, 'pool = "p"')
         + unit("leader", SLEEP, 'lead = "l"', 'standby = "sleep 601"')
         + unit("follower", SLEEP, 'lead = "l"', 'standby = "sleep 601"')
         + unit("holder", SLEEP, 'lock = "k"') + unit("waiter", SLEEP, 'lock = "k"')
         + unit("slot", SLEEP, 'lock = "s"', "slots = 2")
         + unit("reader", SLEEP, 'lock = "r"', "shared = true")
         + unit("both", SLEEP, 'pool = "q"', 'lock = "z"')
         + unit("tick", SLEEP, 'cron = "t"', 'schedule = "@every 1s"')
         + unit("noon", SLEEP, 'cron = "n"', 'schedule = "0 12 29 2 *"')
         + unit("later", SLEEP, "start = manual")
         + unit("ended", 'command = {"true"}', "restart = never"))  # fmt: skip


def settled(daemon):
    states = {u["name"]: u["state"] for u in daemon.get("/v1/units")["units"]}
    pairs = all(sorted(states[n] for n in pair) == ["gate", "ready"]
                for pair in (("leader", "follower"), ("holder", "waiter")))
    return (pairs and states["later"] == "down" and states["ended"] == "finished" and states["noon"] == "gate"
            and all(states[n] in WORKS for n in ("plain", "first", "second", "slot", "reader", "both", "tick")))


def test_commands_holds_numbers_tokens_and_session_go_on(up, kazoo, root, tmp_path):
    beats = tmp_path / "beats"
    daemon = up(KINDS + unit("beats", beating(beats), 'lock = "b"'))
    other = up(unit("rival", SLEEP, 'lock = "b"'), name="other")
    wait_for(lambda: settled(daemon), 30, f"everything is at work: {daemon.zksup!r}")
    if daemon.unit("beats")["state"] == "gate":  # the other one was faster
        other.zksup.stop()
        daemon.wait_unit("beats", *WORKS)
        other = up(unit("rival", SLEEP, 'lock = "b"'), name="other2")
    other.wait_unit("rival", "gate")
    before = facts(daemon)
    environment = env_of(daemon.unit("both")["pid"])
    line = children(kazoo, f"{root}/lock/k")
    hosts = wait_for(lambda: children(kazoo, f"{root}/host"), 20, "it says what it runs")
    count = beats.stat().st_size
    descriptors = set()
    for i in range(20):
        reexec(daemon)
        if i % 10 == 9:
            wait_for(lambda: daemon.get("/v1/session")["session"]["state"] == "attached", 20, "there is contact")
            descriptors.add(len(os.listdir(f"/proc/{daemon.zksup.pid}/fd")))
    assert max(descriptors) - min(descriptors) <= 2, descriptors  # but for connections of the moment
    assert facts(daemon) == before
    assert env_of(daemon.unit("both")["pid"]) == environment
    assert sorted(children(kazoo, f"{root}/lock/k")) == sorted(line)  # nobody has lost its place
    assert hosts and set(hosts) <= set(children(kazoo, f"{root}/host"))
    wait_for(lambda: beats.stat().st_size > count + 20, 10, "the beats go on")
    assert other.unit("rival")["state"] == "gate"
    # And it is still a supervisor: it renews, gives back, takes over, stops.
    renewals = daemon.get("/v1/session")["session"]["renewals"]
    wait_for(lambda: daemon.get("/v1/session")["session"]["renewals"] > renewals, 20, "it renews")
    holder, waiter = sorted(("holder", "waiter"), key=lambda n: daemon.unit(n)["state"] == "gate")
    daemon.post(f"/v1/units/{holder}/stop")
    daemon.wait_unit(waiter, *WORKS)
    daemon.post("/v1/units/beats/stop")
    other.wait_unit("rival", *WORKS)
    daemon.post("/v1/units/later/start")
    daemon.wait_unit("later", *WORKS)
    assert daemon.zksup.stop() == 0
    assert children(kazoo, f"{root}/sequence/p") == []
    assert children(kazoo, f"{root}/lock/k") == []


@pytest.mark.parametrize("contain", ["auto", "subreaper"])
def test_guards_that_were_taken_over_are_supervised_on(up, contain):
    daemon = up(unit("killed", SLEEP, 'lock = "a"', f"contain = {contain}")
                + unit("unguarded", SLEEP, 'lock = "b"', f"contain = {contain}")
                + unit("restarted", SLEEP, f"contain = {contain}"))  # fmt: skip
    before = {name: daemon.wait_unit(name, *WORKS) for name in ("killed", "unguarded", "restarted")}
    reexec(daemon)
    os.kill(before["killed"]["pid"], signal.SIGKILL)
    os.kill(before["unguarded"]["guard_pid"], signal.SIGKILL)
    daemon.post("/v1/units/restarted/restart")
    for name, was in before.items():
        wait_for(lambda name=name, was=was: daemon.unit(name)["pid"] not in (0, None, was["pid"]), 20,
                 f"{name} runs anew: {daemon.zksup!r}")
        assert not is_alive(was["pid"])
    for name in ("killed", "unguarded"):
        assert daemon.unit(name)["token"] == before[name]["token"]  # under the hold that it had
    reexec(daemon)
    assert daemon.zksup.stop() == 0


def test_a_loss_of_contact_is_no_obstacle_afterwards(up, zk):
    """Units that hold nothing renew nothing, by which the others know that there is contact again."""
    proxy = Proxy(zk.port)
    try:
        other = up(unit("rival", SLEEP, 'lock = "b"'), name="other")
        other.wait_unit("rival", *WORKS)
        daemon = up(unit("holds", SLEEP, 'lock = "a"') + unit("waits", SLEEP, 'lock = "b"')
                    + unit("rests", SLEEP, 'lock = "c"', "start = manual"), connect=proxy.connect)  # fmt: skip
        daemon.wait_unit("holds", *WORKS)
        daemon.wait_unit("waits", "gate")
        suspended = lambda: {u["name"] for u in daemon.get("/v1/units?full=1")["units"] if u["suspended"]}  # noqa: E731
        proxy.silence()
        wait_for(lambda: suspended() == {"holds", "waits", "rests"}, 30, "it is noticed")
        proxy.silence(False)
        wait_for(lambda: not suspended(), 30, f"there is contact: {daemon.zksup!r}")
        reexec(daemon)
        daemon.wait_unit("holds", *WORKS)
    finally:
        proxy.stop()


def test_a_moment_is_found_while_commands_come_and_go(up):
    daemon = up("".join(unit(f"u{i}", 'command = {"sleep", "0.3"}', f'lock = "k{i}"', 'restart-reset = "100ms"')
                        for i in range(8)) + unit("calm", SLEEP, 'pool = "p"'))  # fmt: skip
    calm = daemon.wait_unit("calm", *WORKS)
    for _ in range(10):
        reexec(daemon)
    assert daemon.unit("calm")["pid"] == calm["pid"]
    starts = daemon.unit("u0")["starts"]
    wait_for(lambda: daemon.unit("u0")["starts"] > starts, 20, "they still come and go")


@pytest.fixture
def programs_of_its_own(tmp_path, monkeypatch):
    """A copy of zksup-up that a test may replace."""
    copy = tmp_path / "bin" / "zksup-up"
    copy.parent.mkdir()
    shutil.copy2(BIN.parent / "zksup-up", copy)
    monkeypatch.setenv("ZKSUP_UP", str(copy))
    return copy


def replace(path, data):
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.chmod(new.stat().st_mode | stat.S_IXUSR)
    new.rename(path)


def test_a_file_that_was_replaced_is_what_runs_then(up, programs_of_its_own):
    daemon = up(unit("web", SLEEP, 'pool = "p"'))
    daemon.wait_unit("web", *WORKS)
    before = facts(daemon)
    inode = programs_of_its_own.stat().st_ino
    replace(programs_of_its_own, programs_of_its_own.read_bytes())
    assert programs_of_its_own.stat().st_ino != inode
    pid = daemon.get("/v1/session")["supervisor"]["pid"]
    reexec(daemon)
    assert facts(daemon) == before
    assert os.stat(f"/proc/{pid}/exe").st_ino == programs_of_its_own.stat().st_ino


@pytest.mark.parametrize("what, words", [
    (b"\x7fELF no program", ("cannot execute",)),
    (b"#!/bin/sh\necho it is broken >&2\nexit 1\n", ("it is broken",)),
    (b"#!/bin/sh\nexit 0\n", ("does not say why",)),
    (b"#!/bin/sh\necho zksup-state 2: no such thing; exit 125\n", ("zksup-state 2",)),
], ids=("garbage", "fails", "says nothing", "cannot"))  # fmt: skip
def test_a_program_that_is_broken_is_refused_and_nothing_happens(up, programs_of_its_own, what, words):
    daemon = up(unit("web", SLEEP, 'pool = "p"'))
    daemon.wait_unit("web", *WORKS)
    before = facts(daemon)
    good = programs_of_its_own.read_bytes()
    replace(programs_of_its_own, what)
    daemon.post("/v1/reexec")
    refused(daemon, *words)
    assert facts(daemon) == before
    replace(programs_of_its_own, good)
    reexec(daemon)
    assert facts(daemon) == before


def test_a_unit_on_its_way_is_waited_for_and_named(up, tmp_path):
    go = tmp_path / "go"
    daemon = up(unit("slow", SLEEP, 'lead = "l"', f'on-won = {{"sh", "-c", "until [ -e {go} ]; do sleep 0.05; done"}}', 'hook-timeout = "60s"'))
    daemon.wait_unit("slow", "starting")
    daemon.post("/v1/reexec")
    refused(daemon, "no quiet moment", "'slow'", "starting")
    assert daemon.unit("slow")["state"] == "starting"
    daemon.post("/v1/reexec")
    go.touch()  # and then it is one
    wait_for(lambda: programs(daemon), 20, f"another program runs: {daemon.zksup!r}")
    daemon.wait_up()
    assert daemon.wait_unit("slow", *WORKS)["starts"] == 1


def test_the_verb_says_what_runs_or_why_not(up, programs_of_its_own):
    daemon = up(unit("web", SLEEP, 'pool = "p"'))
    daemon.wait_unit("web", *WORKS)
    ask = [str(BIN), "reexec", "--socket", str(daemon.socket)]
    verb = subprocess.run(ask, capture_output=True, text=True, timeout=60 * SCALE)
    assert verb.returncode == 0 and "in the same session" in verb.stdout, verb
    replace(programs_of_its_own, b"#!/bin/sh\necho it is broken >&2\nexit 1\n")
    verb = subprocess.run(ask, capture_output=True, text=True, timeout=60 * SCALE)
    assert verb.returncode == 125, verb
    assert "the old program goes on" in verb.stderr and "it is broken" in verb.stderr


def test_a_configuration_that_has_changed_is_to_be_read_first(up):
    daemon = up(unit("web"))
    daemon.wait_unit("web", *WORKS)
    before = facts(daemon)
    daemon.write(unit("web") + unit("more"))
    status, answer = daemon.ask("POST", "/v1/reexec", {})
    assert status == 409 and "reload first" in answer["error"], answer
    daemon.write("unit {")
    status, answer = daemon.ask("POST", "/v1/reexec", {})
    assert status == 409 and "mistakes" in answer["error"], answer
    assert facts(daemon) == before


def test_a_session_that_ends_meanwhile_is_lost_as_ever(up, kazoo, root):
    """What is restored is not believed: the ensemble and the clock decide."""
    daemon = up(unit("web", SLEEP, 'lock = "k"'))
    first = daemon.wait_unit("web", *WORKS)
    reexec(daemon)
    [node] = kazoo.get_children(f"{root}/lock/k")
    kazoo.delete(f"{root}/lock/k/{node}")  # by hand: the next renewal finds it out
    wait_for(lambda: daemon.unit("web")["pid"] not in (0, None, first["pid"]), 30, "the command was stopped, and started anew")
    assert int(daemon.wait_unit("web", *WORKS)["token"]) > int(first["token"])


def test_what_cannot_go_on_is_stopped_given_back_and_begun_anew(up, kazoo, root, programs_of_its_own, tmp_path):
    """The new program finds another configuration than it was asked about: only that unit is concerned."""
    daemon = up(unit("web", SLEEP, 'lock = "k"') + unit("other", SLEEP, 'pool = "p"'))
    first, other = daemon.wait_unit("web", *WORKS), daemon.wait_unit("other", *WORKS)
    daemon_file, changed = daemon.config, tmp_path / "changed.conf"
    changed.write_text(daemon_file.read_text().replace('"k"', '"z"'))
    real = programs_of_its_own.with_name("zksup-up.real")
    shutil.copy2(programs_of_its_own, real)
    replace(programs_of_its_own, f"""#!/bin/sh
case "$*" in
*can-restore*) exec {real} "$@" ;;
esac
cp {changed} {daemon_file}
exec {real} "$@"
""".encode())
    daemon.post("/v1/reexec")
    wait_for(lambda: any("cannot go on" in line for line in lines(daemon)), 20, f"it is said: {daemon.zksup!r}")
    daemon.wait_up()
    again = daemon.wait_unit("web", *WORKS)
    assert not is_alive(first["pid"]) and again["pid"] != first["pid"]
    assert env_of(again["pid"])["ZK_LOCK"] == "z"
    wait_for(lambda: children(kazoo, f"{root}/lock/k") == [], 20, "its place in line is left")
    assert not kazoo.exists(f"{root}/record/lock/k")
    assert daemon.unit("other")["pid"] == other["pid"]


def test_log_lines_readiness_and_a_command_that_ends_are_heard_after_it(up, tmp_path):
    go = tmp_path / "go"
    script = f"echo before; until [ -e {go} ]; do sleep 0.05; done; systemd-notify --ready || true; echo after; exit 3"
    daemon = up(unit("web", f'command = {{"sh", "-c", "{script}"}}', "restart = never", 'stdout = "inherit"')
                + unit("line", f'command = {{"sh", "-c", "until [ -e {go} ]; do sleep 0.05; done; echo >&7; sleep 600"}}',
                       'ready = "fd:7"'))  # fmt: skip
    wait_for(lambda: any("before" in line for line in lines(daemon)), 20, "the first line")
    assert daemon.wait_unit("line", "running")["ready"] is False
    reexec(daemon)
    assert daemon.unit("line")["state"] == "running"
    go.touch()
    wait_for(lambda: any("web: after" in line for line in lines(daemon)), 20, "the second line")
    assert daemon.wait_unit("web", "failed", "finished")["status"] == 3
    daemon.wait_unit("line", "ready")
