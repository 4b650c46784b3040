"""The demo's figures; each function returns a matplotlib Figure made with the set-up of `draw`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from deconvjax.demo.training import decibel
from deconvjax.draw.style import Figure, blank, drawing

Panels = Sequence[tuple[str, np.ndarray]]


def row(panels: Panels, width: float = 3.2) -> Figure:
    """Pictures side by side, each under its title, pixels shown as squares of one size on paper.

    >>> [axis.get_title() for axis in row([("x", np.zeros((4, 6, 3))), ("y", np.zeros((1, 2, 1)))]).axes]
    ['x', 'y']
    """
    aspect = max(picture.shape[0] / picture.shape[1] for _, picture in panels)
    with drawing("light"):
        figure, axes = blank(width * len(panels), width * aspect + 0.35 * (1 + max(t.count("\n") for t, _ in panels)),
                             len(panels))
        for axis, (title, picture) in zip(axes, panels, strict=True):
            axis.imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(title, fontsize=10)
            axis.set_axis_off()
    return figure


def matrices(a: np.ndarray) -> Figure:
    """A and its transpose as coloured cells of one scale, entries to two places.

    >>> [axis.get_title() for axis in matrices(np.eye(2, 6)).axes]
    ['A   2 × 6', 'Aᵀ   6 × 2']
    """
    with drawing("light") as colours:
        sides = (a.shape[1], a.shape[0])
        figure, axes = blank(0.5 * sum(sides) + 0.8, 0.32 * max(sides) + 0.4, 2, tuple(map(float, sides)))
        for axis, values, name in zip(axes, (a, a.T), ("A", "Aᵀ"), strict=True):
            limit = float(np.abs(a).max()) or 1.0
            axis.imshow(values, cmap=colours.diverging, vmin=-limit, vmax=limit, aspect=0.7)
            axis.set_title(f"{name}   {values.shape[0]} × {values.shape[1]}")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
            for (row, column), value in np.ndenumerate(values):
                if abs(value) >= 0.005:
                    ink = "white" if abs(value) > 0.7 * limit else "black"
                    axis.text(column, row, f"{value:.2f}".replace("0.", "."), ha="center", va="center", color=ink)
    return figure


def zoom(picture: np.ndarray, centre: tuple[float, float], side: int = 96, factor: int = 1) -> np.ndarray:
    """A square of `side` pixels around `centre` (fractions of height and width); side/factor where coarser by factor.

    >>> zoom(np.zeros((100, 200, 3)), (0.5, 1.0), side=40, factor=4).shape
    (10, 10, 3)
    """
    starts = [min(max(int(c * n * factor) - side // 2, 0), n * factor - side) // factor
              for c, n in zip(centre, picture.shape, strict=False)]
    size = side // factor
    return picture[starts[0] : starts[0] + size, starts[1] : starts[1] + size]


def taps(start: np.ndarray, learned: np.ndarray) -> Figure:
    """The taps before and after on one colour scale, and a row through their middle.

    >>> len(taps(np.ones((4, 4)), np.eye(4)).axes)
    3
    """
    limit = float(max(np.abs(start).max(), np.abs(learned).max()))
    with drawing("light") as colours:
        figure, axes = blank(11, 3.4, 3, (1.0, 1.0, 1.4))
        for axis, title, values in zip(axes, ("start: bilinear", "learned"), (start, learned), strict=False):
            axis.imshow(values, cmap=colours.diverging, vmin=-limit, vmax=limit, interpolation="nearest")
            axis.set_title(title)
            axis.set_xticks([])
            axis.set_yticks([])
        middle = start.shape[0] // 2
        axes[2].axhline(0, color=colours.faint, linewidth=1)
        axes[2].plot(start[middle], ".--", label="bilinear")
        axes[2].plot(learned[middle], "o-", markersize=4, label="learned")
        axes[2].set_title("the middle row")
        axes[2].set_xlabel("tap")
        axes[2].legend()
    return figure


def learning(losses: Sequence[float], window: int = 25) -> Figure:
    """PSNR on the training patches, step by step and as a running mean.

    >>> learning([0.1, 0.01]).axes[0].get_xlabel()
    'step'
    """
    window = max(1, min(window, len(losses) // 2))
    mean = np.convolve(losses, np.full(window, 1 / window), "valid")
    with drawing("light") as colours:
        figure, (axis,) = blank(7, 3.2)
        axis.plot([decibel(loss) for loss in losses], color=colours.faint, linewidth=0.8, label="one batch")
        axis.plot(np.arange(window - 1, len(losses)), [decibel(loss) for loss in mean], label=f"mean of {window}")
        axis.set_xlabel("step")
        axis.set_ylabel("PSNR on patches, dB")
        axis.legend(loc="lower right")
    return figure


def scenes(rows: Mapping[str, Sequence[np.ndarray]]) -> Figure:
    """Rows of pictures of one size under each other, each row under its name.

    >>> picture = np.zeros((4, 4, 3))
    >>> [axis.get_title() for axis in scenes({"scene": [picture, picture], "truth": [picture, picture]}).axes]
    ['scene', 'truth']
    """
    with drawing("light"):
        tall = [np.concatenate([_framed(picture) for picture in row], 1) for row in rows.values()]
        width = 11.0
        height = sum(width * picture.shape[0] / picture.shape[1] + 0.4 for picture in tall)
        figure, axes = blank(width, height, rows=len(tall))
        for axis, name, picture in zip(axes, rows, tall, strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set_title(name, fontsize=10)
            axis.set_axis_off()
    return figure


def _framed(picture: np.ndarray) -> np.ndarray:
    """White on the right, two pixels wide."""
    return np.pad(picture, ((0, 0), (0, 2), (0, 0)), constant_values=255 if picture.dtype == np.uint8 else 1)


def bars(table: Mapping[str, Mapping[str, float]]) -> Figure:
    """PSNR by photograph and method, as bars.

    >>> [text.get_text() for text in bars({"camera": {"cubic": 25.0, "learned": 26.0}}).axes[0].get_xticklabels()]
    ['camera']
    """
    methods = list(next(iter(table.values())))
    with drawing("light") as colours:
        figure, (axis,) = blank(8, 3.4)
        for i, method in enumerate(methods):
            places = np.arange(len(table)) + (i - (len(methods) - 1) / 2) * 0.2
            drawn = axis.bar(places, [row[method] for row in table.values()], 0.19, color=colours.cycle[i],
                             label=method)
            axis.bar_label(drawn, fmt="%.1f", fontsize=7, padding=1)
        values = [value for row in table.values() for value in row.values()]
        axis.set_ylim(np.floor(min(values)) - 1, np.ceil(max(values)) + 1)
        axis.set_xticks(range(len(table)), list(table))
        axis.set_ylabel("PSNR, dB")
        axis.legend(ncols=len(methods), loc="upper left", fontsize=8)
    return figure
