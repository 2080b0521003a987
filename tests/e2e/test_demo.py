"""The example server under three supervisors, as contrib/demo.sh shows it."""

import os
import pathlib
import re
import signal
import urllib.request

import pytest
from zk_server import free_ports, wait_for

SERVER = pathlib.Path(__file__).parents[2] / "examples" / "number-server.py"


@pytest.fixture
def base():
    """A base such that the ports of a few numbers are free, as far as one can know."""
    return free_ports(1)[0] % 20000 + 20000


def page(base, number):
    """(name, pid, token) of who answers for a number, None if nobody does."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{base + number}/", timeout=2) as answer:
            text = answer.read().decode()
    except OSError:
        return None
    found = re.fullmatch(rf"number {number}, (\w+), process (\d+), token (\d+)\n", text)
    return found and (found[1], int(found[2]), int(found[3]))


def test_numbers_are_without_gaps_kept_over_a_crash_and_handed_on(run_zksup, base):
    def supervise(name):
        return run_zksup("run", "--pool", "demo", "--", SERVER, "--base", base, "--name", name, name=name)

    supervisors = {name: supervise(name) for name in ("anna", "ben", "clara")}
    pages = {n: wait_for(lambda n=n: page(base, n), 20, f"number {n} answers") for n in (1, 2, 3)}
    assert {p[0] for p in pages.values()} == set(supervisors)
    assert len({p[2] for p in pages.values()}) == 3

    name, pid, token = pages[1]
    os.kill(pid, signal.SIGKILL)
    again = wait_for(lambda: (p := page(base, 1)) and p[1] != pid and p, 20, "number 1 is back")
    assert (again[0], again[2]) == (name, token)

    assert supervisors[pages[2][0]].stop() == 0
    assert page(base, 2) is None
    supervise("dora")
    new = wait_for(lambda: page(base, 2), 20, "number 2 answers")
    assert new[0] == "dora"
    assert new[2] > max(p[2] for p in pages.values())
