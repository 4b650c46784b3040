"""`dense`: few groups as one convolution whose taps are zero between groups.

    F = direct(x, block_diagonal(k_1, ..., k_g))        W = the diagonal blocks of direct's W

g times the multiply-adds, at more than g times the rate: XLA's grouped convolutions on a CPU run at a tenth of the
speed of dense ones. An infinity or NaN in one group reaches the others (as 0 * inf).
"""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from deconvjax.engine import direct
from deconvjax.engine.spec import Spec


def fits(spec: Spec) -> bool:
    """Grouped stages."""
    return (spec.groups or 1) > 1


fits_gradient = fits


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""
    groups = spec.groups or 1
    *window, inner, outer = taps.shape
    split = taps.reshape(*window, inner, groups, outer // groups)
    zero = jnp.zeros_like(split[..., 0, :])
    rows = [jnp.stack([split[..., g, :] if g == h else zero for h in range(groups)], -2) for g in range(groups)]
    whole = jnp.concatenate(rows, len(window)).reshape(*window, groups * inner, outer)
    return direct.stage(x, whole, replace(spec, groups=1))


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    groups = spec.groups or 1
    k = direct.taps_gradient(x, y, replace(spec, groups=1))
    *window, cin, cout = k.shape
    k = k.reshape(*window, groups, cin // groups, groups, cout // groups)
    blocks = jnp.stack([k[..., g, :, g, :] for g in range(groups)], -2)
    return blocks.reshape(*window, cin // groups, cout)
