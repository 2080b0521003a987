"""A supervisor as it is often written: known bad, to prove that the partition tests can convict.

    naive_supervisor.py CONNECT SESSION_SECONDS lost|suspended COMMAND...

It runs COMMAND while it owns the ephemeral znode /naive. With `lost` it kills the command only when
told that the session has expired; with `suspended`, more carefully, as soon as its connection
breaks, trusting the connection for as long as the server answers."""

import os
import signal
import subprocess
import sys
import threading

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, NodeExistsError

PATH = "/naive"


class Naive:
    def __init__(self, connect, session, stop_states, command):
        self.stop_states = stop_states
        self.command = command
        self.child = None
        self.wake = threading.Event()
        self.client = KazooClient(hosts=connect, timeout=session)
        self.client.add_listener(self.on_state)

    def kill(self):
        if self.child:
            self.child.kill()

    def on_state(self, state):
        if state in self.stop_states:
            self.kill()
        self.wake.set()

    def try_once(self):
        self.wake.clear()
        try:
            _, stat = self.client.create(PATH, str(os.getpid()).encode(), ephemeral=True, include_data=True)
        except NodeExistsError:
            if self.client.exists(PATH, watch=lambda _: self.wake.set()):
                self.wake.wait(5)
            return
        self.child = subprocess.Popen(self.command, env=dict(os.environ, ZK_FENCE=str(stat.czxid)))
        self.child.wait()
        self.child = None

    def run(self):
        self.client.start(timeout=30)
        print("started", flush=True)
        while True:
            try:
                self.try_once()
            except KazooException:
                self.wake.wait(0.2)


def main():
    connect, session, mode, *command = sys.argv[1:]
    states = {KazooState.LOST} if mode == "lost" else {KazooState.LOST, KazooState.SUSPENDED}
    naive = Naive(connect, float(session), states, command)

    def on_term(*_):
        naive.kill()
        os._exit(0)

    signal.signal(signal.SIGTERM, on_term)
    naive.run()


if __name__ == "__main__":
    main()
