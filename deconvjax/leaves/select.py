"""The leaf that reads single samples: gather at indices; its transpose puts them back (unpooling)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import lax

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.errors import ShapeError, complaint
from deconvjax.space import Space


@final_map
class Select(LinearMap):
    """y[b, n, c] = x[b, switches[b, n, c], c]: max-pooling once its switches are known.

    `switches` is `(*batch, *out, channels)` and indexes the space of `size` in row-major order, for each channel apart.
    `scatter` is the transpose: y starts from zeros and x[b, n, c] is added at switches[b, n, c], so switches that name
    one sample twice add up.
    """

    switches: Any
    size: tuple[int, ...] = static()
    scatter: bool = static(default=False)
    space: Space | None = static(default=None)

    @property
    def _shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(gathered, full) trailing shapes."""
        gathered = tuple(self.switches.shape)
        return gathered, (*gathered[: len(gathered) - len(self.size) - 1], *self.size, gathered[-1])

    def _bind(self, space: Space) -> LinearMap:
        gathered, full = self._shapes
        wanted = gathered if self.scatter else full
        if space.shape[len(space.shape) - len(wanted):] != wanted:
            raise ShapeError(complaint(self._label(), "the input does not fit the switches", got=space,
                                       expected=f"{wanted} with any leading batch axes (switches of shape {gathered})",
                                       fix="use the switches of the same batch and channels"))
        return replace(self, space=space)

    def _codomain(self) -> Space:
        space = self._bound_space("codomain")
        gathered, full = self._shapes
        batch = space.shape[: len(space.shape) - len(gathered)]
        return Space.array((*batch, *(full if self.scatter else gathered)), space.dtype)

    def _apply(self, x: Any) -> Any:
        x = jnp.asarray(x)
        gathered, full = self._shapes
        extra = x.shape[: x.ndim - len(gathered)]
        result = (*extra, *(full if self.scatter else gathered))
        channels, space = gathered[-1], math.prod(self.size)
        planes, entries = math.prod(gathered[: len(gathered) - len(self.size) - 1]), math.prod(extra)
        places = jnp.asarray(self.switches).reshape(planes, -1, channels)
        if self.scatter:
            y = jnp.zeros((entries, planes, space, channels), x.dtype)
            y = lax.scatter_add(y, places[..., None], x.reshape(entries, *places.shape), _SCATTER, mode="clip")
        else:
            x = x.reshape(entries, planes, space, channels)
            y = lax.gather(x, places[..., None], _GATHER, (entries, 1, 1, 1), mode="clip")
        return y.reshape(result)

    def _transpose(self) -> LinearMap:
        return replace(self, scatter=not self.scatter, space=self._codomain())

    def _label(self) -> str:
        size = "x".join(map(str, self.size))
        out = "x".join(map(str, self.switches.shape[-1 - len(self.size): -1]))
        return f"unpool({out} -> {size})" if self.scatter else f"unpool({out} -> {size}).T"

    def _latex(self) -> str:
        return r"S^{\mathsf{T}}" if self.scatter else "S"


# (entries, planes, space, channels) read at (planes, out, channels): planes and channels go along, nothing is compared.
_GATHER = lax.GatherDimensionNumbers(
    offset_dims=(0,), collapsed_slice_dims=(2,), start_index_map=(2,),
    operand_batching_dims=(1, 3), start_indices_batching_dims=(0, 2))
_SCATTER = lax.ScatterDimensionNumbers(
    update_window_dims=(0,), inserted_window_dims=(2,), scatter_dims_to_operand_dims=(2,),
    operand_batching_dims=(1, 3), scatter_indices_batching_dims=(0, 2))
