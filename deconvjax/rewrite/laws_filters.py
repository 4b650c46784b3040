"""Laws of filters: with rates and windows, with each other, across rates."""

from __future__ import annotations

from deconvjax.algebra import Chain, Identity, LinearMap
from deconvjax.axis import Axis, Fusion
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite.geometry import live, one_pulse, pick, place, read, reduced, unite
from deconvjax.rewrite.law import law
from deconvjax.rewrite.one_to_one import is_one_to_one, needed_taps
from deconvjax.rewrite.stages import (
    Pair,
    fused,
    is_filter,
    is_pulse,
    is_scalar_filter,
    is_stage,
    joined,
    paired,
    space_of,
    trimmed,
    with_axes,
    with_taps,
)


def _together(outer: Stage, inner: Stage) -> LinearMap | None:
    pair = paired(outer, inner)
    fusions = fused(pair) if pair is not None else None
    return joined(pair, fusions) if pair is not None and fusions is not None else None


def _trimmed_together(outer: Stage, inner: Stage) -> LinearMap | None:
    """Idle samples dropped, and then one stage if one it is."""
    slim = trimmed(outer, inner)
    if slim is None:
        return _together(outer, inner)
    ends = slim.maps if isinstance(slim, Chain) else ()
    if len(ends) == 2 and all(isinstance(end, Stage) for end in ends):
        return _together(*ends) or _together(outer, inner) or slim  # type: ignore[arg-type]
    moving = [end for end in ends if not isinstance(end, Identity)]
    return moving[0] if ends and len(moving) == 1 else slim


def _lonely(outer: Axis, inner: Axis) -> bool:
    """True where one sample passes between two that are not one: it is cropped before and padded behind."""
    if outer.size > 1:
        return False
    if outer.window == inner.window == 1:
        return outer.out > 1 < inner.size and one_pulse(outer, inner) is None
    return outer.out > 1 if outer.window == 1 else inner.size > 1


@law(is_pulse, is_filter)
def pulse_of_filtered(outer: Stage, inner: Stage) -> LinearMap | None:
    """↓k o (q*) = strided q*;  crop, pad and shift go into its window;  ↑k o (q*) = (↑k q)* o ↑k

    Exact unless zeros are put where the filter would go on: it must be "full" on that side.
    """
    pair = paired(outer, inner)
    if pair is not None and any(map(_lonely, pair.of_outer, pair.of_inner)):
        return trimmed(outer, inner)  # a pad around one sample stays a pad: see `lone_sample`
    return _trimmed_together(outer, inner)


@law(is_filter, is_pulse)
def filter_of_pulse(outer: Stage, inner: Stage) -> LinearMap | None:
    """(q*) o ↑k = transposed q*;  pads, crops and shifts go into its window;  (q*) o ↓k = ↓k o (↑k q)*

    Exact unless samples are cropped where the filter reads zeros.
    """
    pair = paired(outer, inner)
    if pair is not None and any(map(_lonely, pair.of_outer, pair.of_inner)):
        return trimmed(outer, inner)  # a crop to one sample stays a crop: see `lone_sample`
    return _trimmed_together(outer, inner)


@law(is_stage)
def lone_sample(stage: Stage) -> LinearMap | None:
    """(q*) = pad o (q*) o crop where the filter meets one sample only, or leaves all outputs but one zero"""
    geometry, picked, placed = list(stage.geometry), [], []
    for i, axis in enumerate(geometry):
        seen, alive = read(axis), live(axis)
        crop, pad = Axis(axis.size), Axis(axis.out)
        lone = axis.window == 1 < min(axis.size, axis.out) and one_pulse(Axis(axis.out), axis) is None
        if (axis.window > 1 or lone) and seen is not None and alive is not None:
            if axis.size > 1 == seen.count:
                crop = pick(seen, axis.size)
                axis = _slim(unite(axis, place(seen, axis.size)))
            if axis.out > 1 == alive.count:
                pad = place(alive, axis.out)
                axis = _slim(unite(pick(alive, axis.out), axis))
        geometry[i] = axis
        picked.append(crop)
        placed.append(pad)
    if all(axis.is_identity for axis in (*picked, *placed)):
        return None
    pulse = Stage(None, (), stage.axes)
    crop = with_axes(pulse, stage.axes, tuple(picked), space_of(stage))
    core = with_axes(stage, stage.axes, tuple(geometry), crop._codomain())
    return Chain((with_axes(pulse, stage.axes, tuple(placed), core._codomain()), core, crop), stage.space)


def _slim(fusion: Fusion | None) -> Axis:
    assert fusion is not None  # a pick after, or a place before, always unites
    slim = reduced(fusion.axis)
    assert slim is not None  # it meets a sample
    return slim


@law(is_filter, is_filter)
def idle_samples(outer: Stage, inner: Stage) -> LinearMap | None:
    """A o B = (A ↑)(↓ B): samples that A never reads or that B always leaves zero are not computed"""
    return trimmed(outer, inner)


@law(is_scalar_filter, is_scalar_filter)
def filters_in_line(outer: Stage, inner: Stage) -> LinearMap | None:
    """(q*) o (r*) = (q*r)* along one axis and on one grid of taps, where the outer reads no zero that r would fill

    One axis, one grid: the product has fewer taps than the two together. All other products are the plan's business.
    """
    pair = paired(outer, inner)
    assert pair is not None
    return _line(pair)


def _line(pair: Pair) -> LinearMap | None:
    busy = [(o, i) for o, i in zip(pair.of_outer, pair.of_inner, strict=True) if o.window > 1 or i.window > 1]
    if len(busy) > 1 or any(i.dilation * o.up != o.dilation * i.down and o.window > 1 < i.window for o, i in busy):
        return None
    fusions = fused(pair)
    return joined(pair, fusions) if fusions is not None else None


@law(is_scalar_filter, is_scalar_filter)
def weights_in_line(outer: Stage, inner: Stage) -> LinearMap | None:
    """(q*) o diag(w) = (q w)*, diag(w) o (q*) = (w q)*: weights on single samples go into the taps of their neighbour

    Weights are a filter whose every tap meets one sample. Only where the product needs no more taps than either had.
    """
    pair = paired(outer, inner)
    assert pair is not None
    busy = [k for k, (o, i) in enumerate(zip(pair.of_outer, pair.of_inner, strict=True)) if max(o.window, i.window) > 1]
    if len(busy) != 1 or trimmed(outer, inner) is not None:
        return None
    o, i = pair.of_outer[busy[0]], pair.of_inner[busy[0]]
    fusions = fused(pair) if is_one_to_one(o) or is_one_to_one(i) else None
    needed = needed_taps(fusions[busy[0]], o.window, i.window) if fusions is not None else None
    if fusions is None or needed is None or needed.count > max(o.window, i.window):
        return None
    product = joined(pair, fusions)
    return with_taps(product, pair.axes[busy[0]], needed) if isinstance(product, Stage) else product


@law(is_filter, is_stage)
def noble_identity(outer: Stage, inner: Stage) -> LinearMap | None:
    """((↑k q)* o ↑k) o B = ↑k o ((q*) o B): a filter on stuffed zeros works at the low rate, next to what comes before

    For the two that are not one as they stand: B decimates by a factor that the stuffing shares, or crops where zeros
    are padded.
    """
    pair = paired(outer, inner)
    if pair is None or fused(pair) is not None:
        return None
    slow, placed = [], []
    for axis in pair.of_outer:
        samples = live(axis)
        kept = unite(pick(samples, axis.out), axis) if samples is not None else None
        slim = reduced(kept.axis) if kept is not None else None
        if samples is None or slim is None:
            return None
        slow.append(slim)
        placed.append(place(samples, axis.out))
    if all(axis.is_identity for axis in placed):
        return None
    core = with_axes(outer, pair.axes, tuple(slow), space_of(outer))
    if not isinstance(core, Stage):
        return None
    merged = _together(core, inner) if inner.taps is None else _in_line(core, inner)
    if merged is None:
        return None
    stuff = Stage(None, (), pair.axes)
    return Chain((with_axes(stuff, pair.axes, tuple(placed), merged._codomain()), merged), space_of(inner))


def _in_line(outer: Stage, inner: Stage) -> LinearMap | None:
    pair = paired(outer, inner)
    return _line(pair) if pair is not None and outer.groups is None and inner.groups is None else None


@law(is_filter, is_filter, lossless=False)
def filters_merge(outer: Stage, inner: Stage) -> LinearMap | None:
    """(q*) o (r*) = (q*r)*, channels contracted, where the outer reads no zero that r would fill

    Hence pixel shuffles and nearest-neighbour interpolation around a convolution are transposed convolutions. True is
    not cheaper: 3x3 o 3x3 through one channel is 18 products a sample, 5x5 is 25.
    """
    return _together(outer, inner)


FILTER_LAWS_OF_ONE = (lone_sample,)
FILTER_LAWS = (pulse_of_filtered, filter_of_pulse, filters_in_line, idle_samples, noble_identity,
               weights_in_line)
COSTED_FILTER_LAWS = (filters_merge,)
