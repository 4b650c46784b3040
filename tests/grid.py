"""Thousands of configurations, drawn: each a map bound to a small domain, and what NumPy loops make of the same words.

A family is a function from a random generator to `(map, oracle, shape)`. Draws that nothing would come out of are
returned as well: there the library must refuse, and the oracle too.
"""

from functools import partial

import numpy as np

import deconvjax as dj
from deconvjax.check import oracle

DTYPES = (np.float32, np.complex64, np.float64, np.complex128, np.int32)
BORDERS = ("reflect", "symmetric", "edge", "wrap")
LONGEST = {1: 9, 2: 5, 3: 3}  # samples per axis, by number of axes: matrices stay small


def values(rng, shape):
    """Integers from -3 to 3 without 0, in a quarter of the draws complex: sums of them are exact in any dtype."""
    draw = rng.integers(1, 4, shape) * rng.choice([-1, 1], shape)
    return draw if rng.integers(4) else draw + 1j * rng.integers(-3, 4, shape)


def dimensions(rng):
    return (1, 1, 2, 2, 3)[rng.integers(5)]


def sizes(rng, ndim, least=1):
    return tuple(int(n) for n in rng.integers(least, max(least, LONGEST[ndim]) + 1, ndim))


def factors(rng, ndim, most=3):
    """One for each axis, or in some draws one int for all."""
    return int(rng.integers(1, most + 1)) if rng.integers(4) == 0 else tuple(map(int, rng.integers(1, most + 1, ndim)))


def places(rng, ndim):
    """(axes, rank of x): the trailing axes, or any distinct ones of an array with one axis more."""
    if rng.integers(2):
        return None, ndim
    return tuple(int(a) - ndim - 1 for a in rng.permutation(ndim + 1)[:ndim]), ndim + 1


def each(value, ndim):
    return (value,) * ndim if isinstance(value, int) else value


def domain(rng, ndim, axes, rank, least=1):
    """A shape with `sizes` on `axes` and a short axis elsewhere."""
    shape = [2] * rank
    for axis, n in zip(axes or range(-ndim, 0), sizes(rng, ndim, least), strict=True):
        shape[axis] = n
    return tuple(shape)


def rates(rng):
    ndim = dimensions(rng)
    axes, rank = places(rng, ndim)
    shape = domain(rng, ndim, axes, rank)
    kind = rng.integers(3)
    if kind == 2:
        offset = tuple(int(n) for n in rng.integers(-4, 5, ndim))
        axes = axes or tuple(range(-ndim, 0))
        return dj.shift(offset, axes=axes), partial(oracle.shift, offset=offset, axes=axes), shape
    k = each(factors(rng, ndim), ndim)
    if kind == 0:
        return dj.upsample(k, axes=axes), partial(oracle.upsample, factor=k, axes=axes), shape
    phase = tuple(int(rng.integers(0, min(n, shape[a]))) for a, n in zip(axes or range(-ndim, 0), k, strict=True))
    return dj.downsample(k, phase=phase, axes=axes), partial(oracle.downsample, factor=k, phase=phase, axes=axes), shape


def windows(rng):
    ndim = dimensions(rng)
    axes, rank = places(rng, ndim)
    shape = domain(rng, ndim, axes, rank)
    if rng.integers(4) == 0:
        room = [shape[a] for a in axes or range(-ndim, 0)]
        lo = [int(rng.integers(0, n)) for n in room]
        widths = tuple((a, int(rng.integers(0, n - a))) for a, n in zip(lo, room, strict=True))
        return dj.crop(widths, axes=axes), partial(oracle.crop, widths=widths, axes=axes), shape
    widths = tuple((int(a), int(b)) for a, b in rng.integers(0, 4 if ndim < 3 else 3, (ndim, 2)))
    mode = ("zero", *BORDERS)[rng.integers(5)]
    return dj.pad(widths, mode, axes=axes), partial(oracle.pad, widths=widths, mode=mode, axes=axes), shape


def filters(rng):
    ndim = dimensions(rng)
    axes, rank = places(rng, ndim)
    shape = domain(rng, ndim, axes, rank)
    taps = values(rng, tuple(rng.integers(1, {1: 6, 2: 4, 3: 3}[ndim], ndim)))
    padding = ("same", "full", "valid", *BORDERS, "pairs")[rng.integers(8)]
    if padding == "pairs":
        padding = tuple((int(a), int(b)) for a, b in rng.integers(-1, 4, (ndim, 2)))
    name = ("convolve", "correlate")[rng.integers(2)]
    return (getattr(dj, name)(taps, padding, axes=axes),
            partial(getattr(oracle, name), taps=taps, padding=padding, axes=axes), shape)


def upfirdns(rng):
    ndim = dimensions(rng)
    axes, rank = places(rng, ndim)
    shape = domain(rng, ndim, axes, rank)
    taps = values(rng, tuple(rng.integers(1, {1: 6, 2: 4, 3: 3}[ndim], ndim)))
    up, down = factors(rng, ndim), factors(rng, ndim)
    padding = "full" if rng.integers(2) else tuple((int(a), int(b)) for a, b in rng.integers(-1, 5, (ndim, 2)))
    return (dj.upfirdn(taps, up, down, padding, axes=axes),
            partial(oracle.upfirdn, taps=taps, up=up, down=down, padding=padding, axes=axes), shape)


def kernel(rng, ndim, groups):
    window = tuple(rng.integers(1, {1: 5, 2: 4, 3: 3}[ndim], ndim))
    return values(rng, (*window, int(rng.integers(1, 3)), groups * int(rng.integers(1, 3 if ndim < 3 else 2))))


def convs(rng):
    ndim, groups = dimensions(rng), int(rng.integers(1, 3))
    k = kernel(rng, ndim, groups)
    padding = ("SAME", "VALID", "CIRCULAR", 1, "pairs")[rng.integers(5)]
    if padding == "pairs":
        padding = tuple((int(a), int(b)) for a, b in rng.integers(-1, 4, (ndim, 2)))
    options = {"strides": factors(rng, ndim), "padding": padding, "groups": groups,
               "kernel_dilation": factors(rng, ndim, 2),
               "input_dilation": factors(rng, ndim) if padding != "CIRCULAR" and rng.integers(3) == 0 else 1}
    shape = (*sizes(rng, ndim), k.shape[-2] * groups)
    return dj.conv(k, **options), partial(oracle.conv, kernel=k, **options), shape


def conv_transposes(rng):
    ndim, groups = dimensions(rng), int(rng.integers(1, 3))
    k = kernel(rng, ndim, groups)
    strides, spread = factors(rng, ndim), factors(rng, ndim, 2)
    padding = ("SAME", "VALID", "CIRCULAR", 1, "pairs")[rng.integers(5)]
    if padding == "pairs":
        padding = tuple((int(a), int(b)) for a, b in rng.integers(-1, 3, (ndim, 2)))
    options = {"strides": strides, "padding": padding, "groups": groups, "kernel_dilation": spread}
    space = tuple(int(n) for n in rng.integers(1, {1: 5, 2: 4, 3: 3}[ndim], ndim))
    if rng.integers(2):  # any output size that the forward convolution maps to `space`: it is asked for its own
        output = sizes(rng, ndim)
        try:
            forward = dj.conv(k, **options).on((*output, k.shape[-2] * groups))
        except dj.ShapeError:
            pass
        else:
            options["output_shape"], space = output, forward.codomain.shape[:-1]
    elif padding not in ("SAME", "CIRCULAR"):
        options["output_padding"] = tuple(int(rng.integers(0, s)) for s in each(strides, ndim))
    return dj.conv_transpose(k, **options), partial(oracle.conv_transpose, kernel=k, **options), (*space, k.shape[-1])


def compositions(rng):
    """Two or three maps in a row, and now and then a multiple or a sum of such rows: the words people write."""
    ndim = int(rng.integers(1, 3))
    shape = sizes(rng, ndim, 3)
    k = each(factors(rng, ndim), ndim)
    taps = values(rng, tuple(rng.integers(1, 4, ndim)))
    border = ("same", *BORDERS)[rng.integers(5)]
    widths = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (ndim, 2)))
    blur, o_blur = dj.convolve(taps, border), partial(oracle.convolve, taps=taps, padding=border)
    down, o_down = dj.downsample(k), partial(oracle.downsample, factor=k)
    up, o_up = dj.upsample(k), partial(oracle.upsample, factor=k)
    pad, o_pad = dj.pad(widths, "reflect"), partial(oracle.pad, widths=widths, mode="reflect")
    crop, o_crop = dj.crop(widths), partial(oracle.crop, widths=widths)
    words = (
        (down @ blur, lambda x: o_down(o_blur(x))),
        (blur @ up, lambda x: o_blur(o_up(x))),
        (blur @ blur, lambda x: o_blur(o_blur(x))),
        (up @ down, lambda x: o_up(o_down(x))),
        (down @ blur @ up, lambda x: o_down(o_blur(o_up(x)))),
        (crop @ blur @ pad, lambda x: o_crop(o_blur(o_pad(x)))),
        (crop @ pad, lambda x: o_crop(o_pad(x))),
        (2 * blur - dj.identity, lambda x: 2 * o_blur(x) - x),
        (down @ (blur + 3 * blur) @ up, lambda x: 4 * o_down(o_blur(o_up(x)))),
    )
    return *words[rng.integers(len(words))], shape


FAMILIES = {rates: 700, windows: 500, filters: 450, upfirdns: 400, convs: 450, conv_transposes: 350, compositions: 200}
