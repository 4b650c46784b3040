"""Gradients in the taps as a sum over pieces of the batch, so that what a product copies stays a few times x and y.

With W(x, y) = sum_p W(x[p], y[p]), the pieces p of as many images each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from jax import Array, lax

from deconvjax.engine.once import once
from deconvjax.engine.spec import Shape, Spec

ROOM = 3.3  # numbers copied for each of x and y
FREE = 1 << 23  # numbers that may be copied however small x and y are: smaller products are slower


def by_images(gradient: Callable[..., Array], x: Array, y: Array, spec: Spec, size: int) -> Array:
    """W of a channelled stage by a `gradient` of `size` images, which divide the batch, its operands in memory."""
    shape = (*spec.window, x.shape[-1] // (spec.groups or 1), y.shape[-1])
    found = partial(once, partial(gradient, spec=spec), shape)
    return found(x, y) if size == x.shape[0] else summed_pieces(found, x, y, shape, size)


def summed_pieces(found: Callable[..., Array], x: Array, y: Array, shape: Shape, size: int) -> Array:
    """The sum of `found`, of that shape, over pieces of `size` images; the batch may be a symbol (`jax.export`)."""

    def add(i: Array | int, total: Array) -> Array:
        piece = [lax.dynamic_slice(a, (i * size, *[0] * (a.ndim - 1)), (size, *a.shape[1:])) for a in (x, y)]
        return total + found(*piece)

    return lax.fori_loop(0, x.shape[0] // size, add, jnp.zeros(shape, x.dtype))


def fitting(batch: int, copied: int, held: int) -> int:
    """The most images that divide the batch and whose copies are no more than a few times their x and y.

    Of all images at once: `copied` numbers, of x and y that hold `held`.
    """
    most = max(1, math.floor(batch * max(FREE, ROOM * held) / max(copied, 1)))
    return max(n for n in range(1, min(batch, most) + 1) if batch % n == 0)
