"""One weight for each sample: a mask, a gain, a window function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves.weak import check_held, extremes, promoted
from deconvjax.space import Space


@final_map
class Diagonal(LinearMap):
    """y[n] = values[n] * x[n], `values` broadcast over the trailing axes of x.

    `weak` values take the dtype of x, as Python numbers do.
    """

    values: Any
    weak: bool = static(default=True)
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        shape, ours = space.shape, self.values.shape
        trailing = shape[len(shape) - len(ours):]
        if len(ours) > len(shape) or any(a not in (1, b) for a, b in zip(ours, trailing, strict=True)):
            raise ShapeError(complaint(self._label(), "values do not lie over the trailing axes of the input",
                                       got=f"values of shape {ours} for {space}",
                                       expected="equal sizes, or 1, on the trailing axes",
                                       fix="reshape values, or insert axes of length 1 behind them"))
        if self.weak:
            check_held(self._label(), "values", extremes(self.values), self._dtype(space.dtype))
        return replace(self, space=space)

    def _codomain(self) -> Space:
        space = self._bound_space("codomain")
        return Space.array(space.shape, self._dtype(space.dtype))

    def _apply(self, x: Any) -> Any:
        x = jnp.asarray(x)
        dtype = self._dtype(x.dtype)
        values = jnp.asarray(self.values, dtype)
        return x.astype(dtype) * jnp.expand_dims(values, tuple(range(x.ndim - values.ndim)))

    def _transpose(self) -> LinearMap:
        return replace(self, space=self._codomain())

    def _conj(self) -> LinearMap:
        if not jnp.issubdtype(self.values.dtype, jnp.complexfloating):
            return self
        return replace(self, values=self.values.conj())

    def _along(self, axes: tuple[int, ...]) -> LinearMap:
        ndim = self.values.ndim
        if len(axes) < ndim:
            raise ShapeError(complaint(self._label(), "too few axes to lay the map along", got=f"along({axes})",
                                       expected=f"at least {ndim} axes", fix="name one for each axis it uses"))
        used = axes[len(axes) - ndim:]
        depth = -min(used, default=0)
        values = self.values.transpose(sorted(range(ndim), key=used.__getitem__))
        shape = [1] * depth
        for axis, size in zip(sorted(used), values.shape, strict=True):
            shape[axis] = size
        return replace(self, values=values.reshape(shape))

    def _label(self) -> str:
        return f"diagonal({'x'.join(map(str, self.values.shape)) or 'scalar'})"

    def _latex(self) -> str:
        return r"\mathrm{diag}(w)"

    def _dtype(self, dtype: Any) -> Any:
        return promoted(dtype, self.values, self.weak)
