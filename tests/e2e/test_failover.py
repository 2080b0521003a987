"""How long nobody holds a lock: after a crash of the holder's supervisor or host, after a clean end.

    ZKSUP_TEST_FAILOVERS=N    crashes of each kind (default 4, and then a busy machine may be late)
    ZKSUP_TEST_SEED=N         seed of the moments at which they happen (default random, printed)

A crashed holder's session ends after its timeout, rounded up to the server's tick; by then a waiter
has had the record in sight, unchanged, for long enough: so the successor starts at most a tick and a
tenth of a second after the timeout. Times are those of the sections' main(), on the clock that all
processes share."""

import os
import pathlib
import random
import signal
import statistics
import sys
import time

import pytest

import netns
from harness import Zksup
from interop import Door, queue_of
from zk_server import SCALE, wait_for

RUNS = int(os.environ.get("ZKSUP_TEST_FAILOVERS", "4"))
SLACK = 0.1 if "ZKSUP_TEST_FAILOVERS" in os.environ else 0.4 * SCALE
SEED = int(os.environ.get("ZKSUP_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
SESSION = 2.0
TICK = 0.5
AT_ONCE = 4
CLEAN_MEDIAN_MS = 25  # to notice what is broken, not to measure: that is tests/bench


@pytest.fixture(scope="module")
def phases():
    return random.Random(SEED)


class Relay:
    """A lock, its holder "a" and a waiter "b", whose sections share a log."""

    def __init__(self, section, directory, name):
        self.section, self.name = section, name
        self.log = pathlib.Path(directory) / f"log-{name}"
        self.log.touch()
        self.a = self.b = None

    def command(self, who, stay="-"):
        return [self.section, str(self.log), who, "write", stay]

    def line(self, who, *whats):
        """The first line of WHO that says one of WHATS, as (what, token, nanoseconds); None if there is none."""
        for line in self.log.read_text().splitlines():
            what, name, token, _, nsec = line.split()
            if name == who and what in whats:
                return what, int(token), int(nsec)
        return None

    def entered(self, who, deadline=20):
        """Waits until WHO is inside, and fails if it is not alone there; returns (token, nanoseconds)."""
        what, token, nsec = wait_for(lambda: self.line(who, "enter", "conflict"), deadline,
                                     f"{who} enters {self.name}: {self.a!r} {self.b!r}")
        assert what == "enter", f"the other one was inside {self.name} when {who} started"
        return token, nsec


def tell(capsys, text):
    with capsys.disabled():
        print(f"\n    {text}", end="", file=sys.stdout, flush=True)


def report(capsys, what, seconds, limit):
    seconds = sorted(seconds)
    tell(capsys, f"{what}, {len(seconds)} runs, seed {SEED}: median {statistics.median(seconds):.3f} s, "
                 f"{seconds[0]:.3f} to {seconds[-1]:.3f} s, limit {limit:.2f} s")
    assert seconds[-1] <= limit, f"too late: {seconds}"


# --- a crash ---------------------------------------------------------------------------------------


@pytest.fixture
def relay(run_zksup, section, tmp_path, kazoo, root):
    """relay(name, verb, option...) -> Relay with the holder inside and the waiter in the queue"""

    def make(name, verb="lock", *options, stay="-"):
        one = Relay(section, tmp_path, name)
        one.a = run_zksup(verb, "--session-timeout", f"{SESSION}s", *options, name, "--", *one.command("a", stay),
                          name=f"{name}-a")
        one.entered("a")
        one.b = run_zksup(verb, "--session-timeout", f"{SESSION}s", *options, name, "--", *one.command("b"),
                          name=f"{name}-b")
        kind = {"lock": "lock", "lead": "election"}[verb]
        wait_for(lambda: len(queue_of(kazoo, f"{root}/{kind}/{name}")) == 2, 20, f"b is in the queue of {name}")
        return one

    return make


def crash(one, phases):
    """Kills the holder's supervisor some time within a renewal and a session; returns when."""
    # A moment in the rhythm of the holder is what is wanted, not a wait for anything.
    time.sleep(phases.uniform(0, SESSION / 4))
    one.a.signal(signal.SIGKILL)
    return time.monotonic_ns()


@pytest.mark.parametrize("verb, options", [("lock", []), ("lead", ["--restart", "never"])])
def test_a_killed_supervisors_successor_starts_within_the_session_timeout_and_a_tick(
        verb, options, relay, phases, capsys):
    seconds = []
    for batch in range(0, RUNS, AT_ONCE):
        relays = [relay(f"crash-{i}", verb, *options) for i in range(batch, min(batch + AT_ONCE, RUNS))]
        crashes = [(one, crash(one, phases)) for one in relays]
        for one, struck in crashes:
            token, entered = one.entered("b")
            assert token > one.line("a", "enter")[1]
            seconds.append((entered - struck) / 1e9)
            one.b.signal()
    report(capsys, f"{verb}: supervisor killed", seconds, SESSION + TICK + SLACK)


@pytest.fixture(scope="module")
def lab():
    try:
        lab = netns.Lab()
    except netns.NoNamespaces as why:
        pytest.skip(str(why))
    try:
        yield lab.start()
    finally:
        lab.close()


def test_a_lost_hosts_successor_starts_within_the_session_timeout_and_a_tick(
        lab, zksup, section, root, tmp_path, phases, capsys):
    session, seconds = 1.0, []
    for i in range(RUNS):
        one = Relay(section, tmp_path, f"host-{i}")
        processes = []

        def start(host, who):
            argv = [zksup, "lock", "--connect", lab.connect, "--root", root, "--session-timeout", f"{session}s",
                    one.name, "--", *one.command(who)]
            environment = {k: v for k, v in os.environ.items() if k != "ZKSUP_CONNECT"}
            with host.inside():
                processes.append(Zksup(argv, tmp_path, f"{one.name}-{who}", environment,
                                       preexec_fn=netns.die_with_parent))
            return processes[-1]

        try:
            one.a = start(lab.hosts[0], "a")
            one.entered("a")
            one.b = start(lab.hosts[1], "b")
            one.b.wait_err("waiting")
            time.sleep(session + phases.uniform(0, session / 4))  # the record has been in sight; then a moment
            struck = time.monotonic_ns()
            lab.cut(lab.hosts[0])
            seconds.append((one.entered("b")[1] - struck) / 1e9)
        finally:
            lab.heal()
            for process in processes:
                process.stop()
    report(capsys, "host lost", seconds, session + lab.TICK_MS / 1000 + SLACK)


# --- a clean end -----------------------------------------------------------------------------------


def test_after_a_clean_end_the_successor_starts_at_once(relay, tmp_path, capsys):
    milliseconds = []
    for i in range(max(RUNS, 5)):
        may_leave = []
        door = Door(tmp_path / f"door-{i}", lambda entry, inside: None, lambda entry, inside: may_leave)
        try:
            one = relay(f"clean-{i}", stay=door.path)
            may_leave.append("now that b waits")
            left = wait_for(lambda: one.line("a", "leave"), 10, "a leaves")[2]
        finally:
            door.close()
        milliseconds.append((one.entered("b")[1] - left) / 1e6)
        assert one.a.wait() == 0
        one.b.signal()
    tell(capsys, f"child ended: successor's main() after {statistics.median(milliseconds):.2f} ms (median), "
                 f"{min(milliseconds):.2f} to {max(milliseconds):.2f} ms")
    assert statistics.median(milliseconds) <= CLEAN_MEDIAN_MS * SCALE


def test_after_a_stop_of_the_holder_the_successor_starts_at_once(relay, capsys):
    milliseconds = []
    for i in range(max(RUNS, 5)):
        one = relay(f"stop-{i}")
        stopped = time.monotonic_ns()
        one.a.signal()
        milliseconds.append((one.entered("b")[1] - stopped) / 1e6)
        assert one.a.wait() == 128 + signal.SIGTERM
        one.b.signal()
    tell(capsys, f"TERM to the holder: successor's main() after {statistics.median(milliseconds):.2f} ms (median), "
                 f"{min(milliseconds):.2f} to {max(milliseconds):.2f} ms")
    assert statistics.median(milliseconds) <= CLEAN_MEDIAN_MS * SCALE
