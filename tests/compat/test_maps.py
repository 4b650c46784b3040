"""The maps themselves: exact transposes, batches, dtypes, jit and vmap, on every kind of leaf compat makes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconvjax import check
from deconvjax.compat import caffe, equinox, flax, lax, onnx, tensorflow, torch

W = np.random.default_rng(0).integers(-4, 5, (2, 3, 3, 2)).astype(float)
MAPS = {
    "layer": (lambda: torch.conv_transpose2d(W, stride=2, padding=1, output_padding=1), (2, 3, 4)),
    "tensorflow": (lambda: tensorflow.conv2d_transpose(W.transpose(2, 3, 1, 0), (5, 7), 2), (3, 4, 2)),
    "batch inside": (lambda: lax.conv_transpose(W, (2, 1), "SAME", None, ("HNCW", "IOHW", "CWNH")), (3, 2, 2, 4)),
    "circular": (lambda: flax.ConvTranspose(W[0, 0].reshape(3, 2, 1, 1), (2, 1), "CIRCULAR"), (3, 4, 1)),
    "circular in": (lambda: equinox.ConvTranspose(W[:1, :1], 2, "SAME", padding_mode="CIRCULAR"), (1, 3, 4)),
    "crop": (lambda: caffe.crop((1, 2, 3), axis=1, offset=(1, 0)), (1, 4, 5)),
    "fold": (lambda: torch.fold((4, 5), (2, 3), stride=(2, 1)), (12, 6)),
    "unpool": (lambda: torch.max_unpool2d(np.array([[[0, 3], [9, 9]]]), 2), (1, 2, 2)),
    "linear": (lambda: torch.interpolate((3, 7), mode="bilinear"), (2, 4, 5)),
    "nearest": (lambda: torch.interpolate((3, 7)), (2, 4, 5)),
    "outside": (lambda: onnx.resize([-0.5, 1.5], sizes=[6], mode="linear",
                                    coordinate_transformation_mode="tf_crop_and_resize"), (4,)),
}


@pytest.mark.parametrize("name", MAPS)
def test_transposes_and_batches(name):
    """The transpose is the transposed matrix; two batch axes in front change nothing."""
    build, shape = MAPS[name]
    a = build()
    bound = a.on(jax.ShapeDtypeStruct(shape, jnp.float64))
    matrix = np.asarray(bound.matrix())
    assert np.allclose(np.asarray(bound.T.matrix()), matrix.T, atol=1e-12)
    assert bound.T.T == bound
    assert np.allclose(bound.sparse().todense(), matrix, atol=1e-12)
    x = np.random.default_rng(1).normal(size=(2, 3, *shape))
    y = np.asarray(bound(x))
    assert np.allclose(y.reshape(6, -1), x.reshape(6, -1) @ matrix.T, atol=1e-10)


@pytest.mark.parametrize("name", ["layer", "linear"])
def test_adjoint_report(name):
    build, shape = MAPS[name]
    assert check.adjoint(build().on(shape)).ok


def test_unbound_maps_go_through_jit_and_vmap():
    a = torch.conv_transpose2d(jnp.asarray(W), stride=2)
    x = np.random.default_rng(2).normal(size=(5, 2, 3, 4))
    want = np.asarray(a(x))
    assert np.allclose(jax.jit(lambda a, x: a(x))(a, x), want)
    assert np.allclose(jax.vmap(a)(x), want)


def test_dtypes():
    """NumPy weights take the dtype of x, integers stay exact, nearest keeps integers and infinities."""
    a = torch.conv_transpose2d(W.astype(int))
    assert a(np.ones((2, 3, 3), np.float32)).dtype == np.float32
    assert a(np.ones((2, 3, 3), np.int32)).dtype == np.int32
    assert torch.interpolate((3, 5))(np.ones((1, 1, 2, 2), np.int8)).dtype == np.int8
    assert np.isinf(np.asarray(torch.interpolate((3, 5))(np.full((1, 1, 2, 2), np.inf)))).all()
    assert torch.interpolate((3, 5), mode="bilinear")(np.ones((1, 1, 2, 2), np.int32)).dtype == np.float64


def test_x64_off(x32):
    y = torch.interpolate((3, 5), mode="bilinear")(np.ones((1, 1, 2, 2)))
    assert y.dtype == np.float32 and np.allclose(y, 1)
