"""Borders as loops of their own: which results of an axis read which taps, so that x need not be padded.

y[n] = sum_{w : 0 <= n*step + w*grid - pad < size} k[w] x[n*step + w*grid - pad]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jax import Array

from deconvjax.engine.comb import Comb

MOST = 5  # loops per axis: a border of more rows is padded


@dataclass(frozen=True)
class Strip:
    """`count` neighbouring results that read the same `taps` taps from `tap` on, the first at sample `start`."""

    count: int
    tap: int
    taps: int
    start: int

    def read(self, i: int, c: Comb) -> slice:
        """The samples that the i-th of its taps meets."""
        low = self.start + i * c.grid
        return slice(low, low + (self.count - 1) * c.step + 1, c.step)


@lru_cache(maxsize=4096)
def strips(c: Comb) -> tuple[Strip, ...]:
    """The results of one axis in order: borders row by row, all between as one."""
    first = np.arange(c.count) * c.step - c.pad
    low = np.clip(-(first // c.grid), 0, c.width)  # -(a // b) = ceil(-a / b)
    high = np.clip((c.size - 1 - first) // c.grid + 1, low, c.width)
    edges = [0, *(np.flatnonzero((np.diff(low) != 0) | (np.diff(high) != 0)) + 1), c.count]
    found = []
    for a, b in zip(edges, edges[1:], strict=False):
        found.append(Strip(int(b - a), int(low[a]), int(high[a] - low[a]), int(first[a] + low[a] * c.grid)))
    return tuple(found)


def framed(c: Comb) -> tuple[Strip, ...]:
    """One strip: the axis as it is once x is padded."""
    return (Strip(c.count, 0, c.width, 0),)


def few(c: Comb) -> bool:
    """Whether the borders are worth loops of their own."""
    return len(strips(c)) <= MOST


def assemble(
    plans: Sequence[tuple[Strip, ...]], axes: Sequence[int], leaf: Callable[[tuple[Strip, ...]], Array]
) -> Array:
    """leaf(one strip per axis), joined along `axes`."""

    def part(chosen: tuple[Strip, ...]) -> Array:
        if len(chosen) == len(plans):
            return leaf(chosen)
        parts = [part((*chosen, s)) for s in plans[len(chosen)]]
        return jnp.concatenate(parts, axes[len(chosen)]) if len(parts) > 1 else parts[0]

    return part(())
