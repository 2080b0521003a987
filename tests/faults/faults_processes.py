"""Faults of the supervisor and its guard: stopped, killed, both at once."""

import os
import signal

from registry import fault
from rig import KILL_SECONDS


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
