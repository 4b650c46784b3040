"""Checkerboards before any training: what an upsampler makes of a constant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from deconvjax.algebra import LinearMap
from deconvjax.draw.style import blank, drawing
from deconvjax.errors import ShapeError, complaint


@dataclass(frozen=True)
class Pattern:
    """The response to ones over space, per-channel average, and its spread away from the border."""

    response: np.ndarray
    spread: float


def pattern(a: LinearMap, margin: int = 0) -> Pattern:
    """The map's answer to a constant; spread = (max - min)/|mean| over the interior."""
    shape = a.domain.shape
    response = np.real(np.asarray(a(np.ones(shape, a.domain.dtype))))
    while response.ndim > 2 or (response.ndim == 2 and len(shape) == 2 and response.shape[-1] == 1):
        response = response.mean(axis=-1)
    inner = response[tuple(slice(margin, n - margin) for n in response.shape)] if margin else response
    if inner.size == 0:
        raise ShapeError(complaint("draw.checkerboard", "nothing is left inside the margin", got=f"margin={margin}",
                                   expected=f"less than half of {response.shape}", fix="bind to a larger input"))
    mean = abs(float(inner.mean())) or 1.0
    return Pattern(response, float(inner.max() - inner.min()) / mean)


def checkerboard(a: LinearMap, *, margin: int | None = None, theme: str = "light") -> Figure:
    """spread = (max(A 1) - min(A 1))/|mean(A 1)|: a constant in should be a constant out.

    A grid instead is the checkerboard, there before any training.

    Args:
        a: a bound upsampler on `(n,)`, `(h, w)` or `(h, w, channels)`.
        margin: output samples at each border that the spread leaves out; a quarter of the output by default.
        theme: "light" or "dark".

    Source: Odena, Dumoulin and Olah, Distill 2016 (doi:10.23915/distill.00003).

    >>> import deconvjax as dj, numpy as np
    >>> A = dj.conv_transpose(np.ones((3, 1, 1)), strides=2, padding="VALID").on((8, 1))
    >>> dj.draw.checkerboard(A).axes[0].get_title("left")
    'A 1: spread 64 % of the mean inside the border'
    """
    quarter = min(a.codomain.shape[: max(1, len(a.codomain.shape) - 1)]) // 4
    found = pattern(a, quarter if margin is None else margin)
    with drawing(theme) as colours:
        figure, (axis,) = blank(5.6, 4.4 if found.response.ndim == 2 else 2.6)
        if found.response.ndim == 2:
            shown = axis.imshow(found.response, cmap=colours.sequential, interpolation="nearest")
            figure.colorbar(shown, ax=axis, label="response to a constant 1")
        else:
            axis.stem(np.arange(found.response.size), found.response, linefmt=colours.window, basefmt=" ")
            axis.set_ylim(0, None)
            axis.set_ylabel("response to a constant 1")
            axis.set_xlabel("output sample")
        axis.set_title(f"A 1: spread {found.spread:.0%} of the mean inside the border".replace("%", " %"), loc="left")
    return figure
