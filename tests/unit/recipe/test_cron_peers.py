"""Compares the next ticks of recipe/cron-schedule.c with two implementations that know nothing of it.

    test_cron_peers.py PROGRAM      PROGRAM: cron-ticks, see there

1. croniter, for 10,000 random schedules in UTC. Left out is what it documents otherwise: a step in one of
   the days while the other is restricted (it takes either, cron(8) takes both), and daylight saving. It
   has errors of its own (1.3.5: a list of all weekdays counts as '*'; '*/15' from late February misses
   1 March; the 31st in months without one can end in "failed to find next date"): where it differs, the
   second model decides. That may be one in two hundred.
2. A walk over every minute around the days when the clocks change, in the way cron(8) describes: a clock on
   the wall is watched, and what it jumped over is run at once, what it repeats is not run again. The wall
   clock is Python's zoneinfo.
3. Noon on the first of each quarter, for some years of every zone that there is, by zoneinfo.

ZKSUP_TEST_SEED replaces the fixed seed."""

import datetime
import os
import random
import subprocess
import sys
import zoneinfo

try:
    from croniter import croniter
except ImportError as why:
    print(f"skipped: {why}; contrib/packages.txt has the package's name")
    sys.exit(77)

UTC = datetime.timezone.utc
SEED = int(os.environ.get("ZKSUP_TEST_SEED", "0")) or 20260329
COUNT = 10_000
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()
# Days on which clocks change; the last two: by half an hour, and a day that was not there.
CHANGES = {
    "Europe/Berlin": ["2026-03-29", "2026-10-25", "2031-03-30", "2045-10-29"],
    "America/New_York": ["2026-03-08", "2026-11-01", "2030-03-10", "2044-11-06"],
    "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"],
    "Pacific/Apia": ["2011-12-30"],
}


def element(rng, low, high, names):
    def text(n):
        name = names[n - low] if names and n - low < len(names) and rng.random() < 0.3 else str(n)
        return name.upper() if rng.random() < 0.3 else name

    a = rng.randint(low, high)
    if rng.random() < 0.6:
        return text(a)
    b = rng.randint(a, high)
    if rng.random() < 0.5:
        return f"{a}-{b}" if not names or b - low >= len(names) else f"{text(a)}-{text(b)}"
    return f"{a}-{b}/{rng.randint(1, max(1, b - a))}"


def field(rng, low, high, names=None, star=0.3, step=0.15):
    kind = rng.random()
    if kind < star:
        return "*"
    if kind < star + step:
        return f"*/{rng.randint(1, max(2, high // 2))}"
    return ",".join(element(rng, low, high, names) for _ in range(rng.choice((1, 1, 1, 2, 3))))


def schedule(rng, hours=(0, 23), steps_of_days=True):
    minute, hour = field(rng, 0, 59), field(rng, *hours)
    month = field(rng, 1, 12, MONTHS, 0.5)
    while True:
        day, weekday = field(rng, 1, 31, None, 0.5), field(rng, 0, 7, DAYS, 0.5)
        starred = day.startswith("*/") or weekday.startswith("*/")
        if not starred or steps_of_days or "*" in (day, weekday):
            return f"{minute} {hour} {day} {month} {weekday}"


def ask(program, questions):
    lines = "".join(f"{zone} {start} {count} {text}\n" for zone, start, count, text in questions)
    answer = subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(answer) == len(questions)
    return answer


def compare_with_croniter(program, rng):
    questions = []
    for _ in range(COUNT):
        start = rng.randint(0, 4_000_000_000)
        questions.append(("UTC", start, 4, schedule(rng, steps_of_days=False)))
    answers = ask(program, questions)
    wrong = never = errors = 0
    for (_, start, count, text), answer in zip(questions, answers):
        if answer.startswith("refused"):
            assert "never comes" in answer, (text, answer)
            never += 1
        try:
            walk = croniter(text.lower(), datetime.datetime.fromtimestamp(start, UTC), max_years_between_matches=60)
            expected = " ".join(str(int(walk.get_next(float))) for _ in range(count))
        except ValueError as why:  # CroniterBadDateError is one
            expected = f"refused {why}"
        if answer != expected and not (answer.startswith("refused") and expected.startswith("refused")):
            errors += 1
            if answer == search(Fields(text), start, count):
                continue
            wrong += 1
            if wrong <= 10:
                print(f"'{text}' from {start}: {answer}, croniter says {expected}")
    print(f"croniter: {COUNT} schedules, {never} that never come; in {errors} croniter differs, "
          f"in {wrong} so does the second model")
    assert never < COUNT / 20 and errors < COUNT / 200
    return wrong


class Fields:
    """A schedule, read once more, for datetime values."""

    def __init__(self, text):
        fields = text.lower().split()
        ranges = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, MONTHS), (0, 7, DAYS))
        self.sets = [self.read(f, *r) for f, r in zip(fields, ranges)]
        self.wildcard = fields[0].startswith("*") or fields[1].startswith("*")
        self.either = not fields[2].startswith("*") and not fields[4].startswith("*")

    @staticmethod
    def read(text, low, high, names):
        def number(word):
            return low + names.index(word) if word in names else int(word)

        result = set()
        for part in text.split(","):
            span, _, step = part.partition("/")
            first, _, last = span.partition("-")
            first, last = (low, high) if span == "*" else (number(first), number(last or first))
            result.update(range(first, last + 1, int(step or 1)))
        return result

    def match(self, wall):
        minutes, hours, days, months, weekdays = self.sets
        if wall.minute not in minutes or wall.hour not in hours or wall.month not in months:
            return False
        of_month = wall.day in days
        of_week = wall.isoweekday() % 7 in weekdays or (wall.isoweekday() == 7 and 7 in weekdays)
        return of_month or of_week if self.either else of_month and of_week


def search(fields, start, count):
    """The next ticks in UTC, by trying every minute of every day that fits."""
    found = []
    day = start // 86400
    while len(found) < count:
        midnight = datetime.datetime.fromtimestamp(day * 86400, UTC)
        probe = midnight.replace(minute=min(fields.sets[0]), hour=min(fields.sets[1]))
        if fields.match(probe):
            minutes = (midnight + datetime.timedelta(minutes=m) for m in range(1440))
            found += [int(m.timestamp()) for m in minutes if m.timestamp() > start and fields.match(m)]
        day += 1
    return " ".join(map(str, found[:count]))


MINUTE = datetime.timedelta(minutes=1)


def walls(zone, day):
    """(epoch, wall clock) of each minute from a day before to two days after."""
    middle = datetime.datetime.fromisoformat(day).replace(tzinfo=UTC)
    start = int(middle.timestamp()) - 2 * 86400
    zone = zoneinfo.ZoneInfo(zone)
    return [
        (t, datetime.datetime.fromtimestamp(t, zone).replace(tzinfo=None, fold=0))
        for t in range(start, start + 4 * 86400, 60)
    ]


def walk(fields, minutes):
    """The epochs of the runs, the first minute excluded."""
    runs = []
    virtual = minutes[0][1]  # how far the jobs for a certain time have come
    for (_, before), (epoch, now) in zip(minutes, minutes[1:]):
        due = before + MINUTE
        if abs(now - due) >= datetime.timedelta(hours=3):
            virtual = now - MINUTE  # a correction
        if fields.wildcard:
            run = fields.match(now)
        else:
            run = False
            while virtual < now:
                virtual += MINUTE
                run = fields.match(virtual) or run
        if run:
            runs.append(epoch)
    return runs


def compare_with_walk(program, rng):
    questions, expected = [], []
    for zone, days in CHANGES.items():
        for day in days:
            minutes = walls(zone, day)
            for _ in range(250):
                text = schedule(rng, hours=(0, 5))
                runs = walk(Fields(text), minutes)
                questions.append((zone, minutes[0][0], len(runs) + 1, text))
                expected.append((runs, minutes[-1][0]))
    wrong = ticks = 0
    for question, answer, (runs, end) in zip(questions, ask(program, questions), expected):
        got = [] if answer.startswith("refused") else [int(t) for t in answer.split() if int(t) <= end]
        ticks += len(runs)
        if got != runs:
            wrong += 1
            if wrong <= 40:
                print(f"{question}: {sorted(set(got) ^ set(runs))[:5]} are in one only")
    print(f"walk: {len(questions)} schedules around {sum(map(len, CHANGES.values()))} changes of the clock, "
          f"{ticks} ticks, {wrong} differ")
    assert ticks > len(questions)
    return wrong


def compare_zones(program, rng):
    names = sorted(zoneinfo.available_timezones())
    questions, expected = [], []
    for name in names:
        for year in rng.sample(range(1971, 2037), 3) + [rng.randrange(2040, 2120)]:
            zone = zoneinfo.ZoneInfo(name)
            noons = [datetime.datetime(year, month, 1, 12, tzinfo=zone) for month in (1, 4, 7, 10)]
            questions.append((name, int(noons[0].timestamp()) - 10_000, 4, "0 12 1 1,4,7,10 *"))
            expected.append(" ".join(str(int(noon.timestamp())) for noon in noons))
    wrong = 0
    for question, answer, noons in zip(questions, ask(program, questions), expected):
        if answer != noons:
            wrong += 1
            print(f"{question}: {answer}, zoneinfo says {noons}")
    print(f"zones: {len(names)}, {len(questions)} years, {wrong} differ")
    return wrong


def main():
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    compare = (compare_with_walk, compare_with_croniter, compare_zones)
    return 1 if sum(one(sys.argv[1], rng) for one in compare) else 0


if __name__ == "__main__":
    sys.exit(main())
