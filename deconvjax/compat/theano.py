"""Theano's `conv2d` and `conv2d_transpose`, on (N, C, H, W). Its relations of sizes are in `compat.arithmetic`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.compat import resolve
from deconvjax.compat.core.layer import Rule, channels_first, layer
from deconvjax.compat.core.weights import CONV, CONV_TRANSPOSE
from deconvjax.compat.resolve.common import strided
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, is_pair, length, one_of

Ints = int | Sequence[int]
Border = str | int | Sequence[Any]


def conv2d(filters: Any, border_mode: Border = "valid", subsample: Ints = (1, 1), filter_flip: bool = True,
           filter_dilation: Ints = (1, 1), num_groups: int = 1) -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, -j] x[c, n*stride + j - before]: `theano.tensor.nnet.conv2d`, a true convolution.

    Args:
        filters: (O, I/groups, h, w).
        border_mode: "valid", "full", "half", an int, one int for each axis, or pairs.
        subsample: stride of each axis.
        filter_flip: True (the default) reverses the filters, False slides them as stored.
        filter_dilation: spacing of the taps.
        num_groups: groups of channels.

    Source: Theano 1.0.

    >>> import numpy as np
    >>> conv2d(np.ones((8, 3, 3, 3)), border_mode="full").on((3, 8, 8)).codomain.shape
    (8, 10, 10)
    """
    name = "theano.conv2d"
    columns = (integers(subsample, 2, name, "subsample", 1), _borders(border_mode, name),
               integers(filter_dilation, 2, name, "filter_dilation", 1))
    rules = [Rule.of(_forward, operator=name, stride=s, border_mode=b, dilation=d)
             for s, b, d in zip(*columns, strict=True)]
    return layer(name, filters, CONV["theano" + _flip(filter_flip, name)], rules, channels_first(2),
                 groups=integer(num_groups, name, "num_groups", 1), argument="filters")


def conv2d_transpose(filters: Any, output_shape: Sequence[int | None] | None = None, filter_shape: None = None,
                     border_mode: Border = "valid", input_dilation: Ints = (1, 1), filter_flip: bool = True,
                     filter_dilation: Ints = (1, 1), num_groups: int = 1) -> LinearMap:
    """y[o, stride*i + dilation*j - before] += w[c, o, -j] x[c, i]: `theano.tensor.nnet.conv2d_transpose`.

    The transpose of `conv2d` with the same filters and border_mode, and input_dilation for its subsample.

    Args:
        filters: (I, O/groups, h, w).
        output_shape: shape of the output, all four axes or the two of space. Needed where input_dilation > 1, because
            several sizes then have the same transpose.
        filter_shape: not needed here.
        border_mode: that of `conv2d`.
        input_dilation: stride of the forward convolution.
        filter_flip: True (the default) means that the forward convolution reverses its filters.
        filter_dilation: spacing of the taps.
        num_groups: groups of channels.

    Raises:
        ShapeError: an output_shape whose convolution does not give the input, or none where one is needed.

    Source: Theano 1.0.

    >>> import numpy as np
    >>> up = conv2d_transpose(np.ones((8, 3, 4, 4)), (None, None, 32, 32), border_mode=(1, 1), input_dilation=(2, 2))
    >>> up.on((8, 16, 16)).codomain.shape
    (3, 32, 32)
    """
    name = "theano.conv2d_transpose"
    stride = integers(input_dilation, 2, name, "input_dilation", 1)
    sizes: tuple[int | None, ...] = (None, None)
    if output_shape is not None:
        if length(output_shape) not in (2, 4):
            raise ShapeError(complaint(name, "output_shape must have 4 elements (or the 2 of space)",
                                       got=repr(output_shape), expected="(batch, channels, rows, columns)",
                                       fix="give the shape of the output"))
        sizes = tuple(None if n is None else integer(n, name, "output_shape", 1) for n in output_shape[-2:])
    if any(s > 1 and n is None for s, n in zip(stride, sizes, strict=True)):
        raise ShapeError(complaint(name, "output_shape is required when input_dilation > 1", got=f"{output_shape}",
                                   expected="the rows and columns of the output",
                                   fix="give output_shape=(None, None, rows, columns)"))
    columns = (stride, _borders(border_mode, name), integers(filter_dilation, 2, name, "filter_dilation", 1), sizes)
    rules = [Rule.of(resolve.theano_transpose, operator=name, stride=s, border_mode=b, dilation=d, output_shape=o)
             for s, b, d, o in zip(*columns, strict=True)]
    return layer(name, filters, CONV_TRANSPOSE["theano" + _flip(filter_flip, name)], rules, channels_first(2),
                 groups=integer(num_groups, name, "num_groups", 1), argument="filters")


def _forward(size: int, window: int, *, stride: int, border_mode: Any, dilation: int, operator: str) -> Any:
    taps = resolve.dilated(window, dilation)
    words: dict[str, resolve.Pads] = {"valid": (0, 0), "half": (taps // 2, taps // 2),
                                      "full": (taps - 1, taps - 1)}
    pads = words[border_mode] if isinstance(border_mode, str) else border_mode
    return strided(operator, size, window, stride, dilation, pads)


def _borders(border_mode: Border, name: str) -> tuple[Any, ...]:
    """A word or a pair for each of the two axes."""
    if isinstance(border_mode, str):
        return (one_of(border_mode, ("valid", "full", "half"), name, "border_mode", ", an int or pairs"),) * 2
    if length(border_mode) is None:
        border_mode = (border_mode,) * 2  # type: ignore[assignment]
    if length(border_mode) != 2:
        raise ShapeError(complaint(name, "invalid border_mode", got=repr(border_mode),
                                   expected="one entry for each axis",
                                   fix="use 'valid', 'half', 'full', an int, two ints or two pairs"))
    each = [entry if is_pair(entry) else (entry, entry) for entry in border_mode]  # type: ignore[union-attr]
    return tuple(tuple(integer(n, name, "border_mode", 0) for n in pair) for pair in each)


def _flip(filter_flip: bool, name: str) -> str:
    if not isinstance(filter_flip, bool):
        raise TypeError(complaint(name, "filter_flip is a switch", got=repr(filter_flip), expected="True or False",
                                  fix="use filter_flip=True for a true convolution"))
    return "" if filter_flip else "/filter_flip=False"
