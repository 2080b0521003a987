"""Faults of the supervisor and its guard: stopped, killed, both at once."""

import os
import signal
import time

from registry import fault
from rig import KILL_SECONDS, LOST, wait_for


@fault(short=True)
def supervisor_stopped(r):
    """SIGSTOP for three session timeouts: the guard kills at the end of the lease"""
    r.contend()
    r.strike(r.holder.signal, signal.SIGSTOP)
    r.heals(r.holder.signal, signal.SIGCONT)
    r.await_takeover()
    r.endure(3)
    r.heal()
    r.require_dead_within(r.lease.lease, "supervisor stopped")
    r.require_lost()


@fault(short=True)
def supervisor_killed(r):
    """SIGKILL: the guard hears of it and kills at once"""
    r.contend()
    r.strike(r.holder.signal, signal.SIGKILL)
    r.await_takeover()
    r.require_dead_within(KILL_SECONDS, "supervisor killed")


@fault()
def guard_stopped(r):
    """SIGSTOP: the supervisor sees it and kills the tree itself"""
    r.contend()
    r.strike(os.kill, r.guard(), signal.SIGSTOP)
    r.await_takeover()
    r.require_dead_within(KILL_SECONDS, "guard stopped")


@fault(short=True)
def guard_killed(r):
    """SIGKILL: the supervisor sees it and kills the tree itself"""
    r.contend()
    r.strike(os.kill, r.guard(), signal.SIGKILL)
    r.await_takeover()
    r.require_dead_within(KILL_SECONDS, "guard killed")


@fault()
def both_killed(r):
    """SIGKILL to supervisor and guard: only a PID namespace kills then (--contain pidns)"""
    r.contain = "pidns"
    r.contend()
    victims = [r.guard(), r.holder.pid]
    r.random.shuffle(victims)

    def strike():
        for victim in victims:
            os.kill(victim, signal.SIGKILL)

    r.strike(strike)
    r.await_takeover()
    r.require_dead_within(KILL_SECONDS, "both killed")


@fault()
def stopped_by_request(r):
    """TERM to the holder: released, but only when the tree is dead"""
    r.contend(child=r.random.choice(["daemon", "obey"]))
    r.strike(r.holder.signal, signal.SIGTERM)
    r.await_takeover()
    r.holder.wait()


@fault()
def killed_while_stopping(r):
    """asked to stop, and in the middle of that its supervisor or its guard is killed"""
    r.contend(child=r.random.choice(["daemon", "obey"]))
    victims = [r.holder.pid, r.guard()]
    r.strike(r.holder.signal, signal.SIGTERM)
    time.sleep(r.random.uniform(0, r.lease.grace + 0.05))  # a phase too
    try:
        os.kill(r.random.choice(victims), signal.SIGKILL)
    except ProcessLookupError:
        r.notes.append("it was over")
    r.await_takeover()
    r.holder.wait()


@fault()
def killed_while_starting(r):
    """its supervisor is killed at some moment of the start"""
    r.struck = time.monotonic()
    r.holder = r.supervise(0)
    time.sleep(r.random.uniform(0, 0.3))
    r.holder.signal(signal.SIGKILL)
    r.holder.wait()
    since = time.monotonic()
    r.waiter = r.supervise(1)
    r.await_kept(since)


@fault(short=True)
def waiter_stopped(r):
    """the next in line is stopped as its turn comes, and wakes up when the one behind it has had its own"""
    r.contend()
    third = r.supervise(1, name="host3")
    r.others.append(third)
    wait_for(lambda: "waiting" in third.err, 20, f"the third stands in line: {third!r}")

    def strike():
        r.waiter.signal(signal.SIGSTOP)
        r.holder.signal(r.random.choice([signal.SIGTERM, signal.SIGKILL]))

    r.strike(strike)
    r.heals(r.waiter.signal, signal.SIGCONT)
    r.await_takeover()
    r.holder.wait()
    r.await_kept(r.heal())
    r.require(len(r.witness.trees) == 2 or third.status == LOST, f"it did not wait its turn: {r.witness.trees}")


@fault()
def waiter_pauses(r):
    """the next in line is stopped for moments while the lock comes to it"""
    r.contend()

    def pause():
        r.waiter.signal(signal.SIGSTOP)
        time.sleep(r.random.uniform(0, r.T))
        r.waiter.signal(signal.SIGCONT)

    r.heals(r.waiter.signal, signal.SIGCONT)
    r.strike(r.holder.signal, r.random.choice([signal.SIGTERM, signal.SIGKILL]))
    for _ in range(r.random.randint(1, 4)):
        pause()
        time.sleep(r.random.uniform(0, 0.1))
    r.holder.wait()
    r.await_kept(time.monotonic())
