"""`tapsum`: the definition itself, one fused elementwise sum over taps; depthwise and scalar stages.

    F[m, r] = sum_w comb_taps(k)[w, r] * x[m*step + w*grid]        all combs r in the same loop

The combs are an axis of the sum's result, so depth to space is a reshape. One filter for all channels is repeated for
each: where taps are scalars LLVM makes scalar code of the channels, six times slower before a gelu. Where x is strided
along the last axis by `step`, each block is multiplied whole and then added up, which keeps reads contiguous and loops
long.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine import combwise, strided
from deconvjax.engine.blocks import touched
from deconvjax.engine.comb import Comb, comb
from deconvjax.engine.layout import apart, comb_taps, frame, joined, window_slices
from deconvjax.engine.products import summed
from deconvjax.engine.spec import Spec
from deconvjax.engine.strips import Strip, assemble, few, framed, strips

TERMS = 192  # a fused loop of more terms compiles slowly and spills registers
LOOPS = 9  # interior and borders of two axes
READS = 16  # of x in one program: XLA fuses no producer into as many
VECTOR = 16  # float32 channels in one register
SMALL = 4  # combs of an enlargement whose x is not small beside its result


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
    x, kernel = apart(x, taps, spec)
    combs = [comb(a) for a in spec.axes]
    if strided.blocked(combs):
        return strided.stage(x, kernel, combs)
    if combwise.fits(spec, x.shape[-1]):
        return combwise.stage(x, kernel, spec)
    repeated = kernel.shape[-1] < x.shape[-1]  # one filter for all channels
    if repeated:
        kernel = jnp.broadcast_to(kernel, (*spec.window, x.shape[-1]))
    kernel = comb_taps(kernel, combs, gathered=repeated)
    plans = [framed(c) for c in combs]
    if _bordered(combs, x.shape[-1]):
        plans = [strips(c) for c in combs]
    else:
        x = frame(x, combs)

    kernel = kernel[None]  # cut like an image

    def leaf(chosen: tuple[Strip, ...]) -> Array:
        counts, steps = [s.count for s in chosen], [c.step for c in combs]
        terms = []
        for at in np.ndindex(*[s.taps for s in chosen]):
            starts = [s.read(i, c).start for s, i, c in zip(chosen, at, combs, strict=True)]
            part = window_slices(x, starts, counts, steps)
            part = part.reshape(x.shape[0], *[n for count in counts for n in (count, 1)], x.shape[-1])
            taps = [n for s, i in zip(chosen, at, strict=True) for n in (s.tap + i, 0)]
            sizes = [n for c in combs for n in (1, c.phases)]
            terms.append(part * window_slices(kernel, taps, sizes, [1] * len(sizes)))
        shape = (x.shape[0], *[n for s, c in zip(chosen, combs, strict=True) for n in (s.count, c.phases)], x.shape[-1])
        return summed(terms) if terms else lax.full_like(x, 0, shape=shape)

    return joined(assemble(plans, range(1, 2 * len(combs), 2), leaf), combs)


def _bordered(combs: list[Comb], channels: int) -> bool:
    """Whether borders are loops of their own; else x is padded.

    Where the result is larger than x, padding x costs less, but for small factors, channels that fill a vector, and so
    many loops that XLA does not put what makes x into them, once for each tap.
    """
    plans = [strips(c) for c in combs]
    if not all(few(c) for c in combs) or math.prod(map(len, plans)) > LOOPS:
        return False
    if math.prod(c.count * c.phases for c in combs) <= math.prod(c.size for c in combs):
        return True
    reads = math.prod(sum(s.taps for s in plan) for plan in plans)
    return channels > VECTOR and reads >= READS and math.prod(c.phases for c in combs) <= SMALL
