"""One step: what is averaged, what is accumulated, what is narrow."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconvjax.segmentation.training import Config, Trainer
from deconvjax.segmentation.training.state import trainer_of

SMALL = Config(steps=6, batch=2, crop=32, save_every=2, evaluate_every=6, validation_count=2, warmup=2, scale=0.1)


@pytest.fixture(autouse=True)
def as_users_run_it(x32):
    """With x64 off."""


def test_the_averaged_parameters_are_what_predicts():
    """After n steps the average is the recursion a + (1 - d)(p - a), d = min(ema, (1 + n)/(10 + n))."""
    trainer = trainer_of(SMALL, 11)
    state = trainer.fresh()
    want = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(state.params)]
    rng = np.random.default_rng(5)
    for step in range(3):
        image, mask = rng.random((2, 32, 32, 3)).astype(np.float32), rng.integers(0, 11, (2, 32, 32)).astype(np.uint8)
        state, _ = trainer.step(state, image, mask)
        decay = min(SMALL.ema, (1 + step) / (10 + step))
        leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(state.params)]
        want = [a + (1 - decay) * (p - a) for a, p in zip(want, leaves, strict=True)]
    for got, average in zip(jax.tree.leaves(state.average), want, strict=True):
        assert np.abs(np.asarray(got) - average).max() <= 32 * np.finfo(np.float32).eps * max(1, np.abs(average).max())
    swapped = dataclasses.replace(state, params=state.average)
    image = rng.random((1, 32, 32, 3)).astype(np.float32)
    assert (trainer.logits(swapped, image) == trainer.logits(state, image)).all()


def test_accumulation_is_the_mean_of_its_parts():
    """One step over two halves equals one step on the mean of their gradients, computed apart."""
    config = dataclasses.replace(SMALL, optimizer="sgd", batch=4, warmup=0, clip=1e9, weight_decay=0.0,
                                 schedule="constant", learning_rate=1.0)
    rng = np.random.default_rng(0)
    image = jnp.asarray(rng.random((4, 32, 32, 3)), jnp.float32)
    mask = jnp.asarray(rng.integers(0, 11, (4, 32, 32)), jnp.uint8)

    def moved(config, image, mask):
        trainer = Trainer(config, 11)
        start = trainer.fresh()
        before = jax.tree_util.tree_map(np.asarray, start.params)
        after = trainer.step(start, image, mask)[0].params
        return jax.tree_util.tree_leaves(jax.tree_util.tree_map(lambda a, b: np.asarray(a) - b, after, before))

    both = moved(dataclasses.replace(config, accumulate=2), image, mask)
    parts = [moved(config, image[half], mask[half]) for half in (slice(0, 2), slice(2, 4))]
    scale = max(np.abs(leaf).max() for leaf in both)
    for whole, a, b in zip(both, *parts, strict=True):
        assert np.abs(whole - (a + b) / 2).max() <= 64 * np.finfo(np.float32).eps * scale


@pytest.mark.slow
def test_bfloat16_computes_narrow_and_remembers_wide():
    """Activations in bfloat16; parameters, gradients' sums and logits in float32, and the loss near float32's."""
    rng = np.random.default_rng(2)
    image, mask = rng.random((2, 32, 32, 3)).astype(np.float32), rng.integers(0, 11, (2, 32, 32)).astype(np.uint8)
    losses = {}
    for precision in ("float32", "bfloat16"):
        trainer = Trainer(dataclasses.replace(SMALL, precision=precision, warmup=0), 11)
        state = trainer.fresh()
        losses[precision] = []
        for _ in range(3):
            state, report = trainer.step(state, image, mask)
            losses[precision].append(float(report["loss"]))
        assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {np.dtype("float32")}
        assert trainer.logits(state, image).dtype == np.float32
    assert losses["bfloat16"] != losses["float32"]
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=0.05)
