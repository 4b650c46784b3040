"""Arithmetic on taps: NumPy where they are constants, jnp where they are traced, and on their mere shapes while planning.

A plan is made once and run on many taps, so the laws are given `Term`s, placeholders that only know shape and dtype,
and `evaluate` later fills them in. Every function here takes any of the three kinds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Shape = tuple[int, ...]


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
    def aval(self) -> jax.core.ShapedArray:
        """What JAX's promotion rules ask a scalar for."""
        return jax.core.ShapedArray(self.shape, self.dtype, weak_type=self.weak_type)


def leaf(index: int, value: Any) -> Term:
    """The `index`-th array of a map, to be filled in."""
    dtype = jnp.result_type(value)
    weak = isinstance(value, (bool, int, float, complex)) or bool(getattr(value, "weak_type", False))
    return Term("leaf", (index,), np.shape(value), dtype, weak)


def is_constant(taps: Any) -> bool:
    """True where the values are known now and for ever."""
    return isinstance(taps, (np.ndarray, np.generic, bool, int, float, complex))


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


def _xp(*arrays: Any) -> Any:
    return np if all(is_constant(a) for a in arrays) else jnp


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
    return taps if np.dtype(taps.dtype) == np.dtype(dtype) else _run("astype", tuple(taps.shape), dtype, taps, np.dtype(dtype))


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


# ---- the arithmetic -------------------------------------------------------------------------------------------------
def _correlation(taps: Any, ndim: int, groups: int | None, flip: bool, conjugate: bool) -> Any:
    if flip:
        taps = taps[(slice(None, None, -1),) * ndim]
        if groups is not None:
            *window, inner, outer = taps.shape
            split = taps.reshape(*window, inner, groups, outer // groups)
            taps = split.swapaxes(-1, -3).reshape(*window, outer // groups, groups * inner)
    return taps.conj() if conjugate else taps


def _item(taps: Any) -> Any:
    return np.asarray(taps).item() if is_constant(taps) else taps.reshape(())


def _padded(taps: Any, before: Sequence[int], after: Sequence[int], steps: Sequence[int]) -> Any:
    """Zeros in front of, behind and between taps."""
    ndim = len(steps)
    config = [*zip(before, after, (s - 1 for s in steps), strict=True)] + [(0, 0, 0)] * (taps.ndim - ndim)
    if not is_constant(taps):
        return lax.pad(taps, jnp.zeros((), taps.dtype), config)
    window = tuple(a + b + (n - 1) * s + 1 for n, a, b, s in zip(taps.shape, before, after, steps, strict=False))
    out = np.zeros((*window, *taps.shape[ndim:]), taps.dtype)
    out[tuple(slice(a, a + (n - 1) * s + 1, s) for n, a, s in zip(taps.shape, before, steps, strict=False))] = taps
    return out


def _interleaved(taps: Any, shape: Shape, factor: Shape, order: str) -> Any:
    n, xp = len(factor), _xp(taps)
    channels = (shape[-1], *factor) if order == "CRD" else (*factor, shape[-1])
    split = taps.reshape(*taps.shape[:-1], *channels)
    first = n + 2 if order == "CRD" else n + 1
    split = xp.flip(split, tuple(range(first, first + n)))
    places = [place for axis in range(n) for place in (axis, first + axis)]
    return split.transpose(*places, n, n + 1 if order == "CRD" else 2 * n + 1).reshape(shape)


def _per_input(weights: Any, groups: int, few: int, outer: int) -> Any:
    xp = _xp(weights)
    blocks = xp.broadcast_to(weights, (groups * few,)).reshape(groups, few).T
    return xp.repeat(blocks, outer // groups, axis=1)


def _depthwise(taps: Any, channels: int) -> Any:
    return _xp(taps).broadcast_to(taps[..., None, None], (*taps.shape, 1, channels))


def _coarser(taps: Any, groups: int, fewer: int) -> Any:
    xp, times = _xp(taps), groups // fewer
    *window, inner, outer = taps.shape
    blocks = taps.reshape(*window, inner, fewer, times, outer // groups)
    same = xp.eye(times, dtype=taps.dtype)
    blocks = xp.moveaxis(blocks, -2, -4)[..., None, :, :, :] * same[:, :, None, None, None]  # [s, r, inner, fewer, o]
    blocks = xp.moveaxis(blocks, -4, -2)  # [s, inner, fewer, r, o]
    return blocks.reshape(*window, times * inner, outer)


def _contract(inner: Any, outer: Any, groups: int | None, xp: Any) -> Any:
    """One tap of `outer` against all of `inner` (or the other way round): its channels contracted in blocks."""
    if groups is None:
        return inner * outer
    a = inner.reshape(*inner.shape[:-1], groups, inner.shape[-1] // groups)
    b = outer.reshape(*outer.shape[:-1], groups, outer.shape[-1] // groups)
    options = {} if xp is np else {"precision": lax.Precision.HIGHEST}
    product = xp.einsum("...igm,...mgo->...igo", a, b, **options)
    return product.reshape(*product.shape[:-2], -1)


def _merged(inner: Any, outer: Any, grid: Sequence[tuple[int, int]], groups: int | None, dtype: Any) -> Any:
    ndim, xp = len(grid), _xp(inner, outer)
    inner, outer = xp.asarray(inner, dtype), xp.asarray(outer, dtype)
    if inner.ndim != outer.ndim:  # a scalar filter against a kernel
        wide = (Ellipsis, None, None)
        inner, outer = (inner[wide], outer) if inner.ndim == ndim else (inner, outer[wide])
    few, many, turned = outer, inner, False
    if math.prod(inner.shape[:ndim]) < math.prod(outer.shape[:ndim]):
        few, many, turned = inner, outer, True
    steps = [(o, i) if turned else (i, o) for i, o in grid]  # (of many, of few)
    window = [m * (a - 1) + f * (b - 1) + 1 for a, b, (m, f) in zip(many.shape, few.shape, steps, strict=False)]
    total = None
    for index in np.ndindex(*few.shape[:ndim]):
        pair = (few[index], many) if turned else (many, few[index])
        part = _contract(*pair, groups, xp)
        before = [f * i for i, (_, f) in zip(index, steps, strict=True)]
        after = [w - b - m * (a - 1) - 1 for w, b, (m, _), a in zip(window, before, steps, many.shape, strict=False)]
        part = _padded(part, before, after, [m for m, _ in steps])
        total = part if total is None else total + part
    return total


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "reshape": lambda taps, shape: taps.reshape(shape),
    "correlation": _correlation,
    "scaled": lambda taps, scalar, dtype: _xp(taps, scalar).asarray(taps, dtype) * _xp(taps, scalar).asarray(scalar, dtype),
    "item": _item,
    "astype": lambda taps, dtype: taps.astype(dtype),
    "spread": lambda taps, steps: _padded(taps, [0] * len(steps), [0] * len(steps), steps),
    "widened": lambda taps, before, after: _padded(taps, before, after, [1] * len(before)),
    "chosen": lambda taps, cut: taps[tuple(slice(a, a + (n - 1) * s + 1, s) for a, s, n in cut)],
    "interleaved": _interleaved,
    "per_input": _per_input,
    "depthwise": _depthwise,
    "coarser": _coarser,
    "added": lambda a, b, dtype: _xp(a, b).asarray(a, dtype) + _xp(a, b).asarray(b, dtype),
    "merged": _merged,
}
