"""DySample: upsampling by reading between the samples, where to read learned from the content."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from deconvjax.errors import ShapeError, complaint
from deconvjax.nn.carafe import scales
from deconvjax.nn.conv import Conv
from deconvjax.nn.machinery import Ints
from deconvjax.ops.arguments import integer, one_of
from deconvjax.ops.shuffle import pixel_shuffle


class DySample(nnx.Module):
    """y[p, c] = x at (p + 1/2)/s - 1/2 + o(x)[p, g(c)], between samples bilinearly: sampling at learned points.

    With offsets o = 0 that is bilinear interpolation with half-pixel centres; points outside are moved to the border.
    The offsets are `conv(x)/4`, or with `dynamic_scope` `conv(x) * sigmoid(scope(x))/2`. Linear in x given the offsets
    (`layer.sample(x, layer.offsets(x))`), not as a whole.

    Args:
        features: channels of x and y.
        scale: s, an int for the two axes of an image, or one int for each space axis.
        groups: groups of channels with offsets of their own.
        style: "lp" predicts offsets on the coarse grid, "pl" on the pixel-shuffled features (fewer parameters;
            prod(scale) must divide the features).
        dynamic_scope: scale the offsets by a learned factor in (0, 1/2) instead of 1/4 (the paper's "+").
        options: any further argument of `Conv` (`dtype`, `param_dtype`, `rngs`, ...).

    Shapes: `(*batch, *space, features)` to `(*batch, *space*scale, features)`. The parameters are `offset` and `scope`;
    their channels are `(coordinate, group, sub-pixel)`, x before y, as in the reference, whose weights load.

    Raises:
        TypeError, ValueError, ShapeError: sizes that are not positive ints, an unknown style, groups or a scale that do
        not divide the features; when called, channels that are not `features`.

    Source: Liu et al., Learning to upsample by learning to sample, ICCV 2023.

    >>> from flax import nnx
    >>> import jax.numpy as jnp
    >>> DySample(8, 2, rngs=nnx.Rngs(0))(jnp.ones((1, 6, 6, 8))).shape
    (1, 12, 12, 8)
    """

    def __init__(
        self, features: int, scale: Ints = 2, *, groups: int = 4, style: str = "lp", dynamic_scope: bool = False,
        **options: Any,
    ):
        self.scale = scales(scale, "DySample")
        self.features = integer(features, "DySample", "features", 1)
        self.groups = integer(groups, "DySample", "groups", 1)
        self.style = one_of(style, ("lp", "pl"), "DySample", "style")
        n, cells = len(self.scale), math.prod(self.scale)
        for what, divisor in (("groups", groups), *((("prod(scale)", cells),) if style == "pl" else ())):
            if features % divisor:
                raise ShapeError(complaint("DySample", f"{what} must divide the features", got=f"{divisor}, {features}",
                                           expected=f"a divisor of {features}", fix="change features, groups or style"))
        reads, writes = (features // cells, n * groups) if style == "pl" else (features, n * groups * cells)
        self.offset = Conv(reads, writes, (1,) * n, kernel_init=nnx.initializers.normal(1e-3), **options)
        self.scope: Conv | None = nnx.data(None)
        if dynamic_scope:
            options = {**options, "use_bias": False, "kernel_init": nnx.initializers.zeros_init()}
            self.scope = Conv(reads, writes, (1,) * n, **options)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """x read at its own predicted points."""
        x = jnp.asarray(inputs)
        n = len(self.scale)
        if x.ndim < n + 1 or x.shape[-1] != self.features:
            raise ShapeError(complaint("DySample", "the input does not fit", got=f"shape {x.shape}",
                                       expected=f"(*batch, {n} space axes, {self.features})",
                                       fix="move channels last, or build the layer for these channels"))
        return self.sample(x, self.offsets(x))

    def offsets(self, x: jax.Array) -> jax.Array:
        """o at the fine grid, `(*batch, *space*scale, axes, groups)`, in samples of x, space axes in x's order."""
        fine = pixel_shuffle(self.scale)
        z = fine(x) if self.style == "pl" else x
        o = self.offset(z)
        o = o * (0.5 * jax.nn.sigmoid(self.scope(z))) if self.scope is not None else 0.25 * o
        if self.style == "lp":
            o = fine(o)
        o = o.reshape(*o.shape[:-1], len(self.scale), self.groups)
        return o[..., ::-1, :]  # the reference counts x before y

    def sample(self, x: jax.Array, offsets: jax.Array) -> jax.Array:
        """x at the regular fine grid moved by `offsets`: linear in x."""
        n, channels = len(self.scale), x.shape[-1]
        x = x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(offsets.dtype)
        lead, space = x.shape[: x.ndim - n - 1], x.shape[x.ndim - n - 1: -1]
        low, share = [], []
        for axis, (size, s) in enumerate(zip(space, self.scale, strict=True)):
            regular = (np.arange(size * s) + 0.5) / s - 0.5
            column = regular.reshape(*(1,) * (len(lead) + axis), -1, *(1,) * (n - axis))  # the last is of the groups
            moved = column + offsets[..., axis, :].astype(jnp.promote_types(offsets.dtype, jnp.float32))
            at = jnp.clip(moved, 0, size - 1)
            floor = jnp.floor(jax.lax.stop_gradient(at))
            low.append(floor.astype(jnp.int32))
            share.append((at - floor).astype(x.dtype))
        planes = math.prod(lead)
        flat = x.reshape(planes, math.prod(space), self.groups, channels // self.groups)
        total: Any = 0
        for corner in itertools.product((0, 1), repeat=n):
            index, weight = 0, 1
            for step, i, t, size in zip(corner, low, share, space, strict=True):
                index = index * size + jnp.minimum(i + step, size - 1)
                weight = weight * (t if step else 1 - t)
            index, weight = (a.reshape(planes, -1, self.groups, 1) for a in (index, weight))  # type: ignore[union-attr]
            total = total + weight * jnp.take_along_axis(flat, index, 1)
        return total.reshape(*lead, *(size * s for size, s in zip(space, self.scale, strict=True)), channels)


