"""Supervisors and guards that are killed or stopped: no process of the tree outlives its lease.

The children ignore signals, hide in sessions of their own, close what they were given or stop
themselves. Whether one of them lives is found by looking at every process of the machine."""

import os
import pathlib
import signal
import time

import pytest

from harness import children_of, is_alive
from supervised import Lease, wait_gone
from zk_server import SCALE, wait_for

FIXTURES = pathlib.Path(os.environ.get("ZKSUP_FIXTURES", "."))
SESSION = 3
LEASE = Lease(SESSION)
KILL_SECONDS = 0.25
# What each leaves running once it is complete.
BAD_CHILDREN = {
    "ignore-term": 1,
    "double-fork": 2,
    "own-session": 3,
    "close-fds": 2,
    "stop-self": 2,
    "thread-fork": 2,
}


@pytest.fixture(params=["cgroup", "pidns", "subreaper"])
def contain(request, run_zksup):
    probe = run_zksup("run", "--contain", request.param, "--restart", "never", "--", "true")
    if probe.wait() != 0:
        pytest.skip(f"--contain {request.param} is not to be had here: {probe.err[-300:]}")
    return request.param


def guard_of(zksup):
    guards = [p for p in children_of(zksup.pid) if "(zksup-guard)" in pathlib.Path(f"/proc/{p}/stat").read_text()]
    assert len(guards) == 1, f"guards of {zksup!r}: {guards}"
    return guards[0]


@pytest.fixture
def bad_children(supervise, contain):
    """All the bad children, each under a supervisor of its own, once their trees are complete."""
    units = {
        name: supervise(
            "--session-timeout", f"{SESSION}s", "--contain", contain, "--restart", "never", "--on-loss", "stop",
            command=[str(FIXTURES / f"fixture-{name}"), "tag"], name=name,
        )
        for name in BAD_CHILDREN
    }
    for name, unit in units.items():
        wait_for(lambda: len(unit.processes()) == BAD_CHILDREN[name], 20, f"{name} is complete: {unit!r}")
    return units


def all_gone(units, since, deadline, what):
    """One look at all of them at a time: it takes long enough as it is."""
    left = dict(units)

    def alive():
        for name in list(left):
            if not left[name].processes():
                del left[name]
        return left

    return wait_gone(alive, since, deadline, what)


def test_a_killed_supervisor_leaves_nothing_behind(bad_children, contain):
    begun = time.monotonic()
    for unit in bad_children.values():
        unit.zksup.signal(signal.SIGKILL)
    all_gone(bad_children, begun, KILL_SECONDS, f"{contain}: supervisor killed")


def test_a_killed_supervisor_leaves_nothing_of_a_tree_that_forks_all_the_time(supervise, contain):
    # Its main process stays, else the run would be over at once.
    unit = supervise("--contain", contain,
                     script=f"trap '' TERM; {FIXTURES}/fixture-fork-loop tag & while :; do sleep 1; done")
    unit.wait_starts()
    seen = set()
    wait_for(lambda: seen.update(unit.processes()) or len(seen) > 20, 20, "it forks")
    begun = time.monotonic()
    unit.zksup.signal(signal.SIGKILL)
    # A pid that was listed may be another's by the time it is looked at: believe ten looks only.
    wait_gone(lambda: any(unit.processes() for _ in range(10)), begun, 2 * KILL_SECONDS, f"{contain}: forking tree")


def test_a_kill_at_any_moment_of_the_start_leaves_no_process_and_in_the_end_no_number(supervise, kazoo, root):
    units = []
    for i in range(40):
        unit = supervise("--session-timeout", "2s", script="trap '' TERM; while :; do sleep 1; done")
        moment = time.monotonic() + 0.0015 * i * SCALE
        wait_for(lambda: time.monotonic() >= moment, 5, "the moment", 0.0005)
        unit.zksup.signal(signal.SIGKILL)
        units.append(unit)
    wait_gone(lambda: [p for u in units for p in u.processes()], time.monotonic(), 2 * KILL_SECONDS, "killed at any moment")
    last = supervise("--session-timeout", "2s").wait_starts()
    paths = [f"{root}/record/sequence/default", f"{root}/sequence/default"]
    wait_for(lambda: [kazoo.get_children(p) for p in paths] == [[str(last.number)]] * 2, 20,
             "what the dead have left is cleared away", 0.1)
    print(f"{sum(len(u.starts) for u in units)} of {len(units)} had started their child")


def test_a_stopped_supervisor_loses_its_tree_before_the_lease_is_over(bad_children, contain):
    # No renewal was sent later than this, so no lease ends later than this + D.
    for unit in bad_children.values():
        unit.zksup.signal(signal.SIGSTOP)
    begun = time.monotonic()
    try:
        all_gone(bad_children, begun, LEASE.lease / SCALE, f"{contain}: supervisor stopped")
    finally:
        for unit in bad_children.values():
            unit.zksup.signal(signal.SIGCONT)
    for unit in bad_children.values():
        assert unit.zksup.wait() == 120


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_when_the_guard_is_killed_or_stopped_the_supervisor_kills_the_tree(bad_children, contain, how):
    guards = [guard_of(unit.zksup) for unit in bad_children.values()]
    begun = time.monotonic()
    for guard in guards:
        os.kill(guard, how)
    all_gone(bad_children, begun, KILL_SECONDS, f"{contain}: guard {how.name}")
    for unit in bad_children.values():
        assert unit.zksup.wait() == 125
    assert not any(is_alive(guard) for guard in guards), "a guard was left behind"


def test_after_its_guard_was_killed_the_command_starts_again_under_the_same_hold(supervise):
    unit = supervise()
    first = unit.wait_starts()
    os.kill(guard_of(unit.zksup), signal.SIGKILL)
    second = unit.wait_starts(2)
    assert (second.number, second.fence, second.restarts) == (first.number, first.fence, 1)
    assert unit.processes() == [second.pid]


# The lease is over but the session lives for a moment; and the session is over as well.
@pytest.mark.parametrize("session_ends", [False, True])
def test_a_supervisor_that_wakes_up_after_its_lease_starts_under_a_new_hold_only(supervise, kazoo, root, session_ends):
    unit = supervise("--session-timeout", f"{SESSION}s")
    first = unit.wait_starts()
    unit.zksup.signal(signal.SIGSTOP)
    begun = time.monotonic()
    wait_gone(unit.processes, begun, LEASE.lease / SCALE, "supervisor stopped")
    if session_ends:
        path = f"{root}/sequence/default/1"
        wait_for(lambda: not kazoo.exists(path), 15, "the session ends")
    else:
        wait_for(lambda: time.monotonic() > begun + LEASE.lease, 15, "the lease is over")
    assert len(unit.starts) == 1
    unit.zksup.signal(signal.SIGCONT)
    second = unit.wait_starts(2)
    assert second.fence > first.fence
    assert unit.processes() == [second.pid]
    assert "lost" in unit.zksup.err or "expired" in unit.zksup.err


def test_while_a_supervisor_is_stopped_another_gets_its_number_only_after_the_tree_is_gone(supervise, kazoo, root):
    options = ("--session-timeout", f"{SESSION}s", "--max", "1")
    first = supervise(*options, command=[str(FIXTURES / "fixture-ignore-term"), "tag"], name="first")
    wait_for(first.processes, 20, "the first child runs")
    second = supervise(*options, name="second")
    second.zksup.wait_err("waiting")
    first.zksup.signal(signal.SIGSTOP)
    both = []

    def started():
        # Looked at in this order: a process of the first seen after a start of the second is an error.
        begun = second.starts
        if begun and first.processes():
            both.append(begun)
        return begun

    wait_for(started, 40, "the second gets the number")
    assert not both, "two held the same number at once"
    first.zksup.signal(signal.SIGCONT)
