"""The README's picture: a strided convolution beside its transpose, as wires and as matrices, read off a map.

`python -m docs.banner` writes docs/pages/figures/operator-light.svg and operator-dark.svg. Written as
SVG by hand: text stays text, the files are small, and the same bytes come out everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import deconvjax as dj

FOLDER = Path(__file__).parent / "pages" / "figures"
INK = {"light": ("#1f2328", "#59636e", "#d1d9e0"), "dark": ("#f0f6fc", "#9198a1", "#3d444d")}
TAP = {1: "#56B4E9", 2: "#E69F00", 3: "#D55E00"}
SHOWN = 1  # the output whose window is framed, and the input whose painting is
PITCH, CELL, TOP, LOW, GRID = 52, 30, 84, 190, 262
LEFT, RIGHT = 40, 480  # what stands on the right leaves room for fonts that are wider than Helvetica


def svg(theme: str) -> str:
    """The picture in one palette."""
    matrix = np.asarray((dj.downsample(2) @ dj.convolve([1, 2, 3])).on((6,)).matrix()).astype(int)
    ink, faint, line = INK[theme]
    body = [
        _text(LEFT, 26, "A = downsample(2) @ convolve([1, 2, 3])", ink, 15, weight=600, mono=True),
        _text(LEFT, 48, "a window slides by 2: each output reads three inputs", faint, 14),
        _text(RIGHT, 26, "A.T", ink, 15, weight=600, mono=True),
        _text(RIGHT + 40, 26, "the “deconvolution” layer", ink, 15, weight=600),
        _text(RIGHT, 48, "backwards: each input paints three outputs", faint, 14),
        *_wires(matrix, LEFT, TOP, LOW, ink), *_wires(matrix, RIGHT, LOW, TOP, ink),
        *_idle(LEFT, LOW, "", faint), *_idle(RIGHT, TOP, "0", faint),
        *_row(LEFT, TOP, 6, 1, "x", ink, line), *_row(LEFT, LOW, 3, 2, "A x", ink, line),
        *_row(RIGHT, TOP, 3, 2, "y", ink, line), *_row(RIGHT, LOW, 6, 1, "A.T y", ink, line),
        *_frame(LEFT, TOP), *_frame(RIGHT, LOW),
        *_grid(matrix, LEFT + 40, GRID, line), *_grid(matrix.T, RIGHT + 40, GRID, line),
        _text(LEFT + 40, GRID + 3 * CELL + 28, "rows: what an output reads", faint, 14),
        _text(LEFT + 40, GRID + 3 * CELL + 50, "columns: what an input paints", faint, 14),
        _text(LEFT + 40, GRID + 3 * CELL + 78, "Nothing is inverted: A.T A x is not x.", ink, 14, weight=600),
        _text(RIGHT + 40 + 3 * CELL + 16, GRID + 3 * CELL, "the same numbers,", faint, 14),
        _text(RIGHT + 40 + 3 * CELL + 16, GRID + 3 * CELL + 20, "rows and columns swapped", faint, 14),
    ]
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 456" width="880" height="456" '
        'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
        "<title>A strided convolution and its transpose, as wires and as matrices</title>", *body, "</svg>", ""])


def write() -> None:
    """Both palettes, to the files that the README shows."""
    for theme in INK:
        (FOLDER / f"operator-{theme}.svg").write_text(svg(theme), "utf-8")


def _centre(left: int, n: int, step: int) -> int:
    return left + 76 + n * step * PITCH


def _wires(matrix: np.ndarray, left: int, wide: int, narrow: int, ink: str) -> Iterator[str]:
    """A line for each weight, from the row of six to the row of three; those of the framed one are thick."""
    for (out, at), weight in np.ndenumerate(matrix):
        if weight:
            near = CELL // 2 if wide < narrow else -(CELL // 2)
            thick, pale = (3.5, 1) if out == SHOWN else (1.6, 0.55)
            yield (f'<line x1="{_centre(left, at, 1)}" y1="{wide + near}" x2="{_centre(left, out, 2)}" '
                   f'y2="{narrow - near}" stroke="{TAP[int(weight)]}" stroke-width="{thick}" opacity="{pale}"/>')
            if out == SHOWN:
                middle = (_centre(left, at, 1) + _centre(left, out, 2)) // 2 + 8
                yield _text(middle, (wide + narrow) // 2 + 5, str(weight), ink, 14, weight=600)


def _row(left: int, y: int, count: int, step: int, name: str, ink: str, line: str) -> Iterator[str]:
    """Samples as squares, their name in front."""
    yield _text(left, y + 5, name, ink, 14, mono=True)
    for n in range(count):
        x = _centre(left, n, step) - CELL // 2
        fill = "#0072B2" if count == 6 else "#009E73"
        yield (f'<rect x="{x}" y="{y - CELL // 2}" width="{CELL}" height="{CELL}" rx="4" fill="{fill}" '
               f'stroke="{line}"/>')


def _idle(left: int, y: int, word: str, faint: str) -> Iterator[str]:
    """The samples between: dropped on the left, stuffed zeros on the right."""
    for n in (1, 3, 5):
        x = _centre(left, n, 1)
        yield (f'<rect x="{x - 11}" y="{y - 11}" width="22" height="22" rx="4" fill="none" stroke="{faint}" '
               f'stroke-dasharray="3 3"/>')
        yield f'<text x="{x}" y="{y + 5}" text-anchor="middle" font-size="13" fill="{faint}">{word}</text>'


def _frame(left: int, y: int) -> Iterator[str]:
    """The window: the three samples that the framed one is wired to."""
    x = _centre(left, 2 * SHOWN - 1, 1) - CELL // 2 - 6
    yield (f'<rect x="{x}" y="{y - CELL // 2 - 6}" width="{2 * PITCH + CELL + 12}" height="{CELL + 12}" rx="8" '
           f'fill="none" stroke="{TAP[2]}" stroke-width="3"/>')


def _grid(matrix: np.ndarray, left: int, top: int, line: str) -> Iterator[str]:
    """A matrix: a cell for each entry, its weight written in it."""
    for (row, column), weight in np.ndenumerate(matrix):
        x, y = left + column * CELL, top + row * CELL
        fill = TAP.get(int(weight), "none")
        yield f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="{fill}" stroke="{line}"/>'
        if weight:
            yield (f'<text x="{x + CELL // 2}" y="{y + 20}" text-anchor="middle" font-size="14" '
                   f'fill="#000000">{weight}</text>')


def _text(x: int, y: int, words: str, fill: str, size: int, weight: int = 400, mono: bool = False) -> str:
    family = ' font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"' if mono else ""
    return f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{fill}"{family}>{words}</text>'


if __name__ == "__main__":
    write()
