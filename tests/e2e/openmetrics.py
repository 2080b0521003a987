"""A strict reader of the OpenMetrics 1.0 text format, written from its specification: whatever a MUST forbids is an
error (Problem, with the line), so that what it accepts is conformant.

parse(text) returns {family name: Family}."""

import dataclasses
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
NUMBER = (
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
    r"|[+-]?(?:[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)|[nN][aA][nN]"
)
CANONICAL = re.compile(r"-?[0-9]+\.[0-9]+(?:e[+-]?[0-9]+)?|-?[0-9](?:\.[0-9]+)?e[+-]?[0-9]+")
SAMPLE = re.compile(rf"({NAME})(\{{.*\}})? ({NUMBER})(?: ({NUMBER}))?")
METADATA = re.compile(rf"# (TYPE|UNIT|HELP) ({NAME}) ?(.*)", re.DOTALL)
LABEL_PAIR = re.compile(rf'({LABEL})="((?:[^"\\\n]|\\[\\"n])*)"')
SUFFIXES = {
    "unknown": [""],
    "gauge": [""],
    "counter": ["_total", "_created"],
    "stateset": [""],
    "info": ["_info"],
    "histogram": ["_bucket", "_count", "_sum", "_created"],
    "gaugehistogram": ["_bucket", "_gcount", "_gsum"],
    "summary": ["", "_count", "_sum", "_created"],
}


class Problem(ValueError):
    pass


@dataclasses.dataclass
class Sample:
    name: str
    labels: dict
    value: float
    text: str  # the value as it was written


@dataclasses.dataclass
class Family:
    name: str
    type: str = "unknown"
    unit: str = ""
    help: str = ""
    samples: list = dataclasses.field(default_factory=list)
    told: set = dataclasses.field(default_factory=set)

    def value(self, suffix="", **labels):
        found = [s.value for s in self.samples if s.name == self.name + suffix and s.labels == labels]
        assert len(found) == 1, (self.name, suffix, labels, found)
        return found[0]


def unescape(text):
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], text)


def parse_labels(text):
    if text is None:
        return {}
    labels = {}
    rest = text[1:-1]
    while rest:
        pair = LABEL_PAIR.match(rest)
        if not pair:
            raise Problem(f"no label: {rest!r}")
        if pair[1] in labels:
            raise Problem(f"label {pair[1]} twice")
        labels[pair[1]] = unescape(pair[2])
        rest = rest[pair.end():]
        if rest:
            if rest[0] != "," or rest == ",":
                raise Problem(f"no comma between labels: {rest!r}")
            rest = rest[1:]
    return labels


class Reader:
    def __init__(self):
        self.families = {}
        self.current = None

    def begin(self, name):
        if self.current and self.current.name == name:
            return self.current
        if name in self.families:
            raise Problem(f"family {name} is interleaved with others")
        self.current = self.families[name] = Family(name)
        return self.current

    def on_metadata(self, word, name, text):
        family = self.begin(name)
        if word in family.told:
            raise Problem(f"a second {word} of {name}")
        if family.samples:
            raise Problem(f"{word} of {name} after its samples")
        family.told.add(word)
        if word == "TYPE":
            if text not in SUFFIXES:
                raise Problem(f"type {text!r}")
            family.type = text
        elif word == "UNIT":
            if text and not name.endswith("_" + text):
                raise Problem(f"{name} does not end with its unit {text!r}")
            family.unit = text
        else:
            if re.search(r'\\(?![\\n"])', text.replace("\\\\", "")):
                raise Problem(f"escape in the help of {name}")
            family.help = unescape(text)

    def family_of(self, name):
        if self.current:
            for suffix in SUFFIXES[self.current.type]:
                if name == self.current.name + suffix:
                    return self.current
            if name in {self.current.name + suffix for known in SUFFIXES.values() for suffix in known}:
                raise Problem(f"{name} is no sample of a {self.current.type}")
        return self.begin(name)

    def on_sample(self, line):
        match = SAMPLE.fullmatch(line)
        if not match:
            raise Problem(f"no sample: {line!r}")
        family = self.family_of(match[1])
        family.samples.append(Sample(match[1], parse_labels(match[2]), float(match[3]), match[3]))


def metric_key(family, sample):
    own = {"histogram": "le", "gaugehistogram": "le", "summary": "quantile", "stateset": family.name}.get(family.type)
    return tuple(sorted((k, v) for k, v in sample.labels.items() if k != own))


def check_histogram(name, samples):
    buckets = [(float(s.labels["le"]), s) for s in samples if s.name.endswith("_bucket")]
    bounds = [b for b, _ in buckets]
    if not bounds or bounds[-1] != float("inf"):
        raise Problem(f"{name} has no bucket +Inf at its end")
    if bounds != sorted(set(bounds)):
        raise Problem(f"the buckets of {name} are not in order")
    values = [s.value for _, s in buckets]
    if values != sorted(values):
        raise Problem(f"the buckets of {name} do not accumulate")
    count = [s.value for s in samples if s.name.endswith("_count")]
    total = [s.value for s in samples if s.name.endswith("_sum")]
    if bool(count) != bool(total):
        raise Problem(f"{name} has a count without a sum, or the reverse")
    if count and count[0] != values[-1]:
        raise Problem(f"the count of {name} is not its last bucket")
    if total and total[0] < 0:
        raise Problem(f"the sum of {name} is negative")


def check_sample(family, sample):
    suffix = sample.name[len(family.name):]
    if family.type in ("counter", "histogram", "gaugehistogram", "summary") and suffix != "_created":
        if sample.value != sample.value or (sample.value < 0 and suffix != "_gsum"):
            raise Problem(f"{sample.name} is {sample.text}")
    if family.type == "info" and sample.value != 1:
        raise Problem(f"info {sample.name} is not 1")
    if family.type == "stateset":
        if family.name not in sample.labels:
            raise Problem(f"a stateset without the label {family.name}")
        if sample.value not in (0, 1):
            raise Problem(f"a state that is {sample.text}")
    if suffix == "_bucket":
        bound = sample.labels.get("le")
        if bound is None:
            raise Problem(f"a bucket of {family.name} without le")
        if bound != "+Inf" and not CANONICAL.fullmatch(bound):
            raise Problem(f'le="{bound}" is not canonical')
    if family.type == "summary" and suffix == "" and not 0 <= float(sample.labels.get("quantile", "2")) <= 1:
        raise Problem(f"{family.name}: a quantile that is none")


def check_family(family):
    if family.type in ("info", "stateset") and family.unit:
        raise Problem(f"{family.name}: a {family.type} has no unit")
    seen, points, last = set(), set(), None
    for sample in family.samples:
        check_sample(family, sample)
        key = metric_key(family, sample)
        if key != last and key in seen:
            raise Problem(f"{family.name}: the samples of {key} are not together")
        seen.add(key)
        last = key
        point = (sample.name, tuple(sorted(sample.labels.items())))
        if point in points:
            raise Problem(f"{point} twice")
        points.add(point)
    if family.type == "counter":
        totals = {metric_key(family, s) for s in family.samples if s.name.endswith("_total")}
        if seen - totals:
            raise Problem(f"{family.name}: a counter without _total")
    if family.type == "histogram":
        groups = {}
        for s in family.samples:
            groups.setdefault(metric_key(family, s), []).append(s)
        for samples in groups.values():
            check_histogram(family.name, samples)


def check_clashes(families):
    for family in families.values():
        for suffix in ("_total", "_created", "_bucket", "_count", "_sum", "_info", "_gcount", "_gsum"):
            if suffix in SUFFIXES[family.type] and family.name + suffix in families:
                raise Problem(f"{family.name + suffix} is a family, and a sample of {family.name}")


def parse(text):
    if not text.endswith("# EOF\n"):
        raise Problem("it does not end with # EOF")
    reader = Reader()
    for number, line in enumerate(text[:-1].split("\n")[:-1], 1):
        try:
            if "\r" in line:
                raise Problem("a carriage return")
            if line.startswith("#"):
                match = METADATA.fullmatch(line)
                if not match:
                    raise Problem(f"no metadata: {line!r}")
                reader.on_metadata(*match.groups())
            else:
                reader.on_sample(line)
        except Problem as problem:
            raise Problem(f"line {number}: {problem}") from None
    for family in reader.families.values():
        check_family(family)
    check_clashes(reader.families)
    return reader.families
