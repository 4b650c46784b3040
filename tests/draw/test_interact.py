"""The panel of sliders, moved from Python: its maps and pictures against definitions in loops."""

from __future__ import annotations

import importlib
import io

import numpy as np
import pytest
from PIL import Image

from deconvjax import draw
from deconvjax.errors import ShapeError
from tests.draw.loops import Setting


@pytest.fixture(scope="module")
def panel():
    return draw.interact()


SETTINGS = [Setting(6, 3, 2, 1, 1, 0, 0), Setting(8, 3, 1, 2, 2, 0, 0), Setting(4, 4, 2, 1, 1, 0, 1),
            Setting(3, 2, 3, 0, 2, 2, 1)]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: "-".join(map(str, s)))
def test_what_the_sliders_draw(panel, setting):
    n, k, s, p, d, a, transposed = setting
    panel.set(size=n, kernel=k, stride=s, padding=p, dilation=d, output_padding=a, transposed=bool(transposed))
    want = setting.matrix()
    window, matrix = panel.figures
    assert (matrix.axes[0].images[0].get_array() == want).all()
    assert (matrix.axes[1].images[0].get_array() == want.T).all()
    assert window.axes[1].get_title("left") == f"output {len(want)} × {len(want)}"
    assert window.axes[0].get_title("left") == f"input {n} × {n}, window {k} × {k}"
    assert (np.asarray(panel.plane.matrix()) == np.kron(want, want)).all()  # the same along both axes
    assert panel.controls["output_padding"].disabled is not bool(transposed)
    pictures = [child for child in panel.box.children if hasattr(child, "format")]
    shown = [Image.open(io.BytesIO(picture.value)) for picture in pictures]
    inches = [figure.get_size_inches() for figure in panel.figures]
    assert np.abs(np.array([image.size for image in shown]) - 80 * np.array(inches)).max() <= 1


def test_moving_one_slider_redraws_at_once(panel):
    panel.set(size=3, kernel=3, stride=2, padding=1, dilation=1, output_padding=0, transposed=True, step=0)
    before = panel.figures
    panel.controls["stride"].value = 3
    assert panel.figures is not before and panel.map.codomain.shape == (7, 1)
    panel.controls["step"].value = 48
    here = panel.figures[0].axes[1].patches[0]
    assert (here.get_y(), here.get_x()) == (6, 6)
    panel.controls["transposed"].value = False
    assert panel.map.codomain.shape == (1, 1) and panel.controls["step"].value == 0  # the last output there is


def test_impossible_settings_say_why(panel):
    panel.set(transposed=False, size=2, kernel=5, padding=0)
    assert "too short" in panel.problem and panel.map is None and not panel.figures
    assert panel.problem in panel.box.children[2].value
    panel.set(transposed=True, size=3, kernel=3, stride=2, padding=1, output_padding=3)
    assert "output_padding < 2" in panel.problem
    panel.set(output_padding=1)
    assert panel.problem == "" and panel.map.codomain.shape == (6, 1) and panel.box.children[2].value == ""


def test_what_a_notebook_keeps(panel):
    """Sliders where a kernel runs, a picture everywhere else."""
    kept = panel.set(size=3, kernel=3, stride=2, padding=1, output_padding=0, transposed=True)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in kept
    with Image.open(io.BytesIO(kept["image/png"])) as picture:
        assert picture.height > 300
    assert kept["text/plain"].startswith("Panel(<conv_transpose")


def test_refusals(panel, monkeypatch):
    with pytest.raises(ValueError, match="kernel lies outside its slider; got 9"):
        draw.interact(kernel=9)
    with pytest.raises(ValueError, match="no such slider; got taps"):
        panel.set(taps=3)
    with pytest.raises(ValueError, match="unknown theme"):
        draw.interact(theme="sepia")
    assert issubclass(ShapeError, ValueError)  # what the panel catches

    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ImportError, match=r"pip install 'deconvjax\[notebook\]'"):
        draw.interact()
