"""The programs of examples/ do what they say."""

import pathlib
import signal
import subprocess
import urllib.request

import pytest

from zk_server import free_ports, wait_for

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def backup(tmp_path, run_zksup, zksup):
    """backup(OPTION...) -> Zksup that makes one backup of tmp_path/source into tmp_path/target."""
    (tmp_path / "source").mkdir()

    def start(*options, **env):
        return run_zksup("lock", "backup", *options, "--", EXAMPLES / "backup.sh", tmp_path / "source",
                         tmp_path / "target", env={"ZKSUP": zksup, **env})  # fmt: skip

    return start


def generation(tmp_path, name):
    file = tmp_path / "target" / name / "data"
    return file.read_text() if file.exists() else None


def test_a_backup_keeps_two_generations(backup, tmp_path):
    for text in ("one", "two", "three"):
        (tmp_path / "source" / "data").write_text(text)
        assert backup("--session-timeout", "25s").wait() == 0
    assert [generation(tmp_path, g) for g in ("current", "previous", "new")] == ["three", "two", None]


def test_a_backup_leaves_both_generations_alone_when_the_lock_is_not_certain_for_long_enough(backup, tmp_path):
    for text in ("one", "two"):
        (tmp_path / "source" / "data").write_text(text)
        assert backup("--session-timeout", "25s").wait() == 0
    (tmp_path / "source" / "data").write_text("three")
    process = backup("--session-timeout", "6s")  # a lease of less than the ten seconds it asks for
    assert process.wait() == 75
    assert "both generations stay as they are" in process.err
    assert [generation(tmp_path, g) for g in ("current", "previous", "new")] == ["two", "one", "three"]


def test_a_backup_outside_of_zksup_touches_neither_generation(tmp_path, zksup):
    (tmp_path / "source").mkdir()
    done = subprocess.run([EXAMPLES / "backup.sh", tmp_path / "source", tmp_path / "target"], env={"ZKSUP": zksup, "PATH": "/usr/bin:/bin"},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 75
    assert not (tmp_path / "target" / "current").exists()


def fetch(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
        return int(answer.read().split()[0])


def try_fetch(port, path):
    try:
        return fetch(port, path)
    except OSError:
        return None


def test_the_counter_goes_on_from_host_to_host_and_never_repeats_a_number(run_zksup, tmp_path):
    (port,) = free_ports(1)

    def host(name):
        words = f"{EXAMPLES}/active-standby.py --port {port} --file {tmp_path}/{name}"
        return run_zksup("lead", "counter", "--standby", words, "--", *words.split(), name=name)

    hosts = [host("a")]
    hosts[0].wait_out("leader:")
    hosts.append(host("b"))
    hosts[1].wait_out("standby")
    given = []
    for turn in range(3):
        leader, other = hosts[turn % 2], hosts[(turn + 1) % 2]
        wait_for(lambda: try_fetch(port, ""), 20, f"turn {turn}: somebody answers")
        given += [fetch(port, "next") for _ in range(20)]
        copy = tmp_path / "ba"[turn % 2]
        wait_for(lambda: copy.exists() and int(copy.read_text()) >= given[-1], 10, f"turn {turn}: the standby has copied")
        leader.signal(signal.SIGTERM)
        assert leader.wait() in (0, 143)
        other.wait_out("leader:")
        hosts[turn % 2] = host("ab"[turn % 2])
        hosts[turn % 2].wait_out("standby")
    assert given == sorted(set(given)), given
