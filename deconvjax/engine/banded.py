"""`banded`: one-axis scalar stages as products with a small banded matrix: FIR filters, rational resampling.

    y[m] (P outputs) = sum_w x[m + w] (V inputs) @ T[w]        T[w][v, p] = k[j] where output p reads input w*V + v by j

With V samples for channels this is a dense convolution over blocks, which XLA's library runs at the speed of a matrix
product; the zeros inside the band cost less than that gains over elementwise sums. Other types than float32 have no
such library and add up one product per `w`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.axis import Axis
from deconvjax.engine.comb import comb
from deconvjax.engine.layout import Widths, canonical, fit
from deconvjax.engine.products import summed
from deconvjax.engine.spec import Shape, Spec

BLOCK = 32  # samples per block: whole vector registers; longer blocks hold more zeros
SHORT, LONG = 32, 256  # samples per block of the taps' gradient, which has no library convolution


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
def band(axis: Axis, goal: int) -> Band:
    """The band of one axis with blocks of about `goal` samples.

    Where the signal is a whole number of blocks, so is its padding, which then needs no copy.
    """
    c = comb(axis)
    periods = max(1, min(-(-goal // max(c.step, c.phases)), c.count))
    inputs, outputs = c.step * periods, c.phases * periods
    late = -c.pad % inputs if axis.size % inputs == 0 else 0
    near = -(-(late + (periods - 1) * c.step + c.span) // inputs)
    taps = np.full((near * inputs, periods, c.phases), -1)
    table = np.array(c.table)
    for p in range(periods):
        for w in range(c.width):
            taps[late + p * c.step + w * c.grid, p] = table[w]
    return Band(
        inputs, outputs, near, -(-c.count // periods), c.pad + late, c.skip, taps.reshape(near, inputs, outputs)
    )


def fits(spec: Spec) -> bool:
    """Scalar taps on one axis, a band of moderate size."""
    if spec.groups is not None or len(spec.axes) != 1:
        return False
    c = comb(spec.axes[0])
    return c.span * max(c.phases, min(c.span // 2, LONG)) <= 1 << 21


fits_gradient = fits


def matrix(taps: Array, table: np.ndarray) -> Array:
    """taps[table], zero where the table has -1."""
    return jnp.concatenate([taps, jnp.zeros((1,), taps.dtype)])[table]


def signal_blocks(x: Array, b: Band) -> tuple[Array, tuple[int, int]]:
    """(B, size, C) -> (B*C, blocks, inputs) and the zero blocks still missing on either side."""
    blocks = b.count + b.near - 1
    size = x.shape[1]
    x = jnp.swapaxes(x, 1, 2).reshape(-1, size, 1)
    lo, hi = b.pad // b.inputs, blocks - b.pad // b.inputs - size // b.inputs
    if size % b.inputs == b.pad % b.inputs == 0 and lo >= 0 and hi >= 0:
        return x.reshape(-1, size // b.inputs, b.inputs), (lo, hi)
    x = fit(x, [(b.pad, blocks * b.inputs - b.pad - size)])
    return x.reshape(-1, blocks, b.inputs), (0, 0)


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""

    def convolve(source: Array, matrix: Array, strides: Shape, pads: Widths, dilation: Shape) -> Array:
        if x.dtype == jnp.float32:
            return lax.conv_general_dilated(
                source, matrix, strides, pads, dimension_numbers=canonical(1), precision=spec.precision
            )
        source = fit(source, pads)
        count = source.shape[1] - matrix.shape[0] + 1
        parts = []
        for w, part in enumerate(matrix):
            rows = source[:, w : w + count].reshape(-1, matrix.shape[1])
            parts.append(lax.dot_general(rows, part, (((1,), (0,)), ((), ())), precision=spec.precision))
        return summed(parts)

    return bands(x, taps, spec, convolve)


def bands(x: Array, taps: Array, spec: Spec, convolve: Callable[[Array, Array, Shape, Widths, Shape], Array]) -> Array:
    """F by whichever convolution: `convolve(blocks, matrix, strides, pads, dilation)`."""
    (axis,) = spec.axes
    b = band(axis, BLOCK)
    batch, _, channels = x.shape
    source, missing = signal_blocks(x, b)
    y = convolve(source, matrix(taps, b.taps), (1,), [missing], (1,))
    y = y.reshape(batch, channels, -1)[:, :, b.skip : b.skip + axis.out]
    return jnp.swapaxes(y, 1, 2)


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""

    def by(left: Array) -> Callable[[Array], Array]:
        turned = lax.optimization_barrier(left.T)
        return lambda right: lax.dot_general(turned, right, (((1,), (0,)), ((), ())), precision=spec.precision)

    return bands_gradient(x, y, spec, by)


def bands_gradient(x: Array, y: Array, spec: Spec, by: Callable[[Array], Callable[[Array], Array]]) -> Array:
    """W: the gradient of the band, added up over the places where each tap stands; by(a)(b) = a^T b, for many b."""
    (axis,) = spec.axes
    b = band(axis, min(max(SHORT, comb(axis).span // 2), LONG))
    source, missing = signal_blocks(x, b)
    source = fit(source, [missing])
    y = jnp.swapaxes(y, 1, 2).reshape(-1, axis.out, 1)
    y = fit(y, [(b.skip, b.count * b.outputs - axis.out - b.skip)]).reshape(-1, b.outputs)
    multiplied = by(y)
    total = jnp.zeros((axis.window + 1,), x.dtype)
    for w in range(b.near):
        rows = source[:, w : w + b.count].reshape(-1, b.inputs)
        total = total.at[b.taps[w].T].add(multiplied(rows))
    return total[:-1]
