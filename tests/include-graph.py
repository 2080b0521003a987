#!/usr/bin/python3
"""Checks that includes in src/ point down only, and that what is kept in one place stays there.

include-graph.py DIRECTORY     walks it; prints file:line for every wrong include, status 1 if any
include-graph.py --self-test   proves that each rule catches its violation

The linker sees calls in the wrong direction; this sees types, macros and inline functions too."""

import pathlib
import re
import sys
import tempfile

# directory -> what it may include, besides itself: a directory, or one file of it.
ARROWS = {
    "include": [],
    "util": [],
    "recipe": ["util"],
    "client": ["recipe", "util", "include"],
    # A small static program whose whole text must be possible to read in one go.
    "guard": ["util/clock.h", "util/macros.h", "util/test-clock.h"],
    # The wire format and the walk over a process tree are shared with the guard.
    "unit": ["util", "guard/wire.h", "guard/tree.h", "guard/service-group.h"],
    "config": ["recipe", "unit", "util"],
    "api": ["util"],
    # Of the client only the reader of connect strings.
    "ensemble": ["client/hosts.h", "util"],
    "manager": ["api", "client", "config", "ensemble", "recipe", "unit", "util"],
    "cli": ["api", "client", "config", "ensemble", "manager", "unit", "util"],
    "shell": ["api", "client", "util"],
    "tui": ["api", "client", "util"],
}

# A library's header belongs to one directory, and so does what its files only share among themselves.
ONLY_IN = {
    "client/client-private.h": "client",
    "manager/manager-private.h": "manager",
    "manager/unit-private.h": "manager",
    "manager/cluster-private.h": "manager",
    "zookeeper/zookeeper.h": "client",
    "zookeeper.h": "client",
    "confuse.h": "config",
    "microhttpd.h": "api",
}

# Pure machines: no descriptor, no clock, no randomness, no log. A prefix of the path in src/.
PURE = ["recipe/", "unit/unit-machine.", "unit/unit-step.", "unit/unit-names.", "unit/backoff."]
PURE_MAY_INCLUDE = {
    "assert.h", "ctype.h", "errno.h", "inttypes.h", "limits.h", "signal.h", "stdarg.h", "stdbool.h",
    "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "sys/types.h",
}  # fmt: skip
PURE_MUST_NOT_INCLUDE = {"util/log.h", "util/file.h"}
PURE_MUST_NOT_CALL = re.compile(
    r"\b(clock_\w+_usec|clock_gettime|gettimeofday|time|rand|random_seed_from_kernel|random_uuid"
    r"|log_(?:error|warning|notice|info|debug|write)|printf|fprintf|puts|perror|getenv|kill|fork"
    r"|open|close|read|write|poll|socket)\s*\("
)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def without_comments(text):
    """The text with comments and strings blanked, line numbers kept."""

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def include_problem(directory, path, quoted, target):
    if target in ONLY_IN and directory != ONLY_IN[target]:
        return f"<{target}> belongs to src/{ONLY_IN[target]}/ alone"
    pure = path.startswith(tuple(PURE))
    if not quoted:
        if pure and target not in PURE_MAY_INCLUDE:
            return f"<{target}> in a pure machine: it gets time, input and effects from its caller"
        return None
    if "/" not in target:
        return f'"{target}": write the directory too, as in "{directory}/{target}"'
    if pure and target in PURE_MUST_NOT_INCLUDE:
        return f'"{target}" in a pure machine: it has no log and no files'
    there = target.split("/")[0]
    if there == directory:
        return None
    allowed = ARROWS[directory]
    if there in allowed or target in allowed:
        return None
    return f'src/{directory}/ must not include "{target}" (may: {", ".join(allowed) or "nothing else"})'


def check_file(root, file):
    path = file.relative_to(root).as_posix()
    directory = path.split("/")[0]
    text = file.read_text(errors="replace")
    if directory not in ARROWS:
        yield 1, f"src/{directory}/ is not in the table of this test; say there what it may include"
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            problem = include_problem(directory, path, match[1] == '"', match[2])
            if problem:
                yield number, problem
    if path.startswith(tuple(PURE)) and path.endswith(".c"):
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            for match in PURE_MUST_NOT_CALL.finditer(line):
                yield number, f"{match[1]}() in a pure machine"


def check(root):
    """All problems below ROOT as "file:line: text"."""
    root = pathlib.Path(root)
    problems = []
    for file in sorted(root.rglob("*.[ch]")):
        for number, problem in check_file(root, file):
            problems.append(f"{file}:{number}: {problem}")
    return problems


GOOD = {
    "util/text.h": "#include <string.h>\n",
    "recipe/lock.c": '#include "recipe/lock.h"\n#include "util/text.h"\n/* no fork() here, "open(" */\n',
    "client/client.c": '#include <zookeeper/zookeeper.h>\n#include "recipe/lock.h"\n',
    "guard/guard.c": '#include "guard/wire.h"\n#include "util/clock.h"\n',
    "unit/spawn.c": '#include "guard/wire.h"\n#include <sys/socket.h>\n',
    "ensemble/health.c": '#include "client/hosts.h"\n',
    "cli/main.c": '#include "client/client.h"\n',
}
BAD = {
    "util/text.c": '#include "recipe/lock.h"\n',
    "recipe/lock.c": '#include "client/client.h"\n',
    "recipe/claim.c": "#include <time.h>\n",
    "recipe/lease.c": "static int f(void)\n{\n        return clock_boottime_usec();\n}\n",
    "recipe/node.c": '#include "util/log.h"\n',
    "recipe/queue.c": "#include <sys/socket.h>\n",
    "unit/unit-step.c": "void f(void) { kill(1, 9); }\n",
    "unit/unit.c": '#include "client/client.h"\n',
    "unit/gate.c": '#include "guard/policy.h"\n',
    "manager/manager.c": "#include <zookeeper/zookeeper.h>\n",
    "guard/guard.c": '#include "util/text.h"\n',
    "client/client.c": '#include "manager/manager.h"\n',
    "ensemble/health.c": '#include "client/client.h"\n',
    "cli/main.c": "#include <confuse.h>\n",
    "shell/shell.c": '#include "manager/manager.h"\n',
    "shell/prompt.c": '#include "client/client-private.h"\n',
    "api/api.c": '#include "api.h"\n',
    "new/thing.c": "\n",
}


def self_test():
    def run(files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                file = pathlib.Path(root) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            return check(root)

    failures = run(GOOD)
    for path, text in BAD.items():
        if len(run({path: text})) != 1:
            failures.append(f"not caught once: {path}: {text.strip()}")
    print("\n".join(failures) or f"{len(BAD)} violations were caught")
    return 1 if failures else 0


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--self-test":
        return self_test()
    if not pathlib.Path(sys.argv[1]).is_dir():
        sys.exit(f"{sys.argv[1]} is no directory")
    problems = check(sys.argv[1])
    print("\n".join(problems) or "all includes point down")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
