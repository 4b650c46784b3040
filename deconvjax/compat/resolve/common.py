"""What every dialect of padding shares: the canonical forms, and the refusal of empty outputs.

    y[n] = sum_j k[j] z[n*down + j*dilation - lo],      K = dilation*(window-1) + 1

z is the input with `up - 1` zeros between its samples, i its size, k the number of taps, s the stride, d the dilation.
"""

from __future__ import annotations

from dataclasses import dataclass

from deconvjax.axis import Axis, same_padding
from deconvjax.errors import ShapeError, complaint

Pads = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Periodic:
    """y = fold(after) o axis o wrap(before): a stage between periodic borders.

    `before` samples are read around the end in front of the stage, `after` samples of its output are added back there.

    >>> Periodic(Axis(size=6, window=3), before=(1, 1)).out
    4
    """

    axis: Axis
    before: Pads = (0, 0)
    after: Pads = (0, 0)

    @property
    def out(self) -> int:
        """Number of samples that come out."""
        return self.axis.out - sum(self.after)


def dilated(window: int, dilation: int) -> int:
    """K = d (k-1) + 1.

    >>> dilated(3, 2)
    5
    """
    return dilation * (window - 1) + 1


def refuse(operator: str, problem: str, *, got: object, expected: object, fix: str) -> ShapeError:
    """The ShapeError of a resolver, ready to raise."""
    return ShapeError(complaint(operator, problem, got=got, expected=expected, fix=fix))


def placed(operator: str, axis: Axis) -> Axis:
    """`axis`, refused where nothing would come out (JAX returns an empty array for some of these)."""
    if axis.out < 1:
        raise refuse(operator, "the output would be empty",
                     got=f"input {axis.size}, kernel {axis.window} (dilated {axis.taps}), pads ({axis.lo}, {axis.hi})",
                     expected="an output of at least 1 sample",
                     fix="use less padding, a shorter kernel, or a longer input")
    return axis


def stuffed(operator: str, size: int, window: int, stride: int, dilation: int, lo: int, hi: int) -> Axis:
    """out = (i-1) s + 1 + lo + hi - K + 1: zero-stuffed by `stride`, then padded by `(lo, hi)`.

    >>> stuffed("conv", 4, 3, 2, 1, 1, 2).out
    8
    """
    return placed(operator, Axis(size, window, dilation, up=stride, lo=lo, hi=hi))


def scattered(operator: str, size: int, window: int, stride: int, dilation: int, crop: Pads, extra: int = 0) -> Axis:
    """y[s i + d j - crop_lo] += x[i] w[j], out = (i-1) s + K - crop_lo - crop_hi + extra: the form most manuals use.

    >>> scattered("conv", 4, 3, 2, 1, (1, 1), 1).out
    8
    """
    taps = dilated(window, dilation)
    return stuffed(operator, size, window, stride, dilation, taps - 1 - crop[0], taps - 1 - crop[1] + extra)


def adjoint(operator: str, size: int, window: int, stride: int, dilation: int, pads: Pads, out: int) -> Axis:
    """lo = K-1-p_lo, of the length `out`: the transpose of the convolution that takes `out` samples to `size`.

    >>> adjoint("conv", 3, 3, 2, 1, (1, 1), 6).out
    6
    """
    taps = dilated(window, dilation)
    forward = (out + pads[0] + pads[1] - taps) // stride + 1
    if forward != size or out < 1:
        least = (size - 1) * stride + taps - pads[0] - pads[1]
        raise refuse(operator, "output_shape does not belong to this input", got=f"output {out} for input {size}",
                     expected=f"{max(least, 1)} to {least + stride - 1} (a convolution of {out} gives {forward})",
                     fix="choose an output_shape in that range")
    lo = taps - 1 - pads[0]
    return stuffed(operator, size, window, stride, dilation, lo, out + taps - 2 - (size - 1) * stride - lo)


def strided(operator: str, size: int, window: int, stride: int, dilation: int, pads: Pads, stuffing: int = 1) -> Axis:
    """out = ((i-1) stuffing + 1 + lo + hi - K)//s + 1: a forward convolution."""
    return placed(operator, Axis(size, window, dilation, stuffing, stride, *pads))


def same(size: int, window: int, stride: int, dilation: int, lower: bool = False) -> Pads:
    """The pads of a forward SAME convolution; `lower` puts the odd one in front."""
    lo, hi = same_padding(size, dilated(window, dilation), stride)
    return (hi, lo) if lower else (lo, hi)
