"""`jax.lax.conv_transpose` and `conv_general_dilated`: both dialects of padding, any dimension numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.compat import resolve
from deconvjax.compat.core.layer import Rule, layer
from deconvjax.compat.core.weights import Kernel
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, numbers, pairs

_LAST = {1: ("NHC", "HIO", "NHC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NHWDC", "HWDIO", "NHWDC")}
_FIRST = {1: ("NCH", "OIH", "NCH"), 2: ("NCHW", "OIHW", "NCHW"), 3: ("NCHWD", "OIHWD", "NCHWD")}


def conv_transpose(rhs: Any, strides: Sequence[int], padding: str | Sequence[tuple[int, int]],
                   rhs_dilation: Sequence[int] | None = None, dimension_numbers: Any = None,
                   transpose_kernel: bool = False, precision: Any = None, *,
                   use_consistent_padding: bool = False) -> LinearMap:
    """y[n, o] = sum_{j,c} w[j, c, o] z[n + j*dilation - lo, c],  z = stuffed x: `lax.conv_transpose`.

    z is x with strides - 1 zeros between its samples.

    Args:
        rhs: the kernel, (*k, I, O) unless dimension_numbers say otherwise.
        strides: one for each space axis.
        padding: "SAME" (i*stride), "VALID" (i*stride + max(K - stride, 0)), or pairs: of the zero-stuffed input, unless
            `use_consistent_padding`.
        rhs_dilation: spacing of the taps.
        dimension_numbers: three strings, or a `ConvDimensionNumbers`; None is channels-last.
        transpose_kernel: rhs is the forward convolution's kernel, (*k, O, I): reversed, channels swapped.
        precision: of the products.
        use_consistent_padding: the pairs are those of the forward convolution, as in torch.

    Raises:
        ShapeError: what lax refuses, and an empty result, which lax returns without a word.

    Source: JAX 0.10.

    >>> import numpy as np
    >>> conv_transpose(np.ones((4, 4, 8, 3)), (2, 2), "SAME").on((1, 16, 16, 8)).codomain.shape
    (1, 32, 32, 3)
    """
    name = "lax.conv_transpose"
    ndim, (lhs, kernel, out) = _numbers(rhs, dimension_numbers, _LAST, name)
    if transpose_kernel:  # the letters still say what they said of the forward kernel
        kernel = kernel.translate(str.maketrans("IO", "OI"))
    stride, dilation = _steps(ndim, strides, rhs_dilation, name)
    rules = [Rule.of(resolve.lax_transpose, operator=name, stride=s, padding=p, dilation=d,
                     use_consistent_padding=bool(use_consistent_padding))
             for s, p, d in zip(stride, _paddings(padding, ndim, name), dilation, strict=True)]
    storage = Kernel(kernel, "I" if transpose_kernel else "O", bool(transpose_kernel))
    return layer(name, rhs, storage, rules, lhs, out, precision=precision, argument="rhs")


def conv_general_dilated(rhs: Any, window_strides: Sequence[int], padding: str | Sequence[tuple[int, int]],
                         lhs_dilation: Sequence[int] | None = None, rhs_dilation: Sequence[int] | None = None,
                         dimension_numbers: Any = None, feature_group_count: int = 1,
                         precision: Any = None) -> LinearMap:
    """y[o, n] = sum_{j,c} w[o, c, j] z[c, n*stride + j*dilation - lo]: `lax.conv_general_dilated`.

    z is x with lhs_dilation - 1 zeros between its samples. dimension_numbers None is (N, C, *space), (O, I, *k).
    Its transpose is `jax.linear_transpose`'s.

    Source: JAX 0.10.

    >>> import numpy as np
    >>> conv_general_dilated(np.ones((8, 3, 3, 3)), (2, 2), "SAME").on((1, 3, 15, 15)).T.codomain.shape
    (1, 3, 15, 15)
    """
    name = "lax.conv_general_dilated"
    ndim, (lhs, kernel, out) = _numbers(rhs, dimension_numbers, _FIRST, name)
    stride, dilation = _steps(ndim, window_strides, rhs_dilation, name)
    stuffing = (1,) * ndim if lhs_dilation is None else integers(lhs_dilation, ndim, name, "lhs_dilation", 1)
    rules = [Rule.of(resolve.lax_conv, operator=name, stride=s, padding=p, dilation=d, input_dilation=u)
             for s, p, d, u in zip(stride, _paddings(padding, ndim, name), dilation, stuffing, strict=True)]
    groups = integer(feature_group_count, name, "feature_group_count", 1)
    return layer(name, rhs, Kernel(kernel), rules, lhs, out, groups=groups, precision=precision, argument="rhs")


Read = tuple[int, ...]


def _numbers(rhs: Any, given: Any, default: dict[int, tuple[str, str, str]],
             name: str) -> tuple[int, tuple[Read, str, Read]]:
    """(axes of x, order of the kernel, axes of y); the space axes in the order of the kernel's letters."""
    ndim = numbers(rhs, name, "rhs")[0].ndim - 2
    if ndim not in default:
        raise ShapeError(complaint(name, "rhs has the wrong rank", got=f"{ndim + 2} axes", expected="3, 4 or 5 axes",
                                   fix="give a kernel with 1 to 3 space axes"))
    lhs, kernel, out = _letters(default[ndim] if given is None else given, ndim, name)
    space = [letter for letter in kernel if letter not in "IO"]
    order = "".join(str(space.index(letter)) if letter in space else letter for letter in kernel)
    return ndim, (_read(lhs, space), order, _read(out, space))


def _letters(given: Any, ndim: int, name: str) -> tuple[str, str, str]:
    """Three strings; a ConvDimensionNumbers holds positions of (N, C, *space), (O, I, *space), (N, C, *space)."""
    if hasattr(given, "lhs_spec"):
        heads = (("NC", given.lhs_spec), ("OI", given.rhs_spec), ("NC", given.out_spec))
        each = tuple("".join(dict(zip(spec, head + "0123456789"[:ndim], strict=True))[i] for i in range(ndim + 2))
                     for head, spec in heads)
        return each[0], each[1], each[2]
    right = isinstance(given, (tuple, list)) and len(given) == 3 and all(isinstance(spec, str) for spec in given)
    if right:
        lhs, kernel, out = given
        space = set(kernel) - set("IO")
        right = (len(space) == ndim and all(len(spec) == ndim + 2 == len(set(spec)) for spec in given)
                 and set(lhs) == set(out) == space | set("NC") and set(kernel) == space | set("IO"))
    if not right:
        raise ShapeError(complaint(name, "cannot read dimension_numbers", got=repr(given),
                                   expected=f"three strings such as {_LAST[ndim]}", fix="one letter for each axis"))
    return given[0], given[1], given[2]


def _read(spec: str, space: list[str]) -> Read:
    """Where (*space, C) lie, from the end; with N in front of them where it does not lead."""
    wanted = [*space, "C"] if spec[0] == "N" else ["N", *space, "C"]
    return tuple(spec.index(letter) - len(spec) for letter in wanted)


def _steps(ndim: int, strides: Any, dilation: Any, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (integers(strides, ndim, name, "strides", 1),
            (1,) * ndim if dilation is None else integers(dilation, ndim, name, "rhs_dilation", 1))


def _paddings(padding: Any, ndim: int, name: str) -> tuple[Any, ...]:
    return (padding,) * ndim if isinstance(padding, str) else pairs(padding, ndim, name, "padding")
