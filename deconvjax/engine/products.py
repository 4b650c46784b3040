"""Matrix products with groups as a batch axis: what the product strategies share."""

from __future__ import annotations

from jax import Array, lax

from deconvjax.engine.spec import Precision


def product(rows: Array, matrix: Array, precision: Precision) -> Array:
    """(n, groups, k) x (groups, k, m) -> (n, groups, m); one plain product where groups == 1."""
    n, groups, k = rows.shape
    if groups == 1:
        flat = lax.dot_general(rows.reshape(n, k), matrix[0], (((1,), (0,)), ((), ())), precision=precision)
        return flat.reshape(n, 1, -1)
    out = lax.dot_general(rows, matrix, (((2,), (1,)), ((1,), (0,))), precision=precision)
    return out.transpose(1, 0, 2)


def grouped(x: Array, groups: int) -> Array:
    """(…, g*c) -> (…, g, c)."""
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
