"""`tapsum`: the definition itself, one fused elementwise sum over taps; depthwise and scalar stages.

    F[m, r] = sum_w comb_taps(k)[w, r] * x[m*step + w*grid]        all combs r in the same loop

The combs are an axis of the sum's result, so depth to space is a reshape. Where x is strided along the last axis by
`step`, each block is multiplied whole and then added up, which keeps reads contiguous and loops long. Zeros beyond the
borders are never written where the loops can do without: borders are loops of their own where the result is not larger
than x, and branches in the loop over a result that is, which its inner loop over many channels takes once.
"""

from __future__ import annotations

import math
from functools import reduce
from operator import add

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine import combwise, strided
from deconvjax.engine.blocks import touched
from deconvjax.engine.comb import Comb, comb
from deconvjax.engine.layout import comb_taps, frame, joined, padded, window_slices
from deconvjax.engine.spec import Spec
from deconvjax.engine.strips import Strip, assemble, few, framed, strips

TERMS = 192  # a fused loop of more terms compiles slowly and spills registers
LOOPS = 9  # interior and borders of two axes
BRANCHES = 4  # terms: LLVM makes vectors of a loop with as many branches, not of one with nine
CHANNELS = 16  # that make up for a branch


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
    if combwise.fits(spec, x.shape[-1]):
        return combwise.stage(x, kernel, spec)
    kernel = comb_taps(kernel, combs)
    plans, branches = [framed(c) for c in combs], False
    if _bordered(combs):
        plans = [strips(c) for c in combs]
    elif x.shape[-1] >= CHANNELS and terms(spec) <= BRANCHES and not _shrinks(combs):
        branches = True
    else:
        x = frame(x, combs)

    def read(at: tuple[int, ...], chosen: tuple[Strip, ...]) -> Array:
        """What the taps `at` of all combs meet."""
        if branches:
            return _shifted(x, combs, at)
        return x[(slice(None), *[s.read(i, c) for s, i, c in zip(chosen, at, combs, strict=True)])]

    def leaf(chosen: tuple[Strip, ...]) -> Array:
        parts = []
        for at in np.ndindex(*[s.taps for s in chosen]):
            part = read(at, chosen).reshape(x.shape[0], *[n for s in chosen for n in (s.count, 1)], x.shape[-1])
            k = kernel[tuple(cut for s, i in zip(chosen, at, strict=True) for cut in (s.tap + i, slice(None)))]
            parts.append(part * k.reshape(*[n for c in combs for n in (1, c.phases)], -1))
        shape = (x.shape[0], *[n for s, c in zip(chosen, combs, strict=True) for n in (s.count, c.phases)], x.shape[-1])
        return reduce(add, parts) if parts else lax.full_like(x, 0, shape=shape)

    return joined(assemble(plans, range(1, 2 * len(combs), 2), leaf), combs)


def _shifted(x: Array, combs: list[Comb], at: tuple[int, ...]) -> Array:
    """The samples under the taps `at`, zeros among them: XLA makes the padding a branch of the loop that reads it."""
    lows = [c.pad - i * c.grid for i, c in zip(at, combs, strict=True)]
    widths = [(lo, (c.count - 1) * c.step + 1 - lo - c.size) for lo, c in zip(lows, combs, strict=True)]
    return window_slices(padded(x, widths), [0] * len(combs), [c.count for c in combs], [c.step for c in combs])


def _shrinks(combs: list[Comb]) -> bool:
    return math.prod(c.count * c.phases for c in combs) <= math.prod(c.size for c in combs)


def _bordered(combs: list[Comb]) -> bool:
    """Whether borders are loops of their own."""
    return _shrinks(combs) and all(few(c) for c in combs) and math.prod(len(strips(c)) for c in combs) <= LOOPS
