"""Whether /metrics is conformant, by a strict reader, and whether that reader would notice if it were not."""

import pytest

import openmetrics
from api_server import ApiServer

GOOD = """\
# TYPE a counter
# HELP a With "quotes" and \\\\ and \\n in it
a_total{x="1",y="\\\\\\"\\n"} 1
a_created{x="1",y="\\\\\\"\\n"} 1e9
a_total{x="2",y=""} 2.5
# TYPE b_seconds histogram
# UNIT b_seconds seconds
b_seconds_bucket{le="0.1"} 1
b_seconds_bucket{le="1.0"} 1
b_seconds_bucket{le="+Inf"} 4
b_seconds_count 4
b_seconds_sum 3.25
# TYPE c info
c_info{version="1"} 1
# TYPE d stateset
d{d="on"} 1
d{d="off"} 0
# TYPE e gauge
# TYPE f summary
f_count 1
f_sum 0.5
f{quantile="0.9"} 0.5
g -1 1700000000.123
# EOF
"""

BAD = {
    "no end": ("# EOF\n", ""),
    "something after the end": ("# EOF\n", "# EOF\nx 1\n"),
    "an empty line": ("# TYPE c info\n", "\n# TYPE c info\n"),
    "a comment": ("# TYPE c info\n", "# hello\n# TYPE c info\n"),
    "a carriage return": ("g -1 1700000000.123\n", "g -1\r\n"),
    "two blanks": ("f_count 1", "f_count  1"),
    "no value": ("f_count 1", "f_count"),
    "a value that is no number": ("f_count 1", "f_count one"),
    "an unknown type": ("# TYPE c info", "# TYPE c infos"),
    "a second type": ("# TYPE c info\n", "# TYPE c info\n# TYPE c info\n"),
    "metadata after samples": ('c_info{version="1"} 1\n', 'c_info{version="1"} 1\n# HELP c late\n'),
    "an interleaved family": ("g -1", 'a_total{x="3",y=""} 1\ng -1'),
    "a family twice": ("# TYPE d stateset", "# TYPE a counter\n# TYPE d stateset"),
    "a counter without _total": ('a_total{x="2",y=""} 2.5', 'a{x="2",y=""} 2.5'),
    "a negative counter": ("2.5", "-2.5"),
    "a counter that is no number": ("2.5", "NaN"),
    "an unknown escape": ('y="\\\\\\"\\n"} 1\n', 'y="\\t"} 1\n'),
    "an unescaped quote": ('version="1"', 'version="1"1"'),
    "a label twice": ('x="2",y=""', 'x="2",x=""'),
    "a comma at the end": ('{version="1"}', '{version="1",}'),
    "a label without quotes": ('{version="1"}', "{version=1}"),
    "a name that is none": ("g -1", "1g -1"),
    "a sample twice": ('d{d="off"} 0', 'd{d="on"} 1'),
    "samples that are not together": (
        'a_total{x="2",y=""} 2.5',
        'a_total{x="2",y=""} 2.5\na_created{x="1",y="\\\\\\"\\n"} 1'),
    "no last bucket": ('b_seconds_bucket{le="+Inf"} 4\n', ""),
    "buckets out of order": ('le="0.1"', 'le="2.0"'),
    "buckets that do not accumulate": ('{le="0.1"} 1', '{le="0.1"} 2'),
    "a bound that is not canonical": ('le="1.0"', 'le="1"'),
    "a bucket without bound": ('b_seconds_bucket{le="0.1"} 1', "b_seconds_bucket 1"),
    "a count that is wrong": ("b_seconds_count 4", "b_seconds_count 5"),
    "a count without a sum": ("b_seconds_sum 3.25\n", ""),
    "a negative sum": ("b_seconds_sum 3.25", "b_seconds_sum -3.25"),
    "a unit that is not in the name": ("# UNIT b_seconds seconds", "# UNIT b_seconds bytes"),
    "an info that is not 1": ('c_info{version="1"} 1', 'c_info{version="1"} 2'),
    "a state that is neither": ('d{d="off"} 0', 'd{d="off"} 2'),
    "a state without its label": ('d{d="off"} 0', 'd{e="off"} 0'),
    "a quantile that is none": ('quantile="0.9"', 'quantile="9"'),
    "a clash of names": ("g -1 1700000000.123", "a_total_total 1\na_created 1"),
}  # fmt: skip


def test_what_is_conformant_is_accepted():
    families = openmetrics.parse(GOOD)
    assert families["a"].value("_total", x="1", y='\\"\n') == 1
    assert families["b_seconds"].unit == "seconds" and not families["e"].samples


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_conformant_is_noticed(name):
    old, new = BAD[name]
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    with pytest.raises(openmetrics.Problem):
        openmetrics.parse(text)


@pytest.fixture(scope="module")
def server():
    s = ApiServer(units=50)
    yield s
    s.stop()


def test_metrics_are_conformant_openmetrics(server):
    status, headers, body = server.ask("GET", "/metrics", headers="Accept: application/openmetrics-text\r\n", tcp=True)
    assert status == 200 and headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = openmetrics.parse(body.decode())
    assert families["zksup_units"].value() == 50
    assert families["zksup_unit_state"].value(unit="unit-0", state="ready") == 1
    assert families["zksup_unit_state"].value(unit="unit-2", state="ready") == 0
    assert families["zksup_unit_gate_wait_seconds"].value("_bucket", unit="unit-0", le="+Inf") == 2
    assert families["zksup_unit_lease_remaining_seconds"].value(unit="unit-0") == 9.5
    assert families["zksup_session_renew_latency_seconds"].value("_count") == 17
    assert families["process_open_fds"].value() > 5
    for family in families.values():
        assert family.help, family.name


def test_the_older_format_has_the_same_samples(server):
    """It differs in the names after TYPE, in UNIT and in EOF; values of the process change meanwhile."""
    def samples(accept):
        body = server.ask("GET", "/metrics", headers=accept, tcp=True)[2].decode()
        return [line for line in body.split("\n") if line[:1] not in ("#", "") and not line.startswith("process_")]

    older = server.ask("GET", "/metrics", tcp=True)
    assert older[1]["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = older[2].decode()
    assert "# TYPE zksup_unit_starts_total counter\n" in text and "# TYPE zksup_build_info gauge\n" in text
    assert "# UNIT" not in text and "# EOF" not in text
    assert samples("") == samples("Accept: application/openmetrics-text\r\n")


@pytest.mark.parametrize("accept, openmetrics_wanted", [
    ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
    ("application/openmetrics-text; version=1.0.0; charset=utf-8", True),
    ("text/plain;version=0.0.4,application/openmetrics-text;q=0.5", False),
    ("application/openmetrics-text;q=0", False),
    ("application/openmetrics-text;version=2.0.0", False),
    ("*/*", False),
    ("text/html", False),
])  # fmt: skip
def test_the_format_is_what_was_asked_for(server, accept, openmetrics_wanted):
    _, headers, _ = server.ask("GET", "/metrics", headers=f"Accept: {accept}\r\n", tcp=True)
    assert ("openmetrics" in headers["content-type"]) == openmetrics_wanted
