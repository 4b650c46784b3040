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

from deconvjax.engine.blocks import block_taps, touched
from deconvjax.engine.comb import Comb, comb
from deconvjax.engine.layout import comb_taps, fit, frame, joined, window_slices
from deconvjax.engine.spec import Spec

NARROW = 64  # channels up to which sums over a block are shorter as a product
TERMS = 192  # a fused loop of more terms compiles slowly and spills registers


def fits(spec: Spec) -> bool:
    """Scalar or depthwise (checked on the taps), few enough terms."""
    return terms(spec) <= TERMS


def terms(spec: Spec) -> int:
    """Summands of the fused loop."""
    combs = [comb(a) for a in spec.axes]
    if not combs:
        return 1
    last = combs[-1]
    return math.prod(c.width for c in combs[:-1]) * (touched(last) if _blocked(last) else last.width)


def _blocked(c: Comb) -> bool:
    return c.step > 2 and c.width > 4 and c.phases == 1


def blocked(spec: Spec) -> bool:
    """Whether the last axis is summed in blocks."""
    return len(spec.axes) > 0 and _blocked(comb(spec.axes[-1]))


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F; taps (*window,) or (*window, 1, out)."""
    if spec.groups is None:
        kernel, many = taps[..., None], 1
    else:
        kernel, many = taps.reshape(*spec.window, -1), taps.shape[-1] // spec.groups
    combs = [comb(a) for a in spec.axes]
    if many > 1:  # group-major: channel c feeds outputs c*many … c*many + many - 1
        x = jnp.repeat(x, many, axis=-1)
    if combs and _blocked(combs[-1]):
        return _rows(x, kernel, combs)
    framed = frame(x, combs)
    kernel = comb_taps(kernel, combs)
    parts = []
    for at in np.ndindex(*[c.width for c in combs]):
        starts = [w * c.grid for w, c in zip(at, combs, strict=True)]
        part = window_slices(framed, starts, [c.count for c in combs], [c.step for c in combs])
        part = part.reshape(x.shape[0], *[n for c in combs for n in (c.count, 1)], x.shape[-1])
        k = kernel[tuple(cut for w in at for cut in (w, slice(None)))]
        parts.append(part * k.reshape(*[n for c in combs for n in (1, c.phases)], -1))
    return joined(reduce(add, parts).reshape(-1, *[n for c in combs for n in (c.count, c.phases)], x.shape[-1]), combs)


def _rows(x: Array, kernel: Array, combs: list[Comb]) -> Array:
    """The last axis in blocks: sum over the other axes' taps and over blocks, then inside the block."""
    *outer, last = combs
    blocks = last.count + touched(last) - 1
    widths = [(c.pad, c.reach - c.pad - c.size) for c in outer]
    framed = fit(x, [*widths, (last.pad, blocks * last.step - last.pad - last.size)])
    framed = framed.reshape(*framed.shape[:-2], blocks, last.step, x.shape[-1])
    rank = len(outer)
    kernel = jnp.moveaxis(kernel, rank, 0)
    kernel = block_taps(kernel, [last])[:, :, 0]  # (touched, step, *outer window, C)
    kernel = jnp.moveaxis(kernel, (0, 1), (rank, rank + 1))
    kernel = comb_taps(kernel, outer)
    parts = []
    for near in range(touched(last)):
        for at in np.ndindex(*[c.width for c in outer]):
            cut = [
                slice(w * c.grid, w * c.grid + (c.count - 1) * c.step + 1, c.step)
                for w, c in zip(at, outer, strict=True)
            ]
            part = framed[(slice(None), *cut, slice(near, near + last.count))]
            part = part.reshape(x.shape[0], *[n for c in outer for n in (c.count, 1)], *part.shape[-3:])
            k = kernel[(*[cut for w in at for cut in (w, slice(None))], near)]  # *phases, step, C
            parts.append(part * k.reshape(*[n for c in outer for n in (1, c.phases)], 1, *k.shape[-2:]))
    total = reduce(add, parts)
    total = _inside(total.reshape(-1, last.step * x.shape[-1]), last.step)
    return joined(total.reshape(-1, *[n for c in combs for n in (c.count, c.phases)], x.shape[-1]), combs)


def _inside(blocks: Array, step: int) -> Array:
    """(n, step*C) -> (n, C): the sum over a block, as a product with ones and zeros where the library has one."""
    channels = blocks.shape[-1] // step
    if blocks.dtype == jnp.float32 and channels <= NARROW:
        blocks = lax.optimization_barrier(blocks)
        ones = jnp.tile(jnp.eye(channels, dtype=blocks.dtype), (step, 1))
        return lax.dot_general(blocks, ones, (((1,), (0,)), ((), ())), precision="highest")
    return reduce(add, [blocks[:, r * channels : (r + 1) * channels] for r in range(step)])
