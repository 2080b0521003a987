#!/usr/bin/python3
"""Adds up the test logs of meson: summarise-tests.py TESTLOG.json...

Where a program says how many cases it ran (cmocka, pytest) those are counted, else the program
counts as one. What did not pass and what was skipped is named; the last line is
"N passed, N failed". Exit status 1 if anything failed or nothing ran.

Beside a log there may be again.json, of tests that were late and were run once more: it counts for these."""

import json
import os
import re
import sys

CASES = [
    # cmocka: "[  PASSED  ] 12 test(s)." and "[  FAILED  ] 1 test(s), listed below:"
    (re.compile(r"^\[  PASSED  \] (\d+) test\(s\)", re.M), re.compile(r"^\[  FAILED  \] (\d+) test\(s\)", re.M)),
    # pytest -q: "3 passed, 1 failed in 2.50s"
    (re.compile(r"^=*\s?.*?(\d+) passed.* in [\d.]+s", re.M), re.compile(r"^=*\s?.*?(\d+) (?:failed|errors?)\b.* in [\d.]+s", re.M)),
]


def count(entry):
    """(passed, failed) of one program."""
    text = (entry.get("stdout") or "") + "\n" + (entry.get("stderr") or "")
    for good, bad in CASES:
        passed = sum(int(n) for n in good.findall(text))
        failed = sum(int(n) for n in bad.findall(text))
        if passed + failed:
            break
    else:
        passed = failed = 0
    if entry["result"] in ("OK", "EXPECTEDFAIL"):
        return max(passed, 1), failed
    return passed, max(failed, 1)


def read_again(path):
    """{name: entry} of what was run once more, {} if nothing was."""
    try:
        with open(os.path.join(os.path.dirname(path), "again.json"), encoding="utf-8", errors="replace") as log:
            return {entry["name"]: entry for entry in (json.loads(line) for line in log if line.strip())}
    except OSError:
        return {}


def main():
    passed = failed = 0
    for path in sys.argv[1:]:
        where = path.split("/")[0]
        try:
            with open(path, encoding="utf-8", errors="replace") as log:
                entries = [json.loads(line) for line in log if line.strip()]
        except OSError as problem:
            print(f"{where}: no test log: {problem}")
            failed += 1
            continue
        repeated = read_again(path)
        for entry in entries:
            if entry["name"] in repeated and entry["result"] == "FAIL":
                print(f"{where}: {entry['name']} was late; run once more: {repeated[entry['name']]['result']}")
                entry = repeated[entry["name"]]
            if entry["result"] == "SKIP":
                print(f"{where}: skipped: {entry['name']}")
                continue
            good, bad = count(entry)
            passed += good
            failed += bad
            if bad:
                print(f"{where}: {entry['result'].lower()}: {entry['name']} ({bad} of {good + bad})")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
