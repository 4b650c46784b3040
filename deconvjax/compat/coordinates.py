"""Where a blob lies in another blob's coordinates, and the crop that aligns the two: the algebra behind FCN's offsets.

    out = a*in + b:   convolution, pooling  (1/s, (p - (K-1)/2)/s)     deconvolution  (s, (K-1)/2 - p)     crop  (1, -o)

A net is written as it is read: `blob("data")`, then layers on blobs. `crop_offset(top, reference)` walks back to a
common ancestor, composes the maps, and gives the offset; it refuses where the crop would be scaled, negative or
fractional.

Source: Long, Shelhamer, Darrell, "Fully convolutional networks", CVPR 2015; the formulas are those of BVLC/caffe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from deconvjax.compat.resolve import dilated
from deconvjax.errors import DeconvError, ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, length

Ints: TypeAlias = int | Sequence[int]
Numbers: TypeAlias = tuple[Fraction, ...]


class UnalignedError(DeconvError, RuntimeError):
    """Two blobs that no chain of spatial layers connects."""


@dataclass(frozen=True, slots=True)
class CoordinateMap:
    """out = scale*in + shift for every space axis; one entry stands for all. `axis` is None where nothing moves.

    >>> pool = CoordinateMap(1, (Fraction(1, 2),), (Fraction(-1, 4),))
    >>> pool @ pool.inverse
    CoordinateMap(axis=1, scale=(Fraction(1, 1),), shift=(Fraction(0, 1),))
    """

    axis: int | None = None
    scale: Numbers = (Fraction(1),)
    shift: Numbers = (Fraction(0),)

    def __matmul__(self, inner: CoordinateMap) -> CoordinateMap:
        """self after inner: (a1 a2, a1 b2 + b1)."""
        if None not in (self.axis, inner.axis) and self.axis != inner.axis:
            raise UnalignedError(complaint("caffe coordinates", "layers with different first axes do not compose",
                                           got=f"axes {self.axis} and {inner.axis}", expected="one axis",
                                           fix="count the space axes alike in both"))
        a1, b1, a2, b2 = _together(self.scale, self.shift, inner.scale, inner.shift)
        return CoordinateMap(self.axis if self.axis is not None else inner.axis,
                             tuple(x * y for x, y in zip(a1, a2, strict=True)),
                             tuple(x * y + z for x, y, z in zip(a1, b2, b1, strict=True)))

    @property
    def inverse(self) -> CoordinateMap:
        """in = (out - shift)/scale."""
        scale, shift = _together(self.scale, self.shift)
        return CoordinateMap(self.axis, tuple(1 / a for a in scale),
                             tuple(-b / a for a, b in zip(scale, shift, strict=True)))


@dataclass(frozen=True, eq=False)
class Blob:
    """top = map(bottoms): a blob, the layer that made it (None: not a map of coordinates) and what it was made from.

    >>> Blob("data").bottoms
    ()
    """

    name: str
    map: CoordinateMap | None = None
    bottoms: tuple[Blob, ...] = ()

    def __post_init__(self) -> None:
        for bottom in self.bottoms:
            _check(bottom, f"caffe.coordinates.{self.name}", "bottom")


def blob(name: str) -> Blob:
    """data -> a blob that nothing made.

    >>> blob("data").name
    'data'
    """
    return Blob(name)


def convolution(bottom: Blob, kernel_size: Ints, stride: Ints = 1, pad: Ints = 0, dilation: Ints = 1, *,
                axis: int = 1) -> Blob:
    """out = in/s + (p - (K-1)/2)/s: Convolution and Pooling (and Im2col).

    >>> convolution(blob("data"), 3, pad=1).map
    CoordinateMap(axis=1, scale=(Fraction(1, 1),), shift=(Fraction(0, 1),))
    """
    each = _parameters("caffe.coordinates.convolution", kernel_size, stride, pad, dilation)
    scale = tuple(Fraction(1, s) for _, s, _ in each)
    return Blob("convolution", CoordinateMap(axis, scale, tuple((p - Fraction(k - 1, 2)) / s for k, s, p in each)),
                (bottom,))


pooling = convolution


def deconvolution(bottom: Blob, kernel_size: Ints, stride: Ints = 1, pad: Ints = 0, dilation: Ints = 1, *,
                  axis: int = 1) -> Blob:
    """out = s*in + (K-1)/2 - p: Deconvolution.

    >>> deconvolution(blob("score"), 64, stride=32).map.shift
    (Fraction(63, 2),)
    """
    each = _parameters("caffe.coordinates.deconvolution", kernel_size, stride, pad, dilation)
    return Blob("deconvolution", CoordinateMap(axis, tuple(Fraction(s) for _, s, _ in each),
                                               tuple(Fraction(k - 1, 2) - p for k, _, p in each)), (bottom,))


def pointwise(*bottoms: Blob) -> Blob:
    """out = in: ReLU, Dropout, Eltwise and whatever else keeps every sample where it is.

    >>> pointwise(blob("data")).map.scale
    (Fraction(1, 1),)
    """
    return Blob("pointwise", CoordinateMap(), bottoms)


def cropped(bottom: Blob, offset: Ints, *, axis: int = 2) -> Blob:
    """out = in - offset: Crop. `axis` 2 is the space of (N, C, H, W), as 1 is for convolutions.

    >>> cropped(blob("score"), 19).map.shift
    (Fraction(-19, 1),)
    """
    offsets = (offset,) if length(offset) is None else tuple(offset)  # type: ignore[arg-type]
    shift = tuple(Fraction(-integer(o, "caffe.coordinates.cropped", "offset", 0)) for o in offsets)
    return Blob("crop", CoordinateMap(axis - 1, (Fraction(1),) * len(shift), shift), (bottom,))


def unmapped(*bottoms: Blob) -> Blob:
    """out = f(all of in): a layer that mixes all of space (InnerProduct), so no coordinates pass it.

    >>> unmapped(blob("data")).map is None
    True
    """
    return Blob("unmapped", None, bottoms)


def coordinate_map(top: Blob, reference: Blob) -> CoordinateMap:
    """reference = a*top + b, by way of the nearest blob both come from.

    >>> data = blob("data")
    >>> score = deconvolution(pooling(convolution(data, 3), 4, 4), 8, 4)
    >>> coordinate_map(score, data).shift
    (Fraction(-1, 1),)
    """
    _check(top, "caffe.coordinate_map", "top")
    _check(reference, "caffe.coordinate_map", "reference")
    behind = _ancestors(top)
    for other, there in _ancestors(reference).items():
        if other in behind:
            return there @ behind[other].inverse
    raise UnalignedError(complaint("caffe.coordinate_map", "could not compute the map between two blobs",
                                   got=f"{top.name} and {reference.name}", expected="a common ancestor",
                                   fix="connect them by spatial layers"))


def crop_offset(top: Blob, reference: Blob) -> int | tuple[int, ...]:
    """The offset at which `top`, cropped to the size of `reference`, lies on it: -b, where a = 1.

    >>> data = blob("data")
    >>> conv = convolution(data, 3, pad=100)
    >>> pool = pooling(conv, 2, 2)
    >>> crop_offset(deconvolution(pool, 4, 2), data)
    100
    """
    found = coordinate_map(top, reference)
    scale, shift = _together(found.scale, found.shift)
    for wrong, problem in ((any(a != 1 for a in scale), f"scale mismatch on crop (a = {_shown(scale)})"),
                           (any(b > 0 for b in shift), f"cannot crop negative width (b = {_shown(shift)})"),
                           (any(b.denominator != 1 for b in shift),
                            f"cannot crop non-integer width (b = {_shown(shift)})")):
        if wrong:
            raise ShapeError(complaint("caffe.crop_offset", problem, got=f"a = {_shown(scale)}, b = {_shown(shift)}",
                                       expected="a = 1, b a negative integer or 0",
                                       fix="check strides and pads of the layers between the two blobs"))
    offsets = tuple(-int(b) for b in shift)
    return offsets[0] if len(set(offsets)) == 1 else offsets


def _check(value: Blob, name: str, argument: str) -> None:
    if not isinstance(value, Blob):
        raise TypeError(complaint(name, f"{argument} must be a blob", got=repr(value), expected="a Blob",
                                  fix="start with blob('data') and call the layers on it"))


def _ancestors(top: Blob) -> dict[Blob, CoordinateMap]:
    """top = map(blob) for every blob that spatial layers connect with it, nearest first."""
    found = {top: CoordinateMap()}
    queue = [top]
    for each in queue:
        if each.map is not None:
            for bottom in each.bottoms:
                if bottom not in found:
                    found[bottom] = found[each] @ each.map
                    queue.append(bottom)
    return found


def _parameters(name: str, *values: Ints) -> list[tuple[int, int, int]]:
    """(dilated kernel, stride, pad) for each axis; one for all where all are single."""
    n = max((length(value) or 1) for value in values)
    words = (("kernel_size", 1), ("stride", 1), ("pad", 0), ("dilation", 1))
    columns = [integers(value[0] if length(value) == 1 else value, n, name, word, least)  # type: ignore[index]
               for value, (word, least) in zip(values, words, strict=True)]
    return [(dilated(k, d), s, p) for k, s, p, d in zip(*columns, strict=True)]


def _together(*columns: Numbers) -> tuple[Numbers, ...]:
    """All as long as the longest."""
    n = max(map(len, columns))
    if any(len(column) not in (1, n) for column in columns):
        raise ShapeError(complaint("caffe coordinates", "layers with different numbers of space axes do not compose",
                                   got=tuple(map(len, columns)), expected="one number of axes",
                                   fix="give kernel sizes for the same axes everywhere"))
    return tuple(column if len(column) == n else column * n for column in columns)


def _shown(values: Numbers) -> str:
    return str(values[0]) if len(set(values)) == 1 else "(" + ", ".join(map(str, values)) + ")"
