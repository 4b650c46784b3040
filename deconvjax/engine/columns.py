"""`columns`: gather each window into a row, one matrix product for all taps and combs.

    F = interleave([x[m*step + w*grid] for w] @ comb_taps(k))        W = [x[n*down + j*dilation - lo] for j]^T @ y

Best where windows are short after the polyphase split and the backend has no fast convolution: three dimensions,
float64, integers, few channels.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine.comb import comb
from deconvjax.engine.layout import comb_taps, frame, interleave, windows
from deconvjax.engine.products import dot, grouped, product
from deconvjax.engine.spec import Spec


def fits(spec: Spec) -> bool:
    """Channelled stages."""
    return spec.groups is not None


def fits_gradient(spec: Spec) -> bool:
    """Channelled stages without stuffing or groups."""
    return spec.groups == 1 and len(spec.axes) > 0 and all(a.up == 1 for a in spec.axes)


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W: for few channels in x, whose windows are then not longer than the rows of y."""
    combs = [comb(a) for a in spec.axes]
    parts = windows(frame(x, combs), combs, spec.window)
    rows = lax.optimization_barrier(jnp.stack(parts).reshape(len(parts), -1, x.shape[-1]))
    y = y.reshape(-1, y.shape[-1])
    k = dot(rows, y, (((1,), (0,)), ((), ())), spec.precision)
    return k.reshape(*spec.window, x.shape[-1], y.shape[-1])


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""
    groups = spec.groups or 1
    rank = len(spec.axes)
    combs = [comb(a) for a in spec.axes]
    counts = [c.count for c in combs]
    parts = [grouped(part, groups) for part in windows(frame(x, combs), combs, [c.width for c in combs])]
    rows = jnp.stack(parts, -2) if len(parts) > 1 else parts[0]
    rows = rows.reshape(x.shape[0] * int(np.prod(counts, dtype=int)), groups, -1)
    kernel = grouped(comb_taps(taps, combs), groups)  # (width, phases)*, in/g, g, out/g
    order = (2 * rank + 1, *range(0, 2 * rank, 2), 2 * rank, *range(1, 2 * rank, 2), 2 * rank + 2)
    kernel = jnp.transpose(kernel, order).reshape(groups, rows.shape[-1], -1)
    z = product(rows, kernel, spec.precision).astype(x.dtype)
    z = z.reshape(x.shape[0], *counts, groups, *[c.phases for c in combs], taps.shape[-1] // groups)
    if groups > 1:
        z = jnp.moveaxis(z, rank + 1, -2)
    z = z.reshape(x.shape[0], *counts, *[c.phases for c in combs], taps.shape[-1])
    return interleave(z, combs)
