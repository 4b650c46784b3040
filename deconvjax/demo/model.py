"""The learned upsampler: a Flax module around one transposed convolution."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import deconvjax as dj
from deconvjax import filters
from deconvjax.demo.camera import FACTOR


class Upsampler(nnx.Module):
    """y = conv_transpose(taps, strides=4) @ pad(edge): four times the size, linear, its taps to be learned.

    `reach` counts the low-resolution samples on each side that an output reads; the window has 4 (2 reach + 1) taps a
    side. It starts as bilinear interpolation, FCN's initialisation: the bilinear kernel in the middle, zeros around.

    >>> Upsampler()(jnp.ones((5, 7, 1))).shape
    (20, 28, 1)
    """

    def __init__(self, reach: int = 2) -> None:
        start = filters.bilinear(FACTOR, ndim=2)
        margin = (FACTOR * (2 * reach + 1) - start.shape[0]) // 2
        self.taps = nnx.Param(jnp.asarray(np.pad(start, margin), jnp.float32)[..., None, None])
        self.reach = reach

    def interior(self) -> dj.LinearMap:
        """(n, m, 1) -> (4 (n - 2 reach), 4 (m - 2 reach), 1): the outputs that see no border."""
        return dj.conv_transpose(self.taps[...], strides=FACTOR, padding=2 * FACTOR * self.reach)

    def map(self) -> dj.LinearMap:
        """(n, m, 1) -> (4 n, 4 m, 1): the whole layer as a linear map, border samples repeated outwards."""
        frame = ((self.reach, self.reach),) * 2
        return self.interior() @ dj.pad(frame, "edge").along((-3, -2))

    def __call__(self, y: jax.Array) -> jax.Array:
        """Upsample grey images (..., height, width, 1)."""
        return self.map()(y)

    def restore(self, y: jax.Array) -> jax.Array:
        """Upsample an image (height, width, channels), each colour by the same taps."""
        return jnp.moveaxis(self(jnp.moveaxis(jnp.asarray(y), -1, 0)[..., None])[..., 0], 0, -1)
