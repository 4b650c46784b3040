"""`columns`: gather each window into a row, one matrix product for all taps and combs.

    F = interleave([x[m*step + w*grid] for w] @ comb_taps(k))

Best where windows are short after the polyphase split and the backend has no fast convolution: three dimensions,
float64, integers, few channels.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from deconvjax.engine.comb import comb
from deconvjax.engine.layout import comb_taps, frame, interleave, window_slices
from deconvjax.engine.products import grouped, product
from deconvjax.engine.spec import Spec


def fits(spec: Spec) -> bool:
    """Channelled stages."""
    return spec.groups is not None


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""
    groups = spec.groups or 1
    rank = len(spec.axes)
    combs = [comb(a) for a in spec.axes]
    framed = frame(x, combs)
    counts, steps = [c.count for c in combs], [c.step for c in combs]
    parts = [
        grouped(window_slices(framed, [w * c.grid for w, c in zip(at, combs, strict=True)], counts, steps), groups)
        for at in np.ndindex(*[c.width for c in combs])
    ]
    rows = jnp.stack(parts, -2) if len(parts) > 1 else parts[0]
    rows = rows.reshape(x.shape[0] * int(np.prod(counts, dtype=int)), groups, -1)
    kernel = grouped(comb_taps(taps, combs), groups)  # (width, phases)*, in/g, g, out/g
    order = (2 * rank + 1, *range(0, 2 * rank, 2), 2 * rank, *range(1, 2 * rank, 2), 2 * rank + 2)
    kernel = jnp.transpose(kernel, order).reshape(groups, rows.shape[-1], -1)
    z = product(rows, kernel, spec.precision)
    z = z.reshape(x.shape[0], *counts, groups, *[c.phases for c in combs], taps.shape[-1] // groups)
    if groups > 1:
        z = jnp.moveaxis(z, rank + 1, -2)
    z = z.reshape(x.shape[0], *counts, *[c.phases for c in combs], taps.shape[-1])
    return interleave(z, combs)
