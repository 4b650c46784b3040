"""`fourier`: scalar stages through the FFT: for windows so long that the sum over taps costs more.

    F = down(irfft(rfft(stuffed x) * rfft(reversed k)))        W = window of irfft(rfft(x) * conj rfft(stuffed y))

A signal much longer than the taps is cut into overlapping pieces whose transforms stay in the caches ("overlap-save").
Floating point only; errors are eps relative to the largest output, not to each one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax

from deconvjax.axis import Axis
from deconvjax.engine.layout import fit, runs
from deconvjax.engine.spec import Spec

WINDOWS = 6  # of the taps in one piece, at least
LEAST = 4096  # shortest piece: shorter transforms do not fill the vector units


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
    return lax.pad(x, lax.full_like(x, 0, shape=()), [(0, 0, 0), *[(0, 0, s - 1) for s in steps], (0, 0, 0)])


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


def piece(axis: Axis) -> int:
    """FFT length of the pieces of one axis; 0 where the whole signal is not much longer than one."""
    size = max(LEAST, 1 << (WINDOWS * axis.taps - 1).bit_length())
    return size if axis.padded > 2 * size else 0


def _in_pieces(z: Array, spec: Spec) -> bool:
    """Whether one real signal is cut."""
    return len(spec.axes) == 1 and piece(spec.axes[0]) > 0 and not jnp.iscomplexobj(z)


def _pieces(z: Array, axis: Axis, hop: int, length: int) -> Array:
    """(B, n, C) -> (B*C, count, length): runs that start every `hop` samples, zeros behind the last."""
    count = -(-(axis.padded - axis.taps + 1) // hop)
    signals = jnp.swapaxes(z, 1, 2).reshape(-1, z.shape[1], 1)
    signals = fit(signals, [(0, (count - 1) * hop + length - z.shape[1])])
    return runs(signals, count, hop, length)


def _save(z: Array, k: Array, axis: Axis) -> Array:
    """Overlap-save on (B, n, C): pieces of `piece(axis)` samples, of which all but taps - 1 lags are exact."""
    size = piece(axis)
    hop = size - axis.taps + 1
    spectrum = jnp.fft.rfft(_pieces(z, axis, hop, size)) * jnp.conj(jnp.fft.rfft(k, size))
    rows = jnp.fft.irfft(spectrum, size)[..., :hop]
    return jnp.swapaxes(rows.reshape(z.shape[0], z.shape[-1], -1), 1, 2)


def _saved_gradient(z: Array, y: Array, axis: Axis) -> Array:
    """sum_n z[j + n] y[n] for the taps j, over all pieces of z with those of y: one transform back for all."""
    size = piece(axis)
    hop = size - axis.taps + 1
    of_z, of_y = (jnp.fft.rfft(_pieces(v, axis, hop, length), size) for v, length in ((z, size), (y, hop)))
    return jnp.fft.irfft((of_z * jnp.conj(of_y)).sum((0, 1)), size)


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""
    kernel = _stuff(taps[None, ..., None], [a.dilation for a in spec.axes])
    if _in_pieces(x, spec):
        y = _save(_padded(x, spec), kernel.ravel(), spec.axes[0])
    else:
        y = _correlation(_padded(x, spec), kernel, spec)
    cut = [slice(0, (a.out - 1) * a.down + 1, a.down) for a in spec.axes]
    return y[(slice(None), *cut)].astype(x.dtype)


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    z, y = _padded(x, spec), _stuff(y, [a.down for a in spec.axes])
    if _in_pieces(x, spec):
        k = _saved_gradient(z, y, spec.axes[0])
    else:
        k = _correlation(z, y, spec).sum((0, -1))
    return k[tuple(slice(0, a.taps, a.dilation) for a in spec.axes)].astype(x.dtype)


def operations(spec: Spec) -> int:
    """Real multiply-adds per channel: three transforms of 2.5 n log2 n (two where the signal is cut into pieces)."""
    size = piece(spec.axes[0]) if len(spec.axes) == 1 else 0
    if size:
        return int(5 * size * math.log2(size) * -(-spec.axes[0].padded // (size - spec.axes[0].taps + 1)))
    n = math.prod(length(a) for a in spec.axes)
    return int(7.5 * n * math.log2(max(n, 2)))
