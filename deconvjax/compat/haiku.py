"""Haiku's ConvND and ConvNDTranspose: the modules' linear parts, called with the modules' arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deconvjax.algebra import LinearMap
from deconvjax.compat import resolve
from deconvjax.compat.core.layer import Rule, channels_first, channels_last, layer
from deconvjax.compat.core.weights import CONV, CONV_TRANSPOSE
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, numbers, one_of, pairs

Ints = int | Sequence[int]


def ConvND(w: Any, stride: Ints = 1, rate: Ints = 1, padding: str | Sequence[tuple[int, int]] = "SAME",
           data_format: str = "channels_last", mask: Any = None, feature_group_count: int = 1) -> LinearMap:
    """y[n, o] = sum_{j,c} w[j, c, o] x[n*stride + j*rate - lo, c]: `haiku.ConvND` without its bias.

    >>> import numpy as np
    >>> ConvND(np.ones((3, 3, 4, 8)), stride=2).on((1, 15, 15, 4)).codomain.shape
    (1, 8, 8, 8)
    """
    name = "haiku.ConvND"
    w, ndim = _masked(w, mask, name)
    columns = (integers(stride, ndim, name, "stride", 1), _paddings(padding, ndim, name),
               integers(rate, ndim, name, "rate", 1))
    if ndim and max(columns[0]) > 1 and max(columns[2]) > 1:
        raise ShapeError(complaint(name, "stride and rate cannot both be greater than 1",
                                   got=f"stride={columns[0]}, rate={columns[2]}", expected="one of them 1",
                                   fix="deconvjax.conv takes both"))
    rules = [Rule.of(resolve.lax_conv, operator=name, stride=s, padding=p, dilation=d)
             for s, p, d in zip(*columns, strict=True)]
    groups = integer(feature_group_count, name, "feature_group_count", 1)
    return layer(name, w, CONV["haiku"], rules, _read(data_format, ndim, name), groups=groups, argument="w")


def ConvNDTranspose(w: Any, stride: Ints = 1, output_shape: Ints | None = None,
                    padding: str | Sequence[tuple[int, int]] = "SAME", data_format: str = "channels_last",
                    mask: Any = None) -> LinearMap:
    """y[n, o] = sum_{j,c} w[j, o, c] z[n + j - lo, c]: `haiku.ConvNDTranspose`, `Conv{1,2,3}DTranspose` without bias.

    z is x with stride - 1 zeros between its samples.

    Args:
        w: (*k, O, I), as `params["w"]`; the window is not reversed.
        stride: int or one for each axis.
        output_shape: sizes of the space axes; then the pads are those of the forward "SAME" or "VALID" convolution.
        padding: "SAME" (i*stride), "VALID" (i*stride + max(k - stride, 0)), or pairs of z.
        data_format: "channels_last", "channels_first", or names such as "NHWC", "NCHW".
        mask: multiplied onto w.

    Source: Haiku 0.0.17.

    >>> import numpy as np
    >>> ConvNDTranspose(np.ones((5, 48, 16)), 3, output_shape=25).on((9, 16)).codomain.shape
    (25, 48)
    """
    name = "haiku.ConvNDTranspose"
    w, ndim = _masked(w, mask, name)
    sizes = (None,) * ndim if output_shape is None else integers(output_shape, ndim, name, "output_shape", 1)
    if output_shape is not None and not isinstance(padding, str):
        raise ShapeError(complaint(name, "when specifying `output_shape`, padding must be 'VALID' or 'SAME'",
                                   got=repr(padding), expected="'VALID' or 'SAME'", fix="drop one of the two"))
    columns = (integers(stride, ndim, name, "stride", 1), _paddings(padding, ndim, name), sizes)
    rules = [Rule.of(resolve.haiku_transpose, operator=name, stride=s, padding=p, output_shape=o)
             for s, p, o in zip(*columns, strict=True)]
    return layer(name, w, CONV_TRANSPOSE["haiku"], rules, _read(data_format, ndim, name), argument="w")


def Conv1DTranspose(w: Any, stride: Ints = 1, output_shape: Ints | None = None,
                    padding: str | Sequence[tuple[int, int]] = "SAME", data_format: str = "NWC",
                    mask: Any = None) -> LinearMap:
    """y[n, o] = sum_{j,c} w[j, o, c] z[n + j - lo, c]: `haiku.Conv1DTranspose`, a `ConvNDTranspose` of 1 axes.

    >>> import numpy as np
    >>> Conv1DTranspose(np.ones((4, 3, 8)), 2).on((1, 16, 8)).codomain.shape
    (1, 32, 3)
    """
    _rank(w, 1, "haiku.Conv1DTranspose")
    return ConvNDTranspose(w, stride, output_shape, padding, data_format, mask)


def Conv2DTranspose(w: Any, stride: Ints = 1, output_shape: Ints | None = None,
                    padding: str | Sequence[tuple[int, int]] = "SAME", data_format: str = "NHWC",
                    mask: Any = None) -> LinearMap:
    """y[n, o] = sum_{j,c} w[j, o, c] z[n + j - lo, c]: `haiku.Conv2DTranspose`, a `ConvNDTranspose` of 2 axes.

    >>> import numpy as np
    >>> Conv2DTranspose(np.ones((4, 4, 3, 8)), 2).on((1, 16, 16, 8)).codomain.shape
    (1, 32, 32, 3)
    """
    _rank(w, 2, "haiku.Conv2DTranspose")
    return ConvNDTranspose(w, stride, output_shape, padding, data_format, mask)


def Conv3DTranspose(w: Any, stride: Ints = 1, output_shape: Ints | None = None,
                    padding: str | Sequence[tuple[int, int]] = "SAME", data_format: str = "NDHWC",
                    mask: Any = None) -> LinearMap:
    """y[n, o] = sum_{j,c} w[j, o, c] z[n + j - lo, c]: `haiku.Conv3DTranspose`, a `ConvNDTranspose` of 3 axes.

    >>> import numpy as np
    >>> Conv3DTranspose(np.ones((4, 4, 4, 3, 8)), 2).on((1, 16, 16, 16, 8)).codomain.shape
    (1, 32, 32, 32, 3)
    """
    _rank(w, 3, "haiku.Conv3DTranspose")
    return ConvNDTranspose(w, stride, output_shape, padding, data_format, mask)


def _rank(w: Any, ndim: int, name: str) -> None:
    found = numbers(w, name, "w")[0].ndim - 2
    if found != ndim:
        raise ShapeError(complaint(name, "w has the wrong rank", got=f"{found} space axes", expected=f"{ndim}",
                                   fix="use the function for that many axes"))


def _masked(w: Any, mask: Any, name: str) -> tuple[Any, int]:
    array, _ = numbers(w, name, "w")
    if array.ndim < 3:
        raise ShapeError(complaint(name, "w has the wrong rank", got=f"{array.ndim} axes",
                                   expected="(*window, channels, channels)", fix="give a kernel with a window"))
    if mask is not None and np.shape(mask) != tuple(array.shape):
        raise ShapeError(complaint(name, "mask needs to have the same shape as weights", got=np.shape(mask),
                                   expected=tuple(array.shape), fix="give a mask for the whole kernel"))
    return (w if mask is None else array * mask), array.ndim - 2


def _paddings(padding: Any, ndim: int, name: str) -> tuple[Any, ...]:
    if isinstance(padding, str):
        return (one_of(padding, ("SAME", "VALID", "same", "valid", "SAME_LOWER"), name, "padding", " or pairs"),) * ndim
    return pairs(padding, ndim, name, "padding")


def _read(data_format: str, ndim: int, name: str) -> tuple[int, ...]:
    """Haiku takes any name that says where C is."""
    first = data_format == "channels_first" or (isinstance(data_format, str) and data_format[1:2] == "C")
    last = data_format == "channels_last" or (isinstance(data_format, str) and len(data_format) > 1
                                              and data_format.endswith("C"))
    if first == last:
        raise ShapeError(complaint(name, "unable to extract the channel index from data_format", got=repr(data_format),
                                   expected="'channels_last', 'channels_first', 'NHWC', 'NCHW', ...",
                                   fix="use 'channels_last'"))
    return channels_first(ndim) if first else channels_last(ndim)
