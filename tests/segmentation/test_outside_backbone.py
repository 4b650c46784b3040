"""A network that knows nothing of this library, wrapped: its features are aligned, its parameters are trained."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from deconvjax.nn.aligned import Grid
from deconvjax.nn.heads import FCNHead, Feature
from deconvjax.segmentation import losses
from deconvjax.segmentation.models import Backbone, Segmenter, Wrapped, evenly


@pytest.fixture(autouse=True)
def as_users_run_it(x32):
    """With x64 off."""


class Patches(nnx.Module):
    """Plain Flax, as its author wrote it: patches of 4x4, then of 2x2."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        self.stem = nnx.Conv(3, width, (4, 4), 4, padding="VALID", rngs=rngs)
        self.down = nnx.Conv(width, 2 * width, (2, 2), 2, padding="VALID", rngs=rngs)

    def __call__(self, images):
        fine = nnx.relu(self.stem(images))
        return {"fine": fine, "coarse": nnx.relu(self.down(fine))}


def wrapped(network, width=4):
    return Wrapped(network, {"fine": Feature(width, evenly(4)), "coarse": Feature(2 * width, evenly(8))})


def test_its_parameters_are_trained_with_the_head():
    backbone = wrapped(Patches(4, rngs=nnx.Rngs(0)))
    assert isinstance(backbone, Backbone)
    model = Segmenter(backbone, FCNHead(backbone.features, 2, levels=("coarse", "fine"), rngs=nnx.Rngs(1)))
    optimizer = nnx.Optimizer(model, optax.adam(0.02), wrt=nnx.Param)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 19, 26, 3)).astype(np.float32)
    images[:, :, :13] += 1.5  # the left half is brighter
    labels = np.broadcast_to(np.arange(26) < 13, (4, 19, 26)).astype(np.int32)
    before = np.asarray(backbone.network.stem.kernel[...])

    @nnx.jit
    def step(model, optimizer):
        loss, gradient = nnx.value_and_grad(lambda m: losses.cross_entropy(m(images), labels))(model)
        optimizer.update(model, gradient)
        return loss

    history = [float(step(model, optimizer)) for _ in range(60)]
    assert history[0] == pytest.approx(np.log(2), rel=1e-5), "score layers start at zero"
    assert history[-1] < 0.25
    assert np.abs(np.asarray(backbone.network.stem.kernel[...]) - before).max() > 0.01
    assert jax.eval_shape(model, jax.ShapeDtypeStruct((1, 41, 33, 3), np.float32)).shape == (1, 41, 33, 2)


def test_its_grid_puts_every_sample_where_it_was():
    """A ramp, averaged over cells of 4x4, comes back as the ramp; with a wrong grid it is shifted."""
    ramp = np.add.outer(np.arange(32.0), 3 * np.arange(40.0)).astype(np.float32)[..., None]
    cells = lambda x: {"cells": x.reshape(8, 4, 10, 4, 1).mean((1, 3))}  # noqa: E731
    shifts = {}
    for name, grid in (("evenly", evenly(4)), ("corners", Grid(evenly(4).scale))):
        head = FCNHead({"cells": Feature(1, grid)}, 1, levels=("cells",), rngs=nnx.Rngs(0))
        head.scores[0].kernel[...] = jnp.ones((1, 1, 1, 1))
        got = Segmenter(Wrapped(cells, {"cells": Feature(1, grid)}), head)(jnp.asarray(ramp))
        shifts[name] = np.abs(np.asarray(got) - ramp)[2:-2, 2:-2].max()
    assert shifts["evenly"] < 1e-4 and shifts["corners"] > 5


def test_a_feature_that_is_not_there_is_named():
    backbone = Wrapped(lambda x: {"fine": x}, {"fine": Feature(3, Grid()), "coarse": Feature(3, evenly(2))})
    head = FCNHead(backbone.features, 2, levels=("coarse", "fine"), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="coarse"):
        Segmenter(backbone, head)(jnp.ones((1, 8, 8, 3)))
