"""A command under kazoo's lock recipe, as it is often written.

    kazoo_lock.py [--hold SECONDS] [--token N] CONNECT PATH SESSION_SECONDS COMMAND...

The command runs while the lock is held, with the czxid of the lock's node as ZK_FENCE unless --token says
otherwise, and is killed as soon as kazoo tells that the connection is suspended or the session lost. With
--hold it is killed after that time, and then the lock is given back. As a control it must be convicted;
as a contender beside ours it is only ever handed the lock cleanly."""

import argparse
import os
import signal
import subprocess
import sys
import threading

from kazoo.client import KazooClient


def kill_group(child):
    """The command and what is in its process group; what has left that is not found."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hold", type=float)
    parser.add_argument("--token")
    parser.add_argument("connect")
    parser.add_argument("path")
    parser.add_argument("session", type=float)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    client = KazooClient(hosts=options.connect, timeout=options.session)
    client.add_listener(lambda state: over.set() if state != "CONNECTED" else None)
    client.start(timeout=30)
    lock = client.Lock(options.path, str(os.getpid()), extra_lock_patterns=["-lock-", "-__WRIT__-"])
    print("waiting", file=sys.stderr, flush=True)
    lock.acquire()
    stat = client.exists(f"{options.path}/{lock.node}")
    token = options.token or str(stat.czxid)
    child = subprocess.Popen(options.command, env=dict(os.environ, ZK_FENCE=token), start_new_session=True)
    print(f"fencing token {token}", file=sys.stderr, flush=True)
    over.wait(options.hold)
    kill_group(child)
    lock.release()
    client.stop()


if __name__ == "__main__":
    main()
