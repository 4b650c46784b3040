"""Borders other than zero: the signal goes on as a copy of itself, and the transpose folds the copies back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.errors import ShapeError, complaint
from deconvjax.space import Space

MODES = ("reflect", "symmetric", "edge", "wrap")


@final_map
class Extend(LinearMap):
    """y[n] = x[source(n - lo)], where `source` maps a coordinate outside back inside as `numpy.pad(mode=mode)` does.

    `fold` is its transpose: y[m] = sum of x[n + lo] over all n with source(n) = m. Widths may exceed the signal.
    """

    widths: tuple[tuple[int, int], ...] = static()
    axes: tuple[int, ...] = static()
    mode: str = static()
    fold: bool = static(default=False)
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        shape = space.shape
        if len(shape) < -min(self.axes):
            raise ShapeError(complaint(self._label(), "the input has too few axes", got=f"shape {shape}",
                                       expected=f"at least {-min(self.axes)} axes", fix="add the missing axes to x"))
        for axis, (lo, hi) in zip(self.axes, self.widths, strict=True):
            if self.fold and shape[axis] <= lo + hi:
                raise ShapeError(complaint(self._label(), f"axis {axis} is too short to fold its borders back",
                                           got=f"{shape[axis]} samples", expected=f"more than {lo + hi}",
                                           fix="give it the length that the extended signal had"))
        return replace(self, space=space)

    def _codomain(self) -> Space:
        space = self._bound_space("codomain")
        shape = list(space.shape)
        for axis, (lo, hi) in zip(self.axes, self.widths, strict=True):
            shape[axis] += -lo - hi if self.fold else lo + hi
        return Space.array(tuple(shape), space.dtype)

    def _apply(self, x: Any) -> Any:
        x = jnp.asarray(x)
        dtype = x.dtype
        if self.fold and jnp.issubdtype(dtype, jnp.inexact) and dtype.itemsize == 2:
            x = x.astype(jnp.float32)  # sums of many half-precision numbers
        act: Callable[[jax.Array, int, int, tuple[Run, ...]], jax.Array] = _fold if self.fold else _extend
        for axis, (lo, hi) in zip(self.axes, self.widths, strict=True):
            if lo or hi:
                size = x.shape[axis] - (lo + hi if self.fold else 0)
                x = act(x, x.ndim + axis, size, runs(size, lo, hi, self.mode))
        return x.astype(dtype)

    def _transpose(self) -> LinearMap:
        return replace(self, fold=not self.fold, space=self._codomain())

    def _along(self, axes: tuple[int, ...]) -> LinearMap:
        if len(axes) < -min(self.axes):
            raise ShapeError(complaint(self._label(), "too few axes to lay the map along", got=f"along({axes})",
                                       expected=f"at least {-min(self.axes)} axes", fix="name an axis for each"))
        moved = sorted(zip((axes[axis] for axis in self.axes), self.widths, strict=True))
        return replace(self, axes=tuple(axis for axis, _ in moved), widths=tuple(width for _, width in moved))

    def _label(self) -> str:
        widths = self.widths[0] if len(set(self.widths)) == 1 else self.widths
        axes = [*self.axes]
        named = axes[0] if len(axes) == 1 else self.axes
        where = "" if axes == [*range(-len(axes), 0)] else f", axes={named}"
        return f"pad({widths}, {self.mode!r}{where}){'.T' if self.fold else ''}"

    def _latex(self) -> str:
        tall = r"^{\mathsf{T}}" if self.fold else ""
        return rf"\mathrm{{pad}}_{{\mathrm{{{self.mode}}}}}{tall}"


Run = tuple[int, int, int]  # (first source sample, how many, step +1 | -1 | 0)


@lru_cache(maxsize=1024)
def runs(size: int, lo: int, hi: int, mode: str) -> tuple[Run, ...]:
    """The extended signal as stretches of the signal read forwards, backwards, or one sample repeated.

    >>> runs(4, 2, 1, "reflect")
    ((2, 2, -1), (0, 4, 1), (2, 1, 1))
    """
    source = _source(size, lo, hi, mode)
    cuts, steps = [0], []
    at = 0
    while at < len(source):
        step = int(source[at + 1] - source[at]) if at + 1 < len(source) else 1
        if step not in (-1, 0, 1):
            step, stop = 1, at + 1  # a stretch of one sample
        else:
            stop = at + 1
            while stop < len(source) and source[stop] - source[stop - 1] == step:
                stop += 1
        if at < lo < stop:
            stop = lo  # the signal itself is one stretch
        steps.append(step)
        cuts.append(stop)
        at = stop
    return tuple((int(source[a]), b - a, s) for a, b, s in zip(cuts, cuts[1:], steps, strict=False))


def _source(size: int, lo: int, hi: int, mode: str) -> np.ndarray:
    """Index of the sample that each place of the extended signal shows."""
    n = np.arange(-lo, size + hi)
    if mode == "edge" or size == 1:
        return np.clip(n, 0, size - 1)
    if mode == "wrap":
        return n % size
    period = 2 * size if mode == "symmetric" else 2 * size - 2
    n = n % period
    return np.where(n < size, n, period - n - (1 if mode == "symmetric" else 0))


def _extend(x: jax.Array, axis: int, size: int, stretches: tuple[Run, ...]) -> jax.Array:
    """Slices, reversed or repeated where the run says so, side by side: no gather."""
    pieces = []
    for start, count, step in stretches:
        if step == 0:
            one = lax.slice_in_dim(x, start, start + 1, axis=axis)
            pieces.append(jnp.broadcast_to(one, (*x.shape[:axis], count, *x.shape[axis + 1:])))
        elif step == 1:
            pieces.append(lax.slice_in_dim(x, start, start + count, axis=axis))
        else:
            pieces.append(lax.rev(lax.slice_in_dim(x, start - count + 1, start + 1, axis=axis), (axis,)))
    return lax.concatenate(pieces, axis)


def _fold(y: jax.Array, axis: int, size: int, stretches: tuple[Run, ...]) -> jax.Array:
    """The transpose of `_extend`: every stretch, turned back, padded to its place and added: no scatter."""
    total, at = None, 0
    for start, count, step in stretches:
        piece = lax.slice_in_dim(y, at, at + count, axis=axis)
        at += count
        if step == 0:
            piece = jnp.sum(piece, axis=axis, keepdims=True, dtype=y.dtype)
        elif step == -1:
            piece, start = lax.rev(piece, (axis,)), start - count + 1
        config = [(0, 0, 0)] * y.ndim
        config[axis] = (start, size - start - piece.shape[axis], 0)
        piece = lax.pad(piece, jnp.zeros((), y.dtype), config)
        total = piece if total is None else total + piece
    assert total is not None
    return total
