"""Change of sampling rate by interpolation: one stage for each axis, and a rule for the border."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from operator import matmul
from typing import Any, TypeAlias

import numpy as np

from deconvjax.algebra import LinearMap, identity
from deconvjax.axis import Rate
from deconvjax.errors import complaint
from deconvjax.leaves import Stage
from deconvjax.leaves.extend import Extend
from deconvjax.leaves.renormalize import Renormalize
from deconvjax.ops import kernels
from deconvjax.ops.arguments import axes_of, integer, length, one_of

Ratio: TypeAlias = int | Fraction

METHODS = ("nearest", "bilinear", "cubic", "lanczos3", "area")
BORDERS = ("renormalize", "edge", "zero")


def resize(
    factor: Ratio | Sequence[Ratio],
    method: str = "bilinear",
    *,
    border: str = "renormalize",
    axes: int | Sequence[int],
    antialias: bool = False,
    a: float | None = None,
) -> LinearMap:
    """y[n] = sum_i h(s - i) x[i],  s = (n + 1/2)/factor - 1/2: interpolation with half-pixel centres, along `axes`.

    n samples become floor(n*factor). With factor = L/M in lowest terms this is exactly one stage for each axis, up L,
    down M, whose taps are h sampled L to the input sample, and the border's map. To reach a given size, write
    `Fraction(size_out, size_in)`.

    h is, for each method: "nearest" the box of width 1 (ties take the later sample; torch's "nearest-exact"),
    "bilinear" the triangle, "cubic" Keys' with `a`, "lanczos3" sinc(t) sinc(t/3), "area" the share of sample i in the
    1/factor samples that one output covers (a mean where 1/factor is an integer).

    Args:
        factor: int or `Fraction` > 0, or one for each axis. Floats are refused: 2/3 is not 0.667.
        method: "nearest", "bilinear", "cubic", "lanczos3" or "area".
        border: what stands outside the input. "renormalize": nothing, the weights inside are divided by their sum
            (`jax.image.resize`); "edge": the border sample goes on (torch, OpenCV); "zero": zeros (FCN's and Caffe's
            bilinear deconvolution).
        axes: one negative axis or several, e.g. `(-3, -2)` for images `(..., H, W, C)`.
        antialias: where factor < 1, stretch h by 1/factor, so that no detail too fine for the output folds over.
            Without it, downsampling reads the few samples around s. "nearest" and "area" are the same either way.
        a: Keys' parameter, for "cubic" only: -0.5 (the default; JAX, Pillow, Catmull-Rom) or -0.75 (torch, OpenCV).

    Shapes: `(..., n, ...)` to `(..., floor(n*factor), ...)`. "nearest" keeps the dtype, integers included; the others
    promote integers to floating point.

    Raises:
        TypeError: a factor that is neither int nor Fraction. ValueError: a factor <= 0, an unknown method or border,
        `a` without "cubic". ShapeError: axes that do not fit, or (when bound) an axis of which nothing would be left.

    Source: Keys, IEEE TASSP 29(6), 1981; `jax.image.resize` (jax 0.10), `torch.nn.functional.interpolate` (2.13).

    >>> import deconvjax as dj
    >>> print(dj.resize(2, axes=-1).on((3,)).matrix())
    [[1.   0.   0.  ]
     [0.75 0.25 0.  ]
     [0.25 0.75 0.  ]
     [0.   0.75 0.25]
     [0.   0.25 0.75]
     [0.   0.   1.  ]]
    """
    where = axes_of(axes, length(factor), "resize", "factor")
    each = factor if length(factor) is not None else (factor,) * len(where)
    factors = [_ratio(f) for f in each]  # type: ignore[union-attr]
    one_of(method, METHODS, "resize", "method")
    one_of(border, BORDERS, "resize", "border")
    if not isinstance(antialias, (bool, np.bool_)):
        raise TypeError(complaint("resize", "antialias is a switch", got=repr(antialias), expected="True or False",
                                  fix="use antialias=True to smooth before downsampling"))
    a = _keys_parameter(a, method)
    changed = [(f, axis) for f, axis in zip(factors, where, strict=True) if f != 1]
    if not changed:
        if method == "nearest":
            return identity
        changed = [(factors[0], where[0])]  # keeps the promotion of integers that every other factor has
    # The rightmost acts first: the axis that leaves the least to do, and of two the outer one, whose runs are longer.
    changed.sort(key=lambda pair: (-pair[0], -pair[1]))
    return reduce(matmul, [_one_axis(f, axis, method, border, bool(antialias), a) for f, axis in changed])


def _one_axis(factor: Fraction, axis: int, method: str, border: str, antialias: bool, a: float) -> LinearMap:
    up, down = factor.numerator, factor.denominator
    if method == "nearest":
        taps, lo = kernels.nearest(up, down)
    else:
        taps, lo = kernels.sampled(_kernel(method, factor, a), up, down, antialias and method != "area")
    hi = len(taps) - 1 - lo + up - down  # with these pads a stage of n samples gives floor(n*up/down)
    before, after = max(lo // up, 0), max(hi // up, 0)  # input samples read outside
    taps.setflags(write=False)
    only_rate = method == "nearest" and up == 1
    stage = Stage(None if only_rate else taps, (Rate(up, down, lo=lo, hi=hi),), (axis,))
    if border == "zero" or before == after == 0:
        return stage
    if border == "renormalize":
        return Renormalize(stage)
    inside = Stage(taps, (Rate(up, down, lo=lo - before * up, hi=hi - after * up),), (axis,))
    return inside @ Extend(((before, after),), (axis,), "edge")


def _kernel(method: str, factor: Fraction, a: float) -> kernels.Kernel:
    if method == "bilinear":
        return kernels.triangle()
    if method == "cubic":
        return kernels.keys(a)
    return kernels.lanczos(3) if method == "lanczos3" else kernels.overlap(1 / factor)


def _ratio(value: Any) -> Fraction:
    if isinstance(value, (float, np.floating)):
        near = Fraction(float(value)).limit_denominator(1000) if np.isfinite(value) and value > 0 else 0
        near = near or Fraction(3, 2)
        fix = f"from fractions import Fraction; factor={near!r}, or Fraction(size_out, size_in) to reach a size"
        raise TypeError(complaint("resize", "factor must be exact, a float is not", got=repr(value),
                                  expected="an int or a fractions.Fraction", fix=fix))
    number = value if isinstance(value, Fraction) else Fraction(integer(value, "resize", "factor"))
    if number <= 0:
        raise ValueError(complaint("resize", "factor must be positive", got=str(number),
                                   expected="an int or Fraction > 0", fix="use Fraction(1, 2) to halve"))
    return number


def _keys_parameter(a: Any, method: str) -> float:
    if a is None:
        return -0.5
    if method != "cubic":
        raise ValueError(complaint("resize", "a is the parameter of the cubic kernel",
                                   got=f"a={a!r}, method={method!r}", expected="method='cubic' where a is given",
                                   fix="leave a out"))
    if isinstance(a, (bool, np.bool_)) or not isinstance(a, (int, float, np.floating, np.integer)):
        raise TypeError(complaint("resize", "a must be a number", got=repr(a), expected="a float such as -0.5 or -0.75",
                                  fix="leave a out for -0.5"))
    if not -1 <= a <= 0:  # outside, the weights of a clipped window may vanish
        raise ValueError(complaint("resize", "a is out of range", got=a, expected="-1 <= a <= 0",
                                   fix="use -0.5 (JAX, Pillow) or -0.75 (torch, OpenCV)"))
    return float(a)
