"""What an administrator does, and what must hold. Each command under zksup is a witness: it holds a lock of the kernel while it
runs, so that a second one that starts before the first is dead says so in OVERLAPS."""

import json
import os
import re
import time

from machine import wait_for

OVERLAPS = "/run/witness/overlaps"
# /run/shared is one directory for all machines, and they run on one kernel: what is exclusive there is exclusive
# in the cluster, and times can be compared.
WITNESS = f"""#!/bin/bash
# witness NAME [stubborn]: runs until TERM, or for ever; tells if another of that name runs. Forks nothing once it runs.
mkdir -p /run/witness
place=/run/witness
[ -d /run/shared ] && place=/run/shared
exec 9> "$place/$1.lock"
flock -n 9 || {{ echo "$1 $$" >> $place/overlaps; exit 1; }}
echo "$1 of ${{ZKSUP_UNIT:-nobody}} number=$ZK_SEQUENCE fence=$ZK_FENCE role=$ZK_ROLE"
trap 'exit 0' TERM
trap 'echo "$1 got USR1"' USR1
[ "$2" = stubborn ] && trap '' TERM
[ -p "/run/witness/$1.fifo" ] || mkfifo "/run/witness/$1.fifo"
exec 8<> "/run/witness/$1.fifo"
read -r host < /etc/hostname
while :; do
        [ -d /run/shared ] && echo "$EPOCHREALTIME $host $$" >> "/run/shared/$1.beats"
        read -t 0.05 -u 8
done
"""
SERVICE = """[Unit]
Description=A service that zksup drives
[Service]
Type=exec
ExecStart=/usr/bin/witness served {how}
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
    print(path, "ephemeral" if stat.ephemeralOwner else "persistent", len(data or b""))
    for child in c.get_children(path):
        walk(path + "/" + child)
if c.exists("/zksup"):
    walk("/zksup")
c.stop()
"""


def prepare(m, how=""):
    m.write("/usr/bin/witness", WITNESS, 0o755)
    m.write("/etc/systemd/system/served.service", SERVICE.format(how=how))
    m.write("/etc/hostname", m.name + "\n")
    m.write("/usr/local/bin/znodes.py", ZNODES)
    os.makedirs(m.root / "etc/systemd/system/served.service.d", exist_ok=True)
    os.symlink("/usr/share/zksup/driven.conf", m.root / "etc/systemd/system/served.service.d/zksup.conf")
    # Sooner than an administrator would have it.
    m.write("/etc/systemd/system/zksup.service.d/test.conf", "[Service]\nWatchdogSec=4\nRestartSec=1\n")


def ensemble(m):
    wait_for("ZooKeeper", lambda: m.status_of("python3 /usr/local/bin/znodes.py 127.0.0.1:2181") == 0, 60)


def no_ensemble(m, how=""):
    prepare(m, how)
    m.write("/etc/systemd/system/zookeeper.service", "[Service]\nExecStart=/bin/true\n")


def stubborn(m):
    """The service does not hear TERM, systemd would wait 90 s for it, and no watchdog comes to help."""
    no_ensemble(m, "stubborn")
    m.write("/etc/systemd/system/zksup.service.d/test.conf", "[Service]\nWatchdogSec=infinity\nRestartSec=1\n")


def units(m):
    said = m.run("zksup status --json", check=False)  # 3: not all of them run
    try:
        return {unit["name"]: unit for unit in json.loads(said)["units"]}
    except ValueError as error:
        raise AssertionError(f"{m.name}: zksup status: {said}") from error


def answers(m):
    return m.status_of("zksup status") in (0, 3)


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
    """Process id and name of each; but not of those that one has forked and that have not executed anything yet."""
    found = re.findall(r"^ *(\d+) +(\d+) /bin/bash /usr/bin/witness (\S+)", m.run("ps -eo pid,ppid,args"), re.M)
    pids = {pid for pid, _, _ in found}
    return {pid: name for pid, parent, name in found if parent not in pids}


def nothing_left(m, connect):
    assert not witnesses(m), witnesses(m)
    assert "zksup" not in m.run("ps -eo args | grep -v 'grep\\|ps -eo'"), m.run("ps -ef")
    assert m.status_of("test -e /sys/fs/cgroup/system.slice/zksup.service") != 0, "its control group is left"
    assert m.show("served", "ActiveState") == "inactive"
    nodes = m.run(f"python3 /usr/local/bin/znodes.py {connect}").splitlines()
    assert not [node for node in nodes if " ephemeral " in node], nodes
    return [node for node in nodes if node.startswith("/zksup/record/") and not node.endswith(" 0")]


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
    wait_for("a STATUS of all units", lambda: re.match("10 units: 9 ready", m.show("zksup", "StatusText")))
    say("systemctl status:\n" + m.run("systemctl status --no-pager -n 0 zksup | sed '/CGroup/q'"))
    say("zksup status:\n" + m.run("zksup status", check=False))
    assert m.show("served", "ActiveState") == "active"
    assert "several of several number=" in m.run("cat /var/log/several.log")
    logs(m)
    reload(m)
    reexec(m)
    bus(m)
    instance(m)
    m.run("systemctl stop zksup")
    records = nothing_left(m, "127.0.0.1:2181")
    assert not records, records
    say("stopped: nothing is left of processes, control groups, holds and records")
    m.run("systemctl start zksup")
    all_run(m)
    watchdog(m)
    killed(m)
    m.run("systemctl stop zksup")
    nothing_left(m, "127.0.0.1:2181")  # but records of those that were killed, for others to count down
    assert not overlaps(m), overlaps(m)
    assert m.show("zksup", "Result") == "success"


def logs(m):
    """What a unit says is in the journal under its name, what zksup says of it has the unit as a field."""
    assert "plain of plain" in m.run("journalctl -o cat -t plain"), m.run("journalctl -t plain")
    assert "plain of plain" in m.run("zksup logs plain")
    assert "started as process" in m.run("journalctl -o cat ZKSUP_UNIT=plain")
    m.run("journalctl --update-catalog")
    known = m.run("journalctl --list-catalog | grep -ci zksup", check=False)
    assert int(known) >= 6, known
    say(f"logs: of units, and {known} messages in the catalog")


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


def reexec(m):
    """The program is exchanged; nothing is restarted, and systemd sees the same process."""
    before, old = witnesses(m), m.show("zksup", "MainPID")
    said = m.run("zksup reexec", check=False)
    all_run(m)
    assert witnesses(m) == before, (before, witnesses(m))
    assert m.show("zksup", "MainPID") == old and m.show("zksup", "ActiveState") == "active"
    m.run("zksup restart plain")
    say(f"reexec: {len(before)} commands not touched; {said}")
    assert "in the same session" in said, said


def bus(m):
    """Without the bus the service goes on, and what drives it connects again."""
    before = witnesses(m)
    m.run("systemctl restart dbus")
    wait_for("the bus", lambda: "system's bus again" in m.run("journalctl -b -o cat -t served"))
    assert witnesses(m) == before, (before, witnesses(m))
    say("bus restarted: nothing else is")


def instance(m):
    """An instance beside it has its own configuration and socket, and takes nothing with it when it goes."""
    before = witnesses(m)
    text = GLOBAL.format(connect="127.0.0.1:2181") + 'host = "keeper-web"\nunit "web" { command = "/usr/bin/witness web" }\n'
    m.write("/etc/zksup/web.conf", text)
    m.run("systemctl start zksup@web")
    wait_for("its unit", lambda: "web" in witnesses(m).values())
    wait_for("its status", lambda: m.status_of("zksup status --socket /run/zksup/web.sock") == 0)
    m.run("systemctl reload zksup@web")
    m.run("systemctl stop zksup@web")
    assert witnesses(m) == before, (before, witnesses(m))
    assert m.status_of("test -e /run/zksup/web.sock") != 0 and m.status_of("test -S /run/zksup/zksup.sock") == 0
    say("zksup@web: beside it, and gone again")


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
    """Once zksup alone is killed, once it and all its guards and drivers at once, once with all guards stopped: then nobody
    is left to kill the commands but the last command of the service."""
    kill = "systemctl kill -s {} --kill-whom={} zksup"
    for what, script in (
        ("killed", kill.format("KILL", "main")),
        ("killed with all guards", kill.format("KILL", "all")),
        ("killed with all stopped", f"{kill.format('STOP', 'main')}; kill -STOP $(pgrep -f '^zksup-guar[d]'); {kill.format('KILL', 'main')}"),
    ):
        before, old = witnesses(m), m.show("zksup", "MainPID")
        m.run(script)
        recovery(m, what, before, old)
        say(f"{what}: it is back, and what ran before was dead")
    assert "processes were left behind: they are killed" in m.run("journalctl -b -u zksup -o cat")
    assert "served.service: what drove it is dead: it is killed" in m.run("journalctl -b -u zksup -o cat")


class Pair:
    """Two machines of which one runs the service, the ensemble on a third; and what the service's beats say."""

    def __init__(self, lab, prepare_host):
        keeper = lab.machine("keeper", prepare)
        ensemble(keeper)
        self.shared = lab.shared
        self.turns = 0
        text = GLOBAL.format(connect=f"{keeper.address}:2181") + SERVED
        self.hosts = [lab.machine(name, prepare_host) for name in ("one", "two")]
        for m in self.hosts:
            m.write("/etc/zksup/zksup.conf", text)
            m.run("systemctl enable --now zksup")
            wait_for("the control socket", lambda m=m: answers(m))

    def beats(self):
        """Of each run in turn: machine, first and last beat."""
        file = self.shared / "served.beats"
        found = []
        for line in file.read_text().splitlines() if file.exists() else ():
            at, host, pid = line.split()
            if found and found[-1][:2] == [host, pid]:
                found[-1][3] = float(at)
            else:
                found.append([host, pid, float(at), float(at)])
        return found

    def leader(self):
        def active():
            return [m for m in self.hosts if m.is_running() and m.show("served", "ActiveState") == "active"]

        wait_for("a leader", active)
        leader = active()[0]
        return leader, next(m for m in self.hosts if m is not leader)

    def turn(self, what, since, runs_before, to=None):
        """Waits for the next run and says how it followed the one before."""
        overlaps = self.shared / "overlaps"
        runs = wait_for(f"the next run after: {what}", lambda: overlaps.exists() or self.beats()[runs_before:], 40)
        assert not overlaps.exists(), f"{what}: two at once: {overlaps.read_text()}"
        before, first = self.beats()[runs_before - 1], runs[0]
        assert to is None or first[0] == to.name, (what, self.beats())
        margin = first[2] - before[3]
        say(f"{what}: last beat {before[3] - since:+.2f} s, on {first[0]} again {first[2] - since:+.2f} s, margin {margin:.3f} s")
        assert margin > 0, f"{what}: two at once"


SERVED = 'unit "served" { systemd-unit = "served.service"  lead = "served" }\n'


def moves(lab):
    """A service that only the leader runs moves when its machine is halted."""
    pair = Pair(lab, no_ensemble)
    for how in ("power_off", "terminate"):
        leader, other = pair.leader()
        assert other.show("served", "ActiveState") == "inactive", "it runs on both"
        runs, since = len(pair.beats()), time.time()
        getattr(leader, how)()
        pair.turn(f"{how} of {leader.name}", since, runs, other)
        wait_for("the halt", lambda leader=leader: not leader.is_running(), 60)
        say(f"{other.name}:\n" + other.run("zksup status", check=False))
        leader.boot()
        wait_for("the control socket", lambda leader=leader: answers(leader))
        assert leader.show("served", "ActiveState") == "inactive", "it runs on both"


def lease(lab):
    """A service that does not stop when systemd asks it to: the lease holds all the same."""
    pair = Pair(lab, stubborn)

    def fault(what, script, moves_to_the_other):
        leader, other = pair.leader()
        main = leader.show("zksup", "MainPID")
        guard = leader.run("pgrep -f '^zksup-guar[d] .*--kill-cgroup'")
        driver = leader.run("pgrep -f '^[^ ]*zksup systemd-uni[t] --group'")
        runs, since = len(pair.beats()), time.time()
        leader.run(script.format(main=main, guard=guard, driver=driver))
        pair.turn(f"{what} on {leader.name}", since, runs, other if moves_to_the_other else None)
        return leader

    stopped = fault("zksup stopped", "kill -STOP {main}", True)
    stopped.run(f"kill -CONT {stopped.show('zksup', 'MainPID')}")
    wait_for("zksup to be back", lambda: answers(stopped))
    cut = fault("network cut", "ip link set host0 down", True)
    cut.run("ip link set host0 up")
    fault("zksup killed", "kill -KILL {main}", False)
    fault("driver killed", "kill -KILL {driver}", False)
    fault("guard killed", "kill -KILL {guard}", False)
    fault("guard and zksup killed", "kill -KILL {guard} {main}", False)
    fault("stopped by hand", "systemctl stop --no-block served; zksup restart served", False)
    for m in pair.hosts:
        m.run("systemctl stop zksup")
        assert m.show("served", "ActiveState") != "active", f"{m.name}: it runs on"


PLAIN_SERVICE = """[Service]
Type=exec
ExecStart=/usr/bin/witness {name} {how}
Restart={restart}
"""
UNPREPARED = """
unit "rash" { systemd-unit = "rash.service"  lock = "rash" }
unit "none" { systemd-unit = "none.service"  lock = "none" }
unit "early" { systemd-unit = "early.service"  lock = "early" }
unit "late" { systemd-unit = "late.service"  lock = "late" }
unit "once" { systemd-unit = "once.service"  lock = "once"  restart = never }
unit "fails" { systemd-unit = "fails.service"  lock = "fails"  restart = never }
"""


def unprepared(lab):
    """Services that cannot be driven, that run already, that do not stop, that end."""
    m = lab.machine("keeper", prepare)
    ensemble(m)
    for name, how, restart in (("rash", "", "always"), ("early", "", "no"), ("late", "stubborn", "no")):
        m.write(f"/etc/systemd/system/{name}.service", PLAIN_SERVICE.format(name=name, how=how, restart=restart))
    m.write("/etc/systemd/system/once.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 1\n")
    m.write("/etc/systemd/system/fails.service", "[Service]\nExecStart=/bin/sh -c 'exit 7'\n")
    m.write("/etc/zksup/zksup.conf", GLOBAL.format(connect="127.0.0.1:2181") + UNPREPARED)
    m.run("systemctl daemon-reload; systemctl start early late")
    before = {name: m.show(name, "MainPID") for name in ("early", "late")}
    m.run("systemctl start zksup")
    log = lambda text: wait_for(text, lambda: text in m.run("journalctl -b -o cat"))  # noqa: E731
    log("rash.service: has Restart=always, so systemd would start it again behind the lease")
    log("none.service: there is no such service")
    log("early.service is active although nothing is held for it")
    wait_for("early to run", lambda: runs(units(m)["early"]))
    assert m.show("early", "MainPID") not in ("0", before["early"])
    log("early.service: can be started by others too")
    assert not runs(units(m)["late"]), "it asked for the hold although the service runs yet"
    assert "late: holds" not in m.run("journalctl -b -o cat"), "it held before what ran was dead"
    wait_for("late to run", lambda: runs(units(m)["late"]), 20)
    assert m.show("late", "MainPID") not in ("0", before["late"])
    wait_for("once to end", lambda: units(m)["once"]["state"] == "finished")
    wait_for("fails to fail", lambda: units(m)["fails"]["state"] in ("failed", "finished"))
    assert units(m)["fails"]["status"] == 7, units(m)["fails"]
    m.run("zksup signal early USR1")
    log("early got USR1")
    say(m.run("zksup status", check=False))
    m.run("systemctl stop zksup")
    nothing_left(m, "127.0.0.1:2181")
    for name in ("rash", "early", "late"):
        assert m.show(name, "MainPID") == "0", name


TESTS = {"service": service, "unprepared": unprepared, "moves": moves, "lease": lease}
