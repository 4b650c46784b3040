"""PyTorch's interpolation, pixel shuffle, unpooling, and patches, on (N, C, *space)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deconvjax.algebra import LinearMap
from deconvjax.compat.core.interpolate import Interpolation, Resampling, torch_axis
from deconvjax.compat.core.rearrange import Fold, depth_to_space, patches, space_to_depth, unpool
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, length, numbers, one_of

Ints = int | Sequence[int]

_AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
_MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact")
_STAGES = {"nearest": "nearest", "nearest-exact": "nearest", "linear": "bilinear", "bilinear": "bilinear",
           "trilinear": "bilinear", "bicubic": "cubic"}


def interpolate(size: Ints | None = None, scale_factor: float | Sequence[float] | None = None, mode: str = "nearest",
                align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
                antialias: bool = False) -> LinearMap:
    """y[n] = sum_i h(c(n) - i) x[i] along every space axis: `torch.nn.functional.interpolate`.

    Args:
        size: the output's space, or
        scale_factor: its ratio to the input's; one for all axes or one for each.
        mode: "nearest" (of the sample below), "nearest-exact", "linear" (3-D input), "bilinear" and "bicubic" (4-D),
            "trilinear" (5-D), "area".
        align_corners: for the linear and cubic modes: corners on corners instead of half-pixel centres.
        recompute_scale_factor: take the ratio of the rounded sizes instead of `scale_factor`.
        antialias: for "bilinear" and "bicubic", stretch the kernel where the image shrinks.

    Shapes: (N, C, *space). Where the mode or the number of entries says how many space axes there are, any axes may
    stand in front of them: (C, *space) and more batch axes too, which PyTorch refuses. Whole factors run as polyphase
    stages, others as one small matrix for each axis.

    Raises:
        ShapeError, ValueError: what else PyTorch refuses, in its words.

    Source: PyTorch 2.13 for contiguous tensors on a CPU, coordinates of the nearest modes in float32 as there.

    >>> import numpy as np
    >>> print(interpolate(scale_factor=2, mode="bilinear")(np.array([[[[0.0, 4.0]]]]))[0, 0])
    [[0. 1. 3. 4.]
     [0. 1. 3. 4.]]
    """
    name = "torch.interpolate"
    one_of(mode, _MODES, name, "mode")
    if (size is None) == (scale_factor is None):
        raise ShapeError(complaint(name, "only one of size or scale_factor should be defined",
                                   got=f"size={size}, scale_factor={scale_factor}", expected="exactly one of them",
                                   fix="give size=(rows, columns) or scale_factor=2"))
    if align_corners is not None and mode not in _AXES:
        raise ValueError(complaint(name, "align_corners option can only be set with the interpolating modes",
                                   got=f"mode={mode!r}", expected="linear, bilinear, bicubic or trilinear",
                                   fix="leave align_corners out"))
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(complaint(name, "anti-alias option is restricted to bilinear and bicubic modes",
                                   got=f"mode={mode!r}", expected="bilinear or bicubic", fix="use antialias=False"))
    if recompute_scale_factor and size is not None:
        raise ValueError(complaint(name, "recompute_scale_factor is not meaningful with an explicit size",
                                   got=f"size={size}", expected="scale_factor", fix="leave recompute_scale_factor out"))
    given = size if size is not None else scale_factor
    count = length(given)
    if mode in _AXES and count not in (None, _AXES[mode]):
        raise ShapeError(complaint(name, f"mode {mode!r} works on {_AXES[mode]} space axes", got=f"{count} entries",
                                   expected=f"{_AXES[mode]}", fix="choose the mode for the rank of the input"))
    if count is not None and not 1 <= count <= 3:
        raise ShapeError(complaint(name, "only 3-D, 4-D and 5-D inputs are supported", got=f"{count} entries",
                                   expected="1 to 3 space axes", fix="give one size or scale for each space axis"))
    stage = _STAGES.get(mode, "") if not (align_corners or antialias) else ""
    targets = [_target(entry, size is not None, name) for entry in ((given,) if count is None else given)]  # type: ignore[union-attr]
    exact = size is not None or recompute_scale_factor  # else the ratio is the scale's, whatever the sizes
    each = tuple(Resampling.of(torch_axis, stage if exact or target["scale"].is_integer() else "", mode == "nearest",
                               mode=mode, align_corners=bool(align_corners), antialias=bool(antialias),
                               recompute=bool(recompute_scale_factor), **target) for target in targets)
    n = _AXES.get(mode, count)
    return Interpolation(name, each, None if n is None else tuple(range(-n, 0)))


def pixel_shuffle(upscale_factor: int) -> LinearMap:
    """y[c, r*h + u, r*w + v] = x[(c*r + u)*r + v, h, w]: `torch.nn.functional.pixel_shuffle`.

    >>> pixel_shuffle(2).on((1, 8, 3, 5)).codomain.shape
    (1, 2, 6, 10)
    """
    return depth_to_space(integer(upscale_factor, "torch.pixel_shuffle", "upscale_factor", 1), "CRD")


def pixel_unshuffle(downscale_factor: int) -> LinearMap:
    """y[(c*r + u)*r + v, h, w] = x[c, r*h + u, r*w + v]: `torch.nn.functional.pixel_unshuffle`.

    >>> pixel_unshuffle(2).on((1, 2, 6, 10)).codomain.shape
    (1, 8, 3, 5)
    """
    return space_to_depth(integer(downscale_factor, "torch.pixel_unshuffle", "downscale_factor", 1), "CRD")


def max_unpool2d(indices: Any, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
                 output_size: Ints | None = None) -> LinearMap:
    """y[c, indices[c, n]] = x[c, n], zero elsewhere: `torch.nn.functional.max_unpool2d`.

    Args:
        indices: (N, C, h, w) or (C, h, w), from `max_pool2d(..., return_indices=True)`: flat in rows and columns.
        kernel_size: of the pooling, int or two, as stride (default kernel_size) and padding.
        stride: of the pooling.
        padding: of the pooling.
        output_size: the space of the output (or its whole shape), within one stride of the default
            (h-1)*stride - 2*padding + kernel_size.

    >>> import numpy as np
    >>> print(max_unpool2d(np.array([[[3]]]), 2)(np.array([[[7.0]]]))[0])
    [[0. 0.]
     [0. 7.]]
    """
    name = "torch.max_unpool2d"
    array, _ = numbers(indices, name, "indices")
    if array.ndim not in (3, 4):
        raise ShapeError(complaint(name, "input and indices should be 3d or 4d", got=f"{array.ndim} axes",
                                   expected="(N, C, h, w) or (C, h, w)", fix="add the missing axes"))
    kernel = _two(kernel_size, name, "kernel_size", 1)
    step = kernel if stride is None else _two(stride, name, "stride", 1)
    default = tuple((n - 1) * s - 2 * p + k for n, s, p, k
                    in zip(array.shape[-2:], step, _two(padding, name, "padding", 0), kernel, strict=True))
    size = default
    if output_size is not None:
        if length(output_size) not in (2, 3, 4):
            raise ShapeError(complaint(name, "output_size should be a sequence containing 2 elements",
                                       got=repr(output_size), expected="(rows, columns)", fix="give both sizes"))
        size = integers(tuple(output_size)[-2:], 2, name, "output_size", 1)  # type: ignore[arg-type]
        if any(not d - s < n < d + s for n, d, s in zip(size, default, step, strict=True)):
            raise ShapeError(complaint(name, "invalid output_size", got=size,
                                       expected=f"{default}, or less than a stride {step} off",
                                       fix="use the size of the pooling's input"))
    if min(size) < 1:
        raise ShapeError(complaint(name, "the output would be empty", got=size, expected="at least 1 x 1",
                                   fix="check kernel_size and padding"))
    return unpool(indices, size, name)


def unfold(kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> LinearMap:
    """y[(c*kh + i)*kw + j, n] = x[c, n*stride + (i, j)*dilation - padding]: `torch.nn.functional.unfold` (im2col).

    Shapes: (N, C, H, W) or (C, H, W) to (N, C*kh*kw, number of windows).

    >>> unfold(3, padding=1, stride=2).on((1, 4, 8, 8)).codomain.shape
    (1, 36, 16)
    """
    name = "torch.unfold"
    kernel, dilations, pads, steps = _window(kernel_size, dilation, padding, stride, name)
    return patches(kernel, dilations, tuple((p, p) for p in pads), steps)


def fold(output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> LinearMap:
    """y[c, n*stride + (i, j)*dilation - padding] += x[(c*kh + i)*kw + j, n]: `torch.nn.functional.fold` (col2im).

    The transpose of `unfold` on an image of `output_size`.

    >>> fold((8, 8), 3, padding=1, stride=2).on((1, 36, 16)).codomain.shape
    (1, 4, 8, 8)
    """
    name = "torch.fold"
    kernel, dilations, pads, steps = _window(kernel_size, dilation, padding, stride, name)
    return Fold(name, _two(output_size, name, "output_size", 1), kernel, dilations, tuple((p, p) for p in pads), steps)


def _window(kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints, name: str) -> tuple[tuple[int, int], ...]:
    return (_two(kernel_size, name, "kernel_size", 1), _two(dilation, name, "dilation", 1),
            _two(padding, name, "padding", 0), _two(stride, name, "stride", 1))


def _two(value: Ints, name: str, argument: str, minimum: int) -> tuple[int, int]:
    first, second = integers(value[0] if length(value) == 1 else value, 2, name, argument, minimum)  # type: ignore[index]
    return first, second


def _target(entry: Any, is_size: bool, name: str) -> dict[str, Any]:
    if is_size:
        return {"out": integer(entry, name, "size", 1)}
    real = isinstance(entry, (int, float, np.integer, np.floating)) and not isinstance(entry, bool)
    if not real or not 0 < entry < float("inf"):
        raise ValueError(complaint(name, "scale_factor must be a positive number", got=repr(entry),
                                   expected="for example 2 or 0.5", fix="use size for exact sizes"))
    return {"scale": float(entry)}
