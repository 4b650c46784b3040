"""StyleGAN's `upfirdn2d` and its wrappers on (N, C, H, W), written from the published definition.

    y = downsample(filter(pad(stuff(x))))

stuff puts up-1 zeros after every sample, the last included; negative padding crops; the filter is a true convolution
unless `flip_filter`, scaled by `gain`; downsampling keeps every `down`-th sample. Unlike the original, the maps are
differentiable with respect to the filter.

Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020, appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import matmul
from typing import Any

import jax.numpy as jnp
import numpy as np

from deconvjax.algebra import LinearMap
from deconvjax.axis import Rate
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves import Stage
from deconvjax.ops.arguments import integers, length, numbers

Ints = int | Sequence[int]


def setup_filter(f: Any, normalize: bool = True, flip_filter: bool = False, gain: float = 1,
                 separable: bool | None = None) -> Any:
    """f <- f / sum(f) * gain^(ndim/2), as a matrix unless it has 8 taps or more: `upfirdn2d.setup_filter`.

    Args:
        f: taps, 1-D (separable) or 2-D; None is the single tap 1.
        normalize: divide by the sum.
        flip_filter: reverse.
        gain: of the whole two-dimensional filter.
        separable: keep a 1-D filter 1-D; None does so from 8 taps on.

    >>> print(setup_filter([1, 3, 3, 1])[1])
    [0.046875 0.140625 0.140625 0.046875]
    """
    taps, weak = numbers([1] if f is None else f, "stylegan.setup_filter", "f")
    if taps.ndim not in (0, 1, 2):
        raise ShapeError(complaint("stylegan.setup_filter", "a filter has one or two axes", got=f"{taps.ndim}",
                                   expected="1-D or 2-D taps", fix="give the taps of one axis, or of both"))
    taps = taps.reshape(1) if taps.ndim == 0 else taps
    if weak:
        taps = taps.astype(np.float64)
    one = taps.ndim == 1
    if one and not (taps.size >= 8 if separable is None else separable):
        taps, one = taps[:, None] * taps[None, :], False
    if normalize:
        taps = taps / taps.sum()
    if flip_filter:
        taps = taps[(slice(None, None, -1),) * taps.ndim]
    return taps * gain ** (taps.ndim / 2)


def upfirdn2d(f: Any, up: Ints = 1, down: Ints = 1, padding: Ints = 0, flip_filter: bool = False,
              gain: float = 1) -> LinearMap:
    """y[n] = gain * sum_j f[j] z[n*down + (k-1-j) - lo],  z = x with up-1 zeros after every sample: `upfirdn2d`.

    Args:
        f: taps (fh, fw), (taps,) for a separable filter, or None.
        up: int or (x, y): columns first, as in the original.
        down: as up.
        padding: int, (x, y), or (x before, x after, y before, y after), of the stuffed image; negative crops.
        flip_filter: False is a true convolution, True slides the taps as they are.
        gain: of the whole filter.

    Shapes: (..., H, W), any axes in front, to (H*up + pads - fh)//down + 1 rows, columns alike.

    >>> import numpy as np
    >>> upfirdn2d([1, 3, 3, 1], up=2, padding=(2, 1, 2, 1)).on((1, 3, 8, 8)).codomain.shape
    (1, 3, 16, 16)
    """
    name = "stylegan.upfirdn2d"
    (up_x, up_y), (down_x, down_y) = (_pair(value, name, word) for value, word in ((up, "up"), (down, "down")))
    x0, x1, y0, y1 = _padding(padding, name)
    taps, weak = numbers([[1]] if f is None else f, name, "f")
    if taps.ndim not in (1, 2):
        raise ShapeError(complaint(name, "a filter has one or two axes", got=f"{taps.ndim}", expected="1-D or 2-D taps",
                                   fix="use setup_filter"))
    if gain != 1:
        taps = taps * np.float64(gain) ** (taps.ndim / 2) if weak else taps * gain ** (taps.ndim / 2)
    rows = Rate(up_y, down_y, lo=y0, hi=y1 + up_y - 1)
    columns = Rate(up_x, down_x, lo=x0, hi=x1 + up_x - 1)
    flip = not flip_filter
    if taps.ndim == 2:
        return Stage(taps, (rows, columns), (-2, -1), flip=flip, weak=weak)
    return reduce(matmul, [Stage(taps, (rate,), (axis,), flip=flip, weak=weak)
                           for rate, axis in ((columns, -1), (rows, -2))])


def filter2d(f: Any, padding: Ints = 0, flip_filter: bool = False, gain: float = 1) -> LinearMap:
    """y = f * x, of the same size for padding 0: `upfirdn2d.filter2d`.

    >>> import numpy as np
    >>> filter2d([1, 2, 1]).on((3, 8, 8)).codomain.shape
    (3, 8, 8)
    """
    width, height = _size(f, "stylegan.filter2d")
    x0, x1, y0, y1 = _padding(padding, "stylegan.filter2d")
    pads = (x0 + width // 2, x1 + (width - 1) // 2, y0 + height // 2, y1 + (height - 1) // 2)
    return upfirdn2d(f, padding=pads, flip_filter=flip_filter, gain=gain)


def upsample2d(f: Any, up: Ints = 2, padding: Ints = 0, flip_filter: bool = False, gain: float = 1) -> LinearMap:
    """y = up_x up_y f * stuffed x: `upfirdn2d.upsample2d`. Size times `up` for padding 0.

    With the taps [1, 3, 3, 1] this is FCN's bilinear kernel 4/2.

    >>> print(upsample2d(setup_filter([1, 3, 3, 1])).on((1, 2)).matrix()[:4])
    [[0.5625 0.    ]
     [0.5625 0.1875]
     [0.1875 0.5625]
     [0.     0.5625]]
    """
    name = "stylegan.upsample2d"
    (up_x, up_y), (width, height) = _pair(up, name, "up"), _size(f, name)
    x0, x1, y0, y1 = _padding(padding, name)
    pads = (x0 + (width + up_x - 1) // 2, x1 + (width - up_x) // 2,
            y0 + (height + up_y - 1) // 2, y1 + (height - up_y) // 2)
    return upfirdn2d(f, up=(up_x, up_y), padding=pads, flip_filter=flip_filter, gain=gain * up_x * up_y)


def downsample2d(f: Any, down: Ints = 2, padding: Ints = 0, flip_filter: bool = False, gain: float = 1) -> LinearMap:
    """y = every down-th sample of f * x: `upfirdn2d.downsample2d`. Size divided by `down` for padding 0.

    >>> downsample2d([1, 3, 3, 1]).on((3, 8, 8)).codomain.shape
    (3, 4, 4)
    """
    name = "stylegan.downsample2d"
    (down_x, down_y), (width, height) = _pair(down, name, "down"), _size(f, name)
    x0, x1, y0, y1 = _padding(padding, name)
    pads = (x0 + (width - down_x + 1) // 2, x1 + (width - down_x) // 2,
            y0 + (height - down_y + 1) // 2, y1 + (height - down_y) // 2)
    return upfirdn2d(f, down=(down_x, down_y), padding=pads, flip_filter=flip_filter, gain=gain)


def _size(f: Any, name: str) -> tuple[int, int]:
    """(width, height) of a filter."""
    shape = (1, 1) if f is None else tuple(jnp.shape(f) if hasattr(f, "shape") else np.shape(f))
    if len(shape) not in (1, 2):
        raise ShapeError(complaint(name, "a filter has one or two axes", got=f"shape {shape}",
                                   expected="1-D or 2-D taps", fix="use setup_filter"))
    return shape[-1], shape[0]


def _pair(value: Ints, name: str, argument: str) -> tuple[int, int]:
    x, y = integers(value, 2, name, argument, 1)
    return x, y


def _padding(padding: Ints, name: str) -> tuple[int, int, int, int]:
    """(x before, x after, y before, y after)."""
    if length(padding) == 2:
        x, y = integers(padding, 2, name, "padding")
        return x, x, y, y
    x0, x1, y0, y1 = integers(padding, 4, name, "padding")
    return x0, x1, y0, y1
