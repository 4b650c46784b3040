"""Does a map turn constants into constants? The polyphase gains at frequency zero, measured away from the borders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from deconvjax.algebra import LinearMap
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import Axes, axes_of

_STEPS = 12  # the longest input shift tried: the denominator of a resampling factor


@dataclass(frozen=True)
class Checkerboard:
    """gains[r, c, o] = response at phase r of output channel o to a constant on input channel c.

    `spread` is max over (c, o) of (max_r - min_r) gain, relative to the largest gain: 0 means no checkerboard. The
    report is true where there is none.

    >>> print(Checkerboard(0.0, np.ones((2, 1, 1)), period=(2,), tolerance=1e-6))
    no checkerboard: DC gains of the 2 phases spread by 0 of the largest
    """

    spread: float
    gains: np.ndarray
    period: tuple[int, ...]
    tolerance: float

    @property
    def ok(self) -> bool:
        """True where a constant stays a constant, up to rounding."""
        return self.spread <= self.tolerance

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = "no checkerboard" if self.ok else "checkerboard"
        period = "x".join(map(str, self.period))
        return f"{verdict}: DC gains of the {period} phases spread by {self.spread:.3g} of the largest"


def checkerboard(a: LinearMap, *, axes: Axes = None) -> Checkerboard:
    """spread = max |g_r - g_r'| / max |g|,  g_r = sum_j h[s j + r]: unequal phases print a pattern on flat areas.

    That the stride divides the window is neither necessary (bilinear 5 taps at stride 3) nor sufficient (random 4 taps
    at stride 2): these gains are the test, H(2 pi m/s) = 0 for m = 1 ... s-1. Whatever the map is made of, its answer
    to constants is read in the middle, where no border is felt; `str` of the report says the verdict.

    Args:
        a: a bound map that repeats itself along its space axes (any chain of rate changes, filters, shuffles).
        axes: the space axes, counted from the end; None takes those its stages act on. Where -1 is not among them it
            is the channels.

    Returns:
        A report with `ok`, `spread`, `gains` of shape `(*period, in, out)` (`(*period,)` without channels), `period`.

    Raises:
        UnboundError: the map has no shape. ShapeError: the domain is too small to have a middle, or the map does not
        repeat itself within 12 samples. TypeError: not a map, or an integer domain.

    Source: Odena, Dumoulin and Olah, Deconvolution and checkerboard artifacts, 2016.

    >>> import deconvjax as dj, numpy as np
    >>> print(checkerboard((dj.convolve(np.ones(3)) @ dj.upsample(2)).on((16,))))
    checkerboard: DC gains of the 2 phases spread by 0.5 of the largest
    """
    if not isinstance(a, LinearMap):
        raise TypeError(complaint("checkerboard", "it reads a map", got=type(a).__name__, expected="a bound LinearMap",
                                  fix="wrap functions with linear_map(fn, domain)"))
    space = a._bound_space("check.checkerboard")
    target = a._codomain()
    if not (space.is_array and target.is_array):
        raise ShapeError(complaint("checkerboard", "it reads maps from one array to one array", got=a,
                                   expected="an array domain and codomain", fix="check the branches one by one"))
    if not jnp.issubdtype(space.dtype, jnp.inexact):
        raise TypeError(complaint("checkerboard", "it probes with real numbers", got=space, expected="a float domain",
                                  fix="bind the map with .on(jax.ShapeDtypeStruct(shape, float))"))
    where = _space_axes(a, len(space.shape)) if axes is None else axes_of(axes, None, "checkerboard", "axes")
    probe = _Probe(a, where, space.shape, target.shape, space.dtype)
    interior = [probe.interior(axis) for axis in where]
    period = tuple(probe.period(axis) for axis in where)
    for axis, (first, last), p in zip(where, interior, period, strict=True):
        if last - first < p:
            raise ShapeError(complaint("checkerboard", f"axis {axis} is too short to have a middle",
                                       got=f"{space.shape[axis]} samples", expected=f"{p} outputs that feel no border",
                                       fix="bind the map to a longer input"))
    response = probe.constants()  # (in, *leading, *space', out)
    index: list[Any] = [slice(None)] + [0] * (response.ndim - 1)
    for axis, (first, _), p in zip(where, interior, period, strict=True):
        phases = [first + (r - first) % p for r in range(p)]
        response = np.take(response, phases, axis=axis if -1 not in where else axis - 1)
        index[axis if -1 not in where else axis - 1] = slice(None)
    index[-1] = slice(None)
    gains = np.moveaxis(response[tuple(index)], 0, -2)
    gains = gains[..., 0, 0] if -1 in where else gains
    scale = float(np.abs(gains).max(initial=0.0))
    flat = gains.reshape(math.prod(period), -1)
    pairs = np.abs(flat[:, None] - flat[None]).max(initial=0.0)  # complex gains have no min and max
    eps = float(jnp.finfo(target.dtype).eps)
    return Checkerboard(float(pairs / scale) if scale else 0.0, gains, period, 64 * eps)


class _Probe:
    """Questions put to a map by applying it."""

    def __init__(self, a: LinearMap, where: tuple[int, ...], shape: Any, target: Any, dtype: Any):
        self.a, self.where, self.shape, self.target, self.dtype = a, where, shape, target, dtype
        self.noise = np.random.default_rng(0).uniform(1.0, 2.0, shape)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        y = np.asarray(self.a(jnp.asarray(x, self.dtype)))
        return y.astype(np.complex128 if np.iscomplexobj(y) else np.float64)

    def interior(self, axis: int) -> tuple[int, int]:
        """[first, last): outputs around the middle that no sample of the outer quarters reaches."""
        n, m = self.shape[axis], self.target[axis]
        edge = max(n // 4, 1)
        place = np.arange(n)
        ring = (place < edge) | (place >= n - edge)
        reached = self(self.noise * ring.reshape(-1, *(1,) * (-axis - 1))) != 0
        felt = reached.any(tuple(i for i in range(reached.ndim) if i != reached.ndim + axis))
        below = np.flatnonzero(felt[: m // 2])
        above = np.flatnonzero(felt[m // 2:])
        return (int(below[-1]) + 1 if below.size else 0), (m // 2 + int(above[0]) if above.size else m)

    def period(self, axis: int) -> int:
        """Outputs after which the map repeats itself: shifting the input by m shifts the output by this many."""
        n = self.shape[axis]
        block = self.noise * _middle(self.shape, self.where)
        still = self(block)
        scale = np.abs(still).max(initial=0.0)
        steps = min(_STEPS, n // 4)
        for m in range(1, steps + 1):
            moved = self(np.roll(block, m, axis))
            for u in range(1, self.target[axis] // 2 + 1):
                if np.abs(np.roll(still, u, axis) - moved).max() <= 1e3 * float(jnp.finfo(self.dtype).eps) * scale:
                    return u
        longer = f"bind it to {4 * _STEPS} samples or more, or " if n < 4 * _STEPS else ""
        raise ShapeError(complaint("checkerboard", f"the map does not repeat itself along axis {axis}",
                                   got=f"{self.a}, its input shifted by 1 to {steps} samples",
                                   expected="a map of rate changes and filters whose period is at most a quarter of "
                                   f"the axis and {_STEPS} samples (downsample({_STEPS}))",
                                   fix=f"{longer}name the space axes with axes="))

    def constants(self) -> np.ndarray:
        """Responses to ones on each input channel, one after the other."""
        if -1 in self.where:
            return self(np.ones(self.shape))[None, ..., None]
        n = self.shape[-1]
        return self(np.ones(self.shape) * np.eye(n).reshape(n, *(1,) * (len(self.shape) - 1), n))


def _middle(shape: tuple[int, ...], where: tuple[int, ...]) -> np.ndarray:
    """1 on the central samples along `where` (a third of each axis), 0 elsewhere."""
    box = np.ones(shape)
    for axis in where:
        n = shape[axis]
        inside = np.abs(2 * np.arange(n) - (n - 1)) < max(n / 3, 1)
        box = box * inside.reshape(-1, *(1,) * (-axis - 1))
    return box


def _space_axes(a: LinearMap, ndim: int) -> tuple[int, ...]:
    """The axes that the leaves of `a` name; all of them where none does."""
    found = {axis for leaf in a._leaves() for axis in getattr(leaf, "axes", ())}
    return tuple(sorted(found)) or tuple(range(-ndim, 0))
