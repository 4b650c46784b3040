"""The two ways in which an axis carries its taps in a product of cotangents and samples: what its strategies share.

    W[w, r] = sum_m y[m - w] x[m*down + r - lo]        taps j = w*down + r

On y: as shifts by whole blocks, x being cut into blocks of `down` samples. On x: as windows, y being read once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

from jax import Array

from deconvjax.axis import Axis
from deconvjax.engine.spec import Spec

RUN = 16  # numbers: shorter contiguous runs are copied as slowly as these
SLICES = 64  # more take long to compile


@dataclass(frozen=True)
class Side:
    """One axis of the sum: `shifts` of y and `places` of x; tap = shift*places + place, where it exists."""

    axis: Axis
    on_y: bool

    @property
    def shifts(self) -> int:
        """Rows per axis: copies of y."""
        if not self.on_y:
            return 1
        return self.axis.window if self.axis.down == 1 else -(-self.axis.taps // self.axis.down)

    @property
    def hop(self) -> int:
        """Blocks from one shift to the next."""
        return self.axis.dilation if self.axis.down == 1 else 1

    @property
    def reach(self) -> int:
        """Blocks from the first shift to the last."""
        return (self.shifts - 1) * self.hop

    @property
    def places(self) -> range:
        """Where in x, relative to the block's start, each column reads."""
        if self.on_y:
            return range(self.axis.down)
        return range(0, self.axis.taps, self.axis.dilation)

    @property
    def count(self) -> int:
        """Terms of the sum along this axis."""
        return self.axis.out + self.reach

    @property
    def live(self) -> range:
        """The terms that read a sample of x, not only its padding."""
        if not self.on_y:
            return range(self.count)
        first = min(max(self.axis.lo // self.axis.down, 0), self.count - 1)
        last = (self.axis.size - 1 + self.axis.lo) // self.axis.down
        return range(first, max(min(last + 1, self.count), first + 1))

    def samples(self, count: int) -> int:
        """Samples of x that `count` terms read."""
        return count * self.axis.down if self.on_y else (count - 1) * self.axis.down + self.axis.taps

    @property
    def pads(self) -> tuple[int, int]:
        """What x lacks before and after of the samples that the live terms read."""
        before = self.axis.lo - self.live.start * self.axis.down
        return before, self.samples(len(self.live)) - before - self.axis.size

    def met(self, place: int) -> tuple[slice, tuple[int, int]]:
        """The samples that one place of the live terms meets, and how many terms before and after these meet none."""
        step, count = self.axis.down, len(self.live)
        first = place - self.pads[0]  # the sample of the first term
        before = min(max(-(first // step), 0), count)  # -(a // b) = ceil(-a / b)
        after = min(max((self.axis.size - 1 - first) // step + 1, before), count)
        start = first + before * step
        return slice(start, start + (after - before) * step, step), (before, count - after)

    @property
    def taps(self) -> slice:
        """The taps among shift*places + place."""
        dense = self.on_y and self.axis.down > 1
        return slice(0, self.axis.taps, self.axis.dilation) if dense else slice(None)


def fits(spec: Spec) -> bool:
    """Channelled stages whose x is not stuffed (the roles are exchanged before where y is not)."""
    return spec.groups is not None and len(spec.axes) > 0 and all(a.up == 1 for a in spec.axes)


def split(spec: Spec, cin: int, cout: int, copy: float) -> list[Side]:
    """The sides that cost least per term: multiply-adds, `copy` times the numbers copied; and few slices."""

    def price(sides: list[Side]) -> tuple[bool, float]:
        shifts, places = math.prod(s.shifts for s in sides), math.prod(len(s.places) for s in sides)
        last = len(sides[-1].places) if sides[-1].on_y else 1  # places that lie side by side
        slow = max(1.0, RUN / (cin * last))
        copied = cout * shifts + cin * places * slow
        return shifts + places // last > SLICES, cout * shifts * cin * places + copy * copied

    choices = product((True, False), repeat=len(spec.axes))
    return min(([Side(a, on) for a, on in zip(spec.axes, c, strict=True)] for c in choices), key=price)


def unfolded(k: Array, sides: list[Side], cin: int, cout: int) -> Array:
    """(g, *shifts * cout, *places * cin) -> (*window, cin, g*cout)."""
    groups, rank = k.shape[0], len(sides)
    k = k.reshape(groups, *[s.shifts for s in sides], cout, *[len(s.places) for s in sides], cin)
    order = [axis for i in range(rank) for axis in (1 + i, 2 + rank + i)]
    k = k.transpose(*order, 2 * rank + 2, 0, 1 + rank)
    k = k.reshape(*[s.shifts * len(s.places) for s in sides], cin, groups * cout)
    return k[tuple(s.taps for s in sides)]
