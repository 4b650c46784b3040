"""Laws of channels: permutations, sub-pixel convolution, weights folded into kernels, casts that a kernel makes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from deconvjax.algebra import Cast, Identity, LinearMap, Scaled
from deconvjax.axis import Axis
from deconvjax.leaves.diagonal import Diagonal
from deconvjax.leaves.reindex import Reindex, shuffle
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite import taps as arithmetic
from deconvjax.rewrite.law import law
from deconvjax.rewrite.laws_trivial import is_cast
from deconvjax.rewrite.stages import is_filter, is_stage, read_taps, same_dtype, space_of, with_axes


def is_permutation(candidate: LinearMap) -> bool:
    """A bound rearrangement of axes."""
    return isinstance(candidate, Reindex) and candidate.space is not None


def is_kernel(candidate: LinearMap) -> bool:
    """A bound stage with channels."""
    return is_filter(candidate) and candidate.groups is not None  # type: ignore[attr-defined]


def is_diagonal(candidate: LinearMap) -> bool:
    """A bound diagonal map."""
    return isinstance(candidate, Diagonal) and candidate.space is not None


def is_multiple(candidate: LinearMap) -> bool:
    """A multiple of the identity."""
    return isinstance(candidate, Scaled) and isinstance(candidate.map, Identity) and candidate.space is not None


@law(is_permutation, is_permutation)
def permutation_undone(outer: Reindex, inner: Reindex) -> LinearMap | None:
    """P^T o P = I"""
    undone = inner._transpose()
    return Identity(inner.space) if outer == undone else None


def shuffle_factor(a: Reindex) -> tuple[tuple[int, ...], str] | None:
    """(factor, order) where `a` is a pixel shuffle."""
    n = len(a.split) - 1
    if n < 1 or a.join != (2,) * n + (1,) or len(a.split[-1]) != n + 1 or any(len(p) != 1 for p in a.split[:n]):
        return None
    for order, factor in (("CRD", a.split[-1][1:]), ("DCR", a.split[-1][:-1])):
        if a.order == shuffle(factor, order).order:
            return factor, order
    return None


@law(is_permutation, is_kernel, lossless=False)
def shuffled_kernel(outer: Reindex, inner: Stage) -> LinearMap | None:
    """pixel_shuffle(r) o conv(k) = conv_transpose of stride r: sub-pixel convolution, its phases interleaved

    K[j*r + r-1-p, c] = k[j, (c, p)]: the taps of phase p, on a grid of r. Needs unit strides and dilation.
    """
    found, n = shuffle_factor(outer), len(inner.axes)
    if found is None or len(found[0]) != n or any(g.up > 1 or g.down > 1 or g.dilation > 1 for g in inner.geometry):
        return None
    (factor, order), groups, cout = found, inner.groups or 1, inner.channels[1]
    left = cout // math.prod(factor)
    if groups > 1 and (order == "DCR" or left % groups):
        return None
    taps = _interleaved(read_taps(inner), factor, order)
    axes = []
    for g, r in zip(inner.geometry, factor, strict=True):
        wide = Axis(g.size, g.window * r, 1, r, 1, g.lo * r + r - 1)
        axes.append(replace(wide, hi=g.out * r - 1 + wide.taps - wide.dense - wide.lo))
    stage = replace(inner, taps=taps, flip=False, conjugate=False)
    return with_axes(stage, inner.axes, tuple(axes), space_of(inner))


@law(is_kernel, is_permutation, lossless=False)
def kernel_of_unshuffled(outer: Stage, inner: Reindex) -> LinearMap | None:
    """conv(k) o pixel_unshuffle(r) = conv of stride r: the transpose of the law above"""
    turned = shuffled_kernel.rewrite(inner._transpose(), outer._transpose())
    if turned is None:
        return None
    result = turned._transpose()
    return result if same_dtype(result, outer) and result.space == inner.space else None


def _interleaved(taps: Any, factor: tuple[int, ...], order: str) -> Any:
    *window, few, outer = taps.shape
    shape = (*(k * r for k, r in zip(window, factor, strict=True)), few, outer // math.prod(factor))
    return arithmetic.interleaved(taps, shape, factor, order)


@law(is_diagonal, is_kernel, lossless=False)
def weights_outside(outer: Diagonal, inner: Stage) -> LinearMap | None:
    """diag(w) o conv(k) = conv(w k), one weight for each channel that comes out"""
    if not _per_channel(outer, inner):
        return None
    taps = read_taps(inner)
    weights = arithmetic.reshape(outer.values, outer.values.shape[-1:])
    return _weighted(inner, taps, weights, outer, outer)


@law(is_kernel, is_diagonal, lossless=False)
def weights_inside(outer: Stage, inner: Diagonal) -> LinearMap | None:
    """conv(k) o diag(w) = conv(k w), one weight for each channel that goes in"""
    if not _per_channel(inner, outer):
        return None
    taps, groups = read_taps(outer), outer.groups or 1
    weights = arithmetic.reshape(inner.values, inner.values.shape[-1:])
    weights = arithmetic.per_input(weights, groups, taps.shape[-2], taps.shape[-1])
    result = _weighted(outer, taps, weights, inner, outer)
    return None if result is None else replace(result, space=inner.space)


def _per_channel(diagonal: Diagonal, stage: Stage) -> bool:
    shape = tuple(diagonal.values.shape)
    return len(shape) >= 1 and math.prod(shape[:-1]) == 1 and shape[-1] in (1, space_of(diagonal).shape[-1])


def _weighted(stage: Stage, taps: Any, weights: Any, diagonal: Diagonal, last: LinearMap) -> Stage | None:
    dtype = arithmetic.common_dtype(taps.dtype, diagonal.values.dtype, (stage.weak, diagonal.weak))
    weak = stage.weak and diagonal.weak
    if dtype.itemsize < 4 and dtype.kind in "fV" and not weak:
        return None
    space = space_of(diagonal) if last is stage else space_of(stage)
    result = replace(stage, taps=arithmetic.scaled(taps, weights, dtype), flip=False, conjugate=False, weak=weak,
                     space=space)
    return result if same_dtype(result, last) else None


@law(is_multiple, is_filter, lossless=False)
def scalar_outside(outer: Scaled, inner: Stage) -> LinearMap | None:
    """c o (q*) = (c q)*, where the taps can hold the product without changing a dtype"""
    scalar, taps = outer.scalar, inner.taps
    if inner.conjugate or (jnp.result_type(scalar) != taps.dtype and not arithmetic.is_constant(scalar)):
        return None
    weak = isinstance(scalar, (bool, int, float, complex)) or bool(getattr(scalar, "weak_type", False))
    dtype = arithmetic.common_dtype(taps.dtype, jnp.result_type(scalar), (inner.weak, weak))
    if (dtype != taps.dtype or dtype.itemsize < 4 and dtype.kind in "fV") and not inner.weak:
        return None
    result = replace(inner, taps=arithmetic.scaled(taps, scalar, dtype))
    return result if same_dtype(result, outer) else None


@law(is_stage, is_cast)
def cast_inside(outer: Stage, inner: Cast) -> LinearMap | None:
    """(q*) o astype = (q*) where the taps promote x to the same dtype: a real signal and complex taps"""
    ours, theirs = space_of(inner).dtype, inner.target.dtype
    if outer.taps is None or jnp.promote_types(ours, theirs) != theirs:
        return None
    result = replace(outer, space=inner.space)
    return result if same_dtype(result, outer) else None


CHANNEL_LAWS = (permutation_undone, cast_inside)
COSTED_CHANNEL_LAWS = (scalar_outside, weights_outside, weights_inside, shuffled_kernel,
                       kernel_of_unshuffled)
