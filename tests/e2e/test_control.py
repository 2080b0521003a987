"""The manners of the control interface towards those who have none: a thousand connections, slow, half-closed, oversized,
malformed and pipelined requests, and strangers. Against a server with made-up units, which looks at the clock every
10 ms as a lease would; how late the worst look was is printed. The last tests are against zksup up itself."""

import contextlib
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time

import pytest

import openmetrics
from api_server import ApiServer, parse, read_all, read_some, read_until
from zk_server import SCALE, free_ports, wait_for

SANITIZED = os.environ.get("ZKSUP_TEST_SANITIZED") == "1"
MEMORY_MIB_MAX = 48  # whatever is done to it: 16 MiB of answers on their way, and connections
# Of a look at the clock every 10 ms. On an idle machine it is 5 ms; a lease of 1 s would bear this much.
LATE_SECONDS_MAX = 0.5 * SCALE


@pytest.fixture(scope="module", autouse=True)
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("there are too few descriptors for a thousand connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def server():
    s = ApiServer(units=1000)
    yield s
    late, memory, _ = s.report()
    print(f"worst delay {late * 1000:.1f} ms, memory {memory:.1f} MiB")
    assert s.ask("GET", "/v1/session")[0] == 200  # it is well
    s.stop()
    assert late < LATE_SECONDS_MAX
    if not SANITIZED:
        assert memory < MEMORY_MIB_MAX


@contextlib.contextmanager
def crowd(server, n, first=b"", connect=None):
    """N connections, each of which has sent `first`."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(n):
            s = stack.enter_context(contextlib.closing((connect or server.connect)()))
            with contextlib.suppress(OSError):
                s.sendall(first)
            sockets.append(s)
        yield sockets


def error_of(reply):
    return json.loads(reply[2])["error"]


# --- crowds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [
    b"", b"GET /v1/ses", b"POST /v1/units/unit-0/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
], ids=["nothing", "half a head", "half a body"])  # fmt: skip
def test_a_thousand_silent_connections_delay_nobody(server, first):
    before = server.descriptors()
    with crowd(server, 1000, first):
        for _ in range(20):
            assert server.ask("GET", "/v1/session")[0] == 200
        assert server.descriptors() < before + 300
    wait_for(lambda: server.descriptors() <= before + 1, 20, "connections are forgotten")


def test_a_thousand_connections_on_tcp_delay_nobody(server):
    with crowd(server, 1000, b"GET /hea", server.connect_tcp):
        assert server.ask("GET", "/healthz", tcp=True)[0] == 200
        assert server.ask("GET", "/v1/session")[0] == 200


def test_slow_senders_delay_nobody(server):
    request = b"GET /v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with crowd(server, 150) as sockets:
        for i in range(len(request)):
            for s in sockets:
                s.sendall(request[i : i + 1])
            if i % 16 == 0:
                assert server.ask("GET", "/v1/session")[0] == 200
        assert all(parse(read_all(s))[0] == 200 for s in sockets)


def test_many_who_do_not_read_their_large_answers_cost_bounded_memory(server):
    """One after the other, so that no turn of the loop has two of them to share an answer."""
    request = b"GET /v1/units?full=1 HTTP/1.1\r\nHost: x\r\n\r\n"
    statuses = []
    with crowd(server, 150) as sockets:
        for s in sockets:
            s.sendall(request)
            statuses.append(parse(read_until(s, b"\r\n\r\n", piece=256))[0])
        assert server.ask("GET", "/v1/session")[0] == 200
        if not SANITIZED:
            assert server.report()[1] < MEMORY_MIB_MAX
    assert statuses[:10] == [200] * 10 and statuses[-10:] == [503] * 10 and set(statuses) == {200, 503}
    wait_for(lambda: server.ask("GET", "/v1/units?full=1")[0] == 200, 20, "large answers are to be had again")


def test_large_answers_that_are_asked_for_at_once_are_made_once(server):
    """All in one turn of the loop share one, so that a turn is short. It takes on 32 connections a turn."""
    request = b"GET /v1/units HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    before = server.report()[2]
    server.process.send_signal(signal.SIGSTOP)
    with crowd(server, 100, request) as sockets:
        server.process.send_signal(signal.SIGCONT)
        lengths = {len(parse(read_all(s))[2]) for s in sockets}
    assert all(length > 100000 for length in lengths)
    assert 1 <= server.report()[2] - before <= 10


def cpu_seconds(server):
    with open(f"/proc/{server.process.pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


def test_without_descriptors_the_loop_does_not_turn_in_vain(server):
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    before = cpu_seconds(server)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (server.descriptors(), limits[1]))
    with contextlib.closing(server.connect()) as s:
        s.sendall(b"GET /v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert read_some(s, 1) == b""
        assert cpu_seconds(server) - before < 0.05 * SCALE
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
        assert parse(read_all(s))[0] == 200


# --- broken requests ------------------------------------------------------------------------------


def test_a_request_whose_sender_says_no_more_is_answered(server):
    reply = server.raw(b"GET /v1/session HTTP/1.1\r\nHost: x\r\n\r\n", half_close=True)
    assert parse(reply)[0] == 200


# Not even a line, or less than what was announced.
PARTS = [b"", b"GET", b"GET /v1/session HTTP/1.1\r\nHost", b"\x00" * 1000, b"\r\n" * 1000,
         b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500,
         b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"]  # fmt: skip


def test_half_a_request_is_dropped(server):
    before = server.descriptors()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(contextlib.closing(server.connect())) for _ in PARTS * 20]
        for s, part in zip(sockets, PARTS * 20):
            s.sendall(part)
            s.shutdown(socket.SHUT_WR)
        for s in sockets:
            assert not read_all(s).startswith(b"HTTP/1.1 2")
    wait_for(lambda: server.descriptors() <= before + 1, 10, "connections are forgotten")


@pytest.mark.parametrize("data, statuses", [
    (b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {414, 431, 413, 400}),
    (b"GET /v1/units/" + b"x" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {400}),
    (b"GET /v1/session HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100000 + b"\r\n\r\n", {431, 413}),
    (b"GET /v1/session HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 50000 + b"\r\n", {431, 413}),
    (b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n" + b" " * 65537, {413}),
    (b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b" " * 1000, {413}),
    (b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b" " * 65536
     + b"\r\n1\r\n \r\n0\r\n\r\n", {413}),
], ids=["target", "name", "header", "headers", "body", "endless body", "chunks"])  # fmt: skip
def test_what_is_too_long_is_refused(server, data, statuses):
    reply = server.raw(data, half_close=True)
    assert parse(reply)[0] in statuses, reply[:200]


def test_an_endless_body_is_cut_off(server):
    with contextlib.closing(server.connect()) as s:
        s.sendall(b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(4096):
                s.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")


@pytest.mark.parametrize("data", [
    b"GET\r\n\r\n",
    b"GET /v1/session HTTP/9.9\r\n\r\n", b"GET /v1/session HTTP/1.1\r\n\r\n", b"GET /v1/session\r\n",
    b"GET /v1/session HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n ",
    b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    bytes(range(256)) * 20,
], ids=lambda data: data[:40].hex())  # fmt: skip
def test_what_is_no_request_changes_nothing(server, data):
    reply = server.raw(data, half_close=True)
    assert reply == b"" or reply[:10] in (b"HTTP/1.1 4", b"HTTP/1.1 5"), reply[:200]


def test_pipelined_requests_are_answered_in_order(server):
    names = [f"unit-{i}" for i in range(40)]
    data = b"".join(f"GET /v1/units/{n} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for n in names[:-1])
    data += f"GET /v1/units/{names[-1]} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    reply = server.raw(data)
    positions = [reply.find(f'"name":"{n}"'.encode()) for n in names]
    assert -1 not in positions and positions == sorted(positions)


def test_a_body_in_chunks_is_read(server):
    reply = server.raw(b"POST /v1/units/unit-0/signal HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                       b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"sig\r\nb\r\nnal\":\"HUP\"}\r\n0\r\n\r\n")  # fmt: skip
    assert parse(reply)[0] == 200


# --- requests that are understood, and refused ----------------------------------------------------


@pytest.mark.parametrize("body, words", [
    (b'{"signal":}', "line 1, column 11"),
    (b'{"signal":"HUP"', "line 1"),
    (b'{"signal":"HUP"} x', "end of file"),
    (b'{"signal":"HUP","force":true}', "'force' that is not known"),
    (b'{"signal":"HUP","signal":"INT"}', "duplicate"),
    (b'["HUP"]', "no JSON object"),
    (b'{"signal":"NOPE"}', "is no signal"),
    (b'{"signal":1.5}', "is no signal"),
    (b'{"signal":-9}', "is no signal"),
    (b'{"signal":99999999999999999999}', "too big"),
    (b'{"signal":"H\\u0000P"}', "u0000"),
    (b'{"signal":"\xff"}', "0xff"),
    (b"{}", "names no signal"),
    (b"", "names no signal"),
    (b"[" * 60000, "depth"),
], ids=lambda value: str(value)[:30])  # fmt: skip
def test_a_body_that_is_wrong_is_refused_with_the_reason(server, body, words):
    reply = server.ask("POST", "/v1/units/unit-0/signal", body)
    assert reply[0] == 400 and words in error_of(reply), reply


@pytest.mark.parametrize("method, path, status, allow", [
    ("POST", "/v1/units", 405, "get, head"), ("DELETE", "/v1/units/unit-0", 405, "get, head"),
    ("GET", "/v1/units/unit-0/stop", 405, "post"), ("OPTIONS", "/v1/reload", 405, "post"),
    ("BREW", "/v1/session", 405, "get, head"), ("GET", "/v1", 404, None), ("GET", "/", 404, None),
    ("GET", "/v1/units/nobody", 404, None), ("POST", "/v1/units/nobody/stop", 404, None),
    ("GET", "/v1/units/unit-0/log/more", 404, None), ("GET", "/metrics", 404, None), ("OPTIONS", "*", 400, None),
    ("GET", "/v1/units?full=2", 400, None), ("GET", "/v1/units?ful=1", 400, None),
    ("GET", "/v1/units?full=1&full=1", 400, None), ("GET", "/v1/units/a%2", 400, None), ("GET", "/v1/units/a%00b", 400, None),
    ("GET", "/v1/units/unit-0%2Flog", 404, None), ("GET", "/v1/units/unit%2D0", 200, None),
    ("GET", "/v1/units/unit-0/log?lines=0", 400, None), ("GET", "/v1/units/unit-0/log?lines=3", 200, None),
    ("POST", "/v1/units/unit-1/step-down", 409, None), ("POST", "/v1/reexec", 409, None), ("POST", "/v1/reload", 200, None),
    ("HEAD", "/v1/units/unit-0", 200, None),
])  # fmt: skip
def test_each_path_answers_as_documented(server, method, path, status, allow):
    reply = server.ask(method, path)
    assert reply[0] == status and reply[1].get("allow") == allow, reply
    if method == "HEAD":
        assert reply[2] == b"" and int(reply[1]["content-length"]) > 100
    elif status >= 400:
        assert error_of(reply)


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/healthz", 200), ("HEAD", "/healthz", 200), ("GET", "/readyz", 503), ("GET", "/readyz?unit=unit-0", 200),
    ("GET", "/sequence", 400), ("GET", "/sequence?unit=unit-0", 200), ("GET", "/sequence?unit=unit-2", 503),
    ("GET", "/sequence?unit=nobody", 404), ("POST", "/healthz", 405), ("GET", "/v1/units", 404), ("POST", "/v1/stop", 404),
    ("POST", "/sequence", 405), ("GET", "/v1/events", 404),
])  # fmt: skip
def test_the_public_listener_is_only_read(server, method, path, status):
    assert server.ask(method, path, tcp=True)[0] == status


def test_the_number_is_plain(server):
    status, headers, body = server.ask("GET", "/sequence?unit=unit-0", tcp=True)
    assert (status, body) == (200, b"7\n") and headers["content-type"].startswith("text/plain")


# --- who ------------------------------------------------------------------------------------------

STRANGER = """
import os, socket, sys
os.setgroups([int(g) for g in sys.argv[2].split()]); os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
try: s.sendall(b"POST /v1/stop HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
except BrokenPipeError: pass
try:
    while piece := s.recv(65536): sys.stdout.buffer.write(piece)
except ConnectionResetError: pass  # what was sent is not read
"""


def as_nobody(server, groups=""):
    done = subprocess.run([sys.executable, "-c", STRANGER, str(server.socket), groups], capture_output=True, timeout=60)
    return done.stdout, done.stderr.decode()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")


@needs_root
def test_a_stranger_is_refused_though_the_file_lets_them():
    server = ApiServer()
    assert server.socket.stat().st_mode & 0o777 == 0o600
    assert "PermissionError" in as_nobody(server)[1]
    server.socket.chmod(0o666)
    out, err = as_nobody(server)
    reply = parse(out)
    assert reply[0] == 403 and "may not use this socket" in error_of(reply), (out, err)
    assert server.ask("GET", "/v1/session")[0] == 200
    server.stop()


@needs_root
def test_the_control_group_may_use_the_socket():
    server = ApiServer(group="4242")
    stat = server.socket.stat()
    assert (stat.st_mode & 0o777, stat.st_gid) == (0o660, 4242)
    assert "PermissionError" in as_nobody(server)[1]
    assert parse(as_nobody(server, "7 4242")[0])[0] == 202  # a supplementary group is as good
    server.stop()


def test_a_socket_of_a_dead_supervisor_is_taken_over_that_of_a_living_one_is_not(server):
    command = [server.process.args[0], str(server.socket), "", "1"]
    second = subprocess.run(command, input="", capture_output=True, text=True, timeout=60)
    assert second.returncode == 1 and "another supervisor listens there" in second.stderr
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(server.socket) + "2")
    dead.listen()
    dead.close()
    command[1] += "2"
    third = subprocess.run(command, input="", capture_output=True, text=True, timeout=60)
    assert third.returncode == 0 and not os.path.exists(command[1])
    with open(command[1], "w"):
        fourth = subprocess.run(command, input="", capture_output=True, text=True, timeout=60)
    assert fourth.returncode == 1 and "something else of that name" in fourth.stderr


# --- events and later answers ---------------------------------------------------------------------


def listen(server):
    s = server.connect()
    s.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
    hello = read_until(s, b"event: hello\ndata: {")
    assert b"text/event-stream" in hello
    return s


def test_listeners_are_told_what_happens(server):
    with contextlib.closing(listen(server)) as one, contextlib.closing(listen(server)) as other:
        server.ask("POST", "/v1/units/unit-3/stop")
        for s in (one, other):
            text = read_until(s, b'"name":"unit-3"') + read_some(s, 0.1)
            assert b"event: unit\ndata: {" in text and b'"want":"down"' in text


def test_a_listener_that_is_too_slow_learns_what_it_missed_and_is_dropped():
    server = ApiServer(units=10000)
    with contextlib.closing(listen(server)) as s:
        server.process.send_signal(signal.SIGUSR2)  # every unit changes, in one turn of the loop
        text = read_until(s, b"\r\n0\r\n\r\n")
        assert b"event: overflow\ndata: {" in text
    with contextlib.closing(listen(server)) as s:
        server.ask("POST", "/v1/units/unit-1/stop")
        read_until(s, b'"name":"unit-1"')  # nothing old
    server.stop()


def test_there_are_only_so_many_listeners(server):
    with contextlib.ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(contextlib.closing(listen(server)))
        reply = server.ask("GET", "/v1/events")
        assert reply[0] == 503 and "too many listen" in error_of(reply)
        assert server.ask("GET", "/v1/session")[0] == 200


def test_the_server_ends_while_some_listen_and_some_wait():
    server = ApiServer(API_SERVER_KEEP_CLUSTER="1")
    with contextlib.closing(listen(server)) as s, contextlib.closing(server.connect()) as waiting:
        waiting.sendall(b"GET /v1/cluster HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.ask("GET", "/v1/cluster")[0] == 409  # so the first one is there, and waits
        server.stop()
        assert read_all(s).count(b"event: ") == 0 and read_all(waiting) == b""


def test_who_waits_for_an_answer_may_hang_up():
    server = ApiServer(API_SERVER_KEEP_CLUSTER="1")
    with contextlib.closing(server.connect()) as waiting:
        waiting.sendall(b"GET /v1/cluster HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.ask("GET", "/v1/cluster")[0] == 409
    assert server.ask("GET", "/v1/session")[0] == 200
    server.stop()


# --- zksup up -------------------------------------------------------------------------------------


class Abuse:
    """Connections that come, say something foolish or nothing, and go or stay; now and then somebody asks properly."""

    WORDS = [b"", b"G", b"GET /v1/units HTTP/1.1\r\nHost: x\r\n\r\n" * 5, b"\xff" * 3000, b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
             b"POST /v1/units/holder/signal HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{" + b" " * 30000,
             b"GET /v1/units?full=1 HTTP/1.1\r\nHost: x\r\n\r\n" * 20, b"GET /" + b"y" * 20000]  # fmt: skip

    def __init__(self, path, port):
        self.path, self.port, self.random, self.sockets = str(path), port, random.Random(1), []

    def step(self):
        s = socket.socket(socket.AF_UNIX) if self.random.random() < 0.7 else socket.socket()
        s.setblocking(False)
        with contextlib.suppress(OSError):
            s.connect(self.path if s.family == socket.AF_UNIX else ("127.0.0.1", self.port))
        self.sockets.append(s)
        for _ in range(3):
            s = self.random.choice(self.sockets)
            with contextlib.suppress(OSError):
                s.send(self.random.choice(self.WORDS))
        if len(self.sockets) > 1000:
            self.sockets.pop(self.random.randrange(1000)).close()

    def close(self):
        for s in self.sockets:
            s.close()


def test_a_lease_of_a_second_is_never_late_whatever_comes_in(up):
    (port,) = free_ports(1)
    daemon = up("unit holder {\n command = \"sleep 1000\"\n lock = crowd\n}\n"
                + "".join(f"unit u{i} {{\n command = \"sleep 1000\"\n pool = crowd\n}}\n" for i in range(30)),
                header=f'session-timeout = "1250ms"\nlisten = "127.0.0.1:{port}"\n')  # fmt: skip
    daemon.wait_all("ready", "running")
    before = {u["name"]: u["pid"] for u in daemon.get("/v1/units")["units"]}
    assert daemon.get("/v1/session")["session"]["lease_seconds"] == 1
    abuse = Abuse(daemon.socket, port)
    least, answers, end = 1.0, 0, time.monotonic() + 4
    try:
        while time.monotonic() < end:
            for _ in range(50):
                abuse.step()
            units = daemon.get("/v1/units")["units"]
            least = min([least] + [u["lease_left_seconds"] for u in units])
            answers += 1
    finally:
        abuse.close()
    after = daemon.get("/v1/units?full=1")
    print(f"least of the lease that was left {least:.3f} s, {answers} answers meanwhile")
    assert {u["name"]: u["pid"] for u in after["units"]} == before
    assert not any(u["hold_losses"] or u["suspended"] for u in after["units"])
    assert after["session"]["cuts"] == 0
    assert answers > 5


def test_the_daemon_tells_and_measures_what_it_does(up):
    (port,) = free_ports(1)
    daemon = up('unit one {\n command = "sleep 1000"\n pool = "told"\n}\n', header=f'listen = "127.0.0.1:{port}"\n')
    unit = daemon.wait_unit("one", "ready", "running")

    def public(path, accept="*/*"):
        with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=20 * SCALE)) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n".encode())
            return parse(read_all(s))

    assert public("/healthz")[0] == 200
    assert public("/sequence")[::2] == (200, b"%d\n" % unit["sequence"])
    wait_for(lambda: public("/readyz")[0] == 200, 10, "it is ready")
    families = openmetrics.parse(public("/metrics", "application/openmetrics-text")[2].decode())
    assert families["zksup_unit_state"].value(unit="one", state=unit["state"]) == 1
    assert families["zksup_unit_gate_wait_seconds"].value("_count", unit="one") == 1
    assert families["zksup_session_renew_latency_seconds"].value("_count") >= 0
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.connect(str(daemon.socket))
        s.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        read_until(s, b"event: hello")
        daemon.post("/v1/units/one/stop")
        read_until(s, b'"state":"down"')
    assert public("/sequence")[0] == 503 and public("/readyz")[0] == 200  # it is not wanted up
    assert daemon.ask("POST", "/v1/units/one/step-down")[0] == 409
    assert daemon.ask("POST", "/v1/units/two/start")[0] == 404
