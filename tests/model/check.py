#!/usr/bin/env python3
"""Checks a model with spin: check.py MODEL.pml holds|fails [NUMBER...]

What is to be run stands at the end of the model, one line a run:

    holds  -DP=4 -DN=3            the whole state space without an error, every statement reached
    deep   -DP=10 -DN=3           the same, only with ZKSUP_MODEL=deep
    fails  -DMUT=1  what is wrong there must be a counterexample

"holds" also means that the search was complete: not cut off by its depth or by the memory.
NUMBER picks runs; the sequence of steps of an error that should not be is printed. ZKSUP_MODEL_CC
is the compiler, ZKSUP_MODEL_MEMORY how many MB a run may use (4000; deep: 8000).
"""
import os
import re
import subprocess
import sys
import tempfile
import time

CUT_OFF = ("max search depth too small", "out of memory", "memory exhausted", "reached -DMEMLIM",
           "Search not completed", "resize", "hash-table full")


def parse_runs(path):
    """All runs of the model: (kind, [option], comment)."""
    runs = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            found = re.match(r"[ *]*\b(holds|deep|fails)((?: +-D\S+)+) *(.*?)(?: *\*/)?$", line)
            if found:
                runs.append((found[1], found[2].split(), found[3]))
    return runs


def command(arguments, **more):
    return subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)


def build(model, options, directory, memory, optimise):
    """Makes DIRECTORY/pan; returns None or what went wrong."""
    made = command(["spin", "-a", *options, model], cwd=directory)
    if made.returncode != 0 or not os.path.exists(os.path.join(directory, "pan.c")):
        return made.stdout
    made = command([*os.environ.get("ZKSUP_MODEL_CC", "cc").split(), optimise, "-w", "-DSAFETY", "-DCOLLAPSE",
                    f"-DMEMLIM={memory}", "-o", "pan", "pan.c"], cwd=directory)
    return made.stdout if made.returncode != 0 else None


def judge(output, wanted_to_fail):
    """None if the output of pan is what it should be, else the complaint."""
    errors = re.search(r"errors: (\d+)", output)
    if not errors:
        return "the search gave no result"
    if "invalid array index" in output:
        return "the model is wrong"
    if wanted_to_fail:
        return None if int(errors[1]) > 0 and "assertion violated" in output else "there is no counterexample"
    if int(errors[1]) > 0:
        return "there is an error"
    for text in CUT_OFF:
        if text in output:
            return f"the search was cut off: {text}"
    unreached = [line.strip() for line in re.findall(r'^\t\S+\.pml:\d+, state \d+, ".*"$', output, re.M)
                 if '"-end-"' not in line]
    return "never reached: " + "; ".join(unreached) if unreached else None


def check(path, kind, options, comment, deep):
    """One run; returns whether it went as it should."""
    model = os.path.basename(path)
    memory = int(os.environ.get("ZKSUP_MODEL_MEMORY", "8000" if deep else "4000"))
    depth = 30_000_000 if kind == "deep" else 6_000_000
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="zksup-model-") as directory:
        with open(path, encoding="utf-8") as source, open(os.path.join(directory, model), "w", encoding="utf-8") as copy:
            copy.write(source.read())
        complaint = build(model, options, directory, memory, "-O0" if kind == "fails" else "-O2")
        output = ""
        if complaint is None:
            output = command(["./pan", f"-m{depth}", *(["-E"] if kind == "fails" else [])], cwd=directory).stdout
            complaint = judge(output, kind == "fails")
        states = re.search(r"(\d+(?:\.\d+)?(?:e\+\d+)?) states, stored", output)
        print(f"{'not ok' if complaint else 'ok'} - {model} {kind} {' '.join(options)}{'  ' if comment else ''}{comment}"
              f"  ({int(float(states[1])) if states else 0:,} states, {time.monotonic() - started:.1f} s)", flush=True)
        if complaint:
            print(complaint)
            print(output)
            if os.path.exists(os.path.join(directory, model + ".trail")):
                trail = command(["spin", "-t", "-p", "-g", *options, model], cwd=directory).stdout.splitlines()
                print("\n".join(trail[-400:]))
    return complaint is None


def main():
    if len(sys.argv) < 3 or sys.argv[2] not in ("holds", "fails"):
        sys.exit(__doc__)
    path, what, picked = sys.argv[1], sys.argv[2], [int(number) for number in sys.argv[3:]]
    deep = os.environ.get("ZKSUP_MODEL") == "deep"
    kinds = ("holds", "deep") if what == "holds" and deep else (what,)
    runs = [run for run in parse_runs(path) if run[0] in kinds]
    if picked:
        runs = [run for number, run in enumerate(runs, 1) if number in picked]
    if not runs:
        sys.exit(f"{path}: there is nothing to run as '{what}'")
    results = [check(path, *run, deep) for run in runs]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
