"""`direct`: one `lax.conv_general_dilated`. Right for every spec; the yardstick of all other strategies.

F = conv(x, taps, strides=down, lhs_dilation=up, rhs_dilation=dilation)
W = conv(x with batch and channels exchanged, y, strides=dilation, lhs_dilation=up, rhs_dilation=down)
"""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from jax import Array, lax

from deconvjax.engine.layout import canonical, cropped, per_channel
from deconvjax.engine.spec import Spec


def convolution(x: Array, taps: Array, spec: Spec, groups: int, batch_groups: int = 1) -> Array:
    """F in one XLA convolution with canonical dimension numbers.

    Samples that a negative pad takes away are cropped before: XLA's convolution on a CPU (jaxlib 0.10.2) reads beyond x
    where one pad of an axis is negative, the other positive, and channels are few. Stuffed axes take another loop.
    """
    x, plain = cropped(x, [(a.lo, a.hi) if a.up == 1 else (0, 0) for a in spec.axes])
    return lax.conv_general_dilated(
        x,
        taps,
        window_strides=[a.down for a in spec.axes],
        padding=[left if a.up == 1 else (a.lo, a.hi) for a, left in zip(spec.axes, plain, strict=True)],
        lhs_dilation=[a.up for a in spec.axes],
        rhs_dilation=[a.dilation for a in spec.axes],
        dimension_numbers=canonical(len(spec.axes)),
        feature_group_count=groups,
        batch_group_count=batch_groups,
        precision=spec.precision,
    )


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""
    if spec.groups is None:
        return convolution(x, per_channel(taps, spec, x.shape[-1]), spec, x.shape[-1])
    return convolution(x, taps, spec, spec.groups)


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W: a stage whose window is y."""
    groups = x.shape[-1] if spec.groups is None else spec.groups
    rank = len(spec.axes)
    lhs = jnp.transpose(x, (rank + 1, *range(1, rank + 1), 0))
    rhs = jnp.moveaxis(y, 0, rank)
    taps = convolution(lhs, rhs, swapped(spec), 1, batch_groups=groups)  # as cuDNN's gradient in grouped taps reads it
    taps = jnp.moveaxis(taps, 0, rank)
    return taps.sum((rank, rank + 1)).astype(taps.dtype) if spec.groups is None else taps


def swapped(spec: Spec) -> Spec:
    """The stage that slides y over x and gives one number per tap: down and dilation change places."""
    axes = []
    for a in spec.axes:
        span = (a.out - 1) * a.down + 1
        hi = (a.window - 1) * a.dilation + span - a.dense - a.lo
        axes.append(replace(a, window=a.out, dilation=a.down, down=a.dilation, hi=hi))
    return replace(spec, axes=tuple(axes))
