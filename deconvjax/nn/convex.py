"""ConvexUpsample: each fine sample a learned convex combination of its coarse neighbours."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from deconvjax.algebra import LinearMap
from deconvjax.errors import ShapeError, complaint
from deconvjax.nn.carafe import convex, odd, scales
from deconvjax.nn.conv import Conv
from deconvjax.nn.machinery import Ints, by_entry
from deconvjax.ops.arguments import integer
from deconvjax.ops.reassemble import reassemble
from deconvjax.ops.shuffle import pixel_shuffle


class ConvexUpsample(nnx.Module):
    """y[p] = gain * sum_d softmax_d(m(guide))[p, d] x[floor(p/s) + d],  d in a 3x3 window: RAFT's upsampling.

    m is a 3x3 convolution, a ReLU and a 1x1 convolution, scaled by 1/4 to balance gradients. Every channel of x has the
    same taps. Linear in x given the guide: `layer.reassembly(guide)` is the map.

    Args:
        guide_features: channels of the guide (RAFT: 128, the hidden state).
        scale: s, an int for the two axes of an image, or one int for each space axis.
        hidden: channels between the two convolutions.
        kernel_size: taps d along each axis, odd.
        gain: factor on the result; a flow measured in pixels grows with the grid, so RAFT has gain = scale = 8.
        options: any further argument of `Conv` for both convolutions (`dtype`, `param_dtype`, `rngs`, ...).

    Shapes: x `(*batch, *space, channels)`, guide `(*batch, *space, guide_features)`, y `(*batch, *space*scale,
    channels)`; zero outside. The parameters are `head` and `mask`; the mask's channels are `(tap, sub-pixel)` as in the
    reference, whose weights load.

    Raises:
        TypeError, ValueError, ShapeError: sizes that are not positive ints, an even window, a guide of another size.

    Source: Teed and Deng, RAFT: Recurrent all-pairs field transforms for optical flow, ECCV 2020.

    >>> from flax import nnx
    >>> import jax.numpy as jnp
    >>> layer = ConvexUpsample(16, 8, hidden=8, gain=8.0, rngs=nnx.Rngs(0))
    >>> layer(jnp.ones((1, 4, 5, 2)), jnp.ones((1, 4, 5, 16))).shape
    (1, 32, 40, 2)
    """

    def __init__(
        self, guide_features: int, scale: Ints = 8, *, hidden: int = 256, kernel_size: Ints = 3, gain: float = 1.0,
        **options: Any,
    ):
        self.scale = scales(scale, "ConvexUpsample")
        n = len(self.scale)
        self.kernel_size = odd(kernel_size, n, "ConvexUpsample", "kernel_size")
        self.gain = gain
        integer(guide_features, "ConvexUpsample", "guide_features", 1)
        self.head = Conv(guide_features, integer(hidden, "ConvexUpsample", "hidden", 1), (3,) * n, **options)
        self.mask = Conv(hidden, math.prod(self.kernel_size) * math.prod(self.scale), (1,) * n, **options)

    def __call__(self, inputs: jax.Array, guide: jax.Array) -> jax.Array:
        """y, the taps predicted from `guide`."""
        if jnp.shape(inputs)[:-1] != jnp.shape(guide)[:-1]:
            raise ShapeError(complaint("ConvexUpsample", "inputs and guide lie on different grids",
                                       got=f"{jnp.shape(inputs)} and {jnp.shape(guide)}",
                                       expected="equal batch and space axes", fix="resize one of them first"))
        inputs, guide = jnp.asarray(inputs), jnp.asarray(guide)
        y = by_entry(lambda x, guide: self.reassembly(guide)(x), len(self.scale), inputs, guide)
        return y if self.gain == 1 else y * self.gain

    def reassembly(self, guide: jax.Array) -> LinearMap:
        """The map that carries x, without the gain, given the taps predicted from `guide`."""
        logits = pixel_shuffle(self.scale)(0.25 * self.mask(jax.nn.relu(self.head(guide))))
        return reassemble(convex(logits.reshape(*logits.shape[:-1], *self.kernel_size), len(self.scale)), self.scale)
