#!/usr/bin/python3
"""Checks that each message identifier of the journal is explained in the catalog, and each explanation is of one.

catalog.py SOURCE        SOURCE is the top of the source tree; one line for each gap, status 1 if any
catalog.py --self-test   proves that each kind of gap is noticed

Where journalctl is installed, it compiles the catalog and lists what it has understood."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FIELDS = {"ZKSUP_UNIT", "ZKSUP_HOLD", "ZKSUP_TOKEN", "ZKSUP_SESSION", "ZKSUP_REASON"}
HEADERS = {"Subject", "Defined-By", "Documentation"}
MANUALS = re.compile(r"^Documentation: man:([a-z.-]+)\((\d)\)$", re.MULTILINE)


def ids_of(code):
    """{event: identifier} of the table in journal.c"""
    return dict(re.findall(r"\[LOG_EVENT_([A-Z_]+)\] = \"([0-9a-f]{32})\"", code))


def events_of(header):
    body = re.search(r"enum LogEvent \{(.*?)\};", header, re.DOTALL)[1]
    return [name for name in re.findall(r"^ *LOG_EVENT_([A-Z_]+),", body, re.MULTILINE) if name not in ("NONE", "COUNT")]


def entries_of(catalog):
    """{identifier: text}, in their order, doubles included"""
    return re.findall(r"^-- ([^\n]*)\n(.*?)(?=^-- |\Z)", catalog, re.DOTALL | re.MULTILINE)


def entry_gaps(name, text):
    head, _, body = text.partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    if "Subject" not in headers or headers.get("Defined-By") != "zksup":
        yield f"{name}: needs the headers Subject and 'Defined-By: zksup'"
    for header in headers.keys() - HEADERS:
        yield f"{name}: the header {header} is unknown"
    if len(body.split()) < 3:
        yield f"{name}: there is no explanation"
    for field in re.findall(r"@([^@\s]*)@", text):
        if field not in FIELDS:
            yield f"{name}: @{field}@ is no field of ours"
    for line in text.splitlines():
        if len(line) > 140:
            yield f"{name}: a line of {len(line)} characters"


def gaps(header, code, catalog, manuals):
    ids = ids_of(code)
    for event in events_of(header):
        if event not in ids:
            yield f"{event}: has no identifier"
    for event, identifier in ids.items():
        if list(ids.values()).count(identifier) > 1:
            yield f"{event}: its identifier is another's too"
    entries = entries_of(catalog)
    for identifier, text in entries:
        names = [event for event, known in ids.items() if known == identifier]
        if not names:
            yield f"{identifier}: is no identifier of ours"
        if [i for i, _ in entries].count(identifier) > 1:
            yield f"{identifier}: is explained twice"
        yield from entry_gaps(names[0] if names else identifier, text)
        for page, section in MANUALS.findall(text):
            if f"{page}.{section}" not in manuals:
                yield f"{identifier}: there is no manual page {page}({section})"
    for event in ids.keys() - {e for e, i in ids.items() if i in [known for known, _ in entries]}:
        yield f"{event}: is not explained"


def journalctl_gaps(catalog, ids):
    if not shutil.which("journalctl"):
        return
    with tempfile.TemporaryDirectory() as root:
        place = pathlib.Path(root) / "usr/lib/systemd/catalog"
        place.mkdir(parents=True)
        (pathlib.Path(root) / "var/lib/systemd/catalog").mkdir(parents=True)
        (place / "zksup.catalog").write_text(catalog)
        done = subprocess.run(["journalctl", f"--root={root}", "--update-catalog"], capture_output=True, text=True, timeout=60)
        listed = subprocess.run(["journalctl", f"--root={root}", "--list-catalog"], capture_output=True, text=True, timeout=60)
    if done.returncode or listed.returncode:
        yield f"journalctl does not take it: {done.stderr}{listed.stderr}".strip()
        return
    found = set(re.findall(r"^([0-9a-f]{32}) zksup: ", listed.stdout, re.MULTILINE))
    if found != set(ids.values()):
        yield f"journalctl lists {len(found)} entries of {len(ids)}"


def self_test():
    one, two = "1" * 32, "2" * 32
    header = "enum LogEvent {\n        LOG_EVENT_NONE,\n        LOG_EVENT_A,\n        LOG_EVENT_B,\n        LOG_EVENT_COUNT,\n};"
    code = f'[LOG_EVENT_A] = "{one}",\n[LOG_EVENT_B] = "{two}",'
    entry = "-- {}\nSubject: it is @ZKSUP_UNIT@\nDefined-By: zksup\nDocumentation: man:zksup(1)\n\nSomething has to be done.\n\n"
    good = entry.format(one) + entry.format(two)

    def found(text, head=header, table=code):
        return list(gaps(head, table, text, {"zksup.1"}))

    assert found(good) == [], found(good)
    for bad in (entry.format(one), good + entry.format(two), good + entry.format("3" * 32), good.replace("zksup(1)", "nope(1)"),
                good.replace("Subject", "Sujet"), good.replace("ZKSUP_UNIT", "UNIT"), good.replace("Something has to be done.", "")):
        assert found(bad), bad
    assert found(good, table=code.replace(two, one))
    assert found(good, head=header.replace("LOG_EVENT_B", "LOG_EVENT_B,\n        LOG_EVENT_C"))
    if shutil.which("journalctl"):
        assert list(journalctl_gaps(good, ids_of(code))) == []
        assert list(journalctl_gaps(entry.format(one), ids_of(code)))


def main():
    if sys.argv[1] == "--self-test":
        self_test()
        return 0
    source = pathlib.Path(sys.argv[1])
    header = (source / "src/util/log.h").read_text()
    code = (source / "src/manager/journal.c").read_text()
    catalog = (source / "packaging/journal/zksup.catalog").read_text()
    manuals = {page.name[: -len(".scd")] for page in (source / "man").glob("*.scd")}
    found = list(gaps(header, code, catalog, manuals)) + list(journalctl_gaps(catalog, ids_of(code)))
    print("\n".join(found) if found else "every identifier is explained")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
