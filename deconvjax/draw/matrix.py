"""The operator as a matrix: what a map is, and what its transpose is, at one glance."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deconvjax.algebra import LinearMap
from deconvjax.draw.cells import heat
from deconvjax.draw.style import Theme, blank, drawing
from deconvjax.draw.words import wrapped

CELL = 0.32  # inches a side, while the picture stays a picture
LETTER, LINE, SHORT = 0.085, 0.2, 40  # inches of a title's letter and line; letters that a line holds at least


def matrix(a: LinearMap, *, transpose: bool = True, stencil: bool = True, name: str = "",
           theme: str = "light") -> Figure:
    """A[i, j] = (A e_j)[i] as a heat map, the row stencil beside it, A^T on its right.

    Values are written into the cells where they are legible. The stencil is the middle row: the weights with which
    inputs are read by one output. Complex maps show the real part; the title says so.

    Args:
        a: a bound map with one array in and one out.
        transpose: draw A^T beside A, same colours.
        stencil: draw the middle row as stems.
        name: what the title says in place of `A = ` and the chain as it is written.
        theme: "light" or "dark".

    >>> import deconvjax as dj
    >>> dj.draw.matrix(dj.upsample(2).on((3,))).axes[0].get_title("left")
    'A = upsample(2)   6 × 3'
    """
    values = np.asarray(a.matrix())
    note = "   (real part)" if np.iscomplexobj(values) else ""
    values = np.real(values)
    rows, columns = values.shape
    titles = [_title(name or f"A = {a._label()}", f"   {rows} × {columns}{note}", columns)]
    widths = [_width(columns, titles[0])]
    if stencil:
        titles.append(f"row {rows // 2}: its stencil")
        widths.append(2.6)
    if transpose:
        titles.append(f"Aᵀ   {columns} × {rows}")
        widths.append(_width(rows, titles[-1]))
    height = float(np.clip(CELL * max(rows, columns if transpose else 0) + 1.1, 2.6, 5.6))
    height += LINE * titles[0].count("\n")
    with drawing(theme) as colours:
        figure, axes = blank(sum(widths), height, len(widths), tuple(widths))
        limit = float(np.abs(values).max()) or 1.0
        _panel(axes[0], values, limit, colours, titles[0])
        if stencil:
            _stencil(axes[1], values, colours, titles[1])
        if transpose:
            _panel(axes[-1], values.T, limit, colours, titles[-1])
    return figure


def _title(name: str, size: str, columns: int) -> str:
    """`name   size`, over as many lines as the cells below it make necessary."""
    room = max(SHORT, int(min(CELL * columns + 0.4, 4.9) / LETTER))
    lines = wrapped(name, room, 4)
    if len(lines[-1] + size) <= room + 12:
        lines[-1] += size
    else:
        lines.append(size.strip())
    return "\n".join(lines)


def _width(columns: int, title: str) -> float:
    """Inches for a panel: its cells, its labels, and its title above them."""
    longest = max(map(len, title.split("\n")))
    return float(np.clip(max(CELL * columns + 0.9, LETTER * longest + 0.5), 1.9, 5.4))


def _panel(axis: Axes, values: np.ndarray, limit: float, colours: Theme, title: str) -> None:
    heat(axis, values, limit, colours)
    axis.set_anchor("NW")  # the title starts at the cells, and has the panel's whole width
    axis.set_title(title, loc="left")
    axis.set_xlabel("input sample")
    axis.set_ylabel("output sample")


def _stencil(axis: Axes, values: np.ndarray, colours: Theme, title: str) -> None:
    row = values[values.shape[0] // 2]
    used = np.flatnonzero(row)
    where = np.arange(used[0], used[-1] + 1) if used.size else np.arange(values.shape[1])
    axis.axhline(0, color=colours.faint, linewidth=1)
    axis.vlines(where, 0, row[where], color=colours.window, linewidth=2)
    axis.plot(where, row[where], "o", color=colours.window)
    axis.set_xlim(where[0] - 0.8, where[-1] + 0.8)
    axis.margins(y=0.15)
    axis.set_title(title, loc="left")
    axis.set_xlabel("input sample")
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
