"""Stages taken apart and put together again: what the stage laws share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp

from deconvjax.algebra import Cast, Chain, Identity, LinearMap, Scaled, Zero
from deconvjax.axis import Axis, Fusion, Rate
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite import taps as arithmetic
from deconvjax.rewrite.geometry import Samples, common_samples, live, normal, on_taps, pick, place, read, reduced, unite
from deconvjax.space import Space


@dataclass(frozen=True, slots=True)
class Pair:
    """Two stages in a row, laid over the same axes."""

    outer: Stage
    inner: Stage
    axes: tuple[int, ...]
    of_outer: tuple[Axis, ...]
    of_inner: tuple[Axis, ...]


def space_of(bound: LinearMap) -> Space:
    """The domain of a bound map."""
    assert bound.space is not None
    return bound.space


def is_stage(candidate: LinearMap) -> bool:
    """A bound stage."""
    return isinstance(candidate, Stage) and candidate.space is not None


def is_pulse(candidate: LinearMap) -> bool:
    """A bound stage without taps: rates and windows only."""
    return isinstance(candidate, Stage) and candidate.space is not None and candidate.taps is None


def is_filter(candidate: LinearMap) -> bool:
    """A bound stage with taps."""
    return isinstance(candidate, Stage) and candidate.space is not None and candidate.taps is not None


def is_scalar_filter(candidate: LinearMap) -> bool:
    """A bound stage with one filter for everything off its axes."""
    return is_filter(candidate) and candidate.groups is None  # type: ignore[attr-defined]


def paired(outer: Stage, inner: Stage) -> Pair | None:
    """Both over the union of their axes; None where one of them has channels and the other leaves its window."""
    if outer.axes == inner.axes:
        return Pair(outer, inner, outer.axes, tuple(map(normal, outer.geometry)), tuple(map(normal, inner.geometry)))
    axes = tuple(sorted({*outer.axes, *inner.axes}))
    if any(stage.groups is not None and stage.axes != axes for stage in (outer, inner)):
        return None
    return Pair(outer, inner, axes, _over(outer, axes), _over(inner, axes))


def _over(stage: Stage, axes: tuple[int, ...]) -> tuple[Axis, ...]:
    known, shape = dict(zip(stage.axes, stage.geometry, strict=True)), space_of(stage).shape
    return tuple(normal(known[axis]) if axis in known else Axis(shape[axis]) for axis in axes)


def fused(pair: Pair) -> tuple[Fusion, ...] | None:
    """The fusion of every axis, or None where one of them has none."""
    found = []
    for outer, inner in zip(pair.of_outer, pair.of_inner, strict=True):
        fusion = unite(outer, inner)
        if fusion is None:
            return None
        found.append(fusion)
    return tuple(found)


def window_of(axes: tuple[Axis, ...]) -> tuple[int, ...]:
    """Taps per axis."""
    return tuple(axis.window for axis in axes)


def with_axes(stage: Stage, axes: tuple[int, ...], geometry: tuple[Axis, ...], space: Space) -> LinearMap:
    """`stage` with another geometry on `axes` (its own and perhaps more); idle axes of scalar stages are dropped."""
    taps, keep = stage.taps, range(len(axes))
    if stage.groups is None:
        keep = [i for i, axis in enumerate(geometry) if not axis.is_identity]
        if stage.taps is None and not keep:
            return Identity(space)
        keep = keep or [len(axes) - 1]
        if taps is not None:
            taps = arithmetic.reshape(taps, window_of(tuple(geometry[i] for i in keep)))
    rates = tuple(Rate.of(normal(geometry[i])) for i in keep)
    return replace(stage, taps=taps, rates=rates, axes=tuple(axes[i] for i in keep), space=space)


def with_taps(stage: Stage, axis: int, kept: Samples) -> LinearMap:
    """`stage` with only these taps of its window along `axis`: the others are zero, or meet no sample."""
    i = stage.axes.index(axis)
    cut = [(0, 1, n) for n in stage.window]
    start = stage.window[i] - 1 - kept.last if stage.flip else kept.start
    cut[i] = (start, kept.step, kept.count)
    geometry = tuple(on_taps(g, kept) if k == i else g for k, g in enumerate(stage.geometry))
    return with_axes(replace(stage, taps=arithmetic.chosen(stage.taps, cut)), stage.axes, geometry, space_of(stage))


def joined(pair: Pair, fusions: tuple[Fusion, ...]) -> LinearMap | None:
    """The one stage of two: taps convolved where both have them. None where that would change a dtype or precision."""
    outer, inner, space = pair.outer, pair.inner, space_of(pair.inner)
    geometry = tuple(fusion.axis for fusion in fusions)
    if inner.taps is None or outer.taps is None:
        return with_axes(inner if outer.taps is None else outer, pair.axes, geometry, space)
    if outer.precision != inner.precision:
        return None
    return _product(pair, fusions, geometry, space)


def _product(pair: Pair, fusions: tuple[Fusion, ...], geometry: tuple[Axis, ...], space: Space) -> LinearMap | None:
    outer, inner = pair.outer, pair.inner
    dtype = arithmetic.common_dtype(inner.taps.dtype, outer.taps.dtype, (inner.weak, outer.weak))
    weak = inner.weak and outer.weak
    if dtype.itemsize < 4 and dtype.kind in "fV" and not weak:
        return None  # products of half-precision taps would be rounded to half precision
    grid = tuple((f.inner_spacing // f.axis.dilation if f.axis.window > 1 and i.window > 1 else 1,
                  f.outer_spacing // f.axis.dilation if f.axis.window > 1 and o.window > 1 else 1)
                 for f, i, o in zip(fusions, pair.of_inner, pair.of_outer, strict=True))
    k_i, k_o = (arithmetic.reshape(_read(stage), (*window_of(axes), *_channel_shape(stage)))
                for stage, axes in ((inner, pair.of_inner), (outer, pair.of_outer)))
    groups, contracted = _groups(outer, inner)
    if contracted is not None:
        k_i = arithmetic.coarser(k_i, inner.groups or 1, contracted)
        k_o = arithmetic.coarser(k_o, outer.groups or 1, contracted)
    taps = arithmetic.merged(k_i, k_o, grid, contracted, dtype)
    stage = replace(outer, taps=taps, groups=groups, flip=False, conjugate=False, weak=weak)
    result = with_axes(stage, pair.axes, geometry, space)
    return result if same_dtype(result, outer) else None


def trimmed(outer: Stage, inner: Stage) -> LinearMap | None:
    """A o B = (A E)(R B): samples that A never reads or that B leaves zero are not computed (R, E: ↓ crop, ↑ pad).

    Decimation and crops go in, stuffing and zero pads go out. None where every sample matters.
    """
    pair = paired(outer, inner)
    if pair is None:
        return None
    changed, outers, inners = False, list(pair.of_outer), list(pair.of_inner)
    for index, (o, i) in enumerate(zip(pair.of_outer, pair.of_inner, strict=True)):
        samples = common_samples(read(o), live(i))
        if samples is None:
            return zero_between(outer, inner)
        if samples.is_all(o.size):
            continue
        changed = True
        kept, placed = unite(pick(samples, o.size), i), unite(o, place(samples, o.size))
        assert kept is not None and placed is not None
        slim_i, slim_o = reduced(kept.axis), reduced(placed.axis)
        if slim_i is None or slim_o is None:
            return zero_between(outer, inner)
        inners[index], outers[index] = slim_i, slim_o
    if not changed:
        return None
    first = with_axes(inner, pair.axes, tuple(inners), space_of(inner))
    second = with_axes(outer, pair.axes, tuple(outers), first._codomain())
    return Chain((second, first), space_of(inner))


def _groups(outer: Stage, inner: Stage) -> tuple[int | None, int | None]:
    """(groups of the product, blocks in which channels are contracted or None where one operand is scalar)."""
    if outer.groups is None or inner.groups is None:
        return outer.groups if inner.groups is None else inner.groups, None
    common = math.gcd(outer.groups, inner.groups)
    return common, common


def _channel_shape(stage: Stage) -> tuple[int, ...]:
    if stage.groups is None:
        return ()
    cin, cout = stage.channels
    return cin // stage.groups, cout


def _read(stage: Stage) -> Any:
    return arithmetic.correlation(stage.taps, len(stage.axes), stage.groups, stage.flip, stage.conjugate)


def read_taps(stage: Stage) -> Any:
    """The taps as the formula reads them, whatever kind they are."""
    return _read(stage)


def same_dtype(first: LinearMap, second: LinearMap) -> bool:
    """Both land in the same dtypes."""
    return [a.dtype for a in first._codomain().leaves] == [b.dtype for b in second._codomain().leaves]


def moves(parts: Sequence[LinearMap], position: int) -> bool:
    """True for a multiple of the identity that may stand anywhere in the chain: it changes no dtype on the way."""
    part = parts[position]
    if not (isinstance(part, Scaled) and isinstance(part.map, Identity)):
        return False
    dtypes = {leaf.dtype for each in parts for leaf in (*space_of(each).leaves, *each._codomain().leaves)}
    if any(jnp.result_type(dtype, part.scalar) != dtype for dtype in dtypes):
        return False
    if any(isinstance(each, Cast) and not all(jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in each.target.leaves)
           for each in parts):
        return False
    return not jnp.iscomplexobj(part.scalar) or all(each.is_complex_linear for each in parts)


def zero_between(outer: LinearMap, inner: LinearMap) -> Zero:
    """The zero map from the domain of `inner` to the codomain of `outer`."""
    return Zero(outer._codomain(), space_of(inner))
