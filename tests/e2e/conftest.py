"""Fixtures of the end-to-end tests.

    zk           one ZooKeeper server for the whole run (tick 500 ms, so sessions of 1 s and more)
    ensemble3    three servers for the tests of one file, which may stop, pause and restart them
    root         a znode path nobody else uses, for --root
    up           zksup up with a configuration (daemon.py)
    supervise    zksup run with a command that reports each of its starts (supervised.py)
    run_zksup    starts zksup with --connect and --root filled in; whatever still runs at the end
                 of the test is stopped, and killed with a failure if it does not stop
    kazoo        a connected foreign client (Python)

The programs under test are named by ZKSUP_BIN and ZKSUP_GUARD; meson sets both.
"""

import os
import signal
import uuid

import pytest
from kazoo.client import KazooClient

import zk_server
from daemon import Daemon
from harness import Zksup, children_of, is_alive, is_stopped
from supervised import Supervised
from zk_server import wait_for


@pytest.fixture(scope="session")
def zksup():
    """Path of the zksup under test."""
    path = os.environ.get("ZKSUP_BIN")
    if not path or not os.access(path, os.X_OK):
        pytest.exit(f"ZKSUP_BIN={path!r} is no program; run the suite with 'meson test'", 2)
    return os.path.abspath(path)


@pytest.fixture(scope="session")
def section():
    """Path of the command that witnesses who is inside (section.c)."""
    path = os.environ.get("ZKSUP_TEST_SECTION", "")
    if not os.access(path, os.X_OK):
        pytest.exit(f"ZKSUP_TEST_SECTION={path!r} is no program; run the suite with 'meson test'", 2)
    return os.path.abspath(path)


@pytest.fixture(scope="session")
def zk():
    ensemble = zk_server.start_ensemble(1)
    yield ensemble.servers[0]
    ensemble.stop()


@pytest.fixture(scope="module")
def ensemble3():
    ensemble = zk_server.start_ensemble(3)
    yield ensemble
    ensemble.stop()


@pytest.fixture
def root():
    return f"/test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def kazoo(zk):
    client = KazooClient(hosts=zk.connect, timeout=10)
    client.start(timeout=15)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def run_zksup(request, zksup, root, tmp_path):
    """run_zksup(VERB, ARGUMENT..., connect=zk.connect) -> Zksup.

    `connect` is a connect string, default the `zk` fixture's server; None adds neither --connect
    nor --root (for verbs or tests that want none). `root` replaces the test's own; `env` is added
    to the environment; `name` names the output files; the rest goes to subprocess.Popen."""
    started = []
    default = object()

    def run(verb, *arguments, connect=default, root=root, env=None, name=None, **popen):
        argv = [zksup, verb]
        if connect is default:
            connect = request.getfixturevalue("zk").connect
        if connect is not None:
            argv += ["--connect", connect, "--root", root]
        argv += [str(a) for a in arguments]
        environment = {k: v for k, v in os.environ.items() if k != "ZKSUP_CONNECT"}
        environment.update(env or {})
        process = Zksup(argv, tmp_path, name or f"{len(started)}-{verb}", environment, **popen)
        started.append(process)
        return process

    yield run

    # All are asked first, then waited for: a stop may wait for a grace period.
    stubborn = []
    for process in started:
        if process.process.poll() is None:
            # A test that failed may have left it stopped. Only then: a sanitizer's leak check at exit attaches to
            # the process with a SIGSTOP, which a CONT that comes at that moment takes away, and waits for ever.
            if is_stopped(process.pid):
                process.signal(signal.SIGCONT)
            process.signal()
    for process in started:
        try:
            process.wait()
        except AssertionError:
            process.process.kill()
            process.process.wait()
            stubborn.append(process)
    assert not stubborn, f"did not end within 20 s of TERM: {stubborn}"
    for process in started:
        process.check_sanitizers()


@pytest.fixture
def up(run_zksup, tmp_path):
    """up(TEXT, OPTION..., name="up", header=None) -> Daemon: zksup up with this configuration, answering."""

    def start(text, *options, **rest):
        return Daemon(run_zksup, tmp_path, text, *options, **rest).wait_up()

    return start


@pytest.fixture
def supervise(run_zksup, tmp_path):
    """supervise(OPTION..., script="exec sleep 600", command=None) -> Supervised. `script` runs in a
    shell after the report; `command` (a list) replaces the shell; the rest goes to run_zksup."""

    def start(*options, script="exec sleep 600", command=None, env=None, **rest):
        return Supervised(run_zksup, tmp_path, options, script, command, env, **rest)

    return start


__all__ = ["children_of", "is_alive", "wait_for", "Zksup"]
