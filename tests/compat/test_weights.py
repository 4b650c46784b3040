"""Kernels between any two frameworks: nothing lost, and the layers they land in compute the same."""

import itertools

import numpy as np
import pytest

from deconvjax import compat
from deconvjax.compat.core.table import build
from deconvjax.compat.core.weights import CONV, CONV_TRANSPOSE, OPERATIONS, stage_taps
from deconvjax.errors import ShapeError
from tests.compat.oracles import conv_nd, conv_transpose_nd


def integers(*shape):
    return np.random.default_rng([7, *shape]).integers(-99, 100, shape)


@pytest.mark.parametrize("operation", ["conv", "conv_transpose"])
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_any_two_frameworks_without_loss(operation, groups):
    """There and back, and by way of any third one: the same array. I = 6, O = 12, asymmetric windows."""
    start = {"conv": (12, 6 // groups), "conv_transpose": (6, 12 // groups)}[operation]
    for window in ((3,), (3, 2), (3, 2, 4)):
        w = integers(*start, *window)
        stored = {name: compat.convert(w, source="torch", target=name, operation=operation, groups=groups)
                  for name in OPERATIONS[operation]}
        for source, target in itertools.permutations(stored, 2):
            got = compat.convert(stored[source], source=source, target=target, operation=operation, groups=groups)
            assert np.array_equal(got, stored[target]), (source, target)
        assert sorted(stored["flax"].ravel()) == sorted(w.ravel())


def test_the_ways_of_storing_are_the_documented_ones():
    """Shapes of a layer with 6 channels in, 4 out, 2 groups, window (3, 5)."""
    w = integers(6, 2, 3, 5)
    shapes = {"torch": (6, 2, 3, 5), "onnx": (6, 2, 3, 5), "caffe": (6, 2, 3, 5), "keras": (3, 5, 2, 6),
              "tensorflow": (3, 5, 2, 6), "lax": (3, 5, 3, 4), "flax": (3, 5, 3, 4), "equinox": (4, 3, 3, 5),
              "haiku": (3, 5, 4, 3), "theano": (6, 2, 3, 5), "onednn": (2, 2, 3, 3, 5), "cudnn": (6, 2, 3, 5),
              "deconvjax": (3, 5, 2, 6)}
    for target, shape in shapes.items():
        assert compat.convert(w, source="torch", target=target, groups=2).shape == shape, target
    flax = compat.convert(w[:, :, :, :], source="torch", target="flax", groups=1)
    assert np.array_equal(flax, w.transpose(2, 3, 0, 1)[::-1, ::-1])
    assert np.array_equal(compat.convert(w, source="torch", target="equinox"), w.swapaxes(0, 1)[:, :, ::-1, ::-1])


@pytest.mark.parametrize("groups", [1, 2])
def test_a_stage_reads_every_storage_alike(groups):
    """What the maps are made of: the taps of each storage, as the stage correlates them, are one array."""
    from deconvjax.leaves.stage import _flipped
    for operation, table in OPERATIONS.items():
        w = integers(*((4, 6 // groups) if operation == "conv" else (6, 4 // groups)), 3, 2)
        seen = []
        for name, kernel in table.items():
            stored = compat.convert(w, source="torch", target=name, operation=operation, groups=groups)
            taps, flip = stage_taps(stored, kernel, 2, groups, name, "w")
            seen.append(_flipped(taps, 2, groups) if flip else taps)
        assert all(np.array_equal(seen[0], other) for other in seen[1:])


ARGUMENTS = {  # stride 2, forward pads (1, 1), 3 taps, one sample appended: 5 -> 10
    "torch": {"stride": 2, "padding": 1, "output_padding": 1}, "keras": None, "caffe": None,
    "onnx": {"strides": [2], "pads": [1, 0]}, "tensorflow": None,
    "lax": {"strides": (2,), "padding": ((1, 2),)}, "flax": {"strides": 2, "padding": ((1, 2),)},
    "haiku": {"stride": 2, "padding": ((1, 2),)}, "equinox": {"stride": 2, "padding": ((1, 0),)},
    "onednn": {"dst": 10, "strides": 2, "padding_l": 1}, "cudnn": {"out": 10, "stride": 2, "pad": 1},
    "deconvjax": {"strides": 2, "padding": ((1, 0),)},
}


@pytest.mark.parametrize("framework", [name for name, arguments in ARGUMENTS.items() if arguments])
def test_converted_weights_compute_the_same(framework):
    """torch's layer and every other one with converted weights: the same numbers, asymmetric kernel, real channels."""
    w, x = integers(4, 3, 3).astype(float), integers(2, 4, 5).astype(float)
    want = conv_transpose_nd(x, w, (2,), (1,), (1,), (10,))
    a = _with(framework, compat.convert(w, source="torch", target=framework), ARGUMENTS[framework])
    first = framework in ("torch", "onnx", "equinox", "onednn", "cudnn", "caffe")
    got = np.asarray(a(x if first else x.swapaxes(1, 2)))
    assert np.array_equal(got if first else got.swapaxes(1, 2), want)


def _with(framework, weight, arguments):
    from deconvjax.compat.core import table
    builder, _ = table._builder(framework, weight.ndim - 2, arguments)
    return builder(weight, **arguments)


def test_forward_storages_compute_the_same():
    w, x = integers(4, 3, 3).astype(float), integers(2, 3, 7).astype(float)
    want = conv_nd(x, w, (2,), (1,), ((1, 1),))
    flax = compat.flax.Conv(compat.convert(w, source="torch", target="flax", operation="conv"), 2, 1)
    assert np.array_equal(np.asarray(flax(x.swapaxes(1, 2))).swapaxes(1, 2), want)
    eqx = compat.equinox.Conv(compat.convert(w, source="torch", target="equinox", operation="conv"), 2, 1)
    assert np.array_equal(eqx(x), want)


def test_named_weights_and_biases():
    weights = {"weight": integers(4, 3, 2, 2), "bias": integers(3)}
    flax = compat.convert(weights, source="torch", target="flax")
    assert sorted(flax) == ["bias", "kernel"] and flax["kernel"].shape == (2, 2, 4, 3)
    eqx = compat.convert(weights, source="torch", target="equinox")
    assert eqx["bias"].shape == (3, 1, 1)
    assert np.array_equal(compat.convert(eqx, source="equinox", target="torch")["bias"], weights["bias"])
    assert sorted(compat.convert(flax, source="flax", target="haiku")) == ["b", "w"]
    assert "bias" not in compat.convert({"weight": weights["weight"], "bias": None}, source="torch", target="flax")


def test_jax_arrays_stay_jax_arrays():
    import jax
    w = jax.numpy.arange(24.0).reshape(4, 3, 2)
    assert isinstance(compat.convert(w, source="torch", target="flax"), jax.Array)
    shape = jax.eval_shape(lambda w: compat.convert(w, source="torch", target="flax"), w).shape
    assert shape == (2, 4, 3)


def test_the_builders_take_the_storages_the_table_names():
    for framework, key in (("torch", "torch"), ("keras", "keras"), ("equinox", "equinox")):
        a = build(framework, (3, 2), 1, {})
        assert a.taps.shape == (3, 2, 1, 1) and a.flip == CONV_TRANSPOSE[key].forward
    assert set(CONV) <= set(CONV_TRANSPOSE)


@pytest.mark.parametrize("arguments, pattern", [
    ({"weights": np.ones((3, 2, 2)), "source": "pytorch", "target": "flax"}, r"unknown source; got 'pytorch'"),
    ({"weights": np.ones((3, 2, 2)), "source": "torch", "target": "jax"}, r"unknown target"),
    ({"weights": np.ones((3, 2, 2)), "source": "torch", "target": "flax", "operation": "dense"}, r"unknown operation"),
    ({"weights": np.ones(3), "source": "torch", "target": "flax"}, r"wrong rank"),
    ({"weights": np.ones((3, 2, 2)), "source": "torch", "target": "flax", "groups": 2}, r"groups do not divide"),
    ({"weights": np.ones((3, 2, 2)), "source": "torch", "target": "flax", "groups": 0}, r"groups do not divide"),
    ({"weights": np.ones((3, 2, 2)), "source": "torch", "target": "flax", "groups": "2"}, r"groups must be an integer"),
    ({"weights": np.ones((3, 2, 2)), "source": "torch", "target": "flax", "groups": 2.0}, r"groups must be an integer"),
    ({"weights": np.ones((3, 4, 2, 3)), "source": "onednn", "target": "torch", "groups": 2}, r"groups do not divide"),
    ({"weights": [[[1.0], [2.0, 3.0]]], "source": "torch", "target": "flax"}, r"NumPy cannot read weights; got list"),
    ({"weights": {"weight": np.ones((3, 2, 2)), "bias": np.ones(7)}, "source": "torch", "target": "flax"},
     r"'bias' does not fit 'weight'; got 7 values, expected 2"),
    ({"weights": {"weight": np.ones((4, 2, 2)), "bias": np.ones(2)}, "source": "torch", "target": "flax", "groups": 2},
     r"'bias' does not fit 'weight'; got 2 values, expected 4"),
    ({"weights": {"kernel": np.ones((3, 2, 2))}, "source": "torch", "target": "flax"}, r"not the weights of a torch"),
])
def test_what_convert_refuses(arguments, pattern):
    with pytest.raises((ShapeError, ValueError, TypeError), match=pattern):
        compat.convert(arguments.pop("weights"), **arguments)
