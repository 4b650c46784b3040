"""Windows: grow a signal at its borders (pad), or cut them off (crop)."""

from __future__ import annotations

from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.axis import Rate
from deconvjax.leaves.extend import MODES, Extend
from deconvjax.ops.arguments import Axes, Pair, Widths, axes_of, is_pair, length, one_of, pairs, stage


def pad(widths: Widths, mode: str = "zero", *, axes: Axes = None) -> LinearMap:
    """y[n] = x[n - lo] inside, the border rule `mode` outside; length lo + n + hi.

    Any dtype, and it is kept. The transpose folds the border back: for "zero" it is `crop`, for the others the samples
    outside are added to those they were copied from.

    Args:
        widths: `(lo, hi)`, ints >= 0, for one axis, or one such pair for each axis; one pair with several `axes` named
            is used for all of them. Wider than the signal is allowed.
        mode: "zero", "reflect" (d c | a b c d), "symmetric" (b a | a b c d), "edge" (a a | a b c d) or "wrap"
            (c d | a b c d), as `numpy.pad` names them.
        axes: negative axes; None means the trailing ones, as many as there are pairs.

    Raises:
        TypeError: widths that are not ints. ValueError: a negative width or an unknown mode. ShapeError: axes that do
        not fit.

    Source: numpy.pad 2.0.

    >>> import deconvjax as dj
    >>> print(dj.pad((2, 1), "wrap").on((3,)).matrix().astype(int))
    [[0 1 0]
     [0 0 1]
     [1 0 0]
     [0 1 0]
     [0 0 1]
     [1 0 0]]
    """
    one_of(mode, ("zero", *MODES), "pad", "mode")
    where, each = _widths(widths, axes, "pad")
    if mode == "zero":
        return stage(None, [Rate(lo=lo, hi=hi) for lo, hi in each], where)
    order = sorted(range(len(where)), key=where.__getitem__)
    return Extend(tuple(each[i] for i in order), tuple(where[i] for i in order), mode)


def crop(widths: Widths, *, axes: Axes = None) -> LinearMap:
    """y[n] = x[n + lo]; length n - lo - hi: the transpose of zero `pad`.

    Any dtype, and it is kept.

    Args:
        widths: `(lo, hi)`, ints >= 0, for one axis, or one such pair for each axis; one pair with several `axes` named
            is used for all of them.
        axes: negative axes; None means the trailing ones, as many as there are pairs.

    Raises:
        TypeError: widths that are not ints. ValueError: a negative width. ShapeError: axes that do not fit, or (when
        bound) nothing left.

    Source: the crop layer of Long, Shelhamer and Darrell, Fully Convolutional Networks, 2015.

    >>> import deconvjax as dj
    >>> print(dj.crop((1, 1)).on((4,)).matrix().astype(int))
    [[0 1 0 0]
     [0 0 1 0]]
    """
    where, each = _widths(widths, axes, "crop")
    return stage(None, [Rate(lo=-lo, hi=-hi) for lo, hi in each], where)


def _widths(widths: Any, axes: Axes, operator: str) -> tuple[tuple[int, ...], tuple[Pair, ...]]:
    if is_pair(widths):
        where = axes_of(axes, None, operator, "widths")
        return where, pairs(widths, 1, operator, "widths", 0) * len(where)
    where = axes_of(axes, length(widths), operator, "widths")
    return where, pairs(widths, len(where), operator, "widths", 0)
