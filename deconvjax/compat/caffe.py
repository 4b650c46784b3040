"""Caffe's Convolution, Deconvolution, BilinearFiller and Crop, on (N, C, *space).

The algebra of coordinates that computes FCN's crop offsets is in `deconvjax.compat.coordinates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.axis import Rate
from deconvjax.compat import resolve
from deconvjax.compat.core.layer import Rule, channels_first, layer
from deconvjax.compat.core.weights import CONV, CONV_TRANSPOSE
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves import Stage
from deconvjax.ops.arguments import integer, integers, length, numbers
from deconvjax.space import Space

Ints = int | Sequence[int]


def convolution(weight: Any, stride: Ints = 1, pad: Ints = 0, dilation: Ints = 1, group: int = 1) -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] x[c, n*stride + j*dilation - pad]: Caffe's Convolution layer, bias_term false.

    >>> import numpy as np
    >>> convolution(np.ones((8, 3, 3, 3)), pad=100).on((1, 3, 16, 16)).codomain.shape
    (1, 8, 214, 214)
    """
    name = "caffe.convolution"
    rules = _rules(weight, name, stride, pad, dilation, resolve.torch_conv, "padding")
    return layer(name, weight, CONV["caffe"], rules, channels_first(len(rules)),
                 groups=integer(group, name, "group", 1))


def deconvolution(weight: Any, stride: Ints = 1, pad: Ints = 0, dilation: Ints = 1, group: int = 1) -> LinearMap:
    """y[o, stride*i + dilation*j - pad] += w[c, o, j] x[c, i]: Caffe's Deconvolution layer, bias_term false.

    Args:
        weight: (I, O/group, *k), `blobs[0]`.
        stride: int or one for each axis, as pad and dilation.
        pad: samples cropped off both sides.
        dilation: spacing of the taps.
        group: groups of channels.

    Shapes: (N, I, *space) to (N, O, *(stride*(i-1) + K - 2*pad)). Source: BVLC/caffe.

    >>> up = deconvolution(bilinear_filler((21, 1, 64, 64)), stride=32, group=21)
    >>> up.on((1, 21, 16, 12)).codomain.shape
    (1, 21, 544, 416)
    """
    name = "caffe.deconvolution"
    rules = _rules(weight, name, stride, pad, dilation, resolve.caffe_deconvolution, "pad")
    return layer(name, weight, CONV_TRANSPOSE["caffe"], rules, channels_first(len(rules)),
                 groups=integer(group, name, "group", 1))


def bilinear_filler(shape: Sequence[int]) -> np.ndarray:
    """w[..., y, x] = (1 - |y/f - c|)(1 - |x/f - c|),  f = ceil(k/2), c = (k-1)/(2f): Caffe's BilinearFiller.

    What `weight_filler { type: "bilinear" }` writes; four axes, the last two equal. For upsampling by F: kernel
    2F - F%2, stride F, pad ceil((F-1)/2), group = channels.

    >>> print(bilinear_filler((1, 1, 4, 4))[0, 0])
    [[0.0625 0.1875 0.1875 0.0625]
     [0.1875 0.5625 0.5625 0.1875]
     [0.1875 0.5625 0.5625 0.1875]
     [0.0625 0.1875 0.1875 0.0625]]
    """
    sizes = integers(shape, 4, "caffe.bilinear_filler", "shape", 1)
    if sizes[2] != sizes[3]:
        raise ShapeError(complaint("caffe.bilinear_filler", "filter must be square", got=sizes,
                                   expected="(O, I, k, k)", fix="use one kernel size for both axes"))
    k = sizes[2]
    f = -(-k // 2)
    taps = 1 - np.abs(np.arange(k) / f - (k - 1) / (2 * f))
    return np.broadcast_to(np.outer(taps, taps), sizes).copy()


def crop(reference: Any, axis: int = 2, offset: Ints = 0) -> LinearMap:
    """y[n] = x[n + offset], as long as `reference`: Caffe's Crop layer, bottom[1] being `reference`.

    Args:
        reference: the shape to crop to (a tuple, or anything with a shape); axes before `axis` are left alone.
        axis: the first axis to crop, counted from the start of `reference`, or negative.
        offset: one for all cropped axes, or one for each.

    Raises:
        ShapeError, when bound: offset + size beyond the input.

    >>> crop((1, 21, 500, 375), offset=19).on((1, 21, 544, 416)).codomain.shape
    (1, 21, 500, 375)
    """
    name = "caffe.crop"
    shape = getattr(reference, "shape", reference)
    if not length(shape):
        raise ShapeError(complaint(name, "reference has no shape", got=repr(reference), expected="a shape or an array",
                                   fix="pass the shape to crop to, (N, C, H, W)"))
    sizes = integers(shape, len(shape), name, "reference", 1)
    first = integer(axis, name, "axis")
    first += len(sizes) if first < 0 else 0
    if not 0 <= first < len(sizes):
        raise ShapeError(complaint(name, "axis is out of range", got=axis, expected=f"0 to {len(sizes) - 1}",
                                   fix="use axis=2 to crop the space of (N, C, H, W)"))
    kept = sizes[first:]
    offsets = integers(offset[0] if length(offset) == 1 else offset, len(kept), name, "offset", 0)  # type: ignore[index]
    return Crop(kept, offsets)


@final_map
class Crop(LinearMap):
    """y[n] = x[n + offset], n < size: a window whose end the size decides. Binding gives the crop as a stage.

    >>> print(Crop((2,), (1,)).on((4,)).matrix().astype(int))
    [[0 1 0 0]
     [0 0 1 0]]
    """

    sizes: tuple[int, ...] = static()
    offsets: tuple[int, ...] = static()
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        n = len(self.sizes)
        shape = space.shape
        if len(shape) < n:
            raise ShapeError(complaint(self._label(), "the input has too few axes", got=space,
                                       expected=f"at least {n} axes", fix="crop an array of the reference's rank"))
        for axis, size, offset in zip(range(-n, 0), self.sizes, self.offsets, strict=True):
            if size + offset > shape[axis]:
                raise ShapeError(complaint(self._label(), f"the crop for dimension {axis} is out of bounds",
                                           got=f"size {size} at offset {offset}",
                                           expected=f"at most {shape[axis]} together", fix="use a smaller offset"))
        rates = tuple(Rate(lo=-offset, hi=offset + size - shape[axis])
                      for axis, size, offset in zip(range(-n, 0), self.sizes, self.offsets, strict=True))
        return Stage(None, rates, tuple(range(-n, 0))).on(space.tree)

    def _label(self) -> str:
        return f"caffe.crop({'x'.join(map(str, self.sizes))}, offset={self.offsets})"


def _rules(weight: Any, name: str, stride: Ints, pad: Ints, dilation: Ints, resolver: Any, word: str) -> list[Rule]:
    ndim = numbers(weight, name, "weight")[0].ndim - 2
    if ndim < 1:
        raise ShapeError(complaint(name, "weight has the wrong rank", got=f"{ndim + 2} axes",
                                   expected="(channels, channels, *kernel_size)", fix="give a kernel with a window"))
    columns = (_each(stride, ndim, name, "stride", 1), _each(pad, ndim, name, "pad", 0),
               _each(dilation, ndim, name, "dilation", 1))
    return [Rule.of(resolver, **{"operator": name, "stride": s, word: p, "dilation": d})
            for s, p, d in zip(*columns, strict=True)]


def _each(value: Ints, ndim: int, name: str, argument: str, minimum: int) -> tuple[int, ...]:
    return integers(value[0] if length(value) == 1 else value, ndim, name, argument, minimum)  # type: ignore[index]
