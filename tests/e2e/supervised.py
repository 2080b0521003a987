"""Children that report: what a supervised command was started with, and which processes it left.

A Supervised is one `zksup run` whose command appends a line to a file at each start. Every process
of its tree carries a marker in its environment, so that survivors are found by looking at all
processes of the machine, without asking zksup or the guard."""

import os
import pathlib
import signal
import time
import uuid
from typing import NamedTuple

from zk_server import SCALE, wait_for

MARKER = "ZKSUP_TEST_MARKER"
SANITIZED = os.environ.get("ZKSUP_TEST_SANITIZED") == "1"
REPORT = 'printf "%s %s %s %s %s\\n" $$ "$ZK_SEQUENCE" "$ZK_FENCE" "$ZKSUP_RESTARTS" "$ZKSUP_UNIT" >>"$STARTS"\n'


class Start(NamedTuple):
    pid: int
    number: int
    fence: int
    restarts: int
    unit: str


class Lease:
    """The numbers that zksup derives from a session timeout, in seconds."""

    def __init__(self, session, grace=None):
        self.session = session
        self.lease = 0.8 * session
        self.renew = self.lease / 6
        self.grace = self.lease / 4 if grace is None else grace
        self.kill = max(0.25, self.lease / 12)
        self.takeover = self.lease * 1.1 / 0.9


class Supervised:
    def __init__(self, run, directory, options, script, command, env, **popen):
        self.marker = uuid.uuid4().hex
        self.path = pathlib.Path(directory) / f"starts-{self.marker[:8]}"
        self.path.touch()
        command = command or ["/bin/sh", "-c", REPORT + script]
        self.zksup = run(
            "run", *options, "--", *command,
            env={"STARTS": str(self.path), MARKER: self.marker, **(env or {})}, **popen,
        )

    def __repr__(self):
        return repr(self.zksup)

    @property
    def starts(self):
        """The starts so far. A line is written at once, so a part of one is not seen."""
        return [
            Start(*(int(f) for f in line.split(" ")[:4]), line.split(" ")[4])
            for line in self.path.read_text().splitlines()
        ]

    def wait_starts(self, count=1, deadline=20.0):
        """Waits for `count` starts in all; returns the last one."""
        def there():
            assert self.zksup.process.poll() is None or len(self.starts) >= count, repr(self)
            return len(self.starts) >= count

        wait_for(there, deadline, f"start {count} of {self!r}")
        return self.starts[count - 1]

    def processes(self):
        """All live processes that carry the marker, zksup and its guard left out."""
        return marked_processes(self.marker, {self.zksup.pid})


def marked_processes(marker, without=()):
    wanted = f"{MARKER}={marker}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in without:
            continue
        try:
            environment = pathlib.Path(f"/proc/{name}/environ").read_bytes()
            if wanted not in environment.split(b"\0"):
                continue
            stat = pathlib.Path(f"/proc/{name}/stat").read_text()
        except (OSError, ValueError):
            continue
        # "Z" has no code to run any more; a guard (and the init of its PID namespace) is not part of
        # the tree it guards.
        if stat.rpartition(")")[2].split()[0] in "ZX" or "(zksup-guard)" in stat or "(zksup-init)" in stat:
            continue
        found.append(int(name))
    return sorted(found)


def ignores_stop_signals(pids):
    """Whether one of the processes has come as far as to ignore INT and TERM: it may be seen before."""
    wanted = 1 << (signal.SIGINT - 1) | 1 << (signal.SIGTERM - 1)
    for pid in pids:
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
        if ignored & wanted == wanted:
            return True
    return False


def wait_gone(alive, since, deadline, what):
    """Waits until alive() is empty and returns how many seconds after `since` (time.monotonic())
    that was seen. It is waited for longer than `deadline`, so that the message tells how late."""
    def empty():
        return not alive()

    wait_for(empty, deadline + 5, f"{what}: no process is left", 0.005)
    seconds = time.monotonic() - since
    print(f"{what}: gone after {seconds * 1000:.0f} ms (limit {deadline * SCALE * 1000:.0f} ms)")
    assert seconds <= deadline * SCALE, f"{what}: gone only after {seconds:.3f} s"
    return seconds
