"""status, start, stop, restart, step-down, signal, reload and who over a running zksup up."""

import json
import os
import pty
import re
import select
import socket
import subprocess

import pytest

from zk_server import SCALE, wait_for

UNITS = """
unit web {
    command = "sleep 600"
    pool = "web"
}
unit web-two {
    command = "sleep 600"
    start = manual
}
unit db {
    command = "sleep 600"
    lead = "db"
}
unit ending {
    command = "sh -c 'echo it ends; exit 3'"
    restart = never
    start = manual
    stdout = inherit
}
unit missing {
    command = "/no/such/program"
    restart = never
    start = manual
}
unit tick {
    command = "true"
    cron = "tick"
    schedule = "@daily"
}
"""


@pytest.fixture
def verb(zksup, run_zksup):
    """verb(DAEMON, VERB, ARGUMENT..., status=0) -> the finished process."""

    def run(daemon, name, *arguments, status=0, env=None):
        done = run_zksup(name, *arguments, connect=None, env={"ZKSUP_SOCKET": str(daemon.socket), **(env or {})})
        assert done.wait() == status, done
        return done

    return run


@pytest.fixture
def daemon(up):
    daemon = up(UNITS)
    for name in ("web", "db"):
        daemon.wait_unit(name, "ready")
    daemon.wait_unit("tick", "gate")
    return daemon


def rows(text):
    """The table's rows by unit, in order."""
    lines = text.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("UNIT"))
    return {line.split()[0]: line.split()[1:] for line in lines[begin + 1:] if line}


def test_status_is_a_table_in_the_order_of_the_file(daemon, verb):
    text = verb(daemon, "status").out
    table = rows(text)
    assert list(table) == ["web", "web-two", "db", "ending", "missing", "tick"]
    assert table["web"][0] == "ready" and table["web"][3] == "1"
    assert table["web"][4] == str(daemon.unit("web")["pid"])
    assert table["db"][3] == "leader" and table["web-two"][0] == "down" and table["tick"][0] == "waiting"
    assert "the next tick is" in text
    assert socket.gethostname() in text and "session attached 0x" in text
    assert "\x1b" not in text  # no terminal, no colours
    assert verb(daemon, "status", "--names").out.split() == list(table)
    assert list(rows(verb(daemon, "status", "web*", status=3).out)) == ["web", "web-two"]


def test_the_page_of_a_unit_shows_gates_lease_and_log(daemon, verb):
    text = verb(daemon, "status", "db").out
    assert "leadership 'db' open" in text and "left" in text and str(daemon.unit("db")["pid"]) in text
    verb(daemon, "start", "ending")
    daemon.wait_unit("ending", "finished", "failed")
    text = verb(daemon, "status", "ending", status=3).out
    assert "\nit ends\n" in text and re.search(r"Last status: +3$", text, re.MULTILINE)
    assert "\nit ends\n" not in verb(daemon, "status", "-n", "0", "ending", status=3).out


def test_json_is_what_the_supervisor_says(daemon, verb):
    whole = json.loads(verb(daemon, "status", "--json").out)
    assert [u["name"] for u in whole["units"]] == ["web", "web-two", "db", "ending", "missing", "tick"]
    assert whole["session"]["state"] == "attached" and whole["units"][0]["gates"]
    assert json.loads(verb(daemon, "status", "db", "--json").out)["role"] == "leader"
    some = json.loads(verb(daemon, "status", "--json", "web*", status=3).out)
    assert [u["name"] for u in some["units"]] == ["web", "web-two"]


def test_start_and_stop_wait_for_what_comes_of_it(daemon, verb):
    assert "web: stopped" in verb(daemon, "stop", "web").out
    assert daemon.unit("web")["state"] == "down" and daemon.unit("web")["token"] is None
    verb(daemon, "status", status=0)  # as it is wanted
    verb(daemon, "status", "web", status=3)
    assert "web: ready, number 1" in verb(daemon, "start", "web").out
    assert daemon.unit("web")["ready"]
    assert verb(daemon, "start", "--quiet", "web*").out == ""
    assert daemon.unit("web-two")["ready"]
    assert "tick: waits: the next tick is" in verb(daemon, "start", "tick").out
    assert verb(daemon, "stop", "--all").out.count("stopped") == 6
    assert {u["state"] for u in daemon.get("/v1/units")["units"]} <= {"down", "finished", "failed"}


def test_a_command_that_fails_makes_start_fail(daemon, verb):
    done = verb(daemon, "start", "missing", status=125)
    assert "unit 'missing'" in done.err and "127" in done.err


def test_no_block_and_timeout_do_not_wait(daemon, verb, up):
    verb(daemon, "stop", "--no-block", "web")
    daemon.wait_unit("web", "down")
    slow = up('unit slow {\n command = "sleep 600"\n ready = "exec:false"\n start = manual\n}\n', name="slow")
    done = verb(slow, "start", "slow", "--timeout", "300ms", status=125)
    assert "after 300ms" in done.err and "zksup status slow" in done.err


def test_a_unit_that_goes_while_it_is_waited_for_is_said(up, verb, run_zksup):
    slow = 'unit slow {\n command = "sleep 600"\n ready = "exec:false"\n start = manual\n}\n'
    other = 'unit other {\n command = "sleep 600"\n start = manual\n}\n'
    daemon = up(slow + other)
    start = run_zksup("start", "slow", "--socket", daemon.socket, connect=None)
    daemon.wait_unit("slow", "running")
    daemon.write(other)
    verb(daemon, "reload")
    assert start.wait() == 125, start
    assert "slow" in start.err


def test_restart_of_a_unit_in_line_does_not_wait_for_ever(daemon, verb, run_zksup):
    other = run_zksup("lead", "db", "--name", "other", "--", "sleep", "600")
    other.wait_err("waiting")
    verb(daemon, "step-down", "db")
    daemon.wait_unit("db", "gate")
    assert "db: waits" in verb(daemon, "restart", "db", "--timeout", "20s").out


def test_restart_keeps_what_is_held(daemon, verb):
    before = daemon.unit("db")
    assert "db: ready, leader" in verb(daemon, "restart", "db").out
    after = daemon.unit("db")
    assert after["pid"] != before["pid"] and after["token"] == before["token"]


def test_step_down_gives_the_lead_to_another_host(daemon, verb, run_zksup, root):
    other = run_zksup("lead", "db", "--name", "other", "--", "sleep", "600")
    other.wait_err("waiting")
    token = daemon.unit("db")["token"]
    assert "given back" in verb(daemon, "step-down", "db").out
    other.wait_err("holds leadership")
    assert daemon.unit("db")["token"] != token
    assert "nothing to give back" in verb(daemon, "step-down", "web-two").out
    held = daemon.wait_unit("db", "gate")
    assert "other" in wait_for(lambda: daemon.unit("db")["text"], 10, f"it says for whom it waits: {held}")


def test_a_signal_arrives(up, verb):
    daemon = up("""unit s {
    command = "sh -c 'trap \\"echo got it\\" USR1; echo begun; while :; do sleep 0.1; done'"
    stdout = inherit
}
""")
    daemon.wait_unit("s", "ready")
    daemon.zksup.wait_out("begun")
    verb(daemon, "signal", "s", "SIGUSR1")
    daemon.zksup.wait_out("got it")
    assert "no signal" in verb(daemon, "signal", "s", "NONSENSE", status=125).err


def test_reload_says_what_changes_and_what_is_wrong(daemon, verb):
    assert "nothing has changed" in verb(daemon, "reload").out
    pid = daemon.unit("db")["pid"]
    daemon.write(UNITS.replace('command = "sleep 600"\n    pool', 'command = "sleep 601"\n    pool'))
    assert "web" in verb(daemon, "reload").out
    wait_for(lambda: daemon.unit("web")["ready"] and "601" in daemon.unit("web")["command"], 20, "web is restarted")
    assert daemon.unit("db")["pid"] == pid
    daemon.write(UNITS + "unit bad {\n    comand = x\n}\n")
    done = verb(daemon, "reload", status=125)
    assert f"{daemon.config}:" in done.err and "comand" in done.err
    assert daemon.unit("db")["pid"] == pid and "bad" not in verb(daemon, "status", "--names").out


def test_reexec_waits_for_the_new_program(daemon, verb):
    before = daemon.get("/v1/units")["units"]
    assert "in the same session" in verb(daemon, "reexec").out
    assert [u["pid"] for u in daemon.get("/v1/units")["units"]] == [u["pid"] for u in before]


@pytest.mark.parametrize("words, said", [
    (["stop"], "--all"),
    (["stop", "wbe"], "there is 'web'"),
    (["start", "no-such-thing-*"], "no unit is called like"),
    (["restart", "web", "--all"], "--all"),
    (["signal", "web"], "the signal is missing"),
    (["reload", "web"], "as a whole"),
    (["status", "--lines", "99999", "web"], "10000"),
])
def test_mistakes_are_told_in_one_line(daemon, verb, words, said):
    done = verb(daemon, *words, status=125)
    assert said in done.err and done.err.count("\n") == 1
    assert daemon.unit("web")["ready"]


def test_without_a_supervisor_the_remedy_is_said(run_zksup, tmp_path):
    for words in (["status"], ["start", "x"], ["reload"], ["reexec"], ["signal", "x", "HUP"]):
        done = run_zksup(*words, "--socket", tmp_path / "none.sock", connect=None)
        assert done.wait() == 125
        assert "none.sock" in done.err and "zksup up" in done.err and done.err.count("\n") == 1


def test_the_supervisor_is_seen_by_who(daemon, run_zksup, kazoo, root):
    def host():
        done = run_zksup("who", "--json", "hosts")
        assert done.wait() == 0, done
        hosts = json.loads(done.out)["hosts"]
        return hosts and hosts[0]["units"][0]["state"] == "ready" and hosts[0]

    host = wait_for(host, 20, "it shows itself", interval=0.2)
    assert host["id"] == f"{socket.gethostname()}:up" and host["pid"] == daemon.zksup.pid
    units = {u["unit"]: u for u in host["units"]}
    assert units["web"]["number"] == 1 and units["db"]["role"] == "leader"
    assert units["db"]["gates"][0]["token"] == int(daemon.unit("db")["token"])
    path = f"{root}/host/{host['id']}"
    kazoo.delete(path)
    wait_for(lambda: kazoo.exists(path), 20, "it comes back when somebody has deleted it")
    daemon.zksup.stop()
    assert not kazoo.exists(path)


def test_of_two_with_the_same_id_the_second_waits(up, run_zksup, kazoo, root, tmp_path):
    text = 'session-timeout = "10s"\nhost = "twin"\nunit x {\n command = "sleep 600"\n start = manual\n}\n'
    first = up(text, header="")
    path = f"{root}/host/twin:up"
    wait_for(lambda: kazoo.exists(path), 20, "the first shows itself")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/up.conf").write_text(text)
    second = run_zksup("up", "--config", tmp_path / "other/up.conf", "--socket", "none", name="second")
    second.wait_err("is somebody else's")
    assert json.loads(kazoo.get(path)[0])["pid"] == first.zksup.pid
    first.zksup.stop()

    def is_seconds():
        return kazoo.exists(path) and json.loads(kazoo.get(path)[0])["pid"] == second.pid

    wait_for(is_seconds, 20, "the second shows itself")


def test_the_daemon_reads_the_cluster_like_who(daemon, run_zksup):
    cluster = daemon.get("/v1/cluster")
    done = run_zksup("who", "--json")
    assert done.wait() == 0
    mine = json.loads(done.out)
    for key in ("numbers", "elections"):
        assert [[h["token"] for h in t["holders"]] for t in cluster[key]] == \
               [[h["token"] for h in t["holders"]] for t in mine[key]]


def test_who_asks_the_supervisor_where_no_ensemble_is_named(daemon, verb, run_zksup, root):
    text = verb(daemon, "who").out
    assert "Numbers" in text and "Leaders" in text
    only = verb(daemon, "who", "leader/db").out
    assert "Leaders" in only and "Numbers" not in only
    assert json.loads(verb(daemon, "who", "--json", "pool/none").out)["root"] == root
    assert f"called none below {root}" in verb(daemon, "who", "pool/none").out
    assert "--socket" in verb(daemon, "who", "--socket", daemon.socket, "--root", "/x", status=125).err
    done = run_zksup("who", "--socket", "/nowhere.sock", connect=None)
    assert done.wait() == 125 and "/nowhere.sock" in done.err


def on_terminal(zksup, arguments, columns, environment):
    """What it prints on a terminal of so many columns."""
    master, slave = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
    env |= {"TERM": "xterm", "COLUMNS": str(columns), **environment}
    process = subprocess.Popen([zksup, *arguments], stdin=subprocess.DEVNULL, stdout=slave, env=env)
    os.close(slave)
    out = b""
    while select.select([master], [], [], 20 * SCALE)[0]:
        try:
            piece = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        out += piece
    os.close(master)
    process.wait(20 * SCALE)
    return out.decode().replace("\r\n", "\n")


def test_on_a_terminal_the_table_fits_and_has_colours(daemon, zksup):
    env = {"ZKSUP_SOCKET": str(daemon.socket)}
    text = on_terminal(zksup, ["status"], 70, env)
    assert "\x1b[32mready" in text
    plain = on_terminal(zksup, ["status"], 70, {**env, "NO_COLOR": "1"})
    assert "\x1b" not in plain
    table = plain[plain.index("UNIT"):].splitlines()
    assert max(map(len, table)) <= 70 and any(line.endswith("...") for line in table)
    assert "..." not in on_terminal(zksup, ["status"], 200, env)
