"""What the cost rule looks at: one stage with its sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from deconvjax.engine.spec import Spec

FEW = 4  # groups that are worth multiplying zeros for
CACHED = 3 << 20  # bytes of a copy that stays in the caches of one CPU


@dataclass(frozen=True)
class Problem:
    """One F or W with its sizes: what the rule looks at. T is the F of the transposed spec."""

    spec: Spec
    kind: str
    batch: int
    cin: int
    cout: int
    dtype: np.dtype
    onednn: bool = False  # whether the program may call it
    triton: bool = False  # whether the program may hold kernels of this project
    exact: bool = True  # whether products keep all bits of their operands, which tensor cores do not
    half: bool = False  # whether operands are of half precision, accumulated in `dtype`

    @property
    def depthwise(self) -> bool:
        """Channels do not mix: each output channel reads one input channel."""
        return self.spec.groups is None or self.spec.groups == self.cin

    @property
    def groups(self) -> int:
        """Groups of channels; 0 where one filter serves all."""
        return self.spec.groups or 0

    @property
    def alone(self) -> bool:
        """Groups with a single channel on one side at least."""
        return self.groups > 1 and min(self.cin, self.cout) == self.groups

    @property
    def callable(self) -> bool:
        """Whether oneDNN takes it: float32, and not so many numbers, padding included, that an int32 cannot count them.

        The gathering of runs needs that.
        """
        return self.onednn and self.dtype == np.float32 and self.small

    @property
    def held(self) -> int:
        """Bytes of x and y."""
        numbers = math.prod(self.spec.size) * self.cin + math.prod(self.spec.out) * self.cout
        return self.batch * numbers * self.dtype.itemsize

    @property
    def small(self) -> bool:
        """Whether an int32 counts all numbers of x and y, padding included."""
        x, y = math.prod(self.spec.size) * self.cin, math.prod(self.spec.out) * self.cout
        return self.batch * max(x, y) < 1 << 30

    @property
    def scalar(self) -> Problem:
        """The same with scalar taps where a single channel goes in and out."""
        single = self.spec.groups == self.cin == self.cout == 1
        return replace(self, spec=replace(self.spec, groups=None)) if single else self

    @property
    def transposed(self) -> Problem:
        """Roles exchanged."""
        return replace(self, spec=self.spec.T, cin=self.cout, cout=self.cin)


def normalised(problem: Problem) -> Problem:
    """T as F of the transposed spec; W with the stuffed side as y, where one side is not stuffed; see `scalar`."""
    if problem.kind == "T":
        problem = replace(problem.transposed, kind="F")
    elif problem.kind == "W" and exchanges(problem.spec):
        problem = problem.transposed
    return problem.scalar


def exchanges(spec: Spec) -> bool:
    """True where W should be computed with x and y exchanged: x is stuffed and y is not."""
    return any(a.up > 1 for a in spec.axes) and all(a.down == 1 for a in spec.axes)
