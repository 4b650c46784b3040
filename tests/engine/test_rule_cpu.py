"""The rule of CPUs against what `make bench-strategies` measured on one: benchmarks/results/strategies.json."""

import json

from benchmarks.report import RESULTS
from benchmarks.strategies import grid, is_off
from deconvjax.engine import rule


def test_the_rule_is_off_on_few():
    """The strategy it chooses takes more than 15 % longer than the fastest on at most a tenth of the whole grid."""
    records = json.loads((RESULTS / "strategies.json").read_text())["records"]
    measured = {(r["kind"], r["point"]): r["seconds"] for r in records}
    problems = {(k, point.name): p for point in grid() for k, p in zip("FTW", point.problems(calls=True), strict=True)}
    assert measured.keys() == problems.keys()
    off = [key for key, p in problems.items() if is_off(rule.pick(p, "cpu"), measured[key])]
    assert len(off) <= len(problems) / 10, off
