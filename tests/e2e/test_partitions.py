"""Partitions: a holder is cut off in various ways, and a second host waits for the same number.

Two oracles that know nothing of zksup (beater.c): a lock of the kernel that both commands ask for,
and the times at which each was last and first seen alive, on the one clock that all network
namespaces share. From these comes the margin: the start of the next run less the last beat of the
one before. It is printed for each run; it is the number to watch, long before a test fails.

    ZKSUP_TEST_PARTITIONS=N   runs of each scenario (default 2)
    ZKSUP_TEST_SEED=N         seed of the phases: when, within a renewal period and a session
                              timeout, the fault strikes (default random, printed)

The last tests run known bad supervisors through the same faults: the rig must convict them."""

import collections
import os
import pathlib
import random
import sys
import time
import uuid

import pytest

import netns
from harness import Zksup
from supervised import MARKER, Lease, marked_processes
from zk_server import wait_for

RUNS = int(os.environ.get("ZKSUP_TEST_PARTITIONS", "2"))
SEED = int(os.environ.get("ZKSUP_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
SESSION = 1.0
LEASE = Lease(SESSION)
TAKEOVER_SECONDS = 30
CONTROL_RUNS = 5
HERE = pathlib.Path(__file__).parent

Run = collections.namedtuple("Run", "token first last pids")


@pytest.fixture(scope="module")
def lab():
    try:
        lab = netns.Lab()
    except netns.NoNamespaces as why:
        pytest.skip(str(why))
    try:
        yield lab.start()
    finally:
        lab.close()


@pytest.fixture(scope="module")
def phases():
    return random.Random(SEED)


@pytest.fixture
def beater():
    path = os.environ.get("ZKSUP_TEST_BEATER", "")
    if not os.access(path, os.X_OK):
        pytest.exit(f"ZKSUP_TEST_BEATER={path!r} is no program; run the suite with 'meson test'", 2)
    return path


class Witness:
    """The log of the beaters of one run."""

    def __init__(self, directory, beater):
        self.marker = uuid.uuid4().hex
        self.log = pathlib.Path(directory) / f"beats-{self.marker[:8]}"
        self.log.touch()
        self.command = [beater, str(self.log) + ".lock", str(self.log)]

    @property
    def lines(self):
        text = self.log.read_text()
        return [line.split(" ") for line in text[: text.rfind("\n") + 1].splitlines()]

    @property
    def conflicts(self):
        return [line for line in self.lines if line[0] == "conflict"]

    @property
    def runs(self):
        """One Run per token, in the order of their first beats; times in seconds."""
        beats = collections.defaultdict(list)
        pids = collections.defaultdict(set)
        for _, token, pid, nanoseconds in self.lines:
            beats[int(token)].append(int(nanoseconds) / 1e9)
            pids[int(token)].add(int(pid))
        runs = [Run(token, min(times), max(times), pids[token]) for token, times in beats.items()]
        return sorted(runs, key=lambda run: run.first)

    @property
    def margins(self):
        """Per hand-over, in seconds; negative: both ran at once."""
        runs = self.runs
        ends = [max(run.last for run in runs[: i + 1]) for i in range(len(runs))]
        return [b.first - end for end, b in zip(ends, runs[1:])]

    @property
    def survivors(self):
        return marked_processes(self.marker)


class Scene:
    """One fault event: a holder on the first host, a second host in the queue, a witness."""

    def __init__(self, lab, phases, directory, beater):
        self.lab = lab
        self.phases = phases
        self.directory = directory
        self.witness = Witness(directory, beater)
        self.processes = []
        self.passed = False

    def launch(self, host, name, argv, env=None):
        environment = {k: v for k, v in os.environ.items() if k != "ZKSUP_CONNECT"}
        environment.update({MARKER: self.witness.marker, **(env or {})})
        with host.inside():
            process = Zksup(argv, self.directory, name, environment, preexec_fn=netns.die_with_parent)
        self.processes.append(process)
        return process

    def await_beats(self, count):
        """Waits until `count` runs have been seen, each over a tenth of a second; returns them."""

        def seen():
            runs = self.witness.runs
            return len(runs) >= count and all(r.last - r.first > 0.1 for r in runs) and runs

        return wait_for(seen, TAKEOVER_SECONDS, f"{count} runs in {self.processes}")

    def strike(self, fault):
        """Lets the fault strike at a random moment of the holder's rhythm: this is its phase, no
        wait for anything. Returns the time."""
        time.sleep(self.phases.uniform(0, LEASE.renew + SESSION))
        struck = time.monotonic()
        fault()
        return struck

    def stop(self):
        for process in self.processes:
            if process.process.poll() is None:
                process.signal()
        return [process.wait() for process in self.processes]

    def clean_up(self):
        """Nothing is left. What the processes said is shown if the test failed, repetitions once."""
        for process in self.processes:
            if not self.passed:
                print(process.argv[:4], *dict.fromkeys(process.err.splitlines()), sep="\n")
            if process.process.poll() is None:
                process.process.kill()
                process.process.wait()
        for pid in self.witness.survivors:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass


@pytest.fixture
def make_scene(lab, phases, tmp_path, beater):
    """make_scene() -> Scene; the ensemble is whole again afterwards."""
    scenes = []

    def make():
        directory = tmp_path / f"scene-{len(scenes)}"
        directory.mkdir()
        scenes.append(Scene(lab, phases, directory, beater))
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.clean_up()
    lab.heal()


# A fault: which server the holder is connected to (None: all of them), and what then happens.


def cut_follower(lab):
    server = lab.followers[0]
    return server.connect, lambda: lab.cut(server, "quorum")


def cut_leader(lab):
    server = lab.leader
    return server.connect, lambda: lab.cut(server, "quorum")


def cut_leader_restart_followers(lab):
    """The new leader knows the sessions from disk only, and gives each its whole timeout again."""
    leader, followers = lab.leader, lab.followers

    def strike():
        lab.cut(leader, "quorum")
        for server in followers:
            server.stop()
        for server in followers:
            server.start(wait=False)

    return leader.connect, strike


def cut_client(lab):
    return None, lambda: lab.cut(lab.hosts[0])


FAULTS = [cut_follower, cut_leader, cut_leader_restart_followers, cut_client]


def tell(capsys, text):
    with capsys.disabled():
        print(f"\n    {text}", end="", file=sys.stdout, flush=True)


def milliseconds(margins):
    return ", ".join(f"{1000 * m:.1f}" for m in margins) + " ms"


def first_end(runs, first):
    return next(run.last for run in runs if run.token == first.token)


@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_no_number_runs_twice_and_the_other_host_takes_over(fault, run, make_scene, lab, zksup, root, capsys):
    scene = make_scene()

    def supervise(number, connect):
        argv = [zksup, "run", "--connect", connect, "--root", root, "--session-timeout", f"{SESSION}s",
                "-v", "--pool", "p", "--max", "1", "--", *scene.witness.command]
        return scene.launch(lab.hosts[number], f"host{number + 1}", argv)

    only, strike = fault(lab)
    holder = supervise(0, only or lab.connect)
    first = scene.await_beats(1)[0]
    supervise(1, lab.connect).wait_err("waiting")
    struck = scene.strike(strike)
    scene.await_beats(2)
    lab.heal()
    wait_for(lambda: holder.err.count("connected to") > 1, 20, "the first host is back")
    statuses = scene.stop()
    runs, margins = scene.witness.runs, scene.witness.margins
    tell(capsys, f"{fault.__name__}, seed {SEED}: margin {milliseconds(margins)}; last beat "
                 f"{1000 * (first_end(runs, first) - struck):.0f} ms after the cut")
    assert not scene.witness.conflicts, "a process of the holder before was alive at a start"
    assert min(margins) > 0, f"two ran at once: {runs}"
    assert [r.token for r in runs] == sorted(r.token for r in runs), f"the tokens do not grow: {runs}"
    assert not scene.witness.survivors
    # 128 + TERM: stopped while it waited; 128 + KILL: its command, which does not heed TERM; 120: TERM
    # came while it was losing its number, which a server that joins again can cause
    assert set(statuses) <= {143, 137, 120}, scene.processes
    scene.passed = True


# The controls: these must be convicted.


@pytest.mark.parametrize(
    "mode,fault",
    [("suspended", cut_follower), ("lost", cut_leader)],
    ids=["connection_as_lease-cut_follower", "runs_until_told_lost-cut_leader"],
)
def test_a_naive_supervisor_is_convicted(mode, fault, make_scene, lab, capsys):
    for _ in range(CONTROL_RUNS):
        scene = make_scene()

        def supervise(number, connect):
            argv = [sys.executable, str(HERE / "naive_supervisor.py"), connect, str(SESSION), mode,
                    *scene.witness.command, "--alone"]
            return scene.launch(lab.hosts[number], f"naive{number + 1}", argv)

        only, strike = fault(lab)
        supervise(0, only)
        scene.await_beats(1)
        # not to the one that is cut off, where it would be blind like the first
        supervise(1, ",".join(s.connect for s in lab.servers if s.connect != only)).wait_out("started")
        scene.strike(strike)
        scene.await_beats(2)
        lab.heal()
        scene.stop()
        tell(capsys, f"naive ({mode}), {fault.__name__}: margin {milliseconds(scene.witness.margins)}")
        if scene.witness.conflicts and min(scene.witness.margins) < 0:
            scene.passed = True
            return
        scene.clean_up()
    pytest.fail("the rig let a supervisor pass that is known to run two at once")
