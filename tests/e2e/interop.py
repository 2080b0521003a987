"""Another client in the same queue: the door that everybody passes, and Curator as the other party.

A Door is a Unix socket that every section connects to while it holds the lock (section.c, and
CuratorPeer.java and pass_door() for the foreign clients). It answers, and so lets the section end,
when `may_leave` says so; what it saw is in `entries`. Two things are checked at every entrance: that
the kernel's lock was to be had, and that nobody else has its connection open; the kernel closes that
when a process dies, however it dies."""

import collections
import fcntl
import os
import pathlib
import selectors
import socket
import struct
import subprocess
import threading
import time

from kazoo.exceptions import NoNodeError

from zk_server import JAVA, SCALE, _die_with_parent, wait_for

COMPILER = "/usr/share/java/eclipse-jdt-core.jar"
# The compiler does not follow the Class-Path of a jar to the others.
CLASSPATH = ":".join(f"/usr/share/java/{jar}.jar" for jar in (
    "curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute", "slf4j-simple"))
HERE = pathlib.Path(__file__).parent

Entry = collections.namedtuple("Entry", "what who token pid begun")


def order_of(node):
    """The number at the end of a sequential node's name."""
    return int(node[-10:])


def is_contender(name):
    return name[-10:].isdigit()


def queue_of(kazoo, path):
    """The contenders in the order of their numbers."""
    try:
        return sorted(filter(is_contender, kazoo.get_children(path)), key=order_of)
    except NoNodeError:
        return []


def owner_of(kazoo, path):
    """The session whose ephemeral znode this is, 0 if there is none any more."""
    stat = kazoo.exists(path)
    return stat.ephemeralOwner if stat else 0


def pass_door(path, lock_file, who, token):
    """For a foreign client in this process."""
    begun = time.monotonic_ns()
    with socket.socket(socket.AF_UNIX) as s, open(lock_file, "ab") as lock:
        what = "enter"
        try:
            # struct flock: l_type, l_whence, l_start, l_len, l_pid
            fcntl.fcntl(lock, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        except BlockingIOError:
            what = "conflict"
        s.connect(path)
        s.sendall(f"{what} {who} {token} {os.getpid()} {begun}\n".encode())
        assert s.recv(1), "the door is closed"


class Door:
    """`look(entry, inside)` is called at each entrance, with those that are inside already; a string
    that it returns is a complaint. `may_leave(entry, inside)` is asked until it is true."""

    def __init__(self, path, look, may_leave=lambda entry, inside: True):
        self.path = str(path)
        self.look = look
        self.may_leave = may_leave
        self.entries = []
        self.complaints = []
        self.most = 0
        self._inside = {}  # socket -> Entry
        self._waiting = {}
        self._over = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        self._over.set()
        self._thread.join(10)
        for s in [*self._inside, self._listener]:
            s.close()
        self._selector.close()

    @property
    def inside(self):
        return list(self._inside.values())

    def _run(self):
        while not self._over.is_set():
            try:
                # Short while somebody waits for may_leave(), which nothing announces.
                events = self._selector.select(0.001 if self._waiting else 0.1)
                for key, _ in events:
                    if key.fileobj is self._listener:
                        self._enter(self._listener.accept()[0])
                self._drop_gone()
                for s, entry in list(self._waiting.items()):
                    if self.may_leave(entry, self.inside):
                        del self._waiting[s]
                        s.sendall(b"!")
            except Exception as problem:  # a test must not hang: it waits for the entries or for this
                self.complaints.append(f"the door failed: {problem!r}")
                return

    def _enter(self, s):
        s.settimeout(10)
        line = b""
        while not line.endswith(b"\n"):
            line += s.recv(300)
        s.setblocking(False)
        self._drop_gone()  # they left before this one could come
        what, who, token, pid, begun = line.decode().split()
        entry = Entry(what, who, int(token), int(pid), int(begun))
        if what == "conflict":
            self.complaints.append(f"{entry}: the kernel's lock was taken; inside: {self.inside}")
        complaint = self.look(entry, self.inside)
        if complaint:
            self.complaints.append(f"entry {len(self.entries)}, {entry}: {complaint}")
        self.entries.append(entry)
        self._inside[s] = self._waiting[s] = entry
        self.most = max(self.most, len(self._inside))

    def _drop_gone(self):
        for s in list(self._inside):
            try:
                if s.recv(1, socket.MSG_PEEK) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                continue
            except OSError:
                self._inside.pop(s)
                self._waiting.pop(s, None)
                s.close()


class CuratorPeer:
    """The Java program; `directory` is for its classes."""

    def __init__(self, connect, directory):
        directory = pathlib.Path(directory)
        compiled = subprocess.run(
            [JAVA, "-cp", COMPILER, "org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-proc:none",
             "-classpath", CLASSPATH, "-d", str(directory), str(HERE / "java/CuratorPeer.java")],
            capture_output=True, text=True)
        assert compiled.returncode == 0, f"CuratorPeer.java: {compiled.stdout}{compiled.stderr}"
        self.log = directory / "curator.log"
        self.lines = []
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [JAVA, "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                 "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                 "-cp", f"{CLASSPATH}:{directory}", "CuratorPeer", connect],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1,
                preexec_fn=_die_with_parent)
        threading.Thread(target=lambda: self.lines.extend(map(str.strip, iter(self.process.stdout.readline, ""))),
                         daemon=True).start()
        self.session = int(self.wait_line("session", "", 30).split()[1])

    def wait_line(self, word, who, deadline):
        begin = f"{word} {who}"

        def there():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            found = [line for line in self.lines if line.startswith((begin, f"failed {who}:"))]
            return found and found[0]

        line = wait_for(there, deadline, f"{begin!r} from Curator; it said {self.lines}")
        assert line.startswith(begin), f"{line}\n{self.log.read_text()[-3000:]}"
        return line

    def order(self, kind, path, who, count, lock_file, door, leases=1):
        print(kind, path, who, count, lock_file, door, leases, file=self.process.stdin)

    def wait_done(self, who, deadline=60):
        self.wait_line("done", who, deadline)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10 * SCALE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
