"""`shifted`: the taps' gradient as matrix products of shifted cotangents with windows of x, one cacheful at a time.

    W[w, r] = sum_m y[m - w] x[m*down + r - lo]        taps j = w*down + r: all w as rows, all r as columns

An axis carries its taps on either side: on y as shifts by whole blocks (x is cut into blocks of `down` samples and
copied once), or on x as windows (y is copied once). `split` splits the axes so that the product is nearly square,
which is what it runs fastest at and what copies least. The sum over m is cut into pieces whose two operands stay in
the caches; a loop adds up their products.
"""

from __future__ import annotations

import math
from itertools import product

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine.layout import fit, window_slices
from deconvjax.engine.products import dot
from deconvjax.engine.sides import Side, split, unfolded
from deconvjax.engine.spec import Shape, Spec

PIECE = 8 << 20  # bytes of one piece's operands: what stays in the caches
LEAST = 1 << 20  # bytes that are not worth cutting
COPY = 18  # multiply-adds in the time of one number copied


def whole(x: Array, y: Array, spec: Spec) -> Array:
    """W as one product, for accelerators."""
    return taps_gradient(x, y, spec, 0)


def taps_gradient(x: Array, y: Array, spec: Spec, most: int = PIECE) -> Array:
    """W; `most` bytes of operands in one product, 0 for all."""
    groups = spec.groups or 1
    cin, cout = x.shape[-1] // groups, y.shape[-1] // groups
    sides = split(spec, cin, cout, COPY)
    shifts, places = math.prod(s.shifts for s in sides), math.prod(len(s.places) for s in sides)
    images, rows = x.shape[0], sides[0].count
    if most:
        budget = min(most, max(LEAST, (x.size + y.size) * x.dtype.itemsize))
        per_term = groups * (cin * places + cout * shifts) * x.dtype.itemsize
        images, rows = piece(x.shape[0], [s.count for s in sides], max(1, budget // per_term))
    batches, strips = -(-x.shape[0] // images), -(-sides[0].count // rows)
    counts = (rows, *[s.count for s in sides[1:]])

    x = _framed(x, sides, batches * images, strips * rows)
    y = _turned(y, sides, batches * images, strips * rows)
    height = sides[0].samples(rows)

    def product_of(i: Array | int) -> Array:
        image, row = (i // strips) * images, (i % strips) * rows
        xs, ys = x, y
        if batches * strips > 1:
            xs = lax.dynamic_slice(
                x, (image, row * sides[0].axis.down, *[0] * len(sides)), (images, height, *x.shape[2:])
            )
            first = (images, rows + sides[0].reach)
            ys = lax.dynamic_slice(y, (0, image, row, *[0] * (len(sides) - 1)), (y.shape[0], *first, *y.shape[3:]))
        parts = []
        for g in range(groups):
            left = _shifts(ys[g * cout : (g + 1) * cout], sides, counts)
            right = _windows(xs[..., g * cin : (g + 1) * cin], sides, counts)
            parts.append(dot(left, right, (((1,), (0,)), ((), ())), spec.precision))
        return jnp.stack(parts) if groups > 1 else parts[0][None]

    if batches * strips == 1:
        total = product_of(0)
    else:
        zero = lax.full_like(y, 0, shape=(groups, shifts * cout, places * cin))  # varies as y does
        total = lax.fori_loop(0, batches * strips, lambda i, t: t + product_of(i), zero)
    return unfolded(total, sides, cin, cout)


def piece(batch: int, counts: list[int], terms: int) -> tuple[int, int]:
    """(images, rows of blocks) of one piece: whole images while they fit, else strips of one image, of equal height."""
    image = math.prod(counts)
    if image <= terms:
        pieces = -(-batch // max(1, terms // image))
        return -(-batch // pieces), counts[0]
    strips = min(counts[0], -(-image // terms))
    return 1, -(-counts[0] // strips)


def _turned(y: Array, sides: list[Side], batch: int, rows: int) -> Array:
    """(Cout, B, *out) with room for the shifts on both ends: the product is fast with the sum last on the left."""
    counts = [rows, *[s.count for s in sides[1:]]]
    widths = [(s.reach, n - s.axis.out) for s, n in zip(sides, counts, strict=True)]
    y = _filled(fit(y, widths), batch)
    return lax.optimization_barrier(jnp.transpose(y, (y.ndim - 1, *range(y.ndim - 1))))


def _shifts(y: Array, sides: list[Side], counts: Shape) -> Array:
    """(c, B, *counts + reach) -> (shifts*c, terms)."""
    parts = []
    for at in np.ndindex(*[s.shifts for s in sides]):
        starts = [s.reach - w * s.hop for w, s in zip(at, sides, strict=True)]
        cut = [slice(b, b + n) for b, n in zip(starts, counts, strict=True)]
        parts.append(y[(slice(None), slice(None), *cut)])
    whole = jnp.concatenate(parts, 0) if len(parts) > 1 else parts[0]
    return whole.reshape(whole.shape[0], -1)


def _framed(x: Array, sides: list[Side], batch: int, rows: int) -> Array:
    """x padded to the samples that all terms read."""
    counts = [rows, *[s.count for s in sides[1:]]]
    lows = [s.axis.lo for s in sides]
    sizes = [s.samples(n) for s, n in zip(sides, counts, strict=True)]
    x = fit(x, [(lo, n - lo - s.axis.size) for lo, n, s in zip(lows, sizes, sides, strict=True)])
    return _filled(x, batch)


def _filled(x: Array, size: int) -> Array:
    """Images of zeros appended."""
    if x.shape[0] == size:
        return x
    widths = [(0, size - n if i == 0 else 0, 0) for i, n in enumerate(x.shape)]
    return lax.pad(x, lax.full_like(x, 0, shape=()), widths)


def _windows(x: Array, sides: list[Side], counts: Shape) -> Array:
    """(B, *samples, c) -> (terms, places*c)."""
    steps, places = [s.axis.down for s in sides], [s.places for s in sides]
    if sides[-1].on_y:  # whole blocks, as they lie in memory
        x = x.reshape(*x.shape[:-2], counts[-1], steps[-1] * x.shape[-1])
        steps[-1], places[-1] = 1, range(1)
    parts = [window_slices(x, at, counts, steps) for at in product(*places)]
    whole = jnp.concatenate(parts, -1) if len(parts) > 1 else parts[0]
    return whole.reshape(-1, whole.shape[-1])
