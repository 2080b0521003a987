"""The sections "lock" and "handoff" of bench.py: zksup lock beside etcdctl lock, flock(1), a kazoo
script and the bare wire."""

import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import uuid

from kazoo.client import KazooClient

from interop import Door, queue_of
from zk_server import free_ports, wait_for

KAZOO_LOCK = """
import subprocess, sys
from kazoo.client import KazooClient
client = KazooClient(hosts=sys.argv[1])
client.start()
with client.Lock(sys.argv[2]):
    status = subprocess.call(sys.argv[3:])
client.stop()
sys.exit(status)
"""
WAITERS = (1, 8, 32, 128)
MOST_KAZOO = 8  # Python, each of them


class Etcd:
    """One server on loopback. Its data lies in memory where that can be had, because it cannot be
    told to leave out fsync, and the ZooKeeper server is."""

    def __init__(self):
        memory = pathlib.Path("/dev/shm")
        self.directory = pathlib.Path(subprocess.check_output(
            ["mktemp", "-d", *(["-p", str(memory)] if os.access(memory, os.W_OK) else [])], text=True).strip())
        client, peer = (f"http://127.0.0.1:{port}" for port in free_ports(2))
        self.endpoint = client
        self.process = subprocess.Popen(
            ["etcd", "--data-dir", str(self.directory / "data"), "--listen-client-urls", client,
             "--advertise-client-urls", client, "--listen-peer-urls", peer,
             "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: subprocess.run(self.argv("endpoint", "health"), capture_output=True, env=self.env())
                 .returncode == 0, 20, "etcd serves", 0.2)

    @staticmethod
    def env():
        return {**os.environ, "ETCDCTL_API": "3"}

    def argv(self, *arguments):
        return ["etcdctl", "--endpoints", self.endpoint, *arguments]

    def queue_length(self, name):
        keys = subprocess.run(self.argv("get", "--prefix", "--keys-only", f"{name}/"), env=self.env(),
                              capture_output=True, text=True, check=True).stdout
        return len(keys.split())

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class LockBench:
    """A part of Bench, which has the table, the server and the paths of the programs."""

    @contextlib.contextmanager
    def peers(self):
        """Who can lock here: name -> a function of the lock's name and a command that gives the argv;
        and name -> a function that gives the length of a lock's queue."""
        kazoo = KazooClient(hosts=self.connect)
        kazoo.start()
        etcd = Etcd() if shutil.which("etcd") and shutil.which("etcdctl") else None
        self.env.update(Etcd.env() if etcd else {})
        argv = {
            "zksup lock": lambda name, command: [
                self.zksup, "lock", "--quiet", "--connect", self.connect, "--root", "/bench", name, "--", *command],
            "kazoo script": lambda name, command: [
                sys.executable, "-c", KAZOO_LOCK, self.connect, f"/bench-kazoo/{name}", *command],
        }
        length = {
            "zksup lock": lambda name: len(queue_of(kazoo, f"/bench/lock/{name}")),
            "kazoo script": lambda name: len(queue_of(kazoo, f"/bench-kazoo/{name}")),
        }
        if etcd:
            argv["etcdctl lock"] = lambda name, command: etcd.argv("lock", name, *command)
            length["etcdctl lock"] = etcd.queue_length
        try:
            kazoo.ensure_path("/bench-floor-queue")
            yield argv, length
        finally:
            if etcd:
                etcd.close()
            kazoo.stop()
            kazoo.close()

    # --- a free lock

    def lock(self):
        with self.peers() as (argv, _):
            competitors = {"wire floor": [self.floor, self.connect, "/bench-floor-queue", "lock"]}
            competitors.update({who: make("free", ["true"]) for who, make in argv.items()})
            if shutil.which("flock"):
                competitors["flock"] = ["flock", "-x", str(self.scratch / "flock"), "true"]
            for _ in range(100):
                self.wall(competitors["wire floor"])  # the server compiles what is called often
            times = self.take_turns(competitors)
        medians = {who: statistics.median(values) for who, values in times.items()}
        for who, values in times.items():
            note = f"{medians[who] / medians['wire floor']:.2f} x wire floor; best {min(values):.2f}"
            self.table.add("lock, run true", who, medians[who], "ms", None, note)
        self.table.add("lock, run true", "zksup lock", medians["zksup lock"], "ms",
                       (2.5 * medians["wire floor"], "2.5 x wire floor"))
        if "etcdctl lock" in medians:
            self.table.add("lock, run true", "zksup lock", medians["zksup lock"], "ms",
                           (0.4 * medians["etcdctl lock"], "0.4 x etcdctl"))

    # --- hand-over

    def gather(self, name, make, length, count):
        """A holder that stays until the door lets it go, and COUNT waiters behind it. Returns the
        milliseconds from the last act of one command to the main() of the next."""
        log, may_leave = self.scratch / name, []
        door = Door(self.scratch / f"door-{name}", lambda entry, inside: None, lambda entry, inside: may_leave)
        processes = []

        def start(who, stay):
            processes.append(self.spawn(make(name, [self.section, str(log), who, "write", stay])))

        try:
            start("holder", door.path)
            wait_for(lambda: door.entries, 30, f"the holder of {name} runs", 0.01)
            for i in range(count):
                start(f"w{i}", "0")
            wait_for(lambda: length(name) == count + 1, 120, f"{count} wait for {name}", 0.1)
            # The last one's requests are answered, and nothing else is going on.
            time.sleep(0.3 + 0.01 * count)
            may_leave.append(True)
            if any(process.wait(120) for process in processes):
                raise RuntimeError(f"{name}: a process failed: {[p.returncode for p in processes]}")
        finally:
            door.close()
            self.end([process for process in processes if process.poll() is None])
        return self.gaps(log)

    @staticmethod
    def gaps(log):
        times = {"enter": [], "leave": []}
        for line in log.read_text().splitlines():
            what, _, _, _, nsec = line.split()
            times[what].append(int(nsec))  # KeyError: two were inside
        enter, leave = sorted(times["enter"]), sorted(times["leave"])
        return [(b - a) / 1e6 for a, b in zip(leave, enter[1:])]

    def handoff(self):
        medians = {}
        with self.peers() as (argv, length):
            for count in WAITERS:
                who_else = {who: make for who, make in argv.items() if who != "kazoo script" or count <= MOST_KAZOO}
                gaps = {who: [] for who in who_else}
                for turn in range(15 if count == 1 else 5 if count <= 8 else 3):
                    for who, make in who_else.items():
                        name = f"h{uuid.uuid4().hex[:8]}"
                        gaps[who] += self.gather(name, make, length[who], count)
                for who, values in gaps.items():
                    medians[who, count] = statistics.median(values)
                    self.table.add(f"hand-over, {count} waiting", who, medians[who, count], "ms",
                                   self.handoff_budget(medians, who, count),
                                   f"best {min(values):.2f}, worst of {len(values)}: {max(values):.2f}")
        few, many = ("zksup lock", 8), ("zksup lock", WAITERS[-1])
        self.table.add("hand-over, 128 waiting to 8", "zksup lock", medians[many] / medians[few], "times",
                       (1.25, "does not grow"))

    @staticmethod
    def handoff_budget(medians, who, count):
        if who != "zksup lock":
            return None
        if count == 1:
            return (3, "3 ms after a clean end")
        return None if ("etcdctl lock", count) not in medians else (
            0.9 * medians["etcdctl lock", count], "0.9 x etcdctl")
