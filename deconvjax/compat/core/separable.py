"""Leaves for resizing to any size: a small dense matrix, or a choice of samples, along each of some axes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.errors import ShapeError, complaint
from deconvjax.space import Space


@final_map
class Along(LinearMap):
    """y[..., n, ...] = sum_m M[n, m] x[..., m, ...], along each of `axes` with its own matrix M.

    For interpolation by ratios that no short filter bank covers. The matrices are constants: they take the dtype of x.
    """

    matrices: tuple[Any, ...]
    axes: tuple[int, ...] = static()
    name: str = static(default="along")
    space: Space | None = static(default=None)

    @property
    def multiply_adds(self) -> int:
        """Products of one application, the axis that shrinks most first."""
        shape, total = list(self._bound_space("multiply_adds").shape), 0
        for i in self._order():
            outer = self.matrices[i].shape[0]
            total += math.prod(shape) * outer
            shape[self.axes[i]] = outer
        return total

    def _order(self) -> list[int]:
        return sorted(range(len(self.axes)), key=lambda i: self.matrices[i].shape[0] / self.matrices[i].shape[1])

    def _bind(self, space: Space) -> LinearMap:
        _check(space, self.axes, [m.shape[1] for m in self.matrices], self._label())
        return replace(self, space=space)

    def _codomain(self) -> Space:
        space = self._bound_space("codomain")
        return Space.array(_resized(space.shape, self.axes, [m.shape[0] for m in self.matrices]), _inexact(space.dtype))

    def _apply(self, x: Any) -> Any:
        x = jnp.asarray(x)
        x = x.astype(_inexact(x.dtype))
        for i in self._order():
            m = jnp.asarray(self.matrices[i], x.dtype)
            y = jnp.tensordot(x, m, axes=((self.axes[i],), (1,)), precision=jax.lax.Precision.HIGHEST)
            x = jnp.moveaxis(y, -1, self.axes[i])
        return x

    def _transpose(self) -> LinearMap:
        return replace(self, matrices=tuple(m.T for m in self.matrices), space=self._codomain())

    def _label(self) -> str:
        return f"{self.name}({_sizes([m.shape[::-1] for m in self.matrices])})"


@final_map
class Pick(LinearMap):
    """y[..., n, ...] = x[..., index[n], ...] along each of `axes`; `scatter` is the transpose, which adds up.

    Nearest-neighbour resizing to any size: exact for every dtype, infinities included.
    """

    indices: tuple[tuple[int, ...], ...] = static()
    sizes: tuple[int, ...] = static()
    axes: tuple[int, ...] = static()
    name: str = static(default="pick")
    scatter: bool = static(default=False)
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        _check(space, self.axes, list(map(len, self.indices)) if self.scatter else list(self.sizes), self._label())
        return replace(self, space=space)

    def _codomain(self) -> Space:
        space = self._bound_space("codomain")
        out = list(self.sizes) if self.scatter else list(map(len, self.indices))
        return Space.array(_resized(space.shape, self.axes, out), space.dtype)

    def _apply(self, x: Any) -> Any:
        x = jnp.asarray(x)
        for index, size, axis in zip(self.indices, self.sizes, self.axes, strict=True):
            rows = np.asarray(index)
            if self.scatter:
                front = jnp.moveaxis(x, axis, 0)
                x = jnp.moveaxis(jnp.zeros((size, *front.shape[1:]), x.dtype).at[rows].add(front), 0, axis)
            else:
                x = jnp.take(x, rows, axis=axis)
        return x

    def _transpose(self) -> LinearMap:
        return replace(self, scatter=not self.scatter, space=self._codomain())

    def _label(self) -> str:
        pairs = [(size, len(index)) for size, index in zip(self.sizes, self.indices, strict=True)]
        return f"{self.name}({_sizes(pairs)}){'.T' if self.scatter else ''}"


def _check(space: Space, axes: tuple[int, ...], sizes: list[int], label: str) -> None:
    shape = space.shape
    if len(shape) < -min(axes) or any(shape[axis] != size for axis, size in zip(axes, sizes, strict=True)):
        raise ShapeError(complaint(label, "the input has the wrong size", got=space,
                                   expected=f"sizes {tuple(sizes)} on axes {axes}", fix="bind the unbound map again"))


def _resized(shape: tuple[int, ...], axes: tuple[int, ...], sizes: list[int]) -> tuple[int, ...]:
    out = list(shape)
    for axis, size in zip(axes, sizes, strict=True):
        out[axis] = size
    return tuple(out)


def _inexact(dtype: Any) -> Any:
    return jnp.result_type(dtype, 1.0)


def _sizes(pairs: list[tuple[int, int]]) -> str:
    inner, outer = ("x".join(map(str, column)) for column in zip(*pairs, strict=True))
    return f"{inner} -> {outer}"
