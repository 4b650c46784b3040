"""The multirate leaf: stuff zeros, pad, slide taps, keep every k-th. Every filter, stride and rate change is one.

y[n] = sum_j k[j] z[n*down + j*dilation - lo],      z = x with up-1 zeros between samples
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from deconvjax import engine
from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.axis import Axis, Rate
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves import naming
from deconvjax.leaves.weak import check_held, extremes, promoted
from deconvjax.space import Space


@final_map
class Stage(LinearMap):
    """y[n] = sum_j k[j] z[n*down + j*dilation - lo], the zero-stuffed x zero outside: one multirate stage.

    `taps` is None for the unit pulse (pure rate changes and windows), `(*window)` for one filter shared by everything
    off `axes`, `(*window, in/groups, out)` for channels. `flip` reads the taps backwards and swaps their channels, so
    a transpose shares its array with the map it transposes: True makes `taps` the kernel of the forward convolution.
    `weak` taps take the dtype of x, as Python numbers do.
    """

    taps: Any
    rates: tuple[Rate, ...] = static()
    axes: tuple[int, ...] = static()
    groups: int | None = static(default=None)
    flip: bool = static(default=False)
    conjugate: bool = static(default=False)
    weak: bool = static(default=True)
    precision: Any = static(default=None)
    space: Space | None = static(default=None)

    # ---- geometry -------------------------------------------------------------------------------------------------
    @property
    def window(self) -> tuple[int, ...]:
        """Taps per axis, undilated."""
        return (1,) * len(self.axes) if self.taps is None else tuple(self.taps.shape[: len(self.axes)])

    @property
    def channels(self) -> tuple[int, int]:
        """(in, out) of a channelled stage."""
        inner, outer = self.taps.shape[-2] * self.groups, self.taps.shape[-1]
        return (outer, inner) if self.flip else (inner, outer)

    @cached_property
    def geometry(self) -> tuple[Axis, ...]:
        """The axes of a bound stage, sizes known."""
        shape = self._bound_space("geometry").shape
        return tuple(_axis(shape[axis], n, r.dilation, r.up, r.down, r.lo, r.hi)
                     for axis, n, r in zip(self.axes, self.window, self.rates, strict=True))

    @property
    def spec(self) -> engine.Spec:
        """What the engine is asked for: the forward stage whose taps these are (see `flip`)."""
        axes = tuple(axis.T for axis in self.geometry) if self.flip else self.geometry
        return engine.Spec(axes, self.groups, self.precision)

    @property
    def correlation_taps(self) -> Any:
        """The taps as the formula reads them: flips and conjugation carried out."""
        taps = self.taps
        if taps is None:
            return np.ones((1,) * len(self.axes), dtype=np.int32)
        if self.flip:
            taps = _flipped(taps, len(self.axes), self.groups)
        return taps.conj() if self.conjugate else taps

    # ---- the five methods -----------------------------------------------------------------------------------------
    def _bind(self, space: Space) -> LinearMap:
        shape, label = space.shape, self._label()
        depth = max(-min(self.axes), len(self.axes) + 1 if self.groups is not None else 0)
        if len(shape) < depth:
            layout = "(*batch, *space, channels)" if self.groups is not None else f"axes {self.axes}"
            raise ShapeError(complaint(label, "the input has too few axes", got=f"shape {shape}",
                                       expected=f"at least {depth} axes for {layout}", fix="add the missing axes to x"))
        if self.groups is not None and shape[-1] != self.channels[0]:
            raise ShapeError(complaint(label, "the channels do not fit the kernel", got=f"{shape[-1]} in shape {shape}",
                                       expected=f"{self.channels[0]} channels on the last axis",
                                       fix="move channels last, or use a kernel for that many input channels"))
        if self.weak and self.taps is not None:
            check_held(label, "taps", self._extremes, self._dtype(space.dtype))
        axes = (r.axis(shape[axis], n, label, f"axis {axis} of {space}")
                for axis, n, r in zip(self.axes, self.window, self.rates, strict=True))
        return replace(self, rates=tuple(Rate.of(axis) for axis in axes), space=space)

    @cached_property
    def _extremes(self) -> tuple[Any, Any] | None:
        return extremes(self.taps)

    def _codomain(self) -> Space:
        return self._landing

    @cached_property
    def _landing(self) -> Space:
        space = self._bound_space("codomain")
        shape = list(space.shape)
        for axis, geometry in zip(self.axes, self.geometry, strict=True):
            shape[axis] = geometry.out
        if self.groups is not None:
            shape[-1] = self.channels[1]
        return Space.array(tuple(shape), self._dtype(space.dtype))

    def _apply(self, x: Any) -> Any:
        x = jnp.asarray(x)
        if self.taps is None:
            return _pulse(x, self.axes, self.geometry)
        dtype = self._dtype(x.dtype)
        taps = jnp.asarray(self.taps, dtype)
        taps = taps.conj() if self.conjugate else taps
        run = engine.transpose if self.flip else engine.stage
        if self.groups is None:
            return _on_axes(lambda z: run(z, taps, self.spec), x.astype(dtype), self.axes)
        lead = x.shape[: -len(self.axes) - 1]
        y = run(x.astype(dtype).reshape(math.prod(lead), *x.shape[len(lead):]), taps, self.spec)
        return y.reshape(*lead, *y.shape[1:])

    def _transpose(self) -> LinearMap:
        rates = tuple(Rate.of(axis.T) for axis in self.geometry)
        return replace(self, rates=rates, flip=self.taps is not None and not self.flip, space=self._codomain())

    def _conj(self) -> LinearMap:
        return replace(self, conjugate=not self.conjugate) if _complex(self.taps) else self

    def _along(self, axes: tuple[int, ...]) -> LinearMap:
        if self.groups is not None:
            return super()._along(axes)
        if len(axes) < -min(self.axes):
            raise ShapeError(complaint(self._label(), "too few axes to lay the map along", got=f"along({axes})",
                                       expected=f"at least {-min(self.axes)} axes", fix="name an axis for each"))
        moved = [axes[axis] for axis in self.axes]
        order = sorted(range(len(moved)), key=moved.__getitem__)
        taps = self.taps if self.taps is None else self.taps.transpose(order)
        return replace(self, taps=taps, axes=tuple(moved[i] for i in order), rates=tuple(self.rates[i] for i in order))

    def _label(self) -> str:
        return naming.label(self)

    def _latex(self) -> str:
        return naming.latex(self)

    def _dtype(self, dtype: Any) -> Any:
        if self.taps is None or dtype.kind == "f" and self.weak and self.taps.dtype.kind != "c":
            return dtype
        return promoted(dtype, self.taps, self.weak)


_axis = lru_cache(maxsize=65536)(Axis)  # one object for equal axes: what is known of an axis is found faster


def _complex(taps: Any) -> bool:
    return taps is not None and jnp.issubdtype(taps.dtype, jnp.complexfloating)


def _flipped(taps: Any, ndim: int, groups: int | None) -> Any:
    """Window reversed; per group, input and output channels swapped."""
    back = taps[(slice(None, None, -1),) * ndim]
    if groups is None:
        return back
    *window, inner, outer = back.shape
    split = back.reshape(*window, inner, groups, outer // groups)
    return split.swapaxes(-1, -3).reshape(*window, outer // groups, groups * inner)


def _pulse(x: jax.Array, axes: tuple[int, ...], geometry: tuple[Axis, ...]) -> jax.Array:
    """The stage whose only tap is 1: interior pad (fused by XLA, unlike a scatter), then a strided slice."""
    config, start, stop, stride = [(0, 0, 0)] * x.ndim, [0] * x.ndim, [0] * x.ndim, [1] * x.ndim
    for axis, g in zip(axes, geometry, strict=True):
        cut_lo = -g.lo if g.up == 1 and g.lo < 0 else 0  # a crop without stuffing is part of the slice
        config[axis] = (g.lo + cut_lo, max(g.hi, 0) if g.up == 1 else g.hi, g.up - 1)
        start[axis], stride[axis] = cut_lo, g.down
    if any(c != (0, 0, 0) for c in config):
        x = lax.pad(x, jnp.zeros((), x.dtype), config)
    stop = list(x.shape)
    for axis, g in zip(axes, geometry, strict=True):
        stop[axis] = start[axis] + (g.out - 1) * g.down + 1
    if stop != list(x.shape) or any(start) or any(s > 1 for s in stride):
        x = lax.slice(x, start, stop, stride)
    return x


def _on_axes(run: Any, x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """`run` on (batch, *space, rest), whatever axes of x are the space."""
    where = tuple(x.ndim + axis for axis in axes)
    apart = where != tuple(range(where[0], where[0] + len(where)))
    if apart:
        last = tuple(range(x.ndim - len(where), x.ndim))
        x = jnp.moveaxis(x, where, last)
        first = last[0]
    else:
        first = where[0]
    lead, rest = x.shape[:first], x.shape[first + len(axes):]
    z = x.reshape(math.prod(lead), *x.shape[first:first + len(axes)], math.prod(rest))
    y = run(z)
    y = y.reshape(*lead, *y.shape[1:-1], *rest)
    return jnp.moveaxis(y, last, where) if apart else y
