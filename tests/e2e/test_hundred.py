"""A hundred at once: the numbers, what they cost the server, and what becomes of those that end."""

import pathlib
import signal
import time

from kazoo.exceptions import NoNodeError

from supervised import REPORT, SANITIZED, Lease
from zk_server import packets_received, wait_for

COUNT = 100
REQUESTS_EACH = 8


class Fleet:
    """Many supervisors whose children report into one file, each under the name of its unit."""

    def __init__(self, run, path, session):
        self.run, self.path, self.session = run, pathlib.Path(path), session
        self.path.touch()
        self.running = {}  # name -> Zksup
        self.made = 0

    def start(self, count):
        """Starts `count` more and returns their names without waiting."""
        names = []
        for _ in range(count):
            self.made += 1
            names.append(f"u{self.made}")
            self.running[names[-1]] = self.run(
                "run", "--session-timeout", f"{self.session}s", "--name", names[-1],
                "--", "/bin/sh", "-c", REPORT + "exec sleep 600",
                env={"STARTS": str(self.path)}, name=names[-1],
            )
        return names

    def numbers(self):
        """What the children were given: name -> number."""
        lines = [line.split(" ") for line in self.path.read_text().splitlines()]
        names = [f[4] for f in lines]
        assert len(names) == len(set(names)), "a child was started twice"
        return {f[4]: int(f[1]) for f in lines}

    def wait(self, names, deadline=60):
        """Waits until the children of NAMES have started; returns their numbers in that order."""
        def there():
            ended = [self.running[n] for n in names if self.running[n].process.poll() is not None]
            if ended:
                return ended
            return set(names) <= set(self.numbers())

        ended = wait_for(there, deadline, f"{len(names)} children start", 0.1)
        assert ended is True, f"{len(ended)} ended, the first: {ended[0]!r}"
        numbers = self.numbers()
        return [numbers[n] for n in names]

    def name_of(self, number):
        return next(n for n, k in self.numbers().items() if k == number and n in self.running)

    def end(self, numbers, by):
        """Sends BY to the holders of NUMBERS and waits for their end."""
        names = [self.name_of(n) for n in numbers]
        ended = [self.running.pop(n) for n in names]
        for process in ended:
            process.signal(by)
        for process in ended:
            process.wait(30)


def quiet_count(server):
    """The server's count of packets once nothing more comes: the asking itself is one packet."""
    last = [packets_received(server)]

    def quiet():
        now = packets_received(server)
        before, last[0] = last[0], now
        return now == before + 1

    wait_for(quiet, 5, "the server has nothing to do", 0.3)
    return last[0]


def test_a_hundred_at_once_get_1_to_100_and_stopped_ones_are_replaced_at_once(run_zksup, zk, tmp_path):
    # A session this long is not renewed before all have started.
    fleet = Fleet(run_zksup, tmp_path / "starts", 60)
    before = quiet_count(zk)
    begun = time.monotonic()
    names = fleet.start(COUNT)
    numbers = fleet.wait(names)
    took = time.monotonic() - begun
    at_start = packets_received(zk) - before - 1
    received = quiet_count(zk)
    spent = received - before - round((time.monotonic() - begun - took) / 0.3)
    print(f"{COUNT} started in {took:.2f} s; requests per instance: {at_start / COUNT:.2f} when the last child "
          f"had started, {spent / COUNT:.2f} once all was quiet")
    assert sorted(numbers) == list(range(1, COUNT + 1))
    assert at_start / COUNT <= REQUESTS_EACH

    stopped = [3, 14, 15, 35, 59, 65, 79, 89, 92, 97]
    fleet.end(stopped, signal.SIGTERM)
    begun = time.monotonic()
    assert sorted(fleet.wait(fleet.start(10), 20)) == stopped
    print(f"ten stopped ones replaced in {time.monotonic() - begun:.2f} s")


def mtime(kazoo, path):
    """When the record was last renewed, on this machine's clock (the server is here)."""
    try:
        (grant,) = kazoo.get_children(path)
        return kazoo.get(f"{path}/{grant}")[1].mtime / 1000
    except (NoNodeError, ValueError):
        return None


def test_numbers_of_killed_supervisors_are_not_given_away_before_their_lease_is_surely_over(
        run_zksup, kazoo, root, tmp_path):
    lease = Lease(10 if SANITIZED else 6)
    fleet = Fleet(run_zksup, tmp_path / "starts", lease.session)
    fleet.wait(fleet.start(COUNT))
    killed = [2, 3, 5, 8, 13, 21, 34, 55, 89, 100]
    records = f"{root}/record/sequence/default"
    fleet.end(killed, signal.SIGKILL)
    killed_at = time.time()
    renewed = {n: mtime(kazoo, f"{records}/{n}") for n in killed}
    assert all(renewed.values()), f"records are gone at once: {renewed}"
    assert all(number > COUNT for number in fleet.wait(fleet.start(3))), "a killed one's number was given away"

    removed = {}

    def all_removed():
        there = set(kazoo.get_children(records))
        for number in killed:
            if str(number) not in there:
                removed.setdefault(number, time.time())
        return len(removed) == len(killed)

    wait_for(all_removed, 4 * lease.session, "the records of the killed ones are removed", 0.05)
    waited = {n: removed[n] - renewed[n] for n in killed}
    print(f"W = {lease.takeover:.2f} s; records removed {min(waited.values()):.2f} to {max(waited.values()):.2f} s "
          f"after their last renewal, the last {max(removed.values()) - killed_at:.2f} s after the kill")
    assert min(waited.values()) >= lease.takeover
    # One after the other: the lowest comes first.
    for number in killed[:5]:
        assert fleet.wait(fleet.start(1)) == [number]


def test_a_hundred_survive_a_restart_of_their_server(run_zksup, zk, tmp_path):
    fleet = Fleet(run_zksup, tmp_path / "starts", 30)
    numbers = fleet.wait(fleet.start(COUNT))
    begun = time.monotonic()
    zk.stop()
    zk.start()
    for process in fleet.running.values():
        wait_for(lambda: process.err.count("connected to") == 2, 20, f"{process!r} connects again")
    print(f"all connected again {time.monotonic() - begun:.2f} s after the server was killed")
    count = quiet_count(zk)
    wait_for(lambda: packets_received(zk) > count + COUNT, 15, "the holds are renewed again", 0.5)
    assert fleet.numbers() == dict(zip(fleet.running, numbers))
    assert [p for p in fleet.running.values() if p.status is not None] == []
