"""Initial kernels that know about strides: interpolation, ICNR, and unit variance at every phase.

    var k[j] = scale / (in * #{j' : j'*dilation = j*dilation mod stride})

A transposed convolution spreads its window over the phases of the stride, so an output sample sees only the taps of
its own phase: initialisers that count the whole window start with outputs smaller by prod(stride).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import Factor, integer, integers, one_of

Initializer = Callable[..., jax.Array]


def bilinear() -> Initializer:
    """k[j] = prod (1 - |j/f - c|),  f = ceil(K/2),  c = (K-1)/(2f): interpolation, each channel into itself.

    For a kernel `(*window, in, out)` with in == out (the diagonal is written, as FCN does), or with in == 1
    (depthwise: every channel gets the taps). A window of `2*f - f%2` taps at stride f and padding `ceil((f-1)/2)` of
    the forward convolution upsamples f times; every phase then sums to 1.

    Returns:
        An initialiser `(key, shape, dtype)`; ShapeError where in and out differ and in is not 1.

    Source: Caffe's BilinearFiller; Long, Shelhamer and Darrell, Fully Convolutional Networks, 2015 (`surgery.interp`).

    >>> import jax
    >>> print(bilinear()(jax.random.key(0), (4, 1, 1))[:, 0, 0])
    [0.25 0.75 0.75 0.25]
    """

    def init(key: Any, shape: Any, dtype: Any = float) -> jax.Array:
        del key
        window, (inner, outer) = _split(shape, "bilinear")
        if inner not in (1, outer):
            raise ShapeError(complaint("bilinear", "channels cannot be interpolated into each other", got=tuple(shape),
                                       expected="(*window, n, n), or (*window, 1, n) for a depthwise kernel",
                                       fix="give the layer as many outputs as inputs, or feature_group_count=in"))
        taps = np.ones(())
        for n in window:
            f = -(-n // 2)
            taps = np.multiply.outer(taps, 1 - np.abs(np.arange(n) / f - (n - 1) / (2 * f)))
        place = np.eye(outer) if inner == outer else np.ones((1, outer))
        return jnp.asarray(taps[..., None, None] * place, dtype)

    return init


def icnr(
    base: Initializer | None = None, factor: Factor = 2, *, order: str = "CRD", transposed: bool = False,
    transpose_kernel: bool = False,
) -> Initializer:
    """k[..., c*r^2 + i] = k0[..., c] for all i: the layer starts as a convolution and a nearest-neighbour upsampling.

    For the convolution in front of a pixel shuffle, `base` draws `(*window, in, out)` and each output channel is
    repeated for its `prod(factor)` sub-pixels. For a transposed convolution (`transposed=True`) the repeats lie along
    the window instead: `k[j] = k0[j // factor]`, with a window that `factor`, its stride, divides. `base` sees the
    small kernel, so its fan-in is right in both cases.

    Args:
        base: initialiser of the small kernel; lecun_normal where None.
        factor: int >= 1, or one for each space axis.
        order: channel order of the pixel shuffle, "CRD" (torch) or "DCR" (TensorFlow). Not used with `transposed`.
        transpose_kernel: the kernel is `(*window, out, in)`, that of a layer with `transpose_kernel=True`.

    Returns:
        An initialiser `(key, shape, dtype)`; ShapeError where `factor` does not divide the channels or the window.

    Source: Aitken et al., Checkerboard artifact free sub-pixel convolution, 2017.

    >>> import jax
    >>> print(icnr(jax.nn.initializers.ones, 2)(jax.random.key(0), (3, 3, 8, 16)).shape)
    (3, 3, 8, 16)
    """
    draw = jax.nn.initializers.lecun_normal() if base is None else base
    one_of(order, ("CRD", "DCR"), "icnr", "order")

    def init(key: Any, shape: Any, dtype: Any = float) -> jax.Array:
        window, (inner, outer) = _split(shape, "icnr")
        factors = integers(factor, len(window), "icnr", "factor", 1)
        if transposed:
            if any(n % f for n, f in zip(window, factors, strict=True)):
                raise ShapeError(complaint("icnr", "factor must divide the window of a transposed convolution",
                                           got=f"window {window}, factor {factors}",
                                           expected="a window of factor, 2*factor, ... taps",
                                           fix=f"kernel_size={tuple(f * 2 for f in factors)}"))
            small = tuple(n // f for n, f in zip(window, factors, strict=True))
            channels = (outer, inner) if transpose_kernel else (inner, outer)
            kernel = draw(key, (*small, *channels), dtype)
            kernel = kernel.swapaxes(-1, -2) if transpose_kernel else kernel
            for axis, f in enumerate(factors):
                kernel = jnp.repeat(kernel, f, axis)
            return kernel
        repeats = math.prod(factors)
        if outer % repeats:
            raise ShapeError(complaint("icnr", "the output channels are not a multiple of factor**ndim",
                                       got=f"{outer} channels, factor {factors}", expected=f"a multiple of {repeats}",
                                       fix=f"give the convolution n*{repeats} output channels"))
        kernel = draw(key, (*window, inner, outer // repeats), dtype)
        return jnp.repeat(kernel, repeats, -1) if order == "CRD" else jnp.tile(kernel, repeats)

    return init


def polyphase_lecun(
    strides: Factor = 1, *, kernel_dilation: Factor = 1, transpose_kernel: bool = False, feature_group_count: int = 1,
    distribution: str = "truncated_normal",
) -> Initializer:
    """var k[j] = 1 / (in * taps of the phase of j): unit-variance inputs give unit-variance outputs at every phase.

    For a `ConvTranspose` with these strides; at stride 1 it is `lecun_normal`, bit for bit. Where the stride does not
    divide the window the phases have different numbers of taps, and each gets its own variance.

    Args:
        strides, kernel_dilation, transpose_kernel, feature_group_count: those of the layer.
        distribution: "truncated_normal", "normal" or "uniform".

    Source: LeCun et al., Efficient BackProp, 1998, per polyphase component.

    >>> import jax
    >>> k = polyphase_lecun(2)(jax.random.key(0), (4, 4, 64, 64))
    >>> print(round(float(k.var() * 64 * 4), 1))
    1.0
    """
    return _polyphase("polyphase_lecun", 1.0, strides, kernel_dilation, transpose_kernel, feature_group_count,
                      distribution, glorot=False)


def polyphase_he(
    strides: Factor = 1, *, kernel_dilation: Factor = 1, transpose_kernel: bool = False, feature_group_count: int = 1,
    distribution: str = "truncated_normal",
) -> Initializer:
    """var k[j] = 2 / (in * taps of the phase of j): as `polyphase_lecun`, for inputs that come from a ReLU.

    A ReLU halves the mean square of a symmetric unit-variance signal; the factor 2 makes up for it. Arguments as in
    `polyphase_lecun`; at stride 1 it is `he_normal`.

    Source: He et al., Delving deep into rectifiers, 2015, per polyphase component.

    >>> import jax
    >>> k = polyphase_he(2)(jax.random.key(0), (4, 4, 64, 64))
    >>> print(round(float(k.var() * 64 * 4), 1))
    2.0
    """
    return _polyphase("polyphase_he", 2.0, strides, kernel_dilation, transpose_kernel, feature_group_count,
                      distribution, glorot=False)


def polyphase_glorot(
    strides: Factor = 1, *, kernel_dilation: Factor = 1, transpose_kernel: bool = False, feature_group_count: int = 1,
    distribution: str = "truncated_normal",
) -> Initializer:
    """var y = 2 fan_in / (fan_in + fan_out) at every phase, fan_in = in*prod(K/stride), fan_out = out*prod(K).

    Glorot's compromise between outputs and gradients, counted per phase: unit variance where in = out*prod(stride)
    (the usual decoder, which gives up channels as it gains samples). Arguments as in `polyphase_lecun`; at stride 1
    it is `glorot_normal`.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward networks, 2010.

    >>> import jax
    >>> k = polyphase_glorot(2)(jax.random.key(0), (4, 4, 64, 16))
    >>> print(round(float(k.var() * 64 * 4), 1))
    1.0
    """
    return _polyphase("polyphase_glorot", 1.0, strides, kernel_dilation, transpose_kernel, feature_group_count,
                      distribution, glorot=True)


def _polyphase(
    operator: str, scale: float, strides: Any, dilation: Any, transpose_kernel: bool, groups: int, distribution: Any,
    glorot: bool,
) -> Initializer:
    one_of(distribution, ("truncated_normal", "normal", "uniform"), operator, "distribution")
    integer(groups, operator, "feature_group_count", 1)
    draw = jax.nn.initializers.variance_scaling(scale, "fan_in", distribution)

    def init(key: Any, shape: Any, dtype: Any = float) -> jax.Array:
        window, (inner, outer) = _split(shape, operator)
        stride = integers(strides, len(window), operator, "strides", 1)
        spread = integers(dilation, len(window), operator, "kernel_dilation", 1)
        reads = outer // groups if transpose_kernel else inner  # channels that one output channel sees
        taps = np.ones(())
        for n, s, d in zip(window, stride, spread, strict=True):
            phase = np.arange(n) * d % s
            taps = np.multiply.outer(taps, np.bincount(phase, minlength=s)[phase])
        variance = 1 / (reads * taps)
        if glorot:
            mean_reads = reads * math.prod(window) / math.prod(stride)
            writes = (inner if transpose_kernel else outer // groups) * math.prod(window)
            variance = variance * 2 * mean_reads / (mean_reads + writes)
        gain = np.sqrt(variance * inner * math.prod(window))  # `draw` has variance scale / (inner * prod(window))
        return draw(key, shape, dtype) * jnp.asarray(gain[..., None, None], jnp.finfo(jnp.result_type(dtype)).dtype)

    return init


def _split(shape: Any, operator: str) -> tuple[tuple[int, ...], tuple[int, int]]:
    if len(shape) < 3:
        raise ShapeError(complaint(operator, "not the shape of a convolution kernel", got=tuple(shape),
                                   expected="(*window, in, out) with at least one window axis",
                                   fix="use it as the kernel_init of a convolution layer"))
    return tuple(shape[:-2]), (shape[-2], shape[-1])
