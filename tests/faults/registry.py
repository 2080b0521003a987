"""The faults by name. A fault is a function of a Round (rig.py) that makes two hosts contend, breaks
something and says what must hold beyond the rules that hold for all of them: no overlap, no lost
update, tokens that grow, no survivor, and a lock that is free in the end."""

from typing import Callable, NamedTuple


class Fault(NamedTuple):
    name: str
    run: Callable
    short: bool  # part of the short form
    variant: str  # the build that it needs: "" or the value of a build option (variants.py)


FAULTS = {}


def fault(short=False, variant=""):
    """Registers a function; its name with hyphens is the fault's, its docstring what it does."""

    def register(function):
        name = function.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, function, short, variant)
        return function

    return register
