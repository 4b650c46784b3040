"""PyTorch's convolutions on PyTorch's layout (N, C, *space), unbatched (C, *space) included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.compat import resolve
from deconvjax.compat.core.layer import Rule, channels_first, layer
from deconvjax.compat.core.weights import CONV, CONV_TRANSPOSE
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, length

Ints = int | Sequence[int]


def conv1d(weight: Any, bias: None = None, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
           groups: int = 1) -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] x[c, n*stride + j*dilation - padding]: `torch.nn.functional.conv1d`.

    >>> import numpy as np
    >>> conv1d(np.ones((8, 3, 5)), stride=2, padding=2).on((4, 3, 16)).codomain.shape
    (4, 8, 8)
    """
    return _conv(1, weight, bias, stride, padding, dilation, groups)


def conv2d(weight: Any, bias: None = None, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
           groups: int = 1) -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] x[c, n*stride + j*dilation - padding]: `torch.nn.functional.conv2d`.

    Args:
        weight: (O, I/groups, kh, kw).
        bias: must be None; add a bias to the result (a map is linear).
        stride: int or one for each axis, as for the other arguments.
        padding: zeros on both sides; "valid", or "same" (stride 1), which puts the odd sample behind.
        dilation: spacing of the taps.
        groups: groups of channels.

    Shapes: (N, C, H, W) or (C, H, W), with any leading batch axes. Source: PyTorch 2.13.

    >>> import numpy as np
    >>> conv2d(np.ones((8, 3, 3, 3)), padding="same").on((4, 3, 16, 16)).codomain.shape
    (4, 8, 16, 16)
    """
    return _conv(2, weight, bias, stride, padding, dilation, groups)


def conv3d(weight: Any, bias: None = None, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
           groups: int = 1) -> LinearMap:
    """y[o, n] = sum_{c,j} w[o, c, j] x[c, n*stride + j*dilation - padding]: `torch.nn.functional.conv3d`.

    >>> import numpy as np
    >>> conv3d(np.ones((8, 3, 3, 3, 3))).on((3, 6, 6, 6)).codomain.shape
    (8, 4, 4, 4)
    """
    return _conv(3, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(weight: Any, bias: None = None, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
                     groups: int = 1, dilation: Ints = 1, *, output_size: Ints | None = None) -> LinearMap:
    """y[o, stride*i + dilation*j - padding] += w[c, o, j] x[c, i]: `torch.nn.functional.conv_transpose1d`.

    Arguments as `conv_transpose2d`'s.

    >>> import numpy as np
    >>> print(conv_transpose1d(np.array([[[1, 2, 3]]]), stride=2, padding=1, output_padding=1)(np.array([[1, 10]])))
    [[ 2 13 20 30]]
    """
    return _transpose(1, weight, bias, stride, padding, output_padding, groups, dilation, output_size)


def conv_transpose2d(weight: Any, bias: None = None, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
                     groups: int = 1, dilation: Ints = 1, *, output_size: Ints | None = None) -> LinearMap:
    """y[o, stride*i + dilation*j - padding] += w[c, o, j] x[c, i]: `torch.nn.functional.conv_transpose2d`.

    The transpose of `conv2d` with the same weight and arguments; (i-1)*stride - 2*padding + K + output_padding samples,
    K = dilation*(k-1) + 1.

    Args:
        weight: (I, O/groups, kh, kw).
        bias: must be None; add a bias to the result (a map is linear).
        stride: int or one for each axis, as for the other arguments.
        padding: samples cropped off both sides of the full result.
        output_padding: samples appended, fewer than max(stride, dilation).
        groups: groups of channels.
        dilation: spacing of the taps.
        output_size: as `torch.nn.ConvTranspose2d(...)(x, output_size)`: chooses output_padding. Sizes of the space
            axes, or of all.

    Shapes: (N, C, H, W) or (C, H, W), with any leading batch axes.

    Raises:
        ShapeError: what PyTorch refuses, and an empty result. NotLinearError: a bias.

    Source: PyTorch 2.13.

    >>> import numpy as np
    >>> up = conv_transpose2d(np.ones((8, 3, 4, 4)), stride=2, padding=1)
    >>> up.on((1, 8, 16, 16)).codomain.shape, up.on((8, 5, 5)).codomain.shape
    ((1, 3, 32, 32), (3, 10, 10))
    """
    return _transpose(2, weight, bias, stride, padding, output_padding, groups, dilation, output_size)


def conv_transpose3d(weight: Any, bias: None = None, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
                     groups: int = 1, dilation: Ints = 1, *, output_size: Ints | None = None) -> LinearMap:
    """y[o, stride*i + dilation*j - padding] += w[c, o, j] x[c, i]: `torch.nn.functional.conv_transpose3d`.

    Arguments as `conv_transpose2d`'s.

    >>> import numpy as np
    >>> conv_transpose3d(np.ones((8, 3, 2, 2, 2)), stride=2).on((8, 4, 4, 4)).codomain.shape
    (3, 8, 8, 8)
    """
    return _transpose(3, weight, bias, stride, padding, output_padding, groups, dilation, output_size)


def _conv(ndim: int, weight: Any, bias: Any, stride: Ints, padding: Any, dilation: Ints, groups: int) -> LinearMap:
    name = f"torch.conv{ndim}d"
    paddings = (padding,) * ndim if isinstance(padding, str) else _each(padding, ndim, name, "padding", 0)
    rules = [Rule.of(resolve.torch_conv, operator=name, stride=s, padding=p, dilation=d)
             for s, p, d in zip(_each(stride, ndim, name, "stride", 1), paddings,
                                _each(dilation, ndim, name, "dilation", 1), strict=True)]
    if padding == "same":
        rules[0].place(1 << 20, 1)  # refuses a stride now, not when bound
    return layer(name, weight, CONV["torch"], rules, channels_first(ndim), groups=integer(groups, name, "groups", 1),
                 bias=bias)


def _transpose(ndim: int, weight: Any, bias: Any, stride: Ints, padding: Ints, output_padding: Ints, groups: int,
               dilation: Ints, output_size: Ints | None) -> LinearMap:
    name = f"torch.conv_transpose{ndim}d"
    columns = (_each(stride, ndim, name, "stride", 1), _each(padding, ndim, name, "padding", 0),
               _each(output_padding, ndim, name, "output_padding", 0), _each(dilation, ndim, name, "dilation", 1),
               _sizes(output_size, ndim, name))
    for s, _, a, d, o in zip(*columns, strict=True):
        if o is None and a >= max(s, d):
            resolve.torch_transpose(1, 1, stride=s, output_padding=a, dilation=d, operator=name)  # refuses
    rules = [Rule.of(resolve.torch_transpose, operator=name, stride=s, padding=p, output_padding=a, dilation=d,
                     output_size=o) for s, p, a, d, o in zip(*columns, strict=True)]
    return layer(name, weight, CONV_TRANSPOSE["torch"], rules, channels_first(ndim),
                 groups=integer(groups, name, "groups", 1), bias=bias)


def _each(value: Ints, ndim: int, name: str, argument: str, minimum: int | None = None) -> tuple[int, ...]:
    """One int for each axis; torch also takes a sequence of one for all axes."""
    if length(value) == 1:
        value = value[0]  # type: ignore[index]
    return integers(value, ndim, name, argument, minimum)


def _sizes(output_size: Ints | None, ndim: int, name: str) -> tuple[int | None, ...]:
    """The space part of an output_size, which may hold channels and batch too."""
    if output_size is None:
        return (None,) * ndim
    count = length(output_size)
    if count is None or count not in (ndim, ndim + 1, ndim + 2):
        raise ShapeError(complaint(name, f"output_size must have {ndim}, {ndim + 1} or {ndim + 2} elements",
                                   got=repr(output_size), expected=f"{ndim} sizes, or the shape of the output",
                                   fix="give one size for each space axis"))
    return integers(tuple(output_size)[-ndim:], ndim, name, "output_size", 1)  # type: ignore[arg-type]
