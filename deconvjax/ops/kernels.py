"""Continuous interpolation kernels, and their samples on the grid of a rational rate change.

A resize by L/M reads, for output n, the coordinate s = (n + 1/2) M/L - 1/2 of its input (half-pixel centres):
y[n] = sum_i h(s - i) x[i]. On the grid of the zero-stuffed input (spacing 1/L) that is one stage: up L, down M, with

    k[j] = h(((M - L)/2 + lo - j) / L)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Kernel:
    """h(t), zero for |t| >= radius, t in samples of the input (of the output where it is stretched)."""

    at: Callable[[np.ndarray], np.ndarray]
    radius: Fraction


def triangle() -> Kernel:
    """h(t) = max(0, 1 - |t|)."""
    return Kernel(lambda t: np.maximum(0.0, 1.0 - np.abs(t)), Fraction(1))


def keys(a: float) -> Kernel:
    """h(t) = (a+2)|t|^3 - (a+3)|t|^2 + 1 inside 1, a(|t|^3 - 5|t|^2 + 8|t| - 4) inside 2."""

    def at(t: np.ndarray) -> np.ndarray:
        t = np.abs(t)
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = a * (((t - 5) * t + 8) * t - 4)
        return np.where(t <= 1, near, np.where(t < 2, far, 0.0))

    return Kernel(at, Fraction(2))


def lanczos(radius: int) -> Kernel:
    """h(t) = sinc(t) sinc(t/radius) inside radius."""

    def at(t: np.ndarray) -> np.ndarray:
        value = np.sinc(t) * np.sinc(t / radius)
        return np.where(t == np.round(t), t == 0, value)  # sin(pi) is not 0 in floating point

    return Kernel(at, Fraction(radius))


def overlap(width: Fraction) -> Kernel:
    """h(t) = |[t - width/2, t + width/2] intersected with [-1/2, 1/2]| / width: the share of one sample in an area."""
    half, low = float(width + 1) / 2, float(min(width, Fraction(1)))
    return Kernel(lambda t: np.clip(half - np.abs(t), 0.0, low) / float(width), (width + 1) / 2)


def nearest(up: int, down: int) -> tuple[np.ndarray, int]:
    """(k, lo) of y[n] = x[floor((n + 1/2) down/up)]: `up` ones, exact in integers; a tie takes the later sample."""
    return np.ones(up, np.int32), up - 1 - down // 2


def sampled(kernel: Kernel, up: int, down: int, stretch: bool) -> tuple[np.ndarray, int]:
    """(k, lo) of a resize by up/down; `stretch` widens the kernel to the output's spacing where that is the larger.

    Every phase k[r::up] is divided by its sum: the samples of one output always weigh 1 together.
    """
    unit = max(up, down) if stretch else up
    centre, reach = Fraction(down - up, 2), kernel.radius * unit
    offsets = range(math.floor(centre - reach) + 1, math.ceil(centre + reach))
    taps = kernel.at(np.array([float((centre - o) / unit) for o in offsets]))
    used = np.flatnonzero(taps)
    taps, lo = taps[used[0]: used[-1] + 1], -offsets[used[0]]
    for phase in range(up):
        taps[phase::up] /= taps[phase::up].sum()
    return taps, lo
