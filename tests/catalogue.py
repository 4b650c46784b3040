"""The operators of the library, one `Case` per line: what every law, reading and check is tried on.

Add an operator here, and transposition, matrix, pytree behaviour, laws and checks are tested with it.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import numpy as np

import deconvjax as dj


class Case(NamedTuple):
    """A map under a name, how it is built (unbound), and the domains it is tried on: small ones, several kinds."""

    name: str
    build: Callable[[], dj.LinearMap]
    shapes: tuple[Any, ...]

    def maps(self) -> list[dj.LinearMap]:
        """The map bound to each domain."""
        return [self.build().on(shape) for shape in self.shapes]


def taps(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    """Fixed taps without symmetry, so that a missing flip or a swapped axis shows; no value is 0."""
    count = int(np.prod(shape))
    values = np.round(np.cos(np.arange(count) * 1.7 + 0.3) + 0.1, 2).reshape(shape) + np.where(count > 1, 0.01, 0.9)
    return (values + 1j * values[::-1] if np.issubdtype(dtype, np.complexfloating) else values).astype(dtype)


def c64(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, np.complex64)


def f64(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, np.float64)


CASES = [
    # rates and windows
    Case("upsample", lambda: dj.upsample(2), ((4,), (2, 3), c64(3))),
    Case("upsample 2-D", lambda: dj.upsample((2, 3)), ((3, 2), (2, 2, 2))),
    Case("upsample off the end", lambda: dj.upsample(3, axes=-2), ((3, 2),)),
    Case("downsample", lambda: dj.downsample(2), ((6,), (7,), c64(5))),
    Case("downsample with a phase", lambda: dj.downsample(3, phase=2), ((7,), (9,))),
    Case("downsample 2-D", lambda: dj.downsample((2, 3), phase=(1, 0)), ((5, 7), (4, 6))),
    Case("shift", lambda: dj.shift((1, -2), axes=(-2, -1)), ((3, 4),)),
    Case("shift everything out", lambda: dj.shift(5, axes=-1), ((3,),)),
    Case("pad", lambda: dj.pad((2, 1)), ((4,), c64(2, 3))),
    Case("pad reflect", lambda: dj.pad((2, 1), "reflect"), ((4,),)),
    Case("pad symmetric, wider than x", lambda: dj.pad((5, 4), "symmetric"), ((3,),)),
    Case("pad edge 2-D", lambda: dj.pad(((1, 2), (0, 3)), "edge"), ((3, 2),)),
    Case("pad wrap", lambda: dj.pad((4, 5), "wrap"), ((3,), c64(3))),
    Case("crop", lambda: dj.crop((1, 2)), ((6,),)),
    Case("crop 2-D", lambda: dj.crop(((1, 0), (0, 2))), ((4, 5),)),
    # filters
    Case("convolve", lambda: dj.convolve(taps(3)), ((6,), (2, 4), c64(5))),
    Case("convolve even", lambda: dj.convolve(taps(4)), ((6,), (3,))),
    Case("convolve full", lambda: dj.convolve(taps(4), "full"), ((5,),)),
    Case("convolve valid", lambda: dj.convolve(taps(3), "valid"), ((7,),)),
    Case("convolve pairs", lambda: dj.convolve(taps(3), (-1, 3)), ((6,),)),
    Case("convolve wrap", lambda: dj.convolve(taps(4), "wrap"), ((5,), (2,))),
    Case("convolve reflect", lambda: dj.convolve(taps(5), "reflect"), ((6,),)),
    Case("convolve symmetric 2-D", lambda: dj.convolve(taps(3, 2), "symmetric"), ((4, 3),)),
    Case("convolve edge", lambda: dj.convolve(taps(4), "edge"), ((5,),)),
    Case("convolve 2-D", lambda: dj.convolve(taps(3, 2)), ((4, 5),)),
    Case("convolve 3-D", lambda: dj.convolve(taps(2, 1, 3)), ((3, 2, 3),)),
    Case("convolve off the end", lambda: dj.convolve(taps(3, 2), axes=(-1, -3)), ((3, 2, 4),)),
    Case("convolve complex", lambda: dj.convolve(taps(3, dtype=np.complex64)), (c64(5), (5,))),
    Case("correlate", lambda: dj.correlate(taps(3)), ((6,),)),
    Case("correlate even full", lambda: dj.correlate(taps(4), "full"), ((5,),)),
    Case("correlate complex", lambda: dj.correlate(taps(4, dtype=np.complex64)), (c64(6), (4,))),
    Case("upfirdn", lambda: dj.upfirdn(taps(5), 3, 2), ((5,), c64(4))),
    Case("upfirdn 2-D", lambda: dj.upfirdn(taps(3, 4), (2, 1), (1, 3), ((1, 2), (3, 0))), ((3, 5),)),
    Case("upfirdn decimates", lambda: dj.upfirdn(taps(4), 1, 3, (1, 1)), ((8,), (9,))),
    # channels
    Case("conv", lambda: dj.conv(taps(3, 2, 3)), ((5, 2), (2, 4, 2))),
    Case("conv strided 2-D", lambda: dj.conv(taps(3, 2, 2, 3), strides=(2, 1)), ((5, 4, 2),)),
    Case("conv grouped", lambda: dj.conv(taps(3, 2, 4), groups=2, strides=2), ((6, 4),)),
    Case("conv depthwise", lambda: dj.conv(taps(3, 1, 3), groups=3), ((5, 3),)),
    Case("conv dilated", lambda: dj.conv(taps(3, 1, 2), kernel_dilation=2, padding="VALID"), ((8, 1),)),
    Case("conv stuffed", lambda: dj.conv(taps(3, 1, 2), input_dilation=2, strides=3, padding=1), ((4, 1),)),
    Case("conv circular", lambda: dj.conv(taps(4, 2, 1), padding="CIRCULAR", strides=2), ((5, 2),)),
    Case("conv circular, stuffed", lambda: dj.conv(taps(3, 1, 1), padding="CIRCULAR", input_dilation=2), ((4, 1),)),
    Case("conv lower", lambda: dj.conv(taps(4, 1, 1), padding="SAME_LOWER"), ((5, 1),)),
    Case("conv pointwise", lambda: dj.conv(taps(1, 1, 2, 3)), ((2, 2, 2),)),
    Case("conv 3-D", lambda: dj.conv(taps(2, 3, 1, 1, 2), strides=(1, 2, 1)), ((2, 4, 2, 1),)),
    Case("conv complex", lambda: dj.conv(taps(3, 1, 2, dtype=np.complex64), strides=2), (c64(5, 1),)),
    Case("conv_transpose", lambda: dj.conv_transpose(taps(3, 2, 3), strides=2), ((4, 3), (2, 3, 3))),
    Case("conv_transpose valid", lambda: dj.conv_transpose(taps(4, 2, 1), strides=3, padding="VALID"), ((3, 1),)),
    Case("conv_transpose extra",
         lambda: dj.conv_transpose(taps(3, 1, 1), strides=2, padding=1, output_padding=1), ((4, 1),)),
    Case("conv_transpose sized", lambda: dj.conv_transpose(taps(3, 1, 1), strides=3, output_shape=7), ((3, 1),)),
    Case("conv_transpose circular", lambda: dj.conv_transpose(taps(5, 1, 2), strides=2, padding="CIRCULAR"), ((3, 2),)),
    Case("conv_transpose grouped", lambda: dj.conv_transpose(taps(3, 2, 2, 4), strides=2, groups=2), ((2, 3, 4),)),
    # interpolation
    Case("resize", lambda: dj.resize(2, axes=-1), ((4,), c64(2, 3))),
    Case("resize nearest", lambda: dj.resize(Fraction(3, 2), "nearest", axes=-1), ((4,), (3,))),
    Case("resize cubic down", lambda: dj.resize(Fraction(2, 3), "cubic", axes=-1), ((6,), (7,))),
    Case("resize lanczos3 at the edge", lambda: dj.resize(3, "lanczos3", border="edge", axes=-2), ((4, 2),)),
    Case("resize into zeros, 2-D", lambda: dj.resize((2, 3), border="zero", axes=(-3, -2)), ((3, 2, 2),)),
    Case("resize 2-D", lambda: dj.resize((2, Fraction(1, 2)), "cubic", axes=(-2, -1), a=-0.75), ((3, 5),)),
    Case("resize smoothed", lambda: dj.resize(Fraction(1, 3), axes=-1, antialias=True), ((7,),)),
    Case("resize area", lambda: dj.resize(Fraction(3, 4), "area", axes=-1), ((8,),)),
    # channels to space, pooling, taps that vary
    Case("pixel_shuffle", lambda: dj.pixel_shuffle(2), ((2, 3, 4), c64(2, 1, 2, 8))),
    Case("pixel_shuffle 1-D, DCR", lambda: dj.pixel_shuffle((3,), order="DCR"), ((2, 6),)),
    Case("pixel_unshuffle", lambda: dj.pixel_unshuffle((2, 1)), ((4, 3, 2),)),
    Case("average_pool", lambda: dj.average_pool(2, 2), ((4, 5, 2), c64(3, 3, 1))),
    Case("average_pool same", lambda: dj.average_pool((3,), 2, "SAME"), ((6, 2),)),
    Case("average_pool of what is there", lambda: dj.average_pool((3,), 2, 1, count_include_pad=False), ((5, 2),)),
    Case("unpool", lambda: dj.unpool(np.array([[[1], [0]], [[5], [0]]]), (2, 3)), ((2, 2, 1), c64(2, 2, 2, 1))),
    Case("unpool in a batch", lambda: dj.unpool(np.array([[[1, 0]], [[2, 2]]]), (3,)), ((2, 1, 2),)),
    Case("reassemble", lambda: dj.reassemble(taps(4, 3), (2,)), ((2, 1), (2, 2, 2))),
    Case("reassemble 2-D, grouped, at the edge",
         lambda: dj.reassemble(taps(3, 2, 2, 3, 2), (2, 1), groups=2, border="edge"), ((2, 2, 4),)),
    Case("reassemble in a batch", lambda: dj.reassemble(taps(2, 5, 2), (3,)), ((2, 2, 1), (3, 2, 2, 1))),
    Case("reassemble complex", lambda: dj.reassemble(taps(4, 3, dtype=np.complex64), (2,)), (c64(2, 1), (2, 1))),
    # the algebra
    Case("identity", lambda: dj.identity, ((3,), ((2,), (3,)))),
    Case("zero", lambda: dj.zero, ((3,),)),
    Case("diagonal", lambda: dj.diagonal(taps(4)), ((4,), (2, 4), c64(4))),
    Case("diagonal complex", lambda: dj.diagonal(taps(4, dtype=np.complex64)), (c64(4), (4,))),
    Case("atomic", lambda: dj.atomic(dj.downsample(2) @ dj.upsample(2)), ((3,),)),
    Case("chain", lambda: dj.downsample(2) @ dj.convolve(taps(3)), ((7,), c64(6))),
    Case("long chain",
         lambda: dj.crop((1, 1)) @ dj.convolve(taps(4)) @ dj.upsample(2) @ dj.pad((1, 1), "edge"), ((4,),)),
    Case("sum", lambda: dj.convolve(taps(3)) + 2 * dj.shift(1, axes=-1) - dj.identity, ((5,), c64(4))),
    Case("scaled by a complex number", lambda: (1 + 2j) * dj.convolve(taps(3)), (c64(4), (4,))),
    Case("complex taps scaled", lambda: 2j * dj.convolve(taps(3, dtype=np.complex64)), (c64(4), (4,))),
    Case("complex sum on a real signal",
         lambda: 1j * (dj.shift(1, axes=-1) + dj.convolve(taps(2, dtype=np.complex64)) @ dj.convolve(taps(3))),
         ((4,),)),
    Case("chain of sums", lambda: (dj.identity + dj.convolve(taps(3))) @ (dj.identity - dj.shift(1, axes=-1)), ((5,),)),
    Case("stack", lambda: dj.stack([dj.downsample(2), dj.downsample(2, phase=1) @ dj.convolve(taps(3))]), ((6,), (5,))),
    Case("row", lambda: dj.row([dj.upsample(2), dj.shift(1, axes=-1) @ dj.upsample(2)]), (((3,), (3,)),)),
    Case("block_diagonal", lambda: dj.block_diagonal([dj.upsample(2), dj.convolve(taps(3))]), (((2,), c64(4)),)),
    Case("analysis and synthesis", lambda: dj.row([dj.upsample(2), dj.upsample(2)])
         @ dj.stack([dj.downsample(2), dj.downsample(2, phase=1)]), ((6,),)),
    Case("float64", lambda: dj.conv(taps(3, 1, 2), strides=2), (f64(5, 1),)),
]
