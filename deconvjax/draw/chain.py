"""Block diagrams in signal-processing notation: the map as written, and the plan that runs."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser
from matplotlib.patches import FancyBboxPatch

from deconvjax.algebra import UPSTAIRS, Chain, LinearMap, Row, Stack, Sum
from deconvjax.draw.style import Theme, blank, drawing
from deconvjax.draw.words import wrapped

BOX, GAP, LANE = 2.3, 0.7, 1.25
WIDEST = 16.0  # inches: beyond that boxes become narrower, and their words take more lines
SMALL, LINE, MOST = 7.0, 0.125, 5  # points of the words in a box, the height of a line of them, lines at most
_SETTER = MathTextParser("path")


def chain(a: LinearMap, *, plan: bool = True, theme: str = "light") -> Figure:
    """x -> [An] -> ... -> [A1] -> y: signal flow from left to right, shapes on the wires, the plan below.

    Sums, stacks and rows fan out into lanes.

    Args:
        a: a map; shapes and the plan are drawn when it is bound.
        plan: draw the cheapest equal plan under the map as written.
        theme: "light" or "dark".

    >>> import deconvjax as dj
    >>> figure = dj.draw.chain((dj.downsample(2) @ dj.convolve([1, 2, 1])).on((8,)))
    >>> [axis.get_title("left") for axis in figure.axes]
    ['as written', 'as it runs']
    """
    maps = [("as written", a)]
    if plan and a.is_bound:
        maps.append(("as it runs", UPSTAIRS.plan(a)))
    sizes = [_size(m) for _, m in maps]
    width = max(w for w, _ in sizes) + 3.4
    with drawing(theme) as colours:
        figure, axes = blank(min(WIDEST, width), sum(h * LANE + 0.9 for _, h in sizes), rows=len(maps))
        for axis, (title, m), (_, h) in zip(axes, maps, sizes, strict=True):
            axis.set_axis_off()
            axis.set_title(title, loc="left")
            axis.set_xlim(-1.7, width - 1.7)
            axis.set_ylim(-h * LANE / 2 - 0.2, h * LANE / 2 + 0.2)
            axis.text(-0.15, 0, "x", ha="right", va="center", fontsize=13, style="italic")
            end = _draw(axis, m, 0.0, 0.0, colours)
            _wire(axis, end, 0.0, end + GAP, 0.0, colours)
            axis.text(end + GAP + 0.1, 0, "y", va="center", fontsize=13, style="italic")
    return figure


def _size(a: LinearMap) -> tuple[float, int]:
    """(length, lanes) a map takes."""
    if isinstance(a, Chain):
        sizes = [_size(part) for part in a.maps]
        return sum(w for w, _ in sizes), max(h for _, h in sizes)
    if isinstance(a, (Sum, Stack, Row)):
        sizes = [_size(part) for part in a.maps]
        return max(w for w, _ in sizes) + 2 * GAP, sum(h for _, h in sizes)
    return BOX + GAP, 1


def _draw(axis: Axes, a: LinearMap, x: float, y: float, colours: Theme) -> float:
    """Draw `a` with its wire coming in at (x, y); the x where its output leaves."""
    if isinstance(a, Chain):
        for part in reversed(a.maps):
            x = _draw(axis, part, x, y, colours)
        return x
    if isinstance(a, (Sum, Stack, Row)):
        return _lanes(axis, a, x, y, colours)
    _wire(axis, x, y, x + GAP, y, colours)
    lines = wrapped(a._label(), int(72 * _inches(axis) / (0.62 * SMALL)), MOST)  # a wide letter has 0.62 em
    half = max(0.38, 0.25 + len(lines) * LINE / 2)
    middle = x + GAP + BOX / 2
    axis.add_patch(FancyBboxPatch((x + GAP, y - half), BOX, 2 * half, boxstyle="round,pad=0.02,rounding_size=0.12",
                                  facecolor=colours.stuffed, edgecolor=colours.input, linewidth=1.6))
    symbol, size = _symbol(a, _inches(axis))
    axis.text(middle, y + half - 0.26, symbol, ha="center", va="center", fontsize=size)
    axis.text(middle, y - half + 0.07, "\n".join(lines), ha="center", va="bottom", fontsize=SMALL, linespacing=1.2)
    if a.is_bound and len(a._codomain().leaves) == 1:
        shape = "×".join(map(str, a.codomain.shape))
        axis.text(x + GAP + BOX + 0.04, y + 0.14, shape, fontsize=6.5, color=colours.ink, va="bottom")
    return x + GAP + BOX


def _lanes(axis: Axes, a: Sum | Stack | Row, x: float, y: float, colours: Theme) -> float:
    width, lanes = _size(a)
    top = y + lanes * LANE / 2
    end = x + width
    for part in a.maps:
        height = _size(part)[1]
        lane = top - height * LANE / 2
        top -= height * LANE
        _wire(axis, x, y, x + GAP / 2, lane, colours)
        out = _draw(axis, part, x + GAP / 2, lane, colours)
        _wire(axis, out, lane, end - GAP / 2, lane, colours)
        _wire(axis, end - GAP / 2, lane, end, y, colours)
    if isinstance(a, (Sum, Row)):
        axis.text(end, y, "+", ha="center", va="center", fontsize=12,
                  bbox={"boxstyle": "circle,pad=0.15", "facecolor": colours.paper, "edgecolor": colours.ink})
    return end


def _inches(axis: Axes) -> float:
    """The room for words in a box."""
    figure = axis.get_figure(root=True)
    assert figure is not None
    left, right = axis.get_xlim()
    return BOX * figure.get_figwidth() / (right - left) - 0.15


def _symbol(a: LinearMap, inches: float) -> tuple[str, float]:
    """The map in signal-processing notation, and the size in points at which it fits; nothing where it cannot be set.

    A box around it is the drawing's own, and matplotlib sets no matrices.
    """
    symbol = f"${a._latex()}$".replace(r"\boxed", "")
    try:
        width = _SETTER.parse(symbol, 72, FontProperties(size=12)).width / 72
    except ValueError:
        return "", 12
    size = 12 * min(1.0, inches / width)
    return (symbol, size) if size >= SMALL else ("", 12)


def _wire(axis: Axes, x0: float, y0: float, x1: float, y1: float, colours: Theme) -> None:
    axis.plot([x0, x1], [y0, y1], color=colours.ink, linewidth=1.2, zorder=0)
