"""Many units on one session: what they do to each other when they want the same, several gates on one unit, and
the end of the session that they share."""

import os
import pathlib
import signal

import pytest
from daemon import Daemon, children
from harness import is_alive
from kazoo.client import KazooClient
from kazoo.security import OPEN_ACL_UNSAFE, make_acl
from tcp_proxy import Proxy
from zk_server import wait_for

SLEEP = 'command = {"sleep", "600"}'
SCRIPT = 'command = {"sh", "-c", "%s"}'


def unit(name, *lines):
    return f"unit {name} {{\n    " + "\n    ".join((SLEEP, *lines) if "command" not in "".join(lines) else lines) + "\n}\n"


def env_of(pid):
    text = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def units_of(daemon):
    return {u["name"]: u for u in daemon.get("/v1/units")["units"]}


def wait_states(daemon, expected, deadline=20):
    """Until as many units as EXPECTED says are in each state; {state: names}."""
    def there():
        states = {}
        for u in units_of(daemon).values():
            states.setdefault(u["state"], set()).add(u["name"])
        return states if {s: len(n) for s, n in states.items()} == expected else None
    return wait_for(there, deadline, f"{expected}: {daemon.zksup!r}")


def gates_of(daemon, name):
    return {g["kind"]: g for g in daemon.unit(name)["gates"]}


# --- several that want the same ----------------------------------------------------------------------


def test_units_of_one_pool_have_a_number_each_and_keep_it(up, kazoo, root):
    daemon = up("".join(unit(f"u{i}", 'pool = "p"') for i in range(20)))
    before = {u["name"]: u for u in daemon.wait_all("ready")}
    assert sorted(u["sequence"] for u in before.values()) == list(range(1, 21))
    for u in before.values():
        os.kill(u["pid"], signal.SIGKILL)
    wait_for(lambda: all(u["restarts"] == 1 and u["state"] == "ready" for u in units_of(daemon).values()), 20, "restarted")
    after = units_of(daemon)
    for name, u in after.items():
        assert (u["sequence"], u["token"]) == (before[name]["sequence"], before[name]["token"])
        assert u["pid"] != before[name]["pid"]
    assert daemon.unit("u0")["failures"] == 1 and daemon.unit("u0")["starts"] == 2
    daemon.post("/v1/units/u3/stop")
    daemon.wait_unit("u3", "down")
    wait_for(lambda: len(children(kazoo, f"{root}/sequence/p")) == 19, 10, "its number is given back")
    assert len(children(kazoo, f"{root}/record/sequence/p")) == 19
    daemon.post("/v1/units/u3/start")
    assert daemon.wait_unit("u3", "ready")["sequence"] == before["u3"]["sequence"]
    assert daemon.zksup.stop() == 0
    assert children(kazoo, f"{root}/sequence/p") == children(kazoo, f"{root}/record/sequence/p") == []


def test_a_lock_goes_round_among_the_units_of_one_session(up, kazoo, root, tmp_path):
    """Each enters a section that tells whether it is alone, and ends; all have their turn."""
    inside = tmp_path / "inside"
    script = f"mkdir {inside} || exit 9; sleep 0.05; rmdir {inside}"
    daemon = up("".join(unit(f"u{i}", SCRIPT % script, 'lock = "l"', "restart = never") for i in range(10)))
    units = daemon.wait_all("finished", "failed")
    assert [u["status"] for u in units] == [0] * 10
    tokens = [daemon.unit(u["name"])["starts"] for u in units]
    assert tokens == [1] * 10
    wait_for(lambda: children(kazoo, f"{root}/lock/l") == [], 10, "nothing is left in the queue")


def test_a_leadership_moves_on_when_its_leader_steps_down(up):
    daemon = up("".join(unit(f"u{i}", 'lead = "l"') for i in range(5)))
    led = []
    for _ in range(5):
        leader = wait_states(daemon, {"ready": 1, "gate": 4})["ready"].pop()
        told = daemon.unit(leader)
        assert told["role"] == "leader" and told["gates"][0]["state"] == "open"
        led.append((leader, int(told["token"]), told["pid"]))
        daemon.post(f"/v1/units/{leader}/step-down")
        wait_for(lambda: units_of(daemon)[leader]["role"] == "standby", 10, f"{leader} follows")
        assert not is_alive(told["pid"])
    assert len({name for name, _, _ in led}) == 5, "each has led once"
    assert [token for _, token, _ in led] == sorted(token for _, token, _ in led)
    assert all(daemon.unit(name)["hand_overs"] == 1 for name, _, _ in led)
    waiting = (wait_states(daemon, {"ready": 1, "gate": 4})["gate"]).pop()
    status, answer = daemon.ask("POST", f"/v1/units/{waiting}/step-down", {})
    assert status == 409, answer


def test_no_more_than_the_slots_run_among_the_units_of_one_session(up):
    daemon = up("".join(unit(f"u{i}", 'lock = "s"', "slots = 2") for i in range(6)))
    first = wait_states(daemon, {"ready": 2, "gate": 4})["ready"]
    assert {units_of(daemon)[name]["sequence"] for name in first} == {1, 2}
    for name in first:
        daemon.post(f"/v1/units/{name}/stop")
    second = wait_states(daemon, {"ready": 2, "gate": 2, "down": 2})["ready"]
    assert not first & second


def test_readers_of_one_session_share_and_a_writer_waits(up):
    daemon = up("".join(unit(f"r{i}", 'lock = "k"', "shared = true") for i in range(3))
                + unit("w", 'lock = "k"', "exclusive = true", "start = manual"))  # fmt: skip
    wait_states(daemon, {"ready": 3, "down": 1})
    daemon.post("/v1/units/w/start")
    daemon.wait_unit("w", "gate")
    for i in range(3):
        daemon.post(f"/v1/units/r{i}/stop")
    daemon.wait_unit("w", "ready")
    assert not any(u["pid"] for name, u in units_of(daemon).items() if name != "w")


def test_a_tick_is_run_by_one_of_two_units_of_one_session(up, tmp_path):
    ticks = tmp_path / "ticks"
    script = f"echo $ZKSUP_TICK >>{ticks}"
    lines = (SCRIPT % script, 'cron = "j"', 'schedule = "@every 1s"')
    up(unit("a", *lines) + unit("b", *lines))
    wait_for(lambda: ticks.exists() and len(ticks.read_text().split()) >= 4, 20, "four ticks")
    seen = ticks.read_text().split()
    assert len(seen) == len(set(seen)), seen


def test_a_restart_keeps_the_hold(up):
    daemon = up(unit("u", 'lock = "l"') + unit("v", 'lock = "l"', "start = manual"))
    before = daemon.wait_unit("u", "ready")
    daemon.post("/v1/units/v/start")
    daemon.wait_unit("v", "gate")
    daemon.post("/v1/units/u/restart")
    after = wait_for(lambda: (lambda u: u if u["pid"] not in (None, before["pid"]) else None)(daemon.unit("u")), 20, "a new run")
    assert after["token"] == before["token"]
    assert (after["restarts"], after["failures"]) == (1, 0)
    assert daemon.unit("v")["state"] == "gate"


# --- several gates -----------------------------------------------------------------------------------

BOTH = ('pool = "p"', 'lock = "l"')


def test_two_units_with_the_same_two_gates(up, kazoo, root):
    daemon = up(unit("a", *BOTH) + unit("b", *BOTH))
    states = wait_states(daemon, {"ready": 1, "gate": 1})
    one, other = states["ready"].pop(), states["gate"].pop()
    wait_for(lambda: gates_of(daemon, other)["number"]["state"] == "open", 10, "the other has its number")
    gates = gates_of(daemon, other)
    assert gates["lock"]["state"] == "waiting" and "position" in gates["lock"]["text"]
    number = int(gates["number"]["text"].split()[-1])
    told = daemon.unit(one)
    environment = env_of(told["pid"])
    assert {told["sequence"], number} == {1, 2}
    assert environment["ZK_SEQUENCE"] == str(told["sequence"])
    assert environment["ZK_LOCK"] == "l"
    assert environment["ZK_FENCE"] == environment["ZK_FENCE_LOCK"] == str(told["token"])
    grants = f"{root}/record/sequence/p/{told['sequence']}"
    grant = kazoo.get_children(grants)[0]
    assert environment["ZK_FENCE_NUMBER"] == str(kazoo.exists(f"{grants}/{grant}").czxid)
    daemon.post(f"/v1/units/{one}/stop")
    assert daemon.wait_unit(other, "ready")["sequence"] == number
    daemon.post(f"/v1/units/{other}/stop")
    daemon.wait_unit(other, "down")
    for queue in ("sequence/p", "lock/l", "record/sequence/p", "record/lock"):
        wait_for(lambda: children(kazoo, f"{root}/{queue}") == [], 10, f"{queue} is empty")


def test_what_is_lost_while_a_later_gate_waits_is_got_again_before_that(up, kazoo, root):
    daemon = up(unit("a", 'lock = "l"') + unit("b", *BOTH, "start = manual"))
    daemon.wait_unit("a", "ready")
    daemon.post("/v1/units/b/start")
    wait_for(lambda: gates_of(daemon, "b")["lock"]["state"] == "waiting", 10, "b waits for the lock")
    token = gates_of(daemon, "b")["number"]["token"]
    kazoo.delete(f"{root}/sequence/p/1")
    wait_for(lambda: gates_of(daemon, "b")["number"]["token"] not in (None, token), 20, "the number is got anew")
    wait_for(lambda: gates_of(daemon, "b")["lock"]["state"] == "waiting", 10, "b waits for the lock again")
    assert daemon.unit("b")["starts"] == 0
    daemon.post("/v1/units/a/stop")
    daemon.wait_unit("b", "ready")


def test_one_lost_hold_of_two_stops_the_command_and_gives_the_other_back(up, kazoo, root):
    daemon = up(unit("a", *BOTH) + unit("b", *BOTH, "start = manual"))
    before = daemon.wait_unit("a", "ready")
    daemon.post("/v1/units/b/start")
    wait_for(lambda: gates_of(daemon, "b")["lock"]["state"] == "waiting", 10, "b waits for the lock")
    kazoo.delete(f"{root}/sequence/p/{before['sequence']}")
    after = daemon.wait_unit("b", "ready")
    assert not is_alive(before["pid"])
    assert int(after["token"]) > int(before["token"])
    wait_for(lambda: gates_of(daemon, "a")["lock"]["state"] == "waiting", 20, "a is behind it in line")
    assert gates_of(daemon, "a")["number"]["state"] == "open"
    assert daemon.unit("a")["hold_losses"] == 1


def test_a_gate_that_is_refused_leaves_no_other_held_and_is_tried_again_when_told_to(up, kazoo, root):
    read = [make_acl("world", "anyone", read=True, admin=True)]
    kazoo.ensure_path(f"{root}/lock")
    kazoo.create(f"{root}/lock/l", acl=read)
    daemon = up(unit("a", *BOTH))
    failed = daemon.wait_unit("a", "failed")
    assert (failed["status"], failed["reason"]) == (123, "gate failed")
    wait_for(lambda: children(kazoo, f"{root}/sequence/p") == [], 10, "the number is given back")
    kazoo.set_acls(f"{root}/lock/l", OPEN_ACL_UNSAFE)
    daemon.post("/v1/units/a/start")
    daemon.wait_unit("a", "ready")


# --- the session they share --------------------------------------------------------------------------


@pytest.fixture
def proxied(zk, run_zksup, tmp_path):
    """proxied(TEXT) -> (Daemon, end_session)"""
    proxy = Proxy(zk.port)

    def end_session():
        proxy.silence()  # or it would take its session back before the end
        client = KazooClient(hosts=zk.connect, client_id=proxy.session, timeout=10)
        client.start(timeout=15)
        client.stop()
        client.close()
        proxy.silence(False)
        proxy.cut()

    yield lambda text: (Daemon(run_zksup, tmp_path, text, connect=proxy.connect).wait_up(), end_session)
    proxy.stop()


def test_all_units_get_what_they_had_lost_with_the_session(proxied, kazoo, root):
    text = "".join(unit(f"n{i}", 'pool = "p"') for i in range(10))
    text += "".join(unit(f"l{i}", f'lock = "l{i}"') for i in range(5))
    text += "".join(unit(f"b{i}", 'pool = "q"', f'lock = "m{i}"') for i in range(5))
    daemon, end_session = proxied(text)
    before = {u["name"]: u for u in daemon.wait_all("ready")}
    end_session()
    wait_for(lambda: all(u["token"] not in (None, before[n]["token"]) and u["state"] == "ready"
                         for n, u in units_of(daemon).items()), 40, "all have a new hold")  # fmt: skip
    after = units_of(daemon)
    assert not any(is_alive(u["pid"]) for u in before.values())
    assert sorted(u["sequence"] for n, u in after.items() if n[0] == "n") == list(range(1, 11))
    assert sorted(u["sequence"] for n, u in after.items() if n[0] == "b") == list(range(1, 6))
    assert all(daemon.unit(n)["hold_losses"] == 1 and daemon.unit(n)["failures"] == 0 for n in after)
    assert len(children(kazoo, f"{root}/record/sequence/p")) == 10
    session = daemon.get("/v1/session")["session"]
    assert session["sessions"] == 2 and session["expiries"] == 1
