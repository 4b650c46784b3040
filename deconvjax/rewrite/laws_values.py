"""Laws that look at the values of taps: for constants (NumPy) only, never for taps that are traced or trained."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from deconvjax.algebra import Chain, LinearMap
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite import taps as arithmetic
from deconvjax.rewrite.geometry import Samples, on_taps
from deconvjax.rewrite.law import law
from deconvjax.rewrite.laws_channels import is_kernel
from deconvjax.rewrite.price import work
from deconvjax.rewrite.stages import is_filter, is_scalar_filter, read_taps, space_of, with_axes, zero_between

LARGEST = 1 << 21  # numbers; looking at more takes longer than it saves


def _constant(stage: Stage) -> bool:
    return isinstance(stage.taps, np.ndarray) and stage.taps.size <= LARGEST and stage.taps.dtype.kind in "iufc"


@law(is_scalar_filter, lossless=False)
def separable_taps(stage: Stage) -> LinearMap | None:
    """(a b^T)* = (a along one axis)* o (b along the others)*: a window of rank 1 is one pass for each axis

    In the order that leaves the least to do. Integers are factored exactly, floats to rounding.
    """
    if not _constant(stage) or sum(n > 1 for n in stage.window) < 2:
        return None
    factors = rank_one(read_taps(stage))
    if factors is None:
        return None
    busy = [i for i, n in enumerate(stage.window) if n > 1]
    return min((_passes(stage, factors, order) for order in itertools.permutations(busy)), key=lambda a: work(a).price)


def _passes(stage: Stage, factors: list[np.ndarray], order: tuple[int, ...]) -> LinearMap:
    """One stage for each axis in `order`, the last of it first to act; idle axes go with the first."""
    maps: list[LinearMap] = []
    here = space_of(stage)
    idle = [i for i in range(len(stage.axes)) if i not in order]
    for place, i in enumerate(reversed(order)):
        mine = sorted([i, *idle]) if place == 0 else [i]
        taps = factors[i]
        if place == 0:
            for j in idle:
                taps = taps * factors[j].item()
        shape = tuple(len(factors[j]) if j == i else 1 for j in mine)
        one = replace(stage, taps=taps.reshape(shape), flip=False, conjugate=False)
        maps.insert(0, with_axes(one, tuple(stage.axes[j] for j in mine), tuple(stage.geometry[j] for j in mine), here))
        here = maps[0]._codomain()
    return Chain(tuple(maps), stage.space)


def rank_one(taps: np.ndarray) -> list[np.ndarray] | None:
    """One vector for each axis whose outer product the window is; None where there are none.

    >>> [factor.tolist() for factor in rank_one(np.array([[2, 4], [3, 6]]))]
    [[2, 3], [1, 2]]
    """
    factors, rest = [], taps
    for _ in range(taps.ndim - 1):
        flat = rest.reshape(rest.shape[0], -1)
        where = np.unravel_index(np.argmax(np.abs(flat)), flat.shape)
        if flat[where] == 0:
            return None
        row = flat[where[0]]
        if taps.dtype.kind in "iu":
            row = row // np.gcd.reduce(row)
            column = flat[:, where[1]] // row[where[1]]
            same = np.array_equal(np.outer(column, row), flat)
        else:
            column = flat[:, where[1]] / row[where[1]]
            bound = 16 * np.finfo(taps.dtype).eps * np.abs(flat[where])
            same = bool((np.abs(np.outer(column, row) - flat) <= bound).all())
        if not same:
            return None
        factors.append(column)
        rest = row.reshape(rest.shape[1:])
    return [*factors, rest]


@law(is_filter, lossless=False)
def zero_taps(stage: Stage) -> LinearMap | None:
    """(0, a, 0, b, 0)* = (a, b)* dilated: taps that are zero are not multiplied, and a comb of taps is a dilation"""
    if not _constant(stage):
        return None
    if not stage.taps.any():
        return zero_between(stage, stage)
    taps, cut = read_taps(stage), []
    for i in range(len(stage.window)):
        used = np.flatnonzero(taps.any(axis=tuple(j for j in range(taps.ndim) if j != i)))
        step = int(np.gcd.reduce(np.diff(used))) if len(used) > 1 else 1
        cut.append(Samples(int(used[0]), step, int(used[-1] - used[0]) // step + 1))
    if tuple(each.count for each in cut) == stage.window:
        return None
    taps = arithmetic.chosen(taps, [(each.start, each.step, each.count) for each in cut])
    axes = tuple(on_taps(axis, each) for axis, each in zip(stage.geometry, cut, strict=True))
    return with_axes(replace(stage, taps=taps, flip=False, conjugate=False), stage.axes, axes, space_of(stage))


@law(is_kernel)
def one_filter_for_all(stage: Stage) -> LinearMap | None:
    """k[j, c, o] = q[j] where c is o, else 0: a kernel that only filters each channel alike is a scalar filter"""
    cin, cout = stage.channels
    if not _constant(stage) or cin != cout:
        return None
    groups = stage.groups or 1
    taps = read_taps(stage)
    blocks = taps.reshape(*stage.window, cin // groups, groups, cin // groups)
    first = blocks[..., 0, 0, 0]
    if not np.array_equal(blocks, first[..., None, None, None] * np.eye(cin // groups, dtype=taps.dtype)[:, None, :]
                          * np.ones((groups, 1), taps.dtype)):
        return None
    one = replace(stage, taps=first, groups=None, flip=False, conjugate=False)
    return with_axes(one, stage.axes, stage.geometry, space_of(stage))


VALUE_LAWS_OF_ONE = (one_filter_for_all,)
VALUE_LAWS = (zero_taps, separable_taps)
