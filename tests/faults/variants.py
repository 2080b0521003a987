"""Builds of the programs that differ from what users get: a clock whose rate can be set, a safety rule
broken on purpose. They are made in scratch directories when they are asked for.

A mutant breaks one rule that safety rests on. It must be convicted by a fault that the true programs
stand; the faults named here are those that its rule is for."""

import pathlib
import shutil
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
OPTIONS = {"test_clock": ["-Dtest_clock=true"]}

# mutant: the faults that show it
MUTANTS = {
    "kill_child_only": ["supervisor-killed", "supervisor-stopped"],
    "no_wait": ["node-deleted", "follower-cut"],
    "release_early": ["stopped-by-request", "node-deleted"],
}
MUTANT_RUNS = 4


class BuildFailed(Exception):
    """With what meson or ninja said."""


class Variants:
    """Built once each; close() removes them."""

    def __init__(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="zksup-variants-"))

    def programs(self, name):
        """{"zksup": PATH, "guard": PATH} of a variant or a mutant."""
        directory = self.scratch / name
        if not directory.exists():
            options = OPTIONS.get(name, [f"-Dmutate={name}"])
            self._run("meson", "setup", str(directory), str(SOURCE), "-Dtests=false", "-Ddocs=disabled", *options)
            self._run("ninja", "-C", str(directory), "src/cli/zksup", "src/cli/zksup-up", "src/guard/zksup-guard")
        return {"zksup": str(directory / "src/cli/zksup"), "guard": str(directory / "src/guard/zksup-guard")}

    @staticmethod
    def _run(*argv):
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            raise BuildFailed(f"{' '.join(argv)}:\n{(done.stdout + done.stderr)[-3000:]}")

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)
