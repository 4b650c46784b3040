"""Deep learning's convolution on channels-last signals, and its exact transpose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.axis import Axis, Rate
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves import Stage
from deconvjax.leaves.extend import Extend
from deconvjax.ops.arguments import Factor, Pair, Taps, Widths, integer, integers, length, numbers, one_of, pairs
from deconvjax.ops.rate import upsample

Padding = str | int | Widths

_NAMES = ("SAME", "SAME_LOWER", "VALID", "CIRCULAR")
_SAME = {"SAME": "upper", "SAME_LOWER": "lower"}


def conv(
    kernel: Taps,
    *,
    strides: Factor = 1,
    padding: Padding = "SAME",
    input_dilation: Factor = 1,
    kernel_dilation: Factor = 1,
    groups: int = 1,
) -> LinearMap:
    """y[n, o] = sum_{j, c} k[j, c, o] z[n*stride + j*dilation - lo, c]: deep learning's convolution (a correlation).

    x is `(*batch, *space, in)`, y is `(*batch, *space', out)`; z is x with `input_dilation - 1` zeros stuffed between
    samples. With `groups`, output channels come group by group. NumPy kernels take x's dtype, JAX arrays promote with
    it and may be traced and differentiated. Integers are exact, bfloat16 accumulates in float32.

    Args:
        kernel: `(*window, in/groups, out)`, one window axis for each space axis.
        strides, input_dilation, kernel_dilation: int >= 1, or one for each space axis.
        padding: "SAME" (length ceil(n/stride), the odd pad behind), "SAME_LOWER" (in front), "VALID", "CIRCULAR" (the
            signal repeats; length ceil(n/stride)), an int for both sides, or `(lo, hi)` for each axis, negative ones
            crop.
        groups: int >= 1 that divides out.

    Raises:
        TypeError: a kernel that is not numbers, a factor that is not an int. ValueError: a factor below 1, an unknown
        padding. ShapeError: a kernel of too few axes, groups that do not divide, or (when bound) channels or sizes
        that do not fit.

    Source: jax.lax.conv_general_dilated 0.10; CIRCULAR as flax.linen.Conv 0.12.

    >>> import deconvjax as dj, numpy as np
    >>> dj.conv(np.ones((3, 3, 8, 16)), strides=2).on((32, 32, 8)).codomain.shape
    (16, 16, 16)
    """
    array, weak, ndim, groups = _kernel(kernel, groups, "conv")
    down = integers(strides, ndim, "conv", "strides", 1)
    up = integers(input_dilation, ndim, "conv", "input_dilation", 1)
    spread = integers(kernel_dilation, ndim, "conv", "kernel_dilation", 1)
    name, pads = _padding(padding, ndim, "conv")
    rates = tuple(Rate(u, d, e, lo, hi, _SAME.get(name, ""))
                  for u, d, e, (lo, hi) in zip(up, down, spread, pads, strict=True))
    axes = _space_axes(ndim)
    if name != "CIRCULAR":
        return Stage(array, rates, axes, groups, weak=weak)
    # The period is that of the stuffed signal, its trailing zeros included, so stuffing comes before wrapping.
    valid = Stage(array, tuple(replace(rate, up=1) for rate in rates), axes, groups, weak=weak)
    wrapped = valid @ Extend(_wrap(array, spread), axes, "wrap")
    return wrapped if all(u == 1 for u in up) else wrapped @ upsample(up, axes=axes)


def conv_transpose(
    kernel: Taps,
    *,
    strides: Factor = 1,
    padding: Padding = "SAME",
    output_padding: Factor = 0,
    output_shape: Factor | None = None,
    kernel_dilation: Factor = 1,
    groups: int = 1,
) -> LinearMap:
    """y[m, c] = sum of k[j, c, o] x[n, o] over all m = n*stride + j*dilation - lo: the exact transpose of `conv`.

    The "deconvolution layer": same kernel, same arguments as the `conv` it transposes, so x has the kernel's `out`
    channels and y its `in`. `conv_transpose(k, ..., output_shape=n).on(m)` is `conv(k, ...).on(n + (in,)).T`, the same
    map and the same record. Dtypes as `conv`. Without `output_shape`, n samples become, with K the dilated window,

        SAME, CIRCULAR  n*stride        VALID  (n-1)*stride + K        pads  (n-1)*stride + K - lo - hi

    plus `output_padding`.

    Args:
        kernel: `(*window, in/groups, out)`, the kernel of the forward `conv`, neither flipped nor transposed.
        strides, kernel_dilation: those of the forward `conv`: int >= 1, or one for each space axis.
        padding: that of the forward `conv`.
        output_padding: samples added behind, int >= 0 and below the stride, or one for each space axis. With SAME the
            pads stay those of n*stride; CIRCULAR takes none.
        output_shape: space sizes of the output instead: any that the forward `conv` maps to the size of x.
        groups: int >= 1 that divides out.

    Raises:
        TypeError, ValueError, ShapeError: as `conv`; ValueError for an `output_padding` with which `conv` would not
        give the size of x back; ShapeError when bound to a size that `conv` does not give for `output_shape`.

    Source: Dumoulin and Visin, A guide to convolution arithmetic, 2016, section 4; torch.nn.ConvTranspose2d 2.13.

    >>> import deconvjax as dj, numpy as np
    >>> print(dj.conv_transpose(np.array([1, 2, 3]).reshape(3, 1, 1), strides=2, padding="VALID").on((2, 1)).matrix())
    [[1. 0.]
     [2. 0.]
     [3. 1.]
     [0. 2.]
     [0. 3.]]
    """
    array, weak, ndim, groups = _kernel(kernel, groups, "conv_transpose")
    stride = integers(strides, ndim, "conv_transpose", "strides", 1)
    spread = integers(kernel_dilation, ndim, "conv_transpose", "kernel_dilation", 1)
    extra = integers(output_padding, ndim, "conv_transpose", "output_padding", 0)
    name, pads = _padding(padding, ndim, "conv_transpose")
    axes = _space_axes(ndim)
    wrap = _wrap(array, spread) if name == "CIRCULAR" else ((0, 0),) * ndim
    forward = [Rate(1, s, e, lo, hi, _SAME.get(name, "")) for s, e, (lo, hi) in zip(stride, spread, pads, strict=True)]
    if output_shape is None:
        rates = [_natural(rate, window, name, a)
                 for rate, window, a in zip(forward, array.shape, extra, strict=False)]
    else:
        sizes = integers(output_shape, ndim, "conv_transpose", "output_shape", 1)
        if any(extra):
            raise ValueError(complaint("conv_transpose", "output_shape and output_padding both fix the output size",
                                       got=f"output_shape={output_shape}, output_padding={output_padding}",
                                       expected="one of the two", fix="leave output_padding out"))
        where = "output_shape"
        bound = [rate.axis(size + sum(w), window, "conv_transpose", where)
                 for rate, size, w, window in zip(forward, sizes, wrap, array.shape, strict=False)]
        rates = [replace(Rate.of(axis.T), size=axis.out) for axis in bound]
    transposed = Stage(array, tuple(rates), axes, groups, flip=True, weak=weak)
    return transposed if name != "CIRCULAR" else Extend(wrap, axes, "wrap", fold=True) @ transposed


def _natural(forward: Rate, window: int, name: str, extra: int) -> Rate:
    """The transpose of `forward` on the output size that needs no telling, `extra` samples longer."""
    taps, stride = Axis(1, window, forward.dilation).taps, forward.down
    if name in _SAME:
        total = max(taps - stride, 0)  # SAME on n*stride samples
        pad_lo = total // 2 if name == "SAME" else total - total // 2
        limit = stride if taps >= stride else taps
        lo, hi = taps - 1 - pad_lo, stride - 1 + pad_lo
    elif name == "CIRCULAR":
        limit, lo, hi = 1, taps - 1, stride + taps - 2  # n*stride samples and the wrapped taps - 1
    else:
        limit, lo, hi = stride, taps - 1 - forward.lo, taps - 1 - forward.hi
    if extra >= limit:
        raise ValueError(complaint(
            "conv_transpose", "no convolution of an output this long gives the size of x back "
            f"(padding {name or (forward.lo, forward.hi)}, stride {stride}, {taps} dilated taps)",
            got=f"output_padding={extra}", expected=f"0 <= output_padding < {limit}",
            fix="lower it, set output_shape, or take the extra samples off the high pad"))
    return Rate(stride, 1, forward.dilation, lo, hi + extra)


def _kernel(kernel: Any, groups: Any, operator: str) -> tuple[Any, bool, int, int]:
    array, weak = numbers(kernel, operator, "kernel")
    if array.ndim < 3:
        raise ShapeError(complaint(operator, "the kernel has too few axes", got=f"shape {array.shape}",
                                   expected="(*window, in/groups, out) with at least one window axis",
                                   fix="kernel[:, None, None] for one channel in and out"))
    groups = integer(groups, operator, "groups", 1)
    if array.shape[-1] % groups:
        raise ShapeError(complaint(operator, "groups must divide the output channels of the kernel",
                                   got=f"groups={groups}, kernel of shape {array.shape}",
                                   expected=f"a divisor of {array.shape[-1]}", fix="use groups=1 or another kernel"))
    return array, weak, array.ndim - 2, groups


def _padding(padding: Any, ndim: int, operator: str) -> tuple[str, tuple[Pair, ...]]:
    """(name, pads): the name of a rule with no pads, or an empty name and one pair for each axis."""
    if isinstance(padding, str):
        one_of(padding, _NAMES, operator, "padding", ", an int, or one (lo, hi) for each axis")
        return ("" if padding == "VALID" else padding), ((0, 0),) * ndim
    if length(padding) is None:
        each = integer(padding, operator, "padding")
        return "", ((each, each),) * ndim
    return "", pairs(padding, ndim, operator, "padding")


def _wrap(kernel: Any, spread: tuple[int, ...]) -> tuple[Pair, ...]:
    """What CIRCULAR adds in front and behind, as Flax does: (K-1)//2 and K//2."""
    dilated = (Axis(1, window, e).taps for window, e in zip(kernel.shape, spread, strict=False))
    return tuple(((n - 1) // 2, n // 2) for n in dilated)


def _space_axes(ndim: int) -> tuple[int, ...]:
    return tuple(range(-ndim - 1, -1))
