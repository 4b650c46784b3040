"""`tiles`: the taps' gradient of depthwise and scalar stages as one fused sum inside tiles of y, then over the tiles.

    W[j] = sum_q ( sum_r x[(q*T + r)*down + j*dilation - lo] y[q*T + r] )        T places r of one tile in one loop

The inner sum has one result per tile and tap and is written once; x and y are read tile by tile while they are in the
caches, by all cores. A loop over rows (`rows`) keeps its sums in memory instead, and runs on one core.
"""

from __future__ import annotations

import math
from functools import reduce
from operator import add

import numpy as np
from jax import Array

from deconvjax.engine.layout import fit
from deconvjax.engine.rows import by_channel
from deconvjax.engine.spec import Shape, Spec

TERMS = 64  # places of a tile: summands of the fused loop
ENOUGH = 32  # more are added only where the window needs them
BESIDE = 16  # tiles of one row that are added up in one loop


def fits_gradient(spec: Spec) -> bool:
    """Scalar or depthwise (checked on the shapes), x not stuffed, windows no longer than the tiles."""
    return len(spec.axes) > 0 and all(a.up == 1 for a in spec.axes) and math.prod(_tile(spec)) <= TERMS


def _tile(spec: Spec) -> Shape:
    """Places per axis: as many as one window covers, more along the last axis while the loop stays short."""
    tile = [1 << (-(-a.taps // a.down) - 1).bit_length() for a in spec.axes]
    tile[-1] = max(tile[-1], ENOUGH // math.prod(tile[:-1]))
    return tuple(tile)


def _tiles(spec: Spec) -> tuple[Shape, int]:
    """Tiles per axis, and how many of the last axis are added up in one loop: equal parts of all."""
    *outer, last = [-(-a.out // t) for a, t in zip(spec.axes, _tile(spec), strict=True)]
    loops = -(-last // BESIDE)
    beside = -(-last // loops)
    return (*outer, loops * beside), beside


def filled(spec: Spec) -> float:
    """The share of the tiles' places that are samples of y."""
    return math.prod(spec.out) / math.prod((*_tiles(spec)[0], *_tile(spec)))


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    return by_channel(_depthwise, x, y, spec)


def _depthwise(x: Array, y: Array, spec: Spec) -> Array:
    tile, (tiles, beside) = _tile(spec), _tiles(spec)
    axes, rank, channels = spec.axes, len(spec.axes), x.shape[-1]
    places = [n * t for n, t in zip(tiles, tile, strict=True)]
    wanted = [(n + t - 1) * a.down for n, t, a in zip(places, tile, axes, strict=True)]
    x = fit(x, [(a.lo, n - a.lo - a.size) for a, n in zip(axes, wanted, strict=True)])
    y = fit(y, [(0, n - a.out) for a, n in zip(axes, places, strict=True)])
    y = y.reshape(y.shape[0], *[n for pair in zip(tiles, tile, strict=True) for n in pair], channels)
    split = [n for q, t, a in zip(tiles, tile, axes, strict=True) for n in (q, t * a.down)]
    window = [cut for a in axes for cut in (slice(None), slice(0, a.taps, a.dilation))]
    terms = []
    for at in np.ndindex(*tile):
        cut = [slice(r * a.down, (r + n) * a.down) for r, n, a in zip(at, places, axes, strict=True)]
        part = x[(slice(None), *cut)].reshape(x.shape[0], *split, channels)[(slice(None), *window)]
        terms.append(part * y[(slice(None), *[cut for r in at for cut in (slice(None), slice(r, r + 1))])])
    z = reduce(add, terms)  # (B, tiles, window, tiles, window, …, C)
    last = (slice(None),) * (2 * rank - 1)
    z = reduce(add, [z[(*last, slice(i, None, beside))] for i in range(beside)])
    return z.sum((0, *range(1, 2 * rank, 2))).astype(z.dtype)
