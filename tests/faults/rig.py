"""One run of one fault: two hosts contend for one lock, something breaks, the lock has to survive it.

A Rig is a laboratory (netns.py) with the numbers of its leases. A Round is one run on it:

    r.contend()             the first host holds, the second waits
    r.strike(what)          at a random moment of the holder's rhythm
    r.await_takeover()      or r.await_kept()

and then, whatever the fault was, r.finish(): all is healed, the holder is asked to stop, the other
follows it, and a third one must find the lock free. What must hold in addition is said by
r.require(). Nothing here waits for a time where it could wait for an event, but two: the phase of a
fault, and a fault's duration."""

import contextlib
import os
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import netns  # noqa: E402
from harness import Zksup, children_of, is_alive  # noqa: E402
from supervised import Lease  # noqa: E402
from witness import Witness  # noqa: E402
from zk_server import SCALE, wait_for  # noqa: E402

TREE_SECONDS = 0.1  # a tree counts as running once it has been seen for so long
KILL_SECONDS = 0.25 * SCALE  # for a tree that is killed because a process of ours died or stopped
SLACK_SECONDS = 0.05
# How the tree is kept together is drawn by lot for each run. "auto" is a cgroup where that is to be had.
CONTAINMENTS = ("auto", "subreaper", "pidns")
LOST = 120  # the exit status of a supervisor that has lost what it held


class NotHere(Exception):
    """Why this machine cannot have the fault."""


class Disturbed(Exception):
    """The lock changed hands before the fault: the machine is so busy that a server was not heard of for a
    third of a session timeout. The run says nothing about its fault and is repeated."""


class Programs:
    """The programs under test."""

    def __init__(self, zksup, guard, holder, verb="lock"):
        self.zksup, self.guard, self.holder = (os.path.abspath(p) for p in (zksup, guard, holder))
        self.verb = verb

    @property
    def claim_kind(self):
        """What the znodes of the claim are called."""
        return {"lead": "election", "run": "sequence"}.get(self.verb, "lock")

    def claim(self):
        """The arguments that claim the one thing contended for: a lock, the leadership, the one number."""
        more = {"write": ["--exclusive"], "slots": ["--slots", "1"]}.get(self.verb, [])
        if self.verb != "run":
            verb = "lead" if self.verb == "lead" else "lock"
            return [verb], [*more, "--restart", "never", "--on-loss", "stop", "fault"]
        return ["run", "--pool", "fault", "--max", "1", "--on-loss", "stop", "--restart", "on-failure"], []


class Rig(netns.Lab):
    """Two hosts and three servers. With the tick of 200 ms, sessions of 1 s: D = 0.8 s."""

    def __init__(self, tick_ms=200, session=None):
        self.TICK_MS = tick_ms
        self.session = session or 5 * tick_ms / 1000
        self.lease = Lease(self.session)
        super().__init__()


class Round:
    """`fault` and `index` name the run, `seed` makes it repeatable, `programs` says what is tried."""

    def __init__(self, rig, fault, index, seed, directory, programs):
        self.rig = self.lab = rig
        self.index = index
        self.random = random.Random(f"{seed}/{fault}/{index}")
        self.directory = pathlib.Path(directory)
        self.programs = programs
        self.witness = Witness(directory)
        self.root = f"/fault-{self.witness.marker[:12]}"
        self.lease = rig.lease
        self.processes = []
        self.holder = self.waiter = None
        self.others = []
        self.struck = self.finishing = None
        self.problems = []
        self.notes = []
        self.decreed = False  # the fault has taken the exclusion itself away: an overlap is not counted
        self.healing = contextlib.ExitStack()
        self.cleaning = contextlib.ExitStack()
        self.T = rig.session
        self.contain = self.random.choice(CONTAINMENTS)

    # Starting things

    def launch(self, host, name, argv, env=None, output=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ZKSUP_", "ZK_"))}
        environment.update({"ZKSUP_GUARD": self.programs.guard, **self.witness.environment, **(env or {})})
        with host.inside():
            process = Zksup(argv, output or self.directory, name, environment, preexec_fn=netns.die_with_parent)
        self.processes.append(process)
        return process

    def command(self, child="daemon"):
        return [self.programs.holder, str(self.directory), child]

    def lock_argv(self, connect, options, command):
        if self.programs.verb == "up" and not options:
            return self.up_argv(connect, command)
        verb, name = self.programs.claim()
        return [self.programs.zksup, *verb, "--connect", connect, "--root", self.root, "-v",
                "--session-timeout", f"{self.T:g}s", "--contain", self.contain, *options, *name, "--", *command]

    def up_argv(self, connect, command):
        """A daemon with a unit that needs a number of two, and the lock; and with one that needs nothing."""
        words = ", ".join(f'"{word}"' for word in command)
        path = self.directory / f"up-{len(self.processes)}.conf"
        path.write_text(f"""session-timeout = "{self.T:g}s"
            unit fault {{
                command = {{{words}}}
                pool = fault
                max = 2
                lock = fault
                contain = {self.contain}
                restart-delay = 10ms
                restart-limit = 1000/1s
            }}
            unit beside {{
                command = "sleep 3600"
                clear-environment = yes
                on-loss = restart
            }}
            """)
        return [self.programs.zksup, "up", "--config", str(path), "--connect", connect, "--root", self.root, "-v",
                "--socket", "none"]

    def supervise(self, number, connect=None, child="daemon", options=(), wrap=(), env=None, output=None,
                  name=None):
        """Starts one zksup with the command. `connect` is a connect string (all servers), `wrap` what the
        program is started by, `env` added to its environment, `output` a directory for what it says."""
        argv = self.lock_argv(connect or self.lab.connect, options, self.command(child))
        return self.launch(self.lab.hosts[number], name or f"host{number + 1}", [*wrap, *argv], env, output)

    def hold(self, connect=None, **how):
        """The first host holds the lock and its command runs."""
        self.holder = self.supervise(0, connect, **how)
        return self.await_tree(0)

    def wait_in_line(self, **how):
        """The second host stands behind it."""
        self.waiter = self.supervise(1, **how)
        wait_for(lambda: "waiting" in self.waiter.err or self.holder.status is not None, 20,
                 f"the second stands in line: {self.waiter!r}")
        self.check_undisturbed()

    def contend(self, connect=None, **how):
        tree = self.hold(connect, **how)
        self.wait_in_line(**{k: v for k, v in how.items() if k in ("child", "options")})
        return tree

    def guard(self, process=None):
        guards = [p for p in children_of((process or self.holder).pid)
                  if "(zksup-guard)" in pathlib.Path(f"/proc/{p}/stat").read_text() and not self.is_beside(p)]
        assert len(guards) == 1, f"guards: {guards}"
        return guards[0]

    @staticmethod
    def is_beside(guard):
        """Whether it guards the unit of a daemon that needs nothing."""
        return b"3600" in pathlib.Path(f"/proc/{guard}/cmdline").read_bytes().split(b"\0")

    # Seeing things

    def alive(self):
        """The processes of all trees that are alive now."""
        return self.witness.survivors({p.pid for p in self.processes})

    def await_tree(self, index, seconds=30.0):
        """Waits until `index` + 1 trees have been seen and the last has run for a moment."""

        def seen():
            trees = self.witness.trees
            return len(trees) > index and trees[index].last - trees[index].first > TREE_SECONDS and trees[index]

        return wait_for(seen, seconds, f"tree {index + 1} of {self.witness.trees}")

    def await_takeover(self, seconds=30.0):
        """Waits until a tree runs that began after the fault; returns it."""

        def seen():
            for tree in self.witness.trees:
                if tree.first > self.struck and tree.last - tree.first > TREE_SECONDS:
                    return tree
            return None

        return wait_for(seen, seconds, f"a start after the fault; {self.witness.trees}")

    def await_kept(self, since, seconds=30.0):
        """Waits until some tree, the old one or a new one, has run on for a session timeout after `since`.
        A supervisor that loses the lock ends. When nobody is left for that reason, two more are started."""

        def seen():
            ended = [p.status for p in (self.holder, self.waiter, *self.others)]
            if LOST in ended and None not in ended:
                self.holder, self.waiter = self.supervise(0), self.supervise(1)
            trees = self.witness.trees
            return trees and trees[-1].last > since + self.T and trees[-1].last - trees[-1].first > TREE_SECONDS

        wait_for(seen, seconds, f"the lock is in use after the fault; {self.witness.trees}")

    @property
    def held_until(self):
        """Seconds after the fault at which the first holder's tree was last seen."""
        return self.witness.trees[0].last - self.struck

    def require(self, condition, problem):
        if not condition:
            self.problems.append(problem)

    def require_lost(self):
        """The first supervisor ends and says that it has lost the lock; a daemon stays and says it."""
        if self.programs.verb == "up":
            wait_for(lambda: "is lost" in self.holder.err, 20, f"the loss is said: {self.holder!r}")
            return
        self.require(self.holder.wait() == LOST, f"it ended with {self.holder.status} and not {LOST}")

    def require_dead_within(self, seconds, what):
        late = self.held_until
        self.require(late <= seconds + SLACK_SECONDS,
                     f"{what}: the tree beat until {late * 1000:.0f} ms after the fault, not {seconds * 1000:.0f}")

    # Breaking things

    def strike(self, what, *arguments):
        """Lets the fault strike at its phase: any moment of a renewal period and a session timeout."""
        time.sleep(self.random.uniform(0, self.lease.renew + self.T))
        if self.struck is None:
            self.check_undisturbed()
        self.struck = time.monotonic()
        return what(*arguments)

    def check_undisturbed(self):
        if self.holder.status is not None or len(self.witness.trees) > 1:
            raise Disturbed(f"trees {self.witness.trees}, the holder's status {self.holder.status}")

    def endure(self, sessions):
        """The fault lasts for so many session timeouts."""
        time.sleep(max(0.0, self.struck + sessions * self.T - time.monotonic()))

    def any_server(self):
        return self.random.choice(self.lab.servers)

    def heals(self, undo, *arguments):
        """`undo` is called when the run is healed, or before that by heal()."""
        self.healing.callback(undo, *arguments)

    def on_clean_up(self, undo, *arguments):
        """... only when the run is over and its processes are gone."""
        self.cleaning.callback(undo, *arguments)

    def heal(self):
        self.healing.close()
        self.lab.heal()
        return time.monotonic()

    # Ending

    def finish(self):
        """Heals, lets whoever holds stop and the next one follow, and asks for the lock once more."""
        self.heal()
        self.finishing = time.monotonic()
        self.hand_over()
        for process in self.processes:
            if process.status is None:
                process.signal(signal.SIGCONT)
                process.signal(signal.SIGTERM)
        for process in self.processes:
            process.wait()
        self.find_free()
        self.require_nothing_left()

    def hand_over(self):
        """If both still contend, whoever holds is asked to stop, and the other has to start."""
        contenders = [p for p in (self.holder, self.waiter, *self.others) if p and p.status is None]
        if len(contenders) < 2:
            return
        trees = self.witness.trees
        holding = [p for p in contenders if f"fencing token {trees[-1].token}" in p.err]
        self.require(len(holding) == 1, f"one of {contenders} holds the lock and says so")
        for process in holding:
            process.signal(signal.SIGTERM)
            process.wait()
            self.await_tree(len(trees))

    def find_free(self):
        """Nobody holds it any more: a stranger gets it. Else somebody's nodes were left behind."""
        wait = [] if self.programs.verb == "lead" else ["--wait", "20s"]  # a daemon has no --wait: zksup lock asks
        argv = self.lock_argv(self.lab.connect, wait, ["true"])
        status = self.launch(self.lab.hosts[1], "stranger", argv).wait(30)
        self.require(status == 0, f"the lock was not free in the end: status {status}")

    def require_nothing_left(self):
        for process in self.processes:
            process.check_sanitizers()
        left = self.alive()
        self.survivors = len(left)
        self.require(not left, f"{len(left)} processes survived their supervisors")
        try:
            wait_for(lambda: not self.witness.guards(), 1, "the guards end with their supervisors")
        except AssertionError:
            self.require(False, f"guards were left behind: {self.witness.guards()}")

    def clean_up(self):
        """Whatever happened: nothing of this run goes on, and the laboratory is whole."""
        with contextlib.suppress(Exception):
            self.healing.close()
        for process in self.processes:
            if process.process.poll() is None:
                process.process.kill()
                process.process.wait()
        for pid in self.witness.survivors() + self.witness.guards():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(Exception):
            self.cleaning.close()
        self.lab.heal()

    def result(self):
        """The outcome as plain data: for the table and for --json."""
        trees = self.witness.trees
        verdict = self.witness.verdict()
        # Hand-overs that the fault has caused, those in the end left out.
        end = self.finishing or time.monotonic()
        caused = [tree for tree in trees[1:] if self.struck and self.struck < tree.first < end]
        margins = [margin for tree, margin in zip(trees[1:], self.witness.margins(trees)) if tree in caused]
        return {
            "overlaps": 0 if self.decreed else verdict.overlaps,
            "lost_updates": 0 if self.decreed else verdict.lost_updates,
            "token_violations": verdict.token_violations,
            "decreed_overlaps": verdict.overlaps if self.decreed else 0,
            "survivors": getattr(self, "survivors", 0),
            "margin": min(margins, default=None),
            "recovery": min((tree.first - self.struck for tree in caused), default=None),
            "contain": self.contain,
            "problems": self.problems,
            "notes": self.notes,
        }


__all__ = ["KILL_SECONDS", "NotHere", "Programs", "Rig", "Round", "is_alive", "wait_for"]
