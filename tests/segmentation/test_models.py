"""The small backbone's own parts against Flax's, and models whose other state changes while they train."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from deconvjax.nn.heads import FCNHead
from deconvjax.segmentation.models import FCNResNet, Segmenter, TinyBackbone, resnet
from deconvjax.segmentation.models.backbone import halve
from deconvjax.segmentation.models.norm import GroupNorm
from deconvjax.segmentation.training import Config, Trainer, building
from tests.tolerance import assert_close

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("shape", [(2, 6, 8, 3), (1, 7, 9, 2), (1, 1, 1, 1)])
def test_halve_is_the_pool_that_rounds_up(shape):
    """Values and gradient, where no two samples of a window are equal."""
    x = RNG.permutation(np.arange(np.prod(shape), dtype=np.float32)).reshape(shape)
    weights = RNG.normal(size=halve(x).shape).astype(np.float32)
    got, want = (jax.value_and_grad(lambda x, pool=pool: (pool(x) * weights).sum())(x)
                 for pool in (halve, lambda x: nnx.max_pool(x, (2, 2), (2, 2), "SAME")))
    assert (halve(x) == nnx.max_pool(x, (2, 2), (2, 2), "SAME")).all()
    if not any(n % 2 for n in shape[1:3]):  # a border sample that was repeated is its own equal
        assert (got[1] == want[1]).all()
    assert_close(got[1].sum(), want[1].sum(), scale=float(np.abs(weights).sum()))


def test_group_norm_is_flax_s():
    x = (3 * RNG.normal(size=(2, 5, 7, 12)) + 1).astype(np.float32)
    ours, theirs = GroupNorm(12, num_groups=4), nnx.GroupNorm(12, num_groups=4, rngs=nnx.Rngs(0))
    scale, bias = RNG.normal(size=12).astype(np.float32), RNG.normal(size=12).astype(np.float32)
    results = []
    for layer in (ours, theirs):
        layer.scale[...], layer.bias[...] = scale, bias
        results.append((layer(x), jax.grad(lambda x, layer=layer: (layer(x) ** 3).sum())(x)))
    for got, want in zip(*results, strict=True):
        assert_close(got, want, scale=float(np.abs(want).max()), units=64)
    assert GroupNorm(12, num_groups=4, dtype=jnp.bfloat16)(x.astype(jnp.bfloat16)).dtype == jnp.bfloat16
    with pytest.raises(ValueError, match="GroupNorm: groups must divide the channels"):
        GroupNorm(12, num_groups=5)


def test_resnet_takes_any_batch_axes(x32):
    x = RNG.normal(size=(2, 3, 7, 8, 4)).astype(np.float32)
    want = nnx.max_pool(x.reshape(6, 7, 8, 4), (3, 3), (2, 2), ((1, 1), (1, 1))).reshape(2, 3, 4, 4, 4)
    assert (resnet._pool(x) == want).all() and (resnet._pool(x[0, 0]) == want[0, 0]).all()
    net = nnx.eval_shape(lambda: FCNResNet((1, 1, 1, 1), 5, width=4, rngs=nnx.Rngs(0)))
    for batch in ((), (2, 3)):
        images = jax.ShapeDtypeStruct((*batch, 33, 40, 3), jnp.float32)
        assert nnx.eval_shape(lambda net, x: net(x), net, images).shape == (*batch, 33, 40, 5)


class Remembering(nnx.Module):
    """A backbone with running means and random masks: what a step must carry along."""

    def __init__(self, rngs):
        self.inner = TinyBackbone((8, 8, 8, 8), rngs=rngs)
        self.norm, self.dropout = nnx.BatchNorm(8, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)
        self.features = self.inner.features

    def __call__(self, images):
        found = self.inner(images)
        return found | {"pool4": self.dropout(self.norm(found["pool4"]))}


def numbers(tree):
    """Every array but the random keys."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]


def test_a_step_carries_running_means_and_random_keys(x32, monkeypatch):
    def model(config, classes):
        rngs = nnx.Rngs(0)
        backbone = Remembering(rngs)
        return Segmenter(backbone, FCNHead(backbone.features, classes, levels=("pool4",), rngs=rngs))

    monkeypatch.setattr(building, "model", model)
    trainer = Trainer(dataclasses.replace(Config(), crop=32, batch=2), 3)
    state = trainer.fresh()
    before = numbers(state.rest)
    image, mask = RNG.random((2, 32, 32, 3)).astype(np.float32), RNG.integers(0, 3, (2, 32, 32)).astype(np.uint8)
    state, report = trainer.step(state, image, mask)
    after = numbers(state.rest)
    assert np.isfinite(float(report["loss"]))
    assert sum((a != b).any() for a, b in zip(before, after, strict=True)) == 3  # mean, variance, the dropout's count
