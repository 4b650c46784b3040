"""`taps`: one matrix product per tap (one sum where channels do not mix): the taps' gradient of any stage.

    W[j] = sum over (n, m) with n*down + j*dilation - lo = m*up of x[m]^T y[n]

The pairs (m, n) of one tap are two arithmetic progressions, so no stuffed zero and no padding is ever touched.
"""

from __future__ import annotations

import math
from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.axis import Axis
from deconvjax.engine.layout import fit, window_slices
from deconvjax.engine.products import dot, grouped
from deconvjax.engine.rows import by_channel
from deconvjax.engine.spec import Spec


def fits_gradient(spec: Spec) -> bool:
    """Every stage."""
    return True


@lru_cache(maxsize=4096)
def pairs(axis: Axis, tap: int) -> tuple[int, int, int, int, int]:
    """(first m, step of m, first n, step of n, count) of the samples that one tap joins; count 0 where none."""
    common = math.gcd(axis.up, axis.down)
    step_m, step_n = axis.down // common, axis.up // common
    shift = tap * axis.dilation - axis.lo
    for n in range(min(step_n, axis.out)):
        if (n * axis.down + shift) % axis.up == 0:
            m = (n * axis.down + shift) // axis.up
            skip = max(0, -(m // step_m))
            m, n = m + skip * step_m, n + skip * step_n
            count = min((axis.size - 1 - m) // step_m, (axis.out - 1 - n) // step_n) + 1
            return m, step_m, n, step_n, max(count, 0)
    return 0, 1, 0, 1, 0


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    if _depthwise(x, spec):
        return by_channel(_sums, x, y, spec)
    if all(a.up == 1 for a in spec.axes):
        return _strided(x, y, spec)
    groups = spec.groups or 1
    rows = []
    for at in np.ndindex(*spec.window):
        joined = [pairs(a, j) for a, j in zip(spec.axes, at, strict=True)]
        if any(p[4] == 0 for p in joined):
            rows.append(jnp.zeros((x.shape[-1] // groups, y.shape[-1]), x.dtype))
            continue
        xs, ys = _met(x, y, joined)
        rows.append(_correlate(_turned(ys, groups), xs, spec))
    return jnp.stack(rows).reshape(*spec.window, x.shape[-1] // groups, y.shape[-1])


def _depthwise(x: Array, spec: Spec) -> bool:
    return spec.groups is None or spec.groups == x.shape[-1]


def _met(x: Array, y: Array, joined: list[tuple[int, int, int, int, int]]) -> tuple[Array, Array]:
    """The samples of x and of y that one tap joins, in step."""
    xs = window_slices(x, [p[0] for p in joined], [p[4] for p in joined], [p[1] for p in joined])
    return xs, window_slices(y, [p[2] for p in joined], [p[4] for p in joined], [p[3] for p in joined])


def _sums(x: Array, y: Array, spec: Spec) -> Array:
    """(*window, C): elementwise products, summed."""
    rows = []
    for at in np.ndindex(*spec.window):
        joined = [pairs(a, j) for a, j in zip(spec.axes, at, strict=True)]
        if any(p[4] == 0 for p in joined):
            rows.append(jnp.zeros((x.shape[-1],), x.dtype))
            continue
        xs, ys = _met(x, y, joined)
        rows.append((xs * ys).sum(tuple(range(xs.ndim - 1))).astype(x.dtype))
    return jnp.stack(rows).reshape(*spec.window, x.shape[-1])


def _strided(x: Array, y: Array, spec: Spec) -> Array:
    """No stuffing: every tap meets all of y, which is turned once; x is padded instead."""
    groups = spec.groups or 1
    x = fit(x, [(a.lo, a.normal.hi) for a in spec.axes])
    turned = lax.optimization_barrier(_turned(y, groups))
    rows = []
    for at in np.ndindex(*spec.window):
        starts = [j * a.dilation for j, a in zip(at, spec.axes, strict=True)]
        rows.append(_correlate(turned, window_slices(x, starts, spec.out, [a.down for a in spec.axes]), spec))
    return jnp.stack(rows).reshape(*spec.window, x.shape[-1] // groups, y.shape[-1])


def _turned(y: Array, groups: int) -> Array:
    """(…, g*c) -> (g, c, n): XLA's product is fast with the contraction last on the left, slow with it first."""
    flat = y.reshape(-1, groups, y.shape[-1] // groups)
    return flat.transpose(1, 2, 0)


def _correlate(turned: Array, xs: Array, spec: Spec) -> Array:
    """(g, c, n), (…, g*d) -> (d, g*c)."""
    groups = turned.shape[0]
    flat = grouped(xs.reshape(-1, xs.shape[-1]), groups)
    if groups == 1:
        return dot(turned[0], flat[:, 0], (((1,), (0,)), ((), ())), spec.precision).T
    k = dot(turned, flat, (((2,), (0,)), ((0,), (1,))), spec.precision)
    return k.transpose(2, 0, 1).reshape(xs.shape[-1] // groups, -1)
