"""A laboratory of network namespaces: hosts and ZooKeeper servers that can be cut off from each other.

    client network 10.77.0.0/24    every host (10.77.0.100+N) and every server (10.77.0.N)
    quorum network 10.78.0.0/24    the servers among themselves (10.78.0.N)

Each host and each server lives in a namespace of its own, joined by veth pairs to two bridges in a
further one, the switch; the namespace the tests run in gets no interface and no route. A cut takes
the switch's end of a link down: packets vanish, nothing is reset, as when a cable is pulled. All
namespaces share the clocks of the machine, so times of different "hosts" compare exactly.

Names carry the pid and start time of the process that made them. lab.close() removes them; what
runs that died have left behind is removed by the next one. Processes are started with
PR_SET_PDEATHSIG, so none survives the run. Needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN) and ip(8).
"""

import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile

from zk_server import START_SECONDS, Server, _die_with_parent, wait_for

CLONE_NEWNET = 0x40000000
NETNS_DIR = pathlib.Path("/run/netns")
PREFIX = "zksup-test"
CLIENT_PORT = 2181
libc = ctypes.CDLL(None, use_errno=True)
die_with_parent = _die_with_parent


class NoNamespaces(Exception):
    """Why this machine or user cannot have a laboratory."""


def ip(*commands):
    """Runs ip(8) commands (strings) in one batch; fails with what it said."""
    result = subprocess.run(
        ["ip", "-batch", "-"], input="\n".join(commands) + "\n", capture_output=True, text=True
    )
    if result.returncode:
        raise RuntimeError(f"ip: {result.stderr.strip()}")


def _start_time(pid):
    """The start time of a process in ticks since boot, None if there is none or only a zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def remove_stale():
    """Removes the namespaces and the scratch directories of runs whose process is gone."""
    scratch = pathlib.Path(tempfile.gettempdir())
    for path in [*NETNS_DIR.glob(f"{PREFIX}.*"), *scratch.glob(f"{PREFIX}.*")]:
        _, pid, start, _ = (path.name.split(".") + ["", "", ""])[:4]
        if not pid.isdigit() or _start_time(pid) == start:
            continue
        if path.parent == NETNS_DIR:
            subprocess.run(["ip", "netns", "del", path.name], capture_output=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def inside(namespace):
    """The calling thread is in `namespace` (a name): sockets and processes made here belong there."""
    with open("/proc/thread-self/ns/net") as home, open(NETNS_DIR / namespace) as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        try:
            yield
        finally:
            if libc.setns(home.fileno(), CLONE_NEWNET) < 0:
                os.abort()  # the tests must not go on in a namespace of somebody else


class LabServer(Server):
    """A server in its own namespace. It listens on all addresses there, loopback included, where
    the tests ask it for its mode: a cut does not keep them from that."""

    def __init__(self, directory, namespace, number, tick, peers, settings):
        super().__init__(directory, CLIENT_PORT, tick, number, peers, settings)
        self.namespace = namespace
        path = self.directory / "zoo.cfg"
        drop = ("clientPortAddress=", "maxSessionTimeout=", "syncLimit=")
        kept = [line for line in path.read_text().splitlines() if not line.startswith(drop)]
        path.write_text("\n".join(kept + list(settings) + [""]))

    @property
    def connect(self):
        return f"10.77.0.{self.number}:{CLIENT_PORT}"

    def start(self, wait=True):
        with inside(self.namespace):
            super().start(wait)

    def srvr(self):
        with inside(self.namespace):
            return super().srvr()


class Host:
    """A host for supervisors: `popen` starts processes on it."""

    def __init__(self, name, namespace):
        self.name = name
        self.namespace = namespace

    def inside(self):
        return inside(self.namespace)


class Lab:
    """`hosts` hosts and three servers. tickTime 200 ms grants session timeouts up to 4 s;
    syncLimit 10 means that a server needs 2 s to notice that it is cut off: longer than the
    sessions of the tests, which is what makes a lease by answered pings fail."""

    TICK_MS = 200
    SETTINGS = ("syncLimit=10", "cnxTimeout=500")

    def __init__(self, hosts=2, servers=3):
        self._check()
        remove_stale()
        self.id = f"{PREFIX}.{os.getpid()}.{_start_time(os.getpid())}"
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.id}."))
        self.down = set()
        self.switch = self._name("switch")
        self.hosts = [Host(f"h{i + 1}", self._name(f"h{i + 1}")) for i in range(hosts)]
        numbers = range(1, servers + 1)
        peers = [f"server.{n}=10.78.0.{n}:2888:3888" for n in numbers]
        self.servers = [
            LabServer(self.scratch / f"z{n}", self._name(f"z{n}"), n, self.TICK_MS, peers, self.SETTINGS)
            for n in numbers
        ]
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _check():
        if os.geteuid() != 0:
            raise NoNamespaces("needs root: hosts and servers get network namespaces")
        if not shutil.which("ip"):
            raise NoNamespaces("needs ip(8): install iproute2")
        probe = f"{PREFIX}.{os.getpid()}.{_start_time(os.getpid())}.probe"
        made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
        if made.returncode:
            raise NoNamespaces(f"cannot make a network namespace: {made.stderr.strip()}")
        # ip(8) also changes mount propagation of "/", which a plain chroot does not have.
        entered = subprocess.run(["ip", "-n", probe, "link", "set", "lo", "up"], capture_output=True, text=True)
        subprocess.run(["ip", "netns", "del", probe], check=True)
        if entered.returncode:
            raise NoNamespaces(f"cannot enter a network namespace: {entered.stderr.strip()}")

    def _name(self, label):
        return f"{self.id}.{label}"

    def _build(self):
        names = [self.switch] + [x.namespace for x in self.hosts + self.servers]
        ip(*(f"netns add {name}" for name in names))
        for name in names:
            self._in(name, "link set lo up")
        self._in(
            self.switch,
            "link add clients type bridge forward_delay 0",
            "link add quorum type bridge forward_delay 0",
            "link set clients up",
            "link set quorum up",
        )
        for i, host in enumerate(self.hosts):
            self._plug(host.namespace, "clients", self._link(host), f"10.77.0.{101 + i}")
        for server in self.servers:
            self._plug(server.namespace, "clients", self._link(server), f"10.77.0.{server.number}")
            self._plug(server.namespace, "quorum", self._link(server, "quorum"), f"10.78.0.{server.number}")

    def _plug(self, namespace, bridge, link, address):
        self._in(self.switch, f"link add {link} type veth peer name {bridge} netns {namespace}",
                 f"link set {link} master {bridge} up")
        self._in(namespace, f"addr add {address}/24 dev {bridge}", f"link set {bridge} up")

    @staticmethod
    def _in(namespace, *commands):
        for command in commands:
            done = subprocess.run(["ip", "-n", namespace, *command.split()], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"ip {command}: {done.stderr.strip()}")

    @staticmethod
    def _link(thing, network="clients"):
        label = thing.namespace.rpartition(".")[2]
        return f"{network[0]}-{label}"

    @property
    def connect(self):
        return ",".join(s.connect for s in self.servers)

    @property
    def leader(self):
        return next(s for s in self.servers if s.mode == "leader")

    @property
    def followers(self):
        return [s for s in self.servers if s.mode == "follower"]

    def is_whole(self):
        modes = sorted(s.mode for s in self.servers)
        return modes == ["follower"] * (len(modes) - 1) + ["leader"]

    def start(self):
        for server in self.servers:
            server.start(wait=False)
        wait_for(self.is_whole, START_SECONDS, "the ensemble has a leader and all its followers", 0.05)
        return self

    def cut(self, thing, network="clients"):
        """Pulls the cable of a Host or LabServer on one network; no answer, no reset."""
        link = self._link(thing, network)
        self._in(self.switch, f"link set {link} down")
        self.down.add(link)

    def heal(self):
        """Plugs all cables in again and waits until all servers serve, started again if need be."""
        for link in sorted(self.down):
            self._in(self.switch, f"link set {link} up")
        self.down.clear()
        for server in self.servers:
            if server.process.poll() is not None:
                server.start(wait=False)
        wait_for(self.is_whole, START_SECONDS, "the ensemble is whole again", 0.05)

    def close(self):
        for server in self.servers:
            server.stop()
        for thing in [self.switch] + [x.namespace for x in self.hosts + self.servers]:
            if (NETNS_DIR / thing).exists():
                subprocess.run(["ip", "netns", "del", thing], capture_output=True)
        shutil.rmtree(self.scratch, ignore_errors=True)
