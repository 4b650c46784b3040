"""`tiles`: the taps' gradient of depthwise and scalar stages as one fused sum inside tiles of y, then over the tiles.

    W[j] = sum_q ( sum_r x[(q*T + r)*down + j*dilation - lo] y[q*T + r] )        T places r of one tile in one loop

The inner sum has one result per tile and tap and is written once; x and y are read tile by tile while they are in the
caches, by all cores. A loop over rows (`rows`) keeps its sums in memory instead, and runs on one core.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from jax import Array, lax

from deconvjax.axis import Axis
from deconvjax.engine.layout import Widths, fit, padded, window_slices
from deconvjax.engine.rows import by_channel
from deconvjax.engine.spec import Shape, Spec

TERMS = 64  # places of a tile: summands of the fused loop
LONG = 256  # summands that double the time of a loop
SMALL = 256  # taps of a window of several axes up to which a tile's sums are written side by side


def fits_gradient(spec: Spec) -> bool:
    """Scalar or depthwise (checked on the shapes), x not stuffed, windows no longer than the tiles."""
    return len(spec.axes) > 0 and all(a.up == 1 for a in spec.axes) and math.prod(_least(spec)) <= TERMS


def _least(spec: Spec) -> Shape:
    """Places per axis of the smallest tile: as many as one window covers."""
    return tuple(-(-a.taps // a.down) for a in spec.axes)


@lru_cache(maxsize=4096)
def _tile(spec: Spec) -> Shape:
    """Places per axis: those for which padding, sums and loops cost least."""
    least = _least(spec)
    found: list[Shape] = [()]
    for i, low in enumerate(least):
        rest = math.prod(least[i + 1 :])
        found = [(*t, n) for t in found for n in range(low, TERMS // (math.prod(t) * rest) + 1)]
    return min(found, key=partial(_price, spec))


def _price(spec: Spec, tile: Shape) -> float:
    """Numbers read and written in padding x, y (where it is no whole number of tiles) and in the sums of all tiles."""
    tiles, kept = _tiles(spec, tile), math.prod(spec.out)
    x = math.prod(_wanted(a, n, t) for a, n, t in zip(spec.axes, tiles, tile, strict=True))
    places = math.prod((*tiles, *tile))
    copied = x + (places if places > kept else 0) + math.prod((*tiles, *spec.window))
    return copied * (1 + math.prod(tile) / LONG)


def _tiles(spec: Spec, tile: Shape) -> Shape:
    """Tiles per axis."""
    return tuple(-(-a.out // t) for a, t in zip(spec.axes, tile, strict=True))


def _wanted(axis: Axis, tiles: int, tile: int) -> int:
    """Samples of x: each place of a tile reads as many as the whole tile covers."""
    return (tiles * tile + tile - 1) * axis.down


def filled(spec: Spec) -> float:
    """The share of the tiles' places that are samples of y."""
    tile = _tile(spec)
    return math.prod(spec.out) / math.prod((*_tiles(spec, tile), *tile))


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    return by_channel(partial(_depthwise, pad=fit, added=_added), x, y, spec)


def by_axis(x: Array, y: Array, spec: Spec) -> Array:
    """W as accelerators like it: padding inside the loop, then one sum per axis, each over neighbours in memory.

    A sum over axes that lie apart makes XLA write the loop's result transposed, in many kernels.
    """
    return by_channel(partial(_depthwise, pad=padded, added=_added_by_axis), x, y, spec)


def _depthwise(
    x: Array, y: Array, spec: Spec, pad: Callable[[Array, Widths], Array], added: Callable[[Array, Shape], Array]
) -> Array:
    tile = _tile(spec)
    tiles = _tiles(spec, tile)
    axes, rank, channels = spec.axes, len(spec.axes), x.shape[-1]
    places = [n * t for n, t in zip(tiles, tile, strict=True)]
    wanted = [_wanted(a, n, t) for a, n, t in zip(axes, tiles, tile, strict=True)]
    x = pad(x, [(a.lo, n - a.lo - a.size) for a, n in zip(axes, wanted, strict=True)])
    y = pad(y, [(0, n - a.out) for a, n in zip(axes, places, strict=True)])
    y = y.reshape(y.shape[0], *[n for pair in zip(tiles, tile, strict=True) for n in pair], channels)
    split = [n for q, t, a in zip(tiles, tile, axes, strict=True) for n in (q, t * a.down)]
    read, ones = [n * a.down for n, a in zip(places, axes, strict=True)], [1] * (2 * rank)
    window = [n for q, a in zip(tiles, axes, strict=True) for n in (q, a.window)]
    steps = [n for a in axes for n in (1, a.dilation)]
    terms = []
    for at in np.ndindex(*tile):
        part = window_slices(x, [r * a.down for r, a in zip(at, axes, strict=True)], read, ones[:rank])
        part = window_slices(part.reshape(x.shape[0], *split, channels), [0] * (2 * rank), window, steps)
        place = window_slices(y, [n for r in at for n in (0, r)], [n for q in tiles for n in (q, 1)], ones)
        terms.append(part * place)
    return added(_pairwise(terms), (0, *range(1, 2 * rank, 2)))  # (B, tiles, window, tiles, window, …, C)


def _pairwise(terms: list[Array]) -> Array:
    """Their sum: short chains of additions."""
    while len(terms) > 1:
        terms = [lax.add(a, b) for a, b in zip(terms[::2], terms[1::2], strict=False)] + terms[len(terms) & ~1 :]
    return terms[0]


def _added(z: Array, axes: Shape) -> Array:
    """The sum over `axes`, each term computed in the loop that writes z, small windows tile by tile.

    XLA gives a sum to YNNPACK with all additions before it, whose operands it then writes one by one; not so past a
    reversed axis, which changes no sum.
    """
    z = lax.rev(z, [a for a in axes if z.shape[a] > 1][:1])
    kept = [a for a in range(z.ndim) if a not in axes]
    window = [z.shape[a] for a in kept]
    if len(axes) > 2 and math.prod(window[:-1]) <= SMALL:
        z, axes = lax.transpose(z, (*axes, *kept)).reshape(-1, math.prod(window)), (0,)
    return lax.optimization_barrier(z).sum(axes).reshape(window).astype(z.dtype)


def _added_by_axis(z: Array, axes: Shape) -> Array:
    """The sum over `axes`, the last one first; the images with the first of them, beside which they lie."""
    for a in reversed(axes[2:]):
        z = lax.optimization_barrier(z).sum(a)
    return lax.optimization_barrier(z).sum(axes[:2]).astype(z.dtype)
