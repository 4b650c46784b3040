"""Bilinear upsampling from one sampling grid to another, alignment computed instead of cropped by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from deconvjax.algebra import LinearMap, atomic
from deconvjax.errors import ShapeError, complaint
from deconvjax.nn.machinery import check_floating
from deconvjax.ops.arguments import integer, integers, length
from deconvjax.ops.channel import conv_transpose
from deconvjax.ops.window import pad

KINDS = ("fixed", "depthwise", "dense")


@dataclass(frozen=True)
class Grid:
    """Sample n sits at input-image coordinate `scale*n + offset` (in pixels, pixel 0 at coordinate 0).

    >>> Grid(Fraction(2)).after(window=2, stride=2)   # a 2x2/2 pool on a grid of every second pixel
    Grid(scale=Fraction(4, 1), offset=Fraction(1, 1))
    """

    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    def after(self, window: int = 1, stride: int = 1, lo: int = 0, dilation: int = 1) -> Grid:
        """The grid that a convolution or pool makes of this one: `lo` samples padded in front."""
        centre = Fraction(dilation * (window - 1), 2) - lo
        return Grid(self.scale * stride, self.offset + self.scale * centre)


@dataclass(frozen=True)
class Placement:
    """How a source grid lies over a target grid: y[m] = sum_n x[n] w[m - factor*n - first], w = `taps`."""

    factor: int
    first: int
    taps: tuple[float, ...]

    @classmethod
    def between(cls, source: Grid, target: Grid) -> Placement:
        """Bilinear taps h(t) = max(0, 1 - |t|/f), sampled where the target's samples fall.

        The fractional shift between the grids goes into the taps, the whole part into the crop: no size rounds.

        >>> Placement.between(Grid(Fraction(2), Fraction(1, 2)), Grid()).taps   # FCN's 4/2 kernel
        (0.25, 0.75, 0.75, 0.25)
        """
        ratio = source.scale / target.scale
        if ratio.denominator != 1 or ratio < 1:
            raise ShapeError(complaint("AlignedUpsample", "the source grid must be a whole number of times coarser",
                                       got=f"spacing {source.scale} over {target.scale}", expected="an integer ratio",
                                       fix="choose feature maps whose strides divide each other"))
        f = int(ratio)
        shift = (source.offset - target.offset) / target.scale
        first, last = math.floor(shift - f) + 1, math.ceil(shift + f) - 1
        return cls(f, first, tuple(float(1 - abs(j - shift) / f) for j in range(first, last + 1)))

    def reach(self, size: int, target: int) -> tuple[int, int]:
        """How many samples before and behind the source the target reads."""
        last = self.first + len(self.taps) - 1
        return max(0, last // self.factor), max(0, (target - 1 - self.first) // self.factor - size + 1)


class AlignedUpsample(nnx.Module):
    """y[m] = sum_n w[m - f*n - first] x[n]: bilinear from one grid to another, fixed or learned.

    "fixed" has no parameter; "depthwise" learns one kernel a channel, "dense" a full
    one, both starting bilinear, so all three give the same numbers before training. `(*batch, h, w, channels)` in and
    out; the output size is asked for at each call, so one layer serves images of any size.

    Args:
        channels: channels in and out.
        source, target: the grids of input and output.
        kind: "fixed", "depthwise" or "dense".
        border: "edge" repeats the border samples as far as the target reads; "zero" is FCN's (logits fade to zero).
        dtype: what it computes in, as `flax.nnx.Conv`; None promotes x and kernel.
        param_dtype: dtype of the kernel.

    Source: Long, Shelhamer and Darrell, arXiv:1411.4038, section 3.3; Caffe's coordinate maps for the alignment.

    >>> import jax.numpy as jnp
    >>> layer = AlignedUpsample(3, Grid(Fraction(2), Fraction(1, 2)), Grid())
    >>> layer(jnp.ones((1, 5, 7, 3)), (10, 13)).shape
    (1, 10, 13, 3)
    """

    def __init__(self, channels: int, source: Grid, target: Grid, *, kind: str = "fixed", border: str = "edge",
                 dtype: Any = None, param_dtype: Any = jnp.float32):
        if kind not in KINDS:
            raise ValueError(complaint("AlignedUpsample", "unknown kind", got=repr(kind),
                                       expected=", ".join(map(repr, KINDS)), fix='kind="fixed"'))
        if border not in ("edge", "zero"):
            raise ValueError(complaint("AlignedUpsample", "unknown border", got=repr(border),
                                       expected='"edge" or "zero"', fix='border="edge"'))
        self.placement = Placement.between(source, target)
        self.channels = integer(channels, "AlignedUpsample", "channels", 1)
        self.kind, self.border, self.dtype = kind, border, dtype
        check_floating(param_dtype, "AlignedUpsample")
        if kind == "depthwise":
            self.kernel = nnx.Param(jnp.asarray(self._window(), param_dtype))
        elif kind == "dense":
            self.kernel = nnx.Param(jnp.asarray(self._window() * np.eye(channels), param_dtype))

    def __call__(self, x: jax.Array, size: tuple[int, int]) -> jax.Array:
        """x on the target grid, `size` samples of it."""
        x = jnp.asarray(x, self.dtype)
        if x.ndim < 3:
            raise ShapeError(complaint("AlignedUpsample", "the input has too few axes", got=f"shape {x.shape}",
                                       expected="(*batch, h, w, channels)", fix="add the axes of length 1 it lacks"))
        return self.as_map((x.shape[-3], x.shape[-2]), size)(x)

    def as_map(self, source_size: tuple[int, int], size: tuple[int, int]) -> LinearMap:
        """The layer between two sizes as a LinearMap on `(..., h, w, channels)`, x in the layer's `dtype` already."""
        place, size = self.placement, image_size(size, "AlignedUpsample")
        reach = [(0, 0) if self.border == "zero" else place.reach(n, m)
                 for n, m in zip(source_size, size, strict=True)]
        long = [n + sum(r) for n, r in zip(source_size, reach, strict=True)]
        starts = [place.first - place.factor * lo for lo, _ in reach]
        k, f = len(place.taps), place.factor
        pads = tuple((-a, (n - 1) * f + k + a - m) for n, m, a in zip(long, size, starts, strict=True))
        kernel = self._window() if self.kind == "fixed" else jnp.asarray(self.kernel[...], self.dtype)
        upsampled = conv_transpose(kernel, strides=f, padding=pads, groups=1 if self.kind == "dense" else self.channels)
        if self.kind == "fixed":  # fenced: the plan would run it as two one-axis filters, whose transposes are slower
            upsampled = atomic(upsampled)
        if any(lo or hi for lo, hi in reach):
            upsampled = upsampled @ pad(tuple(reach), "edge", axes=(-3, -2))
        return upsampled

    def _window(self) -> np.ndarray:
        """The bilinear taps of every channel, (k, k, 1, channels)."""
        return np.tile(np.outer(self.placement.taps, self.placement.taps)[..., None, None], self.channels)


def image_size(size: tuple[int, int], operator: str) -> tuple[int, int]:
    """(H, W), both asked for: images are seldom square."""
    if length(size) != 2:
        raise ShapeError(complaint(operator, "size is that of the image", got=size, expected="(H, W)",
                                   fix="size=image.shape[-3:-1]"))
    height, width = integers(size, 2, operator, "size", 1)
    return height, width
