"""Convolution and transposed convolution along one axis by definition, kernel 1, 2, 3, ...: no library code."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Setting(NamedTuple):
    """What the sliders of the panel and of the page say."""

    n: int
    k: int
    s: int
    p: int
    d: int
    a: int
    t: int

    @property
    def out(self) -> int:
        """Samples that come out, below 1 where nothing does."""
        reach = self.d * (self.k - 1) + 1
        if self.t:
            return (self.n - 1) * self.s - 2 * self.p + reach + self.a
        return (self.n + 2 * self.p - reach) // self.s + 1

    def matrix(self) -> np.ndarray:
        """y[m] = sum_j (j+1) x[m s + j d - p], or the transpose of that: (out, n)."""
        long, short = (self.out, self.n) if self.t else (self.n, self.out)
        forward = np.zeros((short, long))
        for m in range(short):
            for j in range(self.k):
                if 0 <= m * self.s + j * self.d - self.p < long:
                    forward[m, m * self.s + j * self.d - self.p] += j + 1
        return forward.T if self.t else forward
