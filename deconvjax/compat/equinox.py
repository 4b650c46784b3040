"""Equinox's Conv and ConvTranspose on (C, *space): the layers' linear parts, called with the layers' arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.compat import resolve
from deconvjax.compat.core.layer import Rule, channels_first, layer
from deconvjax.compat.core.weights import CONV, CONV_TRANSPOSE
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, is_pair, length, numbers, one_of

Ints = int | Sequence[int]
Padding = str | int | Sequence[Any]


def Conv(weight: Any, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, groups: int = 1) -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] x[c, n*stride + j*dilation - p0]: `equinox.nn.Conv` without its bias.

    Arguments as `ConvTranspose`'s, zero padding only.

    >>> import numpy as np
    >>> Conv(np.ones((8, 4, 3, 3)), stride=2, padding=1).on((4, 16, 16)).codomain.shape
    (8, 8, 8)
    """
    name = "equinox.Conv"
    ndim = _ndim(weight, name)
    columns = (integers(stride, ndim, name, "stride", 1), _paddings(padding, ndim, name),
               integers(dilation, ndim, name, "dilation", 1))
    rules = [Rule.of(resolve.lax_conv, operator=name, stride=s, padding=p, dilation=d)
             for s, p, d in zip(*columns, strict=True)]
    return layer(name, weight, CONV["equinox"], rules, channels_first(ndim),
                 groups=integer(groups, name, "groups", 1))


def ConvTranspose(weight: Any, stride: Ints = 1, padding: Padding = 0, output_padding: Ints = 0, dilation: Ints = 1,
                  groups: int = 1, padding_mode: str = "ZEROS") -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] z[c, n + j*dilation - (K-1-p0)]: `equinox.nn.ConvTranspose{1,2,3}d` without bias.

    z is x with stride - 1 zeros between its samples; the pads (p0, p1) are those of the forward convolution.

    Args:
        weight: (O, I/groups, *k), as `layer.weight`, not reversed.
        stride: int or one for each axis.
        padding: int, ints, pairs, "VALID", "SAME" (i*stride - output_padding samples) or "SAME_LOWER".
        output_padding: less than the stride.
        dilation: spacing of the taps.
        groups: groups of channels.
        padding_mode: "ZEROS", or "CIRCULAR" with "SAME": the transpose of the periodic convolution.

    Source: Equinox 0.13.

    >>> import numpy as np
    >>> up = ConvTranspose(np.arange(9).reshape(1, 1, 3, 3), padding=1)
    >>> print(up(np.arange(-4, 5).reshape(1, 3, 3))[0] + 1)
    [[-37 -31  -9]
     [ 25  61  49]
     [ 23  41  27]]
    """
    name = "equinox.ConvTranspose"
    ndim = _ndim(weight, name)
    mode = one_of(padding_mode.upper() if isinstance(padding_mode, str) else padding_mode, ("ZEROS", "CIRCULAR"), name,
                  "padding_mode", " (REFLECT and REPLICATE are not implemented by Equinox)")
    columns = (integers(stride, ndim, name, "stride", 1), _paddings(padding, ndim, name),
               integers(output_padding, ndim, name, "output_padding", 0), integers(dilation, ndim, name, "dilation", 1))
    rules = [Rule.of(resolve.equinox_transpose, operator=name, stride=s, padding=p, output_padding=a, dilation=d,
                     padding_mode=mode) for s, p, a, d in zip(*columns, strict=True)]
    for s, _, a, _ in zip(*columns, strict=True):
        resolve.equinox_transpose(8, 8, stride=s, output_padding=a, operator=name)  # a < s is refused now
    if mode == "CIRCULAR":
        rules[0].place(64, 1)
    return layer(name, weight, CONV_TRANSPOSE["equinox"], rules, channels_first(ndim),
                 groups=integer(groups, name, "groups", 1))


def Conv1d(weight: Any, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, groups: int = 1) -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] x[c, n*stride + j*dilation - p0]: `equinox.nn.Conv1d`, a `Conv` of 1 axes.

    >>> import numpy as np
    >>> Conv1d(np.ones((8, 4, 4)), 2, 1).on((4, 16)).codomain.shape
    (8, 8)
    """
    _rank(weight, 1, "equinox.Conv1d")
    return Conv(weight, stride, padding, dilation, groups)


def ConvTranspose1d(weight: Any, stride: Ints = 1, padding: Padding = 0, output_padding: Ints = 0,
                    dilation: Ints = 1, groups: int = 1, padding_mode: str = "ZEROS") -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] z[c, n + j*dilation - lo]: `equinox.nn.ConvTranspose1d`, of 1 axes.

    >>> import numpy as np
    >>> ConvTranspose1d(np.ones((8, 4, 4)), 2, 1).on((4, 16)).codomain.shape
    (8, 32)
    """
    _rank(weight, 1, "equinox.ConvTranspose1d")
    return ConvTranspose(weight, stride, padding, output_padding, dilation, groups, padding_mode)


def Conv2d(weight: Any, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, groups: int = 1) -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] x[c, n*stride + j*dilation - p0]: `equinox.nn.Conv2d`, a `Conv` of 2 axes.

    >>> import numpy as np
    >>> Conv2d(np.ones((8, 4, 4, 4)), 2, 1).on((4, 16, 16)).codomain.shape
    (8, 8, 8)
    """
    _rank(weight, 2, "equinox.Conv2d")
    return Conv(weight, stride, padding, dilation, groups)


def ConvTranspose2d(weight: Any, stride: Ints = 1, padding: Padding = 0, output_padding: Ints = 0,
                    dilation: Ints = 1, groups: int = 1, padding_mode: str = "ZEROS") -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] z[c, n + j*dilation - lo]: `equinox.nn.ConvTranspose2d`, of 2 axes.

    >>> import numpy as np
    >>> ConvTranspose2d(np.ones((8, 4, 4, 4)), 2, 1).on((4, 16, 16)).codomain.shape
    (8, 32, 32)
    """
    _rank(weight, 2, "equinox.ConvTranspose2d")
    return ConvTranspose(weight, stride, padding, output_padding, dilation, groups, padding_mode)


def Conv3d(weight: Any, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, groups: int = 1) -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] x[c, n*stride + j*dilation - p0]: `equinox.nn.Conv3d`, a `Conv` of 3 axes.

    >>> import numpy as np
    >>> Conv3d(np.ones((8, 4, 4, 4, 4)), 2, 1).on((4, 16, 16, 16)).codomain.shape
    (8, 8, 8, 8)
    """
    _rank(weight, 3, "equinox.Conv3d")
    return Conv(weight, stride, padding, dilation, groups)


def ConvTranspose3d(weight: Any, stride: Ints = 1, padding: Padding = 0, output_padding: Ints = 0,
                    dilation: Ints = 1, groups: int = 1, padding_mode: str = "ZEROS") -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] z[c, n + j*dilation - lo]: `equinox.nn.ConvTranspose3d`, of 3 axes.

    >>> import numpy as np
    >>> ConvTranspose3d(np.ones((8, 4, 4, 4, 4)), 2, 1).on((4, 16, 16, 16)).codomain.shape
    (8, 32, 32, 32)
    """
    _rank(weight, 3, "equinox.ConvTranspose3d")
    return ConvTranspose(weight, stride, padding, output_padding, dilation, groups, padding_mode)


def _ndim(weight: Any, name: str) -> int:
    ndim = numbers(weight, name, "weight")[0].ndim - 2
    if ndim < 1:
        raise ShapeError(complaint(name, "weight has the wrong rank", got=f"{ndim + 2} axes",
                                   expected="(channels, channels, *window)", fix="give a weight with a window"))
    return ndim


def _rank(weight: Any, ndim: int, name: str) -> None:
    found = _ndim(weight, name)
    if found != ndim:
        raise ShapeError(complaint(name, "weight has the wrong rank", got=f"{found} space axes", expected=f"{ndim}",
                                   fix=f"use the function for {found} axes"))


def _paddings(padding: Padding, ndim: int, name: str) -> tuple[Any, ...]:
    if isinstance(padding, str):
        words = ("SAME", "SAME_LOWER", "VALID")
        return (one_of(padding.upper(), words, name, "padding", ", an int, ints or pairs"),) * ndim
    entries = (padding,) * ndim if length(padding) is None else tuple(padding)  # type: ignore[arg-type]
    if len(entries) != ndim:
        raise ShapeError(complaint(name, "`padding` has the wrong length", got=repr(padding),
                                   expected=f"a string, an int, or {ndim} ints or pairs", fix="give one for each axis"))
    each = [entry if is_pair(entry) else (entry, entry) for entry in entries]
    return tuple(tuple(integer(n, name, "padding") for n in pair) for pair in each)  # type: ignore[union-attr]
