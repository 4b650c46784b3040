"""Layers of deep learning on `(*batch, *space, channels)`: conv, its transpose in scatter form, pooling, reassembly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deconvjax.check.oracle.rearrange import PerAxis, at, pad, per_axis, resized
from deconvjax.check.oracle.sliding import stage

Padding = str | int | Sequence[Any]


def conv(
    x: np.ndarray, kernel: np.ndarray, *, strides: PerAxis = 1, padding: Padding = "SAME", input_dilation: PerAxis = 1,
    kernel_dilation: PerAxis = 1, groups: int = 1,
) -> np.ndarray:
    """y[n, o] = sum_{j,c} z[n*s + j*d - lo, c] k[j, c, o],  z = x with input_dilation - 1 zeros between samples.

    SAME gives ceil(dense/s) samples and puts the odd pad last (SAME_LOWER first); CIRCULAR gives as many by continuing
    x periodically, (K-1)//2 samples before and K//2 after.

    >>> conv(np.ones((4, 1)), np.ones((3, 1, 1)), strides=2)[:, 0]
    array([3., 2.])
    """
    x, kernel = np.asarray(x), np.asarray(kernel)
    ndim = kernel.ndim - 2
    strides, stuff, dilation = (per_axis(v, ndim) for v in (strides, input_dilation, kernel_dilation))
    taps = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
    dense = [(n - 1) * u + 1 for n, u in zip(x.shape[-ndim - 1 : -1], stuff, strict=True)]
    widths = pads(padding, dense, taps, strides)
    if padding == "CIRCULAR":
        x = pad(x, widths, "wrap", axes=tuple(range(-ndim - 1, -1)))
        widths = [(0, 0)] * ndim
    lo, hi = ([w[i] for w in widths] for i in (0, 1))
    return stage(x, kernel, up=stuff, down=strides, lo=lo, hi=hi, dilation=dilation, groups=groups)


def conv_transpose(
    y: np.ndarray, kernel: np.ndarray, *, strides: PerAxis = 1, padding: Padding = "SAME", output_padding: PerAxis = 0,
    output_shape: Sequence[int] | None = None, kernel_dilation: PerAxis = 1, groups: int = 1,
) -> np.ndarray:
    """x[n*s + j*d - lo, c] += sum_o y[n, o] k[j, c, o]: every sample stamps the kernel of the forward `conv`.

    `output_shape` is the spatial size of that conv's input; without it SAME and CIRCULAR give n*s, VALID (n-1)*s + K,
    pads (n-1)*s + K - lo - hi, plus `output_padding`. CIRCULAR stamps around the corner.

    >>> conv_transpose(np.array([[1], [2]]), np.arange(1, 4).reshape(3, 1, 1), strides=2, padding="VALID")[:, 0]
    array([1, 2, 5, 4, 6])
    """
    y, kernel = np.asarray(y), np.asarray(kernel)
    ndim = kernel.ndim - 2
    strides, dilation, extra = (per_axis(v, ndim) for v in (strides, kernel_dilation, output_padding))
    space = y.shape[-ndim - 1 : -1]
    taps = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
    if output_shape is not None:
        sizes = list(output_shape)
    elif padding in ("SAME", "SAME_LOWER", "CIRCULAR"):
        sizes = [n * s + e for n, s, e in zip(space, strides, extra, strict=True)]
    else:
        reach = [(n - 1) * s + k for n, s, k in zip(space, strides, taps, strict=True)]
        given = pads(padding, reach, taps, strides)
        sizes = [r - lo - hi + e for r, (lo, hi), e in zip(reach, given, extra, strict=True)]
    widths = pads(padding, sizes, taps, strides)
    inner, outer = kernel.shape[-2], kernel.shape[-1] // groups
    reach = [(n - 1) * s + k for n, s, k in zip(space, strides, taps, strict=True)]
    x = np.zeros((inner * groups, *y.shape[: -ndim - 1], *reach), np.result_type(y, kernel))
    y = np.moveaxis(y, -1, 0)
    for j in np.ndindex(*kernel.shape[:ndim]):
        first = [i * d for i, d in zip(j, dilation, strict=True)]
        where = tuple(slice(f, f + (n - 1) * s + 1, s) for f, n, s in zip(first, space, strides, strict=True))
        for g in range(groups):
            block = kernel[j][:, g * outer : (g + 1) * outer]
            stamp = np.tensordot(block, y[g * outer : (g + 1) * outer], 1)
            x[(slice(g * inner, (g + 1) * inner), ..., *where)] += stamp
    for a, (size, (lo, _)) in enumerate(zip(sizes, widths, strict=True)):
        x = _landed(x, a - ndim, size, lo, circular=padding == "CIRCULAR")
    return np.moveaxis(x, 0, -1)


def _landed(full: np.ndarray, axis: int, size: int, lo: int, *, circular: bool) -> np.ndarray:
    """x[m] = full[m + lo], zero where nothing was stamped; circular: the sum over all m + lo + t*size."""
    x = resized(full, axis, size)
    for place in range(full.shape[axis]):
        m = (place - lo) % size if circular else place - lo
        if 0 <= m < size:
            x[at(axis, slice(m, m + 1))] += full[at(axis, slice(place, place + 1))]
    return x


def pads(padding: Padding, sizes: Sequence[int], taps: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """(lo, hi) of each axis, for a window of `taps` at `strides` over `sizes` samples."""
    if padding == "VALID":
        return [(0, 0)] * len(sizes)
    if padding == "CIRCULAR":
        return [((k - 1) // 2, k // 2) for k in taps]
    if padding in ("SAME", "SAME_LOWER"):
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, taps, strides, strict=True)]
        return [(t // 2, t - t // 2) if padding == "SAME" else (t - t // 2, t // 2) for t in total]
    if isinstance(padding, int):
        return [(padding, padding)] * len(sizes)
    if len(sizes) == 1 and np.ndim(padding) == 1 and len(padding) == 2:
        padding = [padding]
    return [(p, p) if np.ndim(p) == 0 else tuple(p) for p in padding]  # type: ignore[misc, union-attr]


def average_pool(
    x: np.ndarray, window: PerAxis, strides: PerAxis | None = None, padding: Padding = "VALID",
    count_include_pad: bool = True, ndim: int | None = None,
) -> np.ndarray:
    """y[n] = sum_j x[n*s + j - lo] / prod(window), per channel; without count_include_pad over the samples inside.

    >>> average_pool(np.array([[1.0], [3.0], [5.0]]), (2,))[:, 0]
    array([2.])
    """
    sizes, steps, widths, x = _pooling(x, window, strides, padding, ndim)
    lo, hi = ([w[i] for w in widths] for i in (0, 1))
    z, box = np.moveaxis(x, -1, 0), np.ones(sizes)
    total = stage(z, box, down=steps, lo=lo, hi=hi)
    count = stage(np.ones_like(z), box, down=steps, lo=lo, hi=hi)
    return np.moveaxis(total / (np.prod(sizes) if count_include_pad else count), 0, -1)


def max_pool(
    x: np.ndarray, window: PerAxis, strides: PerAxis | None = None, padding: Padding = "VALID", ndim: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """y[n] = max_j x[n*s + j - lo] and its place, the first where several agree: (values, switches).

    A switch is the row-major index of the winner in its own channel's plane, as torch's `return_indices` gives it.

    >>> max_pool(np.array([[1], [3], [5], [4]]), (2,))
    (array([[3],
           [5]]), array([[1],
           [2]]))
    """
    taps, steps, widths, x = _pooling(x, window, strides, padding, ndim)
    space = x.shape[-len(taps) - 1 : -1]
    sizes = [(n + lo + hi - k) // s + 1 for n, (lo, hi), k, s in zip(space, widths, taps, steps, strict=True)]
    shape = (*x.shape[: -len(taps) - 1], *sizes, x.shape[-1])
    values, switches = np.zeros(shape, x.dtype), np.full(shape, -1)
    for n in np.ndindex(*sizes):
        for j in np.ndindex(*taps):
            place = tuple(a * s + b - w[0] for a, s, b, w in zip(n, steps, j, widths, strict=True))
            if all(0 <= a < size for a, size in zip(place, space, strict=True)):
                here, seen = (..., *n, slice(None)), x[(..., *place, slice(None))]
                wins = (switches[here] < 0) | (seen > values[here])
                values[here] = np.where(wins, seen, values[here])
                switches[here] = np.where(wins, np.ravel_multi_index(place, space), switches[here])
    return values, switches


def unpool(y: np.ndarray, switches: np.ndarray, space: Sequence[int]) -> np.ndarray:
    """x[switch[n]] += y[n], per channel: every pooled value back to where it came from.

    >>> unpool(np.array([[3], [5]]), np.array([[1], [2]]), (4,))[:, 0]
    array([0, 3, 5, 0])
    """
    y = np.asarray(y)
    switches, ndim = np.broadcast_to(switches, y.shape), len(space)
    x = np.zeros((*y.shape[: -ndim - 1], *space, y.shape[-1]), y.dtype)
    for n in np.ndindex(*y.shape):
        x[(*n[: -ndim - 1], *np.unravel_index(switches[n], tuple(space)), n[-1])] += y[n]
    return x


def reassemble(x: np.ndarray, weights: np.ndarray, factor: PerAxis) -> np.ndarray:
    """y[p, c] = sum_d M[p, d] x[floor(p/s) + d - (K-1)//2, c], zero outside; M is (*space*s, *window).

    >>> reassemble(np.array([[1], [2]]), np.ones((4, 1), int), 2)[:, 0]
    array([1, 1, 2, 2])
    """
    x, weights = np.asarray(x), np.asarray(weights)
    ndim = weights.ndim // 2
    window, factors = weights.shape[ndim:], per_axis(factor, ndim)
    space, sizes = x.shape[-ndim - 1 : -1], weights.shape[:ndim]
    y = np.zeros((*x.shape[: -ndim - 1], *sizes, x.shape[-1]), np.result_type(x, weights))
    for p in np.ndindex(*sizes):
        for d in np.ndindex(*window):
            place = [a // s + b - (k - 1) // 2 for a, s, b, k in zip(p, factors, d, window, strict=True)]
            if all(0 <= a < size for a, size in zip(place, space, strict=True)):
                y[(..., *p, slice(None))] += weights[(*p, *d)] * x[(..., *place, slice(None))]
    return y


def _pooling(x: Any, window: Any, strides: Any, padding: Any, ndim: int | None) -> tuple[Any, Any, Any, np.ndarray]:
    x = np.asarray(x)
    taps = per_axis(window, x.ndim - 1 if ndim is None else ndim)
    steps = taps if strides is None else per_axis(strides, len(taps))
    return taps, steps, pads(padding, x.shape[-len(taps) - 1 : -1], taps, steps), x
