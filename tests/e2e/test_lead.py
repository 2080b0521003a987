"""zksup lead: who leads, who stands by, what runs at each change, and that never two of it run at once."""

import shlex
import signal
import socket
import time

import pytest
from kazoo.exceptions import NoNodeError

import zk_server
from journal import SAY, Journal, is_running, shell
from supervised import Lease
from tcp_proxy import Proxy
from zk_server import SCALE, wait_for

# Each part of a host says when it begins, with what it knows, and when it is asked to end.
LOOP = "trap 'say $WHO {part} ends; exit 7' TERM; say $WHO {part} $$ $ZK_ROLE $ZK_LOCK ${{ZK_FENCE-none}}; while :; do sleep 0.02; done"


def command(script):
    """One string for --standby and the hooks."""
    return " ".join(shlex.quote(word) for word in ["/bin/sh", "-c", SAY + script])


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


@pytest.fixture
def lead(run_zksup, journal):
    """lead(WHO, OPTION..., script=..., standby=..., on_won=..., on_lost=...) -> Zksup; False for none."""

    def start(who, *options, script=LOOP.format(part="leads"), standby=False, on_won=False, on_lost=False,
              command_line=None, env=None, **rest):
        hooks = []
        for option, text in (("--standby", standby), ("--on-won", on_won), ("--on-lost", on_lost)):
            if text:
                hooks += [option, command(text)]
        return run_zksup("lead", "db", "--name", who, "--session-timeout", "3s", *hooks, *options, "--",
                         *(command_line or shell(script)), env={**journal.env, "WHO": who, **(env or {})}, name=f"lead-{who}", **rest)

    return start


STANDBY = LOOP.format(part="stands")
WON = "say $WHO won $ZK_ROLE $ZK_LOCK $ZK_FENCE"
LOST = "say $WHO lost $ZK_ROLE $ZK_LOCK $ZK_FENCE"


def is_clean(kazoo, root):
    try:
        line = kazoo.get_children(f"{root}/election/db")
    except NoNodeError:
        line = []
    return line == [] and kazoo.exists(f"{root}/record/election/db") is None


# --- who leads ------------------------------------------------------------------------------------


def test_when_the_leader_goes_the_next_one_leads(lead, journal, kazoo, root):
    a = lead("a")
    first = journal.wait("a leads").split()
    assert first[3:5] == ["leader", "db"]
    b = lead("b")
    b.wait_err("waiting")
    assert not journal.having("b leads")
    assert a.stop() == 7
    second = journal.wait("b leads").split()
    assert int(second[5]) > int(first[5])
    assert journal.lines.index("a leads ends") < journal.lines.index(" ".join(second))
    assert b.stop() == 7
    assert is_clean(kazoo, root)


def test_when_the_leader_is_killed_its_record_runs_out_first(lead, journal):
    lease = Lease(3)
    a = lead("a")
    child = journal.wait("a leads").split()[2]
    b = lead("b", standby=STANDBY)
    journal.wait("b stands")
    begun = time.monotonic()
    a.signal(signal.SIGKILL)
    journal.wait("b leads")
    assert time.monotonic() - begun >= 0.8 * lease.lease
    assert not is_running(child)
    assert "b stands ends" in journal.lines


def test_a_leader_without_contact_stops_and_stands_again(lead, journal, zk):
    proxy = Proxy(zk.port)
    try:
        a = lead("a", standby=STANDBY, on_won=WON, on_lost=LOST, connect=proxy.connect)
        journal.wait("a leads")
        b = lead("b")
        b.wait_err("waiting")
        proxy.silence()
        journal.wait("b leads")
        journal.wait("a stands")  # it follows, with contact or without
        proxy.silence(False)
        a.wait_err("waiting")
        assert b.stop() == 7
        journal.wait("a leads", 3)  # leads, leads ends, leads
        a.stop()
        mine = [" ".join(line.split()[1:3]) for line in journal.having("a")]
        words = [m.split()[0] + (" ends" if m.endswith("ends") else "") for m in mine]
        assert words == ["won", "leads", "leads ends", "lost", "stands", "stands ends", "won", "leads", "leads ends",
                         "lost"]
        assert journal.lines.index("a leads ends") < journal.lines.index(journal.having("b leads")[0])
    finally:
        proxy.stop()


def test_the_highest_priority_leads_next(lead, journal):
    a = lead("a")
    journal.wait("a leads")
    waiting = [lead("b"), lead("c", "--priority", "5"), lead("d", "--priority", "3")]
    for process in waiting:
        process.wait_err("waiting")
    a.stop()
    journal.wait("c leads")
    waiting[1].stop()
    journal.wait("d leads")
    waiting[2].stop()
    journal.wait("b leads")


def test_who_preempts_takes_the_leadership_over(lead, journal):
    a = lead("a", standby=STANDBY)
    first = journal.wait("a leads").split()
    b = lead("b", "--priority", "5", "--preempt")
    second = journal.wait("b leads").split()
    assert journal.lines.index("a leads ends") < journal.lines.index(" ".join(second))
    assert int(second[5]) > int(first[5])
    journal.wait("a stands")
    b.stop()
    journal.wait("a leads", 3)
    assert journal.lines.index("a stands ends") > journal.lines.index("b leads ends")


def test_who_does_not_preempt_waits(lead, journal):
    lead("a")
    journal.wait("a leads")
    b = lead("b", "--priority", "5")
    b.wait_err("waiting")
    assert not journal.having("a leads ends") and not journal.having("b leads")


# --- giving up ------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [["/bin/sh", "-c", "exit 1"], ["/no/such/program"]])
def test_after_n_failed_runs_another_host_leads(lead, journal, broken):
    a = lead("a", "--give-up", "2", "--restart-delay", "50ms", command_line=broken)
    a.wait_err("holds leadership")
    b = lead("b", "--give-up", "2", standby=STANDBY)
    journal.wait("b leads")
    assert a.err.count("holds leadership") >= 1
    assert a.process.poll() is None  # it stands for election again
    b.stop()
    wait_for(lambda: a.err.count("holds leadership") >= 2, 15, "it tries again")


def test_who_follows_is_ready_for_the_service_manager(lead, journal, tmp_path):
    lead("a")
    journal.wait("a leads")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(15 * SCALE)
        lead("b", env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        said = b""
        while b"READY=1" not in said:
            said = manager.recv(4096)
        assert not journal.having("b leads")


# --- standby and hooks ----------------------------------------------------------------------------


def test_the_standby_is_dead_before_the_leader_starts(lead, journal):
    a = lead("a")
    journal.wait("a leads")
    # The standby needs a while to end, and leaves a descendant that ignores the stop signal.
    b = lead("b", "--grace", "700ms", standby="""
        setsid sh -c 'trap "" TERM; echo daemon $$ >>"$JOURNAL"; while :; do sleep 0.02; done' &
        trap 'sleep 0.3; say b stands ends; exit' TERM; say b stands $$; while :; do sleep 0.02; done""",
             script="kill -0 $(grep daemon $JOURNAL | cut -d' ' -f2) && say alive; " + LOOP.format(part="leads"))
    journal.wait("daemon")
    journal.wait("b stands")
    a.stop()
    journal.wait("b leads")
    assert "alive" not in journal.lines
    assert journal.lines.index("b stands ends") < journal.lines.index(journal.having("b leads")[0])
    assert b.stop() == 7


def test_the_standby_has_no_lease_and_no_token(lead, journal):
    lead("a")
    journal.wait("a leads")
    lead("b", standby=STANDBY)
    assert journal.wait("b stands").split()[3:] == ["standby", "db", "none"]


def test_a_standby_that_dies_is_started_again(lead, journal):
    lead("a")
    journal.wait("a leads")
    lead("b", standby="say b stands; exit 1")
    journal.wait("b stands", 3)


def test_who_is_stopped_while_following_stops_the_standby(lead, journal):
    lead("a")
    journal.wait("a leads")
    b = lead("b", standby=STANDBY)
    child = journal.wait("b stands").split()[2]
    assert b.stop() == 128 + signal.SIGTERM
    assert "b stands ends" in journal.lines and not is_running(child)


def test_signals_reach_whatever_runs(lead, journal):
    script = "trap 'say got usr1 $ZK_ROLE' USR1; " + LOOP
    a = lead("a", script=script.format(part="leads"))
    journal.wait("a leads")
    b = lead("b", standby=script.format(part="stands"))
    journal.wait("b stands")
    a.signal(signal.SIGUSR1)
    journal.wait("got usr1 leader")
    b.signal(signal.SIGUSR1)
    journal.wait("got usr1 standby")


def test_hooks_run_around_the_command_and_know_the_token(lead, journal):
    a = lead("a", on_won=WON, on_lost=LOST)
    journal.wait("a leads")
    assert a.stop() == 7
    won, leads, ends, lost = journal.lines
    fence = leads.split()[5]
    assert won == f"a won leader db {fence}"
    assert ends == "a leads ends"
    assert lost == f"a lost standby db {fence}"


def test_on_lost_has_ended_before_the_next_one_leads(lead, journal):
    a = lead("a", on_lost="say a losing; sleep 0.5; say a lost")
    journal.wait("a leads")
    lead("b").wait_err("waiting")
    a.signal()
    journal.wait("b leads")
    assert journal.lines.index("a lost") < journal.lines.index(journal.having("b leads")[0])


def test_a_restart_under_the_same_leadership_runs_no_hook(lead, journal):
    lead("a", "--restart-delay", "10ms", script="say a leads; exit 1", on_won=WON, on_lost=LOST)
    journal.wait("a leads", 3)
    assert len(journal.having("a won")) == 1 and not journal.having("a lost")


def test_the_command_is_not_started_when_the_rest_of_a_hook_is_stopped(lead, journal, kazoo, root):
    a = lead("a", on_won="(trap '' TERM; say $WHO lingers; while :; do sleep 0.02; done) & sleep 0.3; exit 0")
    journal.wait("a lingers")
    a.wait_err("on-won: done")
    a.stop()
    assert not journal.having("a leads")
    assert is_clean(kazoo, root)


def test_a_stop_while_on_lost_runs_after_a_loss_waits_for_that_only(lead, journal, kazoo, root):
    a = lead("a", on_lost="say $WHO lost; sleep 1; say $WHO lost ends")
    journal.wait("a leads")
    for name in kazoo.get_children(f"{root}/election/db"):
        kazoo.delete(f"{root}/election/db/{name}")
    journal.wait("a lost")
    a.stop(deadline=5)
    assert "a lost ends" in journal.lines
    assert is_clean(kazoo, root)


def test_the_leadership_is_kept_until_on_lost_has_ended_whatever_the_ensemble_grants(lead, journal, tmp_path):
    ensemble = zk_server.start_ensemble(1)
    try:
        server = ensemble.servers[0]
        a = lead("a", "--session-timeout", "15s", "--grace", "4s", "--hook-timeout", "1m", connect=server.connect,
                 on_lost=f"say a lost; while ! [ -e {tmp_path}/enough ]; do sleep 0.05; done; say a lost ends")
        journal.wait("a leads")
        a.signal()
        journal.wait("a lost")
        server.stop()
        config = server.directory / "zoo.cfg"
        config.write_text(config.read_text().replace("maxSessionTimeout=60000", "maxSessionTimeout=4000"))
        server.start()
        a.wait_err("grace 4s", 30)
        b = lead("b", "--session-timeout", "4s", connect=server.connect)
        wait_for(lambda: "waiting" in b.err or journal.having("b leads"), 10, "b has asked")
        (tmp_path / "enough").touch()
        assert a.wait() == 125
        journal.wait("b leads")
        assert journal.lines.index("a lost ends") < journal.lines.index(journal.having("b leads")[0])
        b.stop()
    finally:
        ensemble.stop()


def test_a_hook_that_takes_too_long_is_killed_and_nothing_of_it_is_left(lead, journal):
    a = lead("a", "--hook-timeout", "300ms", on_won=WON,
             on_lost="trap '' TERM; say a lost $$; while :; do sleep 0.02; done")
    journal.wait("a leads")
    b = lead("b")
    b.wait_err("waiting")
    begun = time.monotonic()
    a.signal()
    hook = journal.wait("a lost").split()[2]
    journal.wait("b leads")
    assert not is_running(hook)
    assert time.monotonic() - begun < (0.3 + 1 + 1.5) * SCALE
    assert a.wait() == 7
    assert "not done after 300ms" in a.err


def test_a_failed_on_won_is_a_failed_start(lead, journal):
    a = lead("a", "--give-up", "2", "--restart-delay", "50ms", on_won="say a won; exit 1", on_lost="say a lost")
    journal.wait("a won")
    b = lead("b")
    journal.wait("b leads")
    assert not journal.having("a leads")
    assert journal.lines.index("a lost") < journal.lines.index(journal.having("b leads")[0])
    assert len(journal.having("a won")) == 2 and len(journal.having("a lost")) == 1
    b.stop()
    wait_for(lambda: len(journal.having("a won")) > 2, 15, "it tries again")
    a.stop()


def test_who_is_stopped_during_on_won_does_not_start_the_command(lead, journal, kazoo, root):
    a = lead("a", on_won="say a winning $$; while :; do sleep 0.02; done", on_lost="say a lost")
    hook = journal.wait("a winning").split()[2]
    assert a.stop() == 128 + signal.SIGTERM
    assert not is_running(hook)
    assert journal.lines[1:] == ["a lost"]
    assert is_clean(kazoo, root)


def test_a_leadership_that_is_lost_during_on_won_ends_it(lead, journal, zk):
    proxy = Proxy(zk.port)
    try:
        lease = Lease(3)
        a = lead("a", on_won="trap '' TERM; say a winning $$; while :; do sleep 0.02; done", connect=proxy.connect)
        hook = journal.wait("a winning").split()[2]
        cut = time.monotonic()
        proxy.silence()
        wait_for(lambda: not is_running(hook), 10, "the hook is dead")
        assert time.monotonic() - cut <= lease.lease + 0.5 * SCALE
        proxy.silence(False)
        journal.wait("a winning", 2)
        assert not journal.having("a leads")
        a.stop()
    finally:
        proxy.stop()


def test_a_second_signal_ends_on_lost(lead, journal, kazoo, root):
    a = lead("a", "--hook-timeout", "60s", on_lost="trap '' TERM; say a lost $$; while :; do sleep 0.02; done")
    journal.wait("a leads")
    a.signal()
    hook = journal.wait("a lost").split()[2]
    a.signal()
    assert a.wait() == 7
    assert not is_running(hook)
    assert is_clean(kazoo, root)


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, text", [
    (["--", "true"], "NAME is missing"),
    (["db", "--standby", "'a", "--", "true"], "not closed, at position 1"),
    (["db", "--on-won", " ", "--", "true"], "is no command"),
    (["db", "--priority", "10000", "--", "true"], "is no priority"),
    (["db", "--hook-timeout", "0", "--", "true"], "--hook-timeout must be"),
])
def test_a_mistake_is_125_and_one_line(run_zksup, arguments, text):
    process = run_zksup("lead", *arguments, connect=None)
    assert process.wait() == 125
    assert text in process.err
    assert len(process.err.splitlines()) == 1
