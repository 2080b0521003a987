"""zksup up: many units on one session, what a reload does to them, signals, bad configurations, the end."""

import os
import pathlib
import signal
import socket
import tempfile
import types

import pytest
from daemon import Daemon, children
from harness import is_alive
from zk_server import wait_for

WORKS = ("running", "ready")
SLEEP = 'command = {"sleep", "600"}'


def env_of(pid):
    text = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def unit(name, *lines):
    return f"unit {name} {{\n    " + "\n    ".join(lines or (SLEEP,)) + "\n}\n"


# --- units of all kinds ------------------------------------------------------------------------------


KINDS = (unit("plain") + unit("first", SLEEP, 'pool = "p"') + unit("second", SLEEP, 'pool = "p"')
         + unit("leader", SLEEP, 'lead = "l"', 'standby = "sleep 601"')
         + unit("follower", SLEEP, 'lead = "l"', 'standby = "sleep 601"')
         + unit("holder", SLEEP, 'lock = "k"') + unit("waiter", SLEEP, 'lock = "k"')
         + unit("slot", SLEEP, 'lock = "s"', "slots = 2")
         + unit("reader", SLEEP, 'lock = "r"', "shared = true")
         + unit("both", SLEEP, 'pool = "q"', 'lock = "z"')
         + unit("tick", 'command = {"true"}', 'cron = "t"', 'schedule = "@every 1s"')
         + unit("later", SLEEP, "start = manual"))  # fmt: skip


def test_units_of_all_kinds_share_one_session(up, kazoo, root):
    daemon = up(KINDS)
    for name in ("plain", "slot", "reader", "both"):
        daemon.wait_unit(name, *WORKS)
    wait_for(lambda: {daemon.unit(n)["state"] for n in ("holder", "waiter")} == {"ready", "gate"}, 20, "one has the lock")
    wait_for(lambda: {daemon.unit(n)["state"] for n in ("leader", "follower")} == {"ready", "gate"}, 20, "one leads")
    numbers = {env_of(daemon.wait_unit(n, *WORKS)["pid"])["ZK_SEQUENCE"] for n in ("first", "second")}
    assert numbers == {"1", "2"}
    assert daemon.unit("later")["state"] == "down"
    wait_for(lambda: daemon.unit("tick")["starts"] >= 2, 20, "the job has run twice")
    session = daemon.get("/v1/session")["session"]
    owners = set()
    for path in (f"{root}/sequence/p/1", f"{root}/sequence/p/2", f"{root}/sequence/q/1"):
        owners.add(kazoo.exists(path).ephemeralOwner)
    assert owners == {int(session["id"], 16)}
    environment = env_of(daemon.unit("both")["pid"])
    assert environment["ZK_SEQUENCE"] == "1" and environment["ZKSUP_UNIT"] == "both" and environment["ZK_FENCE"].isdigit()
    assert daemon.zksup.stop() == 0
    assert children(kazoo, f"{root}/sequence/p") == []


def test_the_second_of_two_units_gets_what_the_first_gives_back(up):
    daemon = up(unit("a", SLEEP, 'lock = "k"') + unit("b", SLEEP, 'lock = "k"', "start = manual"))
    first = daemon.wait_unit("a", "ready")
    daemon.post("/v1/units/b/start")
    daemon.wait_unit("b", "gate")
    daemon.post("/v1/units/a/stop")
    second = daemon.wait_unit("b", "ready")
    assert not is_alive(first["pid"])
    assert int(second["token"]) > int(first["token"])
    assert daemon.unit("a")["state"] == "down"


def test_a_unit_that_fails_leaves_the_others_alone(up):
    daemon = up(unit("good") + unit("bad", 'command = {"/no/such/program"}')
                + unit("once", 'command = {"sh", "-c", "exit 3"}', "restart = never"))  # fmt: skip
    pid = daemon.wait_unit("good", "ready")["pid"]
    assert daemon.wait_unit("bad", "failed")["status"] == 127
    assert daemon.wait_unit("once", "finished")["status"] == 3
    assert daemon.unit("good")["pid"] == pid


# --- commands of an administrator ---------------------------------------------------------------------


def test_start_stop_restart_signal_and_step_down(up):
    trap = unit("a", '''command = {"sh", "-c", "trap 'echo got' HUP; while :; do sleep 0.05; done"}''', 'lead = "l"')
    daemon = up(trap)
    first = daemon.wait_unit("a", "ready")
    daemon.post("/v1/units/a/restart")
    second = wait_for(lambda: (u := daemon.unit("a"))["state"] == "ready" and u["pid"] != first["pid"] and u, 20)
    assert second["token"] == first["token"], "a restart keeps what is held"
    daemon.post("/v1/units/a/step-down")
    third = wait_for(lambda: (u := daemon.unit("a"))["state"] == "ready" and u["pid"] != second["pid"] and u, 20)
    assert int(third["token"]) > int(second["token"])
    daemon.post("/v1/units/a/stop")
    daemon.wait_unit("a", "down")
    status, answer = daemon.ask("POST", "/v1/units/a/signal", {"signal": "HUP"})
    assert status == 409 and "down" in answer["error"]
    daemon.post("/v1/units/a/stop")  # once more changes nothing
    daemon.post("/v1/units/a/start")
    daemon.wait_unit("a", "ready")
    status, answer = daemon.ask("POST", "/v1/units/nope/start", {})
    assert status == 404 and "nope" in answer["error"]


# --- reload -------------------------------------------------------------------------------------------


def pids(daemon):
    return {u["name"]: u["pid"] for u in daemon.get("/v1/units")["units"]}


def test_of_a_hundred_units_one_changed_is_one_restart(up):
    names = [f"u{i}" for i in range(100)]
    daemon = up("".join(unit(n, SLEEP) for n in names))
    daemon.wait_all("ready", deadline=40)
    before = pids(daemon)
    daemon.write("".join(unit(n, SLEEP if n != "u42" else 'command = {"sleep", "601"}') for n in names))
    daemon.post("/v1/reload")
    wait_for(lambda: (u := daemon.unit("u42"))["state"] == "ready" and u["pid"] != before["u42"], 20, "u42 is new")
    after = pids(daemon)
    assert {n for n in names if after[n] != before[n]} == {"u42"}
    assert all(u["restarts"] == 0 for u in daemon.get("/v1/units")["units"])


def test_a_reload_adds_removes_keeps_and_changes_live(up):
    daemon = up(unit("keep") + unit("gone") + unit("live", SLEEP, "restart-delay = 100ms")
                + unit("stopped"))  # fmt: skip
    daemon.wait_all("ready")
    before = pids(daemon)
    daemon.post("/v1/units/stopped/stop")
    daemon.wait_unit("stopped", "down")
    daemon.write(unit("new") + unit("keep") + unit("live", SLEEP, "restart-delay = 200ms", "stop-signal = INT")
                 + unit("stopped", 'command = {"sleep", "602"}'))  # fmt: skip
    daemon.zksup.signal(signal.SIGHUP)
    wait_for(lambda: set(pids(daemon)) == {"keep", "new", "live", "stopped"}, 20, "gone has gone")
    daemon.wait_unit("new", "ready")
    after = pids(daemon)
    assert (after["keep"], after["live"]) == (before["keep"], before["live"])
    assert not is_alive(before["gone"])
    assert daemon.unit("stopped")["state"] == "down", "what was stopped stays stopped"
    assert [u["name"] for u in daemon.get("/v1/units")["units"]] == ["new", "keep", "live", "stopped"]
    daemon.post("/v1/units/stopped/start")
    pid = daemon.wait_unit("stopped", "ready")["pid"]
    assert b"602" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()


def test_units_of_a_reload_go_by_what_is_in_force(up, zk, kazoo, root):
    """What only a new start can change is compared with what was read at the start, and units that come later use that."""
    def header(path):
        return f'session-timeout = "10s"\nconnect = "{zk.connect}"\nroot = "{path}"\n'

    def reload():
        return daemon.post("/v1/reload")["summary"]

    daemon = up(unit("old", SLEEP, 'lock = "a"'), header=header(root), connect=None)
    daemon.wait_all("ready")
    daemon.write(unit("old", SLEEP, 'lock = "a"') + unit("new", SLEEP, 'lock = "b"'))
    reload()
    daemon.wait_all("ready")
    assert kazoo.get_children(f"{root}/lock/b")
    daemon.header = header(f"{root}/elsewhere")
    for name in "cd":
        daemon.write(unit("old", SLEEP, f'lock = "{name}"') + unit("new", SLEEP, 'lock = "b"'))
        assert "not changed until zksup is started anew: root" in reload()
        wait_for(lambda: children(kazoo, f"{root}/lock/{name}"), 20, "the lock below the root of the start")  # noqa: B023
    assert not kazoo.exists(f"{root}/elsewhere")
    status, answer = daemon.ask("POST", "/v1/reexec")
    assert status == 409 and "root" in answer["error"], answer


def test_a_bad_file_changes_nothing_and_says_where_it_is_bad(up):
    daemon = up(unit("a") + unit("b"))
    daemon.wait_all("ready")
    before = pids(daemon)
    daemon.write(unit("a", 'command = {"sleep", "1"}') + unit("b", SLEEP, "restrat = never", 'grace = "x"'))
    status, answer = daemon.ask("POST", "/v1/reload", {})
    assert status == 409
    assert f"{daemon.config}:7:" in str(answer) and "restrat" in str(answer)
    assert pids(daemon) == before
    daemon.zksup.signal(signal.SIGHUP)
    daemon.zksup.wait_err("everything stays as it was")
    assert pids(daemon) == before


def test_a_unit_whose_gate_changes_gives_the_old_one_back(up, kazoo, root):
    daemon = up(unit("a", SLEEP, 'lock = "old"'))
    first = daemon.wait_unit("a", "ready")
    daemon.write(unit("a", SLEEP, 'lock = "new"'))
    daemon.post("/v1/reload")
    wait_for(lambda: (u := daemon.unit("a"))["state"] == "ready" and u["pid"] != first["pid"], 20, "a has the new lock")
    wait_for(lambda: not children(kazoo, f"{root}/lock/old"), 20, "old is free")
    assert not kazoo.exists(f"{root}/record/lock/old")


def test_a_stop_in_the_middle_of_a_reload_is_a_stop(up):
    stubborn = """command = {"sh", "-c", "trap 'sleep 0.3; exit' TERM; while :; do sleep 0.05; done"}"""
    daemon = up("".join(unit(f"u{i}", stubborn) for i in range(3)))
    daemon.wait_all("ready")
    daemon.write("".join(unit(f"u{i}", stubborn, "restart-reset = 5s", "umask = 022") for i in range(3)))
    daemon.post("/v1/reload")
    assert daemon.zksup.stop() == 0


# --- what the service manager hears -----------------------------------------------------------------


@pytest.fixture
def ear(tmp_path):
    """A socket as systemd's for notifications; ear.heard() are the lines so far."""
    with tempfile.TemporaryDirectory(prefix="zksup") as directory, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        path = f"{directory}/notify"
        listener.bind(path)
        listener.setblocking(False)
        lines = []

        def heard():
            while True:
                try:
                    lines.extend(listener.recv(65536).decode().splitlines())
                except BlockingIOError:
                    return lines

        yield types.SimpleNamespace(path=path, heard=heard)


def test_the_service_manager_hears_what_there_is_to_hear(up, ear):
    daemon = up(unit("a") + unit("b", SLEEP, 'lock = "k"') + unit("c", 'command = "/no/such"'),
                env={"NOTIFY_SOCKET": ear.path, "WATCHDOG_USEC": "400000"})  # fmt: skip
    status = "STATUS=3 units: 2 ready, 1 failed; connected to "
    wait_for(lambda: any(line.startswith(status) for line in ear.heard()), 20, f"the status is told: {ear.heard()}")
    assert "READY=1" in ear.heard()
    before = ear.heard().count("WATCHDOG=1")
    wait_for(lambda: ear.heard().count("WATCHDOG=1") >= before + 3, 20, "signs of life")
    daemon.zksup.signal(signal.SIGHUP)
    wait_for(lambda: "RELOADING=1" in ear.heard(), 20, "a reload is told")
    heard = ear.heard()
    wait_for(lambda: "READY=1" in ear.heard()[heard.index("RELOADING=1"):], 20, "and its end")
    daemon.zksup.signal(signal.SIGSTOP)
    os.waitid(os.P_PID, daemon.zksup.pid, os.WSTOPPED)
    stopped = len(ear.heard())
    daemon.zksup.signal(signal.SIGCONT)
    daemon.zksup.stop()
    assert "STOPPING=1" in ear.heard()[stopped:]


def test_commands_know_the_socket_and_not_the_notifications_of_zksup(up, ear):
    daemon = up(unit("a"), env={"NOTIFY_SOCKET": ear.path, "WATCHDOG_USEC": "400000"})
    environment = env_of(daemon.wait_unit("a", "ready")["pid"])
    assert environment["ZKSUP_SOCKET"] == str(daemon.socket)
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(environment)


# --- beginning and end ----------------------------------------------------------------------------------


def test_a_configuration_with_mistakes_is_125_with_all_of_them(run_zksup, tmp_path, root):
    daemon = Daemon(run_zksup, tmp_path, unit("a", "restart = sometimes") + unit("b", 'colour = "red"') + unit("a"))
    assert daemon.zksup.wait() == 125
    for where in (":3:", ":6:", ":8:"):
        assert f"{daemon.config}{where}" in daemon.zksup.err, daemon.zksup.err


def test_no_such_file_is_125(run_zksup, tmp_path):
    run = run_zksup("up", "--config", tmp_path / "nope.conf")
    assert run.wait() == 125
    assert "nope.conf" in run.err


def test_a_second_daemon_on_the_same_socket_is_refused(up, run_zksup, tmp_path):
    daemon = up(unit("a"))
    daemon.wait_unit("a", "ready")
    second = run_zksup("up", "--config", daemon.config, "--socket", daemon.socket, name="second")
    assert second.wait() == 125
    assert str(daemon.socket) in second.err
    assert daemon.unit("a")["state"] == "ready"


def test_the_end_leaves_nothing(up, kazoo, root):
    daemon = up(KINDS)
    wait_for(lambda: sum(u["state"] in WORKS for u in daemon.get("/v1/units")["units"]) >= 8, 30, "most units work")
    running = [p for p in pids(daemon).values() if p]
    assert daemon.zksup.stop() == 0
    assert not any(is_alive(p) for p in running)
    assert not daemon.socket.exists()
    assert not kazoo.exists(f"{root}/record/lock/k") and children(kazoo, f"{root}/host") == []


def test_without_an_ensemble_plain_units_run_and_the_others_wait(up, zk):
    daemon = up(unit("free", SLEEP, "on-loss = restart") + unit("bound", SLEEP, 'lock = "k"'), connect="127.0.0.1:1")
    assert daemon.wait_unit("bound", "gate")["pid"] in (0, None)
    assert daemon.get("/v1/session")["session"]["state"] != "attached"
    assert daemon.zksup.stop() == 0


def test_a_killed_daemons_children_die_and_the_next_one_takes_over(up, run_zksup, tmp_path):
    daemon = up(unit("a", SLEEP, 'lock = "k"') + unit("b"))
    daemon.wait_all("ready")
    before = pids(daemon)
    daemon.zksup.signal(signal.SIGKILL)
    daemon.zksup.wait()
    wait_for(lambda: not any(is_alive(p) for p in before.values()), 20, "the guards end what ran")
    again = Daemon(run_zksup, tmp_path, unit("a", SLEEP, 'lock = "k"') + unit("b"), name="again", header=None)
    again.socket = again.socket
    again.wait_up()
    again.wait_all("ready", deadline=40)


@pytest.mark.parametrize("times", [1, 2])
def test_term_stops_and_a_second_one_kills(up, times):
    daemon = up(unit("a", '''command = {"sh", "-c", "trap '' TERM; echo on; while :; do sleep 1; done"}'''),
                header='session-timeout = "60s"\ngrace = "8s"\n' if times == 2 else 'session-timeout = "4s"\n')  # fmt: skip
    pid = daemon.wait_unit("a", "ready")["pid"]
    for _ in range(times):
        daemon.zksup.signal(signal.SIGTERM)
        os.sched_yield()
        daemon.zksup.wait_err("asked to stop")
    assert daemon.zksup.wait() == 0
    assert not is_alive(pid)
