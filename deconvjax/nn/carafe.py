"""Carafe: upsampling whose taps are predicted from the content, anew at every position."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from deconvjax.algebra import LinearMap
from deconvjax.errors import ShapeError, complaint
from deconvjax.nn.conv import Conv
from deconvjax.nn.machinery import Ints, by_entry
from deconvjax.ops.arguments import integer, integers, length
from deconvjax.ops.reassemble import reassemble
from deconvjax.ops.shuffle import pixel_shuffle


class Carafe(nnx.Module):
    """y[p, c] = sum_d softmax_d(E(x))[p, d, g(c)] x[floor(p/s) + d, c]: content-aware reassembly of features.

    E compresses the channels (1x1), encodes them to one logit for each tap, group and sub-pixel, and shuffles those to
    the fine grid; the softmax makes each output a convex combination of its neighbourhood. Linear in x given the taps
    (`layer.reassembly(x)` is that map), not as a whole.

    Args:
        features: channels of x and y.
        scale: s, an int for the two axes of an image, or one int for each space axis.
        kernel_size: taps d along each axis, odd (the paper's k_up).
        encoder_size, encoder_dilation: window of the encoder, odd (k_encoder).
        compressed: channels that the encoder reads (C_m).
        groups: groups of channels with taps of their own.
        options: any further argument of `Conv` for both convolutions (`dtype`, `param_dtype`, `rngs`, ...).

    Shapes: `(*batch, *space, features)` to `(*batch, *space*scale, features)`; zero outside. The parameters are
    `compressor` and `encoder`, each a `Conv` with kernel and bias; the encoder's channels are `(group, tap, sub-pixel)`
    as in the reference, whose weights load.

    Raises:
        TypeError, ValueError, ShapeError: sizes that are not positive ints, an even window, groups that do not divide,
        a guide of another size.

    Source: Wang et al., CARAFE: Content-aware reassembly of features, ICCV 2019.

    >>> from flax import nnx
    >>> import jax.numpy as jnp
    >>> Carafe(8, 2, compressed=4, rngs=nnx.Rngs(0))(jnp.ones((1, 6, 6, 8))).shape
    (1, 12, 12, 8)
    """

    def __init__(
        self, features: int, scale: Ints = 2, *, kernel_size: Ints = 5, encoder_size: Ints = 3,
        encoder_dilation: Ints = 1, compressed: int = 64, groups: int = 1, **options: Any,
    ):
        self.scale = scales(scale, "Carafe")
        n = len(self.scale)
        self.kernel_size = odd(kernel_size, n, "Carafe", "kernel_size")
        window = odd(encoder_size, n, "Carafe", "encoder_size")
        self.features = integer(features, "Carafe", "features", 1)
        self.groups = integer(groups, "Carafe", "groups", 1)
        if features % groups:
            raise ShapeError(complaint("Carafe", "groups must divide the features", got=f"{groups} and {features}",
                                       expected=f"a divisor of {features}", fix="use groups=1"))
        logits = groups * math.prod(self.kernel_size) * math.prod(self.scale)
        self.compressor = Conv(features, integer(compressed, "Carafe", "compressed", 1), (1,) * n,
                               kernel_init=nnx.initializers.glorot_uniform(), **options)
        self.encoder = Conv(compressed, logits, window, kernel_dilation=encoder_dilation,
                            kernel_init=nnx.initializers.normal(1e-3), **options)

    def __call__(self, inputs: jax.Array, guide: jax.Array | None = None) -> jax.Array:
        """y, the taps predicted from `guide` (x itself where None), which has x's batch, space and channels."""
        x = jnp.asarray(inputs)
        guide = x if guide is None else jnp.asarray(guide)
        if guide.shape[:-1] != x.shape[:-1]:
            raise ShapeError(complaint("Carafe", "inputs and guide lie on different grids",
                                       got=f"{x.shape} and {guide.shape}", expected="equal batch and space axes",
                                       fix="resize or broadcast one of them first"))
        return by_entry(lambda x, guide: self.reassembly(guide)(x), len(self.scale), x, guide)

    def reassembly(self, guide: jax.Array) -> LinearMap:
        """The map that carries features, given the taps predicted from `guide`: linear, with a transpose."""
        logits = pixel_shuffle(self.scale)(self.encoder(self.compressor(guide)))
        weights = convex(logits.reshape(*logits.shape[:-1], self.groups, *self.kernel_size), len(self.scale))
        return reassemble(jnp.moveaxis(weights, -len(self.scale) - 1, -1), self.scale, groups=self.groups)


def convex(logits: jax.Array, ndim: int) -> jax.Array:
    """softmax over the last `ndim` axes, in float32 at least."""
    wide = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    return jax.nn.softmax(wide, tuple(range(-ndim, 0))).astype(logits.dtype)


def scales(scale: Ints, operator: str) -> tuple[int, ...]:
    """One factor for each space axis; a single int means an image."""
    count = length(scale)
    if count == 0:
        raise ShapeError(complaint(operator, "scale is empty", got="()", expected="one int for each space axis",
                                   fix="use scale=2 for images"))
    return integers(scale, 2 if count is None else count, operator, "scale", 1)


def odd(value: Ints, count: int, operator: str, argument: str) -> tuple[int, ...]:
    """Odd ints, one for each axis: a window with a middle."""
    sizes = integers(value, count, operator, argument, 1)
    if any(n % 2 == 0 for n in sizes):
        raise ValueError(complaint(operator, f"{argument} must be odd", got=sizes, expected="windows with a middle",
                                   fix=f"{argument}={tuple(n + 1 - n % 2 for n in sizes)}"))
    return sizes
