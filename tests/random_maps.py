"""One random bound map in integers: a pulse, a filter, a kernel, a border or a scalar on a given space."""

import numpy as np

from deconvjax.algebra import Identity, Scaled
from deconvjax.axis import Axis, Rate
from deconvjax.leaves.extend import MODES, Extend
from deconvjax.leaves.stage import Stage

LARGEST = 9  # samples of one axis
MOST = 90  # samples of one signal


def random_map(rng, space, ndim, channels):
    """One map on `space`, or None where the draw does not fit."""
    kind = rng.choice(["pulse", "filter", "kernel", "extend", "scalar"], p=[0.42, 0.26, 0.14, 0.13, 0.05])
    if kind == "scalar":
        return Scaled(int(rng.choice([-1, 2, 3])), Identity()).on(space)
    first = -ndim - channels
    if kind == "extend":
        return _extend(rng, space, first, ndim)
    if kind == "kernel" and not channels:
        kind = "filter"
    if kind == "kernel":
        axes = tuple(range(-ndim - 1, -1))
        stage = _kernel(rng, space.shape[-1], ndim)
    else:
        count = int(rng.integers(1, ndim + 1))
        axes = tuple(sorted(int(a) for a in rng.choice(np.arange(first, first + ndim), count, replace=False)))
        taps = None if kind == "pulse" else rng.integers(-2, 3, tuple(rng.choice([1, 2, 3], count)))
        stage = Stage(taps, (), axes, flip=bool(taps is not None and rng.random() < 0.3))
    sizes = [space.shape[axis] for axis in axes]
    axis_of = [_axis(rng, n, w, kind == "pulse") for n, w in zip(sizes, stage.window, strict=False)]
    if any(a is None for a in axis_of):
        return None
    rates = tuple(Rate.of(a.normal) for a in axis_of)
    bound = Stage(stage.taps, rates, axes, stage.groups, stage.flip).on(space)
    return bound if bound._codomain().size <= MOST else None


def _kernel(rng, cin, ndim):
    groups = int(rng.choice([g for g in (1, 2, 4) if cin % g == 0]))
    cout = groups * int(rng.choice([1, 2])) if groups < 4 else 4
    window = tuple(rng.choice([1, 2, 3], ndim, p=[0.4, 0.4, 0.2]))
    flip = bool(rng.random() < 0.3)
    shape = (cout // groups, cin) if flip else (cin // groups, cout)
    return Stage(rng.integers(-2, 3, (*window, *shape)), (), (0,) * ndim, groups, flip)


def _axis(rng, size, window, pulse):
    style = rng.choice(["any", "up", "down", "window", "same", "full", "valid"])
    up = int(rng.choice([1, 2, 3, 4])) if style in ("any", "up") else 1
    down = int(rng.choice([1, 2, 3, 4])) if style in ("any", "down") else 1
    dilation = int(rng.choice([1, 1, 2])) if window > 1 else 1
    axis = Axis(size, int(window), dilation, up, down)
    lo, hi = {"same": ((axis.taps - 1) // 2, axis.taps // 2), "full": (axis.taps - 1,) * 2, "valid": (0, 0),
              "up": (0, up - 1), "down": (-int(rng.integers(0, down)), 0)}.get(style, tuple(rng.integers(-2, 4, 2)))
    axis = Axis(size, int(window), dilation, up, down, int(lo), int(hi))
    return axis if 1 <= axis.out <= LARGEST + 3 else None


def _extend(rng, space, first, ndim):
    axes = tuple(sorted(int(a) for a in rng.choice(np.arange(first, first + ndim), int(rng.integers(1, ndim + 1)),
                                                   replace=False)))
    widths = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (len(axes), 2)))
    fold = bool(rng.random() < 0.4)
    if fold and any(space.shape[axis] <= sum(w) for axis, w in zip(axes, widths, strict=True)):
        return None
    bound = Extend(widths, axes, str(rng.choice(MODES)), fold).on(space)
    return bound if bound._codomain().size <= MOST else None
