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


def _blocks(x: Array, b: Band) -> Array:
    """(B, size, C) -> (B*C, blocks, inputs)."""
    blocks = b.count + b.near - 1
    x = jnp.swapaxes(x, 1, 2).reshape(-1, x.shape[1], 1)
    x = fit(x, [(b.pad, blocks * b.inputs - b.pad - x.shape[1])])
    return x.reshape(-1, blocks, b.inputs)


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""
    (axis,) = spec.axes
    b = band(axis)
    batch, _, channels = x.shape
    source = _blocks(x, b)
    matrix = jnp.concatenate([taps, jnp.zeros((1,), taps.dtype)])[b.taps]  # index -1 reads the zero at the end
    y = None
    for w in range(b.near):
        rows = source[:, w : w + b.count].reshape(-1, b.inputs)
        part = lax.dot_general(rows, matrix[w], (((1,), (0,)), ((), ())), precision=spec.precision)
        y = part if y is None else y + part
    assert y is not None
    y = y.reshape(batch, channels, b.count * b.outputs)[:, :, b.skip : b.skip + axis.out]
    return jnp.swapaxes(y, 1, 2)


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W: the gradient of the band, added up over the places where each tap stands."""
    (axis,) = spec.axes
    b = band(axis)
    source = _blocks(x, b)
    y = jnp.swapaxes(y, 1, 2).reshape(-1, axis.out, 1)
    y = fit(y, [(b.skip, b.count * b.outputs - axis.out - b.skip)]).reshape(-1, b.outputs)
    turned = lax.optimization_barrier(y.T)
    total = jnp.zeros((axis.window + 1,), x.dtype)
    for w in range(b.near):
        rows = source[:, w : w + b.count].reshape(-1, b.inputs)
        part = lax.dot_general(turned, rows, (((1,), (0,)), ((), ())), precision=spec.precision)
        total = total.at[b.taps[w].T].add(part)
    return total[:-1]
