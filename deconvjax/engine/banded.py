"""`banded`: one-axis scalar stages as products with a small banded matrix: FIR filters, rational resampling.

    y[m] (P outputs) = sum_w x[m + w] (V inputs) @ T[w]        T[w][v, p] = k[j] where output p reads input w*V + v by j

The axis is first lengthened to blocks of several periods, so that both sides of the product are at least `BLOCK`
long; the zeros inside the band cost less than a product gains over elementwise sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.axis import Axis
from deconvjax.engine.comb import comb
from deconvjax.engine.layout import fit
from deconvjax.engine.spec import Spec

SHORT, LONG = 32, 256  # samples per block
PIECE = 1 << 19  # samples of all signals that are worked on at a time


@dataclass(frozen=True)
class Band:
    """Block sizes of one axis and, for every (input of the band, output), the tap that joins them (or -1)."""

    inputs: int
    outputs: int
    near: int
    count: int
    pad: int
    skip: int
    taps: np.ndarray


@lru_cache(maxsize=256)
def band(axis: Axis) -> Band:
    """The band of one axis."""
    c = comb(axis)
    goal = min(max(SHORT, c.span // 2), LONG)
    periods = max(1, -(-goal // max(c.step, c.phases)))
    periods = max(1, min(periods, c.count))
    inputs, outputs = c.step * periods, c.phases * periods
    near = -(-((periods - 1) * c.step + c.span) // inputs)
    taps = np.full((near * inputs, periods, c.phases), -1)
    table = np.array(c.table)
    for p in range(periods):
        for w in range(c.width):
            taps[p * c.step + w * c.grid, p] = table[w]
    return Band(inputs, outputs, near, -(-c.count // periods), c.pad, c.skip, taps.reshape(near, inputs, outputs))


def fits(spec: Spec) -> bool:
    """Scalar taps on one axis, a band of moderate size."""
    if spec.groups is not None or len(spec.axes) != 1:
        return False
    c = comb(spec.axes[0])
    return c.span * max(c.phases, min(c.span // 2, LONG)) <= 1 << 21


fits_gradient = fits


def _blocks(x: Array, b: Band, count: int) -> Array:
    """(B, size, C) -> (B*C, count + near - 1 blocks, inputs)."""
    blocks = count + b.near - 1
    x = jnp.swapaxes(x, 1, 2).reshape(-1, x.shape[1], 1)
    x = fit(x, [(b.pad, blocks * b.inputs - b.pad - x.shape[1])])
    return x.reshape(-1, blocks, b.inputs)


def _piece(source: Array, matrix: Array, spec: Spec) -> Array:
    """(n, count + near - 1, inputs) -> (n, count, outputs)."""
    count = source.shape[1] - matrix.shape[0] + 1
    y = None
    for w in range(matrix.shape[0]):
        rows = source[:, w : w + count].reshape(-1, source.shape[-1])
        part = lax.dot_general(rows, matrix[w], (((1,), (0,)), ((), ())), precision=spec.precision)
        y = part if y is None else y + part
    assert y is not None
    return y.reshape(source.shape[0], count, -1)


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F; signals too long for the caches are run in pieces of time, all channels together."""
    (axis,) = spec.axes
    b = band(axis)
    batch, _, channels = x.shape
    signals = batch * channels
    matrix = jnp.concatenate([taps, jnp.zeros((1,), taps.dtype)])[b.taps]  # index -1 reads the zero at the end
    length = max(1, PIECE // (signals * max(b.inputs, b.outputs)))
    pieces = -(-b.count // length)
    if pieces < 4:
        y = _piece(_blocks(x, b, b.count), matrix, spec)
    else:
        source = _blocks(x, b, pieces * length)
        shape = (signals, pieces * length, b.outputs)

        def body(i: Array, y: Array) -> Array:
            here = lax.dynamic_slice(source, (0, i * length, 0), (signals, length + b.near - 1, b.inputs))
            return lax.dynamic_update_slice(y, _piece(here, matrix, spec), (0, i * length, 0))

        y = lax.fori_loop(0, pieces, body, lax.full_like(x, 0, shape=shape))
    y = y.reshape(batch, channels, -1)[:, :, b.skip : b.skip + axis.out]
    return jnp.swapaxes(y, 1, 2)


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W: the gradient of the band, added up over the places where each tap stands."""
    (axis,) = spec.axes
    b = band(axis)
    source = _blocks(x, b, b.count)
    y = jnp.swapaxes(y, 1, 2).reshape(-1, axis.out, 1)
    y = fit(y, [(b.skip, b.count * b.outputs - axis.out - b.skip)]).reshape(-1, b.outputs)
    turned = lax.optimization_barrier(y.T)
    total = jnp.zeros((axis.window + 1,), x.dtype)
    for w in range(b.near):
        rows = source[:, w : w + b.count].reshape(-1, b.inputs)
        part = lax.dot_general(turned, rows, (((1,), (0,)), ((), ())), precision=spec.precision)
        total = total.at[b.taps[w].T].add(part)
    return total[:-1]
