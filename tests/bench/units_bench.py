#!/usr/bin/env python3
"""Many units in one file under one zksup up: how fast they start, what they take, what they cost at rest.

    units_bench.py [--build DIR] [--units N] [--json FILE] [none|pool|readers]...

none       units without gates: from the start of zksup until all commands run
pool       all want a number of one pool: tickets, ranks, claims; requests per unit
readers    all share a lock that a writer holds, with their guards ready; from the writer's end until all
           commands run: a thousand claims at once

For each kind also: the memory (PSS) of the supervisor and of a guard, without the command itself; how often the
supervisor wakes in ten seconds at rest, beside as many with a tenth of the units; the time of `zksup status`; and the
processor time of the supervisor until all ran. One ZooKeeper server is started on loopback, without fsync. Budgets
are printed beside; the exit status says only whether the measurements could be made."""

import argparse
import http.client
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import zk_server  # noqa: E402
from kazoo.client import KazooClient  # noqa: E402
from zk_server import wait_for  # noqa: E402

KINDS = {"none": "", "pool": 'pool = "p"', "readers": 'lock = "l"\n    shared = true'}
UNIT = """unit u{i} {{
    command = {{"sleep", "infinity"}}
    {gate}
    stdout = null
    stderr = null
    restart = never
}}
"""
REST_SECONDS = 10


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Daemon:
    def __init__(self, build, connect, kind, count, directory):
        self.build, self.count = build, count
        self.root = f"/bench-{kind}-{count}-{os.getpid()}"
        self.socket = f"{directory}/{kind}-{count}.sock"
        config = pathlib.Path(f"{directory}/{kind}-{count}.conf")
        config.write_text("quiet = yes\n" + "".join(UNIT.format(i=i, gate=KINDS[kind]) for i in range(count)))
        self.argv = [build / "src/cli/zksup", "up", "-c", config, "--connect", connect, "--root", self.root,
                     "--socket", self.socket]  # fmt: skip
        self.process = None

    def start(self):
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            self.argv, env={**os.environ, "ZKSUP_GUARD": str(self.build / "src/guard/zksup-guard")},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip

    def get(self, path):
        connection = Connection(self.socket)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        except OSError:
            return {}
        finally:
            connection.close()

    def wait_states(self, state):
        """Until all units are in it; polled rarely, so that the answers do not take part."""
        def there():
            assert self.process.poll() is None, "zksup up has ended"
            units = self.get("/v1/units").get("units", [])
            return len(units) == self.count and all(u["state"] == state for u in units) and units
        return wait_for(there, 120, f"all units are {state}", 0.05)

    def stop(self):
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def children(pid):
    return [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def pss(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"no PSS of process {pid}")


def switches(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(daemon, kind, connect):
    """Seconds until all commands ran."""
    if kind != "readers":
        daemon.start()
        daemon.wait_states("ready")
        return time.monotonic() - daemon.begun
    client = KazooClient(hosts=connect)
    client.start()
    writer = client.create(f"{daemon.root}/lock/l/bench__WRIT__", b"", ephemeral=True, sequence=True, makepath=True)
    daemon.start()
    wait_for(lambda: len(client.get_children(f"{daemon.root}/lock/l")) == daemon.count + 1, 120, "all are in line", 0.05)
    daemon.wait_states("gate")
    begun = time.monotonic()
    client.delete(writer)
    daemon.wait_states("ready")
    seconds = time.monotonic() - begun
    client.stop()
    client.close()
    return seconds


def rest(daemon):
    before = switches(daemon.process.pid)
    time.sleep(REST_SECONDS)
    return switches(daemon.process.pid) - before


def status_seconds(daemon):
    times = []
    for _ in range(9):
        begun = time.monotonic()
        subprocess.run([daemon.build / "src/cli/zksup", "status", "--socket", daemon.socket], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        times.append(time.monotonic() - begun)
    return statistics.median(times)


def measure(build, connect, kind, count, directory):
    daemon = Daemon(build, connect, kind, count, directory)
    try:
        result = {"kind": kind, "units": count, "start_seconds": start(daemon, kind, connect)}
        pid = daemon.process.pid
        result["supervisor_cpu_seconds"] = cpu_seconds(pid)
        result["requests_per_unit"] = daemon.get("/v1/session")["session"]["requests"] / count
        result["supervisor_kb"] = pss(pid)
        result["guard_kb"] = sum(pss(guard) for guard in children(pid)) / count
        result["per_child_kb"] = result["guard_kb"] + result["supervisor_kb"] / count
        result["wakes"] = rest(daemon)
        result["status_seconds"] = status_seconds(daemon)
        return result
    finally:
        daemon.stop()


def show(big, small):
    rows = [("start", big["start_seconds"], "s", 1), ("processor time of the supervisor", big["supervisor_cpu_seconds"], "s", None),
            ("requests per unit", big["requests_per_unit"], "", 8), ("memory per child, guard included", big["per_child_kb"], "kB PSS", 60),
            ("memory of the supervisor", big["supervisor_kb"], "kB PSS", None),
            (f"memory of the supervisor, {small['units']} units", small["supervisor_kb"], "kB PSS", 4096),
            (f"wake-ups in {REST_SECONDS} s", big["wakes"], "", None),
            (f"wake-ups in {REST_SECONDS} s, {small['units']} units", small["wakes"], "", None),
            ("zksup status", big["status_seconds"] * 1000, "ms", 20)]  # fmt: skip
    for what, value, unit, budget in rows:
        limit = f"budget {budget}" + ("" if value <= budget else ", over it") if budget else ""
        print(f"{big['kind']:8} {big['units']:5}  {what:40} {value:10.3f} {unit:7} {limit}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="none, pool, readers; all of them if none is given")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    results = []
    ensemble = zk_server.start_ensemble(1, tick=2000)
    connect = ensemble.servers[0].connect
    try:
        with tempfile.TemporaryDirectory(prefix="zksup-units-") as directory:
            for kind in options.kinds or KINDS:
                small = measure(options.build.resolve(), connect, kind, max(options.units // 10, 1), directory)
                big = measure(options.build.resolve(), connect, kind, options.units, directory)
                results += [small, big]
                show(big, small)
    finally:
        ensemble.stop()
    if options.json:
        options.json.write_text(json.dumps(results, indent=4) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
