"""compat.keras against Keras on the jax backend: rows 13-15 by what reaches XLA, whole layers by numbers."""

import os
import random

import numpy as np
import pytest

from deconvjax.compat import keras as ours
from deconvjax.compat import resolve
from deconvjax.errors import ShapeError
from tests.compat import traced
from tests.tolerance import assert_close

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "jax")  # Keras reads it once, when it is imported
    import keras

    assert keras.backend.backend() == "jax"
    return keras


@pytest.mark.parametrize("row, padding, none", [(13, "valid", False), (13, "valid", True), (14, "same", True),
                                                (15, "same", False)])
def test_rows(row, padding, none, keras):
    """1000 to 2000 calls of each row, pads, stuffing, dilation and reversal."""
    rng, done = random.Random(row), 0
    while done < (1000 if row == 13 else 2000):
        i, k, s, d = rng.randint(1, 9), rng.randint(1, 6), rng.randint(1, 4), rng.randint(1, 3)
        d = d if s == 1 else 1
        extra = None if none else rng.randrange(s)
        arguments = {"stride": s, "dilation": d, "padding": padding, "output_padding": extra}
        try:
            axis = resolve.keras_transpose(i, k, **arguments)
        except ShapeError:
            continue

        def program(x, w, s=s, d=d, extra=extra):
            return keras.ops.conv_transpose(x, w, s, padding, extra, "channels_last", d)
        assert traced.same(traced.convolution(program, (1, i, 1), (k, 1, 1)), [axis], 1, True), (i, k, arguments)
        done += 1


@pytest.mark.parametrize("n, options", [
    (1, {"strides": 3, "padding": "same", "output_padding": 2}), (2, {"strides": (2, 3), "padding": "same"}),
    (2, {"strides": 2, "padding": "valid"}), (2, {"dilation_rate": (2, 1), "padding": "same"}),
    (3, {"strides": 2, "padding": "same"}), (2, {"strides": 2, "padding": "same", "output_padding": 0}),
    (2, {"strides": 2, "padding": "same", "data_format": "channels_first"}),
])
def test_layers(n, options, keras):
    layer = getattr(keras.layers, f"Conv{n}DTranspose")(4, (3, 2, 3)[:n], use_bias=False, **options)
    shape = (2, *(5, 4, 3)[:n], 3) if options.get("data_format") != "channels_first" else (2, 3, 5, 4)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    want = np.asarray(layer(x))
    got = getattr(ours, f"Conv{n}DTranspose")(np.asarray(layer.kernel), **options)(x)
    assert_close(got, want, units=64)


@pytest.mark.parametrize("options", [{"strides": 2, "padding": "same"}, {"padding": "valid", "dilation_rate": 2}])
def test_forward_layers(options, keras):
    layer = keras.layers.Conv2D(4, (3, 2), use_bias=False, groups=1, **options)
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 3)).astype(np.float32)
    want = layer(x)
    assert_close(ours.Conv2D(np.asarray(layer.kernel), **options)(x), want, units=64)
