"""Flax's Conv and ConvTranspose (linen and nnx): the layers' linear parts, called with the layers' arguments.

`deconvjax.nn` has layers to put in their place; this module reads what they compute as a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.compat import resolve
from deconvjax.compat.core.layer import Rule, channels_last, layer
from deconvjax.compat.core.weights import CONV, CONV_TRANSPOSE
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, is_pair, length, numbers, one_of

Ints = int | Sequence[int]
Padding = str | int | Sequence[Any]

_TRANSPOSED = ("SAME", "VALID", "CIRCULAR", "CAUSAL", "SAME_LOWER")
_FORWARD = ("SAME", "SAME_LOWER", "VALID", "CIRCULAR", "CAUSAL")


def Conv(kernel: Any, strides: Ints | None = 1, padding: Padding = "SAME", input_dilation: Ints | None = 1,
         kernel_dilation: Ints | None = 1, feature_group_count: int = 1, precision: Any = None) -> LinearMap:
    """y[n, o] = sum_{j,c} w[j, c, o] z[n*stride + j*dilation - lo, c]: `flax.nnx.Conv` without its bias.

    Args:
        kernel: (*k, I/groups, O), as `layer.kernel`.
        strides: int or one for each axis.
        padding: "SAME", "SAME_LOWER", "VALID", "CIRCULAR", "CAUSAL" (one axis), an int, ints or pairs.
        input_dilation: z has input_dilation - 1 zeros between the samples of x.
        kernel_dilation: spacing of the taps.
        feature_group_count: groups of channels.
        precision: of the products.

    Source: Flax 0.12.

    >>> import numpy as np
    >>> Conv(np.ones((3, 3, 4, 8)), strides=2).on((1, 15, 15, 4)).codomain.shape
    (1, 8, 8, 8)
    """
    name = "flax.Conv"
    ndim = _ndim(kernel, name)
    columns = (_ints(strides, ndim, name, "strides"), _paddings(padding, ndim, name, _FORWARD),
               _ints(input_dilation, ndim, name, "input_dilation"),
               _ints(kernel_dilation, ndim, name, "kernel_dilation"))
    if padding == "CAUSAL" and ndim != 1:
        raise ShapeError(complaint(name, "causal padding is only implemented for 1D convolutions", got=f"{ndim} axes",
                                   expected="one space axis", fix="give explicit pairs"))
    rules = [Rule.of(resolve.flax_conv, operator=name, stride=s, padding=p, input_dilation=u, dilation=d)
             for s, p, u, d in zip(*columns, strict=True)]
    groups = integer(feature_group_count, name, "feature_group_count", 1)
    return layer(name, kernel, CONV["flax"], rules, channels_last(ndim), groups=groups, precision=precision,
                 argument="kernel")


def ConvTranspose(kernel: Any, strides: Ints | None = None, padding: Padding = "SAME",
                  kernel_dilation: Ints | None = None, transpose_kernel: bool = False,
                  precision: Any = None) -> LinearMap:
    """y[n, o] = sum_{j,c} w[j, c, o] z[n + j*dilation - lo, c]: `flax.nnx.ConvTranspose` without its bias.

    z is x with strides - 1 zeros between its samples. "SAME" gives i*stride samples, "VALID" i*stride + max(K-stride,
    0), an int p or pairs pad z (torch's padding p is K-1-p here); "CIRCULAR" folds VALID to i*stride samples.

    Args:
        kernel: (*k, I, O), or (*k, O, I) with transpose_kernel.
        strides: int or one for each axis; None is 1.
        padding: as above.
        kernel_dilation: spacing of the taps.
        transpose_kernel: the kernel is that of the forward convolution.
        precision: of the products.

    Source: Flax 0.12. Its "CIRCULAR" with transpose_kernel is not the transpose of its Conv for every stride: it is
    shifted by one sample (stride 1 with an even kernel, stride 3 with an odd one). This map repeats Flax;
    `deconvjax.conv_transpose` is exact.

    >>> import numpy as np
    >>> ConvTranspose(np.ones((4, 4, 8, 3)), strides=2).on((1, 16, 16, 8)).codomain.shape
    (1, 32, 32, 3)
    """
    name = "flax.ConvTranspose"
    ndim = _ndim(kernel, name)
    columns = (_ints(strides, ndim, name, "strides"), _paddings(padding, ndim, name, _TRANSPOSED),
               _ints(kernel_dilation, ndim, name, "kernel_dilation"))
    rules = [Rule.of(resolve.flax_transpose, operator=name, stride=s, padding=p, dilation=d,
                     transpose_kernel=bool(transpose_kernel)) for s, p, d in zip(*columns, strict=True)]
    if padding == "CAUSAL":
        rules[0].place(8, 1)  # refused now, not when bound
    storage = CONV_TRANSPOSE["flax/transpose_kernel=True" if transpose_kernel else "flax"]
    return layer(name, kernel, storage, rules, channels_last(ndim), precision=precision, argument="kernel")


def _ndim(kernel: Any, name: str) -> int:
    ndim = numbers(kernel, name, "kernel")[0].ndim - 2
    if ndim < 1:
        raise ShapeError(complaint(name, "kernel has the wrong rank", got=f"{ndim + 2} axes",
                                   expected="(*window, channels, channels)", fix="give a kernel with a window"))
    return ndim


def _ints(value: Ints | None, ndim: int, name: str, argument: str) -> tuple[int, ...]:
    return integers(1 if value is None else value, ndim, name, argument, 1)


def _paddings(padding: Padding, ndim: int, name: str, words: tuple[str, ...]) -> tuple[Any, ...]:
    if isinstance(padding, str):
        return (one_of(padding, words, name, "padding", ", an int, ints or pairs"),) * ndim
    entries = (padding,) * ndim if length(padding) is None else tuple(padding)  # type: ignore[arg-type]
    if len(entries) != ndim:
        raise ShapeError(complaint(name, "invalid padding format", got=repr(padding),
                                   expected=f"a str, an int, or a sequence of {ndim} ints or pairs of ints",
                                   fix="give one entry for each space axis"))
    each = [entry if is_pair(entry) else (entry, entry) for entry in entries]
    return tuple(tuple(integer(n, name, "padding") for n in pair) for pair in each)  # type: ignore[union-attr]
