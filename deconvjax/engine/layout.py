"""Rearrangements of taps and canonical dimension numbers, shared by every strategy."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from deconvjax.engine.spec import Spec


def canonical(rank: int) -> lax.ConvDimensionNumbers:
    """`b01f_01io->b01f`: the only numbering every backend keeps fast inside loop bodies."""
    data = (0, rank + 1, *range(1, rank + 1))
    return lax.ConvDimensionNumbers(data, (rank + 1, rank, *range(rank)), data)


def transposed_taps(taps: Array, spec: Spec) -> Array:
    """Taps of the stage `spec.T`: every axis reversed, channels swapped inside each group."""
    rank = len(spec.axes)
    taps = lax.rev(taps, tuple(range(rank)))
    if spec.groups is None:
        return taps
    return swap_channels(taps, rank, spec.groups)


def swap_channels(taps: Array, rank: int, groups: int) -> Array:
    """(*window, in/g, g*out/g) -> (*window, out/g, g*in/g); its own inverse."""
    *window, inner, outer = taps.shape
    taps = taps.reshape(*window, inner, groups, outer // groups)
    taps = jnp.swapaxes(taps, rank, rank + 2)
    return taps.reshape(*window, outer // groups, groups * inner)


def per_channel(taps: Array, spec: Spec, count: int) -> Array:
    """Scalar taps repeated as depthwise taps (*window, 1, count)."""
    return jnp.broadcast_to(taps[..., None, None], (*spec.window, 1, count))
