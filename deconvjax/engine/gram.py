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
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import jax.numpy as jnp
import numpy as np
from jax import Array

from deconvjax.axis import Axis
from deconvjax.engine import onednn
from deconvjax.engine.images import by_images, fitting
from deconvjax.engine.layout import BESIDE, Widths, fit, padded, pieces, runs, side_by_side, window_slices
from deconvjax.engine.sides import RUN, Side, split, unfolded
from deconvjax.engine.spec import Spec

COPY = 120  # multiply-adds in the time of one number copied
FEW = (3, 12)  # channels of x too few to lie side by side: always, and where y has many
TALL = 3.5  # rows over columns of a product up to which they are no slower than blocks
HELD = 1 << 26  # numbers of one image: larger operands are to be no more than a few times larger than x and y
HALVED = 1 << 26  # multiply-adds from which on the sum of a product may be two
LOOPS = 3  # for the rows of single samples: what a loop reads is computed before it, and once
MANY = 8  # places that are faster as matrices of their own than side by side
WASTE = 1.2  # places of whole blocks over taps: from here on a product for each place is faster


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    if by_sample(spec, x.shape[-1], y.shape[-1]):
        copied = x.shape[0] * math.prod(spec.window) * x.shape[-1] * math.prod(spec.out)
        size = fitting(x.shape[0], copied, x.size + y.size)
        return _by_sample(x, y, spec) if size == x.shape[0] else by_images(_by_sample, x, y, spec, size)
    groups = spec.groups or 1
    sides = split(spec, x.shape[-1] // groups, y.shape[-1] // groups, COPY)
    copied = y.shape[-1] * math.prod(s.shifts for s in sides) + x.shape[-1] * math.prod(len(s.places) for s in sides)
    copied *= x.shape[0] * math.prod(len(s.live) for s in sides)
    return by_images(partial(_by_blocks, sides=sides), x, y, spec, fitting(x.shape[0], copied, x.size + y.size))


def _by_blocks(x: Array, y: Array, spec: Spec, sides: list[Side]) -> Array:
    """W of x and y in memory, by `sides`, but where an axis is ragged."""
    groups = spec.groups or 1
    for i, axis in enumerate(spec.axes[:-1]):
        if _ragged(axis):
            return _by_place(x, y, spec, i)
    if groups == 1 and all(s.on_y for s in sides) and math.prod(s.axis.down for s in sides[:-1]) >= MANY:
        k = onednn.product(_shifts(y, sides, 1), _blocks(x, sides))  # (places, shifts*c, places of a row*c)
        return unfolded(jnp.swapaxes(k, 0, 1).reshape(1, k.shape[1], -1), sides, x.shape[-1], y.shape[-1])
    if math.prod(len(s.places) for s in _cut(sides, groups)) <= BESIDE:
        return _product(_windows(x, sides, groups), y, sides)
    return _product(_runs(x, sides, groups), y, sides)


def _product(windows: Array, y: Array, sides: list[Side]) -> Array:
    """W of windows (g, terms, places*c); long sums of few results in halves: oneDNN leaves them to one core."""
    groups, places = windows.shape[0], math.prod(len(s.places) for s in sides)
    parts, inner, outer = [_shifts(y, sides, groups), windows], windows.shape[-1] // places, y.shape[-1] // groups
    terms, results = windows.shape[1], windows.shape[-1] * parts[0].shape[-1]
    halved = groups == 1 and terms % 2 == 0 and terms >= results and terms * results >= HALVED
    if halved:
        parts = [a.reshape(2, terms // 2, a.shape[-1]) for a in parts]
    k = onednn.product(*parts)
    return unfolded(k.sum(0, keepdims=True) if halved else k, sides, inner, outer)


def by_sample(spec: Spec, cin: int, cout: int) -> bool:
    """Whether every sample of a window is a row of its own: few channels, windows that overlap."""
    rows, terms = math.prod(spec.window) * cin, math.prod(spec.out)
    held = math.prod(spec.size) * cin + terms * cout
    if spec.groups != 1 or all(a.taps <= a.down for a in spec.axes) or rows * terms > max(HELD, 4 * held):
        return False
    if cin <= FEW[0] and math.prod(a.down for a in spec.axes) * cin < RUN:
        return True
    return cin <= FEW[1] and rows <= TALL * cout


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
    axis, parts, groups = spec.axes[i], [], spec.groups or 1
    cin, cout = x.shape[-1] // groups, y.shape[-1] // groups
    whole = -(-axis.window // axis.down)
    for place in range(min(axis.down, axis.window)):
        first, row = divmod(place - axis.lo, axis.down)
        window = len(range(place, axis.window, axis.down))
        rows = x[(*[slice(None)] * (1 + i), slice(row, None, axis.down))]
        size = rows.shape[1 + i]
        every = Axis(size, window, lo=-first, hi=axis.out - 1 + window - size + first)
        sides = split(replace(spec, axes=(*spec.axes[:i], every, *spec.axes[i + 1 :])), cin, cout, COPY)
        part = _product(_runs(rows, sides, groups), y, sides)
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


def _shifts(y: Array, sides: list[Side], groups: int) -> Array:
    """(B, *out, g*c) -> (g, terms, shifts*c), padded as they are laid side by side."""
    y, counts = _apart(y, groups), [len(s.live) for s in sides]
    if 1 < sides[-1].shifts < math.prod(s.shifts for s in sides) >= BESIDE:
        return _by_stages(y, sides, groups)
    parts = []
    for at in np.ndindex(*[s.shifts for s in sides]):
        lows = [w * s.hop - s.live.start for w, s in zip(at, sides, strict=True)]
        parts.append((y, [(lo, n - s.axis.out - lo) for lo, n, s in zip(lows, counts, sides, strict=True)]))
    return _terms(parts, groups)


def _by_stages(y: Array, sides: list[Side], groups: int) -> Array:
    """The same of many shifts: those of the last axis first, padded, then the others, whose runs are longer so."""
    *outer, last = sides
    lows = [w * last.hop - last.live.start for w in range(last.shifts)]
    room, none = len(last.live) - last.axis.out, [(0, 0)] * len(outer)
    y = side_by_side([(y, [*none, (lo, room - lo)]) for lo in lows])
    before = [max(s.reach - s.live.start, 0) for s in outer]  # what the last shift needs
    after = [max(len(s.live) - s.axis.out + s.live.start, 0) for s in outer]  # the first
    y = fit(y, [*zip(before, after, strict=True), (0, 0)])
    counts, parts = [len(s.live) for s in sides], []
    for at in np.ndindex(*[s.shifts for s in outer]):
        starts = [low - w * s.hop + s.live.start for low, w, s in zip(before, at, outer, strict=True)]
        parts.append((window_slices(y, [*starts, 0], counts, [1] * len(sides)), [*none, (0, 0)]))
    return _terms(parts, groups)


def _cut(sides: list[Side], groups: int) -> list[Side]:
    """The axes whose places are windows of their own: those of whole blocks on the last one lie side by side."""
    return sides[:-1] if sides[-1].on_y and groups == 1 else sides


def _windows(x: Array, sides: list[Side], groups: int) -> Array:
    """(B, *size, g*c) -> (g, terms, places*c), the same way."""
    x, cut, parts = _apart(x, groups), _cut(sides, groups), []
    for at in product(*[s.places for s in cut]):
        met = [s.met(place) for s, place in zip(cut, at, strict=True)]
        part, widths = x[(slice(None), *[samples for samples, _ in met])], [lacking for _, lacking in met]
        if len(cut) < len(sides):
            part, widths = _rows(part, sides[-1]), [*widths, (0, 0)]
        parts.append((part, widths))
    return _terms(parts, groups)


def _rows(x: Array, last: Side) -> Array:
    """(B, *rest, size, c) -> (B, *rest, blocks, down*c): rows copied whole, and padded by the way."""
    lo, hi = (n * x.shape[-1] for n in last.pads)
    rows = padded(x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1], 1), [*[(0, 0)] * (x.ndim - 3), (lo, hi)])
    return rows.reshape(*x.shape[:-2], len(last.live), last.axis.down * x.shape[-1])


def _runs(x: Array, sides: list[Side], groups: int) -> Array:
    """The same of x padded before: the places of the last axis are a run of memory."""
    x = fit(_apart(x, groups), [s.pads for s in sides])
    last, places, steps = sides[-1], [list(s.places) for s in sides], [s.axis.down for s in sides]
    if last.on_y:  # whole blocks, as they lie in memory
        x = x.reshape(*x.shape[:-2], len(last.live), -1)
    elif last.axis.dilation == 1:
        x = runs(x, len(last.live), last.axis.down, last.axis.window)
    if last.on_y or last.axis.dilation == 1:
        places[-1], steps[-1] = [0], 1
    counts, none = [len(s.live) for s in sides], [(0, 0)] * len(sides)
    return _terms([(window_slices(x, at, counts, steps), none) for at in product(*places)], groups)


def _terms(parts: Sequence[tuple[Array, Widths]], groups: int) -> Array:
    """(g*B, *counts, c) each, padded to one shape -> (g, terms, parts*c)."""
    whole = side_by_side(parts)
    return whole.reshape(groups, -1, whole.shape[-1])


def _blocks(x: Array, sides: list[Side]) -> Array:
    """(B, *size, c) -> (places, terms, places of the last axis * c), all axes being cut into blocks of `down` samples.

    Rows are copied whole, and padded by the way; of few places that is no faster than side by side.
    """
    *outer, last = sides
    lo, hi = (n * x.shape[-1] for n in last.pads)
    rows = padded(x.reshape(*x.shape[:-2], -1, 1), [*[s.pads for s in outer], (lo, hi)])
    rows = rows.reshape(x.shape[0], *[n for s in outer for n in (len(s.live), s.axis.down)], rows.shape[-2])
    order = (*range(2, rows.ndim - 1, 2), 0, *range(1, rows.ndim - 1, 2), rows.ndim - 1)
    return rows.transpose(order).reshape(math.prod(s.axis.down for s in outer), -1, last.axis.down * x.shape[-1])
