"""Convolution arithmetic as a picture: padding, stuffed zeros, where the window stands, which output it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text

from deconvjax.algebra import Chain, LinearMap
from deconvjax.axis import Axis
from deconvjax.draw.cells import em, number, on, place
from deconvjax.draw.style import Theme, blank, drawing
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves.stage import Stage

LEAST = (5, 3)  # cells a panel is wide at least, so that its title fits above it
MANY = 400  # stuffed zeros beyond which they are not written in


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
    def of(cls, axis: Axis, unread: int = 0) -> Line:
        """The cells of one bound axis, and `unread` more of padding behind them.

        >>> from deconvjax.axis import Axis
        >>> line = Line.of(Axis(size=2, window=3, up=2, lo=1, hi=1))
        >>> line.kinds, line.reads[0]
        (('pad', 'input', 'stuffed', 'input', 'pad'), (0, 1, 2))
        """
        first, last = min(0, -axis.lo), max(axis.dense, axis.dense + axis.hi) + unread
        kinds = tuple(cls._kind(axis, d) for d in range(first, last))
        reads = tuple(tuple(n * axis.down - axis.lo + j * axis.dilation - first for j in range(axis.window))
                      for n in range(axis.out))
        return cls(kinds, first, reads)

    @staticmethod
    def _kind(axis: Axis, d: int) -> str:
        if not 0 <= d < axis.dense:
            return "pad"  # also what no window reads
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


def lines(a: LinearMap, unread: int = 0) -> tuple[Line, ...]:
    """The figure of `a` as data, one `Line` per axis."""
    return tuple(Line.of(axis, unread) for axis in stage_of(a).geometry)


def arithmetic(a: LinearMap, step: int = 0, *, x: Any = None, unread: int = 0, theme: str = "light") -> Figure:
    """out = floor((dense + lo + hi - taps)/down) + 1, drawn: the window over the padded input, and the output it makes.

    Blue cells are input samples, pale cells the zeros that upsampling stuffs between them, dashed cells padding, the
    orange frame the window of output number `step` (row-major), green the output.

    Args:
        a: a bound 1-D or 2-D filter, `conv` or `conv_transpose` (one stage).
        step: which output sample's window is shown.
        x: the input's values, to be written into the cells with the taps (small) and the outputs made so far; for
            maps of one channel.
        unread: cells of padding to draw behind the last one that is read: a bound map forgets padding that no window
            reaches.
        theme: "light" or "dark".

    Source: after the figures of Dumoulin and Visin, arXiv:1603.07285.

    >>> import deconvjax as dj, numpy as np
    >>> A = dj.conv_transpose(np.ones((3, 3, 1, 1)), strides=2, padding=1).on((3, 3, 1))
    >>> dj.draw.arithmetic(A).axes[1].get_title("left")
    'output 5 × 5'
    """
    with drawing(theme) as colours:
        figure, shown = scene(a, colours, x=x, unread=unread)
        shown.show(step)
    return figure


def scene(a: LinearMap, colours: Theme, *, x: Any = None, unread: int = 0) -> tuple[Figure, Scene]:
    """A figure of the right size for `a`, and the scene on it, no window shown yet."""
    found = lines(a, unread)
    left, right = max(LEAST[0], len(found[-1].kinds)), max(LEAST[1], len(found[-1].reads))
    high = max(max(len(line.kinds), len(line.reads)) for line in found[:-1]) if len(found) == 2 else 1
    cell = min(0.42, 8.6 / (left + right), 5.0 / high)
    figure, axes = blank(cell * (left + right) + 0.6, cell * high + 0.75, 2, (left, right))
    return figure, Scene(axes[0], axes[1], a, colours, x, found)


class Scene:
    """What is read (left) and made (right), drawn once; `show(step)` moves the window."""

    def __init__(self, left: Axes, right: Axes, a: LinearMap, colours: Theme, x: Any, found: tuple[Line, ...]):
        stage = stage_of(a)
        self.left, self.right, self.colours = left, right, colours
        self.outs = tuple(len(line.reads) for line in found)
        self.rows, self.columns = _two(found, Line(("input",), 0, ((0,),)))
        self.made: list[Text] = []
        self.taps: np.ndarray | None = None
        if x is not None:
            self._write(a, stage, x)
        _cells(left, {(x, y): _both(row, column) for y, row in enumerate(self.rows.kinds)
                      for x, column in enumerate(self.columns.kinds)}, colours)
        out_rows, out_columns = _two(self.outs, 1)
        _cells(right, {(x, y): "output" for y in range(out_rows) for x in range(out_columns)}, colours)
        self.here = Rectangle((0, 0), 1, 1, facecolor=colours.output, edgecolor=colours.ink, linewidth=2.2, zorder=2)
        right.add_patch(self.here)
        self.moving: list[Patch | Text] = []
        _frame(left, max(LEAST[0], len(self.columns.kinds)), len(self.rows.kinds),
               f"input {_times(tuple(axis.size for axis in stage.geometry))}, window {_times(stage.window)}")
        _frame(right, max(LEAST[1], out_columns), out_rows, f"output {_times(self.outs)}")

    def _write(self, a: LinearMap, stage: Stage, x: Any) -> None:
        """The values of the input; those of the output wait until their step."""
        values = np.asarray(x)
        sizes = tuple(axis.size for axis in stage.geometry)
        if values.size != int(np.prod(sizes)) or int(np.prod(a.codomain.shape)) != int(np.prod(self.outs)):
            raise ShapeError(complaint("draw.arithmetic", "values are written for one channel",
                                       got=f"x of {values.shape} for {a.space}",
                                       expected=f"{sizes}, one channel in and out",
                                       fix="leave x out"))
        made = _plane(np.asarray(a(values.reshape(a.domain.shape))), self.outs)
        values = _plane(values, sizes)
        self.taps = _plane(np.asarray(stage.correlation_taps), stage.window)
        at = [[i for i, kind in enumerate(line.kinds) if kind == "input"] for line in (self.rows, self.columns)]
        cut = [_cut(line, axis)
               for line, axis in zip((self.rows, self.columns), _two(stage.geometry, None), strict=True)]
        inputs = values[cut[0]][:, cut[1]]
        room = max((em(number(value)) for value in inputs.ravel()), default=1.0)
        for (i, j), value in np.ndenumerate(inputs):
            place(self.left, at[1][j] + 0.5, at[0][i] + 0.5, number(value), on(self.colours.input), room)
        room = max(em(number(value)) for value in made.ravel())
        self.made = [place(self.right, j + 0.5, i + 0.5, number(value), self.colours.ink, room)
                     for (i, j), value in np.ndenumerate(made)]

    def show(self, step: int) -> None:
        """The window of output number `step`, row-major."""
        total = int(np.prod(self.outs))
        if not 0 <= step < total:
            raise ShapeError(complaint("draw.arithmetic", "there is no such output", got=f"step={step}",
                                       expected=f"0 to {total - 1}", fix="choose a step inside the output"))
        for artist in self.moving:
            artist.remove()
        row, column = (int(w) for w in _two(np.unravel_index(step, self.outs), 0))
        ys, xs = self.rows.reads[row], self.columns.reads[column]
        window: list[Patch] = [Rectangle((x, y), 1, 1, facecolor=self.colours.window, alpha=0.45, edgecolor="none",
                                         zorder=1.5) for y in ys for x in xs]
        window.append(Rectangle((min(xs), min(ys)), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1, fill=False,
                                edgecolor=self.colours.window, linewidth=2.5, zorder=2))
        self.moving = [self.left.add_patch(patch) for patch in window]
        if self.taps is not None:
            self.moving += [self.left.text(x + 0.95, y + 0.95, number(self.taps[j, i]), fontsize=6,
                                           color=self.colours.ink, ha="right", va="bottom")
                            for j, y in enumerate(ys) for i, x in enumerate(xs)]
        self.here.set_xy((column, row))
        for made_at, text in enumerate(self.made):
            text.set_visible(made_at <= step)


def _cells(axis: Axes, kinds: dict[tuple[int, int], str], colours: Theme) -> None:
    """Unit squares at (x, y), one collection for each kind and named so: thousands of patches would take seconds."""
    for kind in dict.fromkeys(kinds.values()):
        corners = [at for at, found in kinds.items() if found == kind]
        squares = [[(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)] for x, y in corners]
        axis.add_collection(PolyCollection(
            squares, facecolor=colours.stuffed if kind == "cropped" else getattr(colours, kind), label=kind,
            edgecolor=colours.ink if kind in ("input", "output") else colours.faint, linewidth=0.8,
            linestyle="--" if kind == "pad" else "-", alpha=0.55 if kind == "output" else 1.0, zorder=1), autolim=False)
        if kind == "cropped":
            axis.add_collection(LineCollection([[(x, y), (x + 1, y + 1)] for x, y in corners], colors=colours.faint,
                                               linewidth=0.8, label="crossed out"), autolim=False)
        if kind == "stuffed" and len(corners) <= MANY:
            for x, y in corners:
                place(axis, x + 0.5, y + 0.5, "0", colours.ink, 1.3).set_alpha(0.5)


def _cut(line: Line, axis: Axis | None) -> slice:
    """The input samples that are not cropped off."""
    if axis is None:
        return slice(None)
    kept = [(i + line.first) // axis.up for i, kind in enumerate(line.kinds) if kind == "input"]
    return slice(kept[0], kept[-1] + 1) if kept else slice(0)


def _plane(values: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    return values.reshape((1, *sizes) if len(sizes) == 1 else sizes)


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
    axis.set_xlim(-0.15, width + 0.15)
    axis.set_ylim(height + 0.15, -0.15)
    axis.set_aspect("equal")
    axis.set_anchor("NW")
    axis.set_axis_off()
    axis.set_title(title, loc="left")


def _times(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))
