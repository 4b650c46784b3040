"""`fourier`: scalar stages through the FFT: for windows so long that the sum over taps costs more.

    F = down(irfft(rfft(stuffed x) * rfft(reversed k)))        W = window of irfft(rfft(x) * conj rfft(stuffed y))

Floating point only; errors are eps relative to the largest output, not to each one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax

from deconvjax.axis import Axis
from deconvjax.engine.layout import fit
from deconvjax.engine.spec import Spec


def fits(spec: Spec) -> bool:
    """Scalar taps on one to three axes."""
    return spec.groups is None and 1 <= len(spec.axes) <= 3


fits_gradient = fits


def length(axis: Axis) -> int:
    """Smallest product of 2, 3 and 5 that holds the padded signal."""
    least = max(axis.padded, axis.taps)
    best = 1 << max(least - 1, 0).bit_length()
    three = 1
    while three < best:
        five = three
        while five < best:
            two = max(0, (-(-least // five) - 1).bit_length())
            best = min(best, five << two)
            five *= 5
        three *= 3
    return best


def _stuff(x: Array, steps: Sequence[int]) -> Array:
    if all(s == 1 for s in steps):
        return x
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *[(0, 0, s - 1) for s in steps], (0, 0, 0)])


def _padded(x: Array, spec: Spec) -> Array:
    x = _stuff(x, [a.up for a in spec.axes])
    return fit(x, [(a.lo, a.hi) for a in spec.axes])


def _correlation(z: Array, k: Array, spec: Spec) -> Array:
    """sum_n z[i + n] k[n] for every lag i, circular over the FFT length; the result's leading part is exact."""
    lengths = [length(a) for a in spec.axes]
    axes = tuple(range(1, 1 + len(lengths)))
    if jnp.iscomplexobj(z):
        spectrum = jnp.fft.fftn(z, lengths, axes) * jnp.conj(jnp.fft.fftn(jnp.conj(k), lengths, axes))
        return jnp.fft.ifftn(spectrum, lengths, axes)
    spectrum = jnp.fft.rfftn(z, lengths, axes) * jnp.conj(jnp.fft.rfftn(k, lengths, axes))
    return jnp.fft.irfftn(spectrum, lengths, axes)


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""
    kernel = _stuff(taps[None, ..., None], [a.dilation for a in spec.axes])
    y = _correlation(_padded(x, spec), kernel, spec)
    cut = [slice(0, (a.out - 1) * a.down + 1, a.down) for a in spec.axes]
    return y[(slice(None), *cut)].astype(x.dtype)


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    k = _correlation(_padded(x, spec), _stuff(y, [a.down for a in spec.axes]), spec).sum((0, -1))
    return k[tuple(slice(0, a.taps, a.dilation) for a in spec.axes)].astype(x.dtype)


def operations(spec: Spec) -> int:
    """Real multiply-adds per channel: three transforms of 2.5 n log2 n."""
    n = math.prod(length(a) for a in spec.axes)
    return int(7.5 * n * math.log2(max(n, 2)))
