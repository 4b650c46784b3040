"""Pooling as linear maps: averaging is one; taking maxima is one as soon as its switches are known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from deconvjax.algebra import LinearMap
from deconvjax.axis import Axis, Rate
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves import Stage
from deconvjax.leaves.renormalize import Renormalize
from deconvjax.leaves.select import Select
from deconvjax.ops.arguments import Factor, Widths, integer, integers, length, one_of, pairs
from deconvjax.space import Space

Padding: TypeAlias = str | int | Widths


def average_pool(
    window: Factor, strides: Factor, padding: Padding = "VALID", *, count_include_pad: bool = True
) -> LinearMap:
    """y[n, c] = mean of x[n*stride + j - lo, c] over j = 0 ... window-1: average pooling.

    One stage: a box filter and the stride. Padding counts as zeros, or with `count_include_pad=False` not at all.

    Args:
        window: samples averaged: an int for the two axes of an image, or a tuple with one int for each space axis.
        strides: likewise, one int for all axes or one for each. (There is no default: Flax's is 1, torch's the window.)
        padding: "VALID", "SAME" (length ceil(n/stride), the odd pad behind), "SAME_LOWER" (in front), an int for both
            sides, or `(lo, hi)` for each axis.
        count_include_pad: divide by the window's size (True) or by the number of samples it holds (False).

    Shapes: `(*batch, *space, channels)` to `(*batch, *space', channels)`, lengths (n + lo + hi - window)//stride + 1.
    Integers are promoted to floating point.

    Raises:
        TypeError: sizes that are not ints. ValueError: sizes below 1, an unknown padding. ShapeError, when bound: a
        window longer than the padded signal, or one that holds only padding while padding does not count.

    Source: flax.linen.avg_pool 0.12; torch.nn.AvgPool2d 2.13.

    >>> import deconvjax as dj
    >>> print(dj.average_pool((2,), 2).on((4, 1)).matrix())
    [[0.5 0.5 0.  0. ]
     [0.  0.  0.5 0.5]]
    """
    size, down, name, pads = _geometry("average_pool", window, strides, padding)
    if not isinstance(count_include_pad, (bool, np.bool_)):
        raise TypeError(complaint("average_pool", "count_include_pad is a switch", got=repr(count_include_pad),
                                  expected="True or False", fix="use count_include_pad=False to average samples only"))
    box = np.full(size, 1 / math.prod(size))
    box.setflags(write=False)
    rates = tuple(Rate(down=d, lo=lo, hi=hi, same=name) for d, (lo, hi) in zip(down, pads, strict=True))
    stage = Stage(box, rates, tuple(range(-len(size) - 1, -1)))
    padded = bool(name) or any(lo > 0 or hi > 0 for lo, hi in pads)
    return Renormalize(stage) if padded and not count_include_pad else stage


def max_pool_switches(
    x: Any, window: Factor, strides: Factor, padding: Padding = "VALID", *, dilation: Factor = 1
) -> tuple[jax.Array, jax.Array]:
    """(y, m) with y[n, c] = max over j of x[n*stride + j*dilation - lo, c] and y[n, c] = x[m[n, c], c]: max-pooling.

    The maximum is not linear, reading x at the switches m is: `unpool(m, space)` is the map whose transpose gathers,
    so y equals `unpool(m, space).on(y).T(x)`. Runs under `jit`, `vmap` and `grad`.

    Args:
        x: `(*batch, *space, channels)`, real, integer or bool.
        window, strides, padding: as `average_pool`. Padding is never chosen, whatever x holds.
        dilation: distance of the samples that a window reads, one int or one for each axis.

    Returns:
        y, of x's dtype, and m, int32: both `(*batch, *space', channels)`. A switch counts within its own channel of its
        own batch entry, in row-major order over x's space, padding not counted (torch's convention). The first maximum
        of a window wins a tie; a NaN counts as the maximum.

    Raises:
        TypeError: complex x, sizes that are not ints. ValueError: sizes below 1, an unknown padding. ShapeError: too
        few axes, a window longer than the padded signal, a window that holds only padding.

    Source: torch.nn.functional.max_pool2d(return_indices=True) 2.13; Zeiler & Fergus, ECCV 2014 (switches).

    >>> import deconvjax as dj, jax.numpy as jnp
    >>> y, m = dj.max_pool_switches(jnp.array([3., 9., 4., 4.])[:, None], (2,), 2)
    >>> print(y[:, 0], m[:, 0])
    [9. 4.] [1 2]
    """
    operator = "max_pool_switches"
    size, down, name, pads = _geometry(operator, window, strides, padding)
    spread = integers(dilation, len(size), operator, "dilation", 1)
    Space.of_value(x, operator=operator)  # refuses what is no array
    x = jnp.asarray(x)
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise TypeError(complaint(operator, "complex numbers have no order", got=x.dtype, expected="a real dtype",
                                  fix="pool jnp.abs(x)"))
    if x.ndim <= len(size) or 0 in x.shape:
        raise ShapeError(complaint(operator, "x does not have this shape", got=f"shape {x.shape}",
                                   expected=f"(*batch, {len(size)} space axes, channels), none of length 0",
                                   fix="add the channel axis with x[..., None], or give window one int for each axis"))
    space = x.shape[-1 - len(size): -1]
    where = range(-len(size) - 1, -1)
    rates = [Rate(1, d, e, lo, hi, name) for d, e, (lo, hi) in zip(down, spread, pads, strict=True)]
    axes = [rate.axis(n, k, operator, f"axis {axis} of x")
            for rate, n, k, axis in zip(rates, space, size, where, strict=True)]
    for axis, g in zip(where, axes, strict=True):
        reads = np.arange(g.out)[:, None] * g.down + np.arange(g.window) * g.dilation - g.lo
        if not ((reads >= 0) & (reads < g.size)).any(1).all():
            raise ShapeError(complaint(operator, f"a window on axis {axis} holds only padding",
                                       got=f"pads {(g.lo, g.hi)}", expected="at least one sample in each window",
                                       fix="pad by less than the window"))
    return _pooled(x, tuple(axes))


def unpool(switches: Any, output_shape: Factor) -> LinearMap:
    """y[m, c] = sum of x[n, c] over all n with switches[n, c] = m: each value back to where it was found.

    The transpose of max-pooling with its switches known; `unpool(...).on(...).T` gathers. Where windows overlapped and
    two switches name one sample, both values add up, as a transpose must (frameworks keep the one written last).

    Args:
        switches: ints `(*batch, *space, channels)`, as `max_pool_switches` gives them: flat row-major positions in
            `output_shape`, within one channel of one batch entry.
        output_shape: sizes of the space to fill: one int for both axes of an image, or one for each space axis.

    Shapes: x as `switches` (and any further batch axes in front) to `(*batch, *output_shape, channels)`. Any dtype.

    Raises:
        TypeError: switches that are not ints. ValueError: sizes below 1, switches outside `output_shape` (while tracing
        they cannot be seen: such switches name the nearest end). ShapeError: too few axes, or (when bound) an x of
        another shape.

    Source: torch.nn.MaxUnpool2d 2.13; Zeiler, Taylor & Fergus, ICCV 2011.

    >>> import deconvjax as dj, numpy as np
    >>> print(dj.unpool(np.array([[1], [2]]), (4,)).on((2, 1)).matrix())
    [[0. 0.]
     [1. 0.]
     [0. 1.]
     [0. 0.]]
    """
    count = length(output_shape)
    size = integers(output_shape, 2 if count is None else count, "unpool", "output_shape", 1)
    if not isinstance(switches, jax.Array):
        switches = np.asarray(switches)
    if not jnp.issubdtype(switches.dtype, jnp.integer):
        raise TypeError(complaint("unpool", "switches are positions", got=f"dtype {switches.dtype}",
                                  expected="an integer array", fix="use the switches that max_pool_switches gives"))
    if not size or switches.ndim <= len(size) or 0 in switches.shape:
        raise ShapeError(complaint("unpool", "switches and output_shape do not go together",
                                   got=f"switches of shape {switches.shape}, output_shape={output_shape}",
                                   expected="(*batch, *space, channels) with one size for each space axis",
                                   fix="add the channel axis with switches[..., None]"))
    if not isinstance(switches, Tracer):
        low, high = int(switches.min()), int(switches.max())
        if low < 0 or high >= math.prod(size):
            raise ValueError(complaint("unpool", "a switch lies outside output_shape", got=f"values {low} to {high}",
                                       expected=f"0 to {math.prod(size) - 1}, positions in {size}",
                                       fix="pass the space that was pooled; count within one channel of one entry"))
    return Select(switches, size, scatter=True)


def _geometry(
    operator: str, window: Factor, strides: Factor, padding: Padding
) -> tuple[tuple[int, ...], tuple[int, ...], str, tuple[tuple[int, int], ...]]:
    """(window, strides, the name of a SAME rule or "", pads), one entry for each space axis."""
    count = length(window)
    if count == 0:
        raise ShapeError(complaint(operator, "window is empty", got="()", expected="one int for each space axis",
                                   fix="use window=2 for images"))
    size = integers(window, 2 if count is None else count, operator, "window", 1)
    down = integers(strides, len(size), operator, "strides", 1)
    zero = ((0, 0),) * len(size)
    if isinstance(padding, str):
        one_of(padding, ("VALID", "SAME", "SAME_LOWER"), operator, "padding", ", an int, or one (lo, hi) for each axis")
        return size, down, {"SAME": "upper", "SAME_LOWER": "lower"}.get(padding, ""), zero
    if length(padding) is None:
        each = integer(padding, operator, "padding", 0)
        return size, down, "", ((each, each),) * len(size)
    return size, down, "", pairs(padding, len(size), operator, "padding")


@partial(jax.custom_jvp, nondiff_argnums=(1,))
@partial(jax.jit, static_argnums=(1,))
def _pooled(x: jax.Array, axes: tuple[Axis, ...]) -> tuple[jax.Array, jax.Array]:
    """Each window's first maximum and its flat position, in one pass over the window's places (strided slices)."""
    (best, seen), *others = _places(x, axes)
    tap = jnp.zeros(best.shape, jnp.int32)
    for number, (view, inside) in enumerate(others, 1):
        better = view > best
        if jnp.issubdtype(x.dtype, jnp.floating):
            better |= jnp.isnan(view) & ~jnp.isnan(best)
        better = (better | ~seen) & inside
        best, tap, seen = jnp.where(better, view, best), jnp.where(better, number, tap), seen | inside
    flat = 0
    steps = np.unravel_index(np.arange(math.prod(g.window for g in axes)), [g.window for g in axes])
    for position, (g, step) in enumerate(zip(axes, steps, strict=True)):
        shape = [1] * x.ndim
        shape[position - len(axes) - 1] = g.out
        start = (jnp.arange(g.out, dtype=jnp.int32) * g.down - g.lo).reshape(shape)
        flat = flat * g.size + start + jnp.asarray(step * g.dilation, jnp.int32)[tap]
    return best, flat  # type: ignore[return-value]


@_pooled.defjvp
def _pooled_jvp(axes: tuple[Axis, ...], primals: Any, tangents: Any) -> Any:
    values, switches = _pooled(*primals, axes)
    moved = Select(switches, tuple(g.size for g in axes)).on(tangents[0])._apply(tangents[0])
    return (values, switches), (moved, np.zeros(switches.shape, jax.dtypes.float0))


def _places(x: jax.Array, axes: tuple[Axis, ...]) -> Iterator[tuple[jax.Array, Any]]:
    """For each place of the window, in row-major order: what every output reads there, and whether it lies inside x."""
    lead = [(0, 0, 0)] * (x.ndim - len(axes) - 1)
    z = lax.pad(x, jnp.zeros((), x.dtype), [*lead, *((g.lo, g.hi, 0) for g in axes), (0, 0, 0)])
    for steps in product(*(range(g.window) for g in axes)):
        start = [s * g.dilation for s, g in zip(steps, axes, strict=True)]
        stop = [a + (g.out - 1) * g.down + 1 for a, g in zip(start, axes, strict=True)]
        view = lax.slice(z, [0] * len(lead) + start + [0], [*z.shape[:len(lead)], *stop, z.shape[-1]],
                         [1] * len(lead) + [g.down for g in axes] + [1])
        inside: Any = True
        for position, (a, g) in enumerate(zip(start, axes, strict=True)):
            read = np.arange(g.out) * g.down + a - g.lo
            shape = [1] * x.ndim
            shape[position - len(axes) - 1] = g.out
            inside = inside & ((read >= 0) & (read < g.size)).reshape(shape)
        yield view, inside
