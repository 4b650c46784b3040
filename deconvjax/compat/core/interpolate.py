"""Resizing as torch and ONNX define it: for one axis, the matrix or the chosen samples, in NumPy.

    y[n] = sum_i h(c(n) - i) x[i],      c(n) the coordinate of output n in the input

The frameworks differ in c(n), in h, and in what stands outside the input: `edge` repeats the border sample, `outside`
drops what is outside and divides by what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import matmul
from typing import Any

import numpy as np

from deconvjax.algebra import LinearMap, final_map, identity, static
from deconvjax.compat.core.separable import Along, Pick
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.resize import resize
from deconvjax.space import Space

Kernel = Callable[[np.ndarray], np.ndarray]
Weights = tuple[int, ...] | np.ndarray  # the sample that each output copies, or the matrix (out, in)


@dataclass(frozen=True, slots=True)
class Resampling:
    """What one axis of an interpolation does: (size) -> Weights, with what a stage can do for whole factors."""

    weigh: Callable[..., Weights]
    options: tuple[tuple[str, Any], ...]
    method: str = ""
    snaps: bool = False

    @classmethod
    def of(cls, weigh: Callable[..., Weights], method: str = "", snaps: bool = False, **options: Any) -> Resampling:
        """`weigh(size, **options)`, hashable. `method` names the `resize` that is equal for whole factors.

        `snaps`: on small images it copies or doubles every sample where the sizes are so, whatever the scale.
        """
        return cls(weigh, tuple(sorted(options.items())), method, snaps)

    def __call__(self, size: int) -> Weights:
        """The weights for `size` samples."""
        return self.weigh(size, **dict(self.options))


@final_map
class Interpolation(LinearMap):
    """y = M_1 x ... x M_n x along the trailing axes, before the sizes are known; binding gives the leaves.

    `axes` None means all axes but the first two (batch, channels), as many as x has. Whole factors become the
    polyphase stages of `deconvjax.resize`.
    """

    name: str = static()
    each: tuple[Resampling, ...] = static()
    axes: tuple[int, ...] | None = static(default=None)
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        rank = len(space.shape)
        axes = tuple(range(2 - rank, 0)) if self.axes is None else self.axes
        if self.axes is None and not 3 <= rank <= 5:
            raise ShapeError(complaint(self.name, "only 3-D, 4-D and 5-D inputs are supported", got=space,
                                       expected="(batch, channels, *space) with 1 to 3 space axes",
                                       fix="add the missing axes to x, or give one size or scale for each space axis"))
        if rank < -min(axes, default=0):
            raise ShapeError(complaint(self.name, "the input has too few axes", got=space, expected=f"axes {axes}",
                                       fix="add the missing axes to x"))
        each = self.each * len(axes) if len(self.each) == 1 else self.each
        if len(each) != len(axes):
            raise ShapeError(complaint(self.name, "the input has another number of space axes", got=space,
                                       expected=f"{len(each)} space axes", fix="give one size or scale for each"))
        maps: list[LinearMap] = []
        matrices: list[tuple[Any, int]] = []
        picks: list[tuple[Any, int, int]] = []
        found = [rule(space.shape[axis]) for rule, axis in zip(each, axes, strict=True)]
        small = len(axes) == 2 and sum(map(len, found)) <= 128  # torch has another kernel there
        for rule, axis, weights in zip(each, axes, found, strict=True):
            size = space.shape[axis]
            factor, rest = divmod(len(weights), size)
            if rule.snaps and small and not rest and factor in (1, 2):
                weights = tuple(n // factor for n in range(len(weights)))
            if rule.method and not rest and factor > 1 and _repeats(weights, factor):
                a = -0.75 if rule.method == "cubic" else None
                maps.append(resize(factor, rule.method, border="edge", axes=axis, a=a))
            elif isinstance(weights, tuple):
                picks.append((weights, size, axis))
            else:
                matrices.append((weights, axis))
        if picks:
            index, sizes, where = (tuple(column) for column in zip(*picks, strict=True))
            maps.append(Pick(index, sizes, where, self.name))
        if matrices:
            weights, where = (tuple(column) for column in zip(*matrices, strict=True))
            maps.append(Along(weights, where, self.name))
        return (reduce(matmul, reversed(maps)) if maps else identity).on(space.tree)

    def _label(self) -> str:
        return self.name


def _repeats(weights: Weights, factor: int) -> bool:
    """A matrix, or every sample `factor` times over (torch's float32 coordinates sometimes are one sample off)."""
    return not isinstance(weights, tuple) or all(n // factor == i for n, i in enumerate(weights))


# ---- the kernels --------------------------------------------------------------------------------------------------
def triangle(t: np.ndarray) -> np.ndarray:
    """h(t) = max(0, 1 - |t|)."""
    return np.maximum(0.0, 1.0 - np.abs(t))


def keys(a: float) -> Kernel:
    """h(t) = (a+2)|t|^3 - (a+3)|t|^2 + 1 up to 1, a(|t|^3 - 5|t|^2 + 8|t| - 4) up to 2."""
    def at(t: np.ndarray) -> np.ndarray:
        t = np.abs(t)
        return np.where(t <= 1, ((a + 2) * t - (a + 3)) * t * t + 1,
                        np.where(t < 2, a * (((t - 5) * t + 8) * t - 4), 0.0))
    return at


def matrix(size: int, centres: np.ndarray, kernel: Kernel, radius: int, *, shrink: float = 1.0,
           border: str = "edge", normalise: bool = False) -> np.ndarray:
    """M[n, i] = h(shrink (c(n) - i)), border samples repeated ("edge") or rows rescaled ("outside").

    >>> matrix(2, np.array([-0.25, 0.25, 0.75, 1.25]), triangle, 1)
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """
    base = np.ceil(centres).astype(int) - 1  # the sample at or before the centre comes last of its left neighbours
    start = int(np.floor(-radius / shrink)) + 1
    reach = np.arange(start, 2 - start)
    weights = kernel(shrink * (reach - (centres - base)[:, None]))
    if normalise:
        weights = weights / weights.sum(1, keepdims=True)
    where = base[:, None] + reach
    if border == "outside":
        weights = np.where((where >= 0) & (where < size), weights, 0.0)
        weights = weights / weights.sum(1, keepdims=True)
    out = np.zeros((len(centres), size))
    rows = np.broadcast_to(np.arange(len(centres))[:, None], where.shape)
    np.add.at(out, (rows, np.clip(where, 0, size - 1)), weights)
    return out


# ---- torch --------------------------------------------------------------------------------------------------------
def torch_axis(size: int, *, mode: str, out: int | None = None, scale: float | None = None, recompute: bool = False,
               align_corners: bool = False, antialias: bool = False) -> Weights:
    """One axis of `torch.nn.functional.interpolate`: the size asked for, or floor(size*scale).

    >>> torch_axis(2, mode="nearest", scale=2.0)
    (0, 0, 1, 1)
    """
    length = out if out is not None else int(np.floor(float(size * np.float64(scale or 0))))
    if length < 1:
        raise ShapeError(complaint("torch.interpolate", "the output would be empty",
                                   got=f"{size} samples, scale {scale}",
                                   expected="at least 1 sample", fix="use a larger scale_factor"))
    ratio = size / length if out is not None or recompute or scale is None else 1 / scale
    n = np.arange(length)
    if mode in ("nearest", "nearest-exact"):  # torch multiplies in float32, and rounds accordingly
        at = (n.astype(np.float32) + np.float32(0.5 if mode == "nearest-exact" else 0)) * np.float32(ratio)
        return tuple(int(i) for i in np.minimum(np.floor(at).astype(int), size - 1))
    if mode == "area":
        first, last = n * size // length, -(-(n + 1) * size // length)
        inside = (np.arange(size) >= first[:, None]) & (np.arange(size) < last[:, None])
        return inside / inside.sum(1, keepdims=True)
    cubic = mode == "bicubic"
    if length == size and (antialias or not cubic):  # torch copies, whatever the scale
        return np.eye(size)
    if align_corners:
        ratio = (size - 1) / (length - 1) if length > 1 else 0.0
    if antialias:  # with align_corners it takes only the ratio from the corners, and keeps half-pixel centres
        return _torch_antialias(size, n, ratio, keys(-0.5) if cubic else triangle, 2 if cubic else 1)
    centres = ratio * n if align_corners else ratio * (n + 0.5) - 0.5
    return matrix(size, centres if cubic else np.maximum(centres, 0), keys(-0.75) if cubic else triangle,
                  2 if cubic else 1)


def _torch_antialias(size: int, n: np.ndarray, ratio: float, kernel: Kernel, radius: int) -> np.ndarray:
    """Pillow's way: the kernel stretched by the ratio, what is outside dropped, the rest rescaled."""
    stretch = max(ratio, 1.0)
    centres = ratio * (n + 0.5)[:, None]
    weights = kernel((np.arange(size) + 0.5 - centres) / stretch)
    low = np.maximum((centres - radius * stretch + 0.5).astype(int), 0)
    high = np.minimum((centres + radius * stretch + 0.5).astype(int), size)
    weights = np.where((np.arange(size) >= low) & (np.arange(size) < high), weights, 0.0)
    return weights / weights.sum(1, keepdims=True)


# ---- ONNX ---------------------------------------------------------------------------------------------------------
def onnx_axis(size: int, *, mode: str, out: int, scale: float, coordinates: str = "half_pixel",
              nearest: str = "round_prefer_floor", a: float = -0.75, exclude_outside: bool = False,
              antialias: bool = False, roi: tuple[float, float] | None = None) -> Weights:
    """One axis of ONNX Resize.

    >>> onnx_axis(2, mode="nearest", out=4, scale=2.0)
    (0, 0, 1, 1)
    """
    centres = onnx_centres(size, out, scale, coordinates, roi)
    outside = onnx_outside(size, centres, coordinates)
    if mode == "nearest":
        low = np.ceil(centres).astype(int) - 1  # with a whole coordinate the sample itself is the upper neighbour
        ratio = centres - low
        upper = {"round_prefer_floor": ratio > 0.5, "round_prefer_ceil": ratio >= 0.5, "floor": ratio == 1,
                 "ceil": ratio > 0}[nearest]
        picked = np.clip(low + upper, 0, size - 1)
        if not outside.any():
            return tuple(int(i) for i in picked)
        weights = (picked[:, None] == np.arange(size)).astype(float)
    else:
        cubic = mode == "cubic"
        weights = matrix(size, centres, keys(a) if cubic else triangle, 2 if cubic else 1,
                         shrink=min(scale, 1.0) if antialias else 1.0,
                         border="outside" if exclude_outside else "edge", normalise=antialias)
    return np.where(outside[:, None], 0.0, weights)


def onnx_centres(size: int, out: int, scale: float, coordinates: str, roi: tuple[float, float] | None) -> np.ndarray:
    """c(n) for one of ONNX's coordinate_transformation_modes; `scale*size` need not be the whole number `out`."""
    n, length = np.arange(out, dtype=float), scale * size
    if coordinates == "align_corners":
        return np.zeros(out) if length == 1 else n * (size - 1) / (length - 1)
    if coordinates == "asymmetric":
        return n / scale
    if coordinates == "tf_crop_and_resize":
        start, stop = roi or (0.0, 1.0)
        width = (stop - start) * (size - 1)
        return (np.full(out, width / 2) if length == 1 else n * width / (length - 1)) + start * (size - 1)
    if coordinates == "pytorch_half_pixel" and length == 1:
        return np.full(out, -0.5)
    shift = size / 2 * (1 - out / length) if coordinates == "half_pixel_symmetric" else 0.0
    return shift + (n + 0.5) / scale - 0.5


def onnx_outside(size: int, centres: np.ndarray, coordinates: str) -> np.ndarray:
    """Which outputs `tf_crop_and_resize` fills with extrapolation_value."""
    return (coordinates == "tf_crop_and_resize") & ((centres < 0) | (centres > size - 1))
