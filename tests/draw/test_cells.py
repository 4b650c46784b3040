"""Values in cells: inside their cells at every size, legible or absent, in a colour that stands out."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

import deconvjax as dj
from deconvjax import draw
from deconvjax.draw.cells import CellText, number, on
from deconvjax.draw.style import THEMES

LONG = [0.125, -0.333, 100.5, -12.75]
MAPS = {
    "wide": (dj.downsample(3) @ dj.convolve(LONG)).on((24,)),
    "tall": (dj.convolve(dj.filters.bilinear(4)) @ dj.upsample(4)).on((6,)),
    "square": dj.convolve(LONG).on((9,)),
    "small": dj.convolve([123.4]).on((1,)),
    "image": dj.conv(np.arange(1.0, 10).reshape(3, 3, 1, 1) / 7, strides=2, padding=1).on((4, 4, 1)),
}


@pytest.mark.parametrize("name", MAPS)
def test_values_stay_inside_their_cells(name):
    figure = draw.matrix(MAPS[name])
    canvas = FigureCanvasAgg(figure)
    for inches in (tuple(figure.get_size_inches()), (4.0, 2.0), (14.0, 8.0)):
        figure.set_size_inches(inches)
        canvas.draw()
        written = [text for axis in figure.axes for text in axis.texts
                   if isinstance(text, CellText) and text.fitting() >= 5]  # others are too small, and not drawn
        assert written or inches == (4.0, 2.0) or name == "wide"
        for text in written:
            box = text.get_window_extent(canvas.get_renderer()).transformed(text.axes.transData.inverted())
            column, row = text.get_position()
            assert column - 0.5 < box.x0 < box.x1 < column + 0.5
            assert row - 0.5 < min(box.y0, box.y1) < max(box.y0, box.y1) < row + 0.5
            assert 5 <= text.get_fontsize() <= 10


def test_too_small_is_not_drawn():
    figure = draw.matrix(MAPS["wide"], stencil=False, transpose=False)
    figure.set_size_inches(3.2, 2.0)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    assert figure.axes[0].texts
    with_values = np.asarray(canvas.buffer_rgba()).copy()
    for text in list(figure.axes[0].texts):
        text.remove()
    canvas.draw()
    assert (np.asarray(canvas.buffer_rgba()) == with_values).all()


@pytest.mark.parametrize("theme", THEMES)
def test_values_stand_out(theme):
    """WCAG's contrast between every value and its cell is above 4.5, the best that black or white can promise."""
    def luminance(colour):
        channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return float(np.dot([0.2126, 0.7152, 0.0722], channels))

    axis = draw.matrix(MAPS["image"], theme=theme).axes[0]
    image = axis.images[0]
    assert axis.texts
    for text in axis.texts:
        column, row = text.get_position()
        cell = image.cmap(image.norm(image.get_array()[int(row), int(column)]))
        low, high = sorted((luminance(cell), luminance(text.get_color())))
        assert (high + 0.05) / (low + 0.05) > 4.5
    assert on("#ffffff") == "black" and on("#000000") == "white"


def test_numbers_are_short():
    assert [number(v) for v in (1.0, 0.25, -0.5, 100.4, -12.34, 1e-5)] == ["1", ".25", "-.5", "100", "-12.3", "1e-05"]
