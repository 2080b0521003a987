"""zksup ensemble up|status."""

import json
import os
import pathlib
import signal
import socket

import pytest
from harness import children_of, is_alive
from kazoo.client import KazooClient
from zk_server import wait_for

USAGE = 125
NO_ENSEMBLE = 121


@pytest.fixture
def up(run_zksup, tmp_path):
    """Starts 'ensemble up' with TMPDIR in the test's directory and returns (process, connect)."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def start(*arguments):
        process = run_zksup("ensemble", "up", *arguments, connect=None, env={"TMPDIR": str(scratch)})
        text = process.wait_out("\n", 60)
        return process, text.strip()

    start.scratch = scratch
    return start


def status(run_zksup, connect, *arguments):
    process = run_zksup("ensemble", "status", "--connect", connect, *arguments, connect=None)
    return process.wait(), process.out


def test_prints_the_connect_string_of_a_server_that_serves(up):
    _, connect = up("--tick", 500)
    client = KazooClient(hosts=connect)
    client.start(timeout=10)
    client.create("/a", b"b")
    client.stop()
    client.close()


def test_term_ends_the_servers_and_removes_the_scratch_directory(up):
    process, _ = up("--nodes", 3, "--tick", 500)
    servers = children_of(process.pid)
    assert len(servers) == 3
    assert list(up.scratch.iterdir())
    assert process.stop() == 0
    assert not [p for p in servers if is_alive(p)]
    assert list(up.scratch.iterdir()) == []


def test_servers_die_with_a_killed_zksup(up):
    process, _ = up("--tick", 500)
    (server,) = children_of(process.pid)
    process.signal(signal.SIGKILL)
    wait_for(lambda: not is_alive(server), 10, "the server is gone")


def test_a_directory_keeps_the_data_and_is_used_by_one_ensemble_at_a_time(up, run_zksup, tmp_path):
    directory = tmp_path / "kept"
    first, connect = up("--dir", directory)
    client = KazooClient(hosts=connect)
    client.start(timeout=10)
    client.create("/kept", b"data")
    client.stop()
    client.close()
    second = run_zksup("ensemble", "up", "--dir", directory, connect=None)
    assert second.wait() == USAGE
    assert "another local ensemble runs in the directory" in second.err
    assert first.stop() == 0
    _, connect = up("--dir", directory)
    client = KazooClient(hosts=connect)
    client.start(timeout=10)
    assert client.get("/kept")[0] == b"data"
    client.stop()
    client.close()


def test_three_servers_outlive_the_loss_of_one_and_not_of_two(up, run_zksup):
    process, connect = up("--nodes", 3, "--tick", 500)
    one, two, _ = children_of(process.pid)
    os.kill(one, signal.SIGKILL)
    process.wait_err("2 of 3 servers are left")
    wait_for(lambda: status(run_zksup, connect)[0] == 0, 20, "two of three serve")
    os.kill(two, signal.SIGKILL)
    assert process.wait() == USAGE
    assert "ended with signal 9" in process.err


def test_status_shows_every_server_and_why_one_does_not_answer(run_zksup, zk):
    code, out = status(run_zksup, f"{zk.connect},127.0.0.1:1")
    assert code == NO_ENSEMBLE
    assert "standalone" in out and "3.8.0" in out
    assert "connection refused" in out
    assert "1 of 2 servers serve" in out


def test_status_as_json_is_json_with_the_servers_numbers(run_zksup, zk):
    code, out = status(run_zksup, zk.connect, "--json")
    report = json.loads(out)
    assert code == 0 and report["quorum"] is True
    (server,) = report["servers"]
    assert server["mode"] == "standalone" and server["server"] == zk.connect
    assert server["received"] > 0 and int(server["zxid"], 16) >= 0


def test_status_sees_a_follower_go(run_zksup, ensemble3):
    code, out = status(run_zksup, ensemble3.connect)
    assert code == 0 and out.count("follower") == 2 and out.count("leader") == 1
    for follower in ensemble3.followers:
        follower.pause()
    try:
        wait_for(lambda: status(run_zksup, ensemble3.connect, "--timeout", "500ms")[0] == NO_ENSEMBLE, 20)
    finally:
        for server in ensemble3.servers:
            server.resume()
    wait_for(lambda: status(run_zksup, ensemble3.connect)[0] == 0, 30, "all are back")


def test_a_silent_server_costs_its_timeout_only(run_zksup, zk):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        code, out = status(run_zksup, f"127.0.0.1:{port},{zk.connect},{zk.connect}", "--timeout", "300ms")
    assert code == 0
    assert "no answer in time" in out and "2 of 3 servers serve" in out


def test_an_answer_that_is_no_zookeeper_s_is_named(run_zksup):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = run_zksup("ensemble", "status", "--connect", f"127.0.0.1:{port}", connect=None)
        connection, _ = other.accept()
        assert connection.recv(4) == b"srvr"
        connection.sendall(b"HTTP/1.1 400 Bad \xff\"Request\r\n\r\n")
        connection.close()
        assert process.wait() == NO_ENSEMBLE
    assert "not as a ZooKeeper server" in process.out


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "zksup ensemble up' or"),
        (["down"], "there is no 'down'"),
        (["up", "--nodes", "2"], "1 or 3 servers"),
        (["up", "--port", "65536"], "is no port"),
        (["up", "--tick", "1"], "from 50 to 60000"),
        (["up", "more"], "'more' is too many"),
        (["up", "--java", "/nonexistent"], "install a Java runtime"),
        (["up", "--classpath", "/nonexistent.jar"], "libzookeeper-java"),
        (["up", "--dir", "/proc/none"], "name another with --dir"),
        (["status", "--connect", "a:b"], "the port must be"),
        (["status", "--timeout", "soon"], "is no duration"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(run_zksup, arguments, words):
    process = run_zksup("ensemble", *arguments, connect=None)
    assert process.wait() == USAGE
    assert words in process.err
    assert process.err.count("\n") == 1 and process.err.startswith("zksup ensemble")
    assert process.out == ""


def test_a_port_in_use_is_named(run_zksup):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = run_zksup("ensemble", "up", "--port", port, connect=None)
        assert process.wait() == USAGE
    assert f"cannot listen on port {port}" in process.err and "--port 0" in process.err


def test_a_server_that_dies_at_the_start_is_told_with_its_last_words(run_zksup):
    process = run_zksup("ensemble", "up", "--classpath", "/usr/share/java/slf4j-api.jar", connect=None)
    assert process.wait() == USAGE
    assert "ClassNotFoundException" in process.err


def test_data_that_zookeeper_cannot_read_is_told_with_its_last_words(run_zksup, tmp_path):
    directory = pathlib.Path(tmp_path) / "spoilt"
    (directory / "1" / "data").mkdir(parents=True)
    (directory / "1" / "data" / "version-2").write_text("no directory")
    process = run_zksup("ensemble", "up", "--dir", directory, connect=None)
    assert process.wait(60) == USAGE
    assert "its last words" in process.err and "version-2" in process.err
