"""Known bad supervisors in the same rig, with the same oracles: it must convict them, or it proves nothing.

Both run the command that is easiest to supervise (one process, obeys TERM). A control is convicted
by an overlap; whatever else it does is its own business."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import netns
from rig import NotHere, Round, wait_for

HERE = pathlib.Path(__file__).parent
ETCD_PORT = 2379
SESSION_SECONDS = 4
# The faults, of those that zksup stands, and how often each is tried.
CONTROL_FAULTS = ("supervisor-killed", "supervisor-stopped", "client-cut")
CONTROL_RUNS = 3


class ControlRound(Round):
    """Two of a control instead of two of zksup."""

    def supervise(self, number, *ignored, **neither):
        return self.launch(self.lab.hosts[number], f"host{number + 1}", self.argv(self.command("alone")))

    def finish(self):
        """The verdict is in; what is left is killed."""
        self.finishing = time.monotonic()

    def require(self, condition, problem):
        pass

    def require_lost(self):
        pass


class KazooRound(ControlRound):
    def argv(self, command):
        return [sys.executable, str(HERE / "kazoo_lock.py"), self.lab.connect, f"{self.root}/lock",
                str(SESSION_SECONDS), *command]


class EtcdRound(ControlRound):
    """One etcd in the namespace of the first server, as long as the run lasts."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        if not shutil.which("etcd") or not shutil.which("etcdctl"):
            raise NotHere("there is no etcd: install etcd-server and etcd-client")
        self.endpoint = f"http://10.77.0.1:{ETCD_PORT}"
        data = self.directory / "etcd"
        with netns.inside(self.lab.servers[0].namespace), open(self.directory / "etcd.log", "wb") as log:
            server = subprocess.Popen(
                ["etcd", "--data-dir", str(data), "--listen-client-urls", self.endpoint, "--advertise-client-urls",
                 self.endpoint, "--listen-peer-urls", "http://127.0.0.1:0", "--unsafe-no-fsync"],
                stdout=log, stderr=log, preexec_fn=netns.die_with_parent)
        self.on_clean_up(server.wait)
        self.on_clean_up(server.kill)
        wait_for(lambda: self.etcdctl("endpoint", "health").returncode == 0, 20, "etcd is healthy", 0.1)

    def etcdctl(self, *arguments):
        with self.lab.hosts[1].inside():
            return subprocess.run(["etcdctl", f"--endpoints={self.endpoint}", *arguments], capture_output=True,
                                  text=True, env=dict(os.environ, ETCDCTL_API="3"))

    def argv(self, command):
        # the revision of its key, etcd's own fencing token, becomes ours
        script = 'ZK_FENCE=$ETCD_LOCK_REV exec "$@"'
        return ["env", "ETCDCTL_API=3", "etcdctl", f"--endpoints={self.endpoint}", "lock",
                f"--ttl={SESSION_SECONDS}", "--", "fault", "/bin/sh", "-c", script, "sh", *command]

    def wait_in_line(self, **how):
        self.waiter = self.supervise(1)
        wait_for(lambda: self.etcdctl("get", "--prefix", "fault", "--keys-only").stdout.count("fault/") == 2, 20,
                 "the second etcdctl stands in line", 0.1)


CONTROLS = {"etcdctl": EtcdRound, "kazoo": KazooRound}
