"""Stages whose every tap meets one sample: weights on single samples, which many rates say equally well.

y[n0 + t*a] = k[j0 + t] x[m0 + t*c],      a*down + dilation = c*up      (a or c may be negative: a reversal)
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from deconvjax.axis import Axis, Fusion
from deconvjax.rewrite.geometry import Samples, hull, meets, solutions

PATIENCE = 64  # rates tried


@lru_cache(maxsize=65536)
def meetings(axis: Axis) -> tuple[tuple[int, int], ...] | None:
    """The one output and the one input that each tap brings together, or None where a tap serves several, or none.

    >>> meetings(Axis(size=2, window=2, up=3, dilation=2, hi=0))
    ((0, 0), (1, 1))
    """
    found = []
    for n, m in solutions(axis):
        if n.count > 1:
            return None
        found.append((n.start, m.start))
    return tuple(found) if len(found) == axis.window > 1 else None


@lru_cache(maxsize=65536)
def smallest_rates(axis: Axis) -> Axis:
    """The axis with the smallest down + up (then up) under which the same taps meet the same samples.

    Only where each tap meets one sample and they lie on a line; any other axis has one set of rates and is returned.

    >>> smallest_rates(Axis(size=2, window=2, up=3, dilation=2))
    Axis(size=2, window=2, dilation=1, up=2, down=1, lo=0, hi=0)
    """
    pairs = meetings(axis)
    if pairs is None:
        return axis
    (n0, m0), (n1, m1) = pairs[:2]
    a, c = n1 - n0, m1 - m0
    if a == 0 or c == 0:
        return axis
    tried = 0
    for total in range(2, axis.up + axis.down + 1):
        for up in range(1, total):
            down, dilation = total - up, c * up - a * (total - up)
            if dilation < 1:
                continue
            tried += 1
            if tried > PATIENCE:
                return axis
            slim = Axis(axis.size, axis.window, dilation, up, down, n0 * down - m0 * up)
            slim = replace(slim, hi=(axis.out - 1) * down + slim.taps - slim.dense - slim.lo)
            if meetings(slim) == pairs:
                return slim
    return axis


def is_one_to_one(axis: Axis) -> bool:
    """True where each tap meets one sample, and no two taps the same: weights on single samples.

    >>> is_one_to_one(Axis(size=2, window=2, up=2)), is_one_to_one(Axis(size=3, window=2))
    (True, False)
    """
    pairs = meetings(axis)
    return pairs is not None and len({n for n, _ in pairs}) == len({m for _, m in pairs}) == len(pairs)


@lru_cache(maxsize=65536)
def needed_taps(fusion: Fusion, outer: int, inner: int) -> Samples | None:
    """The taps of a product, on its grid, that hold a number (not a gap between spread taps) and meet a sample.

    `outer` and `inner` are the windows of the two. None where they are not evenly spaced, or where there are none.

    >>> needed_taps(Fusion(Axis(size=2, window=4, up=3), inner_spacing=2, outer_spacing=1), outer=2, inner=2)
    Samples(start=0, step=3, count=2)
    """
    grid = fusion.axis.dilation
    o, i = fusion.outer_spacing, fusion.inner_spacing
    numbers = {(p * o + q * i) // grid for p in range(outer) for q in range(inner)}
    needed = [Samples(j, 1, 1) for j in sorted(numbers) if meets(fusion.axis, j)]
    taps = hull(needed)
    return taps if taps is not None and taps.count == len(needed) else None
