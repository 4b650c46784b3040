"""cuDNN's convolution backward data, on (N, C, *space): symmetric pads, the output descriptor says the size."""

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


def convolution_backward_data(w: Any, out: Ints, stride: Ints = 1, pad: Ints = 0, dilation: Ints = 1,
                              groups: int = 1) -> LinearMap:
    """dx[c, stride*i + dilation*j - pad] += w[o, c, j] dy[o, i]: `cudnnConvolutionBackwardData`.

    Args:
        w: the forward filter (K, C/groups, *k); here K are the channels that come in.
        out: sizes of the space axes of dx.
        stride: int or one for each axis, as for the other arguments.
        pad: zeros on both sides of the forward convolution.
        dilation: spacing of the taps.
        groups: groups of channels.

    Source: cuDNN 9.

    >>> import numpy as np
    >>> convolution_backward_data(np.ones((8, 3, 4, 4)), (32, 32), 2, 1).on((8, 16, 16)).codomain.shape
    (3, 32, 32)
    """
    name = "cudnn.convolution_backward_data"
    ndim = numbers(w, name, "w")[0].ndim - 2
    if ndim < 1:
        raise ShapeError(complaint(name, "w has the wrong rank", got=f"{ndim + 2} axes", expected="(K, C/groups, *k)",
                                   fix="give a filter with a window"))
    columns = (integers(stride, ndim, name, "stride", 1), integers(pad, ndim, name, "pad", 0),
               integers(dilation, ndim, name, "dilation", 1), integers(out, ndim, name, "out", 1))
    rules = [Rule.of(resolve.cudnn_backward_data, operator=name, stride=s, pad=p, dilation=d, out=o)
             for s, p, d, o in zip(*columns, strict=True)]
    return layer(name, w, CONV_TRANSPOSE["cudnn"], rules, channels_first(ndim),
                 groups=integer(groups, name, "groups", 1), argument="w")
