"""oneDNN's deconvolution forward, on (N, C, *space). Its dilation counts from zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.compat import resolve
from deconvjax.compat.core.layer import Rule, channels_first, layer
from deconvjax.compat.core.weights import CONV_TRANSPOSE
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, numbers

Ints = int | Sequence[int]


def deconvolution(weights: Any, dst: Ints, strides: Ints = 1, padding_l: Ints = 0, padding_r: Ints = 0,
                  dilates: Ints = 0, groups: int = 1) -> LinearMap:
    """y[o, stride*i + (dilate+1)*j - padding_l] += w[o, c, j] x[c, i]: `dnnl::deconvolution_forward`.

    Args:
        weights: (O, I, *k), or (groups, O/groups, I/groups, *k).
        dst: sizes of the space axes of the output.
        strides: int or one for each axis, as for the other arguments.
        padding_l: samples cropped in front.
        padding_r: samples cropped behind; with dst it must give the input's size.
        dilates: spacing of the taps less one.
        groups: groups of channels.

    Source: oneDNN 3.

    >>> import numpy as np
    >>> deconvolution(np.ones((3, 8, 4, 4)), (32, 32), 2, 1, 1).on((8, 16, 16)).codomain.shape
    (3, 32, 32)
    """
    name = "onednn.deconvolution"
    groups = integer(groups, name, "groups", 1)
    ndim = numbers(weights, name, "weights")[0].ndim - 2 - (groups != 1)
    if ndim < 1:
        raise ShapeError(complaint(name, "weights have the wrong rank", got=f"{ndim + 2} axes",
                                   expected="(O, I, *k) or (g, O/g, I/g, *k)", fix="give weights with a window"))
    columns = (integers(strides, ndim, name, "strides", 1), integers(padding_l, ndim, name, "padding_l", 0),
               integers(padding_r, ndim, name, "padding_r", 0), integers(dilates, ndim, name, "dilates", 0),
               integers(dst, ndim, name, "dst", 1))
    rules = [Rule.of(resolve.onednn_deconvolution, operator=name, stride=s, pad_left=a, pad_right=b, dilation=d, dst=o)
             for s, a, b, d, o in zip(*columns, strict=True)]
    return layer(name, weights, CONV_TRANSPOSE["onednn"], rules, channels_first(ndim), groups=groups,
                 argument="weights")
