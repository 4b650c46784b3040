"""`tapsum`: the definition itself, one fused elementwise sum over taps; depthwise and scalar stages.

    F[m, r] = sum_w comb_taps(k)[w, r] * x[m*step + w*grid]        all combs r in the same loop

The combs are an axis of the sum's result, so depth to space is a reshape. Where x is strided along the last axis by
`step`, each block is multiplied whole and then added up, which keeps reads contiguous and loops long.
"""

from __future__ import annotations

import math
from functools import reduce
from operator import add

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine import strided
from deconvjax.engine.blocks import touched
from deconvjax.engine.comb import Comb, comb
from deconvjax.engine.layout import comb_taps, frame, joined
from deconvjax.engine.spec import Spec
from deconvjax.engine.strips import Strip, assemble, few, framed, strips

TERMS = 192  # a fused loop of more terms compiles slowly and spills registers
APART = 4  # combs that are worth loops of their own
NARROW = 64  # channels from which a loop over them is long enough
LOOPS = 9  # interior and borders of two axes


def fits(spec: Spec) -> bool:
    """Scalar or depthwise (checked on the taps), few enough terms."""
    return terms(spec) <= TERMS


def terms(spec: Spec) -> int:
    """Summands of the fused loop."""
    combs = [comb(a) for a in spec.axes]
    if not combs:
        return 1
    last = combs[-1]
    return math.prod(c.width for c in combs[:-1]) * (touched(last) if strided.blocked(combs) else last.width)


def blocked(spec: Spec) -> bool:
    """Whether the last axis is summed in blocks."""
    return strided.blocked([comb(a) for a in spec.axes])


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F; taps (*window,) or (*window, 1, out)."""
    if spec.groups is None:
        kernel, many = taps[..., None], 1
    else:
        kernel, many = taps.reshape(*spec.window, -1), taps.shape[-1] // spec.groups
    combs = [comb(a) for a in spec.axes]
    if many > 1:  # group-major: channel c feeds outputs c*many … c*many + many - 1
        x = jnp.repeat(x, many, axis=-1)
    if strided.blocked(combs):
        return strided.stage(x, kernel, combs)
    if spec.groups is None and _narrow(combs, x.shape[-1]):
        combs = [comb(a, aligned=True) for a in spec.axes]  # cropping would divide the loops again
        return joined(_apart(frame(x, combs), taps, combs), combs)
    kernel = comb_taps(kernel, combs)
    plans = [framed(c) for c in combs]
    if _bordered(combs):
        plans = [strips(c) for c in combs]
    else:
        x = frame(x, combs)

    def leaf(chosen: tuple[Strip, ...]) -> Array:
        terms = []
        for at in np.ndindex(*[s.taps for s in chosen]):
            part = x[(slice(None), *[s.read(i, c) for s, i, c in zip(chosen, at, combs, strict=True)])]
            part = part.reshape(x.shape[0], *[n for s in chosen for n in (s.count, 1)], x.shape[-1])
            k = kernel[tuple(cut for s, i in zip(chosen, at, strict=True) for cut in (s.tap + i, slice(None)))]
            terms.append(part * k.reshape(*[n for c in combs for n in (1, c.phases)], -1))
        shape = (x.shape[0], *[n for s, c in zip(chosen, combs, strict=True) for n in (s.count, c.phases)], x.shape[-1])
        return reduce(add, terms) if terms else lax.full_like(x, 0, shape=shape)

    return joined(assemble(plans, range(1, 2 * len(combs), 2), leaf), combs)


def _bordered(combs: list[Comb]) -> bool:
    """Whether borders are loops of their own; else x is padded, which costs less where x is smaller than the result."""
    shrinks = math.prod(c.count * c.phases for c in combs) <= math.prod(c.size for c in combs)
    return shrinks and all(few(c) for c in combs) and math.prod(len(strips(c)) for c in combs) <= LOOPS


def _narrow(combs: list[Comb], channels: int) -> bool:
    """Few combs of a few channels: a loop over the channels of one comb would be too short to be fast."""
    phases = math.prod(c.phases for c in combs)
    return 1 < phases <= APART and combs[-1].phases > 1 and channels < NARROW and all(c.step == 1 for c in combs)


def _apart(x: Array, taps: Array, combs: list[Comb]) -> Array:
    """(B, count, phases, count, phases, …, C): every comb in a loop of its own over whole rows, then side by side."""
    channels = x.shape[-1]
    rows = x.reshape(*x.shape[:-2], -1)
    shape = (x.shape[0], *[c.count for c in combs], channels)

    def comb_at(phases: tuple[int, ...]) -> Array:
        terms = []
        for at in np.ndindex(*[c.width for c in combs]):
            tap = tuple(c.table[w][r] for c, w, r in zip(combs, at, phases, strict=True))
            if min(tap) < 0:
                continue
            cut = [slice(w * c.grid, w * c.grid + c.count) for c, w in zip(combs, at, strict=True)]
            cut[-1] = slice(cut[-1].start * channels, cut[-1].stop * channels)
            terms.append(rows[(slice(None), *cut)] * taps[tap])
        return reduce(add, terms).reshape(shape) if terms else lax.full_like(x, 0, shape=shape)

    def joined_from(phases: tuple[int, ...]) -> Array:
        axis = len(phases)
        if axis == len(combs):
            return comb_at(phases)
        return jnp.stack([joined_from((*phases, r)) for r in range(combs[axis].phases)], 2 + axis)

    return joined_from(())
