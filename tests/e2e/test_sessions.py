"""The ensemble comes and goes, refuses, or is not there; and zksup is short of what it needs."""

import os
import pathlib
import resource
import signal
import subprocess
import time

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

import zk_server
from supervised import SANITIZED, Lease, wait_gone
from tcp_proxy import Proxy
from zk_server import SCALE, free_ports, wait_for


@pytest.fixture(scope="module")
def mortal():
    """A server of this file's own, which may be stopped; it runs again after each test."""
    ensemble = zk_server.start_ensemble(1)
    yield ensemble.servers[0]
    ensemble.stop()


@pytest.fixture
def server(mortal):
    yield mortal
    if mortal.process.poll() is None:
        mortal.resume()
    else:
        mortal.start()
    mortal.wait_serving()


@pytest.fixture
def look(server):
    """look(path) -> stat or None, by a new connection each time: the server may have been away."""
    def stat(path):
        client = KazooClient(hosts=server.connect, timeout=10)
        client.start(timeout=20)
        try:
            return client.exists(path)
        finally:
            client.stop()
            client.close()

    return stat


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.port)
    yield proxy
    proxy.stop()


class Ticks:
    """What a child writes about twenty times a second, as long as it may run."""

    def __init__(self, path):
        self.path = path
        self.script = f"while :; do echo tick >>{path}; sleep 0.05; done"

    def count(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def wait_moving(self):
        before = self.count()
        wait_for(lambda: self.count() > before, 20, "the child runs")

    def wait_still(self):
        """Half a second, ten times what it takes between two ticks, without any."""
        last = [self.count(), time.monotonic()]

        def still():
            if self.count() != last[0]:
                last[:] = self.count(), time.monotonic()
            return time.monotonic() - last[1] > 0.5 * SCALE

        wait_for(still, 10, "the child stands still")


def renewals(server, root, number=1):
    client = KazooClient(hosts=server.connect, timeout=10)
    client.start(timeout=20)
    try:
        record = f"{root}/record/sequence/default/{number}"
        (grant,) = client.get_children(record)
        return client.exists(f"{record}/{grant}").version
    finally:
        client.stop()
        client.close()


# --- contact is lost and comes back ---------------------------------------------------------------


def test_a_restart_of_the_server_is_survived(supervise, server, root, look):
    unit = supervise("--session-timeout", "30s", connect=server.connect)
    first = unit.wait_starts()
    owner = look(f"{root}/sequence/default/1").ephemeralOwner
    server.stop()
    unit.zksup.wait_err("no contact")
    server.start()
    before = renewals(server, root)
    wait_for(lambda: renewals(server, root) > before, 20, "the hold is renewed again", 0.3)
    assert unit.starts == [first] and unit.processes() == [first.pid]
    assert look(f"{root}/sequence/default/1").ephemeralOwner == owner


def test_a_server_that_is_away_for_longer_than_the_lease_costs_the_number(supervise, server, root):
    lease = Lease(4)
    unit = supervise("--session-timeout", "4s", connect=server.connect)
    first = unit.wait_starts()
    begun = time.monotonic()
    server.stop()
    wait_gone(unit.processes, begun, lease.lease / SCALE, "server killed")
    assert unit.zksup.process.poll() is None
    server.start()
    second = unit.wait_starts(2, 40)
    assert second.fence > first.fence
    assert unit.processes() == [second.pid]


def test_a_server_that_hangs_for_longer_than_the_lease_costs_the_number(supervise, server, root):
    lease = Lease(4)
    unit = supervise("--session-timeout", "4s", connect=server.connect)
    first = unit.wait_starts()
    begun = time.monotonic()
    server.pause()
    wait_gone(unit.processes, begun, lease.lease / SCALE, "server frozen")
    server.resume()
    assert unit.wait_starts(2, 40).fence > first.fence


def test_a_cut_connection_is_survived(server, proxy, supervise, root):
    unit = supervise("--session-timeout", "10s", connect=proxy.connect)
    first = unit.wait_starts()
    for _ in range(3):
        before, accepted = renewals(server, root), proxy.accepted
        proxy.cut()
        wait_for(lambda: proxy.accepted > accepted, 10, "zksup connects again")
        wait_for(lambda: renewals(server, root) > before, 10, "the hold is renewed again", 0.2)
    assert unit.starts == [first] and unit.processes() == [first.pid]


def test_a_silent_connection_costs_the_number_and_the_child_is_stopped_in_time(proxy, supervise, root):
    lease = Lease(4)
    unit = supervise("--session-timeout", "4s", connect=proxy.connect,
                     script="trap '' TERM HUP; while :; do sleep 0.2; done")
    unit.wait_starts()
    begun = time.monotonic()
    proxy.silence()
    wait_gone(unit.processes, begun, lease.lease / SCALE, "connection silent, child ignores TERM")
    proxy.silence(False)
    assert unit.wait_starts(2, 40).fence > unit.starts[0].fence


@pytest.mark.parametrize("contain", ["auto", "subreaper"])
def test_on_suspend_freeze_the_child_stands_still_until_contact_is_back(supervise, server, tmp_path, contain):
    ticks = Ticks(tmp_path / "ticks")
    unit = supervise("--session-timeout", "30s", "--on-suspend", "freeze", "--contain", contain, script=ticks.script,
                     connect=server.connect)
    first = unit.wait_starts()
    ticks.wait_moving()
    server.stop()
    ticks.wait_still()
    server.start()
    ticks.wait_moving()
    assert unit.starts == [first]


def test_a_frozen_child_can_be_stopped(supervise, server, tmp_path):
    ticks = Ticks(tmp_path / "ticks")
    unit = supervise("--session-timeout", "30s", "--on-suspend", "freeze", script=ticks.script, connect=server.connect)
    ticks.wait_moving()
    server.stop()
    ticks.wait_still()
    begun = time.monotonic()
    unit.zksup.signal()
    wait_gone(unit.processes, begun, 1, "frozen child stopped")


def test_a_frozen_child_is_gone_before_its_lease_is_over(supervise, server, tmp_path):
    ticks, lease = Ticks(tmp_path / "ticks"), Lease(4)
    unit = supervise("--session-timeout", "4s", "--on-suspend", "freeze", script=ticks.script, connect=server.connect)
    ticks.wait_moving()
    begun = time.monotonic()
    server.stop()
    wait_gone(unit.processes, begun, lease.lease / SCALE, "frozen child, server killed")


def test_when_its_session_is_ended_by_others_the_child_starts_under_a_new_hold(server, proxy, supervise, root):
    unit = supervise("--session-timeout", "30s", connect=proxy.connect)
    first = unit.wait_starts()
    proxy.refuse = True  # a session belongs to whoever connected last
    thief = KazooClient(hosts=server.connect, client_id=proxy.session, timeout=30)
    thief.start(timeout=20)
    assert thief.client_id[0] == proxy.session[0], "the session was not taken over"
    thief.stop()  # closes it
    thief.close()
    proxy.refuse = False
    second = unit.wait_starts(2)
    assert second.fence > first.fence
    assert unit.processes() == [second.pid]
    assert "expired" in unit.zksup.err


def test_on_suspend_stop_the_child_is_stopped_and_starts_under_the_same_hold(supervise, server, root):
    unit = supervise("--session-timeout", "30s", "--on-suspend", "stop", connect=server.connect)
    first = unit.wait_starts()
    begun = time.monotonic()
    server.stop()
    wait_gone(unit.processes, begun, 2, "on-suspend stop")
    server.start()
    second = unit.wait_starts(2, 40)
    assert (second.number, second.fence) == (first.number, first.fence)


def test_on_suspend_signal_the_child_is_told(supervise, server, tmp_path):
    told = tmp_path / "told"
    unit = supervise("--session-timeout", "30s", "--on-suspend", "signal:USR1", connect=server.connect,
                     script=f"trap ': >{told}' USR1; : >{told}.set; while :; do sleep 0.1; done")
    wait_for(pathlib.Path(f"{told}.set").exists, 10, "the trap is set")
    assert not told.exists()
    server.stop()
    wait_for(told.exists, 10, "the child is told")
    assert len(unit.starts) == 1


def test_a_stop_without_contact_ends_in_bounded_time(supervise, server):
    unit = supervise("--session-timeout", "30s", connect=server.connect)
    unit.wait_starts()
    server.stop()
    unit.zksup.wait_err("no contact")
    assert unit.zksup.stop(15) == 143
    assert unit.processes() == []


def test_the_death_of_a_leader_is_survived_and_the_loss_of_the_quorum_is_not(ensemble3, supervise, root):
    lease = Lease(8)
    unit = supervise("--session-timeout", "8s", connect=ensemble3.connect)
    first = unit.wait_starts()
    leader = ensemble3.leader
    left = [s for s in ensemble3.servers if s is not leader]
    leader.stop()
    wait_for(lambda: any(s.mode == "leader" for s in left), 20, "there is another leader")
    before = renewals(left[0], root)
    wait_for(lambda: renewals(left[0], root) > before, 10, "the hold is renewed again", 0.3)
    assert unit.starts == [first] and unit.processes() == [first.pid]
    begun = time.monotonic()
    left[0].stop()
    wait_gone(unit.processes, begun, lease.lease / SCALE, "one server of three is left")
    leader.start(wait=False)
    second = unit.wait_starts(2, 60)
    assert second.fence > first.fence


# --- how one gets there ---------------------------------------------------------------------------


def test_a_missing_chroot_is_made(supervise, zk, kazoo, root):
    unit = supervise(connect=f"{zk.connect}{root}-chroot/deeper")
    assert unit.wait_starts().number == 1
    assert kazoo.exists(f"{root}-chroot/deeper{root}/sequence/default/1")


def test_without_a_server_it_ends_with_121_and_names_each_address_and_why(supervise):
    ports = free_ports(2)
    connect = ",".join(f"127.0.0.1:{p}" for p in ports)
    begun = time.monotonic()
    unit = supervise("--connect-timeout", "1s", connect=connect)
    assert unit.zksup.wait() == 121
    assert 0.9 <= time.monotonic() - begun <= 1 + 2 * SCALE
    for port in ports:
        assert f"127.0.0.1:{port}" in unit.zksup.err
    assert "refused" in unit.zksup.err
    assert unit.starts == []


def test_while_there_is_no_server_a_stop_ends_it_at_once(supervise):
    (port,) = free_ports(1)
    unit = supervise(connect=f"127.0.0.1:{port}")
    unit.zksup.wait_err("refused")
    begun = time.monotonic()
    assert unit.zksup.stop() == 143
    assert time.monotonic() - begun <= 1 * SCALE


def test_while_there_is_no_server_wait_runs_out_too(supervise):
    (port,) = free_ports(1)
    unit = supervise("--wait", "1s", connect=f"127.0.0.1:{port}")
    assert unit.zksup.wait() == 124


def test_a_server_that_comes_later_is_found(supervise, server):
    server.stop()
    unit = supervise(connect=server.connect)
    unit.zksup.wait_err("refused")
    server.start()
    unit.wait_starts(1, 30)


def test_the_first_server_that_answers_is_enough(supervise, zk):
    (port,) = free_ports(1)
    unit = supervise("--connect-timeout", "20s", connect=f"127.0.0.1:{port},{zk.connect}")
    assert unit.wait_starts().number == 1


def test_a_name_that_does_not_resolve_is_named(supervise):
    unit = supervise("--connect-timeout", "1s", connect="no-such-host.invalid:2181")
    assert unit.zksup.wait() == 121
    assert "no-such-host.invalid" in unit.zksup.err


# --- refused --------------------------------------------------------------------------------------


@pytest.fixture
def guarded_root(kazoo, root):
    """The root belongs to user 'ann' with the password 'right'."""
    kazoo.create(root, b"", acl=[make_digest_acl("ann", "right", all=True)])
    return root


def auth_file(tmp_path, text):
    path = tmp_path / "auth"
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_an_acl_that_denies_ends_it_with_123_and_the_path(supervise, guarded_root):
    unit = supervise()
    assert unit.zksup.wait() == 123
    assert guarded_root in unit.zksup.err
    assert unit.starts == []


def test_a_wrong_password_ends_it_with_123_and_the_path(supervise, guarded_root, tmp_path):
    unit = supervise("--auth-file", auth_file(tmp_path, "ann:wrong\n"))
    assert unit.zksup.wait() == 123
    assert guarded_root in unit.zksup.err
    assert "wrong" not in unit.zksup.err, "the password is in the log"


def test_the_right_password_gives_a_number_that_nobody_else_may_touch(supervise, guarded_root, kazoo, tmp_path):
    unit = supervise("--auth-file", auth_file(tmp_path, "ann:right\n"))
    assert unit.wait_starts().number == 1
    kazoo.add_auth("digest", "ann:right")
    acls, _ = kazoo.get_acls(f"{guarded_root}/sequence/default/1")
    assert [(a.id.scheme, a.id.id.split(":")[0]) for a in acls] == [("digest", "ann")]


# --- said wrong -----------------------------------------------------------------------------------


def test_a_grace_that_does_not_fit_is_refused_with_the_numbers(supervise):
    unit = supervise("--session-timeout", "6s", "--grace", "5s")
    assert unit.zksup.wait() == 125
    assert "grace 5s" in unit.zksup.err and "6s" in unit.zksup.err and "4.8s" in unit.zksup.err
    assert len(unit.zksup.err.splitlines()) == 1
    assert unit.starts == []


@pytest.mark.parametrize("arguments, word", [
    (["run", "--nonsense", "--", "true"], "--nonsense"),
    (["run", "-Z", "--", "true"], "-Z"),
    (["run", "--pool"], "--pool"),
    (["run", "true"], "'--'"),
    (["run", "--"], "command"),
    (["run"], "command"),
    (["run", "--", ""], "empty"),
    (["run", "--grace", "soon", "--", "true"], "soon"),
    (["run", "--grace", "-1s", "--", "true"], "-1s"),
    (["run", "--grace", "0", "--", "true"], "1ms"),
    (["run", "--grace", "infinity", "--", "true"], "1h"),
    (["run", "--session-timeout", "1ms", "--", "true"], "--session-timeout"),
    (["run", "--session-timeout", "infinity", "--", "true"], "--session-timeout"),
    (["run", "--first", "-3", "--", "true"], "-3"),
    (["run", "--first", "9", "--max", "3", "--", "true"], "--max"),
    (["run", "--prefer", "9", "--max", "3", "--", "true"], "--prefer"),
    (["run", "--pool", "a/b", "--", "true"], "a/b"),
    (["run", "--pool", "..", "--", "true"], ".."),
    (["run", "--root", "relative", "--", "true"], "relative"),
    (["run", "--restart", "sometimes", "--", "true"], "sometimes"),
    (["run", "--restart-limit", "lots", "--", "true"], "lots"),
    (["run", "--stop-signal", "KILL", "--", "true"], "KILL"),
    (["run", "--on-suspend", "signal:NOPE", "--", "true"], "NOPE"),
    (["run", "--ready", "magic", "--", "true"], "magic"),
    (["run", "--contain", "bag", "--", "true"], "bag"),
    (["run", "--connect", "host:99999", "--", "true"], "99999"),
    (["run", "--connect", "host:2181/a//b", "--", "true"], "/a//b"),
    (["run", "--auth-file", "/nonexistent/auth", "--", "true"], "/nonexistent/auth"),
    (["run", "--acl", "nobody-knows", "--", "true"], "nobody-knows"),
    (["walk"], "walk"),
    ([], "zksup"),
])
def test_a_wrong_command_line_ends_with_125_and_one_line_that_names_it(zksup, arguments, word):
    done = subprocess.run([zksup, *arguments], capture_output=True, text=True, timeout=10 * SCALE,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 125
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert word in done.stderr
    assert done.stdout == ""


def test_help_and_version_go_to_standard_output(zksup):
    for arguments, word in ((["--help"], "run"), (["run", "--help"], "--pool"), (["--version"], "zksup")):
        done = subprocess.run([zksup, *arguments], capture_output=True, text=True, timeout=10 * SCALE)
        assert (done.returncode, done.stderr) == (0, "")
        assert word in done.stdout


# --- short of something ---------------------------------------------------------------------------


def fill_stderr():
    os.dup2(os.open("/dev/full", os.O_WRONLY), 2)


def limit_descriptors(pid):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (4, 4))


def limit_memory(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[0])
    resource.prlimit(pid, resource.RLIMIT_AS, (pages * 4096, pages * 4096))


@pytest.mark.parametrize("shortage", ["stderr", "descriptors", "memory"])
def test_short_of_something_the_child_is_still_stopped_in_time(supervise, server, shortage):
    if shortage == "memory" and SANITIZED:
        pytest.skip("a sanitizer ends the program when memory is short")
    lease = Lease(4)
    unit = supervise("--session-timeout", "4s", connect=server.connect, script="trap '' TERM; while :; do sleep 0.2; done",
                     preexec_fn=fill_stderr if shortage == "stderr" else None)
    unit.wait_starts()
    if shortage == "descriptors":
        limit_descriptors(unit.zksup.pid)
    elif shortage == "memory":
        limit_memory(unit.zksup.pid)
    begun = time.monotonic()
    server.stop()
    wait_gone(unit.processes, begun, lease.lease / SCALE, f"server killed while short of {shortage}")
    if shortage == "stderr":
        server.start()
        unit.wait_starts(2, 40)
    else:
        unit.zksup.signal(signal.SIGKILL)


def test_a_reader_of_standard_error_who_stops_reading_does_not_hold_it_up(supervise, server):
    """A full pipe: the log is dropped, the renewals go on."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(write_end, True)
    unit = supervise("-v", "--session-timeout", "2s", connect=server.connect, preexec_fn=lambda: os.dup2(write_end, 2))
    first = unit.wait_starts()
    begun = time.monotonic()
    # Longer than a lease: it would have been lost had a renewal waited for the pipe.
    wait_for(lambda: time.monotonic() > begun + 4, 20, "two leases", 0.1)
    assert unit.starts == [first] and unit.processes() == [first.pid]
    assert unit.zksup.stop() == 143
    os.close(read_end)
    os.close(write_end)


def test_a_number_lost_between_two_runs_is_asked_for_again(supervise, server):
    unit = supervise(
        "--session-timeout", "2s", "--restart-delay", "8s", "--restart-delay-max", "8s",
        script="exit 1", connect=server.connect,
    )
    first = unit.wait_starts()
    server.pause()
    unit.zksup.wait_err("is lost")
    server.resume()
    assert unit.wait_starts(2, deadline=40).fence > first.fence


def test_a_timeout_that_no_longer_fits_the_grace_gives_nothing_back_while_the_child_runs(supervise, tmp_path):
    """The server comes back and grants less. Who holds must stop and be dead before anybody else
    starts: each child takes the same lock file, and says so if it cannot."""
    overlap = tmp_path / "overlap"
    script = f"exec 9>{tmp_path}/lock; flock -n 9 || echo two >>{overlap}; trap '' TERM; while :; do sleep 0.1; done"
    ensemble = zk_server.start_ensemble(1)
    try:
        server = ensemble.servers[0]
        first = supervise(
            "--session-timeout", "15s", "--grace", "4s", "--max", "1", script=script, connect=server.connect
        )
        first.wait_starts()
        server.stop()
        config = server.directory / "zoo.cfg"
        config.write_text(config.read_text().replace("maxSessionTimeout=60000", "maxSessionTimeout=4000"))
        server.start()
        second = supervise("--session-timeout", "4s", "--max", "1", script=script, connect=server.connect)
        assert first.zksup.wait(40) == 125
        assert "grace 4s" in first.zksup.err
        second.wait_starts(1, deadline=60)
        assert not overlap.exists()
    finally:
        ensemble.stop()
