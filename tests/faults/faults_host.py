"""Faults of the host: clocks, descriptors, forks, disks, the processor."""

import os
import pathlib
import resource
import shutil
import signal
import struct
import subprocess
import time

import netns
from registry import fault
from rig import NotHere, wait_for

HOUR = 3600
HOGS = 16


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise NotHere(f"there is no {program}")


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise NotHere(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


# Clocks


@fault()
def wall_clock_stepped(r):
    """the supervisors' wall clocks jump by hours or days, by a preloaded library; the guard reads none"""
    library = pathlib.Path(r.programs.holder).with_name("libwallclock.so")
    if not library.exists():
        raise NotHere(f"there is no {library}")
    steps = [r.directory / "step1", r.directory / "step2"]
    for step in steps:
        step.write_bytes(bytes(8))
    env = [{"LD_PRELOAD": str(library), "WALLCLOCK_FILE": str(step)} for step in steps]
    r.hold(env=env[0])
    r.wait_in_line(env=env[1])

    def strike():
        for step in steps:
            step.write_bytes(struct.pack("=q", r.random.choice([-24, -1, 1, 24]) * HOUR))

    r.strike(strike)
    r.endure(2)
    r.require(len(r.witness.trees) == 1, "a step of the wall clock ended the command")
    # and while it is wrong, the lease still ends when it should
    cut = time.monotonic()
    r.lab.cut(r.lab.hosts[0])
    r.await_takeover()
    late = r.witness.trees[0].last - cut
    r.require(late < r.lease.lease + 0.05, f"the tree beat until {late * 1000:.0f} ms after the cut")


@fault()
def boottime_differs(r):
    """CLOCK_BOOTTIME of the holder's host is days ahead (unshare --time), then its network goes"""
    need("unshare")
    offset = str(r.random.randrange(1, 100 * 24 * HOUR))
    run("unshare", "--time", "--boottime", offset, "true")
    r.hold(wrap=("unshare", "--time", "--boottime", offset))
    r.wait_in_line()
    r.strike(r.lab.cut, r.lab.hosts[0])
    r.await_takeover()
    r.require_dead_within(r.lease.lease, "client cut")


@fault(variant="test_clock")
def clock_rates_differ(r):
    """the holder's clock is 10 % slow, the other's 10 % fast, and the holder is cut off or stopped"""
    r.hold(env={"ZKSUP_TEST_CLOCK_RATE": "0.9"})
    r.wait_in_line(env={"ZKSUP_TEST_CLOCK_RATE": "1.1"})
    for process in (r.holder, r.waiter):
        r.require("clock rate" in process.err, "this build does not know ZKSUP_TEST_CLOCK_RATE")
    if r.random.random() < 0.5:
        r.strike(r.lab.cut, r.lab.hosts[0])
    else:
        r.strike(r.holder.signal, signal.SIGSTOP)
        r.heals(r.holder.signal, signal.SIGCONT)
    r.await_takeover()
    r.require_dead_within(r.lease.lease / 0.9, "with a slow clock")


# Resources


@fault(short=True)
def no_descriptors(r):
    """EMFILE for all that the supervisor opens from now on, then its connection breaks"""
    r.contend()
    pid = r.holder.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)

    def strike():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        r.lab.cut(r.lab.hosts[0])

    def heal():
        if r.holder.status is None:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)

    r.strike(strike)
    r.heals(heal)
    r.await_takeover()
    r.require_dead_within(r.lease.lease, "no descriptors")


@fault()
def disk_full(r):
    """ENOSPC for the supervisor's log, then its connection breaks"""
    disk = r.directory / "full"
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk))
    r.on_clean_up(run, "umount", "-l", str(disk))
    r.hold(output=disk)
    r.wait_in_line()
    with open(disk / "filler", "wb", buffering=0) as filler:
        for size in (4096, 1):
            try:
                while filler.write(b"x" * size):
                    pass
            except OSError:
                pass
    r.strike(r.lab.cut, r.lab.hosts[0])
    r.await_takeover()
    r.require_dead_within(r.lease.lease, "disk full")


@fault()
def fork_fails(r):
    """EAGAIN for every fork of the first supervisor: no start, and the lock is the other's"""
    need("strace")
    r.struck = time.monotonic()
    r.holder = r.supervise(0, wrap=(
        "strace", "-D", "-f", "-o", str(r.directory / "strace"), "-e", "trace=process", "-e",
        "inject=fork,vfork,clone,clone3:error=EAGAIN"))
    failed = r.holder
    wait_for(lambda: failed.status is not None or "EAGAIN" in failed.err or "temporarily" in failed.err, 20,
             f"the fork fails: {failed!r}")
    r.waiter = r.supervise(1)
    r.await_tree(0)
    r.require("fencing token" not in failed.err, "it held the lock and could not start")
    failed.signal(signal.SIGTERM)
    failed.wait()


@fault()
def starved(r):
    """sixteen hogs on the processors, and then the supervisor is stopped or its network goes"""
    r.contend()
    hogs = []

    def start():
        for _ in range(HOGS):
            hogs.append(subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"],
                                         preexec_fn=netns.die_with_parent))

    def stop():
        for hog in hogs:
            hog.kill()
            hog.wait()

    r.heals(stop)
    r.strike(start)
    time.sleep(r.random.uniform(0, r.lease.renew + r.T))  # the phase of the second fault
    second = time.monotonic()
    if r.random.random() < 0.5:
        r.lab.cut(r.lab.hosts[0])
    else:
        r.holder.signal(signal.SIGSTOP)
        r.heals(r.holder.signal, signal.SIGCONT)
    r.await_takeover(60)
    late = r.witness.trees[0].last - second  # negative: it was lost by the hogs alone
    r.require(late < r.lease.lease + 0.05, f"the tree beat until {late * 1000:.0f} ms after the second fault")


@fault()
def file_system_frozen(r):
    """the command hangs in a frozen file system (D state) when it is to stop: nobody takes over until it is dead"""
    need("mkfs.ext4", "fsfreeze", "losetup")
    image, disk = r.directory / "image", r.directory / "disk"
    disk.mkdir()
    with open(image, "wb") as out:
        out.truncate(8 << 20)
    run("mkfs.ext4", "-q", "-F", str(image))
    run("mount", "-o", "loop", str(image), str(disk))
    r.on_clean_up(subprocess.run, ["umount", str(disk)])
    env = {"HOLDER_DISK": str(disk / "file")}
    r.contend(child="disk", env=env)
    wait_for((disk / "file").exists, 10, "the command writes")
    r.heals(subprocess.run, ["fsfreeze", "-u", str(disk)], )
    r.strike(run, "fsfreeze", "-f", str(disk))
    wait_for(lambda: in_disk_sleep(r), 10, "a process hangs in the disk")
    r.holder.signal(signal.SIGTERM)
    r.endure(4)
    if "no contact" in r.holder.err:
        # Nobody can be told then that the tree does not die: the promise ends where the kernel cannot kill.
        r.decreed = True
        r.notes.append("the holder lost contact before it could say that its tree does not die")
    else:
        r.require(len(r.witness.trees) == 1, "the other took over while a process of the tree was alive")
    r.require(r.alive(), "the tree was thought to be unkillable")
    subprocess.run(["fsfreeze", "-u", str(disk)], check=True)
    r.healing.pop_all()
    if len(r.witness.trees) == 1:
        r.await_takeover()


def in_disk_sleep(r):
    for pid in r.alive():
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        if stat.rpartition(")")[2].split()[0] == "D":
            return pid
    return None


# Those that the guard makes on its way from the timer to the kill, and to the proof.
GUARD_CALLS = ("poll", "read", "recvfrom", "sendto", "timerfd_settime", "waitid", "kill", "setpriority", "openat",
               "getdents64", "pread64", "close")


@fault()
def guard_call_fails(r):
    """one system call of the guard fails, any, and its supervisor is stopped: it kills all the same"""
    need("strace")
    r.contend()
    turn, which = divmod(r.index, len(GUARD_CALLS))
    call, nth = GUARD_CALLS[which], 1 + turn % 3
    r.notes.append(f"{call} fails, time {nth}")
    out = r.directory / "strace"
    tracer = subprocess.Popen(
        ["strace", "-o", str(out), "-p", str(r.guard()), "-e", f"trace={','.join(GUARD_CALLS)}", "-e",
         f"inject={call}:error=EIO:when={nth}"],
        stderr=subprocess.PIPE, text=True, preexec_fn=netns.die_with_parent)
    r.heals(end_tracer, tracer)
    attached = tracer.stderr.readline()
    r.require("attached" in attached, f"strace: {attached}")
    r.strike(r.holder.signal, signal.SIGSTOP)
    r.heals(r.holder.signal, signal.SIGCONT)
    r.await_takeover()
    r.require_dead_within(r.lease.lease, f"{call} failed")


def end_tracer(tracer):
    if tracer.poll() is None:
        os.kill(tracer.pid, signal.SIGTERM)
    tracer.wait()
