"""What the commands under test have left behind, read without asking any supervisor.

A Witness is the directory of one run: holder.c writes it, a Verdict is what follows from it. The
oracles: a lock of the kernel that was refused; the times at which each tree was first and last seen
alive, on the one clock that all network namespaces share; a counter file without any lock; the
tokens; and the processes that carry the run's mark in their environment."""

import collections
import os
import pathlib
import sys
import uuid
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from supervised import MARKER, marked_processes  # noqa: E402


class Tree(NamedTuple):
    """One start of the command, with all its descendants; times in seconds of CLOCK_MONOTONIC."""

    name: str
    token: int
    first: float
    last: float


class Verdict(NamedTuple):
    overlaps: int  # trees that were alive at once with another, by either oracle
    lost_updates: int
    token_violations: int


class Witness:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.marker = uuid.uuid4().hex
        self.log = self.directory / "log"
        self.log.touch()

    @property
    def environment(self):
        return {MARKER: self.marker}

    @property
    def lines(self):
        """[what, token, tree, pid, nanoseconds, value], complete lines only."""
        text = self.log.read_text()
        return [line.split(" ") for line in text[: text.rfind("\n") + 1].splitlines()]

    @property
    def trees(self):
        """In the order of their first beats."""
        times = collections.defaultdict(list)
        tokens = {}
        for _, token, tree, _, nanoseconds, _ in self.lines:
            times[tree].append(int(nanoseconds) / 1e9)
            tokens[tree] = int(token)
        trees = [Tree(name, tokens[name], min(seen), max(seen)) for name, seen in times.items()]
        return sorted(trees, key=lambda tree: tree.first)

    @staticmethod
    def margins(trees):
        """Per hand-over, the start of a tree less the last beat of any before it; negative: both ran."""
        ends = [max(tree.last for tree in trees[: i + 1]) for i in range(len(trees))]
        return [later.first - end for end, later in zip(ends, trees[1:])]

    def verdict(self):
        lines, trees = self.lines, self.trees
        refused = {line[2] for line in lines if line[0] == "conflict"}
        together = {later.name for later, margin in zip(trees[1:], self.margins(trees)) if margin <= 0}
        values = collections.Counter(line[5] for line in lines if line[5] != "0")
        tokens = [tree.token for tree in trees if tree.token]  # 0: a foreign contender has none
        return Verdict(
            overlaps=len(refused | together),
            lost_updates=sum(count - 1 for count in values.values()),
            # A command that is started again under the same hold keeps its token.
            token_violations=sum(b < a for a, b in zip(tokens, tokens[1:])),
        )

    def survivors(self, without=()):
        """All live processes of all trees. Guards are not part of a tree, but share its mark (`guards`
        finds those), and so do supervisors: their pids are given in `without`."""
        return marked_processes(self.marker, without)

    def guards(self):
        """Guards, and inits of PID namespaces, that are still there."""
        wanted = f"{MARKER}={self.marker}".encode()
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                environment = pathlib.Path(f"/proc/{name}/environ").read_bytes()
                stat = pathlib.Path(f"/proc/{name}/stat").read_text()
            except OSError:
                continue
            dead = stat.rpartition(")")[2].split()[0] in "ZX"
            if wanted in environment.split(b"\0") and "(zksup-" in stat and not dead:
                found.append(int(name))
        return found
