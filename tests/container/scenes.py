"""What an administrator does, and what must hold. Each command under zksup is a witness: it holds a lock of the kernel while it
runs, so that a second one that starts before the first is dead says so in OVERLAPS."""

import json
import os
import re

from machine import wait_for

OVERLAPS = "/run/witness/overlaps"
WITNESS = f"""#!/bin/sh
# witness NAME: runs until TERM; tells if another of that name runs.
mkdir -p /run/witness
exec 9> "/run/witness/$1.lock"
flock -n 9 || {{ echo "$1 $$" >> {OVERLAPS}; exit 1; }}
echo "$1 of ${{ZKSUP_UNIT:-nobody}} number=$ZK_SEQUENCE fence=$ZK_FENCE role=$ZK_ROLE"
trap 'exit 0' TERM
while :; do sleep 1 & wait $!; done
"""
SERVICE = """[Unit]
Description=A service that zksup drives
[Service]
Type=exec
ExecStart=/usr/bin/witness served
Restart=always
"""
GLOBAL = """connect = "{connect}"
session-timeout = 4s
control-group = "zksup"
"""
TEN = """
unit "first"   { command = "/usr/bin/witness first"    pool = "numbers" }
unit "second"  { command = "/usr/bin/witness second"   pool = "numbers" }
unit "alone"   { command = "/usr/bin/witness alone"    lock = "one" }
unit "slot"    { command = "/usr/bin/witness slot"     lock = "some"  slots = 2 }
unit "reader"  { command = "/usr/bin/witness reader"   lock = "book"  shared = yes }
unit "primary" { command = "/usr/bin/witness primary"  lead = "db"    standby = "/usr/bin/witness standby" }
unit "tick"    { command = "/bin/date"                 cron = "tick"  schedule = "@every 1s" }
unit "plain"   { command = "/usr/bin/witness plain" }
unit "served"  { systemd-unit = "served.service"       lock = "served" }
unit "several" { command = "/usr/bin/witness several"  pool = "numbers"  lead = "both"  lock = "three"
                 stdout = "file:/var/log/several.log" }
"""
LASTING = ["first", "second", "alone", "slot", "reader", "primary", "plain", "served", "several"]
ZNODES = """
import sys
from kazoo.client import KazooClient
c = KazooClient(sys.argv[1]); c.start()
def walk(path):
    data, stat = c.get(path)
    print(path, "ephemeral" if stat.ephemeralOwner else "persistent")
    for child in c.get_children(path):
        walk(path + "/" + child)
if c.exists("/zksup"):
    walk("/zksup")
c.stop()
"""


def prepare(m):
    m.write("/usr/bin/witness", WITNESS, 0o755)
    m.write("/etc/systemd/system/served.service", SERVICE)
    m.write("/etc/hostname", m.name + "\n")
    m.write("/usr/local/bin/znodes.py", ZNODES)
    os.makedirs(m.root / "etc/systemd/system/served.service.d", exist_ok=True)
    os.symlink("/usr/share/zksup/driven.conf", m.root / "etc/systemd/system/served.service.d/zksup.conf")
    # Sooner than an administrator would have it.
    m.write("/etc/systemd/system/zksup.service.d/test.conf", "[Service]\nWatchdogSec=4\nRestartSec=1\n")


def ensemble(m):
    wait_for("ZooKeeper", lambda: m.status_of("python3 /usr/local/bin/znodes.py 127.0.0.1:2181") == 0, 60)


def no_ensemble(m):
    prepare(m)
    m.write("/etc/systemd/system/zookeeper.service", "[Service]\nExecStart=/bin/true\n")


def units(m):
    return {unit["name"]: unit for unit in json.loads(m.run("zksup status --json"))["units"]}


def runs(unit):
    return unit["state"] in ("running", "ready")


def all_run(m):
    def look():
        if m.status_of("test -S /run/zksup/zksup.sock"):
            return None
        try:
            found = units(m)
        except AssertionError:
            return None  # it is about to start
        return found if all(runs(found[name]) for name in LASTING) else None

    return wait_for("all units to run", look, 40)


def say(what):
    print(f"   {what}", flush=True)


def overlaps(m):
    return m.run(f"cat {OVERLAPS} 2>/dev/null", check=False)


def witnesses(m):
    """Process id and name of each."""
    return dict(re.findall(r"^ *(\d+) /bin/sh /usr/bin/witness (\S+)$", m.run("ps -eo pid,args"), re.M))


def nothing_left(m, connect):
    assert not witnesses(m), witnesses(m)
    assert "zksup" not in m.run("ps -eo args | grep -v 'grep\\|ps -eo'"), m.run("ps -ef")
    assert m.status_of("test -e /sys/fs/cgroup/system.slice/zksup.service") != 0, "its control group is left"
    assert m.show("served", "ActiveState") == "inactive"
    nodes = m.run(f"python3 /usr/local/bin/znodes.py {connect}").splitlines()
    held = [node for node in nodes if node.endswith("ephemeral") or re.match(r"/zksup/record/[^ ]+/[^ ]+ ", node)]
    assert not [node for node in nodes if node.endswith("ephemeral")], nodes
    return held


def service(lab):
    """One machine: ten units of all kinds through the life of the service."""
    m = lab.machine("keeper", prepare)
    ensemble(m)
    m.write("/etc/zksup/zksup.conf", GLOBAL.format(connect="127.0.0.1:2181") + TEN)
    say("sysusers, tmpfiles: " + m.run("systemd-sysusers && systemd-tmpfiles --create zksup.conf && getent group zksup"))
    if "check" in m.run("zksup help"):
        say("check: " + m.run("zksup check"))
    m.run("systemctl start served", check=False)
    assert m.show("served", "ActiveState") == "inactive", "a driven service could be started by hand"
    m.run("systemctl start zksup")
    found = all_run(m)
    assert len(found) == 10, found
    wait_for("a run of the cron job", lambda: "tick" in units(m) and m.run("journalctl -b -o cat | grep -c UTC", check=False) != "0")
    status = m.run("systemctl status --no-pager -n 0 zksup")
    say("systemctl status:\n" + status)
    assert re.search(r'Status: ".+"', status), "no STATUS line"
    say("zksup status:\n" + m.run("zksup status"))
    assert m.show("served", "ActiveState") == "active"
    assert "several of several number=" in m.run("cat /var/log/several.log")
    reload(m)
    watchdog(m)
    killed(m)
    m.run("systemctl stop zksup")
    held = nothing_left(m, "127.0.0.1:2181")
    say(f"stopped: nothing is left; znodes: {held}")
    assert not overlaps(m), overlaps(m)
    assert m.show("zksup", "Result") == "success"


def reload(m):
    """One unit changed, one gone, one new: the others are not touched."""
    before = witnesses(m)
    text = GLOBAL.format(connect="127.0.0.1:2181") + TEN
    text = text.replace("/usr/bin/witness plain", "/usr/bin/witness changed")
    text = re.sub(r'unit "reader".*\n', 'unit "new" { command = "/usr/bin/witness new" }\n', text)
    m.write("/etc/zksup/zksup.conf", text)
    m.run("systemctl reload zksup")
    wait_for("the reload", lambda: {"changed", "new"} <= set(witnesses(m).values()) and "reader" not in witnesses(m).values())
    after = witnesses(m)
    kept = {pid: name for pid, name in before.items() if name not in ("plain", "reader")}
    assert kept == {pid: name for pid, name in after.items() if name not in ("changed", "new")}, (before, after)
    m.write("/etc/zksup/zksup.conf", text + 'unit "bad" { comand = "x" }\n')
    assert m.status_of("systemctl reload zksup") != 0, "a bad file was taken"
    assert witnesses(m) == after, "a bad file changed something"
    m.write("/etc/zksup/zksup.conf", GLOBAL.format(connect="127.0.0.1:2181") + TEN)
    m.run("systemctl reload zksup")
    all_run(m)
    say(f"reload: {len(kept)} commands not touched, 1 changed, 1 gone, 1 new; a bad file refused")


def recovery(m, what, before, old):
    wait_for(f"a new zksup after it was {what}", lambda: m.show("zksup", "MainPID") not in (old, "0"), 60)
    left = set(before) & set(witnesses(m))
    assert not left, f"{what}: a new zksup with commands of the old one: {left}"
    all_run(m)
    assert not overlaps(m), overlaps(m)
    assert m.show("served", "ActiveState") == "active"


def watchdog(m):
    """zksup hangs: systemd kills it, guards kill the commands, and it comes back."""
    before, old = witnesses(m), m.show("zksup", "MainPID")
    m.run(f"kill -STOP {old}")
    recovery(m, "stuck", before, old)
    assert "watchdog" in m.run("journalctl -b -u zksup -o cat").lower()
    say("watchdog: " + m.run("journalctl -b -u zksup -o cat | grep -i watchdog | head -2"))


def killed(m):
    """Once zksup alone is killed, once it and all its guards and drivers at once."""
    for what, who in (("killed", "main"), ("killed with all guards", "all")):
        before, old = witnesses(m), m.show("zksup", "MainPID")
        m.run(f"systemctl kill -s KILL --kill-whom={who} zksup")
        recovery(m, what, before, old)
        say(f"{what}: it is back, and what ran before was dead")


def moves(lab):
    """A service that only the leader runs, on two machines, the ensemble on a third."""
    keeper = lab.machine("keeper", prepare)
    ensemble(keeper)
    connect = f"{keeper.address}:2181"
    text = GLOBAL.format(connect=connect) + 'unit "served" { systemd-unit = "served.service"  lead = "served" }\n'
    hosts = [lab.machine(name, no_ensemble) for name in ("one", "two")]
    for m in hosts:
        m.write("/etc/zksup/zksup.conf", text)
        m.run("systemctl enable --now zksup")
        wait_for("the control socket", lambda m=m: m.status_of("zksup status") == 0)
    for how in ("power_off", "terminate"):
        wait_for("a leader", lambda: any(m.show("served", "ActiveState") == "active" for m in hosts))
        leader = next(m for m in hosts if m.show("served", "ActiveState") == "active")
        other = next(m for m in hosts if m is not leader)
        assert other.show("served", "ActiveState") == "inactive", "it runs on both"
        say(f"{leader.name} runs the service; {how}")
        getattr(leader, how)()
        wait_for("the halt", lambda leader=leader: not leader.is_running(), 60)
        wait_for("the service to move", lambda other=other: other.show("served", "ActiveState") == "active", 30)
        say(f"{other.name} runs the service: " + other.run("zksup status"))
        leader.boot()
        wait_for("the control socket", lambda leader=leader: leader.status_of("zksup status") == 0)
        assert leader.show("served", "ActiveState") == "inactive", "it runs on both"


TESTS = {"service": service, "moves": moves}
