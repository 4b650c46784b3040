"""Convolution arithmetic as a picture: padding, stuffed zeros, where the window stands, which output it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deconvjax.algebra import Chain, LinearMap
from deconvjax.axis import Axis
from deconvjax.draw.style import Theme, blank, drawing
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves.stage import Stage


@dataclass(frozen=True)
class Line:
    """One axis of the figure as data: what every cell of the padded, stuffed signal is, and which the window reads.

    `kinds` holds "input", "stuffed", "pad" or "cropped" for each cell from `first` on;
    `reads[n]` are the cells (indices into `kinds`) that output n reads.
    """

    kinds: tuple[str, ...]
    first: int
    reads: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, axis: Axis) -> Line:
        """The cells of one bound axis.

        >>> from deconvjax.axis import Axis
        >>> line = Line.of(Axis(size=2, window=3, up=2, lo=1, hi=1))
        >>> line.kinds, line.reads[0]
        (('pad', 'input', 'stuffed', 'input', 'pad'), (0, 1, 2))
        """
        first, last = min(0, -axis.lo), max(axis.dense, axis.dense + axis.hi)
        kinds = tuple(cls._kind(axis, d) for d in range(first, last))
        reads = tuple(tuple(n * axis.down - axis.lo + j * axis.dilation - first for j in range(axis.window))
                      for n in range(axis.out))
        return cls(kinds, first, reads)

    @staticmethod
    def _kind(axis: Axis, d: int) -> str:
        if not 0 <= d < axis.dense:
            return "pad"
        if not -axis.lo <= d < axis.dense + axis.hi:
            return "cropped"
        return "input" if d % axis.up == 0 else "stuffed"


def stage_of(a: LinearMap) -> Stage:
    """The one stage a figure can show; ShapeError where the map is not one (1-D or 2-D)."""
    found = a if isinstance(a, Stage) else a.simplify() if isinstance(a, Chain) else a
    if not isinstance(found, Stage) or not 1 <= len(found.axes) <= 2:
        raise ShapeError(complaint("draw.arithmetic", "one sliding window over one or two axes can be drawn",
                                   got=a._label(), expected="a bound 1-D or 2-D filter, conv or conv_transpose",
                                   fix="draw the stages of the chain one by one: A.parts"))
    found._bound_space("draw.arithmetic")
    return found


def lines(a: LinearMap) -> tuple[Line, ...]:
    """The figure of `a` as data, one `Line` per axis."""
    return tuple(Line.of(axis) for axis in stage_of(a).geometry)


def arithmetic(a: LinearMap, step: int = 0, *, theme: str = "light") -> Figure:
    """out = floor((dense + lo + hi - taps)/down) + 1, drawn: the window over the padded input, and the output it makes.

    Blue cells are input samples, pale cells the zeros that upsampling stuffs between them, dashed cells padding, the
    orange frame the window of output number `step` (row-major), green the output.

    Args:
        a: a bound 1-D or 2-D filter, `conv` or `conv_transpose` (one stage).
        step: which output sample's window is shown.
        theme: "light" or "dark".

    Source: after the figures of Dumoulin and Visin, arXiv:1603.07285.

    >>> import deconvjax as dj, numpy as np
    >>> A = dj.conv_transpose(np.ones((3, 3, 1, 1)), strides=2, padding=1).on((3, 3, 1))
    >>> dj.draw.arithmetic(A).axes[1].get_title()
    'output 5 × 5'
    """
    with drawing(theme) as colours:
        figure, (left, right) = blank(8.2, 4.4, 2, (1.4, 1.0))
        paint(left, right, a, step, colours)
    return figure


def paint(left: Axes, right: Axes, a: LinearMap, step: int, colours: Theme) -> None:
    """Draw one step of `a` on two axes: what is read, what is made."""
    stage = stage_of(a)
    shown = lines(a)
    outs = tuple(len(line.reads) for line in shown)
    if not 0 <= step < int(np.prod(outs)):
        raise ShapeError(complaint("draw.arithmetic", "there is no such output", got=f"step={step}",
                                   expected=f"0 to {int(np.prod(outs)) - 1}", fix="choose a step inside the output"))
    where = np.unravel_index(step, outs)
    rows, columns = _two(shown, Line(("input",), 0, ((0,),)))
    here = tuple(int(w) for w in _two(where, 0))
    for y, row_kind in enumerate(rows.kinds):
        for x, column_kind in enumerate(columns.kinds):
            _cell(left, x, y, _both(row_kind, column_kind), colours)
    for y in rows.reads[here[0]]:
        for x in columns.reads[here[1]]:
            left.add_patch(Rectangle((x, y), 1, 1, facecolor=colours.window, alpha=0.45, edgecolor="none"))
    ys, xs = rows.reads[here[0]], columns.reads[here[1]]
    left.add_patch(Rectangle((min(xs), min(ys)), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1, fill=False,
                             edgecolor=colours.window, linewidth=2.5))
    out_rows, out_columns = _two(outs, 1)
    for y in range(out_rows):
        for x in range(out_columns):
            _cell(right, x, y, "output", colours, strong=(y, x) == here)
    sizes = tuple(axis.size for axis in stage.geometry)
    _frame(left, len(columns.kinds), len(rows.kinds), f"input {_times(sizes)}, window {_times(stage.window)}")
    _frame(right, out_columns, out_rows, f"output {_times(outs)}")


_FACES = {"input": "input", "stuffed": "stuffed", "pad": "pad", "cropped": "stuffed", "output": "output"}


def _cell(axis: Axes, x: int, y: int, kind: str, colours: Theme, strong: bool = False) -> None:
    axis.add_patch(Rectangle((x, y), 1, 1, facecolor=getattr(colours, _FACES[kind]), linewidth=2.2 if strong else 0.8,
                             edgecolor=colours.ink if kind in ("input", "output") else colours.faint,
                             linestyle="--" if kind == "pad" else "-", zorder=2 if strong else 1,
                             alpha=1.0 if kind != "output" or strong else 0.55))
    if kind == "stuffed":
        axis.text(x + 0.5, y + 0.5, "0", ha="center", va="center", color=colours.faint, fontsize=8)
    if kind == "cropped":
        axis.plot([x, x + 1], [y, y + 1], color=colours.faint, linewidth=0.8)


def _both(row: str, column: str) -> str:
    for kind in ("cropped", "pad", "stuffed"):
        if kind in (row, column):
            return kind
    return "input"


def _two(values: Any, fill: Any) -> tuple[Any, Any]:
    """(rows, columns): a 1-D figure is one row."""
    several = tuple(values)
    return (fill, several[0]) if len(several) == 1 else (several[0], several[1])


def _frame(axis: Axes, width: int, height: int, title: str) -> None:
    axis.set_xlim(-0.3, width + 0.3)
    axis.set_ylim(height + 0.3, -0.3)
    axis.set_aspect("equal")
    axis.set_axis_off()
    axis.set_title(title)


def _times(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))
