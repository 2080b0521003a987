"""A journal: what commands under test write, one line at a time, in the order in which it happened. A
command writes with `say WORD...`, which SAY defines for a shell; a line is appended in one write."""

import pathlib

from zk_server import wait_for

SAY = 'say() { echo "$*" >>"$JOURNAL"; }\n'


class Journal:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.touch()
        self.env = {"JOURNAL": str(self.path)}

    def __repr__(self):
        return repr(self.lines)

    @property
    def lines(self):
        return self.path.read_text().splitlines()

    def having(self, start):
        """The lines that begin with `start`."""
        return [line for line in self.lines if line.startswith(start)]

    def wait(self, start, count=1, deadline=20.0):
        """Waits for `count` lines that begin with `start`; returns the last of them."""
        wait_for(lambda: len(self.having(start)) >= count, deadline, f"{count} of {start!r} in {self!r}")
        return self.having(start)[count - 1]


def shell(script):
    """The command that runs SCRIPT, in which `say` writes to the journal."""
    return ["/bin/sh", "-c", SAY + script]


def is_running(pid):
    """Whether a process has code to run yet, by its number in a line of the journal."""
    try:
        stat = pathlib.Path(f"/proc/{int(pid)}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


__all__ = ["Journal", "SAY", "is_running", "shell"]
