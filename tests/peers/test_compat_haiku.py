"""compat.haiku against Haiku: rows 11 and 12 by what reaches XLA, whole modules by numbers."""

import random

import jax
import numpy as np
import pytest

from deconvjax.compat import haiku as ours
from deconvjax.compat import resolve, table
from deconvjax.errors import ShapeError
from tests.compat import traced
from tests.tolerance import assert_close

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def haiku():
    import haiku

    return haiku


def module(haiku, n, k, **options):
    """A transformed module, and how its kernel is given to it."""
    function = haiku.without_apply_rng(haiku.transform(
        lambda x: haiku.ConvNDTranspose(n, 1, k, with_bias=False, name="up", **options)(x)))
    return lambda x, w: function.apply({"up": {"w": w}}, x)


@pytest.mark.parametrize("row", [11, 12])
def test_rows(row, haiku):
    """2000 modules of each row, traced; sizes that Haiku refuses are refused."""
    rng, done, refused = random.Random(row), 0, 0
    while done < 2000:
        i, k, s = rng.randint(1, 9), rng.randint(1, 6), rng.randint(1, 4)
        padding = rng.choice(["SAME", "VALID"])
        size = rng.randint(max(i * s - s, 1), i * s + k) if row == 12 else None
        program = module(haiku, 1, k, stride=s, padding=padding, output_shape=size)
        try:
            theirs = traced.convolution(program, (1, i, 1), (k, 1, 1))
        except ValueError:
            refused += 1
            with pytest.raises(ShapeError):
                resolve.haiku_transpose(i, k, stride=s, padding=padding, output_shape=size)
            continue
        axis = resolve.haiku_transpose(i, k, stride=s, padding=padding, output_shape=size)
        assert traced.same(theirs, [axis], 1, False), (i, k, s, padding, size)
        done += 1
    assert row == 11 or refused > 100


@pytest.mark.parametrize("options", [
    {"stride": 2}, {"stride": (2, 3), "padding": "VALID"}, {"stride": 2, "output_shape": (9, 12)},
    {"stride": 2, "padding": ((1, 2), (0, 1))}, {"stride": 3, "data_format": "NCHW"},
])
def test_modules(options, haiku):
    layer = haiku.without_apply_rng(haiku.transform(
        lambda x: haiku.ConvNDTranspose(2, 4, (4, 3), with_bias=False, name="up", **options)(x)))
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3))
    x = x.transpose(0, 3, 1, 2) if "data_format" in options else x
    parameters = layer.init(jax.random.key(0), x)
    got = ours.ConvNDTranspose(parameters["up"]["w"], **options)(x)
    assert_close(got, layer.apply(parameters, x), units=64)


def test_what_the_table_writes(haiku):
    """Haiku runs the call that the table writes for another framework's, and gives its size."""
    arguments = table("torch", kernel_size=4, stride=3, padding=1, targets=["haiku"])["haiku"].written
    layer = haiku.transform(lambda x: eval(arguments.replace("(O", "(2"), {"hk": haiku})(x))
    x = np.ones((1, 6, 6, 3))
    assert layer.apply(layer.init(jax.random.key(0), x), None, x).shape == (1, 17, 17, 2)


def test_forward_module(haiku):
    layer = haiku.without_apply_rng(haiku.transform(
        lambda x: haiku.ConvND(2, 6, (4, 3), 2, padding="SAME", with_bias=False, name="c", feature_group_count=2)(x)))
    x = np.random.default_rng(0).normal(size=(2, 9, 8, 4))
    parameters = layer.init(jax.random.key(0), x)
    got = ours.ConvND(parameters["c"]["w"], 2, feature_group_count=2)(x)
    assert_close(got, layer.apply(parameters, x), units=64)
