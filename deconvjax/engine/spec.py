"""The static half of a stage: geometry per axis, groups, precision. Everything here is integers (no tracing).

F: x (B, *size, Cin), taps -> y (B, *out, Cout)        y[n] = sum_j k[j] z[n*down + j*dilation - lo]
T: y, taps -> x                                        the transpose of F in x
W: x, y -> taps                                        the transpose of F in the taps
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from deconvjax.axis import Axis
from deconvjax.errors import ShapeError, complaint

Precision = Any  # what `precision=` of jax.lax takes, hashable

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Spec:
    """y[n] = sum_j k[j] z[n*down + j*dilation - lo] on every axis: what F, T and W of one stage share.

    `groups` is an int (taps `(*window, Cin//groups, Cout)`, group-major output channels) or None (taps `(*window,)`,
    one scalar filter for all channels). `precision` goes to the products as in `jax.lax`.

    >>> Spec((Axis(size=8, window=4, down=2, lo=1, hi=1),)).out
    (4,)
    """

    axes: tuple[Axis, ...]
    groups: int | None = 1
    precision: Precision = None

    @property
    def size(self) -> Shape:
        """Input samples per axis."""
        return tuple(a.size for a in self.axes)

    @property
    def out(self) -> Shape:
        """Output samples per axis."""
        return tuple(a.out for a in self.axes)

    @property
    def window(self) -> Shape:
        """Taps per axis, not dilated."""
        return tuple(a.window for a in self.axes)

    @property
    def normal(self) -> Spec:
        """The same maps without unread tails."""
        return replace(self, axes=tuple(a.normal for a in self.axes))

    @property
    def T(self) -> Spec:
        """The spec whose F, on transposed taps, is this one's T."""
        return replace(self, axes=tuple(a.T for a in self.axes))

    @property
    def scalar(self) -> bool:
        """True where one filter serves all channels."""
        return self.groups is None


def check_axes(operator: str, spec: Spec) -> None:
    """Refuse a geometry in which a factor is not positive or the window does not fit."""
    for i, axis in enumerate(spec.axes):
        for name in ("size", "window", "dilation", "up", "down"):
            if getattr(axis, name) < 1:
                raise ShapeError(
                    complaint(
                        operator,
                        f"axis {i}: {name} must be positive",
                        got=getattr(axis, name),
                        expected="an int >= 1",
                        fix=f"give {name} a positive value",
                    )
                )
        if axis.out < 1:
            raise ShapeError(
                complaint(
                    operator,
                    f"axis {i}: the window does not fit",
                    got=f"{axis.padded} samples after stuffing and padding",
                    expected=f"at least {axis.taps}, the dilated window",
                    fix="pad more or use a shorter window",
                )
            )
    if spec.groups is not None and spec.groups < 1:
        raise ShapeError(
            complaint(operator, "groups must be positive", got=spec.groups, expected="an int >= 1", fix="use groups=1")
        )


def _expect(operator: str, name: str, got: Shape, expected: str, fits: bool) -> None:
    if not fits:
        raise ShapeError(
            complaint(
                operator, f"shape of {name}", got=got, expected=expected, fix=f"reshape {name} or rebuild the spec"
            )
        )


def _layout(sizes: Shape, channels: str) -> str:
    return "(" + ", ".join(["batch", *map(str, sizes), channels]) + ")"


def check_data(operator: str, name: str, shape: Shape, sizes: Shape, groups: int | None) -> None:
    """`shape` must be (batch, *sizes, channels) with channels divisible by groups."""
    fits = len(shape) == len(sizes) + 2 and shape[1:-1] == sizes
    _expect(operator, name, shape, _layout(sizes, "channels"), fits)
    if groups is not None:
        _expect(operator, name, shape, f"channels divisible by {groups} groups", shape[-1] % groups == 0)


def channels(operator: str, spec: Spec, taps: Shape) -> tuple[int, int] | None:
    """(Cin, Cout) read from the taps' shape; None for scalar taps, which take any number of channels."""
    if spec.groups is None:
        _expect(operator, "taps", taps, str(spec.window), taps == spec.window)
        return None
    fits = len(taps) == len(spec.axes) + 2 and taps[:-2] == spec.window
    _expect(operator, "taps", taps, "(" + ", ".join([*map(str, spec.window), "in/groups", "out"]) + ")", fits)
    _expect(operator, "taps", taps, f"out divisible by {spec.groups} groups", taps[-1] % spec.groups == 0)
    return taps[-2] * spec.groups, taps[-1]


def stage_shape(spec: Spec, x: Shape, taps: Shape) -> Shape:
    """Shape of F(x, taps)."""
    check_axes("stage", spec)
    check_data("stage", "x", x, spec.size, spec.groups)
    pair = channels("stage", spec, taps)
    if pair is not None:
        _expect("stage", "x", x, f"{pair[0]} channels, as the taps read", x[-1] == pair[0])
    return (x[0], *spec.out, x[-1] if pair is None else pair[1])


def transpose_shape(spec: Spec, y: Shape, taps: Shape) -> Shape:
    """Shape of T(y, taps)."""
    check_axes("transpose", spec)
    check_data("transpose", "y", y, spec.out, spec.groups)
    pair = channels("transpose", spec, taps)
    if pair is not None:
        _expect("transpose", "y", y, f"{pair[1]} channels, as the taps give", y[-1] == pair[1])
    return (y[0], *spec.size, y[-1] if pair is None else pair[0])


def taps_shape(spec: Spec, x: Shape, y: Shape) -> Shape:
    """Shape of W(x, y)."""
    check_axes("taps_gradient", spec)
    check_data("taps_gradient", "x", x, spec.size, spec.groups)
    check_data("taps_gradient", "y", y, spec.out, spec.groups)
    _expect("taps_gradient", "y", y, f"batch {x[0]}, as x has", x[0] == y[0])
    if spec.groups is None:
        _expect("taps_gradient", "y", y, f"{x[-1]} channels, as x has", x[-1] == y[-1])
        return spec.window
    return (*spec.window, x[-1] // spec.groups, y[-1])


def elements(shape: Shape) -> int:
    """Number of elements of a shape."""
    return math.prod(shape)
