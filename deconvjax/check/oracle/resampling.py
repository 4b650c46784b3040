"""Resizing by definition: each output sample weighs the inputs around its own half-pixel coordinate."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

_RADIUS = {"bilinear": 1, "cubic": 2, "lanczos3": 3}


def resize(
    x: np.ndarray, factor: int | Fraction, method: str = "bilinear", *, border: str = "renormalize", axis: int = -1,
    a: float = -0.5, size: int | None = None,
) -> np.ndarray:
    """y[m] = sum_i h(t - i) x[i],  t = (m + 1/2)/factor - 1/2, along one axis; `size` samples (factor*n rounded down).

    Borders: "renormalize" drops inputs outside and divides by the weight that is left, "edge" reads the outermost
    sample for them, "zero" reads 0. "nearest" takes x[floor((m + 1/2)/factor)], "area" the mean over
    [m/factor, (m+1)/factor); neither looks outside. `a` is Keys' parameter of "cubic".

    >>> resize(np.array([0.0, 4.0]), 2)
    array([0., 1., 3., 4.])
    """
    x = np.moveaxis(np.asarray(x), axis, -1)
    n, factor = x.shape[-1], Fraction(factor)
    size = math.floor(n * factor) if size is None else size
    weights = np.zeros((size, n))
    for m in range(size):
        if method == "nearest":
            weights[m, min(math.floor((m + Fraction(1, 2)) / factor), n - 1)] = 1.0
        elif method == "area":
            for i in range(n):
                overlap = min(Fraction(i + 1), (m + 1) / factor) - max(Fraction(i), m / factor)
                weights[m, i] = max(overlap, 0) * factor
        else:
            weights[m] = _row((m + Fraction(1, 2)) / factor - Fraction(1, 2), n, method, border, a)
    return np.moveaxis(x @ weights.T, -1, axis)


def _row(t: Fraction, n: int, method: str, border: str, a: float) -> np.ndarray:
    """The weights of n inputs for the output at coordinate t."""
    radius = _RADIUS[method]
    around = range(math.floor(t) - radius, math.floor(t) + radius + 2)
    heights = [_kernel(abs(float(t - i)), method, a) for i in around]
    total = sum(heights)  # 1 for all but lanczos
    row = np.zeros(n)
    for i, height in zip(around, heights, strict=True):
        if 0 <= i < n:
            row[i] += height / total
        elif border == "edge":
            row[0 if i < 0 else n - 1] += height / total
    return row / row.sum() if border == "renormalize" else row


def _kernel(t: float, method: str, a: float) -> float:
    if method == "bilinear":
        return max(0.0, 1 - t)
    if method == "lanczos3":
        return float(np.sinc(t) * np.sinc(t / 3)) if t < 3 else 0.0
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0
