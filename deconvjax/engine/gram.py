"""`gram`: the taps' gradient as one product of oneDNN's, shifted cotangents by windows of x.

    W[w, r] = sum_m y[m - w] x[m*down + r - lo]        taps j = w*down + r: all w as rows, all r as columns

oneDNN takes the sum first on both sides, as memory has it, and cuts it into cachefuls itself; so the two operands are
written once and nothing is turned. Groups are a batch of products.
"""

from __future__ import annotations

from itertools import product

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine import onednn
from deconvjax.engine.layout import fit, runs, side_by_side, window_slices
from deconvjax.engine.sides import Side, split, unfolded
from deconvjax.engine.spec import Spec

COPY = 120  # multiply-adds in the time of one number copied


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    groups = spec.groups or 1
    sides = split(spec, x.shape[-1] // groups, y.shape[-1] // groups, COPY)
    left, right = _shifts(_apart(y, groups), sides), _windows(_apart(x, groups), sides)
    left, right = (part.reshape(groups, -1, part.shape[-1]) for part in (left, right))
    return unfolded(onednn.product(left, right), sides, x.shape[-1] // groups, y.shape[-1] // groups)


def _apart(x: Array, groups: int) -> Array:
    """(B, *size, g*c) -> (g*B, *size, c)."""
    if groups == 1:
        return x
    x = jnp.moveaxis(x.reshape(*x.shape[:-1], groups, -1), -2, 0)
    return lax.optimization_barrier(x.reshape(-1, *x.shape[2:]))


def _shifts(y: Array, sides: list[Side]) -> Array:
    """(B, *out, c) -> (B, *terms, shifts*c)."""

    def widths(at: tuple[int, ...]) -> list[tuple[int, int]]:
        lows = [w * s.hop - s.live.start for w, s in zip(at, sides, strict=True)]
        return [(lo, len(s.live) - s.axis.out - lo) for lo, s in zip(lows, sides, strict=True)]

    return side_by_side([(y, widths(at)) for at in np.ndindex(*[s.shifts for s in sides])])


def _windows(x: Array, sides: list[Side]) -> Array:
    """(B, *size, c) -> (B, *terms, places*c)."""
    lows = [s.axis.lo - s.live.start * s.axis.down for s in sides]
    x = fit(x, [(lo, s.samples(len(s.live)) - lo - s.axis.size) for lo, s in zip(lows, sides, strict=True)])
    last, places, steps = sides[-1], [list(s.places) for s in sides], [s.axis.down for s in sides]
    if last.on_y:  # whole blocks, as they lie in memory
        x = x.reshape(*x.shape[:-2], len(last.live), -1)
    elif last.axis.dilation == 1:
        x = runs(x, len(last.live), last.axis.down, last.axis.window)
    if last.on_y or last.axis.dilation == 1:
        places[-1], steps[-1] = [0], 1
    counts, none = [len(s.live) for s in sides], [(0, 0)] * len(sides)
    return side_by_side([(window_slices(x, at, counts, steps), none) for at in product(*places)])
