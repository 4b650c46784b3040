"""The position-varying leaf: every output sample has taps of its own. Linear in x and, as a function, in the taps."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves.weak import promoted
from deconvjax.space import Space


@final_map
class Reassemble(LinearMap):
    """y[p, c] = sum_j M[p, j, g] x[floor(p/up) + j - lo, c], c in group g, x zero outside.

    `weights` M is `(*batch, *out, *window, groups)`; x is `(*batch, *space, channels)` and on every axis has
    ceil(out/up) + window - 1 - lo - hi samples. `scatter` is the transpose. `weak` weights take the dtype of x.
    """

    weights: Any
    up: tuple[int, ...] = static()
    pads: tuple[tuple[int, int], ...] = static()
    scatter: bool = static(default=False)
    conjugate: bool = static(default=False)
    weak: bool = static(default=False)
    space: Space | None = static(default=None)

    @property
    def out(self) -> tuple[int, ...]:
        """Space sizes on the fine side."""
        return self.weights.shape[-2 * len(self.up) - 1: -len(self.up) - 1]

    @property
    def window(self) -> tuple[int, ...]:
        """Taps per axis."""
        return self.weights.shape[-len(self.up) - 1: -1]

    @property
    def batch(self) -> tuple[int, ...]:
        """Batch axes of the weights: equal to x's, or 1 where all entries share."""
        return self.weights.shape[: -2 * len(self.up) - 1]

    @property
    def size(self) -> tuple[int, ...]:
        """Space sizes on the coarse side."""
        sizes = zip(self.out, self.up, self.window, self.pads, strict=True)
        return tuple(-(-n // up) + k - 1 - lo - hi for n, up, k, (lo, hi) in sizes)

    def _bind(self, space: Space) -> LinearMap:
        ndim, shape = len(self.up), space.shape
        wanted = self.out if self.scatter else self.size
        layout = f"({', '.join(map(str, (*self.batch, *wanted)))}, channels) with any leading batch axes"
        lead = shape[len(shape) - ndim - 1 - len(self.batch): max(len(shape) - ndim - 1, 0)]
        fits = len(shape) > ndim + len(self.batch) and shape[-ndim - 1: -1] == wanted
        if not fits or any(ours not in (1, theirs) for ours, theirs in zip(self.batch, lead, strict=True)):
            raise ShapeError(complaint(self._label(), "the input does not fit the weights", got=space, expected=layout,
                                       fix="the weights have one entry for each sample on the fine side"))
        groups = self.weights.shape[-1]
        if shape[-1] % groups:
            raise ShapeError(complaint(self._label(), "groups must divide the channels", got=f"{shape[-1]} in {space}",
                                       expected=f"a multiple of {groups}", fix="use weights of fewer groups"))
        return replace(self, space=space)

    def _codomain(self) -> Space:
        space = self._bound_space("codomain")
        ndim = len(self.up)
        landing = self.size if self.scatter else self.out
        return Space.array((*space.shape[: -ndim - 1], *landing, space.shape[-1]), self._dtype(space.dtype))

    def _apply(self, x: Any) -> Any:
        x = jnp.asarray(x)
        ndim, dtype = len(self.up), self._dtype(x.dtype)
        weights = jnp.asarray(self.weights, dtype)
        weights = weights.conj() if self.conjugate else weights
        lead, groups = x.shape[: -ndim - 1], weights.shape[-1]
        own = lead[len(lead) - len(self.batch):]
        if own != self.batch:
            weights = jnp.broadcast_to(weights, (*own, *weights.shape[len(own):]))
        weights = _blocked(weights.reshape(math.prod(own), *weights.shape[len(own):]), self.up)
        extra = math.prod(lead[: len(lead) - len(own)])
        z = x.astype(dtype).reshape(extra, math.prod(own), *x.shape[-ndim - 1: -1], groups, x.shape[-1] // groups)
        y = (_spread if self.scatter else _gathered)(z, weights, (self.up, self.pads, self.out, self.window))
        return y.reshape(*lead, *y.shape[2: 2 + ndim], x.shape[-1])

    def _transpose(self) -> LinearMap:
        return replace(self, scatter=not self.scatter, space=self._codomain())

    def _conj(self) -> LinearMap:
        if not jnp.issubdtype(self.weights.dtype, jnp.complexfloating):
            return self
        return replace(self, conjugate=not self.conjugate)

    def _label(self) -> str:
        up = self.up[0] if len(set(self.up)) == 1 else self.up
        groups = f", groups={self.weights.shape[-1]}" if self.weights.shape[-1] > 1 else ""
        return f"reassemble({'x'.join(map(str, self.window))} taps, {up}{groups}){'.T' if self.scatter else ''}"

    def _latex(self) -> str:
        return r"R_M^{\mathsf{T}}" if self.scatter else "R_M"

    def _dtype(self, dtype: Any) -> Any:
        return promoted(dtype, self.weights, self.weak)


Ints = tuple[int, ...]
Geometry = tuple[Ints, tuple[tuple[int, int], ...], Ints, Ints]  # up, pads, out, window


def _blocked(weights: Array, up: tuple[int, ...]) -> Array:
    """(batch, *out, *window, groups) as (batch, *(coarse, phase), taps, groups), out rounded up to whole blocks."""
    ndim = len(up)
    out, window = weights.shape[1: ndim + 1], weights.shape[ndim + 1: -1]
    blocks = [-(-n // s) for n, s in zip(out, up, strict=True)]
    rest = [(0, b * s - n) for b, s, n in zip(blocks, up, out, strict=True)]
    if any(hi for _, hi in rest):
        weights = jnp.pad(weights, [(0, 0), *rest, *[(0, 0)] * (ndim + 1)])
    split = [size for pair in zip(blocks, up, strict=True) for size in pair]
    return weights.reshape(weights.shape[0], *split, math.prod(window), weights.shape[-1])


def _views(x: Array, weights: Array, geometry: Geometry) -> list[Array]:
    """For each tap what all coarse positions read: shifted windows of x (extra, batch, *space, groups, channels)."""
    up, pads, _, window = geometry
    blocks = weights.shape[1: 1 + 2 * len(up): 2]
    z = jnp.pad(x, [(0, 0), (0, 0), *pads, (0, 0), (0, 0)]) if any(map(any, pads)) else x
    return [z[(slice(None), slice(None), *(slice(j, j + b) for j, b in zip(tap, blocks, strict=True)))]
            for tap in product(*map(range, window))]


def _joined(y: Array, out: tuple[int, ...]) -> Array:
    """(extra, batch, *(coarse, phase), groups, channels) as (extra, batch, *out, groups, channels)."""
    split = y.shape[2:-2]
    y = y.reshape(*y.shape[:2], *(a * b for a, b in zip(split[::2], split[1::2], strict=True)), *y.shape[-2:])
    return y[(slice(None), slice(None), *map(slice, out))]


@partial(jax.jit, static_argnums=(2,))
def _dense(x: Array, weights: Array, geometry: Geometry) -> Array:
    """One batched matrix product over the taps: the form whose derivatives are matrix products too."""
    ndim = len(geometry[0])
    coarse, split = _letters(ndim)
    views = jnp.stack(_views(x, weights, geometry), axis=2 + ndim)
    y = jnp.einsum(f"eb{coarse}dgc,b{split}dg->eb{split}gc", views, weights, preferred_element_type=_wide(x.dtype))
    return _joined(y.astype(x.dtype), geometry[2])


@partial(jax.jit, static_argnums=(2,))
def _spread(y: Array, weights: Array, geometry: Geometry) -> Array:
    """The transpose of `_dense` in x, for integers too: what each tap contributes, shifted back and added."""
    up, pads, out, window = geometry
    ndim, blocks = len(up), weights.shape[1: 1 + 2 * len(up): 2]
    coarse, split = _letters(ndim)
    rest = [(0, b * s - n) for b, s, n in zip(blocks, up, out, strict=True)]
    y = jnp.pad(y, [(0, 0), (0, 0), *rest, (0, 0), (0, 0)])
    y = y.reshape(*y.shape[:2], *weights.shape[1: 1 + 2 * ndim], *y.shape[-2:])
    wide = _wide(y.dtype)
    shares = jnp.einsum(f"eb{split}gc,b{split}dg->deb{coarse}gc", y, weights, preferred_element_type=wide)
    total = jnp.zeros((), wide)
    for share, tap in zip(shares, product(*map(range, window)), strict=True):
        shifts = [(j - lo, k - 1 - j - hi, 0) for j, k, (lo, hi) in zip(tap, window, pads, strict=True)]
        total = total + lax.pad(share, jnp.zeros((), wide), [(0, 0, 0)] * 2 + shifts + [(0, 0, 0)] * 2)
    return total.astype(y.dtype)


def _letters(ndim: int) -> tuple[str, str]:
    """The coarse axes of an einsum, and the coarse axes with their phases between."""
    coarse, phase = "hijk"[:ndim], "rstu"[:ndim]
    return coarse, "".join(map("".join, zip(coarse, phase, strict=True)))


@partial(jax.custom_jvp, nondiff_argnums=(2,))
@partial(jax.jit, static_argnums=(2,))
def _gathered(x: Array, weights: Array, geometry: Geometry) -> Array:
    """The sum tap by tap, fused into one pass over y: several times faster than `_dense`, but not its derivatives."""
    wide, total = _wide(x.dtype), None
    for tap, view in enumerate(_views(x, weights, geometry)):
        for axis in range(len(geometry[0])):
            view = jnp.expand_dims(view, 3 + 2 * axis)
        term = weights[None, ..., tap, :, None].astype(wide) * view.astype(wide)
        total = term if total is None else total + term
    assert total is not None
    return _joined(total.astype(x.dtype), geometry[2])


@_gathered.defjvp
def _gathered_jvp(geometry: Geometry, primals: Any, tangents: Any) -> Any:
    (x, weights), (dx, dweights) = primals, tangents
    return _gathered(x, weights, geometry), _dense(dx, weights, geometry) + _dense(x, dweights, geometry)


def _wide(dtype: Any) -> Any:
    """The dtype sums are kept in: float32 for 16-bit floats."""
    return jnp.float32 if dtype in (jnp.bfloat16, jnp.float16) else dtype
