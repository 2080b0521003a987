"""A proxy between a host and one server that spoils answers: late, in crumbs, or not at all.

It knows so much of the protocol: a frame is a length and that many bytes; behind the first frame of
either side (the connect), a request begins with its number and its type, an answer with the number of
the request."""

import struct
import threading
import time

import netns  # noqa: F401  (makes tests/e2e known)
from tcp_proxy import Proxy

CREATES = {1, 15, 19, 21}  # create, create2, createContainer, createTTL
MULTI = {14}


class Frames:
    """Cuts a stream into frames. The first is the connect, None as its head."""

    def __init__(self):
        self.buffer = b""
        self.connected = False

    def feed(self, data):
        """The (number, type) of each frame that is complete now."""
        self.buffer += data
        heads = []
        while len(self.buffer) >= 4:
            length = struct.unpack_from(">i", self.buffer)[0]
            if len(self.buffer) < 4 + length:
                break
            if self.connected and length >= 8:
                heads.append(struct.unpack_from(">ii", self.buffer, 4))
            self.connected = True
            self.buffer = self.buffer[4 + length:]
        return heads


class AnswerProxy(Proxy):
    """`delay`: answers come so many seconds late. `crumb`: they come byte by byte, so many seconds
    apart. lose_answer(): a request is carried out, its answer is lost and the connection with it."""

    def __init__(self, host, server):
        self.delay = self.crumb = 0.0
        self.types, self.countdown, self.lost = set(), 0, None
        self.streams = {}
        self.due = []  # [time, socket, bytes], in order
        with host.inside():  # the threads and sockets made here belong to the host
            super().__init__(server.port)
            address, port = server.connect.split(":")
            self.target = (address, int(port))
            self.pump = threading.Thread(target=self._pump, daemon=True)
            self.pump.start()

    def lose_answer(self, types, nth=1):
        """To the nth request from now on that is of one of `types`."""
        with self.lock:
            self.types, self.countdown, self.lost = types, nth, None

    def _drop(self, s):
        # Whoever sits at the other end is dropped with it.
        for end in (s, self.peers.get(s)):
            self.streams.pop(end, None)
            self.due = [item for item in self.due if item[1] is not end]
        super()._drop(s)

    def _pass_on(self, s):
        try:
            data = s.recv(65536)
            if not data:
                raise ConnectionResetError
            frames = self.streams.setdefault(s, Frames()).feed(data)
            if s.getpeername() == self.target:
                self._answer(s, data, frames)
            else:
                self._request(s, data, frames)
        except OSError:
            self._drop(s)

    def _request(self, s, data, frames):
        for number, kind in frames:
            if kind in self.types and self.lost is None:
                self.countdown -= 1
                if self.countdown == 0:
                    self.lost, self.types = number, set()
        self.peers[s].sendall(data)

    def _answer(self, s, data, frames):
        if self.lost is not None and any(number == self.lost for number, _ in frames):
            self.lost = None
            self._drop(s)
            return
        now = time.monotonic()
        if self.crumb:
            start = max([item[0] for item in self.due if item[1] is self.peers[s]], default=now)
            self.due += [[start + self.crumb * (i + 1), self.peers[s], data[i:i + 1]] for i in range(len(data))]
        elif self.delay or self.due:
            self.due.append([now + self.delay, self.peers[s], data])
        else:
            self.peers[s].sendall(data)

    def _pump(self):
        while not self.over:
            with self.lock:
                self._send_due()
            threading.Event().wait(0.001)

    def _send_due(self):
        now = time.monotonic()
        while self.due and self.due[0][0] <= now:
            _, s, data = self.due.pop(0)
            try:
                s.sendall(data)
            except OSError:
                self._drop(s)
