"""Several local devices: the losses of one, and one confusion matrix."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CHILD = '''
import dataclasses, sys
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from deconvjax.segmentation import ConfusionMatrix
from deconvjax.segmentation.data import Digits
from deconvjax.segmentation.training import Config, Trainer, evaluate, forward

count = int(sys.argv[1])
assert jax.device_count() == count
config = dataclasses.replace(Config(), crop=32, batch=4, warmup=0)
data = Digits("train", size=(32, 32), count=16)
batches = [tuple(np.stack(arrays) for arrays in zip(*[data[4 * k + i][:2] for i in range(4)])) for k in range(4)]

def run(devices):
    trainer = Trainer(config, 11)
    trainer.mesh = Mesh(np.array(devices), ("batch",))
    state, losses = trainer.fresh(), []
    for batch in batches:
        shared = trainer.share(batch)
        assert len(shared[0].sharding.device_set) == len(devices)
        assert shared[0].addressable_shards[0].data.shape[0] == 4 // len(devices)
        state, report = trainer.step(state, *shared)
        losses.append(float(report["loss"]))
    return losses, trainer, state

alone, _, _ = run(jax.devices()[:1])
together, trainer, state = run(jax.devices())
print("losses", alone, together)
for a, b in zip(alone, together):
    assert abs(a - b) <= 1e-4 * abs(a), (alone, together)
assert alone[0] != alone[3]

rng = np.random.default_rng(0)
labels, guesses = rng.integers(0, 4, (8, 9, 5)), rng.integers(0, 3, (8, 9, 5))
laid = NamedSharding(trainer.mesh, PartitionSpec("batch"))
matrix = ConfusionMatrix.empty(3)
for _ in range(2):
    matrix = matrix.update(jax.device_put(labels, laid), jax.device_put(guesses, laid))
want = np.zeros((3, 3), int)
for t, p in zip(labels.ravel(), guesses.ravel()):
    if t < 3:
        want[t, p] += 2
assert (matrix.numpy() == want).all()

scenes = Digits("validation", size=(32, 32), count=6)
counted = evaluate(forward(trainer, state), scenes, batch=4).numpy()
assert counted.sum() == sum(int((scenes[i].mask != 255).sum()) for i in range(6))
print("ok")
'''


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_devices_share_a_batch(count):
    """Losses of four AdamW steps within 1e-4 of one device's (sums in another order, grown by four updates)."""
    environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={count}", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", CHILD, str(count)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("ok\n"), done.stdout + done.stderr
