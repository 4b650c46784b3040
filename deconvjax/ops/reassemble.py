"""Upsampling whose taps vary with the position: the general form behind learned, guided and switched upsampling."""

from __future__ import annotations

from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves.extend import Extend
from deconvjax.leaves.reassemble import Reassemble
from deconvjax.ops.arguments import Factor, integer, integers, length, numbers, one_of


def reassemble(weights: Any, factor: Factor, *, groups: int | None = None, border: str = "zero") -> LinearMap:
    """y[p, c] = sum_d M[p, d] x[floor(p/s) + d, c],  d = -((K-1)//2) ... K//2: a stage with taps of its own at each p.

    CARAFE, SAPA, RAFT's convex upsampling, joint bilateral (FeatUp) upsampling, nearest, bilinear and unpooling are all
    this map with different weights M. It is linear in x given M; M may be traced and differentiated, and taps that are
    the same at every p (for each phase p mod s) make it the stage `convolve(q) @ upsample(s)`.

    Args:
        weights: M, `(*batch, *space_out, *window)`, or `(*batch, *space_out, *window, groups)` where `groups` is given.
            Batch axes of M are batch axes of x (1 is shared by all entries); x may have more in front.
        factor: s, an int for the two axes of an image, or one int for each space axis.
        groups: number of groups of consecutive channels with weights of their own.
        border: what x is outside: "zero", or "edge" (the border sample goes on).

    Shapes: x `(*batch, *space, channels)`, space = ceil(space_out/s), to `(*batch, *space_out, channels)`. A NumPy M
    takes x's dtype, a JAX array promotes with it; 16-bit floats are summed in float32.

    Raises:
        TypeError: weights that are not numbers, a factor that is not an int. ValueError: a factor below 1, an unknown
        border. ShapeError: weights of too few axes or of other groups, or (when bound) an x that does not fit them.

    Source: Wang et al., "CARAFE: Content-aware reassembly of features", ICCV 2019; Teed & Deng, "RAFT", ECCV 2020.

    >>> import deconvjax as dj, numpy as np
    >>> M = np.array([[0, 1], [.5, .5], [0, 1], [1, 0]])      # four outputs, two taps each: d = 0, 1
    >>> print(dj.reassemble(M, (2,)).on((2, 1)).matrix())
    [[0.  1. ]
     [0.5 0.5]
     [0.  0. ]
     [0.  1. ]]
    """
    count = length(factor)
    if count == 0:
        raise ShapeError(complaint("reassemble", "factor is empty", got="()", expected="one int for each space axis",
                                   fix="use factor=2 for images"))
    up = integers(factor, 2 if count is None else count, "reassemble", "factor", 1)
    array, weak = numbers(weights, "reassemble", "weights")
    ndim = len(up)
    grouped = groups is not None
    if array.ndim < 2 * ndim + grouped:
        raise ShapeError(complaint("reassemble", "weights have too few axes", got=f"shape {array.shape}",
                                   expected=f"(*batch, {ndim} space axes, {ndim} window axes{', groups' * grouped})",
                                   fix="give factor one entry for each space axis"))
    if not grouped:
        array = array[..., None]
    elif array.shape[-1] != integer(groups, "reassemble", "groups", 1):
        raise ShapeError(complaint("reassemble", "the last axis of weights holds the groups",
                                   got=f"{array.shape[-1]} in shape {array.shape}", expected=f"groups={groups}",
                                   fix="reshape weights to (*batch, *space_out, *window, groups)"))
    one_of(border, ("zero", "edge"), "reassemble", "border")
    reach = tuple(((k - 1) // 2, k // 2) for k in array.shape[-ndim - 1: -1])
    if border == "zero" or not any(map(any, reach)):
        return Reassemble(array, up, reach, weak=weak)
    axes = tuple(range(-ndim - 1, -1))
    return Reassemble(array, up, ((0, 0),) * ndim, weak=weak) @ Extend(reach, axes, "edge")
