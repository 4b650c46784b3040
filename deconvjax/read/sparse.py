"""The sparse matrix of a bound map, written from its taps: nothing is applied to anything."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.experimental.sparse import BCOO

from deconvjax.algebra import Atomic, BlockDiagonal, Cast, Chain, Identity, LinearMap, Row, Scaled, Stack, Sum, Zero
from deconvjax.axis import Axis
from deconvjax.leaves.diagonal import Diagonal
from deconvjax.leaves.extend import Extend
from deconvjax.leaves.reassemble import Reassemble
from deconvjax.leaves.reindex import Reindex
from deconvjax.leaves.select import Select
from deconvjax.leaves.stage import Stage
from deconvjax.read.coo import Coo, block, product
from deconvjax.rewrite import plan
from deconvjax.space import Space


def sparse(a: LinearMap) -> BCOO:
    """M with A(x) = M x, rows and columns in row-major order, as `jax.experimental.sparse.BCOO`.

    Written from the taps: a 1-D filter of a million samples takes seconds and no compilation. Zeros are not stored
    where the taps are known; taps that are JAX arrays may be traced. A map made from a function (`linear_map`,
    `jacobian`) is the one kind that has to be applied to a basis.

    >>> import deconvjax as dj
    >>> m = sparse(dj.convolve([1, 2], "full").on((3,)))
    >>> m.nse, m.shape
    (6, (4, 3))
    """
    return coo(plan(a)).astype(_dtype(a._codomain())).bcoo()


def coo(a: LinearMap) -> Coo:
    """The triplets of a bound map."""
    space, landing = _space(a), a._codomain()
    shape = (landing.size, space.size)
    if isinstance(a, Chain):
        result = coo(a.maps[-1])
        for part in reversed(a.maps[:-1]):
            result = result.astype(_dtype(part._codomain())) if isinstance(part, Cast) else product(coo(part), result)
        return result
    if isinstance(a, (Identity, Cast)):
        return Coo(np.arange(space.size), np.arange(space.size), np.ones(space.size, np.int8), shape)
    if isinstance(a, Zero):
        return Coo(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int8), shape)
    if isinstance(a, Scaled):
        inner = coo(a.map)
        known = inner.is_constant and isinstance(a.scalar, (int, float, complex, np.generic, np.ndarray))
        return Coo(inner.rows, inner.cols, inner.values * (np.asarray(a.scalar) if known else a.scalar), shape)
    if isinstance(a, Atomic):
        return coo(a.map)
    if isinstance(a, (Sum, Stack, Row, BlockDiagonal)):
        return _blocks(a, shape)
    return _leaf(a, shape)


def _blocks(a: Sum | Stack | Row | BlockDiagonal, shape: tuple[int, int]) -> Coo:
    down, along = isinstance(a, (Stack, BlockDiagonal)), isinstance(a, (Row, BlockDiagonal))
    pieces, row, col = [], 0, 0
    for part in a.maps:
        piece = coo(part)
        pieces.append((piece, row, col))
        row, col = row + piece.shape[0] * down, col + piece.shape[1] * along
    return block(pieces, shape)


def _leaf(a: LinearMap, shape: tuple[int, int]) -> Coo:
    if isinstance(a, Stage):
        return _stage(a, shape)
    if isinstance(a, (Extend, Reindex)):
        return _moved(a, shape)
    if isinstance(a, Diagonal):
        values = (np if isinstance(a.values, np.ndarray) else jnp).broadcast_to(a.values, _space(a).shape).reshape(-1)
        return Coo(np.arange(shape[0]), np.arange(shape[0]), values, shape)
    if isinstance(a, Reassemble) and math.prod(a.batch) == 1:
        return _reassembled(a, shape)
    if isinstance(a, Select) and not isinstance(a.switches, Tracer):
        return _selected(a, shape)
    return _probed(a, shape)


def _probed(a: LinearMap, shape: tuple[int, int]) -> Coo:
    dense = np.asarray(a.plan("off").matrix())
    rows, cols = np.nonzero(dense)
    return Coo(rows, cols, dense[rows, cols], shape)


# ---- stages ---------------------------------------------------------------------------------------------------------
def _stage(a: Stage, shape: tuple[int, int]) -> Coo:
    """Per tap and axis the samples it joins; axes multiply out, channels go last."""
    space, ndim = _space(a).shape, len(a.axes)
    known = dict(zip((len(space) + axis for axis in a.axes), a.geometry, strict=True))
    places = range(len(space) - (a.groups is not None))
    joins = [_joins(known.get(place, Axis(space[place]))) for place in places]
    taps = a.correlation_taps
    rows, cols, which = _outer(joins, [known.get(place, Axis(space[place])) for place in places])
    window = math.prod(taps.shape[:ndim])
    if a.groups is None:
        return Coo(rows, cols, taps.reshape(-1)[which], shape)
    cin, cout = a.channels
    few = cin // a.groups
    i, o = (grid.reshape(-1) for grid in np.meshgrid(np.arange(few), np.arange(cout), indexing="ij"))
    source = o // (cout // a.groups) * few + i
    values = taps.reshape(window, few * cout)[which]
    rows, cols = (rows[:, None] * cout + o).reshape(-1), (cols[:, None] * cin + source).reshape(-1)
    return Coo(rows, cols, values.reshape(-1), shape)


def _joins(axis: Axis) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, m, j) for every product of tap j with sample m in output n."""
    n, j = (grid.reshape(-1) for grid in np.meshgrid(np.arange(axis.out), np.arange(axis.window), indexing="ij"))
    place = n * axis.down + j * axis.dilation - axis.lo
    meets = (place >= 0) & (place < axis.dense) & (place % axis.up == 0)
    return n[meets], place[meets] // axis.up, j[meets]  # in row-major order: no sorting later


def _outer(joins: list[Any], axes: list[Axis]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The joins of all axes together, in row-major numbers of outputs, inputs and taps."""
    rows = cols = which = np.zeros(1, np.int64)
    for (n, m, j), axis in zip(joins, axes, strict=True):
        rows = (rows[:, None] * axis.out + n).reshape(-1)
        cols = (cols[:, None] * axis.size + m).reshape(-1)
        which = (which[:, None] * axis.window + j).reshape(-1)
    return rows, cols, which


# ---- leaves that move samples ---------------------------------------------------------------------------------------
def _moved(a: Extend | Reindex, shape: tuple[int, int]) -> Coo:
    """Extension and permutation read one sample each: their matrix is the image of the sample numbers."""
    forward = a._transpose() if isinstance(a, Extend) and a.fold else a
    source = _source(forward, np.arange(_space(forward).size).reshape(_space(forward).shape)).reshape(-1)
    n = np.arange(len(source))
    rows, cols = (n, source) if forward is a else (source, n)
    return Coo(rows, cols, np.ones(len(n), np.int8), shape)


def _source(a: LinearMap, numbers: np.ndarray) -> np.ndarray:
    if isinstance(a, Extend):
        for axis, width in zip(a.axes, a.widths, strict=True):
            widths = [(0, 0)] * numbers.ndim
            widths[axis] = width
            numbers = np.pad(numbers, widths, mode=a.mode)  # type: ignore[call-overload]
        return numbers
    assert isinstance(a, Reindex)
    batch = numbers.shape[: numbers.ndim - len(a.split)]
    parts = [size for axis in a.split for size in axis]
    order = (*range(len(batch)), *(len(batch) + place for place in a.order))
    return numbers.reshape(*batch, *parts).transpose(order)


def _selected(a: Select, shape: tuple[int, int]) -> Coo:
    """y[b, n, c] = x[b, switches[b, n, c], c]."""
    switches = np.asarray(a.switches)
    channels, space = switches.shape[-1], math.prod(a.size)
    planes = math.prod(switches.shape[: switches.ndim - len(a.size) - 1])
    flat = switches.reshape(planes, -1, channels)
    plane, _, channel = np.meshgrid(*map(np.arange, flat.shape), indexing="ij")
    source = ((plane * space + flat) * channels + channel).reshape(-1)
    outer = (shape[1] if a.scatter else shape[0]) // flat.size
    size = planes * space * channels
    keep = ((flat >= 0) & (flat < space)).reshape(-1)
    n = np.concatenate([np.flatnonzero(keep) + b * flat.size for b in range(outer)])
    m = np.concatenate([source[keep] + b * size for b in range(outer)])
    rows, cols = (m, n) if a.scatter else (n, m)
    return Coo(rows, cols, np.ones(len(n), np.int8), shape)


def _reassembled(a: Reassemble, shape: tuple[int, int]) -> Coo:
    """y[p, c] = sum_j M[p, j, g] x[floor(p/up) + j - lo, c]."""
    ndim, groups = len(a.up), a.weights.shape[-1]
    axes = []
    for out, up, k, (lo, _), size in zip(a.out, a.up, a.window, a.pads, a.size, strict=True):
        p, j = (grid.reshape(-1) for grid in np.meshgrid(np.arange(out), np.arange(k), indexing="ij"))
        m = p // up + j - lo
        inside = (m >= 0) & (m < size)
        axes.append((p[inside], m[inside], j[inside]))
    fine, coarse, at = (np.zeros(1, np.int64),) * 3
    for (p, m, j), out, k, size in zip(axes, a.out, a.window, a.size, strict=True):
        fine, coarse = (fine[:, None] * out + p).reshape(-1), (coarse[:, None] * size + m).reshape(-1)
        at = (at[:, None] * k + j).reshape(-1)
    channels = _space(a).shape[-1]
    c = np.arange(channels)
    which = (fine * math.prod(a.window) + at)[:, None] * groups + c // (channels // groups)
    weights = a.weights.conj() if a.conjugate else a.weights
    values = weights.reshape(-1)[which.reshape(-1)]
    fine, coarse = ((n[:, None] * channels + c).reshape(-1) for n in (fine, coarse))
    outer = math.prod(_space(a).shape[: -ndim - 1])
    n_fine, n_coarse = math.prod(a.out) * channels, math.prod(a.size) * channels
    turn = (n_coarse, n_fine) if a.scatter else (n_fine, n_coarse)
    rows, cols = (coarse, fine) if a.scatter else (fine, coarse)
    one = Coo(rows, cols, values, turn)
    return block([(one, b * turn[0], b * turn[1]) for b in range(outer)], shape)


def _space(a: LinearMap) -> Space:
    assert a.space is not None
    return a.space


def _dtype(space: Space) -> Any:
    return jnp.result_type(*(leaf.dtype for leaf in space.leaves))
