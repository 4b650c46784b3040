"""A map's structure read back as NumPy: y = A x by `check.oracle`, for maps made of this library's leaves.

Only sizes, pads, taps and orders are read from the map; not one line of its arithmetic is run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from deconvjax.algebra import Atomic, BlockDiagonal, Cast, Chain, Identity, LinearMap, Row, Scaled, Stack, Sum, Zero
from deconvjax.check import oracle
from deconvjax.leaves.diagonal import Diagonal
from deconvjax.leaves.extend import Extend
from deconvjax.leaves.reassemble import Reassemble
from deconvjax.leaves.reindex import Reindex
from deconvjax.leaves.select import Select
from deconvjax.leaves.stage import Stage

Function = Callable[[Any], Any]


def reference(a: LinearMap) -> Function | None:
    """x -> A x in NumPy for a bound map, or None where a leaf has no oracle (a traced function) or is being traced.

    >>> import deconvjax as dj
    >>> reference(dj.upsample(2).on((2,)))(np.array([1, 2]))
    array([1, 0, 2, 0])
    """
    if any(isinstance(leaf, Tracer) for leaf in jax.tree_util.tree_leaves(a)):
        return None
    parts = [reference(part) for part in a.parts]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    if type(a) in _COMBINED:
        return _COMBINED[type(a)](a, known)
    return _LEAVES[type(a)](a) if type(a) in _LEAVES else None


def _stage(a: Stage) -> Function:
    ndim = len(a.axes)
    options: dict[str, Any] = {name: [getattr(g, name) for g in a.geometry] for name in ("up", "down", "lo", "hi")}
    taps = np.ones((1,) * ndim, int) if a.taps is None else wide(a.taps)
    if a.conjugate:
        taps = taps.conj()
    if a.flip:
        taps = np.flip(taps, tuple(range(ndim)))
        if a.groups is not None:  # (*window, in/g, g*out) of the forward map -> (*window, out, g*in) of its transpose
            blocks = np.split(taps, a.groups, axis=-1)
            taps = np.concatenate([block.swapaxes(-1, -2) for block in blocks], axis=-1)
    dilation = [g.dilation for g in a.geometry]
    trailing = tuple(range(-ndim, 0))
    if a.groups is not None:
        return lambda x: oracle.stage(x, taps, dilation=dilation, groups=a.groups, **options)
    return lambda x: np.moveaxis(
        oracle.stage(np.moveaxis(x, a.axes, trailing), taps, dilation=dilation, **options), trailing, a.axes
    )


def _extend(a: Extend) -> Function:
    def widen(x: np.ndarray) -> np.ndarray:
        return oracle.pad(x, a.widths, a.mode, axes=a.axes)

    def fold(y: np.ndarray) -> np.ndarray:
        for axis, (lo, hi) in zip(a.axes, a.widths, strict=True):
            size = y.shape[axis] - lo - hi
            copies = oracle.pad(np.eye(size, dtype=int), (lo, hi), a.mode, axes=-1)  # row m: where sample m is shown
            y = np.moveaxis(np.moveaxis(y, axis, -1) @ copies.T, -1, axis)
        return y

    return fold if a.fold else widen


def _diagonal(a: Diagonal) -> Function:
    values = wide(a.values)
    return lambda x: values * x


def _reindex(a: Reindex) -> Function:
    assert a.space is not None
    size, trailing = a.space.size, len(a.split)
    shape, landing = a.space.shape, a._codomain().shape
    lead = len(shape) - trailing
    parts = [n for axis in a.split for n in axis]
    order = [*range(lead), *(lead + place for place in a.order)]
    table = np.arange(size).reshape(*shape[:lead], *parts).transpose(order).ravel()
    return lambda x: x.reshape(-1)[table].reshape(landing)


def _select(a: Select) -> Function:
    assert a.space is not None
    switches, size = np.asarray(a.switches), a.size

    def gather(x: np.ndarray) -> np.ndarray:
        flat = x.reshape(*x.shape[: x.ndim - len(size) - 1], -1, x.shape[-1])
        index = np.broadcast_to(switches, a._codomain().shape).reshape(*flat.shape[:-2], -1, flat.shape[-1])
        return np.take_along_axis(flat, index, axis=-2).reshape(a._codomain().shape)

    return (lambda y: oracle.unpool(y, switches, size)) if a.scatter else gather


def _reassemble(a: Reassemble) -> Function:
    """y[p, c] = sum_j M[p, j, g(c)] x[floor(p/up) + j - lo, c], or its transpose: x[...] += M y[p, c]."""
    ndim = len(a.up)
    weights = wide(a.weights)
    weights = weights.conj() if a.conjugate else weights
    pads = [lo for lo, _ in a.pads]

    def run(x: np.ndarray) -> np.ndarray:
        channels, lead = x.shape[-1], x.shape[: -ndim - 1]
        y = np.zeros((*lead, *(a.size if a.scatter else a.out), channels), np.result_type(x, weights))
        for p in np.ndindex(*a.out):
            for j in np.ndindex(*a.window):
                place = tuple(q // s + i - lo for q, s, i, lo in zip(p, a.up, j, pads, strict=True))
                if all(0 <= q < n for q, n in zip(place, a.size, strict=True)):
                    taps = np.repeat(weights[(..., *p, *j, slice(None))], channels // weights.shape[-1], axis=-1)
                    here, there = (place, p) if a.scatter else (p, place)
                    y[(..., *here, slice(None))] += taps * x[(..., *there, slice(None))]
        return y

    return run


def _chain(_: Chain, parts: list[Function]) -> Function:
    return lambda x: reduce(lambda z, part: part(z), reversed(parts), x)


def _scaled(a: Scaled, parts: list[Function]) -> Function:
    scalar = wide(a.scalar)
    return lambda x: jax.tree_util.tree_map(lambda leaf: scalar * leaf, parts[0](x))


def _row(_: Row, parts: list[Function]) -> Function:
    return lambda x: _total([part(each) for part, each in zip(parts, x, strict=True)])


def _cast(a: Cast) -> Function:
    complex_target = jax.tree_util.tree_map(lambda leaf: np.dtype(leaf.dtype).kind == "c", a.target.tree)
    return lambda x: jax.tree_util.tree_map(lambda v, keep: v if keep else np.real(v), x, complex_target)


def _zero(a: Zero) -> Function:
    return lambda x: jax.tree_util.tree_map(lambda leaf: np.zeros(leaf.shape), a._codomain().tree)


def _total(terms: list[Any]) -> Any:
    return jax.tree_util.tree_map(lambda *leaves: reduce(np.add, leaves), *terms)


def wide(values: Any) -> np.ndarray:
    """Host values in int64, float64 or complex128."""
    array = np.asarray(values)
    kind = array.dtype.kind
    return array.astype({"c": np.complex128, "i": np.int64, "u": np.int64, "b": np.int64}.get(kind, np.float64))


_LEAVES: dict[type, Callable[[Any], Function]] = {
    Stage: _stage, Extend: _extend, Diagonal: _diagonal, Reindex: _reindex, Select: _select, Reassemble: _reassemble,
    Cast: _cast, Zero: _zero, Identity: lambda a: lambda x: x,
}
_COMBINED: dict[type, Callable[[Any, list[Function]], Function]] = {
    Chain: _chain, Scaled: _scaled, Row: _row, Atomic: lambda a, parts: parts[0],
    Sum: lambda a, parts: lambda x: _total([part(x) for part in parts]),
    Stack: lambda a, parts: lambda x: tuple(part(x) for part in parts),
    BlockDiagonal: lambda a, parts: lambda x: tuple(part(each) for part, each in zip(parts, x, strict=True)),
}
