"""Operators that only move samples: rate changes, windows, borders, sub-pixel shuffles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PerAxis = int | Sequence[int]
Widths = Sequence[int] | Sequence[Sequence[int]]


def per_axis(value: PerAxis, count: int) -> tuple[int, ...]:
    """The value of each of `count` axes."""
    return (value,) * count if np.ndim(value) == 0 else tuple(value)  # type: ignore[return-value, arg-type]


def resolve(value: PerAxis, axes: PerAxis | None) -> list[tuple[int, int]]:
    """(axis, value) pairs; without `axes` the trailing ones, as many as there are values."""
    if axes is None:
        count = 1 if np.ndim(value) == 0 else len(value)  # type: ignore[arg-type]
        axes = range(-count, 0)
    axes = per_axis(axes, 1)
    return list(zip(axes, per_axis(value, len(axes)), strict=True))


def pairs(widths: Widths, axes: PerAxis | None) -> list[tuple[int, tuple[int, int]]]:
    """(axis, (lo, hi)) pairs; one flat pair is for the last axis, or for every axis named."""
    if np.ndim(widths) == 1:
        named = per_axis(-1 if axes is None else axes, 1)
        return [(axis, tuple(widths)) for axis in named]  # type: ignore[misc]
    named = range(-len(widths), 0) if axes is None else per_axis(axes, 1)
    return [(axis, tuple(pair)) for axis, pair in zip(named, widths, strict=True)]  # type: ignore[misc, arg-type]


def at(axis: int, index: slice | np.ndarray) -> tuple:
    """x[..., index, :, ...] with `index` on the negative `axis`."""
    return (..., index, *(slice(None),) * (-axis - 1))


def resized(x: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Zeros shaped like x, `size` long on `axis`."""
    shape = list(x.shape)
    shape[axis] = size
    return np.zeros(shape, x.dtype)


def upsample(x: np.ndarray, factor: PerAxis, *, axes: PerAxis | None = None) -> np.ndarray:
    """y[k n] = x[n], zeros between and after; length k*n.

    >>> upsample(np.array([1, 2]), 3)
    array([1, 0, 0, 2, 0, 0])
    """
    y = np.asarray(x)
    for axis, k in resolve(factor, axes):
        x, y = y, resized(y, axis, k * y.shape[axis])
        y[at(axis, slice(None, None, k))] = x
    return y


def downsample(x: np.ndarray, factor: PerAxis, *, phase: PerAxis = 0, axes: PerAxis | None = None) -> np.ndarray:
    """y[n] = x[k n + phase].

    >>> downsample(np.arange(7), 3, phase=1)
    array([1, 4])
    """
    x = np.asarray(x)
    named = resolve(factor, axes)
    for (axis, k), first in zip(named, per_axis(phase, len(named)), strict=True):
        x = x[at(axis, slice(first, None, k))]
    return x


def shift(x: np.ndarray, offset: PerAxis, *, axes: PerAxis) -> np.ndarray:
    """y[n] = x[n - offset], zero where that lies outside.

    >>> shift(np.array([1, 2, 3]), 1, axes=-1)
    array([0, 1, 2])
    """
    x = np.asarray(x)
    for axis, s in resolve(offset, axes):
        y = resized(x, axis, x.shape[axis])
        for n in range(x.shape[axis]):
            if 0 <= n - s < x.shape[axis]:
                y[at(axis, slice(n, n + 1))] = x[at(axis, slice(n - s, n - s + 1))]
        x = y
    return x


def source(n: int, size: int, mode: str) -> int:
    """Which sample stands at position n of the signal continued beyond its borders.

    >>> [source(n, 3, "reflect") for n in range(-3, 6)]
    [1, 2, 1, 0, 1, 2, 1, 0, 1]
    """
    if mode == "wrap":
        return n % size
    if mode == "edge":
        return min(max(n, 0), size - 1)
    if mode == "symmetric":
        return min(n % (2 * size), 2 * size - 1 - n % (2 * size))
    if mode == "reflect":
        period = max(2 * (size - 1), 1)
        return min(n % period, period - n % period) if size > 1 else 0
    raise ValueError(f"unknown border mode {mode!r}")


def pad(x: np.ndarray, widths: Widths, mode: str = "zero", *, axes: PerAxis | None = None) -> np.ndarray:
    """y[n] = x[n - lo], continued beyond the borders by `mode`: zero, reflect, symmetric, edge, wrap.

    >>> pad(np.array([1, 2, 3]), (2, 1), "symmetric")
    array([2, 1, 1, 2, 3, 3])
    """
    x = np.asarray(x)
    for axis, (lo, hi) in pairs(widths, axes):
        size = x.shape[axis]
        if mode == "zero":
            y = resized(x, axis, size + lo + hi)
            first, last = max(0, -lo), min(size, size + hi)
            if first < last:
                y[at(axis, slice(first + lo, last + lo))] = x[at(axis, slice(first, last))]
            x = y
        else:
            x = x[at(axis, np.array([source(n, size, mode) for n in range(-lo, size + hi)]))]
    return x


def crop(x: np.ndarray, widths: Widths, *, axes: PerAxis | None = None) -> np.ndarray:
    """y[n] = x[n + lo], hi samples fewer at the end.

    >>> crop(np.arange(5), (1, 2))
    array([1, 2])
    """
    x = np.asarray(x)
    for axis, (lo, hi) in pairs(widths, axes):
        x = x[at(axis, slice(lo, x.shape[axis] - hi))]
    return x


def pixel_shuffle(x: np.ndarray, factor: PerAxis, *, order: str = "CRD", ndim: int = 2) -> np.ndarray:
    """y[r h + i, r w + j, c] = x[h, w, c r^2 + i r + j] (CRD) or x[h, w, (i r + j) C + c] (DCR); channels last.

    >>> pixel_shuffle(np.arange(4).reshape(1, 1, 4), 2)[..., 0]
    array([[0, 1],
           [2, 3]])
    """
    x = np.asarray(x)
    factors = per_axis(factor, ndim)
    d, cells = len(factors), int(np.prod(factors))
    space, channels = x.shape[-d - 1 : -1], x.shape[-1] // cells
    y = np.zeros((*x.shape[: -d - 1], *(n * r for n, r in zip(space, factors, strict=True)), channels), x.dtype)
    for cell, offsets in enumerate(np.ndindex(*factors)):
        where = tuple(slice(i, None, r) for i, r in zip(offsets, factors, strict=True))
        for c in range(channels):
            y[(..., *where, c)] = x[..., c * cells + cell if order == "CRD" else cell * channels + c]
    return y


def pixel_unshuffle(x: np.ndarray, factor: PerAxis, *, order: str = "CRD", ndim: int = 2) -> np.ndarray:
    """y[h, w, c r^2 + i r + j] = x[r h + i, r w + j, c] (CRD), or channel (i r + j) C + c (DCR).

    >>> pixel_unshuffle(np.arange(4).reshape(2, 2, 1), 2).ravel()
    array([0, 1, 2, 3])
    """
    x = np.asarray(x)
    factors = per_axis(factor, ndim)
    d, cells, channels = len(factors), int(np.prod(factors)), x.shape[-1]
    space = (n // r for n, r in zip(x.shape[-d - 1 : -1], factors, strict=True))
    y = np.zeros((*x.shape[: -d - 1], *space, channels * cells), x.dtype)
    for cell, offsets in enumerate(np.ndindex(*factors)):
        where = tuple(slice(i, None, r) for i, r in zip(offsets, factors, strict=True))
        for c in range(channels):
            y[..., c * cells + cell if order == "CRD" else cell * channels + c] = x[(..., *where, c)]
    return y
