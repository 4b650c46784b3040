"""The targets, and whether the records reach them: the first table of the results.

Times are time(peer)/time(ours): above 1, ours is faster. A target is missed where one of its rows misses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.peers import COLUMNS
from benchmarks.runner import geometric_mean

STOCK = ("lax_x", "flax_x", "jax_image_x")
EVERY = "every column"
HEADS = ("column", "against", "rows", "wanted", "measured", "met")


class Value(NamedTuple):
    """One row's number, and the row's name."""

    number: float
    row: str


@dataclass(frozen=True)
class Target:
    """A bound on the mean of some rows, or on each of them."""

    column: str
    what: str
    least: float | None
    most: float | None
    mean: bool
    values: tuple[Value, ...]

    @property
    def measured(self) -> float:
        """The geometric mean, or the worst row's."""
        numbers = [v.number for v in self.values]
        if self.mean:
            return geometric_mean(numbers)
        return max(numbers) if self.least is None else min(numbers)

    def holds(self, number: float) -> bool:
        """Whether a number is within the bound."""
        return (self.least is None or number >= self.least) and (self.most is None or number <= self.most)

    @property
    def bound(self) -> str:
        """As it is printed."""
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"

    @property
    def missed(self) -> list[Value]:
        """The rows beyond the bound."""
        return [v for v in self.values if not self.holds(v.number)]

    @property
    def cells(self) -> list[str]:
        """Column, what, rows, bound, measured, met."""
        found = f"{self.measured:.2f}"
        if not self.mean:
            found += f" ({next(v.row for v in self.values if v.number == self.measured)})"
        met = "yes" if self.holds(self.measured) else "**no**"
        if not self.mean and self.missed:
            met += f", {len(self.missed)} rows" if len(self.missed) > 1 else ", 1 row"
        kind = "mean" if self.mean else "every row"
        return [self.column, f"{self.what}, {kind}", str(len(self.values)), self.bound, found, met]


def targets(records: Sequence[dict]) -> list[Target]:
    """Every target of which something was measured."""
    found: list[Target] = []

    def add(column: str, what: str, bounds: dict[str, float], values: list[Value], mean: bool = False) -> None:
        if values:
            found.append(Target(column, what, bounds.get("least"), bounds.get("most"), mean, tuple(values)))

    for peer, number, bounds in (
        ("stock JAX/Flax", _stock, {"forward": 4, "grad x": 1.3, "grad taps": 15, "step": 8}),
        ("torch's best", _torch, {"forward": 1.1, "grad x": 0.8, "grad taps": 0.8, "step": 0.9}),
    ):
        worst = dict.fromkeys(COLUMNS, 0.95)
        if number is _torch:
            worst = {"forward": 0.6, "grad x": 0.5, "grad taps": 0.4, "step": 0.5}
        for column in COLUMNS:
            mine = values(records, number, column)
            add(column, peer, {"least": bounds[column]}, mine, mean=True)
            add(column, peer, {"least": worst[column]}, mine)
    for column in COLUMNS:
        by_channel = [v for v in values(records, _torch, column) if _depthwise(v.row)]
        add(column, "torch's best, depthwise and bilinear", {"least": 1}, by_channel)
    for channels, what, least in ((1, "one channel", 2), (64, "64 channels", 4)):
        mine = [v for v in values(records, _scipy, "forward") if v.row.startswith(f"filter {channels}x")]
        add("forward", f"SciPy's best, {what}", {"least": least}, mine)
    for what, number, most in (
        ("per step in `scan`, over alone", lambda r: r["scan_over_alone"], 1.2),
        ("temporary memory, over inputs and outputs", lambda r: r["memory"], 3),
        ("compile time, over lax's", lambda r: r["compile_s"] / r["lax_compile_s"], 1.5),
    ):
        mine = [v for column in COLUMNS for v in values(records, number, column, named=True)]
        add(EVERY, what, {"most": most}, mine)
        if what.startswith("compile"):
            add(EVERY, what, {"most": most}, mine, mean=True)
    for what, key in (("many images", "ns_per_pixel_many"), ("one image", "ns_per_pixel")):
        flat = [Value(r[key], r["row"].removeprefix("flat ")) for r in records if key in r]
        least = min((v.number for v in flat), default=1.0)
        add("flat", f"time per pixel over the least, {what}", {"most": 1.25}, [Value(v / least, n) for v, n in flat])
    return found


def table(found: Sequence[Target]) -> list[str]:
    """Markdown."""
    rows = [HEADS, ["---"] * len(HEADS), *[t.cells for t in found]]
    return ["| " + " | ".join(row) + " |" for row in rows]


def named(found: Sequence[Target]) -> list[dict[str, str]]:
    """For JSON."""
    return [dict(zip(HEADS, t.cells, strict=True)) for t in found]


def values(records: Sequence[dict], number: Callable, column: str, named: bool = False) -> list[Value]:
    """One column's numbers of the records that have them: `number` raises KeyError where it was not measured."""
    found = []
    for r in records:
        if r["column"] == column:
            try:
                found.append(Value(number(r), f"{column} of {r['row']}" if named else r["row"]))
            except KeyError:  # not measured on this row
                continue
    return found


def fastest(r: dict, keys: Sequence[str]) -> float:
    """Of several peers' numbers, those that were measured."""
    found = [r[k] for k in keys if k in r]
    if not found:
        raise KeyError(*keys)
    return min(found)


def _stock(r: dict) -> float:
    """The fastest of stock's."""
    return fastest(r, STOCK)


def _torch(r: dict) -> float:
    return r["torch_x"]


def _scipy(r: dict) -> float:
    return r["scipy_x"]


def _depthwise(row: str) -> bool:
    return row.startswith("bilinear") or " g21" in row or " g64" in row


def moves(row: str) -> bool:
    """Depthwise layers, bilinear maps and filters: they read and write more than they multiply."""
    return _depthwise(row) or row.startswith("filter")
