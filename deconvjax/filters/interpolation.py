"""Interpolating taps: a continuous kernel h sampled at the half-pixel centres of an upsampling by `factor`.

    k[j] = h((j - (K-1)/2) / factor),    K = 2*radius*factor - factor % 2    (K = factor for `nearest`)

so that `convolve(k) @ upsample(factor)` is the interpolation. Every phase `k[r::factor]` sums to 1: constants stay
constant, and there is no checkerboard.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deconvjax.filters._arguments import finite, outer, per_axis, positive_int


def nearest(factor: int | tuple[int, ...], ndim: int = 1) -> np.ndarray:
    """k[j] = 1, j = 0 … factor-1: repeat every sample `factor` times.

    Shape `(factor,)`, or one such axis per entry of a tuple (or `ndim` equal ones). float64.
    TypeError for a factor that is not an integer, ValueError below 1.
    Source: the box of width one, sampled at half-pixel centres (OpenCV, JAX and torch "nearest-exact").

    >>> nearest(3)
    array([1., 1., 1.])
    """
    return outer(lambda f: np.ones(positive_int(f, "nearest", "factor")), per_axis(factor, ndim, "nearest", "factor"))


def bilinear(factor: int | tuple[int, ...], ndim: int = 1) -> np.ndarray:
    """k[j] = 1 - |j - c|/f,  K = 2f - f%2 taps,  c = (K-1)/2: linear interpolation, the FCN kernel.

    Shape `(K,)`, or one such axis per entry of a tuple (or `ndim` equal ones). float64.
    TypeError for a factor that is not an integer, ValueError below 1.
    Source: Long, Shelhamer & Darrell, "Fully Convolutional Networks", CVPR 2015 (`surgery.upsample_filt`) and Caffe's
    `BilinearFiller`; with stride f and padding ceil((f-1)/2) the output is exactly f times the input.

    >>> bilinear(2)
    array([0.25, 0.75, 0.75, 0.25])
    >>> bilinear(2, ndim=2)[:2, :2]
    array([[0.0625, 0.1875],
           [0.1875, 0.5625]])
    """
    taps = _sampled("bilinear", lambda t: np.maximum(0.0, 1.0 - np.abs(t)), radius=1)
    return outer(taps, per_axis(factor, ndim, "bilinear", "factor"))


def cubic(factor: int | tuple[int, ...], a: float = -0.5, ndim: int = 1) -> np.ndarray:
    """h(t) = (a+2)|t|^3 - (a+3)|t|^2 + 1 for |t| <= 1,  a|t|^3 - 5a|t|^2 + 8a|t| - 4a for 1 < |t| < 2.

    k[j] = h((j - (K-1)/2)/f) with K = 4f - f%2 taps. a = -0.5 (Catmull-Rom: JAX, Pillow) reproduces quadratics,
    a = -0.75 is OpenCV's and torch's. Shape `(K,)`, or one axis per entry of a tuple (or `ndim` equal ones). float64.
    TypeError for a factor that is not an integer, ValueError below 1 or for an `a` that is not finite.
    Source: Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6), 1981.

    >>> cubic(2) * 128
    array([ -3.,  -9.,  29., 111., 111.,  29.,  -9.,  -3.])
    """
    a = finite(a, "cubic", "a")

    def keys(t: np.ndarray) -> np.ndarray:
        t = np.abs(t)
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = a * (((t - 5) * t + 8) * t - 4)
        return np.where(t <= 1, near, np.where(t < 2, far, 0.0))

    return outer(_sampled("cubic", keys, radius=2), per_axis(factor, ndim, "cubic", "factor"))


def lanczos(factor: int | tuple[int, ...], radius: int = 3, ndim: int = 1) -> np.ndarray:
    """h(t) = sinc(t) sinc(t/radius) for |t| < radius, each phase k[r::f] divided by its sum.

    k[j] = h((j - (K-1)/2)/f) with K = 2*radius*f - f%2 taps. The bare window is not a partition of unity (a constant
    would ripple by 1 %), so the phases are normalised, as every resizer does. Shape `(K,)`, or one axis per entry of
    a tuple (or `ndim` equal ones). float64. TypeError where factor or radius is not an integer, ValueError below 1.
    Source: Duchon, "Lanczos filtering in one and two dimensions", J. Appl. Meteor. 18, 1979.

    >>> lanczos(2, radius=2).round(3)
    array([-0.018, -0.084,  0.233,  0.869,  0.869,  0.233, -0.084, -0.018])
    """
    radius = positive_int(radius, "lanczos", "radius")
    window = _sampled("lanczos", lambda t: np.sinc(t) * np.sinc(t / radius), radius)

    def taps(factor: object) -> np.ndarray:
        k = window(factor)
        for phase in range(int(factor)):  # type: ignore[call-overload]
            k[phase::factor] /= k[phase::factor].sum()
        return k

    return outer(taps, per_axis(factor, ndim, "lanczos", "factor"))


def _sampled(operator: str, kernel: Callable[[np.ndarray], np.ndarray], radius: int) -> Callable[[object], np.ndarray]:
    """k[j] = kernel((j - (K-1)/2)/factor) on the K = 2*radius*factor - factor%2 samples inside the support."""

    def taps(factor: object) -> np.ndarray:
        f = positive_int(factor, operator, "factor")
        size = 2 * radius * f - f % 2
        return kernel((np.arange(size) - (size - 1) / 2) / f)

    return taps
