"""The operator as a matrix: what a map is, and what its transpose is, at one glance."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deconvjax.algebra import LinearMap
from deconvjax.draw.style import Theme, blank, drawing

LEGIBLE = 24  # cells a side above which values are no longer written into them


def matrix(a: LinearMap, *, transpose: bool = True, stencil: bool = True, theme: str = "light") -> Figure:
    """A[i, j] = (A e_j)[i] as a heat map, the row stencil beside it, A^T on its right.

    Values are written into the cells while they are legible (up to 24 rows and columns). The stencil is the middle row:
    the weights with which inputs are read by one output. Complex maps show the real part; the title says so.

    Args:
        a: a bound map with one array in and one out.
        transpose: draw A^T beside A, same colours.
        stencil: draw the middle row as stems.
        theme: "light" or "dark".

    >>> import deconvjax as dj
    >>> dj.draw.matrix(dj.upsample(2).on((3,))).axes[0].get_title("left")
    'A = upsample(2)   6 × 3'
    """
    values = np.asarray(a.matrix())
    note = "   (real part)" if np.iscomplexobj(values) else ""
    values = np.real(values)
    with drawing(theme) as colours:
        columns = 1 + transpose + stencil
        ratios = (max(values.shape[1], 4),) + (4,) * stencil + (max(values.shape[0], 4),) * transpose
        figure, axes = blank(3.6 * columns, 3.8, columns, tuple(map(float, np.clip(ratios, 4, 12))))
        limit = float(np.abs(values).max()) or 1.0
        name = a._label() if len(a._label()) <= 40 else "map"
        heat(axes[0], values, limit, colours, f"A = {name}   {values.shape[0]} × {values.shape[1]}{note}")
        if stencil:
            _stencil(axes[1], values, colours)
        if transpose:
            heat(axes[-1], values.T, limit, colours, f"Aᵀ   {values.shape[1]} × {values.shape[0]}")
    return figure


def heat(axis: Axes, values: np.ndarray, limit: float, colours: Theme, title: str) -> None:
    """One matrix as coloured cells, zero in the middle of the scale."""
    axis.imshow(values, cmap=colours.diverging, vmin=-limit, vmax=limit, interpolation="nearest")
    axis.set_title(title, loc="left")
    axis.set_xlabel("input sample")
    axis.set_ylabel("output sample")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    if max(values.shape) > LEGIBLE:
        return
    axis.set_xticks(np.arange(-0.5, values.shape[1]), minor=True)
    axis.set_yticks(np.arange(-0.5, values.shape[0]), minor=True)
    axis.grid(which="minor", color=colours.faint, linewidth=0.5)
    axis.tick_params(which="minor", length=0)
    size = float(np.clip(150 / max(values.shape), 5, 10))
    for (row, column), value in np.ndenumerate(values):
        if value:
            dark = abs(value) > 0.6 * limit
            axis.text(column, row, number(value), ha="center", va="center", fontsize=size,
                      color="white" if dark else "black")


def number(value: Any) -> str:
    """A value short enough for a cell: 1, 0.25, -1.5."""
    text = f"{value:.3g}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _stencil(axis: Axes, values: np.ndarray, colours: Theme) -> None:
    middle = values.shape[0] // 2
    row = values[middle]
    used = np.flatnonzero(row)
    where = np.arange(used[0], used[-1] + 1) if used.size else np.arange(values.shape[1])
    axis.axhline(0, color=colours.faint, linewidth=1)
    axis.vlines(where, 0, row[where], color=colours.window, linewidth=2)
    axis.plot(where, row[where], "o", color=colours.window)
    axis.margins(x=0.15, y=0.15)
    axis.set_title(f"row {middle}: its stencil", loc="left")
    axis.set_xlabel("input sample")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
