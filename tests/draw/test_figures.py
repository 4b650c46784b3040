"""All figures of convolution arithmetic: what is drawn, against loops over the tuples as the report prints them."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from deconvjax import draw
from deconvjax.cli import main
from deconvjax.draw.arithmetic import scene
from deconvjax.draw.cells import CellText, on
from deconvjax.draw.figures import FIGURES
from deconvjax.draw.style import THEMES, drawing

# (input, window, stride, padding, dilation) -> output; the transpose's stretched input and its (lo, hi) padding
REPORT = {
    "no_padding_no_strides": ((4, 3, 1, 0, 1), 2, 2, (2, 2)),
    "arbitrary_padding_no_strides": ((5, 4, 1, 2, 1), 6, 6, (1, 1)),
    "same_padding_no_strides": ((5, 3, 1, 1, 1), 5, 5, (1, 1)),
    "full_padding_no_strides": ((5, 3, 1, 2, 1), 7, 7, (0, 0)),
    "no_padding_strides": ((5, 3, 2, 0, 1), 2, 3, (2, 2)),
    "padding_strides": ((5, 3, 2, 1, 1), 3, 5, (1, 1)),
    "padding_strides_odd": ((6, 3, 2, 1, 1), 3, 5, (1, 2)),
    "dilation": ((7, 3, 1, 0, 2), 3, 3, (4, 4)),
}
AT_ONCE = ("padding_strides_odd", "no_padding_strides", "dilation")  # the others take as long, and say as much
CASES = [pytest.param(name, transposed, marks=() if name in AT_ONCE else pytest.mark.slow)
         for name in REPORT for transposed in (False, True)]


def expected(name, transposed):
    """(cells, windows): names of all cells, and for each output the cells under the taps, by loops over the tuple."""
    (i, k, s, p, d), o, stretched, (lo, hi) = REPORT[name]
    size, inside, apart, step = (o, stretched, s, 1) if transposed else (i, i, 1, s)
    before, after = (lo, hi) if transposed else (p, p)
    cells = np.full((before + inside + after,) * 2, "pad", object)
    cells[before:before + inside, before:before + inside] = "stuffed"
    for y in range(size):
        for x in range(size):
            cells[before + y * apart, before + x * apart] = "input"
    outs = i if transposed else o
    windows = {(y, x): {(y * step + j * d, x * step + m * d) for j in range(k) for m in range(k)}
               for y in range(outs) for x in range(outs)}
    assert max(max(cell) for window in windows.values() for cell in window) < len(cells)
    return cells, windows


def values(name, transposed, x):
    """The output by loops: gather for the convolution, scatter for its transpose."""
    (i, k, s, p, d), o, *_ = REPORT[name]
    kernel = 1 + np.arange(k * k).reshape(k, k) % 5
    y = np.zeros((i if transposed else o,) * 2)
    for r, c, j, m in np.ndindex(o, o, k, k):
        at = (r * s + j * d - p, c * s + m * d - p)
        if 0 <= at[0] < i and 0 <= at[1] < i:
            target, source = (at, (r, c)) if transposed else ((r, c), at)
            y[target] += kernel[j, m] * x[source]
    return y


def drawn(axis, colours):
    """{(row, column): kind} of the cells, by their colours."""
    kinds = {to_rgba(getattr(colours, kind)): kind for kind in ("input", "stuffed", "pad")}
    kinds[to_rgba(colours.output, 0.55)] = "output"
    found = {}
    for cells in axis.collections:
        for path in cells.get_paths():
            x, y = path.vertices.min(0)
            found[int(y), int(x)] = kinds[tuple(cells.get_facecolor()[0])]
            assert (path.vertices.max(0) == (x + 1, y + 1)).all()
    return found


def under(axis, colours):
    """The cells under the window."""
    orange = to_rgba(colours.window, 0.45)
    return {(int(p.get_y()), int(p.get_x())) for p in axis.patches if p.get_facecolor() == orange}


@pytest.mark.parametrize(("name", "transposed"), CASES)
def test_every_cell_of_every_step(name, transposed):
    figure = FIGURES[name]
    assert (figure.i, figure.k, figure.s, figure.p, figure.d) == REPORT[name][0]
    a = figure.map().T if transposed else figure.map()
    cells, windows = expected(name, transposed)
    x = np.random.default_rng(0).integers(0, 9, a.domain.shape[:2])
    with drawing("light") as colours:
        picture, shown = scene(a, colours, x=x, unread=0 if transposed else figure.unread)
    left, right = picture.axes
    made = values(name, transposed, x)
    for step, (at, window) in enumerate(windows.items()):
        shown.show(step)
        assert under(left, colours) == window
        assert [(p.get_y(), p.get_x()) for p in right.patches] == [at]
        visible = [text.get_text() for text in right.texts if text.get_visible()]
        assert visible == [f"{v:g}" for v in made.ravel()[:step + 1]]
    assert drawn(left, colours) == {(int(r), int(c)): kind for (r, c), kind in np.ndenumerate(cells)}
    written = [text.get_text() for text in left.texts if text.get_color() == on(colours.input)]
    assert written == [str(v) for v in x.ravel()]
    taps = [text.get_text() for text in left.texts if not isinstance(text, CellText)]
    forward = [str(1 + n % 5) for n in range(figure.k**2)]
    assert taps == (forward[::-1] if transposed else forward)
    assert drawn(right, colours) == dict.fromkeys(windows, "output")


@pytest.mark.slow
def test_the_command_writes_them_all(tmp_path, capsys):
    assert main(["figures", "--out", str(tmp_path)]) == 0
    assert "wrote 48 files of 16 figures" in capsys.readouterr().out
    names = {name + end for name in REPORT for end in ("", "_transposed")}
    assert {p.name for p in tmp_path.iterdir()} == {f"{name}.{end}" for name in names for end in ("svg", "png", "gif")}
    for name in REPORT:
        for end, outs in (("", REPORT[name][1]), ("_transposed", REPORT[name][0][0])):
            assert f"output {outs} × {outs}" in (tmp_path / f"{name}{end}.svg").read_text("utf-8")
            with Image.open(tmp_path / f"{name}{end}.gif") as film:
                assert film.n_frames == outs * outs


@pytest.mark.parametrize("theme", THEMES)
def test_pictures(tmp_path, theme):
    assert main(["figures", "--out", str(tmp_path), "--names", "no_padding_strides", "--formats", "png", "--values",
                 "--theme", theme]) == 0
    with Image.open(tmp_path / "no_padding_strides_transposed.png") as picture:
        assert picture.getpixel((0, 0))[:3] == tuple(int(THEMES[theme].paper[i:i + 2], 16) for i in (1, 3, 5))


def test_the_same_file_every_time(tmp_path):
    first, second = (draw.figures(tmp_path / part, names=("no_padding_no_strides",), formats=("svg", "gif"))
                     for part in "ab")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="unknown names; got 'padding'"):
        draw.figures(tmp_path, names=("padding",))
    with pytest.raises(ValueError, match="unknown formats; got 'pdf'"):
        draw.figures(tmp_path, formats=("pdf",))
