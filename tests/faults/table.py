"""The answers of the runs as text: a line a run, a table of all, the bound that they prove."""

import collections
import statistics

COUNTS = ("overlaps", "survivors", "lost_updates", "token_violations")


def is_failure(answer):
    return bool(answer.get("problems")) or any(answer.get(count) for count in COUNTS)


def milliseconds(seconds):
    return "-" if seconds is None else f"{seconds * 1000:.0f}"


def line(answer):
    """One run, for whoever is watching."""
    head = f"{answer['fault']} #{answer['index']}:"
    if "skipped" in answer:
        return f"{head} skipped: {answer['skipped']}"
    text = f"{head} margin {milliseconds(answer.get('margin'))} ms, next start after " \
           f"{milliseconds(answer.get('recovery'))} ms ({answer['seconds']:.1f} s, {answer.get('contain', '-')})"
    if answer.get("disturbances"):
        text += f", disturbed {answer['disturbances']} times before"
    for note in answer.get("notes", ()):
        text += f"\n    {note}"
    if answer.get("control"):
        return text + f": {answer['overlaps']} overlaps, {answer['lost_updates']} lost updates"
    if not is_failure(answer):
        return text
    bad = [f"{answer[count]} {count}" for count in COUNTS if answer.get(count)] + list(answer["problems"])
    text += "\n  FAILED: " + "\n  FAILED: ".join(bad)
    if "kept" in answer:
        text += f"\n  see {answer['kept']}"
    for who, said in answer.get("said", {}).items():
        text += f"\n  -- {who}\n" + "\n".join("  " + x for x in dict.fromkeys(said.splitlines()))
    return text


def group(answers):
    groups = collections.defaultdict(list)
    for answer in answers:
        groups[answer["fault"]].append(answer)
    return groups


HEADER = ("fault", "runs", "overlaps", "survivors", "lost", "tokens", "margin min", "median", "recovery", "other")


def row(name, answers):
    ran = [a for a in answers if "skipped" not in a]
    margins = [a["margin"] for a in ran if a.get("margin") is not None]
    recoveries = [a["recovery"] for a in ran if a.get("recovery") is not None]
    return (
        name, str(len(ran)), *(str(sum(a.get(count, 0) for a in ran)) for count in COUNTS),
        milliseconds(min(margins, default=None)), milliseconds(statistics.median(margins) if margins else None),
        milliseconds(statistics.median(recoveries) if recoveries else None),
        str(sum(bool(a.get("problems")) for a in ran)) if ran else "skipped",
    )


def summary(answers, seconds):
    rows = [HEADER] + [row(name, found) for name, found in group(answers).items()]
    widths = [max(len(r[i]) for r in rows) for i in range(len(HEADER))]
    text = "\n".join(
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(r, widths))).rstrip()
        for r in rows
    )
    ran = [a for a in answers if "skipped" not in a]
    failed = sum(map(is_failure, ran))
    overlaps = sum(a.get("overlaps", 0) > 0 for a in ran)
    text += "\nTimes in ms. margin: from the last beat of a command to the first of the next, where the fault" \
            "\nmade it change hands; recovery: median, from the fault to that start; other: runs in which" \
            "\nsomething else did not hold.\n"
    decreed = sum(a.get("decreed_overlaps", 0) > 0 for a in ran)
    if decreed:
        text += "Where the fault takes the exclusion itself away (all znodes deleted by hand; a tree that SIGKILL" \
                f"\ndoes not end, and no contact to say so), two ran for a moment in {decreed} runs: not counted.\n"
    if ran and not overlaps:
        bound = min(1, 3 / len(ran))
        text += f"No overlap in {len(ran)} fault events: at 95 % less than {bound:.2g} per event (3/n).\n"
    elif ran:
        text += f"OVERLAPS in {overlaps} of {len(ran)} fault events.\n"
    return text + f"{len(ran) - failed} passed, {failed} failed in {seconds:.1f}s"


def conviction(control, answers):
    """Per fault, in how many runs a control let two run at once."""
    lines = [f"{control}: two at once"]
    for name, found in group(answers).items():
        ran = [a for a in found if "skipped" not in a]
        convicted = [a for a in ran if a.get("overlaps")]
        margins = [a["margin"] for a in ran if a.get("margin") is not None]
        lines.append(f"  {name}: in {len(convicted)} of {len(ran)} runs, smallest margin "
                     f"{milliseconds(min(margins, default=None))} ms, "
                     f"{sum(a.get('lost_updates', 0) for a in ran)} lost updates")
    if all("skipped" in a for a in answers):
        lines.append("  NOT TRIED")
    elif not any(a.get("overlaps") for a in answers):
        lines.append("  LET PASS: the rig sees nothing, or the control has become good")
    return "\n".join(lines)


def listing(faults):
    width = max(len(f.name) for f in faults)
    return "\n".join(f"{f.name:{width}}  {'short' if f.short else '':7}{f.run.__doc__}" for f in faults)
