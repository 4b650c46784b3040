"""Rearrangements of data and taps shared by the strategies. All are copies: no arithmetic happens here.

XLA's CPU backend shapes these choices: `stack` of shifted slices is faster than one transposition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine.comb import Comb
from deconvjax.engine.products import summed
from deconvjax.engine.spec import Spec

Widths = Sequence[tuple[int, int]]
BESIDE = 8  # parts joined in one loop, which looks for each number in all of them


def canonical(rank: int) -> lax.ConvDimensionNumbers:
    """`b01f_01io->b01f`: the only numbering every backend keeps fast inside loop bodies."""
    data = (0, rank + 1, *range(1, rank + 1))
    return lax.ConvDimensionNumbers(data, (rank + 1, rank, *range(rank)), data)


def transposed_taps(taps: Array, spec: Spec) -> Array:
    """Taps of the stage `spec.T`: every axis reversed, channels swapped inside each group. Its own inverse."""
    rank = len(spec.axes)
    taps = lax.rev(taps, tuple(range(rank)))
    if spec.groups is None:
        return taps
    return swap_channels(taps, rank, spec.groups)


def swap_channels(taps: Array, rank: int, groups: int) -> Array:
    """(*window, in/g, g*out/g) -> (*window, out/g, g*in/g)."""
    if groups == 1:  # XLA looks through one transposition to the reversed kernel of cuDNN's backward-data, not more
        return jnp.swapaxes(taps, rank, rank + 1)
    *window, inner, outer = taps.shape
    taps = taps.reshape(*window, inner, groups, outer // groups)
    taps = jnp.swapaxes(taps, rank, rank + 2)
    return taps.reshape(*window, outer // groups, groups * inner)


def per_channel(taps: Array, spec: Spec, count: int) -> Array:
    """Scalar taps repeated as depthwise taps (*window, 1, count)."""
    return jnp.broadcast_to(taps[..., None, None], (*spec.window, 1, count))


def apart(x: Array, taps: Array, spec: Spec) -> tuple[Array, Array]:
    """x with a channel for each result's, and the taps (*window, C), or (*window, 1) of one filter for all channels."""
    if spec.scalar:
        return x, taps[..., None]
    many = taps.shape[-1] // x.shape[-1]
    if many > 1:  # group-major: channel c feeds outputs c*many … c*many + many - 1
        x = jnp.repeat(x, many, axis=-1)
    return x, taps.reshape(*spec.window, -1)


def fit(x: Array, widths: Widths) -> Array:
    """Zero-pad, or crop where negative, the spatial axes of x (B, *size, C).

    Once and for all: left to itself, XLA fuses the padding, a branch per element, into every reader. Rounded to its own
    precision: the same numbers, and to LLVM no mere copy, whose loop over up to about 70 channels it unrolls whole.
    """
    if 0 in x.shape or all(max(pair) <= 0 for pair in widths):
        return padded(x, widths)
    if jnp.issubdtype(x.dtype, jnp.floating):
        x = lax.reduce_precision(x, jnp.finfo(x.dtype).nexp, jnp.finfo(x.dtype).nmant)
    return lax.optimization_barrier(padded(x, widths))


def padded(x: Array, widths: Widths, beside: tuple[int, int] = (0, 0)) -> Array:
    """The same, and zeros beside the channels, left to XLA to fuse: for readers that do nothing else."""
    keep = [slice(max(0, -lo), max(n - max(0, -hi), 0)) for n, (lo, hi) in zip(x.shape[1:-1], widths, strict=True)]
    shape = [n + lo + hi for n, (lo, hi) in zip(x.shape[1:-1], widths, strict=True)]
    x = x[(slice(None), *keep)]
    if list(x.shape[1:-1]) == shape and beside == (0, 0):
        return x
    if 0 in x.shape:
        return lax.full_like(x, 0, shape=(x.shape[0], *shape, sum(beside) + x.shape[-1]))
    zeros = [(max(lo, 0), max(hi, 0), 0) for lo, hi in widths]
    return lax.pad(x, lax.full_like(x, 0, shape=()), [(0, 0, 0), *zeros, (*beside, 0)])


def cropped(x: Array, widths: Widths) -> tuple[Array, list[tuple[int, int]]]:
    """x without the samples that negative widths take away, and the zeros that are still to be added."""
    crops = [(min(lo, 0), min(hi, 0)) for lo, hi in widths]
    if any(n + lo + hi < 1 for n, (lo, hi) in zip(x.shape[1:-1], crops, strict=True)):
        crops = list(widths)  # nothing of x is read
    return fit(x, crops), [(lo - cut, hi - end) for (lo, hi), (cut, end) in zip(widths, crops, strict=True)]


def side_by_side(parts: Sequence[tuple[Array, Widths]]) -> Array:
    """Arrays, padded to one shape, joined along the channels: a sum, which XLA fuses with what makes the parts.

    A concatenation would read them from memory, where each would have been written before.
    """
    if len(parts) > BESIDE:
        return jnp.concatenate([padded(x, widths) for x, widths in parts], -1)
    c, last = parts[0][0].shape[-1], len(parts) - 1
    return summed([padded(x, widths, (i * c, (last - i) * c)) for i, (x, widths) in enumerate(parts)])


def runs(x: Array, count: int, step: int, window: int) -> Array:
    """(B, *rest, n, C) -> (B, *rest, count, window*C): the windows of the last axis, each a run of memory."""
    *rest, _, channels = x.shape
    rows = x.reshape(math.prod(rest), -1)
    starts = np.arange(count, dtype=np.int32)[:, None] * (step * channels)
    numbers = lax.GatherDimensionNumbers(offset_dims=(0, 2), collapsed_slice_dims=(), start_index_map=(1,))
    found = lax.gather(rows, starts, numbers, (rows.shape[0], window * channels), mode="promise_in_bounds")
    return found.reshape(*rest, count, window * channels)


def pieces(x: Array, starts: Sequence[Sequence[int]], size: Sequence[int], loops: int) -> Array:
    """x[p, :, start : start + size] of all (p, *start) in `starts`, as many in each loop; x (places, B, *samples)."""
    sizes = (1, x.shape[1], *size)
    numbers = lax.GatherDimensionNumbers(
        offset_dims=tuple(range(1, x.ndim)), collapsed_slice_dims=(0,), start_index_map=(0, *range(2, x.ndim))
    )

    def some(starts: Array) -> Array:
        return lax.gather(x, starts, numbers, sizes, mode="promise_in_bounds")

    found = lax.map(some, jnp.array(starts, np.int32).reshape(loops, -1, x.ndim - 1))
    return found.reshape(-1, *found.shape[2:])


def window_slices(x: Array, starts: Sequence[int], counts: Sequence[int], steps: Sequence[int]) -> Array:
    """x[:, start : … : step, :] with `count` samples per spatial axis."""
    ends = [s + (n - 1) * d + 1 for s, n, d in zip(starts, counts, steps, strict=True)]
    return lax.slice(x, (0, *starts, 0), (x.shape[0], *ends, x.shape[-1]), (1, *steps, 1))


def windows(x: Array, combs: Sequence[Comb], widths: Sequence[int]) -> list[Array]:
    """What each of `widths` taps per axis meets, in order; x is framed."""
    counts, steps = [c.count for c in combs], [c.step for c in combs]
    places = [[w * c.grid for w, c in zip(at, combs, strict=True)] for at in np.ndindex(*widths)]
    return [window_slices(x, at, counts, steps) for at in places]


def frame(x: Array, combs: Sequence[Comb], extra: Sequence[int] | None = None) -> Array:
    """x padded so that every window of every comb lies inside, and nothing more (but `extra` on the high side)."""
    extra = extra or [0] * len(combs)
    return fit(x, [(c.pad, c.reach + more - c.pad - c.size) for c, more in zip(combs, extra, strict=True)])


def comb_taps(taps: Array, combs: Sequence[Comb], gathered: bool = False) -> Array:
    """(*window, *rest) -> (width, phases, width, phases, …, *rest), zeros where a comb has no tap.

    `gathered`: by a gather, which XLA writes to memory by itself, where it would fuse padding and turning into readers.
    """
    for i, c in enumerate(combs):
        axis, first = 2 * i, None if gathered and c.phases > 1 else c.first
        if first is None:
            taps = taken(taps, axis, np.array(c.table).ravel())
        else:
            taps = _extended(taps, axis, -first, first + c.width * c.phases - c.window)
        taps = taps.reshape(*taps.shape[:axis], c.width, c.phases, *taps.shape[axis + 1 :])
        if first is not None and c.phases > 1:
            taps = lax.rev(taps, (axis + 1,))
    return taps


def _extended(taps: Array, axis: int, before: int, after: int) -> Array:
    """Zeros before and after the taps of one axis."""
    widths = [(0, 0, 0)] * taps.ndim
    widths[axis] = (before, after, 0)
    return lax.pad(taps, lax.full_like(taps, 0, shape=()), widths) if before or after else taps


def taken(taps: Array, axis: int, index: np.ndarray) -> Array:
    """taps[index] along one axis, zero where index is -1."""
    if (index < 0).any():
        more = [(0, int(i == axis), 0) for i in range(taps.ndim)]
        taps = lax.pad(taps, lax.full_like(taps, 0, shape=()), more)
        index = np.where(index < 0, taps.shape[axis] - 1, index)
    rest = tuple(i for i in range(taps.ndim) if i != axis)
    numbers = lax.GatherDimensionNumbers(offset_dims=rest, collapsed_slice_dims=(axis,), start_index_map=(axis,))
    sizes = [1 if i == axis else n for i, n in enumerate(taps.shape)]
    return lax.gather(taps, index[:, None].astype(np.int32), numbers, sizes, mode="promise_in_bounds")


def interleave(z: Array, combs: Sequence[Comb]) -> Array:
    """(B, *count, *phases, C) -> (B, *out, C): sample m of comb r goes to m*phases + r - skip."""
    rank = len(combs)
    if all(c.phases == 1 for c in combs):
        z = z.reshape(z.shape[0], *z.shape[1 : rank + 1], z.shape[-1])
    else:
        order = [axis for i in range(rank) for axis in (1 + i, 1 + rank + i)]
        z = jnp.transpose(z, (0, *order, 2 * rank + 1))
    return joined(z, combs)


def joined(z: Array, combs: Sequence[Comb]) -> Array:
    """(B, count, phases, count, phases, …, C) -> (B, *out, C)."""
    z = z.reshape(z.shape[0], *[c.count * c.phases for c in combs], z.shape[-1])
    return window_slices(z, [c.skip for c in combs], [c.out for c in combs], [1] * len(combs))
