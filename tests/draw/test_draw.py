"""Drawings by the data they show: cells, windows, values, titles; sizes of every convolution-arithmetic figure."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import deconvjax as dj
from deconvjax import draw
from deconvjax.draw.arithmetic import lines
from deconvjax.draw.checkerboard import pattern
from deconvjax.draw.contributions import views
from deconvjax.draw.spectrum import measure
from deconvjax.draw.style import THEMES
from deconvjax.errors import ShapeError, UnboundError

# Dumoulin and Visin's figures: (input, window, stride, padding, dilation) of the convolution, its output size.
FIGURES = {
    "no_padding_no_strides": (4, 3, 1, 0, 1, 2),
    "arbitrary_padding_no_strides": (5, 4, 1, 2, 1, 6),
    "same_padding_no_strides": (5, 3, 1, 1, 1, 5),
    "full_padding_no_strides": (5, 3, 1, 2, 1, 7),
    "no_padding_strides": (5, 3, 2, 0, 1, 2),
    "padding_strides": (5, 3, 2, 1, 1, 3),
    "padding_strides_odd": (6, 3, 2, 1, 1, 3),
    "dilation": (7, 3, 1, 0, 2, 3),
}


def figure_map(name):
    size, window, stride, padding, dilation, _ = FIGURES[name]
    kernel = np.arange(1.0, window * window + 1).reshape(window, window, 1, 1)
    return dj.conv(kernel, strides=stride, padding=padding, kernel_dilation=dilation).on((size, size, 1))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("name", FIGURES)
def test_arithmetic_figures(name, transposed):
    """The cells of each figure: as many outputs, each reading the taps' places, of which the inputs make the matrix."""
    a = figure_map(name)
    a = a.T if transposed else a
    size, *_, out = FIGURES[name]
    for line in lines(a):
        assert len(line.reads) == (size if transposed else out)
        assert line.kinds.count("input") + line.kinds.count("cropped") >= (out if transposed else size)
    # which inputs an output reads is where its row of the matrix is not zero
    rows, columns = lines(a)
    n, m = a.codomain.shape[0], a.domain.shape[0]
    matrix = np.asarray(a.matrix()).reshape(n, n, m, m)
    stretch = FIGURES[name][2] if transposed else 1
    for y in range(n):
        for x in range(n):
            reads = {((r + rows.first) // stretch, (c + columns.first) // stretch)
                     for r in rows.reads[y] if rows.kinds[r] == "input"
                     for c in columns.reads[x] if columns.kinds[c] == "input"}
            assert reads == {tuple(map(int, at)) for at in np.argwhere(matrix[y, x])}


def test_arithmetic_draws_the_cells():
    figure = draw.arithmetic(figure_map("padding_strides").T, step=7)
    left, right = figure.axes
    cells = {cells.get_label(): len(cells.get_paths()) for cells in left.collections}
    assert cells == {"pad": 24, "input": 9, "stuffed": 16}  # 7 x 7, stuffed to 5 x 5
    assert [len(cells.get_paths()) for cells in right.collections] == [25]
    assert len(left.patches) == 9 + 1  # the window's cells, and its frame
    frame = left.patches[-1]
    assert (frame.get_x(), frame.get_y(), frame.get_width()) == (2, 1, 3)
    assert left.get_title("left") == "input 3 × 3, window 3 × 3" and right.get_title("left") == "output 5 × 5"


def test_arithmetic_fuses_a_chain():
    left = draw.arithmetic((dj.downsample(2) @ dj.convolve([1, 2, 1])).on((9,))).axes[0]
    assert left.get_title("left") == "input 9, window 3"


@pytest.mark.parametrize("suffix", [".gif", ".html"])
def test_animation_has_a_frame_for_each_output(tmp_path, suffix):
    path = draw.animate(dj.convolve([1, 2, 1]).on((3,)), tmp_path / f"window{suffix}", seconds=0.2)
    if suffix == ".gif":
        with Image.open(path) as film:
            assert film.n_frames == 3
    else:
        text = path.read_text("utf-8")
        assert text.count("data:image/png;base64") == 3 and "http://" not in text.replace("http://www.w3.org", "")


def test_every_frame_has_its_window(tmp_path):
    """The orange frame of output n stands n cells further on than that of output 0."""
    path = draw.animate(dj.convolve([1, 2, 1]).on((5,)), tmp_path / "window.gif")
    orange = tuple(int(THEMES["light"].window[i:i + 2], 16) for i in (1, 3, 5))
    starts = []
    with Image.open(path) as film:
        assert film.n_frames == 5
        for n in range(film.n_frames):
            film.seek(n)
            near = np.abs(np.asarray(film.convert("RGB")).astype(int) - orange).sum(-1) < 30
            starts.append(int(np.flatnonzero(near.any(0))[0]))
    steps = np.diff(starts)
    assert steps.min() > 20 and steps.max() - steps.min() <= 1


def test_matrix_shows_the_matrix():
    a = (dj.downsample(2) @ dj.convolve([1.0, 2.0, 1.0])).on((6,))
    first, stencil, last = draw.matrix(a).axes
    assert (first.images[0].get_array() == np.asarray(a.matrix())).all()
    assert (last.images[0].get_array() == np.asarray(a.T.matrix())).all()
    assert sorted(text.get_text() for text in first.texts) == sorted(["1", "2"] * 3 + ["1"] * 2)
    assert (stencil.lines[1].get_ydata() == [1, 2, 1]).all()


def test_contributions_are_row_and_column():
    a = figure_map("no_padding_strides").T
    reads, paints = views(a, (1, 1, 0), (1, 1, 0)).values()
    matrix = np.asarray(a.matrix()).reshape(5, 5, 2, 2)
    assert (reads[..., 0] == matrix[1, 1]).all() and (paints[..., 0] == matrix[:, :, 1, 1]).all()
    left, right = draw.contributions(a, (1, 1, 0)).axes
    assert (left.images[0].get_array() == reads[..., 0]).all() and (right.images[0].get_array() == paints[..., 0]).all()


def test_contributions_of_one_axis():
    """Up by two with taps 1, 2, 1: output 2 reads input 1 doubled; input 2 paints 1, 2, 1 around output 4."""
    above, below = draw.contributions((dj.convolve([1.0, 2.0, 1.0]) @ dj.upsample(2)).on((4,)), 2).axes
    assert above.images[0].get_array().tolist() == [[0, 2, 0, 0]]
    assert below.images[0].get_array().tolist() == [[0, 0, 0, 1, 2, 1, 0, 0]]
    assert [text.get_text() for text in below.texts] == ["1", "2", "1"]


def test_contributions_show_every_sample_of_both_sides():
    """README's 3 -> 6 layer: by an index alone, or by the name of the view."""
    a = (dj.downsample(2) @ dj.convolve([1, 2, 3])).on((6,)).T
    matrix = [[2, 0, 0], [1, 3, 0], [0, 2, 0], [0, 1, 3], [0, 0, 2], [0, 0, 1]]
    for n in range(6):
        for figure in (draw.contributions(a, output=n), *([draw.contributions(a, n)] if n > 2 else [])):
            (axis,) = figure.axes
            assert axis.get_title() == f"output {n} reads" and axis.images[0].get_array().tolist() == [matrix[n]]
    (axis,) = draw.contributions(a.T, 4).axes
    assert axis.get_title() == "input 4 paints" and axis.images[0].get_array().tolist() == [matrix[4]]
    above, below = draw.contributions(a, output=5, input=0).axes
    assert above.images[0].get_array().tolist() == [[0, 0, 1]]
    assert below.images[0].get_array().tolist() == [[2, 1, 0, 0, 0, 0]]


def test_spectrum_draws_what_it_measures():
    """The line is |DFT of the taps|, peak 1; what is left is that times the images of the input."""
    taps = np.array([1.0, 3.0, 3.0, 1.0])
    top, bottom = draw.spectrum(dj.convolve(taps) @ dj.upsample(2)).axes
    line = bottom.lines[0]
    want = np.abs(np.exp(-2j * np.pi * np.outer(line.get_xdata(), np.arange(4))) @ taps) / taps.sum()
    np.testing.assert_allclose(line.get_ydata(), want, atol=1e-5)
    images, left = (axis.collections[0].get_paths()[0].vertices for axis in (top, bottom))
    assert images[:, 1].max() == pytest.approx(1) and images[images[:, 0] > 0.4, 1].max() == pytest.approx(1)
    assert left[left[:, 0] > 0.4, 1].max() < 0.05  # the taps kill the image around 1/2
    assert left[:, 1].max() == pytest.approx(1, abs=1e-5)


def test_spectrum_of_bilinear():
    """|H(f)| of (1/2, 1, 1/2) is 1 + cos(2 pi f); its zero is where ↑2 puts the image of a constant."""
    found = measure(dj.convolve([0.5, 1.0, 0.5]) @ dj.upsample(2))
    assert found.factor == 2
    np.testing.assert_allclose(found.response, 1 + np.cos(2 * np.pi * found.frequency), atol=1e-5)
    np.testing.assert_allclose(found.images[[0, -1]], 1.0)


@pytest.mark.parametrize("bind", [lambda a: a, lambda a: a.on((96, 1))], ids=["unbound", "bound"])
def test_spectrum_of_a_layer_of_one_channel(bind):
    """|H(f)| of (1, 3, 3, 1) is |1 + exp(-2 pi i f)|^3."""
    found = measure(bind(dj.conv_transpose(np.array([1.0, 3, 3, 1]).reshape(4, 1, 1), strides=2)))
    assert found.factor == 2
    np.testing.assert_allclose(found.response, np.abs(2 * np.cos(np.pi * found.frequency)) ** 3, atol=1e-5)


def test_checkerboard_of_ones():
    """Three ones at stride 2 answer 1 and 2 in turn: spread 1/1.5; two ones answer 1 everywhere."""
    uneven = dj.conv_transpose(np.ones((3, 1, 1)), strides=2, padding="VALID").on((8, 1))
    found = pattern(uneven, margin=4)
    assert set(found.response[4:-4]) == {1.0, 2.0} and found.spread == pytest.approx(1 / found.response[4:-4].mean())
    assert draw.checkerboard(uneven).axes[0].lines[0].get_ydata().tolist() == [1, 1, *[2, 1] * 7, 1]
    even = dj.conv_transpose(np.ones((2, 1, 1)), strides=2, padding="VALID").on((8, 1))
    assert pattern(even).spread == 0
    assert (draw.checkerboard(figure_map("padding_strides").T).axes[0].images[0].get_array()
            == pattern(figure_map("padding_strides").T).response).all()


def test_chain_boxes():
    a = (dj.downsample(2) @ dj.convolve([1, 2, 1]) + dj.downsample(2)).on((8,))
    written = draw.chain(a, plan=False).axes[0]
    labels = [text.get_text() for text in written.texts]
    assert [label for label in labels if label.startswith(("down", "conv"))] == [
        "convolve(3 taps)", "downsample(2)", "downsample(2)"]
    assert "+" in labels and {"x", "y", "8", "4"} <= set(labels)
    runs = [text.get_text() for text in draw.chain((dj.downsample(2) @ dj.convolve([1, 2, 1])).on((8,))).axes[1].texts]
    assert [label for label in runs if "(" in label and "$" not in label] == ["upfirdn(3 taps, up=1, down=2)"]


CHAINS = {
    "axes": (dj.downsample((2, 2)) @ dj.convolve(np.outer([1, 2, 1], [1, 2, 1]))).on((64, 64)),
    "groups": dj.conv_transpose(np.ones((8, 8, 1, 11)), strides=4, groups=11).on((16, 16, 11)),
    "narrow": (dj.resize((2, 2), axes=(-3, -2)) @ dj.resize((2, 2), "cubic", axes=(-3, -2))).on((8, 8, 4)),
    "atomic": dj.atomic(dj.downsample(2) @ dj.convolve([1, 2, 1], "symmetric") @ dj.crop((3, 4))).on((32,)),
    "no symbol": dj.atomic(dj.stack([dj.downsample(2), dj.downsample(2, phase=1)])).on((8,)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_words_of_a_box_are_wrapped_not_cut(name):
    """Every label is there to its last letter, and inside its box."""
    figure = draw.chain(CHAINS[name])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axis, a in zip(figure.axes, (CHAINS[name], CHAINS[name].plan()), strict=True):
        boxes = [box.get_window_extent() for box in axis.patches]
        labels = [part._label() for part in (a.maps if hasattr(a, "maps") else (a,))]
        words = {text.get_text().replace("\n", " "): text for text in axis.texts}
        assert len(boxes) == len(labels) and set(labels) <= set(words)
        for label in labels:
            extent = words[label].get_window_extent(canvas.get_renderer())
            assert any(box.x0 < extent.x0 < extent.x1 < box.x1 and box.y0 < extent.y0 < extent.y1 < box.y1
                       for box in boxes)


def test_a_matrix_says_which_map_it_is():
    a = (dj.downsample(2) @ dj.convolve([1, 2, 1], "symmetric")).on((9,))
    title = draw.matrix(a).axes[0].get_title("left")
    assert "\n" in title and title.replace("\n", " ") == f"A = {a._label()}   5 × 9"
    assert draw.matrix(a, name="torch, padding=1").axes[0].get_title("left") == "torch, padding=1   5 × 9"


def test_upsamplers_panels():
    x = np.random.default_rng(0).random((6, 5)).astype(np.float32)
    maps = {"nearest": dj.resize(2, "nearest", axes=(-2, -1)), "bilinear": dj.resize(2, axes=(-2, -1))}
    panels = draw.upsamplers(x, maps).axes
    assert [axis.get_title() for axis in panels] == ["x   6 × 5", "nearest   12 × 10", "bilinear   12 × 10"]
    assert (panels[1].images[0].get_array() == np.repeat(np.repeat(x, 2, 0), 2, 1)).all()
    np.testing.assert_allclose(panels[2].images[0].get_array(), jax.image.resize(x, (12, 10), "bilinear"), atol=1e-6)
    assert {image.get_clim() for axis in panels for image in axis.images} == {(x.min(), x.max())}  # one scale for all
    zoomed = draw.upsamplers(x, maps, zoom=(slice(4, 8), slice(0, 6))).axes
    assert (zoomed[0].images[0].get_array() == x[2:4, :3]).all()
    assert (zoomed[1].images[0].get_array() == np.repeat(np.repeat(x, 2, 0), 2, 1)[4:8, :6]).all()


def luminance(colour):
    r, g, b = (int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5))
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (r, g, b)]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


@pytest.mark.parametrize("name", THEMES)
def test_text_is_legible(name):
    """WCAG AA asks for a contrast of 4.5 between text and paper."""
    high, low = sorted((luminance(THEMES[name].ink), luminance(THEMES[name].paper)), reverse=True)
    assert (high + 0.05) / (low + 0.05) > 4.5
    figure = draw.matrix(dj.upsample(2).on((2,)), theme=name)
    assert figure.get_facecolor() == pytest.approx(tuple(int(THEMES[name].paper[i:i + 2], 16) / 255 for i in (1, 3, 5))
                                                   + (1.0,))


def test_refusals(tmp_path):
    with pytest.raises(UnboundError, match="no shape yet"):
        draw.matrix(dj.upsample(2))
    with pytest.raises(ShapeError, match="one sliding window.*pixel_shuffle"):
        draw.arithmetic(dj.pixel_shuffle(2).on((2, 2, 4)))
    with pytest.raises(ShapeError, match="there is no such output; got step=9"):
        draw.arithmetic(dj.upsample(2).on((4,)), step=9)
    with pytest.raises(ValueError, match="unknown theme; got 'sepia'"):
        draw.matrix(dj.upsample(2).on((2,)), theme="sepia")
    with pytest.raises(ValueError, match="suffix chooses the format"):
        draw.animate(dj.upsample(2).on((2,)), tmp_path / "x.mp4")
    half = dj.downsample(2).on((4,))
    for message, named in (("outside the output and the input; got 4", {"index": 4}),
                           ("outside the output; got output=3", {"output": 3}),
                           ("one index, or", {}), ("one index, or", {"index": 1, "input": 2})):
        with pytest.raises(ShapeError, match=message):
            draw.contributions(half, **named)
    with pytest.raises(ShapeError, match="x is not an image"):
        draw.upsamplers(np.zeros(3), {})
    with pytest.raises(ShapeError, match="a spectrum is drawn for a map of one axis"):
        draw.spectrum(dj.upsample((2, 2)).on((4, 4)))
    with pytest.raises(ShapeError, match="one axis and one channel; got <conv_transpose"):
        draw.spectrum(dj.conv_transpose(np.ones((4, 2, 3)), strides=2))
    with pytest.raises(ShapeError, match="cannot be tried on 96 samples.*samples="):
        draw.spectrum(dj.convolve(np.ones(200), "valid"))
