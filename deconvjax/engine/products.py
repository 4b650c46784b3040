"""Matrix products, half precision accumulated in float32, groups as a batch axis, sums: what the strategies share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import jax.numpy as jnp
from jax import Array, lax

from deconvjax.engine.spec import Precision

Dimensions = tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]]


def dot(a: Array, b: Array, dimensions: Dimensions, precision: Precision) -> Array:
    """`lax.dot_general`; float32 of half precision, so that sums of products round once."""
    if a.dtype.itemsize == 2 and jnp.issubdtype(a.dtype, jnp.floating):
        return lax.dot_general(a, b, dimensions, precision=precision, preferred_element_type=jnp.float32)
    return lax.dot_general(a, b, dimensions, precision=precision)


def product(rows: Array, matrix: Array, precision: Precision) -> Array:
    """(n, groups, k) x (groups, k, m) -> (n, groups, m); one plain product where groups == 1."""
    n, groups, k = rows.shape
    if groups == 1:
        flat = dot(rows.reshape(n, k), matrix[0], (((1,), (0,)), ((), ())), precision)
        return flat.reshape(n, 1, -1)
    out = dot(rows, matrix, (((2,), (1,)), ((1,), (0,))), precision)
    return out.transpose(1, 0, 2)


def grouped(x: Array, groups: int) -> Array:
    """(…, g*c) -> (…, g, c)."""
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)


def summed(terms: Sequence[Array]) -> Array:
    """The sum of arrays of one shape and type: `+` takes several times as long to trace, looking for both each time."""
    return reduce(lax.add, terms)
