"""Laws of border extension: what of it is read, two of a kind, and circular filters, which know no border."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter

from deconvjax.algebra import Chain, Identity, LinearMap
from deconvjax.axis import Axis
from deconvjax.leaves.extend import Extend
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite.geometry import Samples, live, pick, place, read, unite
from deconvjax.rewrite.law import law
from deconvjax.rewrite.stages import is_stage, space_of, with_axes

Width = tuple[int, int]
_size, _out = attrgetter("size"), attrgetter("out")


def is_border(candidate: LinearMap) -> bool:
    """A bound border extension or its transpose."""
    return isinstance(candidate, Extend) and candidate.space is not None


def extends(candidate: LinearMap) -> bool:
    """A bound border extension."""
    return isinstance(candidate, Extend) and candidate.space is not None and not candidate.fold


def folds(candidate: LinearMap) -> bool:
    """The transpose of a border extension."""
    return isinstance(candidate, Extend) and candidate.space is not None and candidate.fold


def wraps(candidate: LinearMap) -> bool:
    """A bound periodic extension."""
    return extends(candidate) and candidate.mode == "wrap"  # type: ignore[attr-defined]


def folds_wrapped(candidate: LinearMap) -> bool:
    """The transpose of a periodic extension."""
    return folds(candidate) and candidate.mode == "wrap"  # type: ignore[attr-defined]


@law(is_border)
def empty_border(border: Extend) -> LinearMap | None:
    """pad((0, 0), mode) = I"""
    keep = [i for i, width in enumerate(border.widths) if width != (0, 0)]
    if len(keep) == len(border.widths):
        return None
    if not keep:
        return Identity(border.space)
    return replace(border, widths=tuple(border.widths[i] for i in keep), axes=tuple(border.axes[i] for i in keep))


def _unused(border: Extend, geometry: dict[int, Axis], used: Callable[[Axis], Samples | None],
            length: Callable[[Axis], int]) -> dict[int, Samples]:
    """axis -> the samples on the stage's side of `border` that are left where it makes, or folds, some in vain."""
    left = {}
    for axis, (lo, hi) in zip(border.axes, border.widths, strict=True):
        seen = used(geometry[axis]) if axis in geometry else None
        if seen is not None:
            size = length(geometry[axis])
            before, behind = min(lo, seen.start), min(hi, size - 1 - seen.last)
            if before or behind:
                left[axis] = Samples(before, 1, size - before - behind)
    return left


def _narrower(border: Extend, left: dict[int, Samples], geometry: dict[int, Axis],
              length: Callable[[Axis], int]) -> tuple[Width, ...]:
    """The widths without what is not left."""
    cut = {axis: (kept.start, length(geometry[axis]) - 1 - kept.last) for axis, kept in left.items()}
    return tuple((lo - cut.get(axis, (0, 0))[0], hi - cut.get(axis, (0, 0))[1])
                 for axis, (lo, hi) in zip(border.axes, border.widths, strict=True))


@law(is_stage, extends)
def unread_border(outer: Stage, inner: Extend) -> LinearMap | None:
    """crop(a, b) o pad(w, mode) = pad(w - (a, b), mode): border samples that nothing reads are not made"""
    geometry = dict(zip(outer.axes, outer.geometry, strict=True))
    left = _unused(inner, geometry, read, _size)
    if not left:
        return None
    slim = replace(inner, widths=_narrower(inner, left, geometry, _size))
    for axis, kept in left.items():
        fusion = unite(geometry[axis], place(kept, geometry[axis].size))
        assert fusion is not None
        geometry[axis] = fusion.axis
    stage = with_axes(outer, outer.axes, tuple(geometry[axis] for axis in outer.axes), slim._codomain())
    return Chain((stage, slim), space_of(inner))


@law(folds, is_stage)
def empty_fold(outer: Extend, inner: Stage) -> LinearMap | None:
    """pad(w, mode)^T o pad(a, b) = pad(w - (a, b), mode)^T: border samples that are zero are not folded back"""
    geometry = dict(zip(inner.axes, inner.geometry, strict=True))
    left = _unused(outer, geometry, live, _out)
    if not left:
        return None
    widths = _narrower(outer, left, geometry, _out)
    for axis, kept in left.items():
        fusion = unite(pick(kept, geometry[axis].out), geometry[axis])
        assert fusion is not None
        geometry[axis] = fusion.axis.normal
    stage = with_axes(inner, inner.axes, tuple(geometry[axis] for axis in inner.axes), space_of(inner))
    return Chain((replace(outer, widths=widths, space=stage._codomain()), stage), space_of(inner))


@law(is_border, is_border)
def borders_add(outer: Extend, inner: Extend) -> LinearMap | None:
    """pad(a, "edge") o pad(b, "edge") = pad(a + b, "edge"), and their transposes

    Not for the other modes: the reflection of a reflected signal is another signal.
    """
    if outer.mode != "edge" or inner.mode != "edge" or outer.fold != inner.fold:
        return None
    total: dict[int, Width] = dict(zip(inner.axes, inner.widths, strict=True))
    for axis, (lo, hi) in zip(outer.axes, outer.widths, strict=True):
        before = total.get(axis, (0, 0))
        total[axis] = (before[0] + lo, before[1] + hi)
    axes = tuple(sorted(total))
    return replace(inner, widths=tuple(total[axis] for axis in axes), axes=axes)


@law(wraps, is_stage, wraps, lossless=False)
def circular_filters_meet(outer: Extend, middle: Stage, inner: Extend) -> LinearMap | None:
    """wrap o (q*) o wrap = (q*) o wrap: what a circular filter gives is periodic, so its border is computed, not copied

    So that the filter outside meets the one inside and both become one circular filter. Needs a period that the
    decimation divides, and a filter that reads no zeros.
    """
    geometry = dict(zip(middle.axes, middle.geometry, strict=True))
    widths = dict(zip(inner.axes, inner.widths, strict=True))
    sizes = space_of(inner).shape
    for axis, width in zip(outer.axes, outer.widths, strict=True):
        before = widths.get(axis, (0, 0))
        wider = _periodic(geometry.get(axis, Axis(sizes[axis] + sum(before))).normal, sizes[axis], width)
        if wider is None:
            return None
        geometry[axis], more = wider
        widths[axis] = (before[0] + more[0], before[1] + more[1])
    axes = tuple(sorted(widths))
    border = Extend(tuple(widths[axis] for axis in axes), axes, "wrap", space=inner.space)
    places = tuple(sorted(geometry))
    if middle.groups is not None and places != middle.axes:
        return None
    stage = with_axes(middle, places, tuple(geometry[axis] for axis in places), border._codomain())
    return Chain((stage, border), space_of(inner))


def _periodic(g: Axis, period: int, width: Width) -> tuple[Axis, Width] | None:
    """A filter of a periodic signal that gives `width` more samples of its output, and how many more it reads."""
    if g.lo > 0 or g.hi >= g.up or period * g.up != g.out * g.down:
        return None
    before = max(-(-(g.lo + width[0] * g.down) // g.up), 0)
    lo = g.lo + width[0] * g.down - before * g.up
    needed = (g.out + sum(width) - 1) * g.down + g.taps - lo
    after = max(-(-(needed - (g.size + before - 1) * g.up - g.up) // g.up), 0)
    wider = replace(g, size=g.size + before + after, lo=lo)
    return replace(wider, hi=needed - wider.dense), (before, after)


@law(folds_wrapped, is_stage, lossless=False)
def folded_is_circular(outer: Extend, inner: Stage) -> LinearMap | None:
    """wrap^T o (q* ↑k) = (q* ↑k) o wrap: the transpose of a circular filter is a circular filter

    Needs that nothing of the filter's output was cropped and that k times the samples are the period.
    """
    geometry = dict(zip(inner.axes, inner.geometry, strict=True))
    shape, widths = space_of(inner).shape, {}
    for axis, (lo, hi) in zip(outer.axes, outer.widths, strict=True):
        g = geometry.get(axis, Axis(shape[axis])).normal
        period = g.out - lo - hi
        full = g.lo >= g.taps - 1 and g.out - g.lo >= g.dense
        if g.down != 1 or not full or g.size * g.up != period:
            return None
        first, last = lo - g.lo, period - 1 + lo + g.taps - 1 - g.lo
        before, after = max(-(first // g.up), 0), max(last // g.up - (g.size - 1), 0)
        widths[axis] = (before, after)
        wide = Axis(g.size + before + after, g.window, g.dilation, g.up, 1, g.lo - lo - before * g.up)
        geometry[axis] = replace(wide, hi=period - 1 + wide.taps - wide.dense - wide.lo)
    axes = tuple(sorted(widths))
    places = tuple(sorted(geometry))
    if inner.groups is not None and places != inner.axes:
        return None
    border = Extend(tuple(widths[axis] for axis in axes), axes, "wrap", space=inner.space)
    stage = with_axes(inner, places, tuple(geometry[axis] for axis in places), border._codomain())
    return Chain((stage, border), space_of(inner))


BORDER_LAWS = (empty_border, unread_border, empty_fold, borders_add)
COSTED_BORDER_LAWS = (folded_is_circular, circular_filters_meet)
