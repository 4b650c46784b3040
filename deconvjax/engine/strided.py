"""`tapsum` where the last axis is strided: blocks of `step` samples multiplied whole, then added up inside.

    F[n] = sum_{t, r} k[t*step + r] x[(n + t)*step + r - pad]        t over the blocks that one window touches

Reads stay contiguous and loops long. `natural` leaves x where it lies and reads it once: its blocks are those of
memory, the taps are turned to match, and each of the `touched` sums is moved to its place afterwards, when it is `step`
times smaller. Borders of the other axes are loops of their own, with the taps that exist there. `aligned` pads x
instead and adds the touched blocks up in one loop: for windows of more blocks than the other axes have taps.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine.blocks import block_taps, touched
from deconvjax.engine.comb import Comb
from deconvjax.engine.layout import comb_taps, fit, joined, taken
from deconvjax.engine.products import summed
from deconvjax.engine.strips import Strip, assemble, few, framed, strips

SHORT = 32  # taps that one axis adds up sample by sample
NARROW = 64  # channels up to which sums over a block are shorter as a product


def blocked(combs: list[Comb]) -> bool:
    """Whether the last axis is summed in blocks."""
    if not combs or any(c.phases > 1 for c in combs):
        return False
    return combs[-1].step > 2 and combs[-1].width > (4 if len(combs) > 1 else SHORT)


def stage(x: Array, kernel: Array, combs: list[Comb]) -> Array:
    """F; kernel (*window, C)."""
    return (natural if math.prod(c.width for c in combs[:-1]) >= touched(combs[-1]) else aligned)(x, kernel, combs)


def natural(x: Array, kernel: Array, combs: list[Comb]) -> Array:
    """The sum over the outer taps first, in x's own blocks."""
    *outer, last = combs
    batch, channels = x.shape[0], x.shape[-1]
    plans = [strips(c) if few(c) else framed(c) for c in outer]
    x = fit(x, [*[(0, 0) if few(c) else c.border for c in outer], (0, 0)])
    kernel = jnp.broadcast_to(kernel, (*kernel.shape[:-1], channels))  # one filter for all channels: repeated
    whole = last.size % last.step == 0
    length = last.step if whole else last.size  # samples of one table: a block, or all
    x = x.reshape(*x.shape[:-2], last.size // length, length * channels)
    tables, near = _tables(kernel, combs, length), touched(last)
    blocks = -(-last.size // last.step)

    def leaf(chosen: tuple[Strip, ...]) -> Array:
        """(*counts, blocks or 1, near, length*C): x is read once for all that is near."""
        terms = []
        for at in np.ndindex(*[s.taps for s in chosen]):
            cut = [s.read(i, c) for s, i, c in zip(chosen, at, outer, strict=True)]
            taps = tables[tuple(s.tap + i for s, i in zip(chosen, at, strict=True))]
            terms.append(x[(slice(None), *cut)][..., None, :] * jnp.expand_dims(taps, tuple(range(1 + len(combs)))))
        shape = (batch, *[s.count for s in chosen], *x.shape[-2:-1], near, length * channels)
        return summed(terms) if terms else lax.full_like(x, 0, shape=shape)

    sums = assemble(plans, range(1, 1 + len(outer)), leaf)
    shape = (batch, *[c.count for c in outer])
    if not whole:
        sums = sums.reshape(*shape, near, last.size, channels)
        sums = fit(sums, [*[(0, 0)] * (1 + len(outer)), (0, -last.size % last.step)])
    total = []
    for late, part in enumerate(_inside(sums.reshape(-1, last.step * channels), last.step, last.pad % last.step)):
        part = part.reshape(*shape, *((blocks, near) if whole else (near, blocks)), channels)
        for i in range(near):
            low = last.pad // last.step + late - i
            place = [*[(0, 0)] * len(outer), (low, last.count - blocks - low)]
            total.append(fit(part[..., i, :] if whole else part[..., i, :, :], place))
    return joined(summed(total), combs)


def _tables(kernel: Array, combs: list[Comb], length: int) -> Array:
    """(*window, C) -> (*outer width, touched, length*C): the taps that sample i of a block meets.

    Behind a barrier: XLA would lay them out as the taps come, and the sum's inner loop would jump.
    """
    *outer, last = combs
    rank = len(outer)
    kernel = _blocks(kernel, last, rank)  # (*outer window, touched, step, C)
    kernel = comb_taps(kernel, outer)
    kernel = kernel.reshape(*[c.width for c in outer], *kernel.shape[2 * rank :])
    kernel = taken(kernel, rank + 1, (np.arange(length) + last.pad) % last.step)
    return lax.optimization_barrier(kernel.reshape(*kernel.shape[:-2], length * kernel.shape[-1]))


def _blocks(kernel: Array, last: Comb, rank: int) -> Array:
    """(*outer window, window, C) -> (*outer window, touched, step, C)."""
    kernel = block_taps(jnp.moveaxis(kernel, rank, 0), [last])[:, :, 0]
    return jnp.moveaxis(kernel, (0, 1), (rank, rank + 1))


def aligned(x: Array, kernel: Array, combs: list[Comb]) -> Array:
    """Everything in one sum, over x padded to the windows' blocks."""
    *outer, last = combs
    rank, channels = len(outer), x.shape[-1]
    blocks = last.count + touched(last) - 1
    x = fit(x, [*[c.border for c in outer], (last.pad, blocks * last.step - last.pad - last.size)])
    x = x.reshape(*x.shape[:-2], blocks, last.step, channels)
    kernel = comb_taps(_blocks(kernel, last, rank), outer)
    parts = []
    for near in range(touched(last)):
        for at in np.ndindex(*[c.width for c in outer]):
            cut = [framed(c)[0].read(w, c) for w, c in zip(at, outer, strict=True)]
            part = x[(slice(None), *cut, slice(near, near + last.count))]
            tap = kernel[(*[cut for w in at for cut in (w, 0)], near)]
            parts.append(part * jnp.expand_dims(tap, tuple(range(part.ndim - tap.ndim))))
    (total,) = _inside(summed(parts).reshape(-1, last.step * channels), last.step, 0)
    return joined(total.reshape(-1, *[n for c in combs for n in (c.count, 1)], channels), combs)


def _inside(blocks: Array, step: int, turn: int) -> list[Array]:
    """(n, step*C) -> sums (n, C) over the first step - turn samples of each block, and over the rest if there is one.

    As one product with ones and zeros where the library has one.
    """
    channels = blocks.shape[-1] // step
    first = [r + turn < step for r in range(step)]
    if blocks.dtype == jnp.float32 and channels <= NARROW:
        sides = np.stack([first, np.logical_not(first)][: 1 + (turn > 0)], -1)
        ones = np.kron(sides, np.eye(channels)).astype(np.float32)
        sums = lax.dot_general(lax.optimization_barrier(blocks), ones, (((1,), (0,)), ((), ())), precision="highest")
        return [sums[:, i * channels : (i + 1) * channels] for i in range(sides.shape[1])]
    samples = [blocks[:, r * channels : (r + 1) * channels] for r in range(step)]
    return [summed(samples[a:b]) for a, b in ((0, step - turn), (step - turn, step)) if b > a]
