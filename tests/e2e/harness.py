"""A running zksup, as the end-to-end tests see it: a process with captured output."""

import os
import pathlib
import re
import signal
import subprocess

from zk_server import SCALE, wait_for


class Zksup:
    """One zksup process. Its standard output and error go to files, so that nothing blocks when
    a test does not read them, and `out`/`err` can be looked at while it runs."""

    def __init__(self, argv, directory, name, env, **popen):
        self.argv = argv
        self.out_path = pathlib.Path(directory) / f"{name}.out"
        self.err_path = pathlib.Path(directory) / f"{name}.err"
        popen.setdefault("stdin", subprocess.DEVNULL)
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(argv, **{"stdout": out, "stderr": err, "env": env, **popen})

    def __repr__(self):
        return f"<{' '.join(self.argv)}: status {self.process.poll()}, err {self.err[-500:]!r}>"

    def check_sanitizers(self):
        """Fails if a sanitizer has found something in this process, whatever its exit status."""
        found = re.search(r"ERROR: \w+Sanitizer|runtime error:", self.err)
        assert not found, f"{found.group()} in {self.argv}:\n{self.err[-6000:]}"

    @property
    def pid(self):
        return self.process.pid

    @property
    def out(self):
        return self.out_path.read_text(errors="replace")

    @property
    def err(self):
        return self.err_path.read_text(errors="replace")

    @property
    def status(self):
        """Exit status as a shell would show it, None while running."""
        code = self.process.poll()
        return 128 - code if code is not None and code < 0 else code

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, deadline=20.0):
        """Waits for the end and returns the exit status."""
        try:
            self.process.wait(deadline * SCALE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {deadline * SCALE:g} s: {self!r}") from None
        return self.status

    def stop(self, deadline=20.0):
        """TERM, then wait; returns the exit status."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait(deadline)

    def wait_out(self, text, deadline=15.0):
        """Waits until standard output contains `text`; returns all of it."""
        return self._wait_text(lambda: self.out, text, deadline)

    def wait_err(self, text, deadline=15.0):
        return self._wait_text(lambda: self.err, text, deadline)

    def _wait_text(self, read, text, deadline):
        def there():
            content = read()
            if text in content:
                return content
            assert self.process.poll() is None, f"ended before printing {text!r}: {self!r}"
            return None

        # An ended process prints nothing more: the assertion above is final then.
        def there_or_over():
            try:
                return there()
            except AssertionError as problem:
                return problem

        result = wait_for(there_or_over, deadline, f"{text!r} in the output of {self!r}")
        if isinstance(result, AssertionError):
            raise result
        return result


def children_of(pid):
    """The pids of the direct children of a process, () when it is gone."""
    found = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            text = pathlib.Path(f"/proc/{pid}/task/{thread}/children").read_text()
            found += [int(p) for p in text.split()]
    except FileNotFoundError:
        pass
    return tuple(found)


def state_of(pid):
    """The state letter of /proc/PID/stat; X when it is gone."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "X"
    return stat.rpartition(")")[2].split()[0]


def is_alive(pid):
    """Whether the process exists and is no zombie."""
    return state_of(pid) not in "ZX"


def is_stopped(pid):
    """Whether a signal has stopped the process (not a tracer)."""
    return state_of(pid) == "T"
