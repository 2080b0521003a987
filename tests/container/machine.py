"""Booted Debian machines: systemd-nspawn on an overlay of one tree that debootstrap made, in a network namespace of
their own with a bridge. Nothing outside of that namespace can be reached from inside, or the other way round."""

import os
import pathlib
import shutil
import signal
import subprocess
import time

NAMESPACE = f"zksup-lab-{os.getpid()}"
NETWORK = "10.213.77"
# What the programs are linked with, what the tests look with, and an ensemble.
PACKAGES_EARLY = (
    "systemd,systemd-sysv,dbus,libzookeeper-st2,libsystemd0,libconfuse2,libmicrohttpd12,libjansson4,"
    "iproute2,procps,python3-minimal,ca-certificates,util-linux"
)
PACKAGES_LATE = ["zookeeperd", "zookeeper", "default-jre-headless", "python3-kazoo"]
SIGRTMIN = 34
# Of one command inside, in seconds.
RUN_TIMEOUT = 100


def call(*command, **options):
    return subprocess.run(command, check=True, **options)


def wait_for(what, condition, seconds=30):
    """Looks until CONDITION() is true; the only place that sleeps."""
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds} s for: {what}")
        time.sleep(0.05)


def make_tree(cache):
    """The tree, once: about three minutes, and 600 MB."""
    done, tree = cache / "tree", cache / "tree.new"
    if done.exists():
        return done
    subprocess.run(["umount", str(tree / "proc")], stderr=subprocess.DEVNULL, check=False)  # of a run that was killed
    shutil.rmtree(tree, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    call("debootstrap", "--variant=minbase", f"--include={PACKAGES_EARLY}", "bookworm", str(tree))
    for path in pathlib.Path("/etc/apt/apt.conf.d").glob("99*"):
        shutil.copy(path, tree / "etc/apt/apt.conf.d")
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", tree / "etc")
    policy = tree / "usr/sbin/policy-rc.d"  # installing starts nothing
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    call("mount", "-t", "proc", "proc", str(tree / "proc"))
    try:
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
        call("chroot", str(tree), "apt-get", "update", env=environment)
        call("chroot", str(tree), "apt-get", "install", "-y", "--no-install-recommends", *PACKAGES_LATE, env=environment)
    finally:
        call("umount", str(tree / "proc"))
    policy.unlink()
    return tree.rename(done)


def make_network():
    call("ip", "netns", "add", NAMESPACE)
    for line in ("link set lo up", "link add zkbr0 type bridge", f"addr add {NETWORK}.1/24 dev zkbr0", "link set zkbr0 up"):
        call("ip", "-n", NAMESPACE, *line.split())


def remove_network():
    subprocess.run(["ip", "netns", "del", NAMESPACE], check=False)


def own_group():
    """Our control group of version 2. Each machine gets one below it: in one that they share, each systemd would
    clear away what the other has made."""
    mounts = (line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines())
    mount = next(fields[1] for fields in mounts if fields[2] == "cgroup2")
    path = next(line[3:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    return pathlib.Path(mount + path)


def remove_group(group):
    if (group / "cgroup.kill").exists():
        (group / "cgroup.kill").write_text("1")
    for below in [*(group.glob("*/") if group.exists() else ())]:
        if below.is_dir():
            remove_group(below)
    for _ in range(50):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.1)


class Machine:
    def __init__(self, cache, name, number, shared):
        self.name = name
        self.shared = shared
        self.address = f"{NETWORK}.{number}"
        self.dir = cache / "run" / f"{name}-{os.getpid()}"
        self.root = self.dir / "root"
        self.process = None
        self.group = own_group() / f"zksup-lab-{name}-{os.getpid()}"
        for part in ("upper", "work", "root"):
            (self.dir / part).mkdir(parents=True)
        options = f"lowerdir={cache / 'tree'},upperdir={self.dir / 'upper'},workdir={self.dir / 'work'}"
        call("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))

    def install(self, build):
        call("meson", "install", "-C", str(build), "--no-rebuild", "--destdir", str(self.root), stdout=subprocess.DEVNULL)

    def write(self, path, text, mode=0o644):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def boot(self):
        command = ["nsenter", f"--net=/run/netns/{NAMESPACE}", "systemd-nspawn", "--quiet", "--boot", "--register=no"]
        command += ["--keep-unit", f"--machine={self.name}", "-D", str(self.root), "--network-bridge=zkbr0"]
        command += ["--console=pipe", "--link-journal=no", "--resolv-conf=off", "--timezone=off"]
        if self.shared:
            command.append(f"--bind={self.shared}:/run/shared")
        remove_group(self.group)
        self.group.mkdir()
        self.log = open(self.dir / "console.log", "wb")
        enter = ["sh", "-c", f'echo $$ > "{self.group}/cgroup.procs" && exec "$@"', "sh"]
        self.process = subprocess.Popen(
            enter + command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
            env=dict(os.environ, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="1"),
        )  # fmt: skip
        self.leader = wait_for(f"{self.name} to start", self._leader)
        wait_for(f"{self.name} to boot", lambda: self.run("systemctl is-system-running", check=False) in ("running", "degraded"), 60)
        self.run(f"ip addr add {self.address}/24 dev host0; ip link set host0 up")

    def _leader(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} does not boot: {(self.dir / 'console.log').read_text()}")
        for child in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            for pid in child.read_text().split():
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    return int(pid)
        return None

    def run(self, script, check=True):
        """Runs SCRIPT inside; what it printed, both streams."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "sh", "-c", f"cd /; {script}"],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=RUN_TIMEOUT,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{self.name}: '{script}' exited with {done.returncode}: {done.stdout}")
        return done.stdout.strip()

    def status_of(self, script):
        return subprocess.run(
            ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "sh", "-c", f"cd /; {script}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).returncode  # fmt: skip

    def show(self, unit, name):
        return self.run(f"systemctl show -p {name} --value {unit}")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def power_off(self):
        """In order, as 'machinectl poweroff' asks for."""
        os.kill(self.leader, SIGRTMIN + 4)

    def terminate(self):
        """At once: with its init all processes of the machine die."""
        os.kill(self.leader, signal.SIGKILL)

    def remove(self):
        if self.is_running():
            self.terminate()
            self.process.wait(30)
        remove_group(self.group)
        for _ in range(20):
            if subprocess.run(["umount", str(self.root)], stderr=subprocess.DEVNULL, check=False).returncode == 0:
                break
            time.sleep(0.2)
        shutil.rmtree(self.dir, ignore_errors=True)
