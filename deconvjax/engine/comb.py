"""Polyphase geometry: any axis as interleaved combs that read the input without stuffed zeros.

    y[m*phases + r - skip] = sum_w k[table[w][r]] x[m*step + w*grid - pad]        r = 0 .. phases-1

phases = up/gcd(up, down) and step = down/gcd(up, down), so a strided axis has one comb, an upsampled one `up` combs
of step 1, and resampling 160/147 has 160 combs of step 147. `skip` is chosen to make the combs share their window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from deconvjax.axis import Axis

MOST = 512  # combs for which the best skip is looked for
FAR = 1 << 60  # samples: farther than any


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

    def live(self, phase: int) -> list[tuple[int, int]]:
        """(place, tap) of the taps that one comb has."""
        return [(w, row[phase]) for w, row in enumerate(self.table) if row[phase] >= 0]

    @cached_property
    def first(self) -> int | None:
        """Where the table begins if it is the taps in order, in blocks of `phases` that are each turned; else None.

        As in every transposed convolution without dilation: table[w][r] = first + w*phases + phases - 1 - r, beyond the
        taps where it is -1.
        """
        table = np.array(self.table)
        order = np.arange(table.size).reshape(table.shape)[:, ::-1]
        live = table >= 0
        if not live.any():
            return None
        first = int((table - order)[live][0])
        beyond = (order + first < 0) | (order + first >= self.window)
        whole = first <= 0 and first + table.size >= self.window
        return first if whole and (np.where(beyond, -1, order + first) == table).all() else None


@lru_cache(maxsize=4096)
def comb(axis: Axis, aligned: bool = False) -> Comb:
    """The combs of one axis; `aligned` ones have no skip, and wider windows where the skip narrowed them.

    >>> comb(Axis(size=8, window=4, up=2, lo=2, hi=2)).table
    ((1, 0), (3, 2))
    """
    common = math.gcd(axis.up, axis.down)
    phases, step = axis.up // common, axis.down // common
    hop = axis.up // math.gcd(axis.dilation, axis.up)  # taps of one comb are `hop` apart
    skip = 0 if aligned or not 1 < phases <= MOST else _skip(axis, phases, hop)
    rows = _entries(axis, phases, skip)
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


def _skip(axis: Axis, phases: int, hop: int) -> int:
    """The first skip for which the combs together read the fewest samples.

    Comb r of skip s reads where result r - s does: so the reads of 2*phases - 1 neighbouring results are found once,
    and every skip is a window of them. Of the taps, `hop` apart, that meet a sample, the first and the last matter.
    """
    results = np.arange(1 - phases, phases)[:, None]
    first, last = np.arange(min(hop, axis.window)), np.arange(max(0, axis.window - hop), axis.window)
    ends = []
    for taps, none, extreme in ((first, FAR, np.min), (last, -FAR, np.max)):
        position = results * axis.down + taps * axis.dilation - axis.lo
        ends.append(extreme(np.where(position % axis.up == 0, position // axis.up, none), axis=1))
    low, high = (np.lib.stride_tricks.sliding_window_view(end, phases) for end in ends)
    spread = np.maximum(high.max(1) - low.min(1), 0)  # of skips phases - 1 down to 0
    return int(np.argmin(spread[::-1]))


def _entries(axis: Axis, phases: int, skip: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per comb: the samples that it reads, counted from its own, and by which taps."""
    taps, rows = np.arange(axis.window), []
    for r in range(phases):
        position = (r - skip) * axis.down + taps * axis.dilation - axis.lo
        live = position % axis.up == 0
        rows.append((position[live] // axis.up, taps[live]))
    return rows
