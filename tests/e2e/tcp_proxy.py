"""A TCP proxy in front of one server, whose connections a test can cut or silence."""

import selectors
import socket
import struct
import threading


class Proxy:
    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.wake, self.wakened = socket.socketpair()
        self.lock = threading.Lock()
        self.peers = {}  # socket -> the socket its bytes go to
        self.accepted = 0
        self.answer = b""  # the first bytes that the server has sent, on the first connection
        self.refuse = self.silent = self.over = False
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.wakened, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @property
    def connect(self):
        return "127.0.0.1:%d" % self.listener.getsockname()[1]

    @property
    def session(self):
        """(id, password) of the session that was made through us, out of the ConnectResponse:
        length, protocol version, timeout, id, length of the password, password."""
        _, _, _, session, length = struct.unpack_from(">iiiqi", self.answer)
        return session, self.answer[24:24 + length]

    def cut(self):
        """Closes all connections; new ones are served."""
        with self.lock:
            for s in list(self.peers):
                self._drop(s)

    def silence(self, silent=True):
        """Connections stay, and nothing passes."""
        self.silent = silent
        self.wake.send(b"x")

    def stop(self):
        self.over = True
        self.wake.send(b"x")
        self.thread.join()
        self.cut()
        for s in (self.listener, self.wake, self.wakened):
            s.close()

    def _drop(self, s):
        for end in (s, self.peers.pop(s, None)):
            if end is None:
                continue
            self.peers.pop(end, None)
            try:
                self.selector.unregister(end)
            except (KeyError, ValueError):
                pass
            end.close()

    def _accept(self):
        client, _ = self.listener.accept()
        self.accepted += 1
        if self.refuse:
            client.close()
            return
        try:
            server = socket.create_connection(self.target)
        except OSError:
            client.close()
            return
        self.peers[client], self.peers[server] = server, client
        for s in (client, server):
            self.selector.register(s, selectors.EVENT_READ)

    def _pass_on(self, s):
        try:
            data = s.recv(65536)
            if not data:
                raise ConnectionResetError
            if not self.answer and s.getpeername() == self.target:
                self.answer = data
            self.peers[s].sendall(data)
        except OSError:
            self._drop(s)

    def _run(self):
        while not self.over:
            ready = self.selector.select(0.05)
            with self.lock:
                for key, _ in ready:
                    if key.fileobj is self.listener:
                        self._accept()
                    elif key.fileobj is self.wakened:
                        self.wakened.recv(4096)
                    elif not self.silent and key.fileobj in self.peers:
                        self._pass_on(key.fileobj)
            if self.silent:
                threading.Event().wait(0.02)
