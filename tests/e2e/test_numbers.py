"""zksup run: numbers and fencing tokens, restarts and exit statuses, stops, signals, readiness."""

import os
import pathlib
import signal
import socket
import sys
import time

import pytest
from kazoo.exceptions import NoNodeError

from supervised import Lease, ignores_stop_signals
from zk_server import SCALE, free_ports, wait_for

PYTHON = sys.executable
FIXTURES = pathlib.Path(os.environ.get("ZKSUP_FIXTURES", "."))


def numbers(kazoo, root, pool="default"):
    """The numbers that are held. The pool is a container: empty, it goes."""
    return sorted(int(n) for n in children(kazoo, f"{root}/sequence/{pool}") if n.isdigit())


def records(kazoo, root, pool="default"):
    return children(kazoo, f"{root}/record/sequence/{pool}")


def children(kazoo, path):
    try:
        return kazoo.get_children(path)
    except NoNodeError:
        return []


# --- who gets which number ------------------------------------------------------------------------


def test_each_of_three_gets_the_next_number_and_a_higher_token(supervise, kazoo, root):
    held = []
    for i in (1, 2, 3):
        held.append(supervise("--name", f"unit-{i}"))
        start = held[-1].wait_starts()
        assert (start.number, start.restarts, start.unit) == (i, 0, f"unit-{i}")
    fences = [s.starts[0].fence for s in held]
    assert fences == sorted(set(fences)) and fences[0] > 0
    assert numbers(kazoo, root) == [1, 2, 3]

    assert held[1].zksup.stop() == 128 + signal.SIGTERM
    assert numbers(kazoo, root) == [1, 3]
    fourth = supervise().wait_starts()
    assert fourth.number == 2 and fourth.fence > fences[2]


def test_the_unit_is_named_after_its_command(supervise):
    assert supervise().wait_starts().unit == "sh"


def test_pools_count_apart(supervise):
    assert supervise("--pool", "a").wait_starts().number == 1
    assert supervise("--pool", "b").wait_starts().number == 1


def test_first_is_the_lowest_number(supervise):
    assert supervise("--first", "7").wait_starts().number == 7
    assert supervise("--first", "0").wait_starts().number == 0


def test_beyond_max_one_waits_and_gives_up_with_124(supervise):
    supervise("--max", "1").wait_starts()
    begun = time.monotonic()
    second = supervise("--max", "1", "--wait", "1s")
    assert second.zksup.wait() == 124
    assert time.monotonic() - begun >= 1
    assert second.starts == []
    assert "--wait 1s" in second.zksup.err


def test_no_time_to_wait_is_one_try(supervise):
    assert supervise("--max", "1", "--wait", "0").wait_starts().number == 1
    second = supervise("--max", "1", "--wait", "0")
    assert second.zksup.wait() == 124
    assert second.starts == []


def test_numbers_can_begin_and_end_with_zero(supervise):
    assert supervise("--first", "0", "--max", "0").wait_starts().number == 0
    assert supervise("--first", "0", "--max", "0", "--wait", "0").zksup.wait() == 124


def test_beyond_max_one_gets_the_number_that_becomes_free(supervise):
    first = supervise("--max", "1")
    first.wait_starts()
    second = supervise("--max", "1", "--wait", "60s")
    second.zksup.wait_err("waiting")
    assert second.starts == []
    first.zksup.stop()
    assert second.wait_starts().number == 1


def test_a_preferred_number_is_taken_if_it_is_free(supervise):
    assert supervise("--prefer", "7").wait_starts().number == 7
    assert supervise("--prefer", "7").wait_starts().number == 1


def test_a_number_that_a_foreign_client_holds_is_passed_over(supervise, kazoo, root):
    kazoo.ensure_path(f"{root}/sequence/default")
    kazoo.create(f"{root}/sequence/default/1", b"", ephemeral=True)
    assert supervise().wait_starts().number == 2
    kazoo.delete(f"{root}/sequence/default/1")
    assert supervise().wait_starts().number == 1


def test_the_number_of_a_dead_holder_is_passed_over_or_waited_for(supervise, kazoo, root):
    lease = Lease(3)
    dead = supervise("--session-timeout", "3s")
    dead.wait_starts()
    dead.zksup.signal(signal.SIGKILL)
    wait_for(lambda: numbers(kazoo, root) == [], 15, "the session of the dead holder ends")
    begun = time.monotonic()
    patient = supervise("--session-timeout", "3s", "--reuse", "wait")
    patient.zksup.wait_err("waiting")
    other = supervise("--session-timeout", "3s").wait_starts()
    if patient.starts == []:  # else W was over before the other came
        assert other.number > 1
    late = patient.wait_starts()
    assert late.number == 1
    assert late.fence > dead.starts[0].fence
    # Newcomers know nothing of the record's age: W counts from when it came in sight.
    assert time.monotonic() - begun >= lease.takeover * 0.9


def test_what_others_have_put_into_the_pool_is_left_alone(supervise, kazoo, root):
    kazoo.ensure_path(f"{root}/sequence/default")
    junk = ["01", "-1", "+2", "1x", "99999999999999999999999", "t-", "t-x", "notes", " 3", "t-a-99999999999"]
    for name in junk:
        kazoo.create(f"{root}/sequence/default/{name}", b"")
    unit = supervise()
    number = unit.wait_starts().number
    unit.zksup.stop()
    assert number == 1
    assert sorted(kazoo.get_children(f"{root}/sequence/default")) == sorted(junk)


# --- losing it ------------------------------------------------------------------------------------


def assert_lost_and_held_again(unit, take_away):
    first = unit.wait_starts()
    take_away(first)
    second = unit.wait_starts(2)
    assert second.fence > first.fence
    assert second.restarts == 1
    assert not pathlib.Path(f"/proc/{first.pid}").exists(), "the child under the lost number still runs"
    assert unit.processes() == [second.pid]
    assert "lost" in unit.zksup.err


def test_when_its_znode_is_deleted_the_child_is_stopped_and_starts_under_a_new_hold(supervise, kazoo, root):
    unit = supervise("--session-timeout", "3s")
    assert_lost_and_held_again(unit, lambda s: kazoo.delete(f"{root}/sequence/default/{s.number}"))


def test_when_its_record_is_deleted_the_child_is_stopped_and_starts_under_a_new_hold(supervise, kazoo, root):
    unit = supervise("--session-timeout", "3s")
    path = f"{root}/record/sequence/default"
    assert_lost_and_held_again(unit, lambda s: kazoo.delete(f"{path}/{s.number}", recursive=True))
    number = unit.starts[1].number
    assert records(kazoo, root) == [str(number)], "the record of the lost number was left behind"


def test_with_on_loss_stop_a_lost_number_ends_it_with_120(supervise, kazoo, root):
    unit = supervise("--session-timeout", "3s", "--on-loss", "stop")
    unit.wait_starts()
    kazoo.delete(f"{root}/sequence/default/1")
    assert unit.zksup.wait() == 120
    assert unit.processes() == [] and len(unit.starts) == 1
    assert records(kazoo, root) == []


# --- restarts and exit statuses -------------------------------------------------------------------


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("exit 255", 255)])
def test_without_restart_the_status_of_the_command_comes_back(supervise, kazoo, root, script, status):
    unit = supervise("--restart", "never", script=script)
    assert unit.zksup.wait() == status
    assert len(unit.starts) == 1
    assert numbers(kazoo, root) == []
    assert records(kazoo, root) == []


@pytest.mark.parametrize("restart", ["always", "never"])
@pytest.mark.parametrize("command, status", [("/nonexistent/program", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_be_executed_is_not_tried_again(run_zksup, restart, command, status):
    process = run_zksup("run", "--restart", restart, "--", command)
    assert process.wait() == status
    assert command in process.err


def test_a_command_is_looked_up_in_the_path(supervise):
    assert supervise("--restart", "never", command=["true"]).zksup.wait() == 0
    assert supervise("--restart", "never", command=["no-such-program-anywhere"]).zksup.wait() == 127


def test_with_restart_on_failure_only_a_failure_is_repeated(supervise):
    unit = supervise("--restart", "on-failure", script='[ "$ZKSUP_RESTARTS" = 2 ] && exit 0; exit 3')
    assert unit.zksup.wait() == 0
    assert [s.restarts for s in unit.starts] == [0, 1, 2]


def test_with_restart_always_the_number_and_the_token_stay_the_same(supervise):
    unit = supervise(script="exit 0")
    unit.wait_starts(4)
    unit.zksup.stop()
    assert {(s.number, s.fence) for s in unit.starts} == {(1, unit.starts[0].fence)}
    assert [s.restarts for s in unit.starts][:4] == [0, 1, 2, 3]


def test_more_restarts_than_the_limit_end_it_with_the_last_status(supervise):
    unit = supervise("--restart-limit", "3/1m", "--restart-delay", "10ms", script="exit 9")
    assert unit.zksup.wait() == 9
    assert len(unit.starts) == 4
    assert "exit" in unit.zksup.err


def test_more_clean_ends_than_the_limit_are_a_failure(supervise):
    unit = supervise("--restart-limit", "2/1m", "--restart-delay", "10ms", script="exit 0")
    assert unit.zksup.wait() == 125
    assert len(unit.starts) == 3


def test_what_a_command_leaves_behind_ends_with_it(supervise):
    unit = supervise("--restart", "never", script="setsid sleep 600 & exit 4")
    assert unit.zksup.wait() == 4
    assert unit.processes() == []


def test_a_child_that_is_killed_starts_again_under_the_same_hold(supervise):
    unit = supervise("--restart", "on-failure")
    first = unit.wait_starts()
    os.kill(first.pid, signal.SIGKILL)
    second = unit.wait_starts(2)
    assert (second.number, second.fence, second.restarts) == (first.number, first.fence, 1)
    assert unit.processes() == [second.pid]


def test_a_directory_cannot_be_executed(supervise):
    assert supervise("--restart", "never", command=["/usr/bin/"]).zksup.wait() == 126


# --- stopping -------------------------------------------------------------------------------------


def test_a_stopped_child_may_clean_up_and_its_status_comes_back(supervise, tmp_path):
    done = tmp_path / "done"
    # Says that it is there only once the trap is set.
    script = f'trap "echo clean >{done}; exit 7" TERM; : >{done}.set; while :; do sleep 0.1; done'
    unit = supervise(script=script)
    wait_for(pathlib.Path(f"{done}.set").exists, 10, "the trap is set")
    assert unit.zksup.stop() == 7
    assert done.read_text() == "clean\n"


def test_a_child_that_ignores_the_stop_signal_is_killed_after_the_grace(supervise):
    unit = supervise("--grace", "1s", command=[FIXTURES / "fixture-ignore-term", "x"])
    wait_for(lambda: ignores_stop_signals(unit.processes()), 10, "the child ignores what it can")
    unit.zksup.wait_err("started")
    begun = time.monotonic()
    assert unit.zksup.stop() == 137
    took = time.monotonic() - begun
    assert 0.95 <= took <= 1 + 0.75 * SCALE, f"{took:.3f} s with a grace of 1 s"
    assert unit.processes() == []


@pytest.mark.parametrize("first, second", [("TERM", "TERM"), ("INT", "TERM")])
def test_a_second_request_to_stop_kills_at_once(supervise, first, second):
    unit = supervise("-v", "--session-timeout", "60s", "--grace", "20s",
                     command=[FIXTURES / "fixture-ignore-term", "x"])
    unit.zksup.wait_err("started as process")
    wait_for(lambda: ignores_stop_signals(unit.processes()), 10, "the child ignores what it can")
    unit.zksup.signal(getattr(signal, "SIG" + first))
    unit.zksup.wait_err("-> stopping")
    begun = time.monotonic()
    unit.zksup.signal(getattr(signal, "SIG" + second))
    assert unit.zksup.wait() == 137
    assert time.monotonic() - begun <= 1 * SCALE


def test_the_stop_signal_can_be_chosen(supervise, tmp_path):
    ready = tmp_path / "ready"
    unit = supervise("--stop-signal", "QUIT", "--restart", "never",
                     script=f'trap "exit 6" QUIT; trap "exit 5" TERM; : >{ready}; while :; do sleep 0.1; done')
    wait_for(ready.exists, 10, "the traps are set")
    assert unit.zksup.stop() == 6


def test_while_waiting_a_stop_ends_it_at_once_without_a_start(supervise):
    supervise("--max", "1").wait_starts()
    second = supervise("--max", "1")
    second.zksup.wait_err("waiting")
    begun = time.monotonic()
    assert second.zksup.stop() == 128 + signal.SIGTERM
    assert time.monotonic() - begun < 2 * SCALE
    assert second.starts == []


def test_a_stop_at_any_moment_of_the_start_leaves_nothing_behind(supervise, kazoo, root):
    units = []
    for i in range(40):
        unit = supervise("--name", f"u{i}")
        moment = time.monotonic() + 0.0015 * i * SCALE
        wait_for(lambda: time.monotonic() >= moment, 5, "the moment", 0.0005)
        unit.zksup.signal()
        units.append(unit)
    assert [u.zksup.wait() for u in units] == [128 + signal.SIGTERM] * len(units)
    started = sum(len(u.starts) for u in units)
    print(f"{started} of {len(units)} had started their child")
    assert [p for u in units for p in u.processes()] == []
    assert records(kazoo, root) == []
    assert children(kazoo, f"{root}/sequence/default") == []


def test_a_stop_during_the_pause_between_two_runs_ends_it_with_the_last_status(supervise):
    unit = supervise("-v", "--restart-delay", "30s", "--restart-delay-max", "60s", script="exit 3")
    unit.zksup.wait_err("-> backoff")
    begun = time.monotonic()
    assert unit.zksup.stop() == 3
    assert time.monotonic() - begun <= 1 * SCALE


# --- signals and what the child inherits ----------------------------------------------------------

RECORD_SIGNALS = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.write(out, b"ready\\n")
while True:
    number = signal.sigwait(range(1, 65))
    os.write(out, b"%d\\n" % number)
    if number == signal.SIGTERM:
        sys.exit(0)
"""


def test_signals_reach_the_child_in_order(supervise, tmp_path):
    path = tmp_path / "signals"
    unit = supervise("--restart", "never", command=[PYTHON, "-c", RECORD_SIGNALS, str(path)])

    def seen():
        return path.read_text().split() if path.exists() else []

    wait_for(lambda: seen() == ["ready"], 10, "the child waits for signals")
    sent = ["ready"]
    for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGRTMIN + 1, signal.SIGWINCH, signal.SIGQUIT):
        unit.zksup.signal(number)
        sent.append(str(int(number)))
        wait_for(lambda: seen() == sent, 10, f"signal {number} reaches the child: {sent}")
    # Real-time signals queue: none may be lost on the way.
    for _ in range(10):
        unit.zksup.signal(signal.SIGRTMIN + 2)
    sent += [str(signal.SIGRTMIN + 2)] * 10
    wait_for(lambda: seen() == sent, 10, "ten queued signals")
    assert unit.zksup.stop() == 0
    assert seen() == sent + ["15"]


TELL = """
import os, sys
print("cwd", os.getcwd())
mask = os.umask(0)
print("umask", oct(mask))
print("fds", *(fd for fd in range(1000) if os.path.exists("/proc/self/fd/%d" % fd)))
for line in open("/proc/self/status"):
    if line.startswith(("SigBlk:", "SigIgn:")):
        print(*line.split())
sys.stderr.write("to-err\\n")
"""


@pytest.mark.parametrize("verbose", [["-v"], []])
def test_when_nobody_reads_its_log_any_more_the_child_does_not_hear_of_it(supervise, verbose):
    read_end, write_end = os.pipe()
    os.close(read_end)
    unit = supervise(*verbose, "--restart", "never", "--session-timeout", "2s", script="sleep 1; exit 2",
                     preexec_fn=lambda: os.dup2(write_end, 2))
    os.close(write_end)
    assert unit.zksup.wait() == 2


def test_a_pipe_signal_from_elsewhere_is_passed_on(supervise):
    unit = supervise("--restart", "never")
    unit.wait_starts()
    unit.zksup.signal(signal.SIGPIPE)
    assert unit.zksup.wait() == 128 + signal.SIGPIPE


def test_the_child_starts_with_what_zksup_was_started_with(supervise, tmp_path):
    directory = tmp_path / "here"
    directory.mkdir()

    def prepare():
        os.chdir(directory)
        os.umask(0o027)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        signal.signal(signal.SIGALRM, signal.SIG_IGN)

    unit = supervise("--restart", "never", preexec_fn=prepare, command=[PYTHON, "-c", TELL])
    assert unit.zksup.wait() == 0
    told = dict(line.split(" ", 1) for line in unit.zksup.out.splitlines())
    assert told["cwd"] == str(directory)
    assert told["umask"] == "0o27"
    # Python itself ignores PIPE and XFSZ, but says what it found of the others.
    assert int(told["SigBlk:"], 16) == 1 << (signal.SIGUSR2 - 1)
    ours = ~(1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1))
    assert int(told["SigIgn:"], 16) & ours == 1 << (signal.SIGALRM - 1)
    # Descriptors of zksup and of the guard stay there.
    assert told["fds"] == "0 1 2"
    assert "to-err" in unit.zksup.err


def test_the_notify_socket_of_the_service_manager_is_not_the_childs(supervise, tmp_path):
    unit = supervise("--restart", "never", script='echo "socket=$NOTIFY_SOCKET"',
                     env={"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    assert unit.zksup.wait() == 0
    assert unit.zksup.out == "socket=\n"


def test_arguments_reach_the_command_untouched(supervise):
    unit = supervise("--restart", "never", command=["/usr/bin/printf", "[%s]", "a b", "", "$HOME", "--connect", "é\n"])
    assert unit.zksup.wait() == 0
    assert unit.zksup.out == "[a b][][$HOME][--connect][é\n]"


def test_started_with_sigchld_ignored_the_status_comes_back_all_the_same(supervise):
    unit = supervise("--restart", "never", script="exit 3",
                     preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert unit.zksup.wait() == 3


def test_started_with_every_signal_blocked_it_can_be_stopped(supervise):
    unit = supervise(preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)))
    start = unit.wait_starts()
    unit.zksup.signal()
    # The child got the mask, so TERM is left pending there and the grace runs out.
    assert unit.zksup.wait() == 137
    assert not pathlib.Path(f"/proc/{start.pid}").exists()


def test_started_without_standard_descriptors_the_child_gets_none_of_zksups_own(supervise, tmp_path):
    told = tmp_path / "told"
    code = ("import os; out = open(%r, 'w'); "
            "print(*(os.readlink('/proc/self/fd/%%d' %% fd) for fd in (0, 1, 2) "
            "if os.path.exists('/proc/self/fd/%%d' %% fd)), file=out)") % str(told)

    def close_all():
        for fd in (0, 1, 2):
            os.close(fd)

    unit = supervise("--restart", "never", command=[PYTHON, "-c", code], preexec_fn=close_all)
    assert unit.zksup.wait() == 0
    given = [path for path in told.read_text().split() if path not in ("/dev/null", str(told))]
    assert given == [], "descriptors of zksup are in the hands of the child"


def test_a_long_command_line_arrives_whole(supervise):
    unit = supervise("--restart", "never", command=["/bin/sh", "-c", 'echo "$# ${#1}"', "sh", *(["x" * 1000] * 1000)])
    assert unit.zksup.wait() == 0
    assert unit.zksup.out == "1000 1000\n"


# --- readiness ------------------------------------------------------------------------------------


class ServiceManager:
    """Listens as systemd would on $NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.seen = []

    def wait(self, state, deadline=15):
        """Reads until STATE has come."""
        self.socket.settimeout(deadline * SCALE)
        while state not in self.seen:
            self.seen += self.socket.recv(4096).decode().splitlines()


READY_NOTIFY = """
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
s.send(b"STATUS=warming up")
time.sleep(0.3)
open(sys.argv[1], "w").close()
s.send(b"READY=1")
time.sleep(600)
"""
READY_TCP = """
import socket, sys, time
time.sleep(0.3)
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[2])))
open(sys.argv[1], "w").close()
s.listen()
time.sleep(600)
"""
READY_HTTP = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        good = Handler.asked > 2 and self.path == "/health"
        if good:
            open(sys.argv[1], "w").close()
        self.send_response(204 if good else 503)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""


@pytest.mark.parametrize("how", ["notify", "fd", "fd-high", "tcp", "http", "exec"])
def test_readiness_is_announced_once_the_child_is_ready_and_not_before(supervise, tmp_path, how):
    manager = ServiceManager(tmp_path / "notify")
    prepared = tmp_path / "prepared"
    (port,) = free_ports(1)
    python = [PYTHON, "-c"]
    ready, command = {
        "notify": ("notify", [*python, READY_NOTIFY, prepared]),
        "fd": ("fd:3", ["/bin/sh", "-c", f"sleep 0.3; : >{prepared}; echo >&3; exec sleep 600"]),
        "fd-high": ("fd:42", ["/bin/bash", "-c", f"sleep 0.3; : >{prepared}; echo >&42; exec sleep 600"]),
        "tcp": (f"tcp:{port}", [*python, READY_TCP, prepared, port]),
        "http": (f"http://127.0.0.1:{port}/health", [*python, READY_HTTP, prepared, port]),
        "exec": (f"exec:/usr/bin/test -e {prepared}", ["/bin/sh", "-c", f"sleep 0.3; : >{prepared}; exec sleep 600"]),
    }[how]
    unit = supervise("--ready", ready, command=[str(c) for c in command], env={"NOTIFY_SOCKET": manager.path})
    manager.wait("READY=1")
    assert prepared.exists(), "announced before the child was ready"
    assert unit.zksup.stop() == 143
    manager.wait("STOPPING=1")
    if how == "notify":
        assert "STATUS=warming up" in manager.seen


def test_without_a_probe_a_started_child_is_ready(supervise, tmp_path):
    manager = ServiceManager(tmp_path / "notify")
    first = supervise("--max", "1")
    first.wait_starts()
    unit = supervise("--max", "1", env={"NOTIFY_SOCKET": manager.path})
    unit.zksup.wait_err("waiting")
    first.zksup.stop()
    manager.wait("READY=1")
    assert len(unit.starts) <= 1
    unit.wait_starts()


def test_a_child_that_is_not_ready_in_time_is_a_failed_run(supervise):
    unit = supervise("--ready", "notify", "--ready-timeout", "500ms", "--restart", "never")
    assert unit.zksup.wait() == 125
    assert unit.processes() == []
