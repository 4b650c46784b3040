"""ONNX Conv and ConvTranspose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.compat import resolve
from deconvjax.compat.core.layer import Rule, channels_first, layer
from deconvjax.compat.core.weights import CONV, CONV_TRANSPOSE
from deconvjax.compat.onnx.arguments import AUTO_PADS, begin_end, check_kernel, each, word
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, length, numbers


def conv(W: Any, B: None = None, *, auto_pad: str = "NOTSET", dilations: Sequence[int] | None = None, group: int = 1,
         kernel_shape: Sequence[int] | None = None, pads: Sequence[int] | None = None,
         strides: Sequence[int] | None = None) -> LinearMap:
    """y[m, n] = sum_{c,j} W[m, c, j] x[c, n*stride + j*dilation - begin]: ONNX Conv.

    Args:
        W: (M, C/group, *k).
        B: must be None; add a bias to the result (a map is linear).
        auto_pad: "NOTSET" (use pads), "SAME_UPPER" (odd pad behind), "SAME_LOWER" (in front), "VALID".
        dilations: spacing of the taps.
        group: groups of channels.
        kernel_shape: checked against W.
        pads: begins of all axes, then ends.
        strides: of each axis.

    Source: ONNX operator set 22.

    >>> import numpy as np
    >>> conv(np.ones((1, 1, 3, 3)), pads=[1, 0, 1, 0], strides=[2, 2]).on((1, 1, 7, 5)).codomain.shape
    (1, 1, 4, 2)
    """
    name = "onnx.conv"
    ndim = _ndim(W, name, kernel_shape)
    mode = word(auto_pad, AUTO_PADS, name, "auto_pad")
    columns = (each(strides, ndim, name, "strides"), begin_end(pads, ndim, name),
               each(dilations, ndim, name, "dilations"))
    rules = [Rule.of(resolve.onnx_conv, operator=name, stride=s, pads=p, dilation=d, auto_pad=mode)
             for s, p, d in zip(*columns, strict=True)]
    return layer(name, W, CONV["onnx"], rules, channels_first(ndim), groups=integer(group, name, "group", 1), bias=B,
                 argument="W")


def conv_transpose(W: Any, B: None = None, *, auto_pad: str = "NOTSET", dilations: Sequence[int] | None = None,
                   group: int = 1, kernel_shape: Sequence[int] | None = None,
                   output_padding: Sequence[int] | None = None, output_shape: Sequence[int] | None = None,
                   pads: Sequence[int] | None = None, strides: Sequence[int] | None = None) -> LinearMap:
    """y[m, stride*i + dilation*j - begin] += W[c, m, j] x[c, i]: ONNX ConvTranspose.

    stride*(i-1) + output_padding + K - begin - end samples, K = dilation*(k-1) + 1.

    Args:
        W: (C, M/group, *k).
        B: must be None; add a bias to the result (a map is linear).
        auto_pad: "NOTSET" (use pads); "SAME_UPPER" and "SAME_LOWER" give i*stride samples; "VALID".
        dilations: spacing of the taps.
        group: groups of channels.
        kernel_shape: checked against W.
        output_padding: samples appended, fewer than max(stride, dilation).
        output_shape: sizes of the space axes (or of all); pads are then computed, the odd one behind for SAME_UPPER, in
            front for everything else. Where the natural result is shorter, zeros are appended.
        pads: begins of all axes, then ends.
        strides: of each axis.

    Source: ONNX operator set 22; where its text is silent, ONNX Runtime.

    >>> import numpy as np
    >>> up = conv_transpose(np.ones((1, 2, 3, 3)), strides=[3, 2], output_shape=[10, 8])
    >>> up.on((1, 1, 3, 3)).codomain.shape
    (1, 2, 10, 8)
    """
    name = "onnx.conv_transpose"
    ndim = _ndim(W, name, kernel_shape)
    mode = word(auto_pad, AUTO_PADS, name, "auto_pad")
    sizes: tuple[int | None, ...] = (None,) * ndim
    if output_shape is not None:
        if length(output_shape) not in (ndim, ndim + 2):
            raise ShapeError(complaint(name, "output_shape has the wrong number of entries", got=repr(output_shape),
                                       expected=f"{ndim} sizes", fix="give the sizes of the space axes"))
        sizes = integers(tuple(output_shape)[-ndim:], ndim, name, "output_shape", 1)
    columns = (each(strides, ndim, name, "strides"), begin_end(pads, ndim, name),
               each(dilations, ndim, name, "dilations"),
               each(output_padding, ndim, name, "output_padding", 0, 0), sizes)
    rules = [Rule.of(resolve.onnx_transpose, operator=name, stride=s, pads=p, dilation=d, output_padding=a,
                     output_shape=o, auto_pad=mode) for s, p, d, a, o in zip(*columns, strict=True)]
    for s, _, d, a, _ in zip(*columns, strict=True):
        resolve.onnx_transpose(8, 8, stride=s, dilation=d, output_padding=a, operator=name)  # refused at once
    return layer(name, W, CONV_TRANSPOSE["onnx"], rules, channels_first(ndim), groups=integer(group, name, "group", 1),
                 bias=B, argument="W")


def _ndim(weight: Any, name: str, kernel_shape: Any) -> int:
    shape = numbers(weight, name, "W")[0].shape
    if len(shape) < 3:
        raise ShapeError(complaint(name, "W has the wrong rank", got=f"shape {tuple(shape)}",
                                   expected="(channels, channels, *kernel_shape)", fix="give a kernel with a window"))
    check_kernel(kernel_shape, tuple(shape[2:]), name)
    return len(shape) - 2
