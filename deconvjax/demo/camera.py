"""The camera, A = downsample(4) @ convolve(gaussian), and the fixed ways back up."""

from __future__ import annotations

import numpy as np

import deconvjax as dj
from deconvjax import filters

FACTOR = 4
SIGMA = 1.6
SPACE = (-3, -2)  # an image is (height, width, channels)


def blur(sigma: float = SIGMA) -> np.ndarray:
    """q[j] = exp(-t^2 / (2 sigma^2)) / sum at the half-integers t = ..., -1/2, 1/2, ...: an even number of taps.

    A Gaussian of twice the width, at every other of its samples, sits between the pixels. That is where the centre of
    a 4x4 cell is, so that nearest, bilinear and cubic, which go by cell centres, are compared on their own grid.

    >>> blur(1.0).round(3)
    array([0.001, 0.018, 0.13 , 0.352, 0.352, 0.13 , 0.018, 0.001])
    """
    reach = 2 * int(np.ceil(3.5 * sigma)) - 1
    taps = filters.gaussian(2 * sigma, radius=reach)[::2]
    return taps / taps.sum()


def camera(axes: int = 2, sigma: float = SIGMA, border: str = "symmetric") -> dj.LinearMap:
    """A = downsample(4) @ convolve(gaussian) along the trailing axes: what optics and a coarse sensor do.

    The phase makes sample n the one at the centre of pixels 4n ... 4n+3.

    >>> camera(1).on((32,)).codomain.shape
    (8,)
    """
    taps = blur(sigma)
    taps = taps if axes == 1 else np.multiply.outer(taps, taps)
    down = dj.downsample((FACTOR,) * axes, phase=(FACTOR // 2,) * axes)
    return down @ dj.convolve(taps, border)


def interpolators() -> dict[str, dj.LinearMap]:
    """name -> resize(4): the classical upsamplers, on images (height, width, channels).

    >>> {name: up.on((2, 3, 1)).codomain.shape for name, up in interpolators().items()}
    {'nearest': (8, 12, 1), 'bilinear': (8, 12, 1), 'cubic': (8, 12, 1)}
    """
    return {method: dj.resize(FACTOR, method, axes=SPACE) for method in ("nearest", "bilinear", "cubic")}
