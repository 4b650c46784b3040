"""Operators that slide taps: the stage, convolution and correlation with every border, upfirdn."""

from __future__ import annotations

from typing import Any

import numpy as np

from deconvjax.check.oracle.rearrange import PerAxis, Widths, pad, per_axis, resized


def stage(
    x: np.ndarray, taps: Any, *, up: PerAxis = 1, down: PerAxis = 1, lo: PerAxis = 0, hi: PerAxis = 0,
    dilation: PerAxis = 1, groups: int | None = None,
) -> np.ndarray:
    """y[n] = sum_j k[j] z[n*down + j*dilation - lo],  z = x with up-1 zeros between samples, zero outside.

    Scalar taps `(*window)` act on the trailing axes. With `groups`, taps are `(*window, in/groups, out)` and x is
    `(*batch, *space, in)`; output channel o reads the input channels of its group.

    >>> stage(np.array([1, 2, 3]), [1, 10], up=2, lo=1, hi=0)
    array([10,  1, 20,  2, 30])
    """
    x, taps = np.asarray(x), np.asarray(taps)
    channelled = groups is not None
    ndim = taps.ndim - 2 * channelled
    z = np.moveaxis(x, -1, 0) if channelled else x  # channels first, so that space is trailing either way
    up, down, lo, hi, dilation = (per_axis(v, ndim) for v in (up, down, lo, hi, dilation))
    sizes = []
    for a in range(ndim):
        axis = a - ndim
        dense = resized(z, axis, (z.shape[axis] - 1) * up[a] + 1)
        dense[(..., slice(None, None, up[a]), *(slice(None),) * (-axis - 1))] = z
        z = pad(dense, (lo[a], hi[a]), axes=axis)
        sizes.append((z.shape[axis] - (taps.shape[a] - 1) * dilation[a] - 1) // down[a] + 1)
    if any(size < 1 for size in sizes):
        raise ValueError(f"the window does not fit: output sizes {sizes}")
    batch = z.shape[: z.ndim - ndim][channelled:]
    dtype = np.result_type(x, taps)
    y = np.zeros((*((taps.shape[-1],) if channelled else ()), *batch, *sizes), dtype)
    for j in np.ndindex(*taps.shape[:ndim]):
        first = [i * d for i, d in zip(j, dilation, strict=True)]
        seen = z[(..., *(slice(f, f + (n - 1) * s + 1, s) for f, n, s in zip(first, sizes, down, strict=True)))]
        if groups is None:
            y += taps[j] * seen
            continue
        inner, outer = taps.shape[-2], taps.shape[-1] // groups
        for g in range(groups):
            block = taps[j][:, g * outer : (g + 1) * outer]
            y[g * outer : (g + 1) * outer] += np.tensordot(block.T, seen[g * inner : (g + 1) * inner], 1)
    return np.moveaxis(y, 0, -1) if channelled else y


def convolve(x: np.ndarray, taps: Any, padding: str | Widths = "same", *, axes: PerAxis | None = None) -> np.ndarray:
    """y[n] = sum_j q[j] x[n + c - j]: "full" c=0, "same" c=(K-1)//2, "valid" c=K-1, or c = K-1-lo for pairs (lo, hi).

    A border mode (wrap, reflect, symmetric, edge) continues x by that rule and is aligned as "same".

    >>> convolve(np.array([1, 2, 3]), [1, 10], "full")
    array([ 1, 12, 23, 30])
    """
    return _slide(x, np.flip(np.asarray(taps)), padding, axes)


def correlate(x: np.ndarray, taps: Any, padding: str | Widths = "same", *, axes: PerAxis | None = None) -> np.ndarray:
    """y[n] = sum_j conj(q[j]) x[n + j - c]: "full" c=K-1, "same" c=K//2, "valid" c=0, or c = lo for pairs (lo, hi).

    This is `convolve` by the reversed, conjugated taps, as `scipy.signal.correlate(x, taps)` has it.

    >>> correlate(np.array([1, 2, 3]), [1, 10], "full")
    array([10, 21, 32,  3])
    """
    return _slide(x, np.conj(np.asarray(taps)), padding, axes)


def upfirdn(
    x: np.ndarray, taps: Any, up: PerAxis = 1, down: PerAxis = 1, padding: str | Widths = "full",
    *, axes: PerAxis | None = None,
) -> np.ndarray:
    """y[n] = sum_j h[j] z[n*down + c - j], z the stuffed x of length (N-1)*up + 1, c as in `convolve`.

    >>> upfirdn(np.array([1, 2]), [1, 1, 1], up=3)
    array([1, 1, 1, 2, 2, 2])
    """
    return _slide(x, np.flip(np.asarray(taps)), padding, axes, up=up, down=down)


def _slide(x: Any, k: np.ndarray, padding: Any, axes: Any, *, up: Any = 1, down: Any = 1) -> np.ndarray:
    """sum_j k[j] z[n*down + j - lo] on `axes`, `padding` put into (lo, hi)."""
    x = np.asarray(x)
    trailing = tuple(range(-k.ndim, 0))
    axes = trailing if axes is None else per_axis(axes, 1)
    x = np.moveaxis(x, axes, trailing)
    if padding == "full":
        widths = [(n - 1, n - 1) for n in k.shape]
    elif padding == "valid":
        widths = [(0, 0) for _ in k.shape]
    elif isinstance(padding, str):
        widths = [(n // 2, (n - 1) // 2) for n in k.shape]
    else:
        widths = [tuple(padding)] * k.ndim if np.ndim(padding) == 1 else [tuple(pair) for pair in padding]
    if isinstance(padding, str) and padding not in ("full", "valid", "same"):
        x, widths = pad(x, widths, padding), [(0, 0)] * k.ndim
    lo, hi = zip(*widths, strict=True)
    return np.moveaxis(stage(x, k, up=up, down=down, lo=lo, hi=hi), trailing, axes)
