#!/usr/bin/python3
"""The fault suite: two hosts contend for one lock, and everything that can break does.

    run.py [--fault NAME]... [--runs N]     these faults (all), each so often (1)
    run.py --short                          a selection, one control, one mutant, in about a minute: for CI
    run.py --long                           both controls, all mutants, every fault at least 30 times
    run.py --control etcdctl|kazoo          a known bad supervisor in the same rig: it must be convicted
    run.py --mutant NAME|all                a build with a safety rule broken (meson -Dmutate): likewise
    run.py --list                           what there is

Needs root (network namespaces), Java and the packages of contrib/packages.txt; the programs are named
by ZKSUP_BIN and ZKSUP_GUARD, or are those of --build. Exit status: 0 all held, 1 something did not
(or a control was let pass), 77 this machine has no namespaces.

A run is repeated with the same --seed, --fault and --first. The directory of a run that failed, with
what all processes said, is kept under --keep."""

import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import table  # noqa: E402
from registry import FAULTS  # noqa: E402

SKIPPED = 77
LONG_RUNS = 30
ATTEMPTS = 5
# Of the short form, for programs that the sanitizers slow down.
SANITIZED_FAULTS = ("supervisor-stopped", "guard-killed", "client-cut", "answer-to-claim-lost")
SANITIZED = os.environ.get("ZKSUP_TEST_SANITIZED") == "1"


def load_faults():
    import importlib

    for path in sorted(HERE.glob("faults_*.py")):
        importlib.import_module(path.stem)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="names the faults")
    parser.add_argument("--fault", action="append", metavar="NAME", help="this one; may be repeated")
    parser.add_argument("--runs", type=int, metavar="N", help="of each fault")
    parser.add_argument("--first", type=int, default=0, metavar="I", help="number of the first run (for its seed)")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--control", action="append", choices=("etcdctl", "kazoo"), default=[])
    parser.add_argument("--mutant", action="append", default=[], metavar="NAME|all",
                        help="a build with a rule broken: it must be convicted")
    parser.add_argument("--rigs", type=int, default=1, metavar="N", help="laboratories at once (1)")
    parser.add_argument("--tick", type=int, default=200, metavar="MS", help="tickTime of the servers (200)")
    parser.add_argument("--session", type=float, metavar="SECONDS", help="session timeout (5 ticks)")
    parser.add_argument("--seed", help="of the phases (default: random, printed)")
    parser.add_argument("--json", metavar="FILE", help="one line a run")
    parser.add_argument("--table", action="append", metavar="FILE", help="only print what --json has kept")
    parser.add_argument("--keep", default="faults-failed", metavar="DIR", help="where failed runs are kept")
    parser.add_argument("--build", metavar="DIR", help="a build directory, instead of ZKSUP_BIN and ZKSUP_GUARD")
    parser.add_argument("--verb", choices=("lock", "write", "slots", "lead", "run", "up"), default="lock",
                        help="what is claimed: lock, read-write lock, semaphore of one, leadership, number; or a number\n"
                             "and a lock by a unit of a daemon (lock)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def find_programs(options):
    """{"zksup": PATH, "guard": PATH, "holder": PATH}"""
    build = options.build or (os.environ.get("ZKSUP_BIN") and str(pathlib.Path(os.environ["ZKSUP_BIN"]).parents[2]))
    if not build:
        sys.exit("run.py: which programs? Set ZKSUP_BIN and ZKSUP_GUARD, or give --build DIR")
    found = {"holder": os.environ.get("ZKSUP_TEST_HOLDER", f"{build}/tests/faults/holder"),
             "zksup": f"{build}/src/cli/zksup", "guard": f"{build}/src/guard/zksup-guard"}
    if not options.build:
        found.update(zksup=os.environ["ZKSUP_BIN"], guard=os.environ.get("ZKSUP_GUARD", found["guard"]))
    for name, path in found.items():
        if not os.access(path, os.X_OK):
            sys.exit(f"run.py: {name}: {path} is no program; build it")
    return found


# A worker: one laboratory. It reads jobs, one JSON object a line, and answers each with one.


def work(options):
    import netns
    from rig import Rig

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    netns.die_with_parent()
    try:
        rig = Rig(options.tick, options.session)
    except netns.NoNamespaces as why:
        print(json.dumps({"impossible": str(why)}), flush=True)
        return SKIPPED
    try:
        rig.start()
        print(json.dumps({"ready": rig.id}), flush=True)
        for line in sys.stdin:
            print(json.dumps(run_job(rig, json.loads(line))), flush=True)
    except (KeyboardInterrupt, BrokenPipeError):
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        rig.close()
    return 0


def run_job(rig, job):
    """A run; again if it was disturbed before the fault struck."""
    answer = {}
    for attempt in range(ATTEMPTS):
        answer = {**try_job(rig, job, attempt), "disturbances": attempt}
        if "disturbed" not in answer:
            break
    return answer


def try_job(rig, job, attempt):
    from controls import CONTROLS
    from rig import Disturbed, NotHere, Programs, Round

    started = time.monotonic()
    directory = rig.scratch / f"{job['fault']}-{job['index']}-{attempt}"
    kind = CONTROLS.get(job["control"], Round)
    answer = {"fault": job["fault"], "index": job["index"], "control": job["control"], "seconds": 0.0}
    try:
        r = kind(rig, job["fault"], job["index"], job["seed"], directory, Programs(**job["programs"]))
    except NotHere as why:
        return {**answer, "skipped": str(why)}
    try:
        try:
            FAULTS[job["fault"]].run(r)
            # A control that is convicted is not asked how it ends.
            if not job["control"] or not r.witness.verdict().overlaps:
                r.finish()
        except NotHere as why:
            answer["skipped"] = str(why)
        except Disturbed as how:
            if not r.witness.verdict().overlaps:
                return {**answer, "disturbed": str(how), "problems": [f"disturbed {ATTEMPTS} times: {how}"],
                        "said": {p.err_path.stem: p.err[-4000:] for p in r.processes}}
            r.problems.append(str(how))
        except AssertionError as problem:
            r.problems.append(str(problem))
        except Exception:
            r.problems.append(traceback.format_exc())
        answer.update(r.result())
    finally:
        r.clean_up()
    answer["seconds"] = time.monotonic() - started
    if table.is_failure(answer) and not job["control"]:
        answer["said"] = {p.err_path.stem: p.err[-4000:] for p in r.processes}
        keep = pathlib.Path(job["keep"]) / directory.name
        with contextlib.suppress(OSError):
            shutil.copytree(directory, keep, dirs_exist_ok=True)
            answer["kept"] = str(keep)
    shutil.rmtree(directory, ignore_errors=True)
    return answer


# The parent: hands the jobs out and collects the answers.


class Pool:
    """Workers in processes of their own. Each is a thread here that feeds it."""

    def __init__(self, options, jobs, on_answer):
        self.jobs = list(reversed(jobs))
        self.on_answer = on_answer
        self.impossible = None
        self.closing = False
        self.lock = threading.Lock()
        argv = [sys.executable, str(HERE / "run.py"), "--worker", "--tick", str(options.tick)]
        if options.session:
            argv += ["--session", str(options.session)]
        # A session of their own: a Ctrl-C at the terminal is ours to pass on, once.
        self.workers = [
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
            for _ in range(min(options.rigs, len(jobs)))
        ]

    def run(self):
        threads = [threading.Thread(target=self._feed, args=(w,), daemon=True) for w in self.workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)

    def close(self):
        self.closing = True
        for worker in self.workers:
            if worker.poll() is None:
                worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def _next(self):
        with self.lock:
            return self.jobs.pop() if self.jobs else None

    def _feed(self, worker):
        hello = worker.stdout.readline()
        if "impossible" in hello:
            self.impossible = json.loads(hello)["impossible"]
            return
        while hello and (job := self._next()):
            answer = None
            with contextlib.suppress(BrokenPipeError, ValueError):
                worker.stdin.write(json.dumps(job) + "\n")
                worker.stdin.flush()
                answer = json.loads(worker.stdout.readline() or "null")
            if answer is None and self.closing:
                return
            if answer is None:
                answer = {"fault": job["fault"], "index": job["index"], "seconds": 0.0,
                          "problems": [f"the laboratory broke down (status {worker.poll()})"]}
                hello = ""
            with self.lock:
                self.on_answer(answer)
        with contextlib.suppress(OSError):
            worker.stdin.close()
        worker.wait()


def choose(options):
    names = options.fault or [name for name, f in FAULTS.items() if f.short or not options.short]
    if options.short and SANITIZED:
        names = SANITIZED_FAULTS
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        sys.exit(f"run.py: no such fault: {', '.join(unknown)}; see run.py --list")
    return names


def make_jobs(options, names, runs, programs, seed, control=None):
    """Round robin, so that a run that is broken off has tried everything."""
    return [
        {"fault": name, "index": options.first + i, "seed": seed, "keep": os.path.abspath(options.keep),
         "programs": {**programs, "verb": options.verb}, "control": control}
        for i in range(runs)
        for name in names
    ]


def run_jobs(options, jobs):
    """Returns the answers; prints each as it comes."""
    answers = []
    out = open(options.json, "a", encoding="utf-8") if options.json else None

    def on_answer(answer):
        answers.append(answer)
        print(table.line(answer), flush=True)
        if out:
            print(json.dumps(answer), file=out, flush=True)

    pool = Pool(options, jobs, on_answer)
    try:
        pool.run()
    finally:
        pool.close()
        if out:
            out.close()
    if pool.impossible:
        print(f"run.py: skipped: {pool.impossible}")
        sys.exit(SKIPPED)
    return answers


def main():
    load_faults()
    options = parse(sys.argv[1:])
    if options.worker:
        return work(options)
    if options.list:
        print(table.listing(FAULTS.values()))
        return 0
    if options.table:
        return print_table(options.table)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return run(options, options.seed or str(random.SystemRandom().randrange(1, 2**32)))
    except KeyboardInterrupt:
        print("run.py: broken off")
        return 1


def print_table(paths):
    """Of several runs of this program together; controls and mutants are left out."""
    answers = []
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            answers += [answer for answer in map(json.loads, lines) if not answer.get("control")]
    print(table.summary(answers, sum(answer["seconds"] for answer in answers)))
    return 0


def run(options, seed):
    from variants import MUTANTS, BuildFailed, Variants

    print(f"seed {seed}")
    programs = find_programs(options)
    variants = Variants()
    controls, mutants = options.control, options.mutant
    if options.long or "all" in mutants:
        mutants = list(MUTANTS)
    if options.long:
        controls = ["etcdctl", "kazoo"]
    elif options.short and not SANITIZED:
        controls, mutants = ["kazoo"], ["kill_child_only"]
    try:
        good = [try_control(options, control, programs, seed) for control in controls]
        good += [try_mutant(options, mutant, {**programs, **variants.programs(mutant)}, seed) for mutant in mutants]
        if not options.control and not options.mutant:
            good.append(try_faults(options, programs, variants, seed))
    except BuildFailed as problem:
        print(f"run.py: {problem}")
        return 1
    finally:
        variants.close()
    return 0 if all(good) else 1


def try_faults(options, programs, variants, seed):
    """Whether everything held."""
    begun = time.monotonic()
    names = choose(options)
    built = {name: variants.programs(FAULTS[name].variant) for name in names if FAULTS[name].variant}
    jobs = make_jobs(options, names, options.runs or (LONG_RUNS if options.long else 1), programs, seed)
    for job in jobs:
        job["programs"].update(built.get(job["fault"], {}))
    answers = run_jobs(options, jobs)
    print(table.summary(answers, time.monotonic() - begun))
    return not any(map(table.is_failure, answers))


def try_mutant(options, mutant, programs, seed):
    """Whether it was convicted. The faults made for it are tried until one does."""
    from variants import MUTANT_RUNS, MUTANTS

    print(f"mutant: {mutant}")
    names = options.fault or MUTANTS.get(mutant) or choose(options)
    for i, job in enumerate(make_jobs(options, names, options.runs or MUTANT_RUNS, programs, seed, "mutant")):
        answer = run_jobs(options, [job])[0]
        if answer.get("overlaps") or answer.get("survivors"):
            print(f"{mutant}: convicted by {job['fault']}, run {i + 1}\n")
            return True
    print(f"{mutant}: LET PASS\n")
    return False


def try_control(options, control, programs, seed):
    """Whether it was convicted: an overlap was seen."""
    from controls import CONTROL_FAULTS, CONTROL_RUNS

    names, runs = options.fault or CONTROL_FAULTS, options.runs or CONTROL_RUNS
    if options.short:
        names, runs = CONTROL_FAULTS[:1], 1
    print(f"control: {control}")
    answers = run_jobs(options, make_jobs(options, names, runs, programs, seed, control))
    print(table.conviction(control, answers) + "\n")
    return any(a.get("overlaps") for a in answers) or all("skipped" in a for a in answers)


if __name__ == "__main__":
    sys.exit(main())
