"""Commands that behave badly, each under a fault that must end them in time."""

import contextlib
import os
import pathlib
import signal

from registry import fault
from rig import KILL_SECONDS, NotHere


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
    limit = r.lease.lease if how == "client cut" else KILL_SECONDS
    if child == "bomb" and how != "client cut":
        limit *= 2  # a hundred processes are not dead at once on a machine that is busy
    r.require_dead_within(limit, how)


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


@fault()
def child_frozen(r):
    """its control group is frozen by somebody else"""
    r.contain = "auto"
    r.contend()
    group = control_group(r)
    r.heals(thaw, group)
    r.strike((group / "cgroup.freeze").write_text, "1")
    r.lab.cut(r.lab.hosts[0])
    r.await_takeover()
    r.require_dead_within(r.lease.lease, "frozen and cut")


def control_group(r):
    """Of a process of the command; one made for it by zksup."""
    for line in pathlib.Path(f"/proc/{r.alive()[0]}/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            for mount in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
                group = pathlib.Path(mount + line[3:])
                if "zksup" in line and (group / "cgroup.freeze").exists():
                    return group
    raise NotHere("zksup cannot make control groups here")


def thaw(group):
    with contextlib.suppress(OSError):  # gone with its last process
        (group / "cgroup.freeze").write_text("0")


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
