#!/usr/bin/python3
"""Names the end-to-end tests of a meson test log that failed for lateness alone: late-tests.py TESTLOG.json

A wait that ran out says "not within 20 s", "still running after" or the like. On a machine that is busy with other
work that can be the machine's doing, so contrib/test.sh runs such a test once more. Whatever else a test
found (a wrong answer, two holders, a sanitizer's report) is final, and so is a test that was killed for its own
limit of time."""

import json
import re
import sys

LATE = re.compile(r"not within [\d.]+ s|still running after|did not end within|too late:|TimeoutExpired|timed out")
VERDICT = re.compile(r"^(?:FAILED|ERROR) (\S+)(.*)$", re.M)


def is_late(entry):
    if entry["result"] != "FAIL" or not entry["name"].startswith("zksup:e2e"):
        return False
    text = entry.get("stdout") or ""
    verdicts = VERDICT.findall(text)
    return bool(verdicts) and all(LATE.search(why) for _, why in verdicts) and "Sanitizer" not in text


def main():
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        for line in log:
            if line.strip() and is_late(entry := json.loads(line)):
                print(entry["name"].rsplit(" ", 1)[-1])


if __name__ == "__main__":
    main()
