"""What the README says is so: its examples run, its table of calls holds, its verbs, names and links exist."""

import doctest
import re

import jax
import numpy as np
import pytest

import deconvjax as dj
from deconvjax import compat
from deconvjax.cli import COMMANDS, main
from docs import banner
from tests.house import ROOT
from tests.tolerance import assert_close

README = (ROOT / "README.md").read_text("utf-8")
CALLS = re.findall(r"^\| (torch|TensorFlow|Keras|Caffe|ONNX|Flax|lax) \| `([^`]+)` \| `([^`]+)` \|$", README, re.M)

# A foreign call, and what `compat` calls the same: the arguments are taken from the README as they stand.
SAME = (
    (r"F\.conv_transpose2d\(x, w, (.*)\)", r"compat.torch.conv_transpose2d(w, \1)(x)", "torch"),
    (r"F\.(interpolate|pixel_shuffle)\(x, (.*)\)", r"compat.torch.\1(\2)(x)", "torch"),
    (r"tf\.nn\.conv2d_transpose\(x, w, (.*)\)", r"compat.tensorflow.conv2d_transpose(w, \1)(x)", "tensorflow"),
    (r"Conv2DTranspose\(3, 4, (.*)\)\(x\)", r"compat.keras.Conv2DTranspose(w, \1)(x)", "keras"),
    (r"L\.Deconvolution\(x, num_output=3, kernel_size=4, (.*)\)", r"compat.caffe.deconvolution(w, \1)(x)", "caffe"),
    (r"ConvTranspose\(x, w, (.*)\)", r"compat.onnx.conv_transpose(w, \1)(x)", "onnx"),
    (r"nnx\.ConvTranspose\(4, 3, \(4, 4\), (.*)\)\(x\)", r"compat.flax.ConvTranspose(w, \1)(x)", "flax"),
    (r"lax\.conv_transpose\(x, w, (.*)\)", r"compat.lax.conv_transpose(w, \1)(x)", "lax"),
)
CHANNELS_FIRST = {"torch", "caffe", "onnx"}


def test_the_examples_print_what_they_show(x32):
    blocks = re.findall(r"^```python\n(>>> .*?)^```$", README, re.M | re.S)
    assert len(blocks) == README.count("```python")
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for block in blocks:
        runner.run(doctest.DocTestParser().get_doctest(block, {}, "README.md", "README.md", 0))
    assert runner.summarize(verbose=False).failed == 0 < runner.tries


def test_every_row_of_the_table_of_calls_is_read():
    table = README.split("## What you write elsewhere, and here")[1].split("\n## ")[0]
    assert len(CALLS) == sum(line.startswith("| ") for line in table.splitlines()) - 1
    assert {"torch", "TensorFlow", "Keras", "Caffe", "ONNX", "Flax"} <= {where for where, _, _ in CALLS}


@pytest.mark.parametrize(("where", "foreign", "here"), CALLS)
def test_a_foreign_call_gives_the_numbers_of_the_column_here(where, foreign, here, x32):
    """Both cells are run, on the layouts of each: 5 x 5 samples of 4 channels, 4 x 4 taps, integers."""
    pattern, call, framework = next(row for row in SAME if re.fullmatch(row[0], foreign))
    x = np.random.default_rng(7).integers(-4, 5, (1, 5, 5, 4)).astype(np.float32)
    w = np.random.default_rng(8).integers(-4, 5, (4, 3, 4, 4)).astype(np.float32)  # torch's: (in, out, *window)
    k = compat.convert(w, source="torch", target="deconvjax")
    theirs = compat.convert(w, source="torch", target=framework)
    first = framework in CHANNELS_FIRST
    got = eval(re.sub(pattern, call, foreign), {
        "compat": compat, "w": theirs, "x": np.moveaxis(x, -1, 1) if first else x})
    want = np.asarray(eval(here, {"dj": dj, "k": k, "x": x}))
    assert want.size > x.size // 2
    assert np.any(want)
    assert_close(np.moveaxis(np.asarray(got), 1, -1) if first else np.asarray(got), want)


@pytest.mark.parametrize("theme", banner.INK)
def test_the_picture_is_the_one_its_program_draws(theme):
    """`python -m docs.banner` writes it again; its numbers are read off the README's own map."""
    assert f"docs/pages/figures/operator-{theme}.svg" in README
    assert (banner.FOLDER / f"operator-{theme}.svg").read_text("utf-8") == banner.svg(theme)


def test_the_picture_shows_the_matrix_of_the_example():
    numbers = [int(n) for n in re.findall(r'fill="#000000">(\d)<', banner.svg("light"))]
    assert numbers == [2, 1, 3, 2, 1, 3, 2, 1] + [2, 1, 3, 2, 1, 3, 2, 1]
    assert "A = dj.downsample(2) @ dj.convolve([1, 2, 3])" in README


def test_make_verbs_and_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    code = " ".join(re.findall(r"`[^`]+`|^ {4}.*$", README, re.M))
    verbs = set(re.findall(r"\bmake ([a-z-]+)\b", code))
    assert {"demo", "test"} <= verbs
    assert not [verb for verb in verbs if f"\n{verb}:" not in makefile]
    commands = set(re.findall(r"(?:python -m )deconvjax ([a-z]+)", README))
    assert commands <= set(COMMANDS)


def test_the_command_that_translates_a_call_runs(capsys):
    words = re.search(r"^    python -m deconvjax (convert .*)$", README, re.M).group(1).split()
    assert main(words) == 0
    assert "F.conv_transpose2d(x, w, stride=2, padding=1)" in capsys.readouterr().out


def test_names_exist():
    """Every lower-case word in code in the list of maps is in the vocabulary."""
    maps = re.search(r"- \*\*Maps\.\*\*(.*?);", README, re.S)
    names = re.findall(r"`([a-z_]+)`", maps.group(1)) if maps else []
    assert len(names) > 15
    assert not [name for name in names if not hasattr(dj, name)]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:|#)([^)#]+)", README))) or ["README.md"])
def test_links_lead_to_files(target):
    assert (ROOT / target).exists()


def test_every_notebook_is_linked_in_order():
    books = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    for page in ("README.md", "notebooks/README.md"):
        links = re.findall(r"\]\((?:notebooks/)?([^)/]+\.ipynb)\)", (ROOT / page).read_text("utf-8"))
        assert links == books, page


def test_the_figures_name_the_version_they_were_measured_with():
    pinned = re.search(r"^jax==(.*)$", (ROOT / "constraints.txt").read_text(), re.M).group(1)
    assert f"jax {pinned}" in README
    assert jax.__version__.startswith("0.1")


def test_the_multiply_adds_are_those_of_the_maps_named():
    b, h = np.array([1.0, 4, 6, 4, 1]), np.hanning(31)
    kernel = np.random.default_rng(0).random((3, 3, 8, 16))
    blur = (dj.downsample(2) @ dj.convolve(b, "wrap")).on((1024,))
    dense = np.einsum("ij,co->ijco", dj.filters.bilinear(32, ndim=2), np.eye(21))
    maps = [
        (dj.downsample((2, 2)) @ dj.convolve(np.outer(b, b))).on((512, 512)),
        (dj.downsample(2) @ dj.convolve(h) @ dj.upsample(3)).on((48000,)),
        blur @ blur.T,
        (dj.conv(kernel) @ dj.resize((2, 2), "nearest", axes=(-3, -2))).on((64, 64, 8)),
        dj.conv_transpose(dense, strides=32).on((16, 16, 21)),
    ]
    table = README.split("Multiply-adds before and after:")[1].split("\n\n")[1].splitlines()[2:]
    said = [tuple(int(cell.replace(",", "")) for cell in line.strip("| ").split(" | ")[-2:]) for line in table]
    assert said == [(a.cost().written.multiply_adds, a.cost().planned.multiply_adds) for a in maps]
