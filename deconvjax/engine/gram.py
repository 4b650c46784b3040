"""`gram`: the taps' gradient as one product of oneDNN's, shifted cotangents by windows of x.

    W[w, r] = sum_m y[m - w] x[m*down + r - lo]        taps j = w*down + r: all w as rows, all r as columns

oneDNN takes the sum first on both sides, as memory has it, and cuts it into cachefuls itself; so the two operands are
written once and nothing is turned. Every group is a product of its own.
"""

from __future__ import annotations

from itertools import product

import jax.numpy as jnp
from jax import Array

from deconvjax.engine import onednn
from deconvjax.engine.layout import fit, runs, side_by_side, window_slices
from deconvjax.engine.sides import Side, framed, split, unfolded
from deconvjax.engine.spec import Spec

COPY = 120  # multiply-adds in the time of one number copied


def fits_gradient(spec: Spec) -> bool:
    """Channelled stages whose x is not stuffed."""
    return spec.groups is not None and len(spec.axes) > 0 and all(a.up == 1 for a in spec.axes)


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    groups = spec.groups or 1
    pairs = zip(jnp.split(x, groups, -1), jnp.split(y, groups, -1), strict=True)
    parts = [_ungrouped(part, other, spec) for part, other in pairs]
    return jnp.concatenate(parts, -1) if groups > 1 else parts[0]


def _ungrouped(x: Array, y: Array, spec: Spec) -> Array:
    cin, cout = x.shape[-1], y.shape[-1]
    sides = split(spec, cin, cout, COPY)
    left, right = _shifts(y, sides), _windows(framed(x, sides, x.shape[0], sides[0].count), sides)
    k = onednn.product(left.reshape(-1, left.shape[-1]), right.reshape(-1, right.shape[-1]))
    return unfolded(k[None], sides, cin, cout)


def _shifts(y: Array, sides: list[Side]) -> Array:
    """(B, *out, c) -> (B, *terms, shifts*c)."""
    y = fit(y, [(s.reach, s.reach) for s in sides])
    starts = product(*[[s.reach - w * s.hop for w in range(s.shifts)] for s in sides])
    return side_by_side([window_slices(y, at, [s.count for s in sides], [1] * len(sides)) for at in starts])


def _windows(x: Array, sides: list[Side]) -> Array:
    """(B, *samples, c) -> (B, *terms, places*c)."""
    *outer, last = sides
    places = [list(s.places) for s in sides]
    steps = [s.axis.down for s in sides]
    if last.on_y:  # whole blocks, as they lie in memory
        x = x.reshape(*x.shape[:-2], last.count, -1)
    elif last.axis.dilation == 1:
        x = runs(x, last.count, last.axis.down, last.axis.window)
    if last.on_y or last.axis.dilation == 1:
        places[-1], steps[-1] = [0], 1
    counts = [s.count for s in sides]
    return side_by_side([window_slices(x, at, counts, steps) for at in product(*places)])
