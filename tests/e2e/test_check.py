"""zksup check: a file alone, and with --connect whether this host and the ensemble are fit for it."""

import pathlib

import pytest
from kazoo.security import make_acl
from zk_server import free_ports, start_ensemble

FAILURE = 125
NO_ENSEMBLE = 121
REFUSED = 123


@pytest.fixture
def check(run_zksup, tmp_path):
    """check(TEXT, OPTION..., zk=server) -> (status, out, err) for a file with this text."""

    def run(text, *options, zk=None, root=None, name="zksup.conf", env=None):
        file = tmp_path / name
        head = f'connect = "{zk}"\nroot = "{root}"\n' if zk else ""
        file.write_text(head + text)
        process = run_zksup("check", "--config", file, *options, connect=None, env=env)
        status = process.wait()
        return status, process.out.replace(f"{tmp_path}/", ""), process.err.replace(f"{tmp_path}/", "")

    return run


UNIT = 'unit "web" { command = "/bin/true" }\n'


def lines_with(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


def test_a_good_file_is_counted(check):
    assert check(UNIT + 'unit "db" { command = "/bin/true" lead = db }') == (0, "zksup.conf: 2 units\n", "")


def test_all_mistakes_are_told_at_once_with_their_lines(check):
    status, out, err = check('rot = /a\nunit "web" {\n  command = "/bin/true"\n  nice = 99\n  schedule = "61 * * * *"\n}\n')
    assert (status, out) == (FAILURE, "")
    assert [line.split(": ")[0] for line in err.splitlines()] == ["zksup.conf:1", "zksup.conf:4", "zksup.conf:5", "zksup.conf:5"]
    assert "did you mean root?" in err


def test_an_included_file_is_told_by_its_own_name(check, tmp_path):
    (tmp_path / "more.conf").write_text("\n\nunit web { comand = x }\n")
    _, _, err = check('include("more.conf")')
    assert lines_with(err, "more.conf:3: there is no setting 'comand'; did you mean command?")


@pytest.mark.parametrize(
    "text, told",
    [
        ('connect = "a:b"\n' + UNIT, "zksup.conf: connect: "),
        ("acl = nonsense\n" + UNIT, "zksup.conf: acl: "),
        ("auth-file = /nonexistent\n" + UNIT, "zksup.conf: auth-file: "),
        ("control-group = no-such-group\n" + UNIT, "zksup.conf: control-group: there is no group 'no-such-group'"),
        ('unit "a" { command = x user = no-such-user }', "zksup.conf:1: unit 'a': there is no user 'no-such-user'"),
        ('unit "a" { command = x group = no-such-group }', "zksup.conf:1: unit 'a': there is no group 'no-such-group'"),
    ],
)
def test_what_this_host_does_not_have_is_told(check, text, told):
    status, _, err = check(text)
    assert status == FAILURE
    assert err.startswith(told) and err.count("\n") == 1


def test_the_example_of_a_site_is_right(run_zksup):
    example = pathlib.Path(__file__).resolve().parents[2] / "examples" / "site.conf"
    process = run_zksup("check", "-c", example, connect=None)
    assert process.wait() == 0, process.err
    assert process.out.endswith("site.conf: 3 units\n")


def test_a_file_that_is_not_there_is_told(run_zksup, tmp_path):
    process = run_zksup("check", "-c", tmp_path / "none.conf", connect=None)
    assert process.wait() == FAILURE
    assert process.err == f"{tmp_path}/none.conf: there is no such file; name the right one\n"


def test_all_settings_are_listed(run_zksup):
    process = run_zksup("check", "--settings", connect=None)
    assert process.wait() == 0
    assert "restart-limit = N/TIME\n        more restarts: failed; none: no limit\n" in process.out
    assert "        in a unit or in defaults; default: 10/1m\n" in process.out


def test_superfluous_words_are_refused(run_zksup):
    process = run_zksup("check", "zksup.conf", connect=None)
    assert process.wait() == FAILURE
    assert "name the file with --config" in process.err


def test_what_the_ensemble_grants_is_told(check, zk, root, kazoo):
    before = set(kazoo.get_children("/"))
    status, out, err = check("session-timeout = 6s\n" + UNIT, "--connect", zk=zk.connect, root=root)
    assert (status, err) == (0, ""), out
    assert lines_with(out, "clock: ") and lines_with(out, "containment: ")
    assert lines_with(out, f"server {zk.connect}: ZooKeeper 3.")[0].endswith(", standalone")
    assert "session: a timeout of 6s, as asked for" in out
    assert "lease: 4.8s, renewed every 800ms;" in out and "1.2s of grace" in out
    assert lines_with(out, "a read takes: ") and lines_with(out, "a write takes: ")
    assert f"root: {root} is not there yet, and will be made in /" in out
    assert out.endswith("0 problems\n")
    assert set(kazoo.get_children("/")) <= before  # empty ones of other tests are collected meanwhile


def test_a_timeout_that_is_not_granted_and_a_grace_that_does_not_fit_are_told(check, zk, root):
    status, out, _ = check("session-timeout = 2m\ngrace = 40s\n" + UNIT, "--connect", zk=zk.connect, root=root)
    assert status == FAILURE
    assert "session: a timeout of 1m0s; asked for was 2m0s, which the servers do not grant (maxSessionTimeout" in out
    (problem,) = lines_with(out, "PROBLEM: grace: ")
    assert "40s" in problem
    assert out.endswith("1 problem\n")


def test_rights_that_are_missing_are_told(check, zk, root, kazoo):
    kazoo.create(root, acl=[make_acl("world", "anyone", read=True, create=True, delete=True)])
    kazoo.create(f"{root}/lock", acl=[make_acl("world", "anyone", read=True)])
    kazoo.create(f"{root}/record")
    status, out, _ = check(UNIT, "--connect", zk=zk.connect, root=root)
    assert status == REFUSED
    assert lines_with(out, "PROBLEM: ") == [
        f"PROBLEM: must not create a znode in {root}/lock: have us granted the permission 'c'"
    ]
    assert sorted(kazoo.get_children(root)) == ["lock", "record"]


def test_an_acl_that_locks_us_out_ourselves_is_told(check, zk, root):
    status, out, _ = check("acl = read\n" + UNIT, "--connect", zk=zk.connect, root=root)
    assert status == REFUSED
    assert "PROBLEM: must not write what it has made in /: let acl grant us the permission 'w'" in out


def test_nothing_is_left_of_a_check(check, zk, root, kazoo):
    kazoo.ensure_path(f"{root}/lock")
    assert check(UNIT, "--connect", zk=zk.connect, root=root)[0] == 0
    assert kazoo.get_children(root) == ["lock"]
    assert kazoo.get_children(f"{root}/lock") == []


def test_no_ensemble_is_told_with_its_status(check, root):
    (port,) = free_ports(1)
    status, out, _ = check(UNIT, "--connect", "--timeout", "500ms", zk=f"127.0.0.1:{port}", root=root)
    assert status == NO_ENSEMBLE
    assert lines_with(out, f"PROBLEM: server 127.0.0.1:{port}: connection refused")
    assert lines_with(out, "PROBLEM: no contact within 500ms: ")
    assert out.endswith("2 problems\n")


def test_the_tick_is_told_where_the_servers_tell_it(check, root):
    with start_ensemble(1, tick=700, settings=("4lw.commands.whitelist=srvr,conf",)) as ensemble:
        _, out, _ = check(UNIT, "--connect", zk=ensemble.connect, root=root)
        assert "tick: 700ms\n" in out
