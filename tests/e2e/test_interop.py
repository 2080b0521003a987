"""Curator and kazoo stand in the same queues: never two inside, everybody in the order of the queue.

    ZKSUP_TEST_HANDOVERS=N    hand-overs of each pair (default 200; 60 under a sanitizer)

Two parties take a thing in turn, each anew as soon as it has given it back. Whoever is inside stays
until the other one is in the queue again, so that every entrance is a hand-over. At each entrance the
door (interop.py) looks at the queue: the lowest contender is the one that entered, by its session or,
for zksup, by the token of the record."""

import os
import threading
import time

import pytest
from kazoo.client import KazooClient
from kazoo.recipe.lock import Lock as KazooLock

from interop import CuratorPeer, Door, order_of, owner_of, pass_door, queue_of
from supervised import SANITIZED
from zk_server import SCALE, wait_for

HANDOVERS = int(os.environ.get("ZKSUP_TEST_HANDOVERS", "60" if SANITIZED else "200"))
SESSION = "20s"


@pytest.fixture(scope="module")
def curator(zk, tmp_path_factory):
    peer = CuratorPeer(zk.connect, tmp_path_factory.mktemp("curator"))
    yield peer
    peer.close()


@pytest.fixture
def python_peer(zk):
    client = KazooClient(hosts=zk.connect, timeout=20)
    client.start(15)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def open_door(tmp_path):
    """open_door(look, may_leave) -> Door"""
    doors = []

    def make(*arguments):
        doors.append(Door(tmp_path / f"door-{len(doors)}", *arguments))
        return doors[-1]

    yield make
    for door in doors:
        door.close()


class Parties:
    """Runs the parties of a test in threads and waits for them; what one of them raised is the
    failure of the test."""

    def __init__(self, door):
        self.door = door
        self.problems = []
        self.threads = []

    def start(self, run, *arguments):
        def work():
            try:
                run(*arguments)
            except BaseException as problem:
                self.problems.append(problem)

        self.threads.append(threading.Thread(target=work, daemon=True))
        self.threads[-1].start()

    def wait(self, deadline):
        def over():
            return self.problems or self.door.complaints or not any(t.is_alive() for t in self.threads)

        wait_for(over, deadline, f"the parties have ended: {self.door.entries[-3:]} of {len(self.door.entries)}")
        assert not self.problems, f"{self.problems} after {len(self.door.entries)} entries"
        assert not self.door.complaints, self.door.complaints[:5]


@pytest.fixture
def loop_zksup(run_zksup, section, tmp_path):
    """loop_zksup(count, door, verb, options, name, who, how) runs a section COUNT times, each under
    a zksup of its own. At the end of the test no more are started, so that none is left behind."""
    starting = threading.Lock()
    over = []

    def start(*arguments, **rest):
        with starting:
            return None if over else run_zksup(*arguments, **rest)

    def loop(count, door, verb, options, name, who="zksup", how="write"):
        for i in range(count):
            process = start(verb, "--session-timeout", SESSION, *options, name, "--",
                            section, tmp_path / "section", who, how, door.path, name=f"{who}-{i}")
            assert process and process.wait(60) == 0, f"run {i}: {process!r}"

    yield loop
    with starting:
        over.append(True)


class Queue:
    """The oracle of an exclusive queue in which zksup and one foreign session alternate."""

    def __init__(self, kazoo, path, record, total):
        self.kazoo, self.path, self.record, self.total = kazoo, path, record, total
        self.orders = []

    def look(self, entry, inside):
        if inside:
            return f"{inside} is inside"
        nodes = queue_of(self.kazoo, self.path)
        if not nodes:
            return "nobody is in the queue"
        lowest = nodes[0]
        self.orders.append(order_of(lowest))
        if entry.who == "zksup":
            return self._look_at_record(entry, lowest)
        owner = owner_of(self.kazoo, f"{self.path}/{lowest}")
        return None if owner == entry.token else f"the lowest is {lowest} of session {owner:#x}"

    def _look_at_record(self, entry, lowest):
        grant = self.kazoo.get(self.record)[0].decode()
        token = self.kazoo.exists(f"{self.record}/{grant}").czxid
        if token != entry.token:
            return f"the record's token is {token}"
        participant = grant.rpartition("-")[0]  # the rest counts its claims
        return None if f"-{participant}-" in lowest else f"the record is of {grant}, but the lowest is {lowest}"

    def may_leave(self, entry, inside):
        return len(self.orders) >= self.total or len(queue_of(self.kazoo, self.path)) > 1

    def check(self, door):
        """Every entrance was a hand-over, in the order of the queue."""
        assert not door.complaints, door.complaints[:5]
        parties = [entry.who for entry in door.entries]
        assert len(parties) == self.total
        together = [i for i in range(1, self.total) if parties[i] == parties[i - 1]]
        assert not together, f"no hand-over before the entries {together} of {parties}"
        assert self.orders == sorted(set(self.orders)), f"out of order: {self.orders}"
        tokens = [entry.token for entry in door.entries if entry.who == "zksup"]
        assert tokens == sorted(set(tokens)), f"tokens do not grow: {tokens}"


def alternate(door, queue, loop_zksup, verb, options, name, other):
    """Both parties, half of the entries each; `other(count)` is the foreign one."""
    half = queue.total // 2
    parties = Parties(door)
    parties.start(other, half)
    parties.start(loop_zksup, half, door, verb, options, name)
    parties.wait(30 + queue.total * 0.5)
    queue.check(door)
    print(f"{queue.total - 1} hand-overs in {(door.entries[-1].begun - door.entries[0].begun) / 1e9:.2f} s")


def exclusive(kind, kazoo, root, handovers=HANDOVERS):
    """One entry more than hand-overs, and as many of either party."""
    return Queue(kazoo, f"{root}/{kind}/interop", f"{root}/record/{kind}/interop", handovers // 2 * 2 + 2)


def run_curator(curator, door, kind, path, tmp_path, who, slots=1):
    def run(count):
        curator.order(kind, path, who, count, f"{tmp_path}/section.lock", door.path, slots)
        curator.wait_done(who, 60 + count * 0.5)

    return run


# --- one lock, one election ----------------------------------------------------------------------


def test_curators_mutex_and_ours_take_turns(curator, open_door, loop_zksup, kazoo, root, tmp_path):
    queue = exclusive("lock", kazoo, root)
    door = open_door(queue.look, queue.may_leave)
    other = run_curator(curator, door, "mutex", queue.path, tmp_path, "curator-mutex")
    alternate(door, queue, loop_zksup, "lock", [], "interop", other)


def test_curators_leader_latch_and_our_election_take_turns(curator, open_door, loop_zksup, kazoo, root, tmp_path):
    queue = exclusive("election", kazoo, root)
    door = open_door(queue.look, queue.may_leave)
    other = run_curator(curator, door, "latch", queue.path, tmp_path, "curator-latch")
    alternate(door, queue, loop_zksup, "lead", ["--restart", "never"], "interop", other)


def test_our_priorities_do_not_upset_curators_leader_latch(curator, open_door, loop_zksup, kazoo, root, tmp_path):
    queue = exclusive("election", kazoo, root, 20)
    door = open_door(queue.look, queue.may_leave)
    other = run_curator(curator, door, "latch", queue.path, tmp_path, "curator-priority")
    alternate(door, queue, loop_zksup, "lead", ["--restart", "never", "--priority", "7"], "interop", other)


def test_kazoos_lock_and_ours_take_turns(python_peer, open_door, loop_zksup, kazoo, root, tmp_path):
    queue = exclusive("lock", kazoo, root)
    door = open_door(queue.look, queue.may_leave)

    def run(count):
        for _ in range(count):
            with KazooLock(python_peer, queue.path, extra_lock_patterns=["-lock-"]):
                pass_door(door.path, tmp_path / "section.lock", "python", python_peer.client_id[0])

    alternate(door, queue, loop_zksup, "lock", [], "interop", run)


def test_kazoos_election_and_ours_take_turns(python_peer, open_door, loop_zksup, kazoo, root, tmp_path):
    queue = exclusive("election", kazoo, root)
    door = open_door(queue.look, queue.may_leave)

    def run(count):
        for _ in range(count):
            election = python_peer.Election(queue.path, "python")
            # Its own lock knows only its own names.
            election.lock = KazooLock(python_peer, queue.path, "python", extra_lock_patterns=["latch-"])
            election.run(pass_door, door.path, tmp_path / "section.lock", "python", python_peer.client_id[0])

    alternate(door, queue, loop_zksup, "lead", ["--restart", "never"], "interop", run)


# --- readers and writers, a semaphore ------------------------------------------------------------

ROUNDS = 10
# For how long one stays inside to see whether another one comes.
STAY_NSEC = 50_000_000 * SCALE


def kind_of(who):
    return "__READ__" if who.endswith("reader") else "__WRIT__"


class Readers:
    """The oracle of readers and writers: one of each of ours, and one of each in one foreign session."""

    def __init__(self, kazoo, path, session):
        self.kazoo, self.path, self.session = kazoo, path, session
        self.shared = 0

    def node_of(self, entry, nodes):
        foreign = entry.who.startswith("curator")
        found = [node for node in nodes if kind_of(entry.who) in node and
                 (owner_of(self.kazoo, f"{self.path}/{node}") == self.session) == foreign]
        return found[0] if len(found) == 1 else None

    def look(self, entry, inside):
        nodes = queue_of(self.kazoo, self.path)
        node = self.node_of(entry, nodes)
        if not node:
            return f"its node is not among {nodes}"
        before = nodes[: nodes.index(node)]
        if kind_of(entry.who) == "__WRIT__":
            return f"a writer, while {inside} are inside and {before} before it" if inside or before else None
        self.shared += len(inside) > 0
        if any(kind_of(other.who) == "__WRIT__" for other in inside) or any("__WRIT__" in name for name in before):
            return f"a reader, while {inside} are inside and {before} before it"
        return None

    @staticmethod
    def may_leave(entry, inside):
        return kind_of(entry.who) == "__WRIT__" or len(inside) > 1 or time.monotonic_ns() > entry.begun + STAY_NSEC


def test_readers_and_writers_of_curator_and_ours_exclude_and_share(
        curator, open_door, loop_zksup, kazoo, root, tmp_path):
    path = f"{root}/lock/interop"
    readers = Readers(kazoo, path, curator.session)
    door = open_door(readers.look, readers.may_leave)
    parties = Parties(door)
    for kind, who in (("read", "curator-reader"), ("write", "curator-writer")):
        parties.start(run_curator(curator, door, kind, path, tmp_path, who), ROUNDS)
    for options, how, who in ((["--shared"], "read", "reader"), (["--exclusive"], "write", "writer")):
        parties.start(loop_zksup, ROUNDS, door, "lock", options, "interop", who, how)
    parties.wait(90)
    assert len(door.entries) == 4 * ROUNDS
    print(f"{readers.shared} times a reader came in beside another")


def test_readers_of_curator_and_ours_are_inside_together(curator, open_door, loop_zksup, kazoo, root, tmp_path):
    """With writers about, the queue may be such that no two readers ever stand beside each other."""
    path = f"{root}/lock/interop"
    readers = Readers(kazoo, path, curator.session)
    door = open_door(readers.look, readers.may_leave)
    parties = Parties(door)
    parties.start(run_curator(curator, door, "read", path, tmp_path, "curator-reader"), ROUNDS)
    parties.start(loop_zksup, ROUNDS, door, "lock", ["--shared"], "interop", "reader", "read")
    parties.wait(90)
    assert len(door.entries) == 2 * ROUNDS
    assert readers.shared, "no two readers were inside at once"
    print(f"{readers.shared} times a reader came in beside another")


def test_curators_semaphore_and_ours_share_the_slots(curator, open_door, loop_zksup, kazoo, root, tmp_path):
    slots, path = 2, f"{root}/semaphore/interop"
    door = open_door(lambda entry, inside: f"{inside} are inside" if len(inside) >= slots else None,
                     lambda entry, inside: len(inside) == slots or time.monotonic_ns() > entry.begun + STAY_NSEC)
    parties = Parties(door)
    for who in ("curator-1", "curator-2"):
        parties.start(run_curator(curator, door, "semaphore", path, tmp_path, who, slots), ROUNDS)
    for who in ("zksup-1", "zksup-2"):
        parties.start(loop_zksup, ROUNDS, door, "lock", ["--slots", slots], "interop", who, "any")
    parties.wait(90)
    assert len(door.entries) == 4 * ROUNDS
    assert door.most == slots, f"never more than {door.most} inside"
