#!/usr/bin/python3
"""Checks that whatever can be said to zksup is written down, and that whatever is written down can be said.

manual.py ZKSUP SOURCE         SOURCE is the top of the source tree; one line for each gap, status 1 if any
manual.py --self-test          proves that each kind of gap is noticed

Every verb of "zksup help" has --help, a page man/zksup-VERB.1.scd with the sections that a page has, a place in
man/meson.build and in zksup.1, and is completed by bash; so is every option of its --help, long and short, on that
page. And every option of the page is one of the program."""

import pathlib
import re
import subprocess
import sys

SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "SIGNALS", "EXAMPLES", "SEE ALSO"]
SUB_VERBS = {"ensemble": ["up", "status"]}
HELP_LINE = re.compile(r"^  (?:-(\w), |    )--([a-z-]+)(?: (\S+))?(?:  .*)?$", re.MULTILINE)
PAGE_TAG = re.compile(r"^(?:\*-(\w)\*, )?((?:\*--[a-z-]+\*(?: [^,\n]*)?(?:, )?)+)$", re.MULTILINE)


def verbs_of(help_text):
    return re.findall(r"^  ([a-z][a-z-]*)  ", help_text, re.MULTILINE)


def options_of_help(text):
    """{long name: letter or ""}"""
    return {name: letter or "" for letter, name, _ in HELP_LINE.findall(text)}


def options_of_page(text):
    """The same, of the tagged paragraphs below OPTIONS."""
    found = {}
    for section in re.split(r"^# ", text, flags=re.MULTILINE):
        if section.startswith("OPTIONS"):
            for letter, names in PAGE_TAG.findall(section):
                for name in re.findall(r"\*--([a-z-]+)\*", names):
                    found[name] = letter
    return found


def page_gaps(page, helped, text):
    sections = re.findall(r"^# (.*)$", text, re.MULTILINE)
    for wanted in SECTIONS:
        if not any(section == wanted or section.startswith(wanted + " OF ") for section in sections):
            yield f"{page}: there is no section {wanted}"
    written = options_of_page(text)
    for name, letter in helped.items():
        if name not in written:
            yield f"{page}: --{name} is missing"
        elif written[name] != letter:
            yield f"{page}: --{name} has the letter '{written[name]}' there, '{letter}' in --help"
    for name in written.keys() - helped.keys():
        yield f"{page}: --{name} is no option of the program"


def completion_gaps(what, wanted, offered):
    for word in wanted:
        if word not in offered:
            yield f"completion of '{what}': {word} is not offered"


def whole_page(source, page):
    """The page with the parts that it shares with others."""
    text = (source / "man" / f"{page}.scd").read_text()
    return re.sub(r"^@([a-z-]+)@$", lambda m: (source / "man/parts" / f"{m[1]}.scd").read_text(), text, flags=re.MULTILINE)


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 0, f"{argv}: status {done.returncode}: {done.stderr}"
    return done.stdout


def complete(source, *words):
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _zksup; printf "%s\\n" "${COMPREPLY[@]}"'
    return run("bash", "-c", script, "bash", str(source / "contrib/completion/zksup.bash"), *words).split()


def verb_gaps(zksup, source, verb, meson, overview):
    page = f"zksup-{verb}.1"
    if not (source / "man" / f"{page}.scd").exists():
        yield f"man/{page}.scd is missing"
        return
    if f"'{page}'" not in meson:
        yield f"man/meson.build does not make {page}"
    if not re.search(rf"^\*{verb}[ *]", overview, re.MULTILINE):
        yield f"zksup.1 does not list {verb}"
    helped = {}
    for sub in SUB_VERBS.get(verb, [None]):
        words = [verb] + ([sub] if sub else [])
        options = options_of_help(run(zksup, *words, "--help"))
        if not options:
            yield f"zksup {' '.join(words)} --help shows no option"
        helped |= options
        offered = complete(source, zksup, *words, "--")
        yield from completion_gaps(" ".join(words), [f"--{name}" for name in [*options, "help"]], offered)
    text = whole_page(source, page)
    helped["help"] = "h"
    if "*--help*" not in text:
        del helped["help"]
    yield from page_gaps(page, helped, text)


def gaps(zksup, source):
    meson = (source / "man/meson.build").read_text()
    overview = (source / "man/zksup.1.scd").read_text()
    verbs = verbs_of(run(zksup, "help"))
    yield from completion_gaps("", verbs, complete(source, zksup, ""))
    yield from completion_gaps("help", verbs, complete(source, zksup, "help", ""))
    for verb in verbs:
        if verb != "help":
            yield from verb_gaps(zksup, source, verb, meson, overview)
    for words, value in ((["run", "--restart"], "on-failure"), (["run", "--on-suspend"], "signal:"),
                         (["ensemble", "up", "-n"], "3"), (["run", "--ready"], "notify")):  # fmt: skip
        yield from completion_gaps(" ".join(words), [value], complete(source, zksup, *words, ""))


PAGE = "".join(f"# {section}\n\ntext\n\n" for section in SECTIONS)
TAGS = "*-c*, *--connect* _HOSTS_[_/CHROOT_]\n\ttext\n\n*--delay* _TIME_, *--delay-max* _TIME_\n\ttext\n"
HELP = "  -c, --connect HOSTS[/CHROOT]        text\n      --delay TIME     text\n      --delay-max TIME\n             text\n"


def self_test():
    good = PAGE.replace("# OPTIONS\n\ntext\n", "# OPTIONS\n\n" + TAGS)
    helped = options_of_help(HELP)
    assert helped == {"connect": "c", "delay": "", "delay-max": ""}, helped
    assert not list(page_gaps("p", helped, good)), list(page_gaps("p", helped, good))
    wrong = {
        "a section": good.replace("# SIGNALS", "# SINGALS"),
        "an option": good.replace("*--delay* _TIME_, ", ""),
        "a letter": good.replace("*-c*, ", ""),
        "an invention": good.replace("*--connect*", "*--connect* *--konnect*").replace("*--delay*", "*--delai*, *--delay*"),
    }
    missed = [name for name, page in wrong.items() if not list(page_gaps("p", helped, page))]
    if not list(completion_gaps("x", ["--a"], ["--b"])) or verbs_of("Verbs:\n  run   text\n") != ["run"]:
        missed.append("a word that is not completed")
    print("\n".join(missed) or f"{len(wrong) + 1} gaps were noticed")
    return 1 if missed else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    found = list(gaps(sys.argv[1], pathlib.Path(sys.argv[2])))
    print("\n".join(found) or "all verbs and options are written down and completed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
