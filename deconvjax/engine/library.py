"""`library`: oneDNN's convolution on x as it lies, the result written where it belongs.

    F = conv(x, comb_taps(k), strides=step, dilation=grid, pads=border)

The combs of the last axis are channels, which makes their interleaving a reshape. The combs of another axis are an
axis of their own: one sample of x, padded so that each of the `phases` results reads one slice of the taps (oneDNN
skips the others, as it skips all padding). So depth to space moves nothing, and only an axis whose combs do not start
together is cropped. Where oneDNN has no axis left, or channels are grouped, the combs are interleaved. Few results of
many channels are one product, then sums (`col2im`). Where no channels mix, the combs of the last axis each read a copy
of x's channels.

    W[j, w] = sum_b conv(x_b turned, last axis cut out for tap w; y_b)

is a convolution along all axes but the last: its window is y, its channels are the samples of the last axis. Where no
channels mix it is one along all axes, images included: x by y, each as it lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.axis import Axis
from deconvjax.engine import banded, col2im, convolution, onednn
from deconvjax.engine.comb import Comb, comb
from deconvjax.engine.images import by_images
from deconvjax.engine.layout import Widths, comb_taps, cropped, fit, joined, per_channel, runs, transposed_taps
from deconvjax.engine.rows import by_channel
from deconvjax.engine.spec import Spec

MOST = 3  # spatial axes that oneDNN knows
CROP = 52  # multiply-adds in the time that cropping takes per number
CHANNELS = 16  # from here on the channels of one filter fill the vector registers
SCATTERED = 0.2  # taps among the numbers of a band
TOGETHER = 48  # results of one small matrix: more read more zeros
FEW = 4  # channels too few for sums by channel along one axis
LONG = 256  # taps from which on a product of blocks is faster than any sum by channel


def fits(spec: Spec, depthwise: bool) -> bool:
    """Channelled stages of one to three axes, what `banded` takes, and depthwise sums without holes in the window."""
    if spec.scalar and len(spec.axes) == 1:
        return banded.fits(spec)
    if not depthwise or spec.groups == 1:
        return not spec.scalar and 1 <= len(spec.axes) <= MOST
    combs = [comb(a, aligned=True) for a in spec.axes]
    return 1 <= _places(combs) <= MOST and all(c.grid == 1 for c in combs)


def _places(combs: Sequence[Comb]) -> int:
    """Spatial axes of oneDNN's that the combs lie on."""
    return len(combs) + sum(c.phases > 1 for c in combs[:-1])


def fits_gradient(spec: Spec, depthwise: bool, batch: int) -> bool:
    """Channelled stages of two or three axes, without stuffing or groups, what `banded` takes, sums by channel."""
    if spec.scalar and len(spec.axes) == 1:
        return banded.fits_gradient(spec)
    if depthwise and spec.groups != 1:
        apart = 1 if batch > 1 or len(spec.axes) == 1 else 0  # images are an axis of the window
        return 1 <= len(spec.axes) + apart <= MOST and all(a.up == a.down == a.dilation == 1 for a in spec.axes)
    return spec.groups == 1 and 2 <= len(spec.axes) <= MOST and all(a.up == 1 for a in spec.axes)


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""
    channels, groups = x.shape[-1], spec.groups
    if groups is None and len(spec.axes) == 1 and not beside(comb(spec.axes[0]), channels):
        return _scalar(x, taps, spec)
    if groups is None or groups == channels > 1:
        return _depthwise(x, per_channel(taps, spec, channels) if groups is None else taps, spec)
    if col2im.cheaper(spec, channels, taps.shape[-1]):
        return col2im.scattered(x, taps.shape[-1], spec, partial(_placed, col2im.matrix(taps)))
    combs = _combs(spec, channels)
    if groups > 1 or _places(combs) > MOST:
        return convolution.polyphase(x, taps, spec, _bordered)
    return _interleaved(x, taps, combs)


def turned(x: Array, taps: Array, spec: Spec) -> Array:
    """F on the taps of spec.T as they lie: oneDNN exchanges their channels as it reads them."""
    back = lax.rev(taps, tuple(range(len(spec.axes))))
    if spec.groups == 1 and col2im.cheaper(spec, x.shape[-1], taps.shape[-2]):
        matrix = back.reshape(-1, x.shape[-1])
        return col2im.scattered(x, taps.shape[-2], spec, partial(_placed, matrix, turned=True))
    combs = _combs(spec, x.shape[-1])
    if spec.groups != 1 or _places(combs) > MOST:
        return stage(x, transposed_taps(taps, spec.T), spec)
    return _interleaved(x, back, combs, turned=True)


def _combs(spec: Spec, cin: int) -> list[Comb]:
    """Combs without a skip where a wider window costs less than cropping the result."""
    narrow, wide = ([comb(a, aligned) for a in spec.axes] for aligned in (False, True))
    more = cin * (math.prod(c.width for c in wide) - math.prod(c.width for c in narrow))
    return wide if more <= CROP else narrow


def _depthwise(x: Array, taps: Array, spec: Spec) -> Array:
    """F of channels that do not mix, each output channel with an input channel of its own."""
    combs = [comb(a, aligned=True) for a in spec.axes]
    if len(combs) == 1:  # oneDNN has no such loop for one axis
        combs, x, taps = [comb(Axis(1, 1)), *combs], x[:, None], taps[None]
    copies = (combs[-1].phases, x.shape[-1], taps.shape[-1] // x.shape[-1])
    x = jnp.broadcast_to(x[..., None, :, None], (*x.shape[:-1], *copies)).reshape(*x.shape[:-1], -1)
    return _interleaved(x, taps, combs, groups=x.shape[-1]).reshape(x.shape[0], *spec.out, -1)


def _interleaved(x: Array, taps: Array, combs: list[Comb], groups: int = 1, turned: bool = False) -> Array:
    """F whose combs are interleaved by the convolution itself; `turned` taps are (*window, out, in)."""
    last, cout = len(combs) - 1, taps.shape[-2 if turned else -1]
    kernel = comb_taps(taps, combs)  # (width, phases)*, in, out
    places: list[tuple[int, int, int, tuple[int, int], int]] = []  # size, window, stride, pads, dilation
    for i, c in enumerate(combs):
        places.append((c.size, c.width, c.step, c.border, c.grid))
        if i < last and c.phases > 1:
            places.append((1, c.phases, 1, (c.phases - 1, c.phases - 1), 1))
            kernel = lax.rev(kernel, (2 * i + 1,))  # the first result reads the last slice
    sizes, window, strides, pads, dilation = zip(*places, strict=True)
    if turned:
        kernel = kernel.reshape(*window, -1, x.shape[-1])
    else:
        kernel = jnp.swapaxes(kernel, 2 * last + 1, 2 * last + 2).reshape(*window, x.shape[-1] // groups, -1)
    z = _convolved(x.reshape(x.shape[0], *sizes, x.shape[-1]), kernel, strides, pads, dilation, groups, turned)
    return joined(z.reshape(x.shape[0], *[n for c in combs for n in (c.count, c.phases)], cout), combs)


def _bordered(x: Array, kernel: Array, combs: list[Comb], groups: int) -> Array:
    return _convolved(
        x, kernel, [c.step for c in combs], [c.border for c in combs], [c.grid for c in combs], groups
    )


def _placed(matrix: Array, x: Array, widths: Widths, turned: bool = False) -> Array:
    """Every sample by a matrix, padded or cropped: a convolution of one tap, whose padding costs nothing."""
    ones = [1] * (x.ndim - 2)
    return _convolved(x, matrix.reshape(*ones, *matrix.shape), ones, widths, ones, turned=turned)


def _convolved(
    x: Array,
    kernel: Array,
    strides: Sequence[int],
    pads: Widths,
    dilation: Sequence[int],
    groups: int = 1,
    turned: bool = False,
) -> Array:
    """The call, for padding of either sign: samples that nothing reads are cropped."""
    x, pads = cropped(x, pads)
    return onednn.convolution(x, kernel, strides, pads, dilation, groups, turned)


def beside(c: Comb, channels: int) -> bool:
    """Whether one filter for all channels is faster as a sum for each than as a product of blocks of samples."""
    return c.phases == c.grid == 1 and channels >= FEW and c.width <= min(LONG, 8 * channels)


def _scalar(x: Array, taps: Array, spec: Spec) -> Array:
    """F of one filter on one axis, in the way that copies and multiplies least."""
    (axis,) = spec.axes
    b, c = banded.band(axis, banded.BLOCK), comb(axis)
    scattered = np.mean(b.taps >= 0) < SCATTERED  # a block's results read different samples: resampling
    if x.shape[-1] >= CHANNELS and (scattered or c.phases * c.step > 1 or c.span <= 2 * banded.BLOCK):
        return _runs(x, taps, axis, b)
    if not scattered:
        return banded.bands(x, taps, spec, onednn.convolution)
    signals = jnp.swapaxes(x, 1, 2).reshape(-1, axis.size, 1)
    return jnp.swapaxes(_runs(signals, taps, axis, b).reshape(x.shape[0], -1, axis.out), 1, 2)


def _runs(x: Array, taps: Array, axis: Axis, b: banded.Band) -> Array:
    """Every block of results is a small matrix by a run of samples, results that read others by one of their own.

    Rows of many channels stay rows; single signals are rows themselves.
    """
    table = b.taps.reshape(-1, b.outputs)  # (samples of the run, results): a tap, or -1
    x = fit(x, [(b.pad, (b.count - 1) * b.inputs + len(table) - b.pad - axis.size)])
    parts = []
    for part in np.array_split(table, -(-b.outputs // TOGETHER), 1):
        live = np.flatnonzero((part >= 0).any(1))
        low, high = (live[0], live[-1] + 1) if len(live) else (0, 1)
        samples = runs(x[:, low : low + (b.count - 1) * b.inputs + high - low], b.count, b.inputs, high - low)
        matrix = banded.matrix(taps, part[low:high])
        if x.shape[-1] == 1:
            parts.append((samples.reshape(-1, high - low) @ matrix)[..., None])
        else:
            parts.append(onednn.products(matrix.T[None], samples.reshape(-1, high - low, x.shape[-1])))
    y = jnp.concatenate(parts, 1) if len(parts) > 1 else parts[0]
    return y.reshape(x.shape[0], -1, x.shape[-1])[:, b.skip : b.skip + axis.out]


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W."""
    if spec.groups is None and len(spec.axes) == 1:
        return banded.bands_gradient(x, y, spec, lambda a: lambda b: onednn.product(a[None], b[None])[0])
    if spec.groups is None or spec.groups == x.shape[-1] > 1:
        return by_channel(_depthwise_gradient, x, y, spec)
    return by_images(_image_gradient, x, y, spec, 1)


def _image_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W of one image: the window is y, whose channels are the last axis; the taps of that axis are images."""
    *lead, last = spec.axes
    rank = len(lead)
    wanted = [(a.lo, a.normal.hi) for a in spec.axes]
    x = fit(x, [*[(0, 0)] * rank, wanted[-1]])[0]
    starts = range(0, last.taps, last.dilation)
    cuts = [x[..., s : s + (last.out - 1) * last.down + 1 : last.down, :] for s in starts]
    turned = jnp.stack([jnp.swapaxes(cut, -1, -2) for cut in cuts])  # (window, *lead, Cin, out)
    steps, grids = [*[a.dilation for a in lead], 1], [*[a.down for a in lead], 1]
    k = _convolved(turned, jnp.expand_dims(y[0], rank), steps, [*wanted[:-1], (0, 0)], grids)
    return jnp.moveaxis(k, 0, rank)


def _depthwise_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """W[j] = sum_b sum_n x[b, n + j - lo] y[b, n]: one convolution of all images by all images."""
    wanted = [(a.lo, a.normal.hi) for a in spec.axes]
    if x.shape[0] > 1 or len(wanted) == 1:
        x, y, wanted = x[None], y[None], [(0, 0), *wanted]
    ones = [1] * len(wanted)
    k = _convolved(x, jnp.moveaxis(y, 0, -2), ones, wanted, ones, x.shape[-1])
    return k.reshape(*spec.window, -1)
