"""`rows`: the taps' gradient of depthwise and scalar stages as a running sum over rows of y.

    W[j, c] = sum_n x[n*down + j*dilation - lo, c] y[n, c]

One row of y meets one slab of x in each step; the accumulator holds every tap at every place of the row, so each
step is one fused elementwise loop over contiguous memory. XLA's own reductions over leading axes are 4-10 times
slower. The last axis is cut into chunks that stay in cache, and the chunk is summed once at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax

from deconvjax.axis import Axis
from deconvjax.engine.layout import fit
from deconvjax.engine.spec import Spec

CHUNK = 16384  # accumulated numbers: what stays in the innermost caches
WHOLE = 40000  # up to this a row is not cut
UNROLL = 4
NEAR = 64  # terms of one step


def fits_gradient(spec: Spec) -> bool:
    """Scalar or depthwise (checked on the shapes), x not stuffed, a step of few enough terms to compile."""
    if not spec.axes or any(a.up > 1 for a in spec.axes):
        return False
    return -(-spec.axes[-1].taps // spec.axes[-1].down) <= NEAR


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    return by_channel(_depthwise, x, y, spec)


def by_channel(sums: Callable[[Array, Array, Spec], Array], x: Array, y: Array, spec: Spec) -> Array:
    """W from `sums`, which gives (*window, C) for x and y of as many channels; x (B, *size, C), y (B, *out, C*many)."""
    many = y.shape[-1] // x.shape[-1]
    if many > 1:
        x = jnp.repeat(x, many, axis=-1)
    k = sums(x, y, spec)
    return k.sum(-1).astype(k.dtype) if spec.groups is None else k[..., None, :]


def _chunk(axis: Axis, kept: int) -> int:
    """Samples of y per step along the last axis, where each keeps `kept` numbers."""
    length = axis.out if axis.out * kept <= WHOLE else max(1, CHUNK // kept)
    pieces = -(-axis.out // length)
    return -(-axis.out // pieces)


def _depthwise(x: Array, y: Array, spec: Spec) -> Array:
    *outer, last = spec.axes
    batch, channels = x.shape[0], x.shape[-1]
    near = -(-last.taps // last.down)
    length = _chunk(last, math.prod(a.window for a in outer) * near * last.down * channels)
    pieces = -(-last.out // length)
    blocks = pieces * length + near - 1
    widths = [(a.lo, a.normal.hi) for a in outer]
    x = fit(x, [*widths, (last.lo, blocks * last.down - last.size - last.lo)])
    x = x.reshape(*x.shape[:-2], blocks, last.down, channels)
    y = fit(y, [*[(0, 0)] * len(outer), (0, pieces * length - last.out)])
    counts = (batch, *[a.out for a in outer], pieces)
    steps = math.prod(counts)
    unroll = next(u for u in range(min(UNROLL, steps), 0, -1) if steps % u == 0)
    slab = (1, *[a.taps for a in outer])

    def places(step: Array) -> list[Array]:
        found = []
        for n in reversed(counts):
            found.append(step % n)
            step = step // n
        return found[::-1]

    def one(step: Array) -> list[Array]:
        b, *rows, piece = places(step)
        corner = (b, *[r * a.down for r, a in zip(rows, outer, strict=True)])
        row = lax.dynamic_slice(y, (b, *rows, piece * length, 0), (1,) * (len(outer) + 1) + (length, channels))
        row = row.reshape((1,) * len(outer) + (length, 1, channels))
        terms = []
        for w in range(near):
            part = lax.dynamic_slice(x, (*corner, piece * length + w, 0, 0), (*slab, length, last.down, channels))[0]
            part = part[tuple(slice(None, None, a.dilation) for a in outer)]
            terms.append(part * row)
        return terms

    def body(i: Array, totals: list[Array]) -> list[Array]:
        for u in range(unroll):
            totals = [t + n for t, n in zip(totals, one(i * unroll + u), strict=True)]
        return totals

    zero = lax.full_like(y, 0, shape=(*[a.window for a in outer], length, last.down, channels))  # varies as y does
    totals = lax.fori_loop(0, steps // unroll, body, [zero] * near)
    taps = jnp.stack([t.sum(-3) for t in totals], -3)  # *outer window, near, down, C
    taps = taps.reshape(*taps.shape[:-3], near * last.down, channels)
    return taps[..., : last.taps : last.dilation, :]
