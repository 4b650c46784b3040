"""Laws of pulses: rates and windows among themselves, and what one stage can drop by itself."""

from __future__ import annotations

from dataclasses import replace

from deconvjax.algebra import LinearMap, Scaled
from deconvjax.axis import Axis
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite import taps as arithmetic
from deconvjax.rewrite.geometry import live, on_taps, one_pulse, reduced, used_taps
from deconvjax.rewrite.law import law
from deconvjax.rewrite.one_to_one import smallest_rates
from deconvjax.rewrite.stages import (
    is_filter,
    is_pulse,
    is_scalar_filter,
    is_stage,
    paired,
    read_taps,
    same_dtype,
    space_of,
    trimmed,
    with_axes,
    zero_between,
)


# ---- one stage ------------------------------------------------------------------------------------------------------
@law(is_stage)
def common_factor(stage: Stage) -> LinearMap | None:
    """↓M ↑L = ↓(M/g) ↑(L/g): a factor that up, down and the spacing of the taps share is divided out, or gives zero

    Where the offset is not divisible, no output meets a sample. A stage that changes nothing becomes the identity.
    """
    geometry = stage.geometry
    slim = tuple(reduced(axis) for axis in geometry)
    if any(axis is None or live(axis) is None for axis in slim):
        return zero_between(stage, stage)
    axes = tuple(smallest_rates(axis) for axis in slim if axis is not None)
    idle = stage.groups is None and len(axes) > (stage.taps is not None) and any(axis.is_identity for axis in axes)
    if axes == geometry and not idle:
        return None
    return with_axes(stage, stage.axes, axes, space_of(stage))


@law(is_filter)
def unused_taps(stage: Stage) -> LinearMap | None:
    """sum_j k[j] z[n*d + j*l - lo] = the same sum over the taps that meet a sample

    With up = down = k these are every k-th: (↓h)(↓h)^T is a filter at the low rate.
    """
    used = tuple(used_taps(axis) for axis in stage.geometry)
    if any(taps is None for taps in used):
        return zero_between(stage, stage)
    cut = tuple((taps.start, taps.step, taps.count) for taps in used if taps is not None)
    if tuple(count for _, _, count in cut) == stage.window:
        return None
    axes = tuple(on_taps(axis, taps) for axis, taps in zip(stage.geometry, used, strict=True) if taps is not None)
    if stage.flip:
        cut = tuple((w - 1 - (a + (n - 1) * s), s, n) for (a, s, n), w in zip(cut, stage.window, strict=True))
    return with_axes(replace(stage, taps=arithmetic.chosen(stage.taps, cut)), stage.axes, axes, space_of(stage))


@law(is_scalar_filter)
def one_tap(stage: Stage) -> LinearMap | None:
    """(c)* o ↓d ↑u = c * (↓d ↑u): a filter of one tap is a multiple of a pulse"""
    if any(n > 1 for n in stage.window):
        return None
    if not arithmetic.is_constant(stage.taps) and stage._codomain().dtype.itemsize < 4:
        return None  # the gradient of a product is summed in half precision, that of a filter in float32
    pulse = replace(stage, taps=None, flip=False, conjugate=False, weak=True, precision=None)
    result = Scaled(arithmetic.item(read_taps(stage)), with_axes(pulse, stage.axes, stage.geometry, space_of(stage)),
                    stage.space)
    return result if same_dtype(result, stage) else None


# ---- two pulses -----------------------------------------------------------------------------------------------------
def _rate(stage: LinearMap, up: bool, down: bool) -> bool:
    return (is_pulse(stage) and any(r.up > 1 for r in stage.rates) == up  # type: ignore[attr-defined]
            and any(r.down > 1 for r in stage.rates) == down)  # type: ignore[attr-defined]


def _window(stage: LinearMap) -> bool:
    return _rate(stage, up=False, down=False)


def _decimates(stage: LinearMap) -> bool:
    return _rate(stage, up=False, down=True)


def _stuffs(stage: LinearMap) -> bool:
    return _rate(stage, up=True, down=False)


def _as_one(outer: Stage, inner: Stage) -> LinearMap | None:
    pair = paired(outer, inner)
    assert pair is not None
    axes: list[Axis] = []
    for o, i in zip(pair.of_outer, pair.of_inner, strict=True):
        axis = one_pulse(o, i)
        if axis is None:
            return None
        axes.append(axis)
    return with_axes(outer, pair.axes, tuple(axes), space_of(inner))


@law(_window, _window)
def windows_add(outer: Stage, inner: Stage) -> LinearMap | None:
    """pad(a, b) o pad(c, d) = pad(a+c, b+d), crops being negative pads; not where a crop is padded again"""
    return _as_one(outer, inner)


@law(_decimates, _decimates)
def decimations_multiply(outer: Stage, inner: Stage) -> LinearMap | None:
    """↓a o ↓b = ↓ab"""
    return _as_one(outer, inner)


@law(_stuffs, _stuffs)
def stuffings_multiply(outer: Stage, inner: Stage) -> LinearMap | None:
    """↑a o ↑b = ↑ab"""
    return _as_one(outer, inner)


@law(_decimates, _stuffs)
def decimation_of_stuffed(outer: Stage, inner: Stage) -> LinearMap | None:
    """↓k o ↑k = I; ↓M o ↑L = ↑(L/g) o ↓(M/g), g = gcd(L, M), where the phases meet"""
    return _as_one(outer, inner)


@law(_stuffs, _decimates)
def coprime_rates_commute(outer: Stage, inner: Stage) -> LinearMap | None:
    """↑a o ↓b = ↓b o ↑a where gcd(a, b) = 1, which is one stage up a, down b"""
    return _as_one(outer, inner)


@law(is_pulse, is_pulse)
def pulses_unite(outer: Stage, inner: Stage) -> LinearMap | None:
    """y[n0 + t*a] = x[p0 + t*b]: any other two pulses that carry samples one to one are one pulse"""
    return _as_one(outer, inner)


@law(is_pulse, is_pulse)
def pulses_trim(outer: Stage, inner: Stage) -> LinearMap | None:
    """A o B = (↑a pad) o (crop ↓b): of two pulses that stay two, the inner crops and decimates, the outer stuffs"""
    return trimmed(outer, inner)


RATE_LAWS_OF_ONE = (common_factor, unused_taps, one_tap)
RATE_LAWS = (windows_add, decimations_multiply, stuffings_multiply, decimation_of_stuffed, coprime_rates_commute,
             pulses_unite, pulses_trim)
