"""Jobs: three hosts and a schedule, of which one host is killed and one is cut off; runs that last longer than
a tick; ticks that passed while nobody was there; and one tick under the host's own cron.

Two witnesses that know nothing of zksup: a file to which each run adds a line at its start and its end, and
a lock of the kernel that each run must get at once. The book of the job is read by kazoo.

    ZKSUP_TEST_LONG=1   the first test for two minutes rather than fifteen seconds"""

import collections
import os
import pathlib
import signal
import socket
import time

import pytest

from tcp_proxy import Proxy
from zk_server import SCALE, wait_for

SECONDS = 120 if os.environ.get("ZKSUP_TEST_LONG") == "1" else 15
SESSION = 2.0
RUN = """
exec 9>>"$WITNESS.lock"
flock -n 9 || echo "conflict $ZKSUP_TICK $ZK_FENCE $HOST" >>"$WITNESS"
echo "start $ZKSUP_TICK $ZK_FENCE $HOST" >>"$WITNESS"
{}
echo "end $ZKSUP_TICK $ZK_FENCE $HOST" >>"$WITNESS"
"""
RUN_MARKS = ("done", "killed", "timeout", "unknown", "running")
Entry = collections.namedtuple("Entry", "mark tick until count status")
Line = collections.namedtuple("Line", "what tick fence host")


class Book:
    def __init__(self, data):
        lines = [line.split(" ") for line in data.decode().splitlines()]
        assert lines[0] == ["zksup-cron", "1"]
        self.keys = {w[0]: w[1] for w in lines if len(w) == 2}
        self.totals = {w[1]: int(w[2]) for w in lines if w[0] == "total"}
        self.entries = [
            Entry(w[0], int(w[1]), int(w[1]), 1, w[4]) if w[0] in RUN_MARKS
            else Entry(w[0], int(w[1]), int(w[2]), int(w[3]), "-")
            for w in lines if w[0] in RUN_MARKS + ("skipped", "missed")
        ]
        self.since, self.last = int(self.keys["since"]), int(self.keys["last"])

    def marks(self, period):
        """tick -> mark, of the entries that there still are. "stopped": by TERM, maybe before its first line.
        "queued": claimed, and put back when TERM came before its start."""
        marks = {
            t: "stopped" if e.status == "143" else e.mark
            for e in self.entries for t in range(e.tick, e.until + 1, period)
        }
        if "queued" in self.keys:
            marks[int(self.keys["queued"])] = "queued"
        return marks

    @property
    def accounted(self):
        running = sum(e.mark == "running" for e in self.entries)
        return sum(self.totals.values()) + running + ("queued" in self.keys)


class Job:
    """A job, its book and its witness."""

    def __init__(self, run, kazoo, root, directory, zk):
        self.run, self.kazoo, self.root, self.zk = run, kazoo, root, zk
        self.witness = pathlib.Path(directory) / "witness"
        self.witness.touch()

    def start(self, host, *options, script="sleep 0.3", schedule="@every 1s", connect=None, **rest):
        return self.run(
            "cron", "--session-timeout", f"{SESSION}s", *options, "job", schedule, "--", "sh", "-c", RUN.format(script),
            connect=connect or self.zk.connect, name=f"{host}-{time.monotonic_ns()}",
            env={"WITNESS": str(self.witness), "HOST": host}, **rest,
        )

    @property
    def lines(self):
        return [
            Line(w[0], int(w[1]), int(w[2]), w[3])
            for w in (line.split(" ") for line in self.witness.read_text().splitlines())
        ]

    def of(self, what):
        return [line for line in self.lines if line.what == what]

    @property
    def book(self):
        return Book(self.kazoo.get(f"{self.root}/cron/job")[0])

    def write_book(self, last):
        self.kazoo.create(
            f"{self.root}/cron/job", f"zksup-cron 1\nsince {last}\nlast {last}\n".encode(), makepath=True
        )

    def wait_lines(self, what, count, deadline=20):
        wait_for(lambda: len(self.of(what)) >= count, deadline, f"{count} of '{what}' in {self.witness}", 0.01)
        return self.of(what)

    def under_way(self):
        """The host whose run has started and not ended, or None."""
        lines = self.lines
        return lines[-1].host if lines and lines[-1].what == "start" else None

    def check(self):
        """What must hold at any time: nothing ran twice, and nothing at once."""
        starts = self.of("start")
        ticks = [line.tick for line in starts]
        assert len(set(ticks)) == len(ticks), f"run twice: {[t for t in ticks if ticks.count(t) > 1]}"
        assert not self.of("conflict")
        fences = [line.fence for line in starts]
        assert fences == sorted(set(fences)), "the fencing tokens do not grow"


@pytest.fixture
def job(run_zksup, kazoo, root, tmp_path, zk):
    return Job(run_zksup, kazoo, root, tmp_path, zk)


@pytest.fixture
def proxies(zk):
    made = [Proxy(int(zk.connect.rpartition(":")[2])) for _ in range(3)]
    yield made
    for proxy in made:
        proxy.stop()


def test_three_hosts_one_killed_and_one_cut_run_each_tick_at_most_once(job, proxies):
    """A tick a second. The host that is at work is killed after a third of the time; after a half, the
    one that is at work then is cut off for some seconds."""
    hosts = {f"h{i}": job.start(f"h{i}", connect=p.connect) for i, p in enumerate(proxies)}
    begin = time.monotonic()
    marks, events = {}, []

    def later(seconds, what):
        def there():
            marks.update(job.book.marks(1))  # it knows the last twenty only
            return time.monotonic() >= begin + seconds and what()

        # a tick a second: the condition comes true soon after its time
        return wait_for(there, seconds + 10, f"something is under way after {seconds:g} s", 0.01)

    wait_for(lambda: job.kazoo.exists(f"{job.root}/cron/job"), 10, "the book is there")
    victim = later(SECONDS / 3, job.under_way)
    hosts.pop(victim).process.kill()
    events.append(f"{victim} killed at {time.monotonic() - begin:.1f} s in tick {job.lines[-1].tick}")
    cut = later(SECONDS / 2, lambda: job.under_way() in hosts and job.under_way())
    proxy = proxies[int(cut[1:])]
    proxy.silence()
    events.append(f"{cut} cut at {time.monotonic() - begin:.1f} s in tick {job.lines[-1].tick}")
    later(time.monotonic() - begin + 3 * SESSION, lambda: True)
    proxy.silence(False)
    proxy.cut()
    later(SECONDS, lambda: True)
    for zksup in hosts.values():
        zksup.stop()
    job.check()
    book = job.book
    marks.update(book.marks(1))
    ran = {line.tick for line in job.of("start")}
    print(f"{book.last - book.since} ticks in {SECONDS} s; {'; '.join(events)}; {book.totals}")
    assert book.accounted == book.last - book.since
    assert set(marks) == set(range(book.since + 1, book.last + 1)), "a tick is not accounted for"
    assert ran >= {t for t, mark in marks.items() if mark == "done"}
    assert not ran & {t for t, mark in marks.items() if mark in ("skipped", "missed")}
    assert book.totals["unknown"] + book.totals["killed"] >= 1
    assert len({line.host for line in job.of("start")}) >= 2
    # Each fault costs the rest of its lease, the wait for it, and a little.
    assert book.last - book.since >= SECONDS - 3
    assert len(ran) >= (SECONDS - 6 * SESSION) / SCALE * 0.7
    assert not job.kazoo.exists(f"{job.root}/cron/job/run")


def test_a_host_that_is_stopped_and_goes_on_repeats_nothing(job):
    """SIGSTOP for longer than the session lives: it wakes up with everything lost."""
    hosts = {h: job.start(h) for h in ("h0", "h1")}
    job.wait_lines("start", 2)
    wait_for(lambda: job.under_way(), 10, "a run is under way", 0.005)
    frozen = job.lines[-1].host
    hosts[frozen].signal(signal.SIGSTOP)
    other = next(h for h in hosts if h != frozen)
    before = sum(line.host == other for line in job.of("start"))
    wait_for(lambda: sum(line.host == other for line in job.of("start")) >= before + 2, 20, f"{other} goes on")
    hosts[frozen].signal(signal.SIGCONT)
    hosts[other].stop()
    count = len(job.of("start"))
    job.wait_lines("start", count + 1)
    hosts[frozen].stop()
    job.check()
    book = job.book
    assert book.accounted == book.last - book.since


def test_ticks_during_a_run_are_skipped(job):
    hosts = [job.start(h, script="sleep 2.5") for h in ("h0", "h1")]
    job.wait_lines("start", 2)
    for zksup in hosts:
        zksup.stop()
    job.check()
    book = job.book
    assert book.totals["skipped"] >= 2
    assert book.accounted == book.last - book.since


def test_one_tick_waits_with_overlap_queue(job):
    hosts = [job.start(h, "--overlap", "queue", script="sleep 1.5") for h in ("h0", "h1")]
    ends = job.wait_lines("end", 3)
    for zksup in hosts:
        zksup.stop()
    job.check()
    ticks = [line.tick for line in job.of("start")]
    assert ticks[1] == ticks[0] + 1, "the tick during the first run has waited"
    assert len(ends) >= 3
    book = job.book
    assert book.accounted == book.last - book.since


def test_a_newer_tick_stops_the_run_with_overlap_kill(job):
    hosts = [job.start(h, "--overlap", "kill", script="exec sleep 600", schedule="@every 2s") for h in ("h0", "h1")]
    starts = job.wait_lines("start", 4)
    for zksup in hosts:
        zksup.stop()
    job.check()
    ticks = [line.tick for line in starts]
    assert ticks == list(range(ticks[0], ticks[-1] + 1, 2)), "each tick has had its run"
    book = job.book
    assert book.totals["killed"] >= 3
    assert book.accounted == (book.last - book.since) // 2


DAYS = 86400
RARE = 100 * DAYS


def test_missed_ticks_are_skipped_by_default(job):
    now = int(time.time())
    job.write_book(now // RARE * RARE - 3 * RARE)
    zksup = job.start("h0", schedule="@every 100d")
    wait_for(lambda: job.book.totals.get("missed") == 3, 10, "three ticks are missed")
    zksup.wait_err("waiting: the next tick is ")
    assert zksup.stop() == 128 + signal.SIGTERM
    assert not job.of("start")


def test_the_latest_missed_tick_is_run_once_if_asked_for(job):
    newest = int(time.time()) // RARE * RARE
    job.write_book(newest - 3 * RARE)
    hosts = [job.start(h, "--missed", "run-once", schedule="@every 100d") for h in ("h0", "h1")]
    job.wait_lines("end", 1)
    wait_for(lambda: job.book.totals.get("done") == 1, 10, "the run is in the book")
    for zksup in hosts:
        zksup.stop()
    job.check()
    assert [line.tick for line in job.of("start")] == [newest]
    assert job.book.totals["missed"] == 2


def test_a_book_from_the_future_is_told(job):
    job.write_book(int(time.time()) + DAYS)
    zksup = job.start("h0")
    zksup.wait_err("which is yet to come: a clock is wrong")
    zksup.stop()
    assert not job.of("start")


def test_another_schedule_is_told(job):
    job.start("h0", "--tick-now", "--within", "101d", schedule="@every 100d").wait()
    zksup = job.start("h1", schedule="@every 101d")
    zksup.wait_err("all hosts should have the same")
    zksup.stop()


def test_a_scheduler_is_ready_before_its_first_run(job, run_zksup, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(20 * SCALE)
        zksup = run_zksup("cron", "job", "@every 366d", "--", "true", env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        while b"READY=1" not in notify.recv(4096):
            pass
        assert zksup.stop() == 128 + signal.SIGTERM


def test_run_once_has_a_bound(job):
    job.write_book(int(time.time()) // RARE * RARE - RARE)
    zksup = job.start("h0", "--missed", "run-once", "--within", "1s", schedule="@every 100d")
    wait_for(lambda: job.book.totals.get("missed") == 1, 10, "the tick is missed")
    zksup.stop()
    assert not job.of("start")


def test_tick_now_runs_a_tick_on_one_of_two_hosts(job):
    options = ("--tick-now", "--within", "101d")
    hosts = [job.start(h, *options, script="sleep 0.5; exit 7", schedule="@every 100d") for h in ("h0", "h1")]
    statuses = sorted(zksup.wait() for zksup in hosts)
    assert statuses == [0, 7]
    assert len(job.of("start")) == 1
    assert sum("is being run by" in zksup.err for zksup in hosts) == 1
    third = job.start("h2", *options, schedule="@every 100d")
    assert third.wait() == 0
    assert ": done, status 7" in third.err
    assert len(job.of("start")) == 1
    assert [e.status for e in job.book.entries] == ["7"]


def test_tick_now_leaves_an_old_tick_alone(job):
    zksup = job.start("h0", "--tick-now", schedule="@every 100d")
    assert zksup.wait() == 0
    assert "nothing" in zksup.err or "too long ago" in zksup.err or "dealt with before" in zksup.err
    assert not job.of("start")


def test_a_run_that_takes_too_long_is_stopped(job):
    zksup = job.start(
        "h0", "--tick-now", "--within", "101d", "--timeout", "1s", script="exec sleep 600", schedule="@every 100d"
    )
    assert zksup.wait() == 128 + signal.SIGTERM
    assert "longer than --timeout" in zksup.err
    assert [(e.mark, e.status) for e in job.book.entries] == [("timeout", "143")]


def test_a_resident_host_stops_long_runs_and_goes_on(job):
    zksup = job.start("h0", "--timeout", "0.5s", script="exec sleep 600", schedule="@every 2s")
    job.wait_lines("start", 2)
    zksup.stop()
    job.check()
    assert job.book.totals["timeout"] >= 1


def test_a_command_that_is_missing_is_told(job, run_zksup):
    zksup = run_zksup("cron", "--tick-now", "--within", "101d", "job", "@every 100d", "--", "/no/such/command")
    assert zksup.wait() == 127
    assert [(e.mark, e.status) for e in job.book.entries] == [("done", "127")]


def test_failing_runs_do_not_end_the_schedule(job):
    zksup = job.start("h0", script="exit 3")
    job.wait_lines("start", 3)
    zksup.stop()
    job.check()
    assert job.book.totals["done"] >= 2


def test_term_ends_the_run_and_zksup(job):
    zksup = job.start("h0", script="exec sleep 600")
    job.wait_lines("start", 1)
    assert zksup.stop() == 128 + signal.SIGTERM
    assert [(e.mark, e.status) for e in job.book.entries if e.mark != "skipped"] == [("done", "143")]
    assert not job.kazoo.exists(f"{job.root}/cron/job/run")


def test_the_command_is_told_tick_job_and_token(job, run_zksup):
    zksup = run_zksup(
        "cron", "--tick-now", "--within", "101d", "--timezone", "Europe/Berlin", "job", "@every 100d", "--",
        "sh", "-c", 'echo "$ZKSUP_TICK $ZK_LOCK $ZKSUP_UNIT $ZK_FENCE ${TZ-unset}"', env={"TZ": "Asia/Tokyo"},
    )
    assert zksup.wait() == 0
    tick, lock, unit, fence, zone = zksup.out.split()
    assert int(tick) == int(time.time()) // RARE * RARE
    assert (lock, unit, zone) == ("job", "job", "Asia/Tokyo")
    assert int(fence) > 0


@pytest.mark.parametrize("arguments, text", [
    (["job", "0 0 32 * *"], "SCHEDULE '0 0 32 * *' is no schedule: field 3 (day of month): '32' is not from 1 to 31"),
    (["job", "0 0 30 2 *"], "'0 0 30 2 *' never comes: no such month has such a day"),
    (["job", "* * *"], "a schedule has five fields"),
    (["job"], "SCHEDULE is missing"),
    (["a/b", "@daily"], "NAME 'a/b'"),
    (["--timezone", "Europe/Berlni", "job", "@daily"], "time zone 'Europe/Berlni' is not known here"),
    (["--timezone", "../../etc/localtime", "job", "@daily"], "is not known here"),
    (["--jitter", "10s", "job", "@every 10s"], "--jitter must be shorter than the time between two ticks"),
    (["--within", "5s", "job", "@daily"], "--within says how late"),
    (["--overlap", "both", "job", "@daily"], "is none of skip queue kill"),
])
def test_mistakes_are_told_in_one_line(run_zksup, arguments, text):
    zksup = run_zksup("cron", *arguments, "--", "true", connect="127.0.0.1:1")
    assert zksup.wait() == 125
    assert text in zksup.err
    assert zksup.err.count("\n") == 1
