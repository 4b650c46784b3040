"""`gram`: the taps' gradient as one product of oneDNN's, shifted cotangents by windows of x.

    W[w, r] = sum_m y[m - w] x[m*down + r - lo]        taps j = w*down + r: all w as rows, all r as columns

oneDNN takes the sum first on both sides, as memory has it, and cuts it into cachefuls itself; so the two operands are
written once and nothing is turned. Groups are a batch of products. A window that does not fill its blocks of `down`
samples (3 taps, stride 2) is cut into the taps j = r mod down, each with every down-th row of x and stride 1:

    W[w*down + r] = sum_m y[m] x[(m + w)*down + r - lo]        one product for each r, no tap that does not exist

Of few channels every sample of a window is a row of its own, x being read by all taps, y where it lies. Of large
blocks every place along all axes but the last is a matrix of its own, by the same cotangents, and x is copied in rows.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import jax.numpy as jnp
import numpy as np
from jax import Array

from deconvjax.axis import Axis
from deconvjax.engine import onednn
from deconvjax.engine.layout import fit, padded, pieces, runs, side_by_side, window_slices
from deconvjax.engine.sides import RUN, Side, split, unfolded
from deconvjax.engine.spec import Spec

COPY = 120  # multiply-adds in the time of one number copied
FEW = (3, 12)  # channels of x too few to lie side by side: always, and where y has many
TALL = 3.5  # rows over columns of a product up to which they are no slower than blocks
HELD = 1 << 26  # numbers: larger operands are to be no more than a few times larger than x and y
ROOM = 2.4  # numbers copied for each of x and y that leave room for one more copy of y
LOOPS = 3  # for the rows of single samples: what a loop reads is computed before it, and once
MANY = 8  # places that are faster as matrices of their own than side by side
WASTE = 1.2  # places of whole blocks over taps: from here on a product for each place is faster


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    if spec.groups and spec.groups > 1 and x.shape[0] > 1 and all(a.down == 1 for a in spec.axes):
        # what makes x and y would be computed for every window that reads it, were it not read by two products
        half = x.shape[0] // 2
        return _whole(x[:half], y[:half], spec) + _whole(x[half:], y[half:], spec)
    return _whole(x, y, spec)


def by_sample(spec: Spec, batch: int, cin: int, cout: int) -> bool:
    """Whether every sample of a window is a row of its own: few channels, windows that overlap."""
    rows, terms = math.prod(spec.window) * cin, batch * math.prod(spec.out)
    held = batch * math.prod(spec.size) * cin + terms * cout
    if spec.groups != 1 or all(a.taps <= a.down for a in spec.axes) or rows * terms > max(HELD, 4 * held):
        return False
    if cin <= FEW[0] and math.prod(a.down for a in spec.axes) * cin < RUN:
        return True
    return cin <= FEW[1] and rows <= TALL * cout


def _whole(x: Array, y: Array, spec: Spec) -> Array:
    """W, all images at once."""
    if by_sample(spec, x.shape[0], x.shape[-1], y.shape[-1]):
        return _by_sample(x, y, spec)
    for i, axis in enumerate(spec.axes[:-1]):
        if _ragged(axis):
            return _by_place(x, y, spec, i)
    groups = spec.groups or 1
    sides = split(spec, x.shape[-1] // groups, y.shape[-1] // groups, COPY)
    copied = y.shape[-1] * math.prod(s.shifts for s in sides) + x.shape[-1] * math.prod(len(s.places) for s in sides)
    copied *= x.shape[0] * math.prod(len(s.live) for s in sides)
    left = _shifts(_apart(y, groups), sides, whole=copied <= ROOM * (x.size + y.size))
    left = left.reshape(groups, -1, left.shape[-1])
    if groups == 1 and all(s.on_y for s in sides) and math.prod(s.axis.down for s in sides[:-1]) >= MANY:
        k = jnp.swapaxes(onednn.product(left, _blocks(x, sides)), 0, 1)
    else:
        right = _windows(_apart(x, groups), sides, groups > 1)
        k = onednn.product(left, right.reshape(groups, -1, right.shape[-1]))
    k = k.reshape(groups, left.shape[-1], -1)
    return unfolded(k, sides, x.shape[-1] // groups, y.shape[-1] // groups)


def _by_sample(x: Array, y: Array, spec: Spec) -> Array:
    """W, every sample of a window as a row: x sorted by its place in a block, so that all rows are runs of memory."""
    axes, channels = spec.axes, x.shape[-1]
    whole = [a.out + (a.taps - 1) // a.down for a in axes]
    widths = [(a.lo, n * a.down - a.lo - a.size) for a, n in zip(axes, whole, strict=True)]
    x = padded(x, widths).reshape(x.shape[0], *[n for m, a in zip(whole, axes, strict=True) for n in (m, a.down)], -1)
    rank = len(axes)
    x = x.transpose(*range(2, 2 * rank + 1, 2), 2 * rank + 1, 0, *range(1, 2 * rank, 2))
    x = x.reshape(-1, *x.shape[rank + 1 :])  # (places and channels, B, *blocks)
    starts = []
    for *at, c in np.ndindex(*spec.window, channels):
        block, place = zip(*[divmod(j * a.dilation, a.down) for j, a in zip(at, axes, strict=True)], strict=True)
        starts.append((np.ravel_multi_index((*place, c), (*[a.down for a in axes], channels)), *block))
    rows = pieces(x, starts + starts[-1:] * (-len(starts) % LOOPS), spec.out, LOOPS)
    k = onednn.products(rows.reshape(1, len(rows), -1), y.reshape(1, -1, y.shape[-1]))
    return k[0, : len(starts)].reshape(*spec.window, channels, y.shape[-1])


def _ragged(axis: Axis) -> bool:
    filled = -(-axis.window // axis.down) * axis.down
    return axis.dilation == 1 < axis.down <= axis.size and filled >= WASTE * axis.window


def _by_place(x: Array, y: Array, spec: Spec, i: int) -> Array:
    """W, the taps j = r mod down of axis i apart."""
    axis, parts = spec.axes[i], []
    whole = -(-axis.window // axis.down)
    for place in range(min(axis.down, axis.window)):
        first, row = divmod(place - axis.lo, axis.down)
        window = len(range(place, axis.window, axis.down))
        rows = x[(*[slice(None)] * (1 + i), slice(row, None, axis.down))]
        size = rows.shape[1 + i]
        every = Axis(size, window, lo=-first, hi=axis.out - 1 + window - size + first)
        part = taps_gradient(rows, y, replace(spec, axes=(*spec.axes[:i], every, *spec.axes[i + 1 :])))
        if window < whole:
            part = jnp.concatenate([part, jnp.zeros((*part.shape[:i], 1, *part.shape[i + 1 :]), part.dtype)], i)
        parts.append(part)
    k = jnp.stack(parts, i + 1)
    k = k.reshape(*k.shape[:i], whole * len(parts), *k.shape[i + 2 :])
    return k[(*[slice(None)] * i, slice(0, axis.window))]


def _apart(x: Array, groups: int) -> Array:
    """(B, *size, g*c) -> (g*B, *size, c)."""
    if groups == 1:
        return x
    x = jnp.moveaxis(x.reshape(*x.shape[:-1], groups, -1), -2, 0)
    return x.reshape(-1, *x.shape[2:])


def _shifts(y: Array, sides: list[Side], whole: bool) -> Array:
    """(B, *out, c) -> (B, *terms, shifts*c).

    Of y padded as a `whole`: XLA would put what makes y (a slice of a scan's inputs, an activation's gradient) into the
    loop over all shifts, once for each, as a function whose loads it does not hoist. It is one copy more.
    """
    counts, none = [len(s.live) for s in sides], [(0, 0)] * len(sides)
    before = [max(s.reach - s.live.start, 0) for s in sides]  # what the last shift needs
    if whole:
        after = [n - s.axis.out + s.live.start for n, s in zip(counts, sides, strict=True)]  # the first
        y = fit(y, [(lo, max(hi, 0)) for lo, hi in zip(before, after, strict=True)])
    parts = []
    for at in np.ndindex(*[s.shifts for s in sides]):
        lows = [w * s.hop - s.live.start for w, s in zip(at, sides, strict=True)]
        if whole:
            starts = [margin - lo for margin, lo in zip(before, lows, strict=True)]
            parts.append((window_slices(y, starts, counts, [1] * len(sides)), none))
        else:
            widths = [(lo, n - s.axis.out - lo) for lo, n, s in zip(lows, counts, sides, strict=True)]
            parts.append((y, widths))
    return side_by_side(parts)


def _windows(x: Array, sides: list[Side], turned: bool) -> Array:
    """(B, *size, c) -> (B, *terms, places*c); of x `turned`, which is not in memory yet, no copy but the windows."""
    if turned and all(s.axis.down == 1 for s in sides):
        more = [len(s.live) - s.axis.size for s in sides]
        shifts = product(*[[s.pads[0] - place for place in s.places] for s in sides])
        return side_by_side([(x, [(lo, n - lo) for lo, n in zip(at, more, strict=True)]) for at in shifts])
    x = fit(x, [s.pads for s in sides])
    last, places, steps = sides[-1], [list(s.places) for s in sides], [s.axis.down for s in sides]
    if last.on_y:  # whole blocks, as they lie in memory
        x = x.reshape(*x.shape[:-2], len(last.live), -1)
    elif last.axis.dilation == 1:
        x = runs(x, len(last.live), last.axis.down, last.axis.window)
    if last.on_y or last.axis.dilation == 1:
        places[-1], steps[-1] = [0], 1
    counts, none = [len(s.live) for s in sides], [(0, 0)] * len(sides)
    return side_by_side([(window_slices(x, at, counts, steps), none) for at in product(*places)])


def _blocks(x: Array, sides: list[Side]) -> Array:
    """(B, *size, c) -> (places, terms, places of the last axis * c), all axes being cut into blocks of `down` samples.

    Rows are copied whole, and padded by the way; behind an activation or in a scan that is slower than side by side.
    """
    *outer, last = sides
    lo, hi = (n * x.shape[-1] for n in last.pads)
    rows = padded(x.reshape(*x.shape[:-2], -1, 1), [*[s.pads for s in outer], (lo, hi)])
    rows = rows.reshape(x.shape[0], *[n for s in outer for n in (len(s.live), s.axis.down)], rows.shape[-2])
    order = (*range(2, rows.ndim - 1, 2), 0, *range(1, rows.ndim - 1, 2), rows.ndim - 1)
    return rows.transpose(order).reshape(math.prod(s.axis.down for s in outer), -1, last.axis.down * x.shape[-1])
