"""compat.equinox against Equinox: rows 9 and 10 by what reaches XLA, whole layers by numbers."""

import random

import jax
import numpy as np
import pytest

from deconvjax.compat import equinox as ours
from deconvjax.compat import resolve
from deconvjax.errors import ShapeError
from tests.compat import traced
from tests.tolerance import assert_close

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def equinox():
    import equinox

    return equinox


@pytest.mark.parametrize("row, strings, mode", [(9, False, "ZEROS"), (10, True, "ZEROS"), (10, True, "CIRCULAR")])
def test_rows(row, strings, mode, equinox):
    """2000 layers of each kind, traced."""
    rng, done = random.Random(row), 0
    while done < 2000:
        i, k, s, d = rng.randint(1, 9), rng.randint(1, 6), rng.randint(1, 4), rng.randint(1, 3)
        extra = rng.randrange(s) if mode == "ZEROS" else 0
        padding = rng.choice(["SAME", "SAME_LOWER"]) if strings else (rng.randint(0, 3), rng.randint(0, 3))
        arguments = {"stride": s, "dilation": d, "padding": padding, "output_padding": extra, "padding_mode": mode}
        try:
            placed = resolve.equinox_transpose(i, k, **arguments)
        except ShapeError:
            continue
        theirs = dict(arguments, padding=padding if strings else (padding,))

        def program(x, theirs=theirs, k=k):
            plain = {"use_bias": False, "dtype": np.float32, "key": jax.random.key(0)}
            layer = equinox.nn.ConvTranspose1d(1, 1, k, **plain, **theirs)
            return layer(x)
        axis = getattr(placed, "axis", placed)
        assert traced.same(traced.convolution(program, (1, i)), [axis], 1, False), (i, k, arguments)
        done += 1


@pytest.mark.parametrize("options", [
    {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, {"stride": (2, 3), "padding": "SAME"},
    {"stride": 3, "padding": "SAME_LOWER", "dilation": (1, 2)}, {"padding": ((0, 1), (2, 1)), "dilation": 2},
    {"stride": 2, "padding": "SAME", "padding_mode": "CIRCULAR", "groups": 2},
    {"stride": (1, 3), "padding": "SAME_LOWER", "padding_mode": "CIRCULAR", "dilation": 2},
])
def test_layers(options, equinox):
    layer = equinox.nn.ConvTranspose2d(4, 6, (4, 3), use_bias=False, key=jax.random.key(0), **options)
    x = np.random.default_rng(0).normal(size=(4, 5, 6))
    assert_close(ours.ConvTranspose(layer.weight, **options)(x), layer(x), units=64)


def test_forward_layer(equinox):
    layer = equinox.nn.Conv2d(4, 6, (4, 3), 2, 1, (1, 2), 2, use_bias=False, key=jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(4, 9, 8))
    assert_close(ours.Conv(layer.weight, 2, 1, (1, 2), 2)(x), layer(x), units=64)
