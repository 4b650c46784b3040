"""The arithmetic on taps whose values are there: NumPy where they are constants, jnp where they are traced."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

Shape = tuple[int, ...]


def is_constant(taps: Any) -> bool:
    """True where the values are known now and for ever."""
    return isinstance(taps, (np.ndarray, np.generic, bool, int, float, complex))


def _xp(*arrays: Any) -> Any:
    return np if all(is_constant(a) for a in arrays) else jnp


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


def _product(a: Any, b: Any) -> Any:
    """a * b, the shorter shape given the rank of the other: `jax.numpy_rank_promotion` may forbid to broadcast it."""
    few, many = sorted((a, b), key=lambda x: x.ndim)
    return few.reshape((1,) * (many.ndim - few.ndim) + few.shape) * many


def _contract(inner: Any, outer: Any, groups: int | None, xp: Any) -> Any:
    """One tap of `outer` against all of `inner` (or the other way round): its channels contracted in blocks."""
    if groups is None:
        return _product(inner, outer)
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
    "scaled": lambda a, c, dtype: _product(_xp(a, c).asarray(a, dtype), _xp(a, c).asarray(c, dtype)),
    "item": _item,
    "astype": lambda taps, dtype: taps.astype(dtype),
    "spread": lambda taps, steps: _padded(taps, [0] * len(steps), [0] * len(steps), steps),
    "widened": lambda taps, before, after: _padded(taps, before, after, [1] * len(before)),
    "chosen": lambda taps, cut: taps[tuple(slice(a, a + (n - 1) * s + 1, s) for a, s, n in cut)],
    "interleaved": _interleaved,
    "per_input": _per_input,
    "depthwise": _depthwise,
    "coarser": _coarser,
    "times": lambda first, second: first * second,
    "added": lambda a, b, dtype: _xp(a, b).asarray(a, dtype) + _xp(a, b).asarray(b, dtype),
    "merged": _merged,
}
