"""Arithmetic on taps: NumPy where they are constants, jnp where they are traced, on mere shapes while planning.

A plan is made once and run on many taps, so the laws are given `Term`s, placeholders that only know shape and dtype,
and `evaluate` later fills them in. Every function here takes any of the three kinds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray

from deconvjax.rewrite.tap_values import FUNCTIONS, Shape, is_constant


@dataclass(frozen=True, eq=False)
class Constant:
    """An array that is part of a plan."""

    array: np.ndarray


@dataclass(frozen=True)
class Term:
    """function(*args), not yet computed: what a plan knows of taps."""

    function: str
    args: tuple[Any, ...]
    shape: Shape
    dtype: Any
    weak_type: bool = False
    work: int = 0  # multiply-adds that computing it takes, each time the taps are new

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def aval(self) -> ShapedArray:
        """What JAX's promotion rules ask a scalar for."""
        return ShapedArray(self.shape, self.dtype, weak_type=self.weak_type)


def leaf(index: int, value: Any) -> Term:
    """The `index`-th array of a map, to be filled in."""
    dtype = jnp.result_type(value)
    weak = isinstance(value, (bool, int, float, complex)) or bool(getattr(value, "weak_type", False))
    return Term("leaf", (index,), np.shape(value), dtype, weak)


def outline(taps: np.ndarray) -> Term:
    """Constant taps as mere shape and dtype: what the price of a product needs, and it costs nothing to compute."""
    return Term("outline", (), taps.shape, taps.dtype)


def evaluate(term: Any, leaves: Sequence[Any], memory: dict[int, Any]) -> Any:
    """`term` with the arrays filled in."""
    if isinstance(term, Constant):
        return term.array
    if not isinstance(term, Term):
        return term
    if term.function == "leaf":
        return leaves[term.args[0]]
    if id(term) not in memory:
        args = [evaluate(arg, leaves, memory) for arg in term.args]
        memory[id(term)] = FUNCTIONS[term.function](*args)
    return memory[id(term)]


def _run(function: str, shape: Shape, dtype: Any, *args: Any, work: int = 0) -> Any:
    if any(isinstance(arg, Term) for arg in args):
        given = tuple(Constant(a) if isinstance(a, np.ndarray) else a for a in args)
        work += sum(arg.work for arg in args if isinstance(arg, Term))
        return Term(function, given, tuple(shape), dtype, work=work)
    return FUNCTIONS[function](*args)


def common_dtype(first: Any, second: Any, weak: tuple[bool, bool] = (False, False)) -> Any:
    """Dtype of a product of taps; weak taps give way to strong ones as Python numbers do."""
    kinds = {"b": 1, "i": 1, "u": 1, "f": 1.0, "V": 1.0, "c": 1j}
    a, b = np.dtype(first), np.dtype(second)
    if weak[0] == weak[1]:
        return np.promote_types(a, b) if a.kind != "V" and b.kind != "V" else jnp.promote_types(a, b)
    strong, giving = (b, a) if weak[0] else (a, b)
    return jnp.result_type(strong, kinds[giving.kind])


# ---- one argument ---------------------------------------------------------------------------------------------------
def reshape(taps: Any, shape: Shape) -> Any:
    """The same taps in another shape."""
    shape = tuple(shape)
    return taps if tuple(taps.shape) == shape else _run("reshape", shape, taps.dtype, taps, shape)


def correlation(taps: Any, ndim: int, groups: int | None, flip: bool, conjugate: bool) -> Any:
    """The taps as the stage's formula reads them: window reversed and channels swapped where `flip`, conjugated."""
    if not flip and not conjugate:
        return taps
    shape = tuple(taps.shape)
    if flip and groups is not None:
        inner, outer = shape[-2:]
        shape = (*shape[:-2], outer // groups, inner * groups)
    return _run("correlation", shape, taps.dtype, taps, ndim, groups, flip, conjugate)


def scaled(taps: Any, scalar: Any, dtype: Any) -> Any:
    """scalar * taps."""
    return _run("scaled", tuple(taps.shape), dtype, taps, scalar, np.dtype(dtype))


def item(taps: Any) -> Any:
    """The one number of taps of size 1, a Python number where it is a constant."""
    return _run("item", (), taps.dtype, taps)


def astype(taps: Any, dtype: Any) -> Any:
    """The taps in another dtype."""
    if np.dtype(taps.dtype) == np.dtype(dtype):
        return taps
    return _run("astype", tuple(taps.shape), dtype, taps, np.dtype(dtype))


def spread(taps: Any, steps: Sequence[int]) -> Any:
    """steps - 1 zeros between the taps of each window axis."""
    if all(s == 1 or n == 1 for s, n in zip(steps, taps.shape, strict=False)):
        return taps
    window = tuple((n - 1) * s + 1 for n, s in zip(taps.shape, steps, strict=False))
    return _run("spread", (*window, *taps.shape[len(window):]), taps.dtype, taps, tuple(steps))


def widened(taps: Any, before: Sequence[int], after: Sequence[int]) -> Any:
    """Zero taps added in front of and behind each window axis."""
    if not any(before) and not any(after):
        return taps
    window = tuple(n + a + b for n, a, b in zip(taps.shape, before, after, strict=False))
    return _run("widened", (*window, *taps.shape[len(window):]), taps.dtype, taps, tuple(before), tuple(after))


def chosen(taps: Any, cut: Sequence[tuple[int, int, int]]) -> Any:
    """taps[start : start + count*step : step] on each window axis."""
    window = tuple(count for _, _, count in cut)
    if tuple(taps.shape[: len(cut)]) == window:
        return taps
    return _run("chosen", (*window, *taps.shape[len(cut):]), taps.dtype, taps, tuple(cut))


def depthwise(taps: Any, channels: int) -> Any:
    """Scalar taps as one filter for each of `channels` groups."""
    return _run("depthwise", (*taps.shape, 1, channels), taps.dtype, taps, channels)


def coarser(taps: Any, groups: int, fewer: int) -> Any:
    """Grouped channels written with fewer groups: zeros outside the blocks."""
    if groups == fewer:
        return taps
    *window, inner, outer = taps.shape
    return _run("coarser", (*window, inner * groups // fewer, outer), taps.dtype, taps, groups, fewer)


def interleaved(taps: Any, shape: Shape, factor: Shape, order: str) -> Any:
    """K[j*r + r-1-p, c] = k[j, (c, p)] ("CRD") or k[j, (p, c)] ("DCR"): the phases of a pixel shuffle as one window."""
    return _run("interleaved", shape, taps.dtype, taps, tuple(shape), tuple(factor), order)


def per_input(weights: Any, groups: int, few: int, outer: int) -> Any:
    """One weight for each channel that goes in, laid out as the last two axes of a kernel."""
    return _run("per_input", (few, outer), weights.dtype, weights, groups, few, outer)


# ---- two arguments --------------------------------------------------------------------------------------------------
def times(first: Any, second: Any) -> Any:
    """first * second, two numbers."""
    if not isinstance(first, Term) and not isinstance(second, Term):
        return first * second
    weak = all(n.weak_type if isinstance(n, Term) else is_constant(n) for n in (first, second))
    return replace(_run("times", (), jnp.result_type(first, second), first, second), weak_type=weak)


def added(first: Any, second: Any, dtype: Any) -> Any:
    """first + second."""
    return _run("added", tuple(first.shape), dtype, first, second, np.dtype(dtype))


def merged(inner: Any, outer: Any, grid: Sequence[tuple[int, int]], groups: int | None, dtype: Any) -> Any:
    """The full convolution of two windows, each spread by its step of `grid`, channels contracted in `groups` blocks.

    `groups` None: both are scalar, or one of them is (it then scales whole kernels).
    """
    ndim = len(grid)
    window = tuple(i * (a - 1) + o * (b - 1) + 1 for a, b, (i, o) in zip(inner.shape, outer.shape, grid, strict=False))
    rest_i, rest_o = tuple(inner.shape[ndim:]), tuple(outer.shape[ndim:])
    rest = (rest_i[0], rest_o[1]) if rest_i and rest_o else rest_i or rest_o
    work = math.prod(inner.shape) * math.prod(outer.shape) // (rest_i[1] if rest_i and rest_o else 1)
    return _run("merged", (*window, *rest), dtype, inner, outer, tuple(grid), groups, np.dtype(dtype), work=work)
