"""The test server of the control interface (tests/unit/api/api-server.c), and how to talk to it, properly or not."""

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from zk_server import SCALE

PROGRAM = os.environ.get("ZKSUP_TEST_API_SERVER", "")


class ApiServer:
    def __init__(self, units=10, group="", listen="127.0.0.1:0", **env):
        # Open to everybody, and its path short: a socket's has 107 bytes at most.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="zksup-"))
        self.directory.chmod(0o755)
        self.socket = self.directory / "run" / "zksup.sock"
        self.process = subprocess.Popen(
            [PROGRAM, str(self.socket), listen, str(units), *([group] if group else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | env)  # fmt: skip
        line = self.process.stdout.readline()
        assert line.startswith("ready "), (line, self.process.communicate())
        self.port = int(line.split()[1])

    def stop(self):
        out, err = self.process.communicate(timeout=30 * SCALE)
        shutil.rmtree(self.directory)
        assert self.process.returncode == 0, (self.process.returncode, err)
        return out

    def report(self):
        """(worst delay of a timer since the last report in seconds, resident memory in MiB, snapshots made so far)"""
        self.process.send_signal(signal.SIGUSR1)
        line = self.process.stdout.readline()
        late, memory, snapshots = re.fullmatch(r"late (\d+) memory (\d+) snapshots (\d+)\n", line).groups()
        return int(late) / 1e6, int(memory) / 1024, int(snapshots)

    def connect(self, timeout=20):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(timeout * SCALE)
        s.connect(str(self.socket))
        return s

    def connect_tcp(self, timeout=20):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout * SCALE)
        return s

    def raw(self, data, half_close=False, tcp=False):
        """Everything that comes back until the server closes."""
        with contextlib.closing(self.connect_tcp() if tcp else self.connect()) as s:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(data)
                if half_close:
                    s.shutdown(socket.SHUT_WR)
            return read_all(s)

    def ask(self, method, path, body=b"", headers="", tcp=False):
        """(status, headers in lower case, body)"""
        length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}{headers}\r\n"
        return parse(self.raw(head.encode() + body, tcp=tcp))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def read_all(s):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := s.recv(65536):
            data += piece
    return data


def read_some(s, seconds):
    """What comes within so many seconds, or up to the end."""
    data, end = b"", time.monotonic() + seconds * SCALE
    while (left := end - time.monotonic()) > 0 and select.select([s], [], [], left)[0]:
        piece = s.recv(65536)
        if not piece:
            break
        data += piece
    return data


def read_until(s, wanted, seconds=20, piece=65536):
    """What comes up to and with the bytes `wanted`, in pieces of so many."""
    data, end = b"", time.monotonic() + seconds * SCALE
    while wanted not in data:
        assert select.select([s], [], [], max(0, end - time.monotonic()))[0], f"{wanted} does not come: {data[-300:]}"
        more = s.recv(piece)
        assert more, f"ended before {wanted} came: {data[-300:]}"
        data += more
    return data


def parse(reply):
    head, _, body = reply.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert re.match(r"HTTP/1\.[01] \d\d\d ", lines[0]), reply[:300]
    return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:]), body
