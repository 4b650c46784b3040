"""The table of a call: what it prints is what the other framework's function computes, and a refusal is a real one."""

import itertools
import random

import pytest

from deconvjax import compat
from deconvjax.cli import main
from deconvjax.compat.core.express import EXPRESS, Impossible
from deconvjax.compat.core.sides import Side
from deconvjax.compat.core.table import build, place
from deconvjax.errors import ShapeError


def source(rng):
    """A random call of a random framework: (name, window, groups, arguments, input size)."""
    k, s, d, i = rng.randint(1, 5), rng.randint(1, 4), rng.randint(1, 3), rng.randint(6, 9)
    a, b, extra, groups = rng.randint(0, 3), rng.randint(0, 3), rng.randrange(s), rng.choice([1, 1, 2])
    taps, o = d * (k - 1) + 1, 0
    name = rng.choice(["torch", "lax", "flax", "equinox", "onnx", "keras", "haiku", "tensorflow", "caffe", "cudnn"])
    word = rng.choice(["SAME", "VALID"])
    if name in ("tensorflow", "cudnn"):
        o = rng.randint((i - 1) * s + 1, i * s) if name == "tensorflow" else (i - 1) * s + taps - 2 * a + extra
        word = "SAME"
    arguments = {
        "torch": {"stride": s, "padding": a, "output_padding": extra, "dilation": d},
        "lax": {"strides": (s,), "padding": rng.choice([word, ((a, b),)]), "rhs_dilation": (d,)},
        "flax": {"strides": s, "padding": rng.choice([word, "CIRCULAR", ((a, b),)]), "kernel_dilation": d},
        "equinox": {"stride": s, "padding": rng.choice([word, ((a, b),)]), "output_padding": extra, "dilation": d},
        "onnx": {"strides": [s], "pads": [a, b], "output_padding": [extra], "dilations": [d]},
        "keras": {"strides": s, "padding": word.lower(), "output_padding": rng.choice([None, extra])},
        "haiku": {"stride": s, "padding": rng.choice([word, ((a, b),)])},
        "tensorflow": {"output_shape": (1, o, 1), "strides": s, "padding": word, "dilations": d},
        "caffe": {"stride": s, "pad": a, "dilation": d}, "cudnn": {"out": o, "stride": s, "pad": a, "dilation": d},
    }[name]
    return name, (k,), groups if name in ("torch", "equinox", "onnx", "caffe", "cudnn") else 1, arguments, i


def test_every_row_places_the_axis_as_the_source_did():
    """2000 random calls, each in all frameworks that can say it: pads, size and periodicity come back equal."""
    rng, possible = random.Random(0), dict.fromkeys(EXPRESS, 0)
    done = 0
    while done < 2000:
        name, window, groups, arguments, size = source(rng)
        try:
            side = Side.of(place(build(name, window, groups, arguments), 0, window[0], size), size)
        except ValueError:
            continue  # an empty output: the source refuses
        done += 1
        for target, express in EXPRESS.items():
            try:
                written = express((side,), groups)
            except Impossible:
                continue
            if target == "theano":
                continue  # two axes only: below
            back = Side.of(place(build(target, window, groups, _clean(target, written)), 0, window[0], size), size)
            assert (back.before, back.after, back.periodic) == (side.before, side.after, side.periodic), (
                name, arguments, target, written)
            possible[target] += 1
    assert all(count > 100 for target, count in possible.items() if target != "theano"), possible


def _clean(target, written):
    """What the groups argument of `build` adds itself."""
    return {k: v for k, v in written.items() if k not in ("groups", "group", "num_groups")}


def test_two_axes():
    """Each axis on its own terms; Theano has exactly two."""
    rng = random.Random(1)
    checked = 0
    while checked < 100:
        s, d = (rng.randint(1, 3) for _ in range(2)), (rng.randint(1, 2) for _ in range(2))
        arguments = {"stride": tuple(s), "dilation": tuple(d), "padding": (rng.randint(0, 2), rng.randint(0, 2))}
        window = (rng.randint(2, 4), rng.randint(2, 4))
        try:
            sides = tuple(Side.of(place(build("torch", window, 1, arguments), axis, window[axis], 7), 7)
                          for axis in range(2))
        except ShapeError:
            continue
        for target, express in EXPRESS.items():
            try:
                written = express(sides, 1)
            except Impossible:
                continue
            built = build(target, window, 1, written)
            back = tuple(Side.of(place(built, axis, window[axis], 7), 7) for axis in range(2))
            assert back == sides, (target, written)
            checked += target == "theano"


@pytest.mark.parametrize("target, grid", [
    ("torch", lambda s, d: ({"stride": s, "dilation": d, "padding": p, "output_padding": a}
                            for p in range(12) for a in range(max(s, d)))),
    ("keras", lambda s, d: ({"strides": s, "dilation_rate": d, "padding": w, "output_padding": a}
                            for w in ("same", "valid") for a in (None, *range(s))) if s == 1 or d == 1 else ()),
    ("caffe", lambda s, d: ({"stride": s, "dilation": d, "pad": p} for p in range(12))),
    ("onnx", lambda s, d: ({"strides": [s], "dilations": [d], "pads": [p, q], "output_padding": [a]}
                           for p in range(8) for q in range(8) for a in range(max(s, d)))),
])
def test_what_it_calls_impossible_is_impossible(target, grid):
    """Every argument the framework takes, tried: none places the axis so."""
    for k, s, d in itertools.product((1, 2, 3, 4), (1, 2, 3), (1, 2)):
        taps, i = d * (k - 1) + 1, 5
        reachable = set()
        for arguments in grid(s, d):
            try:
                reachable.add(Side.of(place(build(target, (k,), 1, arguments), 0, k, i), None))
            except ShapeError:
                continue
        for before, after in itertools.product(range(-1, taps), range(-s, taps)):
            if (i - 1) * s + taps - before - after < 1:
                continue
            side = Side(k, s, d, before, after)
            try:
                EXPRESS[target]((side,), 1)
                assert side in reachable or target == "onnx", side
            except Impossible:
                assert side not in reachable, side


def test_the_call_people_ask_about():
    table = compat.table("torch", kernel_size=4, stride=2, padding=1)
    assert table["flax"].arguments == {"strides": (2, 2), "padding": "SAME", "transpose_kernel": True}
    assert table["keras"].written == "keras.layers.Conv2DTranspose(O, 4, strides=2, padding='same')"
    assert all(row.possible for row in table.rows)
    assert "n -> 2*n samples" in str(table) and "x[m] lies at y[2*m + 1/2]" in str(table)


def test_keras_same_with_an_odd_kernel_has_no_torch_padding():
    table = compat.table("keras", kernel_size=3, strides=2, padding="same")
    assert not table["torch"].possible and "crop (0, 1) off the result" in table["torch"].written
    assert table["onnx"].arguments == {"strides": [2, 2], "pads": [0, 0, 1, 1]}
    assert "Crop layer" in table["caffe"].written


def test_sizes_that_the_call_fixes_or_leaves_open():
    fixed = compat.table("tensorflow", kernel_size=3, output_shape=(15, 15), strides=2, padding="SAME")
    assert fixed.sides[0].size == 8 and fixed["torch"].arguments == {"stride": (2, 2), "padding": (1, 1)}
    with pytest.raises(ShapeError, match=r"something else for each input size"):
        compat.table("onnx", kernel_size=3, strides=[2, 2], output_shape=[9, 9])
    assert compat.table("onnx", kernel_size=3, size=5, strides=[2, 2], output_shape=[9, 9])["torch"].possible


def test_periodic_borders():
    table = compat.table("equinox", kernel_size=3, stride=2, padding="SAME", padding_mode="CIRCULAR")
    assert not table["torch"].possible and table["equinox"].possible
    exact = compat.table("deconvjax", kernel_size=3, strides=2, padding="CIRCULAR")
    assert exact["flax"].arguments["padding"] == "CIRCULAR"


@pytest.mark.parametrize("arguments, pattern", [
    (("jax",), r"unknown source"), (("torch", {"stride": 0}), r"stride must be positive"),
    (("torch", {"strides": 2}),
     r"unexpected 'strides'; got 'strides', expected 'bias', 'stride'"), (("keras", {"groups": 2}), r"no groups"),
    (("torch", {"targets": ["jax"]}), r"unknown targets"),
    (("tensorflow", {"strides": 2}), r"missing 'output_shape'; got 'strides', expected"),
    (("torch", {"groups": 2.0}), r"groups must be an integer"),
])
def test_refusals(arguments, pattern):
    name, *more = arguments
    with pytest.raises((ValueError, TypeError), match=pattern):
        compat.table(name, kernel_size=3, **(more[0] if more else {}))


def test_the_command(capsys):
    assert main(["convert", "--from", "torch", "--kernel", "4", "--stride", "2", "--padding", "1", "--to", "flax"]) == 0
    shown = capsys.readouterr().out
    assert "nnx.ConvTranspose(I, O, (4, 4), strides=(2, 2), padding='SAME', transpose_kernel=True)" in shown
    assert main(["convert", "--from", "keras", "--kernel", "3,4", "--stride", "2", "--padding", "same"]) == 0
    assert "Conv2DTranspose(O, (3, 4), strides=2, padding='same')" in capsys.readouterr().out
    assert main(["convert", "--from", "lax", "--kernel", "4", "--stride", "2", "--padding", "1,2", "--ndim", "1"]) == 0
    assert "padding=((1, 2),)" in capsys.readouterr().out
    assert main(["convert", "--from", "torch", "--kernel", "4", "--output-padding", "1"]) == 1
    assert "output padding must be smaller" in capsys.readouterr().err


def test_haiku_gets_pairs(capsys):
    """Haiku takes words and pairs, no ints: k - 1 - crop in front and behind."""
    assert main("convert --from torch --kernel 4 --stride 3 --padding 1 --to haiku".split()) == 0
    assert "hk.Conv2DTranspose(O, 4, stride=3, padding=((2, 2), (2, 2)))" in capsys.readouterr().out


def test_the_command_lists_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    shown = capsys.readouterr().out
    names = ("padding", "output-padding", "output-shape", "pads", "pad", "out")
    assert all(f"\n  --{name} V" in shown for name in names)


@pytest.mark.parametrize("words, said", [
    ("tensorflow --kernel 3", "--from tensorflow: missing --output-shape, --strides"),
    ("torch --kernel 3 --pad 2", "--from torch: unexpected --pad"),
    ("torch --kernel foo", "argument --kernel: got 'foo', expected a positive int"),
    ("torch --kernel 3 --stride 0", "argument --stride/--strides/--input-dilation: got '0'"),
    ("torch --kernel 3 --padding -1", "--padding must be at least 0; got -1, expected an int >= 0. Fix: leave --pad"),
    ("torch --kernel 3 --output-padding 4", "got --output-padding 4, --stride 1, --dilation 1"),
    ("torch --kernel 3,3,3,3", "Fix: use a smaller --kernel."),
    ("onnx --kernel 3 --output-shape 9,9", "got --size None"),
])
def test_the_command_speaks_of_flags(words, said, capsys):
    try:
        code = main(["convert", "--from", *words.split()])
    except SystemExit as misused:
        code = misused.code
    assert code in (1, 2) and said in capsys.readouterr().err
