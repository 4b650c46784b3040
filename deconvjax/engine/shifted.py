"""`shifted`: the taps' gradient as one matrix product of shifted cotangents with blocks of x.

    W[w, r] = sum_m y[m - w] x_block[m, r]        all w stacked as rows, all r as columns

x is copied once (into blocks) and never sliced per tap; the copies per shift are of y, which is `down` times smaller.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine.blocks import space_to_depth, touched
from deconvjax.engine.comb import comb
from deconvjax.engine.spec import Spec


def fits_gradient(spec: Spec) -> bool:
    """Channelled stages whose x is not stuffed (the roles are exchanged before where y is not)."""
    return spec.groups is not None and len(spec.axes) > 0 and all(a.up == 1 for a in spec.axes)


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    groups = spec.groups or 1
    rank = len(spec.axes)
    combs = [comb(a) for a in spec.axes]
    split, blocks = space_to_depth(x, combs)
    near = [touched(c) for c in combs]
    batch, cin, cout = x.shape[0], x.shape[-1], y.shape[-1]
    turned = lax.optimization_barrier(jnp.transpose(y, (rank + 1, *range(rank + 1))))  # else it is redone per shift
    turned = turned.reshape(groups, 1, cout // groups, batch, *spec.out)
    rows = jnp.zeros((groups, math.prod(near), cout // groups, batch, *blocks), y.dtype)
    for i, at in enumerate(np.ndindex(*near)):
        rows = lax.dynamic_update_slice(rows, turned, (0, i, 0, 0, *at))
    rows = rows.reshape(groups, math.prod(near) * (cout // groups), -1)
    columns = split.reshape(batch * math.prod(blocks), -1)
    if groups == 1:
        k = lax.dot_general(rows[0], columns, (((1,), (0,)), ((), ())), precision=spec.precision)[None]
    else:
        columns = columns.reshape(columns.shape[0], -1, groups, cin // groups)
        columns = columns.transpose(2, 0, 1, 3).reshape(groups, columns.shape[0], -1)
        k = lax.dot_general(rows, columns, (((2,), (1,)), ((0,), (0,))), precision=spec.precision)
    k = k.reshape(groups, *near, cout // groups, *[c.step for c in combs], cin // groups)
    order = [axis for i in range(rank) for axis in (1 + i, 2 + rank + i)]
    k = k.transpose(*order, 2 * rank + 2, 0, 1 + rank)
    k = k.reshape(*[n * c.step for n, c in zip(near, combs, strict=True)], cin // groups, cout)
    return k[tuple(slice(0, c.span, c.grid) for c in combs)]
