"""`blocks`: cut x into blocks of `step` samples, one matrix product per block, add the shifted results.

    F = interleave(sum_w shift(space_to_depth(frame(x)) @ k_w, w))        w over the blocks that one window touches

Each sample of x is read by one product only, so long strided windows cost no copies of x; the sums run over the
(smaller) output. The choice for strided windows in three dimensions, and for very long windows.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from deconvjax.engine.comb import Comb, comb
from deconvjax.engine.layout import comb_taps, fit, interleave
from deconvjax.engine.products import grouped, product, summed
from deconvjax.engine.spec import Shape, Spec


def fits(spec: Spec) -> bool:
    """Channelled stages."""
    return spec.groups is not None


def touched(c: Comb) -> int:
    """Blocks under one window."""
    return -(-c.span // c.step)


def space_to_depth(x: Array, combs: list[Comb]) -> tuple[Array, Shape]:
    """(B, *size, C) -> (B, *blocks, *step, C) with every block of every window inside; and the number of blocks.

    The last axis is split by a reshape; the others by stacking slices, which XLA copies faster than a transposition.
    """
    blocks = tuple(c.count + touched(c) - 1 for c in combs)
    framed = fit(x, [(c.pad, n * c.step - c.pad - c.size) for c, n in zip(combs, blocks, strict=True)])
    if all(c.step == 1 for c in combs[:-1]):
        return framed.reshape(x.shape[0], *blocks, *[c.step for c in combs], x.shape[-1]), blocks
    split = [n for c, b in zip(combs[:-1], blocks[:-1], strict=True) for n in (b, c.step)]
    rows = framed.reshape(x.shape[0], *split, blocks[-1], combs[-1].step * x.shape[-1])
    parts = []
    for at in np.ndindex(*[c.step for c in combs[:-1]]):
        parts.append(rows[(slice(None), *[cut for r in at for cut in (slice(None), r)])])
    return jnp.stack(parts, -2).reshape(x.shape[0], *blocks, *[c.step for c in combs], x.shape[-1]), blocks


def block_taps(taps: Array, combs: list[Comb]) -> Array:
    """(*window, …) -> (touched, step, phases)* …: taps addressed by block and place inside it."""
    kernel = comb_taps(taps, combs)
    for i, c in enumerate(combs):
        axis = 3 * i
        if c.grid > 1:
            spread = jnp.zeros((*kernel.shape[: axis + 1], c.grid - 1, *kernel.shape[axis + 1 :]), kernel.dtype)
            kernel = jnp.concatenate([jnp.expand_dims(kernel, axis + 1), spread], axis + 1)
            kernel = kernel.reshape(*kernel.shape[:axis], c.width * c.grid, *kernel.shape[axis + 2 :])
            kernel = kernel[(*[slice(None)] * axis, slice(0, c.span))]
        tail = touched(c) * c.step - c.span
        if tail:
            zeros = jnp.zeros((*kernel.shape[:axis], tail, *kernel.shape[axis + 1 :]), kernel.dtype)
            kernel = jnp.concatenate([kernel, zeros], axis)
        kernel = kernel.reshape(*kernel.shape[:axis], touched(c), c.step, *kernel.shape[axis + 1 :])
    return kernel


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""
    groups = spec.groups or 1
    rank = len(spec.axes)
    combs = [comb(a) for a in spec.axes]
    split, blocks = space_to_depth(x, combs)
    rows = grouped(split, groups)
    if groups > 1:
        rows = jnp.moveaxis(rows, -2, rank + 1)
    rows = rows.reshape(x.shape[0] * math.prod(blocks), groups, -1)
    kernel = grouped(block_taps(taps, combs), groups)  # (touched, step, phases)*, in/g, g, out/g
    order = (
        3 * rank + 1,
        *range(1, 3 * rank, 3),
        3 * rank,
        *range(0, 3 * rank, 3),
        *range(2, 3 * rank, 3),
        3 * rank + 2,
    )
    kernel = jnp.transpose(kernel, order).reshape(groups, rows.shape[-1], -1)
    phases, near = [c.phases for c in combs], [touched(c) for c in combs]
    z = product(rows, kernel, spec.precision)
    z = z.reshape(x.shape[0], *blocks, groups, math.prod(near), *phases, -1)
    parts = []
    for i, at in enumerate(np.ndindex(*near)):
        cut = [slice(w, w + c.count) for w, c in zip(at, combs, strict=True)]
        parts.append(z[(slice(None), *cut, slice(None), i)])
    total = summed(parts)
    if groups > 1:
        total = jnp.moveaxis(total, rank + 1, -2)
    return interleave(total.reshape(*total.shape[: rank + 1], *phases, taps.shape[-1]), combs)
