"""zksup lock: who is inside with whom, how long one waits, what comes out, and what is left behind."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from kazoo.exceptions import NoNodeError

from journal import Journal, is_running, shell
from supervised import Lease
from tcp_proxy import Proxy
from zk_server import SCALE, wait_for

FIXTURES = pathlib.Path(os.environ.get("ZKSUP_FIXTURES", "."))
# Says that it is inside, stays until the file $GO is there, and says that it leaves.
INSIDE = 'say in $1 $ZK_FENCE; while ! [ -e "$GO" ]; do sleep 0.02; done; say out $1'


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


@pytest.fixture
def lock(run_zksup, journal, tmp_path):
    """lock(OPTION..., script=..., who="a", go="go") -> Zksup. The script is given `who` as its first argument."""

    def start(*options, script=INSIDE, command=None, who="a", go="go", name="job", env=None, **rest):
        command = command or [*shell(script), "sh", who]
        env = {**journal.env, "GO": str(tmp_path / go), **(env or {})}
        return run_zksup("lock", name, "--name", who, *options, "--", *command, env=env, **rest)

    return start


@pytest.fixture
def let_go(tmp_path):
    return lambda go="go": (tmp_path / go).touch()


def contenders(kazoo, root, name="job"):
    try:
        return kazoo.get_children(f"{root}/lock/{name}")
    except NoNodeError:
        return []


def is_clean(kazoo, root, name="job"):
    return not contenders(kazoo, root, name) and kazoo.exists(f"{root}/record/lock/{name}") is None


def fences(journal):
    return [int(line.split()[2]) for line in journal.having("in")]


# --- what comes out -------------------------------------------------------------------------------


@pytest.mark.parametrize("script, status", [
    ("exit 0", 0),
    ("exit 3", 3),
    ("exit 200", 200),
    ("kill -KILL $$", 128 + signal.SIGKILL),
    ("kill -TERM $$", 128 + signal.SIGTERM),
])
def test_the_status_is_the_commands(lock, kazoo, root, script, status):
    assert lock(script=script).wait() == status
    assert is_clean(kazoo, root)


def test_a_command_that_is_not_there_is_127_and_one_that_is_no_program_126(lock, tmp_path, kazoo, root):
    assert lock(command=["/no/such/program"]).wait() == 127
    (tmp_path / "text").write_text("no program")
    assert lock(command=[str(tmp_path / "text")]).wait() == 126
    assert is_clean(kazoo, root)


def test_the_command_knows_its_lock_and_its_token(lock, journal):
    assert lock(script='say "$ZK_LOCK $ZK_FENCE ${ZK_SEQUENCE-none}"').wait() == 0
    name, fence, number = journal.lines[0].split()
    assert (name, number) == ("job", "none")
    assert int(fence) > 0


def test_tokens_grow_from_holder_to_holder(lock, journal):
    for _ in range(4):
        assert lock(script="say in x $ZK_FENCE").wait() == 0
    held = fences(journal)
    assert held == sorted(set(held)) and len(held) == 4


@pytest.mark.parametrize("arguments, text", [
    (["--", "true"], "NAME is missing"),
    (["job"], "there is no command"),
    (["job", "job2", "--", "true"], "'job2' is no option"),
    (["a/b", "--", "true"], "cannot be the name of a znode"),
    (["job", "--shared", "--slots", "2", "--", "true"], "only one of"),
    (["job", "--wait", "1s", "--no-wait", "--", "true"], "only one of"),
    (["job", "--slots", "0", "--", "true"], "is no number of slots"),
    (["job", "--on-unkillable", "x", "--", "true"], "is none of hold takeover"),
])
def test_a_mistake_is_125_and_one_line(run_zksup, arguments, text):
    process = run_zksup("lock", *arguments, connect=None)
    assert process.wait() == 125
    assert text in process.err
    assert len(process.err.splitlines()) == 1


def test_options_may_stand_before_and_after_the_name(run_zksup, journal):
    process = run_zksup("lock", "--quiet", "job", "--no-wait", "--", *shell("say in"), env=journal.env)
    assert process.wait() == 0
    assert journal.lines == ["in"]


# --- one at a time --------------------------------------------------------------------------------


def test_each_is_alone_inside_and_all_are_served(lock, journal, kazoo, root):
    script = "say in $1 $ZK_FENCE; sleep 0.05; say out $1"
    for _ in range(2):
        running = [lock(script=script, who=f"w{i}") for i in range(5)]
        for process in running:
            assert process.wait(60) == 0
    entered = [line.split()[:2] for line in journal.lines]
    for first, second in zip(entered[::2], entered[1::2]):
        assert (first[0], second[0]) == ("in", "out") and first[1] == second[1], journal
    held = fences(journal)
    assert len(held) == 10 and held == sorted(set(held))
    assert is_clean(kazoo, root)


def test_they_come_in_the_order_of_their_asking(lock, journal, let_go, kazoo, root):
    lock(who="first").wait_err("started")
    waiting = []
    for i in range(3):
        waiting.append(lock(who=f"w{i}", script="say in $1 0"))
        wait_for(lambda n=i: len(contenders(kazoo, root)) == n + 2, 10, "it stands in line")
    let_go()
    for process in waiting:
        assert process.wait() == 0
    assert [line.split()[1] for line in journal.having("in")] == ["first", "w0", "w1", "w2"]


def test_the_next_one_starts_only_after_the_last_descendant_is_dead(lock, journal):
    # The descendant is in a session of its own and ignores the stop signal: it lives until the grace is over.
    first = lock(script="""
        setsid sh -c 'trap "" TERM; echo daemon $$ >>"$JOURNAL"; while :; do sleep 0.02; done' &
        while ! grep -q daemon "$JOURNAL"; do sleep 0.02; done; say main ends; exit 5""",
        who="first")
    journal.wait("main ends")
    daemon = journal.wait("daemon").split()[1]
    second = lock(script=f"kill -0 {daemon} && say alive; say in", who="second")
    assert first.wait() == 5
    assert second.wait() == 0
    assert "alive" not in journal.lines and journal.lines[-1] == "in"


def test_a_descendant_that_ignores_everything_is_killed_before_the_release(lock, journal):
    first = lock(command=[str(FIXTURES / "fixture-double-fork"), "leave"], who="first")
    second = lock(script="say in", who="second")
    assert first.wait() == 3
    assert second.wait() == 0


# --- readers, writers, slots ----------------------------------------------------------------------


@pytest.mark.parametrize("writing", [[], ["--exclusive"]])
def test_readers_are_together_and_a_writer_is_alone(lock, journal, let_go, kazoo, root, writing):
    readers = [lock("--shared", who=f"r{i}", go="readers-go") for i in range(3)]
    journal.wait("in r", 3)
    writer = lock(*writing, who="writer", go="writer-go")
    writer.wait_err("waiting")
    late = lock("--shared", who="late", go="late-go")
    late.wait_err("waiting")  # behind the writer, so that the writer does not starve
    let_go("readers-go")
    journal.wait("in writer")
    assert len(journal.having("out r")) == 3 and not journal.having("in late")
    let_go("writer-go")
    let_go("late-go")
    for process in (*readers, writer, late):
        assert process.wait() == 0
    assert journal.lines[-2:] == [journal.having("in late")[0], "out late"]
    assert journal.lines[-3] == "out writer"
    assert is_clean(kazoo, root)


def test_two_slots_let_two_of_four_in_at_a_time(lock, journal, let_go, tmp_path):
    script = 'say in $1 $ZK_SEQUENCE; while ! [ -e "$GO" ]; do sleep 0.02; done; say out $1'
    running = [lock("--slots", "2", who=f"w{i}", go=f"go{i}", script=script) for i in range(4)]
    for entered in (2, 3, 4):
        journal.wait("in", entered)
        inside = {line.split()[1] for line in journal.having("in")} - {line.split()[1] for line in journal.having("out")}
        assert len(inside) == 2, journal
        let_go("go" + inside.pop()[1:])
    for i in range(4):
        let_go(f"go{i}")
    for process in running:
        assert process.wait() == 0
    assert {line.split()[2] for line in journal.having("in")} == {"1", "2"}
    inside = 0
    for line in journal.lines:
        inside += 1 if line.startswith("in") else -1
        assert 0 <= inside <= 2, journal


# --- waiting --------------------------------------------------------------------------------------


def test_without_waiting_it_is_124_at_once(lock, journal, let_go):
    lock().wait_err("started")
    begun = time.monotonic()
    second = lock("--no-wait", who="second")
    assert second.wait() == 124
    assert time.monotonic() - begun < 3 * SCALE
    assert not journal.having("in second")
    let_go()


def test_who_gives_up_while_it_is_about_to_get_it_leaves_nothing(lock, kazoo, root):
    for wait in (["--no-wait"], ["--wait", "1ms"], ["--wait", "5ms"], ["--wait", "9ms"]):
        running = [lock(*wait, "--quiet", who=f"w{i}", script="exit 0") for i in range(5)]
        assert {process.wait() for process in running} <= {0, 124}
        assert is_clean(kazoo, root), wait


def test_a_free_lock_is_taken_without_waiting(lock, let_go):
    let_go()
    assert lock("--no-wait").wait() == 0


def test_one_waits_as_long_as_was_said(lock, journal, kazoo, root):
    lock().wait_err("started")
    begun = time.monotonic()
    second = lock("--wait", "1s", who="second")
    assert second.wait() == 124
    assert 1 <= time.monotonic() - begun < 1 + 3 * SCALE
    assert "--wait 1s" in second.err and not journal.having("in second")
    wait_for(lambda: len(contenders(kazoo, root)) == 1, 5, "it has left the line")


def test_who_waits_says_for_whom_and_only_once(lock, let_go):
    lock(who="holder").wait_err("started")
    second = lock(who="second")
    second.wait_err("unit 'holder'")
    quiet = lock("--quiet", who="quiet")
    time_of_waiting = time.monotonic()
    wait_for(lambda: time.monotonic() - time_of_waiting > 2, 5, "two renewals of the holder")
    waiting = [line for line in second.err.splitlines() if "waiting" in line]
    assert len(waiting) == len(set(waiting)) <= 2, second.err
    let_go()
    assert second.wait() == 0
    assert quiet.wait() == 0
    assert quiet.err == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
def test_a_signal_ends_the_wait_at_once_and_leaves_nothing(lock, journal, kazoo, root, number):
    lock().wait_err("started")
    second = lock(who="second")
    second.wait_err("waiting")
    begun = time.monotonic()
    second.signal(number)
    assert second.wait() == 128 + number
    assert time.monotonic() - begun < 1 * SCALE
    assert len(contenders(kazoo, root)) == 1 and not journal.having("in second")


def test_without_an_ensemble_too_a_signal_ends_the_wait(lock):
    process = lock(connect="127.0.0.1:1")
    process.wait_err("no ensemble")
    begun = time.monotonic()
    process.signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    # What may have been asked for is given up on after the time of a release.
    assert time.monotonic() - begun < 7 * SCALE


def test_hup_does_not_end_the_wait_of_one_started_with_nohup(lock, let_go):
    lock().wait_err("started")
    second = lock(who="second", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    second.wait_err("waiting")
    second.signal(signal.SIGHUP)
    let_go()
    assert second.wait() == 0


def test_no_ensemble_within_the_connect_timeout_is_121(lock):
    assert lock("--connect-timeout", "500ms", connect="127.0.0.1:1").wait() == 121


# --- how long it is held --------------------------------------------------------------------------


def test_a_short_command_keeps_the_lock_for_hold_min(lock, journal):
    first = lock("--hold-min", "2s", script="say in $1; exit 4", who="first")
    journal.wait("in first")
    begun = time.monotonic()
    second = lock(script="say in $1", who="second")
    assert second.wait() == 0
    assert time.monotonic() - begun >= 1.8
    assert first.wait() == 4


def test_a_signal_cuts_hold_min_short_and_the_status_stays_the_commands(lock, kazoo, root):
    first = lock("--hold-min", "60s", script="exit 4")
    first.wait_err("exited with status 4")
    begun = time.monotonic()
    first.signal(signal.SIGTERM)
    assert first.wait() == 4
    assert time.monotonic() - begun < 5 * SCALE
    assert is_clean(kazoo, root)


# --- what does not die ----------------------------------------------------------------------------


@pytest.fixture
def keep_undead():
    """keep_undead(PID): from then on the process, once killed, stays in the way of its parent: a tracer from
    outside the tree is told of its death first, and does not ask. Ends with keep_undead.let_go()."""
    tracers = []

    def keep(pid):
        code = ("import ctypes, sys, time\n"
                "p = ctypes.CDLL(None).ptrace\n"
                "p.argtypes = [ctypes.c_long] * 4\n"
                f"print(p(0x4206, {pid}, 0, 0), flush=True)\n"  # PTRACE_SEIZE
                "time.sleep(600)")
        tracers.append(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE))
        if tracers[-1].stdout.readline().strip() != b"0":
            pytest.skip("no process can be traced here")

    def let_go():
        for tracer in tracers:
            tracer.kill()
            tracer.wait()
            tracer.stdout.close()
        tracers.clear()

    keep.let_go = let_go
    yield keep
    let_go()


def begin_unkillable(lock, journal, keep_undead, *options):
    first = lock("--session-timeout", "2s", "--contain", "subreaper", *options, who="first",
                 script="say in $1 $ZK_FENCE $$; exec sleep 600")
    keep_undead(journal.wait("in first").split()[3])
    first.signal()
    first.wait_err("do not die of SIGKILL")
    return first


def test_while_the_tree_does_not_die_nobody_else_starts(lock, journal, keep_undead, kazoo, root):
    first = begin_unkillable(lock, journal, keep_undead)
    second = lock("--session-timeout", "2s", who="second", script="say in $1 $ZK_FENCE")
    second.wait_err("could not be killed")
    time_of_that = time.monotonic()
    wait_for(lambda: time.monotonic() - time_of_that > 1.5 * Lease(2).takeover, 10, "any lease has run out")
    assert second.process.poll() is None and first.process.poll() is None
    keep_undead.let_go()
    assert second.wait() == 0
    assert first.wait() == 128 + signal.SIGKILL
    assert is_clean(kazoo, root)


def test_with_takeover_the_next_one_starts_when_the_lease_has_run_out(lock, journal, keep_undead, kazoo, root):
    first = begin_unkillable(lock, journal, keep_undead, "--on-unkillable", "takeover")
    begun = time.monotonic()
    second = lock("--session-timeout", "2s", who="second", script="say in $1 $ZK_FENCE")
    assert second.wait() == 0
    assert time.monotonic() - begun >= 0.5 * Lease(2).takeover
    assert first.process.poll() is None
    held = fences(journal)
    assert held == sorted(set(held)) and len(held) == 2
    keep_undead.let_go()
    assert first.wait() == 128 + signal.SIGKILL
    assert is_clean(kazoo, root)


def test_with_takeover_the_next_run_of_a_job_starts_when_the_lease_has_run_out(run_zksup, journal, keep_undead):
    def cron(who, *options):
        return run_zksup("cron", "job", "@every 1s", "--session-timeout", "2s", "--contain", "subreaper", *options,
                         "--", *shell("say in $1 $ZK_FENCE $$; exec sleep 600"), who, who, env=journal.env, name=who)

    first = cron("first", "--on-unkillable", "takeover")
    keep_undead(journal.wait("in first").split()[3])
    first.signal()
    first.wait_err("do not die of SIGKILL")
    begun = time.monotonic()
    second = cron("second")
    journal.wait("in second", deadline=25)
    assert time.monotonic() - begun >= 0.5 * Lease(2).takeover
    assert first.process.poll() is None
    held = fences(journal)
    assert held == sorted(set(held))
    keep_undead.let_go()
    first.wait()
    second.stop()


# --- what is lost ---------------------------------------------------------------------------------


def test_a_lock_that_is_lost_is_120_and_the_command_dead(lock, journal, zk):
    proxy = Proxy(zk.port)
    try:
        lease = Lease(3)
        process = lock("--session-timeout", "3s", script="say in $$; exec sleep 600", connect=proxy.connect)
        child = journal.wait("in").split()[1]
        cut = time.monotonic()
        proxy.silence()
        wait_for(lambda: not is_running(child), 10, "the command is dead")
        assert time.monotonic() - cut <= lease.lease + 0.5 * SCALE
        proxy.silence(False)
        assert process.wait() == 120
    finally:
        proxy.stop()


def test_a_lock_whose_znode_was_deleted_is_120_or_asked_for_again(lock, journal, kazoo, root):
    for again in (False, True):
        script = "say in $1 $ZK_FENCE; exec sleep 600"
        process = lock(*(["--on-loss", "restart"] if again else []), script=script, who=f"again{again}")
        journal.wait(f"in again{again}")
        (node,) = contenders(kazoo, root)
        kazoo.delete(f"{root}/lock/job/{node}")
        if not again:
            assert process.wait() == 120
        else:
            journal.wait(f"in again{again}", 2)
            assert process.stop() == 128 + signal.SIGTERM
    held = fences(journal)
    assert held == sorted(set(held)) and len(held) == 3
    assert is_clean(kazoo, root)


def test_after_a_crash_the_next_one_waits_until_the_record_has_run_out(lock, journal, kazoo, root):
    lease = Lease(2)
    first = lock("--session-timeout", "2s", script="say in $1 $ZK_FENCE; exec sleep 600", who="first")
    journal.wait("in first")
    second = lock("--session-timeout", "2s", script="say in $1 $ZK_FENCE", who="second")
    second.wait_err("waiting")
    begun = time.monotonic()
    first.signal(signal.SIGKILL)
    assert second.wait() == 0
    assert time.monotonic() - begun >= lease.lease * 0.8
    held = fences(journal)
    assert held == sorted(set(held)) and len(held) == 2
    assert is_clean(kazoo, root)


def test_two_signals_kill_a_command_that_does_not_want_to_end(lock, journal, kazoo, root):
    process = lock("--verbose", script='trap "" TERM; say in; while :; do sleep 0.02; done')
    journal.wait("in")
    begun = time.monotonic()
    process.signal(signal.SIGTERM)
    process.wait_err("-> stopping")
    process.signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGKILL
    assert time.monotonic() - begun < 2 * SCALE  # the grace is three seconds
    assert is_clean(kazoo, root)


def test_the_lock_runs_without_a_terminal_and_passes_standard_input_on(lock, journal):
    read, write = os.pipe()
    process = lock(script='read line; say "got $line"', stdin=read)
    os.close(read)
    os.write(write, b"hello\n")
    os.close(write)
    assert process.wait() == 0
    assert journal.lines == ["got hello"]
