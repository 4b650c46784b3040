"""PixelShuffle: the sub-pixel convolution, begun without a checkerboard."""

from __future__ import annotations

import math
from typing import Any

import jax
from flax import nnx

from deconvjax.algebra import LinearMap
from deconvjax.errors import complaint
from deconvjax.nn.conv import Conv
from deconvjax.nn.init import icnr
from deconvjax.nn.machinery import Ints, window
from deconvjax.ops.arguments import integer, integers, one_of
from deconvjax.ops.shuffle import pixel_shuffle
from deconvjax.space import Space


class PixelShuffle(nnx.Module):
    """y[..., r*i + u, s*j + v, c] = conv(x)[..., i, j, (c*r + u)*s + v],  scale = (r, s): the sub-pixel convolution.

    A convolution to `out_features * prod(scale)` channels at the coarse resolution, and their rearrangement. The same
    family of maps as a transposed convolution of window `kernel_size*scale` and stride `scale`. With the default ICNR
    initialisation it starts as the convolution followed by nearest-neighbour upsampling, checkerboard-free.

    Args:
        in_features, out_features: channels of x and y.
        kernel_size: window of the convolution; an int means one space axis, as in Flax.
        scale: int, or one for each space axis.
        order: "CRD" (torch) or "DCR" (TensorFlow): which weights load.
        kernel_init: None for `icnr(lecun_normal, scale, order=order)`.
        options: any further argument of `Conv` (`padding`, `use_bias`, `rngs`, ...). The parameters are `conv.kernel`,
            `(*kernel_size, in_features, out_features*prod(scale))`, and `conv.bias`.

    Shapes: `(*batch, *space, in_features)` to `(*batch, *space*scale, out_features)` (SAME, stride 1).

    Raises:
        As `Conv`; ValueError for an unknown order.

    Source: Shi et al., CVPR 2016; Aitken et al., Checkerboard artifact free sub-pixel convolution, 2017.

    >>> from flax import nnx
    >>> import jax.numpy as jnp
    >>> PixelShuffle(8, 3, (3, 3), 2, rngs=nnx.Rngs(0))(jnp.ones((1, 16, 16, 8))).shape
    (1, 32, 32, 3)
    """

    def __init__(
        self, in_features: int, out_features: int, kernel_size: Ints, scale: Ints, *, order: str = "CRD",
        kernel_init: Any = None, **options: Any,
    ):
        size = window(kernel_size, "PixelShuffle")
        integer(out_features, "PixelShuffle", "out_features", 1)
        self.scale = integers(scale, len(size), "PixelShuffle", "scale", 1)
        self.order = one_of(order, ("CRD", "DCR"), "PixelShuffle", "order")
        groups = options.get("feature_group_count", 1)
        if order == "DCR" and groups != 1:
            raise ValueError(complaint("PixelShuffle", "DCR spreads each output channel over all groups",
                                       got=f"feature_group_count={groups}", expected="1", fix="use order='CRD'"))
        start = icnr(None, self.scale, order=order) if kernel_init is None else kernel_init
        self.conv = Conv(in_features, out_features * math.prod(self.scale), size, kernel_init=start, **options)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Convolve, then rearrange."""
        return pixel_shuffle(self.scale, order=self.order)(self.conv(inputs))

    def linear_part(self, space: Space) -> LinearMap:
        """A on `space`, with the layer's present kernel."""
        return pixel_shuffle(self.scale, order=self.order) @ self.conv.linear_part(space)
