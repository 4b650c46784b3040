"""`col2im`: one product of every sample by all taps, then each result adds up what belongs to it.

    z[m, j] = k[j]^T x[m]        F[m*phases + r - skip] = sum_w z[m + w*grid - pad, table[w][r]]

x is read once, as it lies, and only taps that exist are multiplied: the choice where a window's results (taps times
output channels) are few beside the channels that go in, as in the last layer of a segmentation head or of a generator,
and in the gradient of a first layer in its image. The name is that of the loop in Caffe's deconvolution layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine.comb import Comb, comb
from deconvjax.engine.layout import Widths, fit, interleave
from deconvjax.engine.products import dot, summed
from deconvjax.engine.spec import Spec

TERMS = 128  # summands, all combs together: more compile slowly
COMBS = 8  # loops
LANES = 16  # results that one multiplication gives, wanted or not
MOVED = (100, 45)  # multiply-adds in the time that a number of z takes; where several combs have few results
HELD = 2.9  # numbers of z over those of x and y: more would be too much memory

Multiply = Callable[[Array, Widths], Array]


def fits(spec: Spec) -> bool:
    """One group of channels, no sample skipped, not too many taps and combs."""
    combs = [comb(a) for a in spec.axes]
    few = math.prod(spec.window) <= TERMS and math.prod(c.phases for c in combs) <= COMBS
    return spec.groups == 1 and len(combs) > 0 and few and all(c.step == 1 for c in combs)


def held(spec: Spec, cin: int, cout: int) -> bool:
    """Whether it can run, and z is not many times larger than x and y."""
    kept = math.prod(spec.size) * cin + math.prod(spec.out) * cout
    return fits(spec) and between(spec, cout) <= HELD * kept


def cheaper(spec: Spec, cin: int, cout: int) -> bool:
    """Whether this takes less time than a convolution by all combs at once, both on vectors of `LANES` results."""
    if not held(spec, cin, cout):
        return False
    combs = [comb(a) for a in spec.axes]
    phases, width = math.prod(c.phases for c in combs), math.prod(c.width for c in combs)
    columns = math.prod(spec.window) * cout
    saved = width * _filled(phases * cout) - _filled(columns)
    return saved * cin > MOVED[1 < phases <= phases * cout < 2 * LANES] * columns


def between(spec: Spec, cout: int) -> int:
    """Numbers of z for one image."""
    return math.prod(max(comb(a).reach, 0) for a in spec.axes) * math.prod(spec.window) * cout


def _filled(results: int) -> int:
    return -(-results // LANES) * LANES


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""
    by = matrix(taps)

    def multiply(x: Array, widths: Widths) -> Array:
        return fit(dot(x, by, (((x.ndim - 1,), (0,)), ((), ())), spec.precision), widths)

    return scattered(x, taps.shape[-1], spec, multiply)


def matrix(taps: Array) -> Array:
    """(*window, Cin, Cout) -> (Cin, window * Cout)."""
    return jnp.moveaxis(taps, -2, 0).reshape(taps.shape[-2], -1)


def scattered(x: Array, cout: int, spec: Spec, multiply: Multiply) -> Array:
    """F by whichever product: `multiply(x, widths)` is every sample times `matrix`, zeros around or samples cropped."""
    rank = len(spec.axes)
    combs = [comb(a) for a in spec.axes]
    z = multiply(x, [c.border for c in combs])
    z = z.reshape(*z.shape[:-1], *spec.window, cout)
    phases = [c.phases for c in combs]
    parts = [_added(z, combs, at) for at in np.ndindex(*phases)]
    if len(parts) > 1:  # else each result would look for its comb among all of them
        parts = lax.optimization_barrier(parts)
    y = jnp.stack(parts, rank + 1)
    return interleave(y.reshape(*y.shape[: rank + 1], *phases, cout), combs)


def _added(z: Array, combs: Sequence[Comb], at: Sequence[int]) -> Array:
    """The results of one comb; z is (B, *reach, *window, Cout)."""
    terms = []
    for taps in product(*[c.live(r) for c, r in zip(combs, at, strict=True)]):
        cut = [slice(w * c.grid, w * c.grid + c.count) for (w, _), c in zip(taps, combs, strict=True)]
        terms.append(z[(slice(None), *cut, *[j for _, j in taps])])
    shape = (z.shape[0], *[c.count for c in combs], z.shape[-1])
    return summed(terms) if terms else lax.full_like(z, 0, shape=shape)
