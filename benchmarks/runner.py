"""Paired timing: every round runs every contender once, in a shuffled order; ratios are taken inside a round.

A machine that slows down for a second slows all contenders of that second, so the median of the per-round ratios
says more than the ratio of two medians taken minutes apart. What ran before must not be timed with what runs now: the
threads of torch (OpenMP) go on spinning for some milliseconds after its call and take a core away, others leave cold
caches and sleeping threads behind. So every contender waits `REST` seconds, is called `WARM` times uncounted where it
is quick, and is then timed over about `FLOOR` seconds of calls in a row. Where the kernel puts the threads of a call
decides up to a factor of 1.5, and stays for about a second: so tasks are measured in `VISITS`, one after the other.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Call = Callable[[], object]
LONG = 2.0
QUICK = 0.05  # seconds: calls up to this are made warm
REST = 6e-3  # seconds in which spinning threads give up
WARM = 5
FLOOR = 6e-3
VISITS = 3


@dataclass
class Timing:
    """Seconds per call of each contender, one entry per round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """Median seconds of one contender."""
        return statistics.median(self.seconds[name])

    def ratio(self, peer: str, ours: str) -> float:
        """Median over rounds of time(peer) / time(ours): above 1 where ours is faster."""
        return statistics.median(p / o for p, o in zip(self.seconds[peer], self.seconds[ours], strict=True))

    def extend(self, other: Timing) -> None:
        """The rounds of another visit."""
        for name, seconds in other.seconds.items():
            self.seconds.setdefault(name, []).extend(seconds)

    def slow(self) -> dict[str, float]:
        """Contenders that are timed once, with their time."""
        return {name: min(seconds) for name, seconds in self.seconds.items() if min(seconds) > LONG}

    def best(self, names: list[str]) -> str | None:
        """The fastest of the named contenders that ran."""
        present = [n for n in names if n in self.seconds]
        return min(present, key=self.median) if present else None


def _repeats(call: Call, floor: float) -> tuple[int, float]:
    start = time.perf_counter()
    call()
    once = time.perf_counter() - start
    return max(1, min(200, round(floor / max(once, 1e-7)))), once


def _rest() -> None:
    """Let `REST` seconds pass, awake: after a sleep the scheduler wakes all threads of a call on one core."""
    end = time.perf_counter() + REST
    while time.perf_counter() < end:
        pass


def visited(tasks: Mapping[Any, Mapping[str, Call]], *, seconds: float) -> dict[Any, Timing]:
    """`paired` of every task, `VISITS` times within about `seconds` each, the others in between."""
    timings = {name: Timing() for name in tasks}
    for _ in range(VISITS):
        for name, calls in tasks.items():
            timings[name].extend(paired(calls, seconds=seconds, known=timings[name].slow()))
    return timings


def paired(
    calls: Mapping[str, Call],
    *,
    seconds: float = 1.0,
    rounds: int = 25,
    floor: float = FLOOR,
    known: Mapping[str, float] | None = None,
) -> Timing:
    """Time the contenders in interleaved rounds within about `seconds`; each must block until its result is ready.

    A call shorter than `floor` is repeated inside a round until it fills it. One call each before all is not counted;
    a contender slower than `LONG` seconds is timed once, alone, or not at all where its time is `known`.
    """
    repeats, once, alone, warmed = {}, 0.0, dict(known or {}), {}
    for name, call in calls.items():
        if name in alone:
            continue
        start = time.perf_counter()
        call()
        if time.perf_counter() - start > LONG:
            alone[name] = time.perf_counter() - start
            continue
        repeats[name], t = _repeats(call, floor)
        warmed[name] = t < QUICK
        once += REST + max(t, floor) + (WARM * t if warmed[name] else 0)
    rounds = max(3, min(rounds, int(seconds / max(once, 1e-7))))
    timing = Timing({name: [alone[name]] * rounds if name in alone else [] for name in calls})
    order = list(repeats)
    generator = random.Random(0)
    enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            generator.shuffle(order)
            for name in order:
                call, count = calls[name], repeats[name]
                _rest()
                if warmed[name]:
                    for _ in range(WARM):
                        call()
                start = time.perf_counter()
                for _ in range(count):
                    call()
                timing.seconds[name].append((time.perf_counter() - start) / count)
    finally:
        if enabled:
            gc.enable()
    return timing


def geometric_mean(values: list[float]) -> float:
    """exp(mean(log v))."""
    return statistics.geometric_mean(values)
