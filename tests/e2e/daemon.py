"""zksup up, as the end-to-end tests see it: a process with a configuration and a control socket."""

import http.client
import json
import os
import pathlib
import socket

from kazoo.exceptions import NoNodeError
from zk_server import wait_for


def children(kazoo, path):
    """Of a znode; none if it is gone, as a container is some time after the last one in it."""
    try:
        return kazoo.get_children(path)
    except NoNodeError:
        return []


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=20):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Daemon:
    """A running zksup up. `zksup` is its process (harness.Zksup)."""

    def __init__(self, run_zksup, directory, text, *options, name="up", header=None, **rest):
        self.directory = pathlib.Path(directory)
        self.config = self.directory / f"{name}.conf"
        # A path of a socket has 107 bytes at most; pytest's directories can be longer.
        self.socket = self.directory / f"{name}.sock"
        if len(str(self.socket)) > 100:
            self.socket = pathlib.Path(f"/tmp/zksup-{os.getpid()}-{id(self):x}.sock")
        self.header = 'session-timeout = "10s"\n' if header is None else header
        self.write(text)
        self.zksup = run_zksup("up", "--config", self.config, "--socket", self.socket, *options, name=name, **rest)

    def write(self, text):
        """The configuration, with the header before it."""
        self.config.write_text(self.header + text)

    def ask(self, method, path, body=None):
        """(status, parsed JSON or text)"""
        connection = UnixConnection(self.socket)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if "json" in (answer.getheader("Content-Type") or "") else text
        finally:
            connection.close()

    def get(self, path):
        status, answer = self.ask("GET", path)
        assert status == 200, (path, status, answer)
        return answer

    def post(self, path, body=None):
        status, answer = self.ask("POST", path, body or {})
        assert status in (200, 202), (path, status, answer)
        return answer

    def unit(self, name):
        return self.get(f"/v1/units/{name}")

    def wait_up(self, deadline=20):
        """Until the control socket answers."""
        def answers():
            assert self.zksup.process.poll() is None, f"ended: {self.zksup!r}"
            try:
                return self.ask("GET", "/v1/session")[0] == 200
            except OSError:
                return False
        wait_for(answers, deadline, f"{self.socket} answers: {self.zksup!r}")
        return self

    def wait_unit(self, name, *states, deadline=20):
        """Until the unit is in one of `states`; returns what is said of it."""
        def there():
            unit = self.unit(name)
            return unit if unit["state"] in states else None
        return wait_for(there, deadline, f"{name} is {' or '.join(states)}: {self.zksup!r}")

    def wait_all(self, *states, deadline=20):
        """Until all units are in one of `states`."""
        def there():
            units = self.get("/v1/units")["units"]
            return all(u["state"] in states for u in units) and units
        return wait_for(there, deadline, f"all units are {' or '.join(states)}: {self.zksup!r}")
