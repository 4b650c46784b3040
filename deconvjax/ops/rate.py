"""Rate changes: stuff zeros (↑k), keep every k-th sample (↓k), move (shift)."""

from __future__ import annotations

from deconvjax.algebra import LinearMap
from deconvjax.axis import Rate
from deconvjax.ops.arguments import Axes, Factor, axes_of, integers, length, stage


def upsample(factor: Factor, *, axes: Axes = None) -> LinearMap:
    """y[n] = x[n/k] where k divides n, else 0; length n*k.

    ↑k: `factor - 1` zeros after every sample, the trailing ones kept, so that `upsample(k)` is the transpose of
    `downsample(k)` on a length that k divides. Any dtype, and it is kept.

    Args:
        factor: int >= 1, or one for each axis.
        axes: negative axes; None means the trailing ones, as many as `factor` has entries (an int: the last).

    Raises:
        TypeError: a factor that is not an int. ValueError: a factor below 1. ShapeError: axes that do not fit.

    Source: Vaidyanathan, Multirate Systems and Filter Banks, 1993, section 4.1.

    >>> import deconvjax as dj
    >>> print(dj.upsample(2).on((2,)).matrix().astype(int))
    [[1 0]
     [0 0]
     [0 1]
     [0 0]]
    """
    where = axes_of(axes, length(factor), "upsample", "factor")
    factors = integers(factor, len(where), "upsample", "factor", 1)
    return stage(None, [Rate(up=k, hi=k - 1) for k in factors], where)


def downsample(factor: Factor, *, phase: Factor = 0, axes: Axes = None) -> LinearMap:
    """y[n] = x[k*n + phase]; length ceil((n - phase)/k).

    ↓k: every k-th sample, starting at `phase`. Any dtype, and it is kept.

    Args:
        factor: int >= 1, or one for each axis.
        phase: first sample kept, int >= 0, or one for each axis.
        axes: negative axes; None means the trailing ones, as many as `factor` has entries (an int: the last).

    Raises:
        TypeError: a factor or phase that is not an int. ValueError: a factor below 1 or a negative phase.
        ShapeError: axes that do not fit, or (when bound) a phase behind the last sample.

    Source: Vaidyanathan, Multirate Systems and Filter Banks, 1993, section 4.1.

    >>> import deconvjax as dj
    >>> print(dj.downsample(2, phase=1).on((5,)).matrix().astype(int))
    [[0 1 0 0 0]
     [0 0 0 1 0]]
    """
    name, several = ("phase", phase) if length(factor) is None and length(phase) is not None else ("factor", factor)
    where = axes_of(axes, length(several), "downsample", name)
    factors = integers(factor, len(where), "downsample", "factor", 1)
    phases = integers(phase, len(where), "downsample", "phase", 0)
    return stage(None, [Rate(down=k, lo=-p) for k, p in zip(factors, phases, strict=True)], where)


def shift(offset: Factor, *, axes: Axes) -> LinearMap:
    """y[n] = x[n - offset]; the same length, zeros enter.

    The delay z^-offset on a finite signal; a negative offset advances. Any dtype, and it is kept.

    Args:
        offset: int of either sign, or one for each axis.
        axes: the negative axes to move along.

    Raises:
        TypeError: an offset that is not an int. ShapeError: axes that do not fit.

    Source: Vaidyanathan, Multirate Systems and Filter Banks, 1993, section 4.2 (the delay chain).

    >>> import deconvjax as dj
    >>> print(dj.shift(1, axes=-1).on((3,)).matrix().astype(int))
    [[0 0 0]
     [1 0 0]
     [0 1 0]]
    """
    where = axes_of(axes, length(offset), "shift", "offset")
    offsets = integers(offset, len(where), "shift", "offset")
    return stage(None, [Rate(lo=n, hi=-n) for n in offsets], where)
