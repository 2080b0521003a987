"""Commands that behave badly, each under a fault that must end them in time."""

import os
import signal

from registry import fault
from rig import KILL_SECONDS


def end_it(r, child):
    """Whoever has to do it: the guard at the end of the lease, the guard alone, the supervisor alone."""
    r.contend(child=child)
    how = r.random.choice(["client cut", "supervisor killed", "guard killed"])
    r.notes.append(how)
    if how == "client cut":
        r.strike(r.lab.cut, r.lab.hosts[0])
    elif how == "supervisor killed":
        r.strike(r.holder.signal, signal.SIGKILL)
    else:
        r.strike(os.kill, r.guard(), signal.SIGKILL)
    r.await_takeover()
    # A hundred processes are not dead at once on a machine that is busy.
    r.require_dead_within(r.lease.lease if how == "client cut" else KILL_SECONDS * (2 if child == "bomb" else 1), how)


@fault()
def child_obeys(r):
    """dies of TERM"""
    end_it(r, "obey")


@fault()
def child_ignores_term(r):
    """ignores TERM, and so does its daemon, forked twice and in a session of its own"""
    end_it(r, "daemon")


@fault()
def child_stops_itself(r):
    """SIGSTOP to itself"""
    end_it(r, "stop")


@fault(short=True)
def child_closes_descriptors(r):
    """closes all that it was given"""
    end_it(r, "close")


@fault()
def child_spins_in_exec(r):
    """executes itself again and again"""
    end_it(r, "exec")


@fault()
def child_bomb(r):
    """a hundred processes, and four chains of processes that fork their successor and end"""
    end_it(r, "bomb")
