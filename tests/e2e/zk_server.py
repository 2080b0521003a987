"""Real ZooKeeper servers on loopback for the tests.

A Server is one Java process of Debian's packages; an Ensemble is one or three of them. Servers
listen on 127.0.0.1 only, on ports the kernel picked, and die with the process that started them
(PR_SET_PDEATHSIG), so that an aborted test run leaves nothing behind.

Also a program: `zk_server.py [--nodes 1|3] [--tick MS]` prints the connect string and serves until
its standard input ends or a signal comes. The C test programs of the suite `zookeeper` use it.
"""

import argparse
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

CLASSPATH = os.environ.get(
    "ZKSUP_TEST_CLASSPATH",
    "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar",
)
JAVA = os.environ.get("ZKSUP_TEST_JAVA", "java")
SCALE = float(os.environ.get("ZKSUP_TEST_SCALE", "1"))
START_SECONDS = 60
PR_SET_PDEATHSIG = 1


def wait_for(predicate, deadline=10.0, what=None, interval=0.02):
    """Waits until predicate() is true and returns its value; fails after `deadline` seconds
    (times ZKSUP_TEST_SCALE) naming `what`. An AssertionError inside counts as "not yet"."""
    end = time.monotonic() + deadline * SCALE
    last = None
    while True:
        try:
            value = predicate()
            if value:
                return value
            last = value
        except AssertionError as problem:
            last = problem
        if time.monotonic() > end:
            name = what or getattr(predicate, "__name__", "the condition")
            raise AssertionError(f"not within {deadline * SCALE:g} s: {name} (last: {last!r})")
        time.sleep(interval)


def free_ports(count):
    """`count` different ports that were free a moment ago."""
    sockets = []
    for _ in range(count):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        sockets.append(s)
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def four_letters(port, word="srvr", timeout=2.0):
    """The answer to a four-letter word, "" if the server does not give one."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
            s.sendall(word.encode())
            s.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := s.recv(4096):
                answer += chunk
            return answer.decode(errors="replace")
    except OSError:
        return ""


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Server:
    """One ZooKeeper server. `number` counts from 1; `peers` is the list of server.N lines."""

    def __init__(self, directory, port, tick, number=1, peers=(), settings=()):
        self.directory = pathlib.Path(directory)
        self.port = port
        self.tick = tick
        self.number = number
        self.process = None
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "myid").write_text(f"{number}\n")
        (self.directory / "zoo.cfg").write_text(
            "\n".join(
                [
                    f"tickTime={tick}",
                    f"dataDir={self.directory}",
                    f"clientPort={port}",
                    "clientPortAddress=127.0.0.1",
                    "admin.enableServer=false",
                    "maxClientCnxns=0",
                    "maxSessionTimeout=60000",
                    "initLimit=20",
                    "syncLimit=10",
                    *peers,
                    *settings,
                    "",
                ]
            )
        )

    @property
    def connect(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return (self.directory / "server.log").read_text(errors="replace")

    def start(self, wait=True):
        with open(self.directory / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [
                    JAVA, "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                    "-Dzookeeper.forceSync=no", "-Dzookeeper.extendedTypesEnabled=true",
                    "-Dznode.container.checkIntervalMs=1000", "-cp", CLASSPATH,
                    "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                    str(self.directory / "zoo.cfg"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        if wait:
            self.wait_serving()

    def srvr(self):
        """The answer to `srvr` as {"mode": ..., "received": ..., ...}, {} while not serving.
        The call itself is one packet that the server counts."""
        fields = {}
        for line in four_letters(self.port).splitlines():
            key, colon, value = line.partition(":")
            if colon:
                fields[key.strip().lower()] = value.strip()
        return fields

    @property
    def mode(self):
        return self.srvr().get("mode", "")

    def is_serving(self):
        if self.process.poll() is not None:
            raise RuntimeError(
                f"the ZooKeeper server ended with {self.process.returncode}:\n" + self.log[-2000:]
            )
        return self.mode in ("standalone", "leader", "follower")

    def wait_serving(self):
        wait_for(self.is_serving, START_SECONDS, f"ZooKeeper at {self.connect} serves", 0.05)

    def pause(self):
        """Freezes the process: connections stay up and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)

    def stop(self):
        """Kills the server at once; the data stays for a later start()."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()


class Ensemble:
    """`nodes` servers (1 = standalone) in a scratch directory of their own."""

    def __init__(self, nodes=1, tick=500, settings=()):
        self.scratch = tempfile.mkdtemp(prefix="zksup-test-zk-")
        ports = free_ports(3 * nodes)
        peers = []
        if nodes > 1:
            peers = [
                f"server.{i + 1}=127.0.0.1:{ports[nodes + i]}:{ports[2 * nodes + i]}"
                for i in range(nodes)
            ]
        self.servers = [
            Server(f"{self.scratch}/{i + 1}", ports[i], tick, i + 1, peers, settings)
            for i in range(nodes)
        ]

    @property
    def connect(self):
        return ",".join(s.connect for s in self.servers)

    @property
    def leader(self):
        return next(s for s in self.servers if s.mode in ("leader", "standalone"))

    @property
    def followers(self):
        return [s for s in self.servers if s.mode == "follower"]

    def start(self):
        for s in self.servers:
            s.start(wait=False)
        for s in self.servers:
            s.wait_serving()
        return self

    def stop(self):
        for s in self.servers:
            s.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()


def start_ensemble(nodes=1, tick=500, settings=()):
    """A started Ensemble. The ports were free when they were chosen; when another process took
    one in between, the servers end at once and a second choice is made."""
    for attempt in (1, 2, 3):
        ensemble = Ensemble(nodes, tick, settings)
        try:
            return ensemble.start()
        except RuntimeError as problem:
            ensemble.stop()
            if attempt == 3 or "BindException" not in str(problem):
                raise
        except BaseException:
            ensemble.stop()
            raise


def packets_received(server):
    """How many packets the server got from clients since its start. Asking costs one itself, so
    the difference between two calls is the traffic in between plus one."""
    return int(server.srvr()["received"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    parser.add_argument("--tick", type=int, default=500, metavar="MS")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ensemble = start_ensemble(options.nodes, options.tick)
    try:
        print(ensemble.connect, flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        pass
    finally:
        ensemble.stop()


if __name__ == "__main__":
    main()
