"""Many wait for one lock: what a hand-over costs, how long it takes, who comes next.

    ZKSUP_TEST_WAITERS=N    waiting processes (default 200; 60 under a sanitizer)
    ZKSUP_TEST_LONG=1       a thousand

Every waiter is a process `zksup lock` with a session of its own. The holder stays inside until the
queue has formed, then all of them pass through one after the other."""

import os
import pathlib
import signal
import statistics
import time
from typing import NamedTuple

import pytest
from kazoo.client import KazooClient

import zk_server
from interop import Door, queue_of
from supervised import SANITIZED
from test_hundred import quiet_count
from zk_server import SCALE, packets_received, wait_for

WAITERS = int(os.environ.get("ZKSUP_TEST_WAITERS", "60" if SANITIZED else "200"))
if os.environ.get("ZKSUP_TEST_LONG") == "1":
    WAITERS = 1000
FEW = 8
REQUESTS_EACH = 5
# So long that neither a ping nor a renewal falls into the measurement.
LONG_SESSION = 3600
# Long enough for the next in line to see who the new holder is: it has nothing else to ask for then.
STAY_MSEC = "10"


@pytest.fixture(scope="module")
def zk():
    """A server that grants such sessions."""
    ensemble = zk_server.start_ensemble(1, settings=(f"maxSessionTimeout={LONG_SESSION * 1000}",))
    yield ensemble.servers[0]
    ensemble.stop()


@pytest.fixture
def kazoo(zk):
    client = KazooClient(hosts=zk.connect, timeout=LONG_SESSION)
    client.start(15)
    yield client
    client.stop()
    client.close()


class Visit(NamedTuple):
    who: str
    token: int
    enter: int  # nanoseconds
    leave: int


class Crowd:
    """A holder that stays until let_go(), and those that wait behind it."""

    def __init__(self, run, section, directory, root, kazoo, name, session):
        self.run, self.section, self.name, self.session, self.kazoo = run, section, name, session, kazoo
        self.path = f"{root}/lock/{name}"
        self.log = pathlib.Path(directory) / f"log-{name}"
        self.log.touch()
        self.may_go = False
        self.door = Door(pathlib.Path(directory) / f"door-{name}", lambda entry, inside: None,
                         lambda entry, inside: self.may_go)
        self.holder = self.start("holder", self.door.path)
        self.waiters = {}
        wait_for(lambda: self.door.entries, 20, f"{name} is held: {self.holder!r}")

    def start(self, who, stay=STAY_MSEC):
        return self.run("lock", "--session-timeout", self.session, self.name, "--",
                        self.section, self.log, who, "write", stay, name=f"{self.name}-{who}")

    def gather(self, count, in_order=False):
        """COUNT waiters, once all of them stand in the queue; in the order of their names if asked to."""
        for i in range(count):
            self.waiters[f"w{i}"] = self.start(f"w{i}")
            if in_order:
                self.wait_queue(1 + len(self.waiters))
        self.wait_queue(1 + count, 30 + count * 0.1)

    def wait_queue(self, length, deadline=20):
        def formed():
            ended = [p for p in self.waiters.values() if p.process.poll() is not None]
            return ended or len(queue_of(self.kazoo, self.path)) == length

        formed = wait_for(formed, deadline, f"{length} in the queue of {self.name}", 0.05)
        assert formed is True, f"{len(formed)} ended, the first: {formed[0]!r}"

    def let_go(self):
        self.may_go = True

    def wait_over(self):
        for process in [self.holder, *self.waiters.values()]:
            assert process.wait(60 + len(self.waiters) * 0.1) == 0, repr(process)

    @property
    def visits(self):
        """In the order of entering. Fails if anybody met another one inside."""
        entered, left = {}, {}
        for line in self.log.read_text().splitlines():
            what, who, token, _, nsec = line.split()
            assert what != "conflict", f"{who} was not alone"
            (entered if what == "enter" else left)[who] = (int(token), int(nsec))
        visits = [Visit(who, token, nsec, left[who][1]) for who, (token, nsec) in entered.items()]
        return sorted(visits, key=lambda visit: visit.enter)

    @property
    def latencies(self):
        """Milliseconds from the last act of one section to the main() of the next."""
        visits = self.visits
        assert all(a.token < b.token for a, b in zip(visits, visits[1:])), "tokens do not grow"
        return [(b.enter - a.leave) / 1e6 for a, b in zip(visits, visits[1:])]


@pytest.fixture
def crowd(run_zksup, section, tmp_path, root, kazoo):
    crowds = []

    def make(name, session=f"{LONG_SESSION}s"):
        crowds.append(Crowd(run_zksup, section, tmp_path, root, kazoo, name, session))
        return crowds[-1]

    yield make
    for one in crowds:
        one.let_go()
        one.door.close()


def pass_through(crowd, zk, name, count):
    """All of COUNT pass; returns the requests per acquisition and the latencies."""
    one = crowd(name)
    one.gather(count)
    before = quiet_count(zk)
    one.let_go()
    one.wait_over()
    # The last one's release and the end of its session let nobody in.
    requests = (packets_received(zk) - before - 1 - 2) / count
    latencies = one.latencies
    assert len(latencies) == count
    return requests, latencies


def test_a_hand_over_costs_the_same_however_many_wait(crowd, zk, capsys):
    few = [pass_through(crowd, zk, f"few-{i}", FEW) for i in (1, 2, 3)]
    many = pass_through(crowd, zk, "many", WAITERS)
    few += [pass_through(crowd, zk, f"few-{i}", FEW) for i in (4, 5, 6)]
    few_median = statistics.median(value for _, latencies in few for value in latencies)
    few_requests = statistics.median(requests for requests, _ in few)
    many_median = statistics.median(many[1])
    with capsys.disabled():
        print(f"\n    hand-over, median: {few_median:.2f} ms with {FEW} waiters, {many_median:.2f} ms with {WAITERS} "
              f"(slowest {max(many[1]):.1f} ms); requests per acquisition {few_requests:.2f} and {many[0]:.2f}", end="")
    assert many[0] <= REQUESTS_EACH
    assert few_requests <= REQUESTS_EACH
    # That every waiter wakes up at every hand-over would be a factor of WAITERS / FEW.
    assert many_median <= 2 * few_median + 1 * SCALE


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_when_a_waiter_in_the_middle_ends_its_successor_keeps_waiting(crowd, how):
    one = crowd("middle", "6s" if SANITIZED else "3s")
    one.gather(5, in_order=True)
    victim = one.waiters.pop("w2")
    victim.signal(how)
    assert victim.wait() == 128 + how
    one.wait_queue(5, 30)  # the holder and four; a killed one's session has to end first
    seen = time.monotonic()
    # The successor has been told; what it makes of that it has had time for.
    wait_for(lambda: time.monotonic() > seen + 0.5, 5, "half a second")
    assert [entry.who for entry in one.door.entries] == ["holder"]
    assert "enter w" not in one.log.read_text(), "a waiter came in while the holder was inside"
    one.let_go()
    one.wait_over()
    assert [visit.who for visit in one.visits] == ["holder", "w0", "w1", "w3", "w4"]


def test_when_the_next_in_line_is_killed_the_one_after_it_comes_next(crowd):
    one = crowd("next", "6s" if SANITIZED else "3s")
    one.gather(3, in_order=True)
    victim = one.waiters.pop("w0")
    victim.signal(signal.SIGKILL)
    victim.wait()
    one.let_go()
    one.wait_over()
    assert [visit.who for visit in one.visits] == ["holder", "w1", "w2"]
