"""What a multirate map does to frequencies: the images that stuffing zeros creates, and what is left of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from deconvjax.algebra import LinearMap
from deconvjax.draw.style import blank, drawing
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves.stage import Stage

PROBE = 96  # samples of the signal the map is tried on


@dataclass(frozen=True)
class Spectrum:
    """Magnitudes over frequency in cycles per output sample: a flat input's images, and the map's own response."""

    frequency: np.ndarray
    images: np.ndarray
    response: np.ndarray
    factor: int


def measure(a: LinearMap, samples: int = PROBE) -> Spectrum:
    """Read a 1-D map's response from the output to a pulse in the middle; images of a low-pass signal beside it.

    >>> import deconvjax as dj
    >>> measure(dj.convolve(dj.filters.bilinear(2)) @ dj.upsample(2)).factor
    2
    """
    bound = _bound(a, samples)
    n, m = bound.domain.size, bound.codomain.size
    factor = max(1, round(m / n))
    pulse = np.zeros(n, np.float32)
    pulse[n // 2] = 1
    response = np.abs(np.fft.rfft(np.ravel(bound(pulse.reshape(bound.domain.shape))), 8 * m))
    # A raised-cosine bump of half the input's band: its images under ↑k are copies at multiples of 1/k.
    frequency = np.fft.rfftfreq(8 * m)
    at_input = (frequency * factor + 0.5) % 1.0 - 0.5
    images = np.where(np.abs(at_input) < 0.25, np.cos(2 * np.pi * at_input) ** 2, 0.0)
    return Spectrum(frequency, images, response, factor)


def _bound(a: LinearMap, samples: int) -> LinearMap:
    """`a` on a signal of one axis and one channel, the user's or one of `samples`; refused where it has more."""
    axes = {axis for part in a._leaves() for axis in getattr(part, "axes", ())}
    single = len(axes) <= 1
    bound = a
    if single and not a.is_bound:
        try:
            bound = a.on((samples,) + (1,) * (-max(axes, default=-1) - 1))
        except ShapeError as refusal:
            single = not any(part.groups and part.channels[0] > 1 for part in a._leaves() if isinstance(part, Stage))
            if single:
                raise ShapeError(complaint("draw.spectrum", f"the map cannot be tried on {samples} samples", got=a,
                                           expected=_KINDS, fix="bind it, or pass more samples=")) from refusal
    if bound.is_bound:
        spaces = (bound._bound_space("spectrum"), bound._codomain())
        line = all(space.is_array and max(space.shape, default=0) == space.size for space in spaces)
        single = line and (single or all(len(space.shape) == 1 for space in spaces))
    if not single:
        raise ShapeError(complaint("draw.spectrum", "a spectrum is drawn for a map of one axis and one channel", got=a,
                                   expected=_KINDS,
                                   fix="draw one axis and one channel: its taps as convolve(taps) @ upsample(k)"))
    return bound


_KINDS = "(n,) -> (m,), or a layer (n, 1) -> (m, 1)"


def spectrum(a: LinearMap, *, samples: int = PROBE, theme: str = "light") -> Figure:
    """|Y(f)| = |H(f)| |X(kf)|: the k-1 images that ↑k creates, and how much of each the filter lets through.

    Args:
        a: a 1-D map, bound or not: an upsampler such as `convolve(taps) @ upsample(k)`, a plain filter, or a layer of
            one channel in and out, `conv_transpose` of a kernel `(window, 1, 1)`.
        samples: input length when the map is unbound.
        theme: "light" or "dark".

    >>> import deconvjax as dj
    >>> figure = dj.draw.spectrum(dj.convolve(dj.filters.bilinear(2)) @ dj.upsample(2))
    >>> [axis.get_title("left") for axis in figure.axes]
    ['after ↑2: the signal and 1 image', 'after the filter']
    """
    found = measure(a, samples)
    with drawing(theme) as colours:
        figure, (top, bottom) = blank(7.2, 4.4, 1, rows=2)
        extra = found.factor - 1
        tail = f" and {extra} image{'s' * (extra > 1)}" if extra else ""
        top.fill_between(found.frequency, found.images, color=colours.input, alpha=0.8)
        top.set_title(f"after ↑{found.factor}: the signal{tail}", loc="left")
        gain = found.response.max() or 1.0
        bottom.fill_between(found.frequency, found.images * found.response / gain, color=colours.output, alpha=0.85,
                            label="what is left")
        bottom.plot(found.frequency, found.response / gain, color=colours.window, label="|H|, peak 1")
        bottom.set_title("after the filter", loc="left")
        bottom.set_xlabel("frequency, cycles per output sample")
        bottom.legend(loc="upper right")
        for axis in (top, bottom):
            axis.set_xlim(0, 0.5)
            axis.set_ylim(0, 1.05)
            axis.set_ylabel("magnitude")
    return figure
