#!/usr/bin/env python3
"""zksup beside its peers, in one run on one machine, as a table.

    bench.py [--build DIR] [--repeat N] [--json FILE] [start|restart|memory|requests|lock|handoff]...

Peers that are not installed are left out (tini, dumb-init, runit's runsv, s6-supervise, etcd). One
ZooKeeper server is started on loopback, without fsync, so that the disk is not what is measured.

start      wall time of running /bin/true; the competitors take turns, so that a slow moment of the
           machine hits all alike. `floor` is a bare C client: session, one ephemeral znode, close
restart    from kill -9 of the child to the main() of the next one
memory     proportional set size (PSS) per supervised child, the child itself left out, and the time
           to start that many
requests   what the server received until n instances that start together all run their child
lock       wall time of `zksup lock NAME -- true` on a free lock, beside other locks; `wire floor` is a
           bare C client: session, one znode in the queue, its list, its deletion, close
handoff    from the last act of one holder's command to the main() of the next one's, with 1, 8, 32 and
           128 waiters that pass one after the other

Every number is a median unless it says otherwise. Budgets are printed beside; they are aims, no
assertions: the exit status says only whether the measurements could be made."""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import zk_server  # noqa: E402
from lock_bench import LockBench  # noqa: E402
from zk_server import wait_for  # noqa: E402

SECTIONS = ["start", "restart", "memory", "requests", "lock", "handoff"]
LIVES_SECONDS = 1.2  # longer than runit's and s6's minimum between two starts
COUNTS = (1, 10, 100, 1000)


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, who, value, unit, budget=None, note=""):
        """`budget` is (limit, its name): the value should be at most the limit."""
        row = {"what": what, "who": who, "value": value, "unit": unit, "note": note}
        if budget:
            row["budget"], row["budget_name"] = budget
        self.rows.append(row)
        self.show(row)

    @staticmethod
    def show(row):
        budget = ""
        if "budget" in row:
            within = "within" if row["value"] <= row["budget"] else "OVER"
            budget = f"{within} {row['budget']:.4g} ({row['budget_name']})"
        print(f"{row['what']:<34}{row['who']:<16}{row['value']:>10.2f} {row['unit']:<9}{budget} {row['note']}".rstrip(),
              flush=True)


class Bench(LockBench):
    def __init__(self, options):
        self.repeat = options.repeat
        self.table = Table()
        build = pathlib.Path(options.build)
        self.zksup = str(build / "src/cli/zksup")
        self.guard = str(build / "src/guard/zksup-guard")
        self.stamp, self.floor, self.crowd = (str(build / "tests/bench" / n) for n in ("stamp", "floor", "crowd"))
        self.section = str(build / "tests/e2e/section")
        for program in (self.zksup, self.guard, self.stamp, self.floor, self.crowd, self.section):
            if not os.access(program, os.X_OK):
                sys.exit(f"bench.py: there is no {program}: build first, or name the build directory with --build")
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="zksup-bench-"))
        self.env = {k: v for k, v in os.environ.items() if k != "ZKSUP_CONNECT"}
        self.env["ZKSUP_GUARD"] = self.guard
        self.server = None

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def connect(self):
        return self.server.connect

    def run_argv(self, *options, command):
        return [self.zksup, "run", "--quiet", "--connect", self.connect, "--root", "/bench", *options, "--", *command]

    def spawn(self, argv, **popen):
        popen.setdefault("env", self.env)
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **popen)

    # --- start

    def wall(self, argv):
        """Milliseconds from the spawn of argv to its end."""
        start = time.monotonic_ns()
        pid = os.posix_spawnp(argv[0], argv, self.env)
        _, status = os.waitpid(pid, 0)
        took = (time.monotonic_ns() - start) / 1e6
        if status:
            raise RuntimeError(f"{' '.join(argv)} ended with wait status {status}")
        return took

    def take_turns(self, competitors):
        """Name -> argv; returns name -> wall times. One slow moment of the machine hits all alike."""
        times = {who: [] for who in competitors}
        for argv in competitors.values():
            self.wall(argv)  # the first one loads the caches and makes the parents in ZooKeeper
        for _ in range(self.repeat):
            for who, argv in competitors.items():
                times[who].append(self.wall(argv))
        return times

    def start(self):
        competitors = {
            "/bin/true": ["/bin/true"],
            "tini": ["tini", "-s", "--", "/bin/true"],
            "dumb-init": ["dumb-init", "--", "/bin/true"],
            "floor": [self.floor, self.connect, "/bench-floor"],
            "zksup run": self.run_argv("--restart", "never", command=["/bin/true"]),
        }
        times = self.take_turns({who: argv for who, argv in competitors.items() if shutil.which(argv[0])})
        floor = statistics.median(times["floor"])
        for who, values in times.items():
            median = statistics.median(values)
            self.table.add("run /bin/true", who, median, "ms", None,
                           f"{median / floor:.2f} x floor; best {min(values):.2f}")

    # --- restart

    def service(self, name):
        """A service directory whose `run` is the stamp program itself."""
        directory = self.scratch / f"{name}-{uuid.uuid4().hex[:6]}"
        directory.mkdir()
        (directory / "run").symlink_to(self.stamp)
        return str(directory)

    def supervisors(self):
        """Name -> a function that gives the argv for one supervised stamp."""
        found = {}
        if shutil.which("runsv"):
            found["runsv"] = lambda: ["runsv", self.service("runsv")]
        if shutil.which("s6-supervise"):
            found["s6-supervise"] = lambda: ["s6-supervise", self.service("s6")]
        return found

    def latency(self, argv, count):
        path = self.scratch / f"stamps-{uuid.uuid4().hex[:8]}"
        path.touch()

        def stamps():
            return [tuple(map(int, line.split())) for line in path.read_text().splitlines()]

        process = self.spawn(argv, env={**self.env, "STAMP": str(path)})
        values = []
        try:
            for n in range(count):
                wait_for(lambda: len(stamps()) > n, 20, f"start {n + 1} under {argv[0]}", 0.005)
                time.sleep(LIVES_SECONDS)  # it has to have lived, else there is a penalty
                killed = time.monotonic_ns()
                os.kill(stamps()[n][0], signal.SIGKILL)
                wait_for(lambda: len(stamps()) > n + 1, 20, f"restart {n + 1} under {argv[0]}", 0.005)
                values.append((stamps()[n + 1][1] - killed) / 1e6)
        finally:
            self.end([process])
        return values

    def restart(self):
        count = max(5, self.repeat // 4)
        medians = {}
        zksup = self.run_argv("--pool", "restart", "--restart-reset", "1s", "--restart-limit", "none",
                              command=[self.stamp])
        for who, argv in [*((w, make()) for w, make in self.supervisors().items()), ("zksup run", zksup)]:
            values = self.latency(argv, count)
            medians[who] = statistics.median(values)
            budget = (medians["runsv"], "1.0 x runsv") if who == "zksup run" and "runsv" in medians else None
            self.table.add("restart of a killed child", who, medians[who], "ms", budget, f"worst of {count}: {max(values):.2f}")

    # --- memory

    @staticmethod
    def pss(pid):
        """Kilobytes."""
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
        raise RuntimeError(f"no PSS of process {pid}")

    @staticmethod
    def end(processes):
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @staticmethod
    def children(pid):
        try:
            return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    def memory_of_peer(self, who, make, count):
        """Kilobytes per child, and milliseconds from the first spawn to the main() of the last child."""
        path = self.scratch / f"stamps-{uuid.uuid4().hex[:8]}"
        path.touch()
        environment = {**self.env, "STAMP": str(path)}
        commands = [make() for _ in range(count)]
        pids = []
        try:
            begin = time.monotonic_ns()
            for argv in commands:
                pids.append(os.posix_spawnp(argv[0], argv, environment, file_actions=[
                    (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)]))
            wait_for(lambda: len(path.read_text().splitlines()) == count, 60, f"{count} of {who} run")
            last = max(int(line.split()[1]) for line in path.read_text().splitlines())
            per_child = sum(self.pss(pid) for pid in pids) / count
        finally:
            self.end_pids(pids)
        self.table.add(f"memory per child, {count}", who, per_child, "kB PSS")
        self.table.add(f"start {count}", who, (last - begin) / 1e6, "ms")

    def start_bare(self, count):
        """The floor: the same children without a supervisor, from one spawn loop."""
        path = self.scratch / f"stamps-{uuid.uuid4().hex[:8]}"
        path.touch()
        begin = time.monotonic_ns()
        pids = [os.posix_spawn(self.stamp, [self.stamp], {**self.env, "STAMP": str(path)}) for _ in range(count)]
        try:
            wait_for(lambda: len(path.read_text().splitlines()) == count, 60, f"{count} bare children run")
            last = max(int(line.split()[1]) for line in path.read_text().splitlines())
        finally:
            self.end_pids(pids)
        self.table.add(f"start {count}", "no supervisor", (last - begin) / 1e6, "ms")

    def end_pids(self, pids):
        """runsv and s6-supervise stop their child on TERM, and end with it."""
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        left = set(pids)

        def gone():
            left.difference_update([pid for pid in left if os.waitpid(pid, os.WNOHANG)[0]])
            return not left

        wait_for(gone, 60, "all supervisors have ended")

    def memory_of_crowd(self, count):
        process = subprocess.Popen([self.crowd, str(count), self.stamp], env=self.env, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        answer = {}
        for _ in range(3):
            word, _, rest = process.stdout.readline().strip().partition(" ")
            answer[word] = rest
        if "children" not in answer:
            raise RuntimeError(f"crowd {count} failed: {answer}")
        guards = sum(self.pss(pid) for pid in answer["guards"].split())
        supervisor = self.pss(process.pid)
        process.stdin.close()
        if process.wait(60):
            raise RuntimeError(f"crowd {count} ended with {process.returncode}")
        return float(answer["started"]), guards, supervisor

    def memory(self):
        totals = {}
        for count in COUNTS:
            self.start_bare(count)
            for who, make in self.supervisors().items():
                self.memory_of_peer(who, make, count)
            runs = [self.memory_of_crowd(count) for _ in range(3)]
            started, guards, supervisor = (statistics.median(values) for values in zip(*runs))
            totals[count] = guards + supervisor
            self.table.add(f"memory per child, {count}", "zksup", totals[count] / count, "kB PSS",
                           (60, "60 kB, guard included") if count > 1 else None,
                           f"guards {guards:.0f} in all, supervisor without a session {supervisor:.0f}")
            self.table.add(f"start {count}", "zksup", started, "ms", (1000, "1 s") if count == 1000 else None,
                           f"best of 3: {min(run[0] for run in runs):.0f}")
        few, many = COUNTS[1], COUNTS[-1]
        self.table.add("memory of one child more", "zksup", (totals[many] - totals[few]) / (many - few), "kB PSS",
                       (60, "60 kB"))
        self.memory_of_run()

    def memory_of_run(self):
        path = self.scratch / "stamps-memory"
        process = self.spawn(self.run_argv("--pool", "memory", command=[self.stamp]),
                             env={**self.env, "STAMP": str(path)})
        try:
            wait_for(path.exists, 20, "zksup run starts its child")
            guard = next(p for p in self.children(process.pid))
            self.table.add("memory of the supervisor", "zksup run", self.pss(process.pid), "kB PSS", (4096, "4 MB"),
                           f"connected, one unit; its guard {self.pss(guard)} kB")
        finally:
            self.end([process])

    # --- requests

    def requests_of(self, count):
        path = self.scratch / f"stamps-{uuid.uuid4().hex[:8]}"
        path.touch()
        # A session so long that no ping and no heartbeat but the first falls into the measurement.
        argv = self.run_argv("--pool", f"r{uuid.uuid4().hex[:6]}", "--session-timeout", "60s", command=[self.stamp])
        before = zk_server.packets_received(self.server)
        begin = time.monotonic()
        processes = [self.spawn(argv, env={**self.env, "STAMP": str(path)}) for _ in range(count)]
        try:
            wait_for(lambda: len(path.read_text().splitlines()) == count, 120, f"{count} instances run", 0.02)
            took = 1000 * (time.monotonic() - begin)
            return (zk_server.packets_received(self.server) - before - 1) / count, took
        finally:
            self.end(processes)

    def requests(self):
        self.requests_of(1)  # makes the parents
        for count, times in ((1, 5), (10, 5), (100, 3)):
            each, took = (statistics.median(v) for v in zip(*(self.requests_of(count) for _ in range(times))))
            self.table.add(f"requests each, {count} at once", "zksup run", each, "requests", (8, "8"),
                           f"all run after {took:.0f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", metavar="DIR", help="build directory (build)")
    parser.add_argument("--repeat", type=int, default=41, metavar="N", help="repetitions of what is short (41)")
    parser.add_argument("--json", metavar="FILE", help="write the rows there as well")
    parser.add_argument("sections", nargs="*", metavar="|".join(SECTIONS))
    options = parser.parse_args()
    sections = options.sections or SECTIONS
    if set(sections) - set(SECTIONS):
        parser.error(f"there is no section {' '.join(sections)}")
    bench = Bench(options)
    print(f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f} at the start", flush=True)
    ensemble = zk_server.start_ensemble(1)
    try:
        bench.server = ensemble.servers[0]
        for section in sections:
            getattr(bench, section)()
    finally:
        ensemble.stop()
        bench.close()
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(bench.table.rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
