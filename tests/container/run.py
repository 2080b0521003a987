#!/usr/bin/python3
"""zksup as a service of systemd, in booted Debian machines with Debian's ZooKeeper.

    run.py [--cache DIR] [--build DIR] [--keep] [TEST]...

Makes a Debian tree with debootstrap on the first run (kept in --cache, /var/tmp/zksup-container), builds and installs
zksup into an overlay of it, boots it with systemd-nspawn and uses it as an administrator would. Needs root and the packages
of group 'container' in contrib/packages.txt. Exit status: 0 all held, 1 something did not, 77 cannot run here."""

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import machine  # noqa: E402
import scenes  # noqa: E402

SKIPPED = 77
NEEDED = ("debootstrap", "systemd-nspawn", "nsenter", "ip", "meson", "ninja")


def build(cache):
    directory = cache / "build"
    if not (directory / "build.ninja").exists():
        machine.call("meson", "setup", str(directory), str(HERE.parent.parent), "--prefix=/usr", "-Dtests=false",
                     "-Ddocs=disabled", stdout=subprocess.DEVNULL)  # fmt: skip
    machine.call("ninja", "-C", str(directory), "-j2", stdout=subprocess.DEVNULL)
    return directory


class Lab:
    """Hands out machines with zksup installed, and removes them."""

    def __init__(self, cache, built):
        self.cache, self.built = cache, built
        self.machines = []
        self.shared = cache / "run" / f"shared-{os.getpid()}"
        shutil.rmtree(self.shared, ignore_errors=True)
        self.shared.mkdir(parents=True)

    def machine(self, name, prepare=None):
        m = machine.Machine(self.cache, name, 10 + len(self.machines), self.shared)
        self.machines.append(m)
        m.install(self.built)
        if prepare:
            prepare(m)
        m.boot()
        return m

    def remove(self):
        for m in reversed(self.machines):
            m.remove()
        shutil.rmtree(self.shared, ignore_errors=True)


def run_one(name, test, lab):
    started = time.monotonic()
    print(f"== {name}", flush=True)
    try:
        test(lab)
        print(f"== {name}: passed, {time.monotonic() - started:.1f} s", flush=True)
        return True
    except Exception:
        traceback.print_exc()
        for m in lab.machines:
            if m.is_running():
                print(f"-- {m.name}:\n" + m.run("systemctl status zksup; journalctl -u zksup -u served -n 80 --no-pager", check=False))
        print(f"== {name}: FAILED", flush=True)
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("/var/tmp/zksup-container"))
    parser.add_argument("--build", type=pathlib.Path, help="a build with --prefix=/usr")
    parser.add_argument("test", nargs="*", choices=[[], *scenes.TESTS])
    o = parser.parse_args()
    missing = [program for program in NEEDED if not shutil.which(program)]
    if missing:
        print(f"cannot run here: {', '.join(missing)} missing")
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # with all that is to be removed
    machine.make_tree(o.cache)
    built = o.build or build(o.cache)
    machine.make_network()
    passed = failed = 0
    try:
        for name in o.test or scenes.TESTS:
            lab = Lab(o.cache, built)
            try:
                ok = run_one(name, scenes.TESTS[name], lab)
            finally:
                lab.remove()
            passed, failed = passed + ok, failed + (not ok)
    finally:
        machine.remove_network()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
