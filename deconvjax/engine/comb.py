"""Polyphase geometry: any axis as interleaved combs that read the input without stuffed zeros.

    y[m*phases + r - skip] = sum_w k[table[w][r]] x[m*step + w*grid - pad]        r = 0 .. phases-1

phases = up/gcd(up, down) and step = down/gcd(up, down), so a strided axis has one comb, an upsampled one `up` combs
of step 1, and resampling 160/147 has 160 combs of step 147. `skip` is chosen to make the combs share their window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from deconvjax.axis import Axis


@dataclass(frozen=True)
class Comb:
    """One axis in polyphase form; `table[w][r]` is a tap or -1 where comb r has none at w."""

    phases: int
    step: int
    grid: int
    width: int
    pad: int
    skip: int
    count: int
    size: int
    window: int
    out: int
    table: tuple[tuple[int, ...], ...]

    @property
    def span(self) -> int:
        """Input samples under one window."""
        return (self.width - 1) * self.grid + 1

    @property
    def reach(self) -> int:
        """Input samples, padding included, that all windows together read."""
        return (self.count - 1) * self.step + self.span

    @property
    def border(self) -> tuple[int, int]:
        """Zeros to put before and after the samples (crops where negative): every window then lies inside."""
        return self.pad, self.reach - self.pad - self.size

    @property
    def plain(self) -> bool:
        """True where the table is the taps in order."""
        return self.phases == 1 and [row[0] for row in self.table] == list(range(self.window))


@lru_cache(maxsize=4096)
def comb(axis: Axis, aligned: bool = False) -> Comb:
    """The combs of one axis; `aligned` ones have no skip, and wider windows where the skip narrowed them.

    >>> comb(Axis(size=8, window=4, up=2, lo=2, hi=2)).table
    ((1, 0), (3, 2))
    """
    common = math.gcd(axis.up, axis.down)
    phases, step = axis.up // common, axis.down // common
    hop = axis.up // math.gcd(axis.dilation, axis.up)  # taps of one comb are `hop` apart
    taps = np.arange(axis.window)
    choices = range(phases) if phases <= 512 and not aligned else (0,)
    entries = [_entries(axis, phases, skip, taps) for skip in choices]
    skip = min(choices, key=lambda s: (entries[s][1], s))
    rows, _ = entries[skip]
    grid = axis.dilation // math.gcd(axis.dilation, axis.up) if hop < axis.window else 0
    starts = [at for at, _ in rows if len(at)]
    base = min((int(at.min()) for at in starts), default=0)
    for at in starts:
        grid = math.gcd(grid, int(at.min()) - base)
    grid = max(grid, 1)
    width = max((int(at.max()) - base for at in starts), default=0) // grid + 1
    table = np.full((width, phases), -1)
    for r, (at, j) in enumerate(rows):
        table[(at - base) // grid, r] = j
    count = -(-(axis.out + skip) // phases)
    plain = tuple(tuple(int(v) for v in row) for row in table)
    return Comb(phases, step, grid, width, -base, skip, count, axis.size, axis.window, axis.out, plain)


def _entries(axis: Axis, phases: int, skip: int, taps: np.ndarray) -> tuple[list[tuple[np.ndarray, np.ndarray]], int]:
    """Per comb (input offsets, taps), and the spread of the offsets over all combs."""
    rows, low, high = [], None, None
    for r in range(phases):
        position = (r - skip) * axis.down + taps * axis.dilation - axis.lo
        live = position % axis.up == 0
        at = position[live] // axis.up
        rows.append((at, taps[live]))
        if len(at):
            low = int(at.min()) if low is None else min(low, int(at.min()))
            high = int(at.max()) if high is None else max(high, int(at.max()))
    return rows, 0 if low is None or high is None else high - low
