"""Colours and figure set-up shared by every drawing: colour-blind safe, light and dark."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from deconvjax.errors import complaint


@dataclass(frozen=True)
class Theme:
    """The colours of a drawing; hues are Okabe and Ito's, told apart by every common colour vision.

    Zero has the colour of the paper in both diverging scales (berlin is Crameri's, for dark paper).
    """

    paper: str
    ink: str
    faint: str
    input: str
    output: str
    window: str
    stuffed: str
    pad: str
    diverging: str
    sequential: str
    cycle: tuple[str, ...]


_HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")

THEMES = {
    "light": Theme(paper="#ffffff", ink="#1b1f24", faint="#c7ccd1", input="#56B4E9", output="#3FB594", window="#E69F00",
                   stuffed="#f4f5f6", pad="#ffffff", diverging="RdBu_r", sequential="viridis", cycle=_HUES),
    "dark": Theme(paper="#14181d", ink="#e6e9ec", faint="#4a525b", input="#2F86BE", output="#0C8E69", window="#E69F00",
                  stuffed="#242a31", pad="#14181d", diverging="berlin", sequential="viridis",
                  cycle=("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#0072B2")),
}


def theme(name: str) -> Theme:
    """The theme called `name`; ValueError names the choices."""
    if name not in THEMES:
        raise ValueError(complaint("draw", "unknown theme", got=repr(name), expected=" or ".join(map(repr, THEMES)),
                                   fix='theme="light"'))
    return THEMES[name]


@contextmanager
def drawing(name: str) -> Iterator[Theme]:
    """Matplotlib set up for one figure in `name`'s colours; nothing global changes."""
    colours = theme(name)
    settings: Any = {
        "figure.facecolor": colours.paper, "axes.facecolor": colours.paper, "savefig.facecolor": colours.paper,
        "text.color": colours.ink, "axes.labelcolor": colours.ink, "axes.edgecolor": colours.faint,
        "axes.titlecolor": colours.ink, "xtick.color": colours.ink, "ytick.color": colours.ink,
        "font.size": 10, "axes.titlesize": 11, "axes.spines.top": False, "axes.spines.right": False,
        "legend.frameon": False, "axes.prop_cycle": cycler(color=colours.cycle),
    }
    with mpl.rc_context(settings):
        yield colours


class Drawing(Figure):
    """A figure that belongs to no window manager, so that nothing leaks, and that notebooks show by themselves."""

    def savefig(self, fname: Any, **options: Any) -> None:
        """As ever; text stays text in an SVG, and the same drawing gives the same file."""
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "deconvjax"}):
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        page = io.BytesIO()
        self.savefig(page, format="png", dpi=90)
        return page.getvalue()


def blank(width: float, height: float, columns: int = 1, ratios: tuple[float, ...] | None = None,
          rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A drawing and its axes, row by row."""
    figure = Drawing(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, width_ratios=ratios)
    return figure, list(grid.ravel())
