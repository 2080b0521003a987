"""An administrator's deletions, and a foreign client in the queue.

The queue and the record exclude each of their own (recipe/claim.h, recipe/lock.h), so with one of them
deleted nobody starts while the holder lives. Only who deletes both has taken the exclusion away by
decree: then the holder must notice and stop, and until it has, the next one may run beside it."""

import contextlib
import pathlib
import sys

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError, NotEmptyError

from registry import fault
from rig import NotHere, wait_for

HERE = pathlib.Path(__file__).parent
FOREIGN_SECONDS = 0.5


@contextlib.contextmanager
def administrator(r):
    client = KazooClient(hosts=r.lab.connect, timeout=10)
    with r.lab.hosts[1].inside():  # its threads are made here and stay here
        client.start(timeout=15)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def delete_below(client, path):
    """All of it, though others go on making znodes there."""
    for _ in range(20):
        with contextlib.suppress(NotEmptyError, NoNodeError):
            client.delete(path, recursive=True)
            return
    raise AssertionError(f"{path} cannot be deleted, it is made anew all the time")


def queue_path(r):
    return f"{r.root}/{r.programs.claim_kind}/fault"


def record_path(r):
    return f"{r.root}/record/{r.programs.claim_kind}/fault"


def holder_node(r, client):
    """The node of the first in the queue. There is nothing else in it that could be mistaken for it."""
    nodes = [n for n in client.get_children(queue_path(r)) if n[-10:].isdigit() or n == "1"]
    return f"{queue_path(r)}/{min(nodes, key=lambda n: int(n[-10:]))}"


def stopped_in_time(r, what):
    """The next renewal fails, then grace and kill."""
    limit = r.lease.renew + r.lease.grace + r.lease.kill
    r.require_dead_within(limit, what)


@fault(short=True)
def node_deleted(r):
    """the holder's place in the queue: it stops, and its record keeps the others out until it has"""
    r.contend()
    with administrator(r) as client:
        r.strike(client.delete, holder_node(r, client))
    r.await_takeover()
    stopped_in_time(r, "node deleted")


@fault()
def waiting_node_deleted(r):
    """the place of the one that waits: it queues again, at the latest when its turn comes"""
    r.contend()
    with administrator(r) as client:
        nodes = [n for n in client.get_children(queue_path(r)) if n[-10:].isdigit()]
        if len(nodes) > 1:  # a number is waited for without one
            r.strike(client.delete, f"{queue_path(r)}/{max(nodes, key=lambda n: int(n[-10:]))}")
    # the rest, that it does get the lock, is what every run asks for in the end


@fault()
def record_deleted(r):
    """the record of the holder: it stops, and its place in the queue keeps the others out until it has"""
    r.contend()
    with administrator(r) as client:
        r.strike(client.delete, record_path(r), -1, True)
    r.await_takeover()
    stopped_in_time(r, "record deleted")


@fault()
def grant_deleted(r):
    """only the node that the renewals set: it stops, and what is left of its record counts as held for long"""
    r.contend()
    with administrator(r) as client:
        record = record_path(r)
        if r.programs.claim_kind == "sequence":
            record += "/1"
        grants = client.get_children(record)
        r.require(len(grants) == 1, f"one grant: {grants}")
        r.strike(client.delete, f"{record}/{grants[0]}")
        wait_for(lambda: not r.alive(), 10, "the holder's tree is gone")
        stopped_in_time(r, "grant deleted")
        with contextlib.suppress(NoNodeError):  # the holder may have done it
            client.delete(record, recursive=True)
    r.await_takeover()


@fault()
def all_deleted(r):
    """all below the root, so both: the holder stops by its next renewal; until then the other may run too"""
    r.decreed = True
    r.contend()
    with administrator(r) as client:
        r.strike(delete_below, client, r.root)
    r.await_kept(r.struck)
    stopped_in_time(r, "all deleted")


@fault()
def all_deleted_again_and_again(r):
    """all below the root, five times, at whatever moment"""
    r.decreed = True
    r.contend()
    with administrator(r) as client:
        for _ in range(5):
            r.strike(delete_below, client, r.root)
    r.await_kept(r.struck)


@fault()
def kazoo_in_the_queue(r):
    """a kazoo lock between two of ours: a clean hand-over to it, and from it"""
    if r.programs.verb != "lock":
        raise NotHere("kazoo's lock stands in no other queue")
    r.hold()
    foreign = r.launch(r.lab.hosts[1], "kazoo", [
        sys.executable, str(HERE / "kazoo_lock.py"), "--hold", str(FOREIGN_SECONDS), "--token", "0", r.lab.connect,
        queue_path(r), str(r.T * 4), *r.command("alone")])
    with administrator(r) as client:
        wait_for(lambda: len(client.get_children(queue_path(r))) == 2, 20, "kazoo stands in line")
    r.wait_in_line()
    r.strike(r.holder.signal)
    r.holder.wait()
    r.await_tree(2)
    r.require(foreign.wait() == 0, f"kazoo: {foreign.err[-300:]}")
    tokens = [tree.token for tree in r.witness.trees]
    r.require(tokens[1] == 0 and tokens[2] > tokens[0] > 0, f"the order was not kept: {r.witness.trees}")
