"""Sparse matrices as triplets: indices in NumPy, values in NumPy or, where taps are traced, in jnp."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.sparse import BCOO


@dataclass(frozen=True)
class Coo:
    """M[rows[e], cols[e]] += values[e]."""

    rows: np.ndarray
    cols: np.ndarray
    values: Any
    shape: tuple[int, int]

    @property
    def is_constant(self) -> bool:
        """True where the values are known numbers."""
        return isinstance(self.values, np.ndarray)

    def astype(self, dtype: Any) -> Coo:
        """The same entries in another dtype; complex to real takes the real part."""
        values = self.values
        if jnp.iscomplexobj(values) and not jnp.issubdtype(dtype, jnp.complexfloating):
            values = values.real
        return replace(self, values=values.astype(dtype))

    def canonical(self) -> Coo:
        """Entries in row-major order, one for each place, zeros dropped where values are known."""
        key = self.rows * self.shape[1] + self.cols
        if len(key) and (np.diff(key) <= 0).any():
            order = np.argsort(key, kind="stable")
            key, first = np.unique(key[order], return_index=True)
            values = self.values[order]
            if len(key) < len(order):
                values = _segment_sums(values, first, len(order))
            here = Coo(key // self.shape[1], key % self.shape[1], values, self.shape)
        else:
            here = self
        if here.is_constant and len(here.values) and not here.values.all():
            keep = here.values != 0
            here = Coo(here.rows[keep], here.cols[keep], here.values[keep], here.shape)
        return here

    def bcoo(self) -> BCOO:
        """As JAX's sparse matrix."""
        here = self.canonical()
        indices = np.stack([here.rows, here.cols], axis=1).astype(np.int32)
        return BCOO((jnp.asarray(here.values), jnp.asarray(indices)), shape=self.shape, indices_sorted=True,
                    unique_indices=True)


def product(outer: Coo, inner: Coo) -> Coo:
    """outer @ inner: every entry of `outer` meets the row of `inner` that its column names."""
    inner = inner.canonical()
    starts = np.searchsorted(inner.rows, np.arange(inner.shape[0] + 1))
    counts = (starts[1:] - starts[:-1])[outer.cols]
    left = np.repeat(np.arange(len(outer.cols)), counts)
    within = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
    right = starts[outer.cols][left] + within
    values = outer.values[left] * inner.values[right]
    return Coo(outer.rows[left], inner.cols[right], values, (outer.shape[0], inner.shape[1])).canonical()


def block(pieces: list[tuple[Coo, int, int]], shape: tuple[int, int]) -> Coo:
    """The sum of matrices put at (row, column) offsets."""
    rows = np.concatenate([piece.rows + row for piece, row, _ in pieces])
    cols = np.concatenate([piece.cols + col for piece, _, col in pieces])
    xp = np if all(piece.is_constant for piece, _, _ in pieces) else jnp
    return Coo(rows, cols, xp.concatenate([xp.asarray(piece.values) for piece, _, _ in pieces]), shape).canonical()


def _segment_sums(values: Any, first: np.ndarray, total: int) -> Any:
    if isinstance(values, np.ndarray):
        return np.add.reduceat(values, first)
    segments = np.zeros(total, np.int32)
    segments[first[1:]] = 1
    return jax.ops.segment_sum(values, np.cumsum(segments), len(first), indices_are_sorted=True)
