"""The demo: its pieces against independent definitions, and one short run of the whole."""

import contextlib
import dataclasses
import io
import json
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.io
from scipy import ndimage

from deconvjax import cli
from deconvjax.check import close
from deconvjax.demo import command
from deconvjax.demo.camera import FACTOR, SIGMA, SPACE, blur, camera, interpolators
from deconvjax.demo.model import Upsampler
from deconvjax.demo.photos import HELD_OUT, TRAINING, photograph, planes
from deconvjax.demo.segment import recipe
from deconvjax.demo.training import PATCH, Patches, psnr
from deconvjax.segmentation.data import Digits
from deconvjax.segmentation.training import Checkpoints
from tests.tolerance import assert_close


def test_training_and_held_out_photographs_are_real_and_disjoint():
    assert not set(TRAINING) & set(HELD_OUT)
    images = [photograph(name, FACTOR) for name in (*TRAINING, *HELD_OUT)]
    for image in images:
        assert image.dtype == np.float32 and image.shape[-1] in (1, 3)
        assert not any(size % FACTOR for size in image.shape[:2])
        assert 0 <= image.min() < 0.3 < 0.6 < image.max() <= 1 and image.std() > 0.05
    assert len(planes(images)) == sum(image.shape[-1] for image in images)


def test_the_blur_is_a_gaussian_centred_between_pixels():
    taps = blur()
    offsets = np.arange(len(taps)) - (len(taps) - 1) / 2
    assert len(taps) % 2 == 0
    gaussian = np.exp(-(offsets**2) / (2 * SIGMA**2))
    assert_close(taps, gaussian / gaussian.sum())
    assert gaussian[0] < 3e-3


def test_the_camera_is_scipy_blur_and_a_slice():
    image = np.random.default_rng(0).random((28, 36))
    taps = blur()
    blurred = image
    for axis in (0, 1):  # ndimage centres an even filter at n - 1/2; origin 0 makes tap K//2 the middle one
        blurred = ndimage.convolve1d(blurred, taps, axis=axis, mode="reflect", origin=-1)
    assert_close(camera()(jnp.asarray(image)), blurred[2::4, 2::4], units=50)


def test_samples_sit_at_cell_centres_as_those_of_resize_do():
    ramp = np.arange(64.0)
    inside = slice(3, -3)
    assert_close(camera(1)(ramp)[inside], ramp.reshape(-1, 4).mean(1)[inside], units=50)
    up = interpolators()["bilinear"]
    image = np.broadcast_to(ramp[:, None, None], (64, 8, 1))
    assert_close(up(camera().along(SPACE)(image))[16:-16], image[16:-16], units=50)


def test_the_layer_starts_as_bilinear_interpolation():
    y = np.random.default_rng(1).random((9, 7, 3)).astype(np.float32)
    rim = 2 * FACTOR
    model = Upsampler()
    want = np.asarray(interpolators()["bilinear"](y))
    assert_close(model.restore(y)[rim:-rim, rim:-rim], want[rim:-rim, rim:-rim])
    assert_close(model.restore(y), interpolators()["bilinear"](y), units=64)  # borders: repeated = renormalised
    assert model.interior().on((9, 7, 1)).codomain.shape == (20, 12, 1)


def test_patches_are_pairs_of_a_scene_and_its_camera_image():
    """On pictures linear in x and y the camera gives the mean of each cell, so a pair can be checked by itself."""
    rows, columns = np.mgrid[0:200, 0:240].astype(np.float32)
    high = [(rows + 300 * columns)[..., None], (7 * rows - columns)[..., None]]
    low = [np.asarray(camera().along(SPACE)(plane)) for plane in high]
    trimmed = [plane[4:-4, 4:-4] for plane in low], [plane[16:-16, 16:-16] for plane in high]
    lows, highs = Patches(*trimmed, rim=2).draw(np.random.default_rng(0))
    assert lows.shape[1:] == (PATCH + 4, PATCH + 4, 1) and highs.shape[1:] == (4 * PATCH, 4 * PATCH, 1)
    cells = highs.reshape(-1, PATCH, 4, PATCH, 4, 1).mean((2, 4))
    assert_close(lows[:, 2:-2, 2:-2], cells, units=64)
    assert len({first.tobytes() for first in lows}) > 20


def test_psnr_against_its_definition():
    got, want = np.array([0.5, 1.5, -1.0]), np.array([0.25, 1.0, 0.5])
    assert psnr(got, want) == pytest.approx(-10 * np.log10((0.0625 + 0 + 0.25) / 3), rel=1e-12)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """One run, on two photographs to learn from and one to restore."""
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    with pytest.MonkeyPatch.context() as patch, jax.enable_x64(False):
        patch.setattr(command, "TRAINING", ("astronaut", "coins"))
        patch.setattr(command, "HELD_OUT", ("camera",))
        patch.setattr(command, "recipe", few_small_scenes)
        said = spoken(["demo", "--out", str(folder), "--steps", "250", "--segmentation-steps", "3", "--seed", "3"])
    return folder, said


def few_small_scenes(steps, seed):
    return dataclasses.replace(recipe(steps, seed), crop=48, batch=2, validation_count=4)


def spoken(words):
    """The command's output, captured without another process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert cli.main(words) == 0
    return out.getvalue(), err.getvalue()


def test_learned_beats_cubic_on_a_photograph_never_seen(demo):
    folder, (out, _) = demo
    results = json.loads((folder / "results.json").read_text())
    row = results["psnr"]["camera"]
    assert row["learned"] > row["cubic"] > row["bilinear"] > row["nearest"]
    assert results["steps"] == len(results["losses"]) == 250 and results["seed"] == 3
    taps = np.load(folder / "taps.npy")
    assert taps.shape == (20, 20) and taps.min() < -0.005 < 0.5 < taps.max()
    printed = re.search(r"^camera" + r"\s+(\d+\.\d+)" * 4 + "$", out, re.M)
    assert [float(value) for value in printed.groups()] == [round(value, 2) for value in row.values()]


def test_the_run_shows_the_map_its_adjointness_and_both_matrices(demo):
    out, err = demo[1]
    assert "downsample(4" in out and "adjoint of" in out and ": ok" in out
    assert "the inverse" in out and "relative error" in out
    forward, transpose = re.findall(r"^\[\[.*?\]\]$", out, re.M | re.S)
    matrix, other = (np.array([line.strip(" []").split() for line in text.splitlines()], float)
                     for text in (forward, transpose))
    assert matrix.shape == (3, 12) and close(other, matrix.T)
    assert "learning the taps" in err and "250/250" in err


def test_the_run_ends_with_a_segmentation_network(demo):
    folder, (out, err) = demo
    scores = json.loads((folder / "results.json").read_text())["segmentation"]
    assert scores["steps"] == 3 and scores["seed"] == 3 and scores["scenes"] == 4
    assert list(scores["class_iu"]) == list(Digits.classes) and 0 <= scores["mean_iu"] <= 1
    assert f"mean IU {scores['mean_iu']:.4f}" in out and f"mean IU {scores['mean_iu']:.4f}" in (
        folder / "report.html").read_text("utf-8")
    assert "3/3" in err and "images/s" in err
    assert Checkpoints(folder / "segmentation").newest() == 3


@pytest.mark.slow
def test_the_network_reaches_four_fifths_on_scenes_never_seen(x32, tmp_path):
    """The demo's whole training: mean IU over digits and photographs that were not trained on, of the last state."""
    said = spoken(["demo", "--out", str(tmp_path), "--steps", "1"])[0]
    scores = json.loads((tmp_path / "results.json").read_text())["segmentation"]
    assert scores["mean_iu"] >= 0.80, said


def test_the_report_holds_its_pictures_and_reaches_for_nothing(demo):
    folder, _ = demo
    page = (folder / "report.html").read_text("utf-8")
    sources = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', page)
    assert len(sources) >= 6 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?:|//cdn|@import|url\(|<script|<link", page)
    pictures = sorted(folder.glob("*.png"))
    assert {"matrix.png", "transpose.png", "taps.png", "learning.png", "psnr.png", "zoom-camera.png", "scenes.png"} == {
        picture.name for picture in pictures
    }
    for picture in pictures:
        pixels = skimage.io.imread(picture)
        assert min(pixels.shape[:2]) > 150 and pixels[..., :3].std() > 10, picture.name


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "required: COMMAND"),
        (["dmeo"], "invalid choice: 'dmeo'"),
        (["demo", "--steps", "0"], "must be at least 1, got 0"),
        (["demo", "--steps", "many"], "invalid integer value"),
        (["demo", "--seed", "-1"], "must be at least 0, got -1"),
    ],
)
def test_misuse_ends_with_2_and_a_reason(words, complaint, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
    assert complaint in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named_before_any_work(tmp_path, capsys):
    taken = tmp_path / "file"
    taken.write_text("")
    assert cli.main(["demo", "--out", str(taken)]) == 1
    assert f"cannot write into --out {taken}" in capsys.readouterr().err


def test_a_missing_extra_is_named(monkeypatch, capsys):
    def absent(name):
        raise ModuleNotFoundError("No module named 'skimage'", name="skimage.data")

    monkeypatch.setattr(cli.importlib, "import_module", absent)
    assert cli.main(["demo"]) == 1
    assert "deconvjax demo needs skimage.data: pip install 'deconvjax[demo]'" in capsys.readouterr().err


def test_help_needs_no_extra_and_the_module_runs():
    code = "import sys; sys.modules['skimage'] = sys.modules['matplotlib'] = None; sys.argv[1:] = ['--help']\n"
    code += "import runpy; runpy.run_module('deconvjax', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "demo" in done.stdout, done.stderr
