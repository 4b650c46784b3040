"""ONNX Resize, MaxUnpool, DepthToSpace, SpaceToDepth and Col2Im."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.axis import Rate
from deconvjax.compat.core.interpolate import Interpolation, Resampling, onnx_axis, onnx_centres, onnx_outside
from deconvjax.compat.core.rearrange import Fold, unpool
from deconvjax.compat.core.rearrange import depth_to_space as _depth_to_space
from deconvjax.compat.core.rearrange import space_to_depth as _space_to_depth
from deconvjax.compat.onnx import arguments
from deconvjax.errors import NotLinearError, ShapeError, complaint
from deconvjax.leaves import Stage
from deconvjax.ops.arguments import integer, integers, length, numbers
from deconvjax.space import Space

_COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
                "tf_crop_and_resize")
_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_POLICIES = ("stretch", "not_larger", "not_smaller")


def resize(roi: Sequence[float] | None = None, scales: Sequence[float] | None = None,
           sizes: Sequence[int] | None = None, *, antialias: int = 0, axes: Sequence[int] | None = None,
           coordinate_transformation_mode: str = "half_pixel", cubic_coeff_a: float = -0.75, exclude_outside: int = 0,
           extrapolation_value: float = 0.0, keep_aspect_ratio_policy: str = "stretch", mode: str = "nearest",
           nearest_mode: str = "round_prefer_floor") -> LinearMap:
    """y[n] = sum_i h(c(n) - i) x[i] along every axis: ONNX Resize.

    Args:
        roi: starts of all axes, then ends, for "tf_crop_and_resize", in units of the input.
        scales: of each axis; the output has floor(size*scale) samples.
        sizes: of the output, instead.
        antialias: stretch the kernel where the image shrinks ("linear", "cubic").
        axes: what roi, scales and sizes are about; None is all axes.
        coordinate_transformation_mode: c(n).
        cubic_coeff_a: Keys' parameter.
        exclude_outside: drop what is outside and rescale, instead of repeating the border.
        extrapolation_value: must be 0 for a linear map; see `resize_outside` for what to add.
        keep_aspect_ratio_policy: "stretch", "not_larger", "not_smaller", for sizes.
        mode: "nearest", "linear" or "cubic".
        nearest_mode: how coordinates are rounded.

    Source: ONNX operator set 19.

    >>> import numpy as np
    >>> print(resize(scales=[1, 1, 1, 2], mode="linear")(np.array([[[[0.0, 4.0]]]]))[0, 0])
    [[0. 1. 3. 4.]]
    """
    name = "onnx.resize"
    if extrapolation_value != 0:
        raise NotLinearError(complaint(name, "an extrapolation_value makes Resize affine", got=extrapolation_value,
                                       expected="0.0", fix="use 0.0 and add extrapolation_value * resize_outside(...)"))
    given = scales if scales is not None else sizes
    count = length(given)
    if (scales is None) == (sizes is None) or not count:
        raise ShapeError(complaint(name, "either scales or sizes must be given", got=f"scales={scales}, sizes={sizes}",
                                   expected="exactly one of them", fix="give scales, one for each axis"))
    where = tuple(range(-count, 0)) if axes is None else integers(axes, count, name, "axes")
    _distinct(where, where)
    window = (None,) * count if roi is None else _roi(roi, count, name)
    words = {"mode": arguments.word(mode, ("nearest", "linear", "cubic"), name, "mode"),
             "coordinates": arguments.word(coordinate_transformation_mode, _COORDINATES, name,
                                           "coordinate_transformation_mode"),
             "nearest": arguments.word(nearest_mode, _NEAREST, name, "nearest_mode"),
             "a": _number(cubic_coeff_a, name, "cubic_coeff_a"),
             "exclude_outside": bool(exclude_outside), "antialias": bool(antialias)}
    policy = arguments.word(keep_aspect_ratio_policy, _POLICIES, name, "keep_aspect_ratio_policy")
    targets: tuple[float, ...] = tuple(_scale(s, name) for s in (() if scales is None else scales))
    if sizes is not None:
        targets = integers(sizes, count, name, "sizes", 1)
    return Resize(where, targets, scales is None, policy, tuple(sorted(words.items())), window)


def resize_outside(shape: Sequence[int], roi: Sequence[float], scales: Sequence[float] | None = None,
                   sizes: Sequence[int] | None = None, *, axes: Sequence[int] | None = None) -> np.ndarray:
    """o[n] = 1 where `tf_crop_and_resize` reads outside the image: add extrapolation_value * o to the linear part.

    >>> resize_outside((4,), [0.0, 2.0], sizes=[3])
    array([False, False,  True])
    """
    a = resize(roi, scales, sizes, axes=axes, coordinate_transformation_mode="tf_crop_and_resize", mode="linear")
    assert isinstance(a, Resize)
    marks = [np.zeros(n, bool) for n in shape]
    for axis, (size, out, scale), window in zip(a.axes, a.plan(tuple(shape)), a.roi, strict=True):
        centres = onnx_centres(size, out, scale, "tf_crop_and_resize", window)
        marks[axis] = onnx_outside(size, centres, "tf_crop_and_resize")
    out = np.zeros([len(mark) for mark in marks], bool)
    for axis, mark in enumerate(marks):
        out |= mark.reshape([-1 if i == axis else 1 for i in range(len(marks))])
    return out


@final_map
class Resize(LinearMap):
    """Resize before the sizes are known; binding gives an Interpolation's leaves."""

    axes: tuple[int, ...] = static()
    targets: tuple[float, ...] = static()
    is_sizes: bool = static()
    policy: str = static()
    words: tuple[tuple[str, Any], ...] = static()
    roi: tuple[Any, ...] = static()
    space: Space | None = static(default=None)

    def plan(self, shape: tuple[int, ...]) -> list[tuple[int, int, float]]:
        """(size, out, scale) of each axis."""
        rank = len(shape)
        if any(not -rank <= axis < rank for axis in self.axes):
            raise ShapeError(complaint("onnx.resize", "axes are out of range", got=f"{self.axes} for shape {shape}",
                                       expected=f"{-rank} to {rank - 1}", fix="check axes, scales or sizes"))
        _distinct([axis % rank for axis in self.axes], self.axes)
        sizes = [shape[axis] for axis in self.axes]
        if not self.is_sizes:
            plan = [(n, math.floor(n * scale), scale) for n, scale in zip(sizes, self.targets, strict=True)]
        elif self.policy == "stretch":
            plan = [(n, int(out), out / n) for n, out in zip(sizes, self.targets, strict=True)]
        else:
            pick = min if self.policy == "not_larger" else max
            scale = pick(out / n for n, out in zip(sizes, self.targets, strict=True))
            plan = [(n, math.floor(scale * n + 0.5), scale) for n in sizes]
        if any(out < 1 for _, out, _ in plan):
            raise ShapeError(complaint("onnx.resize", "the output would be empty", got=f"{[out for _, out, _ in plan]}",
                                       expected="at least 1 sample on every axis", fix="use larger scales or sizes"))
        return plan

    def _bind(self, space: Space) -> LinearMap:
        rules, where = [], []
        for axis, (size, out, scale), roi in zip(self.axes, self.plan(space.shape), self.roi, strict=True):
            if size != out or scale != 1 or roi not in (None, (0.0, 1.0)):
                rules.append(Resampling.of(onnx_axis, self._stage(size, out, scale), out=out, scale=scale, roi=roi,
                                           **dict(self.words)))
                where.append(axis if axis < 0 else axis - len(space.shape))
        return Interpolation("onnx.resize", tuple(rules), tuple(where)).on(space.tree)

    def _stage(self, size: int, out: int, scale: float) -> str:
        """The method of `deconvjax.resize` that is equal for a whole factor, or none."""
        words = dict(self.words)
        plain = words["coordinates"] in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric") and out > 1
        if not plain or words["exclude_outside"] or scale * size != out or (words["mode"], words["a"] == -0.75) == (
                "cubic", False):
            return ""
        return {"nearest": "nearest", "linear": "bilinear", "cubic": "cubic"}[words["mode"]]

    def _label(self) -> str:
        return f"onnx.resize({'sizes' if self.is_sizes else 'scales'}={self.targets})"


def upsample(scales: Sequence[float], mode: str = "nearest") -> LinearMap:
    """y[n] = x[floor(n/scale)]: ONNX Upsample (operator set 9), nearest or linear with asymmetric coordinates.

    >>> upsample([1, 1, 2, 3]).on((1, 1, 2, 2)).codomain.shape
    (1, 1, 4, 6)
    """
    return resize(scales=scales, mode=mode, coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def max_unpool(indices: Any, kernel_shape: Sequence[int], *, pads: Sequence[int] | None = None,
               strides: Sequence[int] | None = None, output_shape: Sequence[int] | None = None) -> LinearMap:
    """y.flat[indices[n]] = x[n], zero elsewhere: ONNX MaxUnpool.

    Args:
        indices: (N, C, *pooled), flat in the whole pooled-from tensor, batch and channels included.
        kernel_shape: of the pooling.
        pads: of the pooling, begins then ends.
        strides: of the pooling, 1 where absent.
        output_shape: (N, C, *space); zeros are appended to the inferred size, which the indices are about.

    >>> import numpy as np
    >>> print(max_unpool(np.array([[[[3]]]]), [2, 2], strides=[2, 2])(np.array([[[[7.0]]]]))[0, 0])
    [[0. 0.]
     [0. 7.]]
    """
    name = "onnx.max_unpool"
    array, _ = numbers(indices, name, "indices")
    n = array.ndim - 2
    if n < 1:
        raise ShapeError(complaint(name, "indices have the wrong rank", got=f"shape {array.shape}",
                                   expected="(N, C, *space)", fix="add the missing axes"))
    kernel = integers(kernel_shape, n, name, "kernel_shape", 1)
    steps, ends = arguments.each(strides, n, name, "strides"), arguments.begin_end(pads, n, name)
    size = tuple((m - 1) * s - sum(p) + k for m, s, p, k in zip(array.shape[2:], steps, ends, kernel, strict=True))
    if min(size) < 1:
        raise ShapeError(complaint(name, "the output would be empty", got=size, expected="at least 1 on every axis",
                                   fix="check kernel_shape, strides and pads"))
    planes = np.arange(math.prod(array.shape[:2])).reshape(*array.shape[:2], *(1,) * n) * math.prod(size)
    inferred = unpool(array - planes, size, name)
    if output_shape is None:
        return inferred
    wanted = integers(output_shape[-n:], n, name, "output_shape", 1) if length(output_shape) == n + 2 else ()
    if not wanted or any(w < s for w, s in zip(wanted, size, strict=True)):
        raise ShapeError(complaint(name, "output_shape is too small, or has the wrong rank", got=output_shape,
                                   expected=f"(N, C, and at least {size})", fix="give the shape that was pooled"))
    if wanted == size:
        return inferred
    rates = tuple(Rate(hi=w - s) for w, s in zip(wanted, size, strict=True))
    return Stage(None, rates, tuple(range(-n, 0))) @ inferred


def depth_to_space(blocksize: int, mode: str = "DCR") -> LinearMap:
    """y[c, b*h + u, b*w + v] = x[(u*b + v)*C + c, h, w] ("DCR") or x[(c*b + u)*b + v, h, w] ("CRD"): ONNX DepthToSpace.

    >>> depth_to_space(2).on((1, 8, 2, 3)).codomain.shape
    (1, 2, 4, 6)
    """
    name = "onnx.depth_to_space"
    return _depth_to_space(integer(blocksize, name, "blocksize", 1), arguments.word(mode, ("DCR", "CRD"), name, "mode"))


def space_to_depth(blocksize: int, mode: str = "DCR") -> LinearMap:
    """y[(u*b + v)*C + c, h, w] = x[c, b*h + u, b*w + v]: ONNX SpaceToDepth, the inverse of `depth_to_space`.

    >>> space_to_depth(2).on((1, 2, 4, 6)).codomain.shape
    (1, 8, 2, 3)
    """
    name = "onnx.space_to_depth"
    return _space_to_depth(integer(blocksize, name, "blocksize", 1), arguments.word(mode, ("DCR", "CRD"), name, "mode"))


def col2im(image_shape: Sequence[int], block_shape: Sequence[int], *, dilations: Sequence[int] | None = None,
           pads: Sequence[int] | None = None, strides: Sequence[int] | None = None) -> LinearMap:
    """y[c, n*stride + j*dilation - begin] += x[c*prod(block) + j, n]: ONNX Col2Im, in any number of axes.

    >>> col2im([5, 5], [1, 5]).on((1, 5, 5)).codomain.shape
    (1, 1, 5, 5)
    """
    name = "onnx.col2im"
    n = length(image_shape) or 1
    return Fold(name, integers(image_shape, n, name, "image_shape", 1),
                integers(block_shape, n, name, "block_shape", 1), arguments.each(dilations, n, name, "dilations"),
                arguments.begin_end(pads, n, name), arguments.each(strides, n, name, "strides"))


def _roi(roi: Sequence[float], count: int, name: str) -> tuple[tuple[float, float], ...]:
    if length(roi) != 2 * count:
        raise ShapeError(complaint(name, "roi has the wrong number of entries", got=roi,
                                   expected=f"{2 * count} numbers", fix="give the starts of all axes, then the ends"))
    flat = [_number(r, name, "roi") for r in roi]
    return tuple(zip(flat[:count], flat[count:], strict=True))


def _scale(value: Any, name: str) -> float:
    scale = _number(value, name, "scales")
    if scale <= 0:
        raise ValueError(complaint(name, "scales must be positive", got=value, expected="a number > 0",
                                   fix="use sizes for exact sizes"))
    return scale


def _number(value: Any, name: str, argument: str) -> float:
    try:
        number = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise TypeError(complaint(name, f"{argument} must be finite numbers", got=repr(value), expected="a real number",
                                  fix=f"write {argument} as a float, or a sequence of them"))
    return number


def _distinct(axes: Sequence[int], given: Sequence[int]) -> None:
    if len(set(axes)) != len(axes):
        raise ShapeError(complaint("onnx.resize", "axes are repeated", got=f"axes={given}", expected="distinct axes",
                                   fix="name each axis once"))
