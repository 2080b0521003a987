"""zksup who reads the cluster from the znodes, whoever has made them."""

import json
import socket

import pytest
from kazoo.client import KazooClient
from kazoo.recipe.lock import Lock as KazooLock

from zk_server import SCALE, wait_for

SLEEP = ("--", "sleep", "600")


def record(state="HELD", host="elsewhere", unit="ghost", lease_us=12_000_000):
    return (f"zksup-record 1\nstate {state}\nlease-us {lease_us}\nhost {host}\n"
            f"boot-id 11111111-2222-3333-4444-555555555555\npid 4711\nunit {unit}\n").encode()


@pytest.fixture
def who(run_zksup):
    """who(ARGUMENT...) -> what it prints; with --json the parsed answer."""

    def ask(*arguments, status=0, **rest):
        done = run_zksup("who", *arguments, **rest)
        assert done.wait() == status, done
        return json.loads(done.out) if "--json" in arguments else done.out

    return ask


@pytest.fixture
def until(who):
    """until(PREDICATE, ARGUMENT...) -> the JSON for which PREDICATE is true."""

    def wait(predicate, *arguments):
        def there():
            answer = who("--json", *arguments)
            return answer if predicate(answer) else None
        return wait_for(there, 20, "who says what is expected", interval=0.1)

    return wait


def test_nothing_there_is_said_and_no_error(who):
    assert "nobody runs" in who()
    assert who("--json")["numbers"] == []
    assert "nothing called x" in who("lock/x")


def test_numbers_leaders_locks_and_slots_with_those_who_wait(run_zksup, until, who):
    for _ in range(3):
        run_zksup("run", "--pool", "shard", "--name", "web", *SLEEP)
    run_zksup("lead", "db", "--name", "first", *SLEEP).wait_err("holds leadership")
    run_zksup("lead", "db", "--name", "low", *SLEEP).wait_err("waiting")
    run_zksup("lead", "db", "--name", "high", "--priority", "5", *SLEEP).wait_err("waiting")
    run_zksup("lock", "mig", "--name", "holder", *SLEEP).wait_err("holds lock")
    run_zksup("lock", "mig", "--name", "waiter", *SLEEP).wait_err("waiting")
    for _ in range(2):
        run_zksup("lock", "data", "--shared", *SLEEP).wait_err("holds")
    for _ in range(3):
        run_zksup("lock", "convert", "--slots", "2", *SLEEP)
    answer = until(lambda a: a["numbers"] and len(a["numbers"][0]["holders"]) == 3
                   and a["slots"] and len(a["slots"][0]["holders"]) == 2 and len(a["slots"][0]["queue"]) == 1)
    host = socket.gethostname()
    pool = answer["numbers"][0]
    assert (pool["pool"], [h["number"] for h in pool["holders"]]) == ("shard", [1, 2, 3])
    assert all((h["host"], h["unit"], h["state"]) == (host, "web", "held") for h in pool["holders"])
    assert len({h["token"] for h in pool["holders"]}) == 3
    assert all(h["session"].startswith("0x") and h["since"] > 1e15 for h in pool["holders"])
    election = answer["elections"][0]
    assert [h["unit"] for h in election["holders"]] == ["first"]
    assert [c.get("priority") for c in election["candidates"]] == [5, None]  # who would follow comes first
    locks = {lock["name"]: lock for lock in answer["locks"]}
    assert locks["mig"]["mode"] == "exclusive" and locks["data"]["mode"] == "shared"
    assert [h["unit"] for h in locks["mig"]["holders"]] == ["holder"]
    assert [(w["unit"], w["position"]) for w in locks["mig"]["queue"]] == [("waiter", 1)]
    assert len(locks["data"]["holders"]) == 2
    assert sorted(h["slot"] for h in answer["slots"][0]["holders"]) == [1, 2]
    text = who()
    for title in ("Numbers", "Leaders", "Locks", "Slots"):
        assert f"{title}\n" in text
    assert "Cron" not in text
    only = who("lock/mig")
    assert "holder" in only and "data" not in only and "Numbers" not in only
    assert {k for k, v in who("--json", "leaders").items() if isinstance(v, list) and v} == {"elections"}


def test_a_job_with_its_last_tick_and_the_next(run_zksup, until, who):
    run_zksup("cron", "beat", "@every 1s", "--", "false")
    job = until(lambda a: a["cron"] and a["cron"][0].get("outcome"))["cron"][0]
    assert (job["name"], job["schedule"]) == ("beat", "@every 1s")
    assert job["outcome"]["mark"] == "done" and job["outcome"]["status"] == 1
    assert job["next"] - job["last"] >= 1_000_000 and job["totals"]["done"] >= 1
    assert "done on" in who("cron") and "status 1" in who("cron")


def test_a_run_under_way_is_shown(run_zksup, until, who):
    run_zksup("cron", "long", "@every 1s", *SLEEP)
    run = until(lambda a: a["cron"] and a["cron"][0].get("run"))["cron"][0]["run"]
    assert run["state"] == "held" and run["unit"] == "long" and run["tick"]
    assert "runs on" in who("jobs")


def test_wedged_and_left_behind_are_told_from_held(kazoo, root, who):
    kazoo.ensure_path(f"{root}/record/lock/stuck")
    kazoo.create(f"{root}/record/lock/stuck/someone-0", record("WEDGED"))
    kazoo.ensure_path(f"{root}/record/sequence/p/7")
    kazoo.create(f"{root}/record/sequence/p/7/someone-1", record())
    kazoo.ensure_path(f"{root}/record/lock/byhand")
    text = who()
    assert "WEDGED: its processes outlive SIGKILL" in text
    assert text.count("left behind") == 2
    answer = who("--json")
    assert answer["locks"][1]["holders"][0]["state"] == "wedged"
    assert answer["numbers"][0]["holders"][0] == {
        **answer["numbers"][0]["holders"][0], "number": 7, "state": "left", "host": "elsewhere", "pid": 4711}


def test_foreign_clients_are_shown_as_such(zk, kazoo, root, run_zksup, until, who):
    other = KazooClient(hosts=zk.connect, timeout=10)
    other.start()
    try:
        lock = KazooLock(other, f"{root}/lock/both", identifier="kazoo-on-host-b", extra_lock_patterns=["-lock-"])
        assert lock.acquire(timeout=10 * SCALE)
        kazoo.create(f"{root}/sequence/plain/1", b"", ephemeral=True, makepath=True)
        run_zksup("lock", "both", "--name", "ours", *SLEEP).wait_err("waiting")
        answer = until(lambda a: a["locks"] and a["locks"][0]["queue"])
        holder = answer["locks"][0]["holders"][0]
        assert holder["foreign"] and holder["data"] == "kazoo-on-host-b"
        assert int(holder["session"], 16) == other.client_id[0] & (2**64 - 1)
        assert [w["unit"] for w in answer["locks"][0]["queue"]] == ["ours"]
        assert answer["numbers"][0]["holders"][0]["foreign"]
        assert "foreign kazoo-on-host-b" in who("locks")
        lock.release()
        until(lambda a: [h.get("unit") for h in a["locks"][0]["holders"]] == ["ours"], "lock/both")
    finally:
        other.stop()
        other.close()


def test_services_are_shown_as_curator_writes_them(kazoo, root, who):
    data = {"name": "db", "id": "a-1", "address": "10.0.0.7", "port": 5432, "registrationTimeUTC": 1_700_000_000_000}
    kazoo.create(f"{root}/service/db/a-1", json.dumps(data).encode(), ephemeral=True, makepath=True)
    kazoo.create(f"{root}/service/db/odd", b"\xff\x00 no json", ephemeral=True)
    instances = who("--json", "service/db")["services"][0]["instances"]
    assert [i["id"] for i in instances] == ["a-1", "odd"] and instances[0]["port"] == 5432
    assert "10.0.0.7" in who("services")


def test_names_and_data_of_others_cannot_move_the_cursor(kazoo, root, who):
    kazoo.create(f"{root}/lock/n/_c_1-lock-", b"\x1b[2J\xff evil\r\nsecond", ephemeral=True, sequence=True, makepath=True)
    kazoo.create(f"{root}/host/h\u202ex", b"[1, 2]", ephemeral=True, makepath=True)
    text = who()
    assert "\x1b" not in text and "\r" not in text and "\u202e" not in text
    assert "evil" in text


def test_what_may_not_be_read_is_said(kazoo, root, who, run_zksup):
    from kazoo.security import make_digest_acl
    kazoo.create(f"{root}/lock/open/_c_1-lock-", b"x", sequence=True, makepath=True)
    kazoo.create(f"{root}/lock/secret", b"", acl=[make_digest_acl("a", "b", all=True)])
    done = run_zksup("who")
    assert done.wait() == 123
    assert "lock/secret" in done.err and "--auth-file" in done.err
    assert "open" in done.out


def test_without_an_ensemble_it_gives_up_in_time(run_zksup):
    done = run_zksup("who", "--timeout", "1s", connect="127.0.0.1:1")
    assert done.wait() == 121
    assert "127.0.0.1:1" in done.err and "refused" in done.err


@pytest.mark.parametrize("words, said", [
    (["bananas"], "write hosts, numbers"),
    (["locks", "numbers"], "one kind"),
    (["lock/"], "is empty"),
    (["--root", "x"], "znode"),
])
def test_mistakes_are_told_in_one_line(run_zksup, words, said):
    done = run_zksup("who", *words)
    assert done.wait() == 125
    assert said in done.err and done.err.count("\n") == 1


def test_a_thousand_numbers_are_read_in_little_time(kazoo, root, who):
    for first in range(0, 1000, 250):
        batch = kazoo.transaction()
        if first == 0:
            kazoo.ensure_path(f"{root}/record/sequence/many")
            kazoo.ensure_path(f"{root}/sequence/many")
        for n in range(first, first + 250):
            batch.create(f"{root}/sequence/many/{n}", b"", ephemeral=True)
            batch.create(f"{root}/record/sequence/many/{n}", b"")
            batch.create(f"{root}/record/sequence/many/{n}/id-{n}-0", record())
        assert not [r for r in batch.commit() if isinstance(r, Exception)]
    holders = who("--json")["numbers"][0]["holders"]
    assert [h["number"] for h in holders] == list(range(1000))
    assert {h["state"] for h in holders} == {"held"}
