"""Numbers as coloured cells, with their values written in where they are legible."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from deconvjax.draw.style import Theme

SMALLEST, LARGEST = 5.0, 10.0  # points: smaller than that nobody reads, larger than that shouts
_WIDTHS = {".": 0.32, "-": 0.36, "+": 0.84}  # em in matplotlib's own font; a digit takes 0.64


class CellText(Text):
    """A value in a cell one data unit wide, as large as fits when it is drawn, and not drawn where that is too small.

    `room` is the widest text (in em) that shares the size, so that all values of a matrix are written alike.
    """

    room = 0.64

    def fitting(self) -> float:
        """The size in points at which `room` fits into the cell, at most LARGEST."""
        assert self.axes is not None and self.figure is not None
        corner, opposite = self.axes.transData.transform([(0, 0), (1, 1)])
        width, height = np.abs(opposite - corner) * 72 / self.figure.dpi
        return min(LARGEST, 0.84 * float(width) / self.room, 0.7 * float(height))

    def draw(self, renderer: Any) -> None:
        """Draw at the fitting size, or not at all."""
        size = self.fitting()
        if size >= SMALLEST:
            self.set_fontsize(size)
            super().draw(renderer)


def heat(axis: Axes, values: np.ndarray, limit: float, colours: Theme) -> None:
    """One matrix as coloured cells, zero in the middle of the scale, the values that are not zero written in."""
    image = axis.imshow(values, cmap=colours.diverging, vmin=-limit, vmax=limit, interpolation="nearest")
    for which, count in ((axis.xaxis, values.shape[1]), (axis.yaxis, values.shape[0])):
        which.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        if max(values.shape) <= 48:
            which.set_ticks(np.arange(-0.5, count), minor=True)
    if max(values.shape) <= 48:  # beyond that a grid would be all there is to see
        axis.grid(which="minor", color=colours.faint, linewidth=0.5)
        axis.tick_params(which="minor", length=0)
    shown = np.asarray(image.cmap(image.norm(values)))
    write(axis, values, [on(rgba) for rgba in shown.reshape(-1, 4)])


def write(axis: Axes, values: np.ndarray, inks: list[str]) -> None:
    """Every value that is not zero into its cell; cells in row-major order have the colours `inks` of text."""
    found = [(row, column, number(value), ink)
             for ((row, column), value), ink in zip(np.ndenumerate(values), inks, strict=True) if value]
    if len(found) > 4000:
        return
    room = max((em(text) for _, _, text, _ in found), default=1.0)
    for row, column, text, ink in found:
        place(axis, column, row, text, ink, room)


def place(axis: Axes, x: float, y: float, text: str, ink: str, room: float) -> CellText:
    """One text in the middle of a cell."""
    cell = CellText(x, y, text, color=ink, ha="center", va="center", clip_on=True)
    cell.room = room
    cell.set_in_layout(False)
    axis.add_artist(cell)
    return cell


def number(value: Any) -> str:
    """A value short enough for a cell: 1, .25, -1.5."""
    text = f"{value:.3g}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def em(text: str) -> float:
    """The width of a number in em."""
    return sum(_WIDTHS.get(letter, 0.64) for letter in text)


def on(rgba: Any) -> str:
    """Black or white, whichever stands out more from a colour (WCAG's relative luminance)."""
    r, g, b = to_rgb(rgba)
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (r, g, b)]
    return "black" if 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2] > 0.179 else "white"
