"""Two axes in a row, in integers: when they are one, and which samples between them matter.

    outer: n*d2 + j2*l2 - lo2 = m*u2        inner: m*d1 + j1*l1 - lo1 = p*u1        (l: tap spacing, window > 1)

Everything the stage laws know is here; nothing here knows of arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from deconvjax.axis import Axis, Fusion


@dataclass(frozen=True, slots=True)
class Samples:
    """start, start + step, ..., start + (count-1)*step: an arithmetic progression of sample numbers."""

    start: int
    step: int
    count: int

    @property
    def last(self) -> int:
        """The largest member."""
        return self.start + (self.count - 1) * self.step

    def is_all(self, size: int) -> bool:
        """True for 0, 1, ..., size-1."""
        return self.start == 0 and self.count == size and (self.step == 1 or self.count == 1)


def _samples(start: int, step: int, last: int) -> Samples | None:
    if last < start:
        return None
    count = (last - start) // step + 1 if step else 1
    return Samples(start, step if count > 1 else 1, count)


@lru_cache(maxsize=65536)
def normal(axis: Axis) -> Axis:
    """`axis.normal`, remembered.

    >>> normal(Axis(size=4, down=2)).hi
    -1
    """
    return axis.normal


@lru_cache(maxsize=65536)
def reduced(axis: Axis) -> Axis | None:
    """n*down + j*dilation - lo = m*up divided by what all sides share; None where no integers satisfy it.

    A side that takes one value only (one sample, one output, one tap) does not constrain the others, so
    `↓M ↑L = ↓M/g ↑L/g` for the pulse, and equal maps get equal records.

    >>> reduced(Axis(size=5, up=4, down=6, lo=0, hi=0))
    Axis(size=5, window=1, dilation=1, up=2, down=3, lo=0, hi=-2)
    """
    axis = axis.normal
    free = [axis.up] * (axis.size > 1) + [axis.down] * (axis.out > 1) + [axis.dilation] * (axis.window > 1)
    common = math.gcd(*free) if free else 0
    if common == 0:
        return None if axis.lo else Axis(axis.size)
    if axis.lo % common:
        return None
    if axis.window == 1 and (pulse := one_pulse(Axis(axis.out), axis)) is not None:
        return pulse
    return _divided(axis, common)


def _divided(axis: Axis, common: int) -> Axis:
    up = axis.up // common if axis.size > 1 else 1
    down = axis.down // common if axis.out > 1 else 1
    dilation = axis.dilation // common if axis.window > 1 else 1
    slim = Axis(axis.size, axis.window, dilation, up, down, axis.lo // common)
    return replace(slim, hi=(axis.out - 1) * down + slim.taps - slim.dense - slim.lo)


@lru_cache(maxsize=65536)
def unite(outer: Axis, inner: Axis) -> Fusion | None:
    """outer after inner as one axis: the one fusion of which the two classical ones are the cases up = 1, down = 1.

    taps = dilate(k_i, o.up) * dilate(k_o, i.down)    up = i.up*o.up   down = i.down*o.down
    lo = o.up*i.lo + i.down*o.lo
    exact when  gcd(o.up, i.down) = 1
           and  (o.lo < o.up  or  i.lo >= i.taps - i.down)        no sample before the first is read, or none is there
           and  (o.hi < o.up  or  i.down*i.out - i.lo >= i.dense)      the same behind the last

    Where neither holds, the few samples outside are looked at one by one: stuffing may have left them zero anyway.
    With coprime factors u2 | (n*d2 + j2*l2 - lo2) follows from the product equation, so nothing is gained or lost.

    >>> unite(Axis(size=2, up=2, hi=1), Axis(size=5, down=3)).axis      # up 2 after down 3, as one pulse
    Axis(size=5, window=1, dilation=1, up=2, down=3, lo=0, hi=1)
    """
    outer, inner = outer.normal, inner.normal
    if math.gcd(outer.up, inner.down) > 1:
        return None
    before = outer.lo >= outer.up and inner.lo < inner.taps - inner.down
    behind = outer.hi >= outer.up and inner.down * inner.out - inner.lo < inner.dense
    if (before or behind) and _lost(outer, inner):
        return None
    up, down = inner.up * outer.up, inner.down * outer.down
    lo = outer.up * inner.lo + inner.down * outer.lo
    spacing_i, spacing_o = inner.dilation * outer.up, outer.dilation * inner.down
    taps = spacing_i * (inner.window - 1) + spacing_o * (outer.window - 1) + 1
    grid = math.gcd(*[s for s, k in ((spacing_i, inner.window), (spacing_o, outer.window)) if k > 1] or [1])
    hi = (outer.out - 1) * down + taps - ((inner.size - 1) * up + 1) - lo
    return Fusion(Axis(inner.size, (taps - 1) // grid + 1, grid, up, down, lo, hi), spacing_i, spacing_o)


def _lost(outer: Axis, inner: Axis) -> bool:
    """True where the outer reads a zero outside the inner's output where a longer inner output would have a sample."""
    first = -((inner.taps - 1 - inner.lo) // inner.down)
    last = (inner.dense - 1 + inner.lo) // inner.down
    outside = [*range(first, 0), *range(inner.out, last + 1)]
    if len(outside) * (inner.window + outer.window) > _PATIENCE:
        return True
    return any(_is_live(inner, m) and _is_read(outer, m) for m in outside)


_PATIENCE = 1024


def _is_live(axis: Axis, n: int) -> bool:
    places = (n * axis.down + j * axis.dilation - axis.lo for j in range(axis.window))
    return any(0 <= place < axis.dense and place % axis.up == 0 for place in places)


def _is_read(axis: Axis, m: int) -> bool:
    places = (m * axis.up - j * axis.dilation + axis.lo for j in range(axis.window))
    return any(0 <= place <= (axis.out - 1) * axis.down and place % axis.down == 0 for place in places)


def solutions(axis: Axis) -> Iterable[tuple[Samples, Samples]]:
    """Per tap, the outputs it serves and the inputs it reads, in step."""
    common = math.gcd(axis.down, axis.up)
    step_n, step_m = axis.up // common, axis.down // common
    inverse = pow(step_m, -1, step_n) if step_n > 1 else 0
    for j in range(axis.window):
        shift = axis.lo - j * axis.dilation  # n*down - shift = m*up
        if shift % common:
            continue
        first = max(-(-shift // axis.down), 0)
        last = min((axis.dense - 1 + shift) // axis.down, axis.out - 1)
        start = first + (shift // common * inverse - first) % step_n
        if start <= last:
            count = (last - start) // step_n + 1
            m = (start * axis.down - shift) // axis.up
            yield Samples(start, step_n, count), Samples(m, step_m, count)


def hull(sets: list[Samples]) -> Samples | None:
    """The coarsest progression that holds all of them."""
    if not sets:
        return None
    start, last = min(s.start for s in sets), max(s.last for s in sets)
    step = math.gcd(*[s.step for s in sets if s.count > 1], *[s.start - start for s in sets])
    return _samples(start, step, last)


@lru_cache(maxsize=65536)
def live(axis: Axis) -> Samples | None:
    """The outputs that read at least one sample; every other output is zero.

    >>> live(Axis(size=3, up=2, lo=1, hi=2))
    Samples(start=1, step=2, count=3)
    """
    return hull([n for n, _ in solutions(axis)])


@lru_cache(maxsize=65536)
def read(axis: Axis) -> Samples | None:
    """The inputs that at least one output reads.

    >>> read(Axis(size=9, window=2, dilation=2, down=4, lo=-1, hi=0))
    Samples(start=1, step=2, count=4)
    """
    return hull([m for _, m in solutions(axis)])


def common_samples(a: Samples | None, b: Samples | None) -> Samples | None:
    """The members of both progressions."""
    if a is None or b is None:
        return None
    g = math.gcd(a.step, b.step)
    if (b.start - a.start) % g:
        return None
    step = a.step // g * b.step
    turns = (b.start - a.start) // g * pow(a.step // g, -1, b.step // g) % (b.step // g) if b.step > g else 0
    meet = a.start + turns * a.step
    low = max(a.start, b.start)
    start = meet + -(-(low - meet) // step) * step
    last = min(a.last, b.last)
    return _samples(start, step, start + (last - start) // step * step) if last >= start else None


def pick(samples: Samples, size: int) -> Axis:
    """The pulse that keeps `samples` of `size`: crop and decimate."""
    return Axis(size, down=samples.step, lo=-samples.start, hi=samples.last + 1 - size)


def place(samples: Samples, size: int) -> Axis:
    """The transpose of `pick`: stuff and pad."""
    return Axis(samples.count, up=samples.step, lo=samples.start, hi=size - 1 - samples.last)


@lru_cache(maxsize=65536)
def used_taps(axis: Axis) -> Samples | None:
    """The taps that meet at least one sample; None where none does, so that the axis gives zeros only.

    With up = down = k this is every k-th tap: the Gram of a decimator is a filter at the low rate.

    >>> used_taps(Axis(size=4, window=7, up=2, down=2, lo=3, hi=3))
    Samples(start=1, step=2, count=3)
    """
    return hull([Samples(j, 1, 1) for j in range(axis.window) if meets(axis, j)])


def meets(axis: Axis, j: int) -> bool:
    """True where tap j meets at least one sample."""
    return next(iter(solutions(_one_tap(axis, j))), None) is not None


def _one_tap(axis: Axis, j: int) -> Axis:
    return replace(axis, window=1, dilation=1, lo=axis.lo - j * axis.dilation,
                   hi=axis.hi - (axis.taps - 1 - j * axis.dilation))


def on_taps(axis: Axis, taps: Samples) -> Axis:
    """The axis that slides only these taps."""
    lo, last = axis.lo - taps.start * axis.dilation, axis.taps - 1 - taps.last * axis.dilation
    return replace(axis, window=taps.count, dilation=axis.dilation * taps.step, lo=lo, hi=axis.hi - last)


@lru_cache(maxsize=65536)
def one_pulse(outer: Axis, inner: Axis) -> Axis | None:
    """Two pulses as one: y[n0 + t*a] = x[p0 + t*b], which is a pulse where gcd(a, b) = 1 and no sample is masked.

    Masked are samples that the one pulse would carry over and the two do not: crop after which zeros are put back.

    >>> one_pulse(Axis(size=6, down=2), Axis(size=3, up=2, hi=1))       # down 2 after up 2
    Axis(size=3, window=1, dilation=1, up=1, down=1, lo=0, hi=0)
    """
    first, second = next(iter(solutions(outer)), None), next(iter(solutions(inner)), None)
    if first is None or second is None:
        return None
    (n, m), (carried, p) = first, second
    both = common_samples(m, carried)
    if both is None:
        return None
    n0, a = n.start + (both.start - m.start) // m.step * n.step, both.step // m.step * n.step
    p0, b = p.start + (both.start - carried.start) // carried.step * p.step, both.step // carried.step * p.step
    if both.count == 1:
        a = b = 1  # any step would do
    if math.gcd(a, b) > 1:
        return None
    begins = n0 < a or p0 < b
    ends = n0 + both.count * a >= outer.out or p0 + both.count * b >= inner.size
    if not (begins and ends):
        return None
    a, b = a if inner.size > 1 else 1, b if outer.out > 1 else 1  # one sample, or one output, has no rate
    axis = Axis(inner.size, up=a, down=b, lo=n0 * b - p0 * a)
    return replace(axis, hi=(outer.out - 1) * b + 1 - axis.dense - axis.lo)
