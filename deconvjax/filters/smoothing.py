"""Smoothing taps, all of unit sum: box, binomial, Gaussian."""

from __future__ import annotations

import math

import numpy as np

from deconvjax.filters._arguments import finite, outer, per_axis, positive_int


def box(n: int | tuple[int, ...], ndim: int = 1) -> np.ndarray:
    """k[j] = 1/n, j = 0 … n-1: the moving average.

    Shape `(n,)`, or one such axis per entry of a tuple (or `ndim` equal ones). float64.
    TypeError for an n that is not an integer, ValueError below 1.
    Source: the zeroth-order B-spline; `scipy.ndimage.uniform_filter`.

    >>> box(4)
    array([0.25, 0.25, 0.25, 0.25])
    """

    def taps(n: object) -> np.ndarray:
        size = positive_int(n, "box", "n")
        return np.full(size, 1.0 / size)

    return outer(taps, per_axis(n, ndim, "box", "n"))


def binomial(n: int | tuple[int, ...], ndim: int = 1) -> np.ndarray:
    """k[j] = C(n-1, j) / 2^(n-1), j = 0 … n-1: n-1 averages of neighbours, row n-1 of Pascal's triangle.

    n counts taps: 3 is [1, 2, 1]/4, 5 the pyramid's [1, 4, 6, 4, 1]/16 (Burt & Adelson 1983; BlurPool, Zhang 2019).
    Shape `(n,)`, or one such axis per entry of a tuple (or `ndim` equal ones). float64.
    TypeError for an n that is not an integer, ValueError below 1.

    >>> binomial(5) * 16
    array([1., 4., 6., 4., 1.])
    """

    def taps(n: object) -> np.ndarray:
        size = positive_int(n, "binomial", "n")
        return np.array([math.comb(size - 1, j) / 2 ** (size - 1) for j in range(size)])

    return outer(taps, per_axis(n, ndim, "binomial", "n"))


def gaussian(
    sigma: float | tuple[float, ...], radius: int | tuple[int, ...] | None = None, ndim: int = 1
) -> np.ndarray:
    """k[j] = exp(-(j-r)^2 / (2 sigma^2)) / sum,  j = 0 … 2r: the sampled Gaussian.

    `radius` r defaults to `int(4*sigma + 0.5)`, `scipy.ndimage.gaussian_filter`'s truncation at four sigma, and to 1 at
    least. Shape `(2r+1,)`, or one such axis per entry of a tuple (or `ndim` equal ones). float64.
    TypeError where sigma is not a number or radius not an integer, ValueError for sigma <= 0 or radius < 1.

    >>> gaussian(0.8, radius=2).round(3)
    array([0.022, 0.229, 0.499, 0.229, 0.022])
    >>> gaussian(1.5, ndim=2).shape
    (13, 13)
    """
    sigmas = per_axis(sigma, ndim, "gaussian", "sigma")
    radii = per_axis(radius, len(sigmas), "gaussian", "radius")
    if len(sigmas) == 1:
        sigmas *= len(radii)

    def taps(pair: object) -> np.ndarray:
        width = finite(pair[0], "gaussian", "sigma", above=0.0)  # type: ignore[index]
        given = pair[1]  # type: ignore[index]
        r = max(1, int(4 * width + 0.5)) if given is None else positive_int(given, "gaussian", "radius")
        k = np.exp(-0.5 * (np.arange(-r, r + 1) / width) ** 2)
        return k / k.sum()

    return outer(taps, tuple(zip(sigmas, radii, strict=True)))
