"""One axis of a transposed convolution, whatever framework it was written in.

    y[s i + d j - before] += x[i] w[j],      out = (i-1) s + K - before - after

`express` writes it in each framework's arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

from deconvjax.axis import Axis
from deconvjax.compat.resolve import Periodic, dilated


class Formula(str):
    """A size that follows from the input's; shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Side:
    """One axis of a transposed convolution: window k, stride s, dilation d, and what is cropped (negative: appended).

    `size` is the input's, None where the call does not depend on it. `periodic` axes wrap `before` around.
    """

    k: int
    s: int
    d: int
    before: int
    after: int
    size: int | None = None
    periodic: bool = False

    @classmethod
    def of(cls, placed: Axis | Periodic, size: int | None) -> Side:
        """The side of a resolved axis."""
        axis = placed.axis if isinstance(placed, Periodic) else placed
        before, after = axis.taps - 1 - axis.lo, axis.taps - 1 - axis.hi
        if not isinstance(placed, Periodic) or not any(placed.before + placed.after):
            return cls(axis.window, axis.up, axis.dilation, before, after, size)
        shift = before - axis.up * placed.before[0] + placed.after[0]
        return cls(axis.window, axis.up, axis.dilation, shift, axis.taps - axis.up - shift, size, True)

    @property
    def taps(self) -> int:
        """K."""
        return dilated(self.k, self.d)

    @property
    def beyond(self) -> int:
        """out - i*s, the same for every input size."""
        return self.taps - self.s - self.before - self.after

    @property
    def pads(self) -> tuple[int, int]:
        """(lo, hi) of the zero-stuffed input."""
        return self.taps - 1 - self.before, self.taps - 1 - self.after

    @property
    def out(self) -> int | str:
        """The output's size, or how it follows from the input's, n."""
        if self.size is not None:
            return self.size * self.s + self.beyond
        product = "n" if self.s == 1 else f"{self.s}*n"
        rest = f" {'+' if self.beyond > 0 else '-'} {abs(self.beyond)}" if self.beyond else ""
        return Formula(product + rest)
