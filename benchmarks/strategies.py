"""`python -m benchmarks.strategies [--seconds S] [--only TEXT [--merge]] [--recount]`: every strategy, and the rule.

A row counts as off where the rule's choice takes more than 15 % longer than the fastest strategy. The committed rule
(`deconvjax.engine.rule`) is to be off on at most a tenth of the grid.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.allocator import keep_memory
from benchmarks.report import RESULTS, versions
from benchmarks.runner import paired
from deconvjax.axis import Axis
from deconvjax.engine import Spec, lower, onednn, rule
from deconvjax.engine.problem import Problem, normalised

SLACK = 1.15  # the rule's choice is off where another strategy is faster by more


@dataclass(frozen=True)
class Point:
    """One problem of the grid: a strided stage, run as F, as T and as W."""

    batch: int
    size: tuple[int, ...]
    cin: int
    cout: int
    window: int
    stride: int
    groups: int | None = 1
    dtype: str = "float32"
    dilation: int = 1

    @property
    def name(self) -> str:
        """Readable."""
        size = "x".join(map(str, (self.batch, *self.size)))
        spread = f" d{self.dilation}" if self.dilation > 1 else ""
        return f"{size} {self.cin}->{self.cout} k{self.window}{spread} s{self.stride} g{self.groups} {self.dtype}"

    def problems(self, calls: bool) -> list[Problem]:
        """F, T and W, normalised; `calls`: where oneDNN can be called."""
        total = max(self.dilation * (self.window - 1) + 1 - self.stride, 0)
        pads = total // 2, total - total // 2
        axes = tuple(Axis(n, self.window, self.dilation, 1, self.stride, *pads) for n in self.size)
        spec = Spec(axes, self.groups).normal
        number = np.dtype(self.dtype)
        return [
            normalised(Problem(spec, kind, self.batch, self.cin, self.cout, number, calls))
            for kind in ("F", "T", "W")
        ]


def grid() -> list[Point]:
    """Ranks, channels, windows, strides, groups and types."""
    points = []
    for window, stride in ((3, 1), (3, 2), (4, 2), (2, 2), (8, 4), (5, 1)):
        for cin, cout in ((3, 16), (32, 32), (64, 128)):
            points.append(Point(2, (48, 48), cin, cout, window, stride))
        points.append(Point(2, (48, 48), 32, 32, window, stride, 32))
        points.append(Point(2, (48, 48), 32, 32, window, stride, 4))
        points.append(Point(2, (48, 48), 16, 16, window, stride, None))
        points.append(Point(2, (2048,), 32, 48, window, stride))
    for window, stride in ((3, 1), (3, 2), (4, 2), (2, 2)):
        points.append(Point(1, (16, 16, 16), 16, 16, window, stride))
        points.append(Point(1, (32, 32), 16, 24, window, stride, 1, "float64"))
    points += [Point(1, (128, 128), 21, 21, 16, 8, 21), Point(1, (128, 128), 21, 21, 16, 8)]
    for cin, cout, window in ((64, 1, 3), (64, 3, 3), (64, 21, 3), (3, 64, 1)):  # heads and first layers
        points += [Point(2, (64, 64), cin, cout, window, 1), Point(2, (64, 64), cout, cin, window + 1, 2)]
    points.append(Point(1, (24, 24, 24), 1, 32, 3, 2))
    for size, window, stride in ((14, 3, 2), (16, 4, 2), (7, 3, 1)):  # more numbers in the taps than in x and y
        points.append(Point(2, (size, size), 256, 512, window, stride))
    for window, dilation in ((7, 1), (11, 5), (3, 512)):  # vocoders and WaveNet
        points.append(Point(2, (8192,), 32, 48, window, 1, dilation=dilation))
    for window in (9, 33, 129, 1025):
        points.append(Point(1, (200_000,), 1, 1, window, 1, None))
        points.append(Point(1, (20_000,), 32, 32, window, 1, None))
        points.append(Point(1, (200_000,), 1, 1, window, 4, None))
    return points


def times(problem: Problem, kind: str, seconds: float) -> dict[str, float]:
    """Seconds of every strategy that can run the problem; T, normalised as F, reads the taps of the spec it is of."""
    draw = np.random.default_rng(0)
    spec = problem.spec
    x = jnp.asarray(draw.standard_normal((problem.batch, *spec.size, problem.cin)).astype(problem.dtype))
    cin, cout = (problem.cout, problem.cin) if kind == "T" else (problem.cin, problem.cout)
    taps = spec.window if spec.scalar else (*spec.window, cin // (spec.groups or 1), cout)
    other = taps if problem.kind == "F" else (problem.batch, *spec.out, problem.cout)
    b = jnp.asarray(draw.standard_normal(other).astype(problem.dtype))
    calls = {}
    for name in rule.candidates(problem):
        if name == "direct" and problem.kind == "W" and spec.groups != 1 and rule.pick(problem, "cpu") != "direct":
            continue  # a naive loop: minutes
        compiled = jax.jit(partial(_run, name, kind, spec)).lower(x, b).compile()
        calls[name] = lambda compiled=compiled: jax.block_until_ready(compiled(x, b))
    timing = paired(calls, seconds=seconds)
    return {name: timing.median(name) for name in calls}


def _run(name: str, kind: str, spec: Spec, x: Array, b: Array) -> Array:
    """As it is lowered where that strategy is named."""
    run = {"F": lower.stage, "T": lower.transpose, "W": lower.taps_gradient}[kind]
    target = lower.Target("cpu", onednn.available())
    return run(x, b, spec=spec.T if kind == "T" else spec, strategy=name, target=target)


def is_off(chosen: str, found: dict[str, float]) -> bool:
    """Whether a strategy was not measured, or takes so much longer than the fastest."""
    return chosen not in found or found[chosen] > SLACK * min(found.values())


def judged(kind: str, point: str, problem: Problem, found: dict[str, float]) -> dict:
    """One record: what the rule chooses, what was fastest, every time in seconds; printed."""
    chosen, best = rule.pick(problem, "cpu"), min(found, key=found.__getitem__)
    off = is_off(chosen, found)
    listed = "  ".join(f"{n} {t * 1e3:.3f}" for n, t in sorted(found.items(), key=lambda i: i[1]))
    print(f"{'OFF' if off else '   '} {kind} {point:44s} {chosen:12s} | {listed}", flush=True)
    return {"kind": kind, "point": point, "chosen": chosen, "best": best, "off": off, "seconds": found}


def main() -> None:
    """Measure the grid, print the misses."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strategies", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--only", default="", help="rows that contain this; written only with --merge")
    parser.add_argument("--merge", action="store_true", help="with --only: other rows keep their times")
    parser.add_argument("--recount", action="store_true", help="judge the rule by the times that are there")
    options = parser.parse_args()
    keep_memory()
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    file = RESULTS / "strategies.json"
    old = options.recount or options.merge
    kept = json.loads(file.read_text()) if old else {"versions": versions(), "records": []}
    measured = {(r["kind"], r["point"]): r["seconds"] for r in kept["records"]}
    records = []
    for point in grid():
        for kind, problem in zip("FTW", point.problems(onednn.available()), strict=True):
            asked = options.only in f"{kind} {point.name}"
            if asked or options.merge:
                again = asked and not options.recount
                found = times(problem, kind, options.seconds) if again else measured[kind, point.name]
                records.append(judged(kind, point.name, problem, found))
    off = sum(r["off"] for r in records)
    print(f"the rule is off on {off} of {len(records)} ({100 * off / max(len(records), 1):.0f} %)")
    if options.merge or not options.only:
        RESULTS.mkdir(exist_ok=True)
        file.write_text(json.dumps(kept | {"off": off, "records": records}, indent=1) + "\n")


if __name__ == "__main__":
    main()
