"""`tapsum` for few channels and few combs: a loop for every comb over whole rows, interleaved as it is written.

    F[m, r] = sum_w k[w, r] x[m + w]        one sum per comb r, over samples and channels as one axis

A loop over three channels is compiled to scalar instructions; over a row of samples and channels it is not. Combs that
start together are needed (no skip), and taps that a comb does not have are left out of its sum.
"""

from __future__ import annotations

import math
from itertools import product

import jax.numpy as jnp
from jax import Array, lax

from deconvjax.engine.comb import comb
from deconvjax.engine.layout import fit, joined
from deconvjax.engine.products import summed
from deconvjax.engine.spec import Spec

COMBS = 4  # sums in one loop
CHANNELS = range(2, 6)  # one channel is a row already; more are loops of their own


def fits(spec: Spec, channels: int) -> bool:
    """Enlargement of few channels by two along one or two axes, or by up to four along one."""
    if channels not in CHANNELS or any(comb(a).step > 1 for a in spec.axes):
        return False
    return 1 < math.prod(comb(a).phases for a in spec.axes) <= COMBS


def stage(x: Array, kernel: Array, spec: Spec) -> Array:
    """F; kernel (*window, C), or (*window, 1) where one filter serves all channels."""
    combs = [comb(a, aligned=True) for a in spec.axes]
    batch, channels, last = x.shape[0], x.shape[-1], combs[-1]
    if kernel.shape[-1] > 1:
        kernel = jnp.tile(kernel, last.count)
    x = fit(x, [c.border for c in combs])
    rows = x.reshape(*x.shape[:-2], -1)
    counts = [c.count for c in combs]

    def one(phases: tuple[int, ...]) -> Array:
        """The results of one comb per axis."""
        terms = []
        for taps in product(*[c.live(r) for c, r in zip(combs, phases, strict=True)]):
            cut = [slice(w * c.grid, w * c.grid + c.count) for (w, _), c in zip(taps, combs, strict=True)]
            cut[-1] = slice(cut[-1].start * channels, cut[-1].stop * channels)
            tap = kernel[tuple(j for _, j in taps)]
            terms.append(rows[(slice(None), *cut)] * jnp.expand_dims(tap, tuple(range(len(combs)))))
        flat = (batch, *counts[:-1], last.count * channels)
        total = summed(terms) if terms else lax.full_like(x, 0, shape=flat)
        return total.reshape(batch, *counts, channels)

    def stacked(phases: tuple[int, ...]) -> Array:
        """All combs of the axes that `phases` does not name, each beside its count."""
        if len(phases) == len(combs):
            return one(phases)
        parts = [stacked((*phases, r)) for r in range(combs[len(phases)].phases)]
        return jnp.stack(parts, len(phases) + 2)

    return joined(stacked(()), combs)
