"""`bandrows`: `banded` as one product of gathered rows, for accelerators: their libraries have fast products only.

    F = [x[m], ..., x[m + near - 1]] @ [T[0]; ...; T[near - 1]]        W[j] = sum of (rows^T y) where T holds k[j]

In full float32 unless the caller says otherwise: the sums and transforms it stands beside are, and a signal's
precision should not depend on its length.
"""

from __future__ import annotations

from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine.banded import BLOCK, Band, band, matrix, signal_blocks
from deconvjax.engine.comb import comb
from deconvjax.engine.layout import padded
from deconvjax.engine.products import dot
from deconvjax.engine.spec import Precision, Spec

LONGEST = 128  # samples per block of the taps' gradient: a longer block multiplies more zeros than it saves


def _rows(x: Array, b: Band) -> Array:
    """(B, size, C) -> (B*C*blocks, near*inputs): what each block of results reads."""
    source, missing = signal_blocks(x, b)
    source = padded(source, [missing])
    parts = [source[:, w : w + b.count] for w in range(b.near)]
    return jnp.concatenate(parts, -1).reshape(-1, b.near * b.inputs)


def _precision(spec: Spec) -> Precision:
    return lax.Precision.HIGHEST if spec.precision is None else spec.precision


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""
    (axis,) = spec.axes
    b = band(axis, BLOCK)
    y = dot(_rows(x, b), matrix(taps, b.taps.reshape(-1, b.outputs)), (((1,), (0,)), ((), ())), _precision(spec))
    y = y.reshape(x.shape[0], x.shape[-1], -1)[:, :, b.skip : b.skip + axis.out]
    return jnp.swapaxes(y, 1, 2)


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    (axis,) = spec.axes
    b = band(axis, min(max(BLOCK, comb(axis).span), LONGEST))
    y = jnp.swapaxes(y, 1, 2).reshape(-1, axis.out, 1)
    y = padded(y, [(b.skip, b.count * b.outputs - axis.out - b.skip)]).reshape(-1, b.outputs)
    k = dot(_rows(x, b), y, (((0,), (0,)), ((), ())), _precision(spec))
    k = jnp.concatenate([k.reshape(-1), jnp.zeros((1,), k.dtype)])
    return k[_places(axis.window, b.taps.tobytes())].sum(-1)


@lru_cache(maxsize=256)
def _places(window: int, table: bytes) -> np.ndarray:
    """(window, most): where in the flat band each tap stands; the zero behind the band where it stands less often."""
    taps = np.frombuffer(table, int)
    order = np.argsort(taps, kind="stable")
    counts = np.bincount(taps + 1, minlength=window + 1)
    first = np.cumsum(counts) - counts
    found = np.full((window, max(int(counts[1:].max()), 1)), len(taps))
    for j in range(window):
        found[j, : counts[j + 1]] = order[first[j + 1] : first[j + 1] + counts[j + 1]]
    return found
