"""One axis of one stage, in integers: the arithmetic on which everything else stands (no JAX here).

    dense = (size-1)*up + 1          out = (dense + lo + hi - taps)//down + 1

A stage stuffs `up - 1` zeros between samples, pads (or, where negative, crops) by `(lo, hi)`, slides a window of
`window` taps spread `dilation` apart, and keeps every `down`-th result:

    y[n] = sum_j k[j] z[n*down + j*dilation - lo],      z = the zero-stuffed x, zero outside
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from deconvjax.errors import ShapeError, complaint


@dataclass(frozen=True, slots=True)
class Axis:
    """out = (dense + lo + hi - taps)//down + 1: one axis whose input size is known.

    `window` counts taps, `dilation` is their spacing, `taps` is the dilated length `dilation*(window-1) + 1`.

    >>> Axis(size=5, window=3, down=2, lo=1, hi=1).out
    3
    """

    size: int
    window: int = 1
    dilation: int = 1
    up: int = 1
    down: int = 1
    lo: int = 0
    hi: int = 0

    @property
    def taps(self) -> int:
        """Dilated length of the window."""
        return self.dilation * (self.window - 1) + 1

    @property
    def dense(self) -> int:
        """Length of the zero-stuffed signal, without trailing zeros."""
        return (self.size - 1) * self.up + 1

    @property
    def padded(self) -> int:
        """Length of what the window slides over."""
        return self.dense + self.lo + self.hi

    @property
    def out(self) -> int:
        """Number of samples that come out (below 1: the window does not fit)."""
        return (self.padded - self.taps) // self.down + 1

    @property
    def normal(self) -> Axis:
        """The same axis without the unread tail, so that equal maps have equal records."""
        return replace(self, hi=self.hi - (self.padded - self.taps) % self.down)

    @property
    def T(self) -> Axis:
        """up <-> down, taps reversed, lo' = taps-1-lo; `self.T.T == self.normal`.

        >>> Axis(size=5, window=3, down=2).T
        Axis(size=2, window=3, dilation=1, up=2, down=1, lo=2, hi=2)
        """
        lo = self.taps - 1 - self.lo
        hi = self.dense + self.taps - 1 - ((self.out - 1) * self.down + 1) - lo
        return Axis(self.out, self.window, self.dilation, self.down, self.up, lo, hi)

    @property
    def alignment(self) -> tuple[Fraction, Fraction]:
        """(scale, offset): output sample n is centred on input coordinate `scale*n + offset`.

        >>> Axis(size=4, window=4, up=2, lo=2, hi=2).alignment
        (Fraction(1, 2), Fraction(-1, 4))
        """
        return Fraction(self.down, self.up), (Fraction(self.taps - 1, 2) - self.lo) / self.up

    @property
    def is_identity(self) -> bool:
        """True where the geometry alone (not the taps) changes nothing."""
        return self.up == self.down == self.window == 1 and self.lo == 0 and self.normal.hi == 0


def compose_alignment(
    outer: tuple[Fraction, Fraction], inner: tuple[Fraction, Fraction]
) -> tuple[Fraction, Fraction]:
    """input = a1*(a2 n + b2) + b1: the coordinate maps (a2, b2) after (a1, b1) in one.

    >>> a, b = compose_alignment((Fraction(2), Fraction(1)), (Fraction(1, 2), Fraction(0)))
    >>> print(a, b)
    1 1/2
    """
    return inner[0] * outer[0], inner[0] * outer[1] + inner[1]


@dataclass(frozen=True, slots=True)
class Fusion:
    """taps = dilate(k_inner, inner_spacing) * dilate(k_outer, outer_spacing), on a grid of `axis.dilation`.

    Two axes in one: `axis`, and the spacing each operand's taps take in the full convolution that merges them.

    >>> fuse(Axis(size=4, window=3), Axis(size=8, down=2)).outer_spacing
    2
    """

    axis: Axis
    inner_spacing: int
    outer_spacing: int


def fuse(outer: Axis, inner: Axis) -> Fusion | None:
    """outer o inner = one axis, or None where that is not exact: the two fusions behind every multirate law.

    I.   outer.up == 1:    taps = k_i * dilate(k_o, i.down)    exact when (o.lo <= 0 or i.lo >= i.taps - i.down)
                                                                 and (o.hi <= 0 or i.down*i.out - i.lo >= i.dense)
    II.  inner.down == 1:  taps = dilate(k_i, o.up) * k_o      exact when (o.lo < o.up or i.lo >= i.taps-1)
                                                                 and (o.hi < o.up or i.hi >= i.taps-1)

    The side conditions say that the outer window never reads a zero where the longer convolution would have read
    a sample of the inner one. `hi` is taken after dropping the unread tail.

    >>> blur = Axis(size=8, window=3, lo=1, hi=1)
    >>> fuse(Axis(size=8, down=2), blur).axis.down
    2
    """
    outer, inner = outer.normal, inner.normal
    if outer.size != inner.out:
        raise ShapeError(f"fuse: outer axis reads {outer.size} samples, inner axis gives {inner.out}; they must agree")
    if outer.up == 1 and _first_is_exact(outer, inner):
        up, down, lo = inner.up, inner.down * outer.down, inner.lo + inner.down * outer.lo
        spacing_i, spacing_o = inner.dilation, outer.dilation * inner.down
    elif inner.down == 1 and _second_is_exact(outer, inner):
        up, down, lo = inner.up * outer.up, outer.down, outer.up * inner.lo + outer.lo
        spacing_i, spacing_o = inner.dilation * outer.up, outer.dilation
    else:
        return None
    taps = spacing_i * (inner.window - 1) + spacing_o * (outer.window - 1) + 1
    grid = math.gcd(*[s for s, k in ((spacing_i, inner.window), (spacing_o, outer.window)) if k > 1] or [1])
    hi = (outer.out - 1) * down + taps - ((inner.size - 1) * up + 1) - lo
    axis = Axis(inner.size, (taps - 1) // grid + 1, grid, up, down, lo, hi)
    return Fusion(axis, spacing_i, spacing_o)


def _first_is_exact(outer: Axis, inner: Axis) -> bool:
    low = outer.lo <= 0 or inner.lo >= inner.taps - inner.down
    high = outer.hi <= 0 or inner.down * inner.out - inner.lo >= inner.dense
    return low and high


def _second_is_exact(outer: Axis, inner: Axis) -> bool:
    low = outer.lo < outer.up or inner.lo >= inner.taps - 1
    high = outer.hi < outer.up or inner.hi >= inner.taps - 1
    return low and high


def same_padding(size: int, taps: int, stride: int) -> tuple[int, int]:
    """SAME: out = ceil(size/stride), the odd pad on the high side (TensorFlow, JAX).

    >>> same_padding(5, 3, 2), same_padding(6, 3, 2)
    ((1, 1), (0, 1))
    """
    total = max((-(-size // stride) - 1) * stride + taps - size, 0)
    return total // 2, total - total // 2


@dataclass(frozen=True, slots=True)
class Rate:
    """size -> Axis(size, window, ...): an axis that has not met its input, everything of `Axis` but the sizes.

    `same` leaves the pads to the input ("upper" puts the odd one on the high side, "lower" on the low side); `size`,
    where given, is the only input size accepted (the transpose of a map whose output size was fixed).

    >>> Rate(down=2, same="upper").axis(7, 3, "conv", "axis 0").out
    4
    """

    up: int = 1
    down: int = 1
    dilation: int = 1
    lo: int = 0
    hi: int = 0
    same: str = ""
    size: int | None = None

    @classmethod
    def of(cls, axis: Axis) -> Rate:
        """The rate of a bound axis, pads resolved.

        >>> Rate.of(Axis(size=5, window=3, down=2, lo=1, hi=1))
        Rate(up=1, down=2, dilation=1, lo=1, hi=1, same='', size=None)
        """
        return cls(axis.up, axis.down, axis.dilation, axis.lo, axis.hi)

    def axis(self, size: int, window: int, operator: str, where: str) -> Axis:
        """This rate on `size` samples, normalised; ShapeError where nothing would come out."""
        if self.size is not None and size != self.size:
            raise ShapeError(complaint(operator, f"{where} has the wrong size for the output_shape asked for",
                                       got=f"{size} samples", expected=f"{self.size}",
                                       fix="change output_shape, or give the input the size the forward map produces"))
        axis = Axis(size, window, self.dilation, self.up, self.down, self.lo, self.hi)
        if self.same:
            lo, hi = same_padding(axis.dense, axis.taps, self.down)
            axis = replace(axis, lo=hi, hi=lo) if self.same == "lower" else replace(axis, lo=lo, hi=hi)
        if axis.out < 1:
            need = axis.taps - axis.padded
            fix = f"pad by {need} more, use a shorter window, or a longer input"
            if operator.startswith("conv_transpose"):  # its padding crops: pads here are taps - 1 - padding
                fix = f"lower the padding, lo + hi, by {need} (it crops what a transposed convolution gives)"
            raise ShapeError(complaint(
                operator, f"{where} is too short: nothing would come out",
                got=f"{size} samples ({axis.padded} after stuffing and padding)",
                expected=f"at least {axis.taps} after padding", fix=fix))
        return axis.normal
