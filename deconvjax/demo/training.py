"""Training: patches of photographs, their camera images, and Adam on the taps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from tqdm import tqdm

from deconvjax.demo.camera import FACTOR
from deconvjax.demo.model import Upsampler

Batch = jax.Array | np.ndarray

BATCH = 32
PATCH = 16  # low-resolution samples a side, without the rim that the window needs


@dataclass(frozen=True)
class Patches:
    """Random pairs (low, high): low is (BATCH, PATCH + 2 rim, ..., 1), high what its interior should become."""

    low: Sequence[np.ndarray]
    high: Sequence[np.ndarray]
    rim: int

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One batch, photographs in proportion to their area, turned and mirrored at random."""
        areas = np.array([plane.size for plane in self.low], float)
        size = PATCH + 2 * self.rim
        lows, highs = [], []
        for which in rng.choice(len(areas), BATCH, p=areas / areas.sum()):
            row, column = (int(rng.integers(n - size + 1)) for n in self.low[which].shape[:2])
            low = self.low[which][row : row + size, column : column + size]
            top, left, side = FACTOR * (row + self.rim), FACTOR * (column + self.rim), FACTOR * PATCH
            high = self.high[which][top : top + side, left : left + side]
            turns, mirror = int(rng.integers(4)), int(rng.integers(2))
            low, high = (np.rot90(patch, turns)[:: -1 if mirror else 1] for patch in (low, high))
            lows.append(low)
            highs.append(high)
        return np.stack(lows), np.stack(highs)


@nnx.jit
def step(model: Upsampler, optimizer: nnx.Optimizer, low: Batch, high: Batch) -> jax.Array:
    """taps <- Adam(d/dtaps mean (conv_transpose(taps) low - high)^2); returns the loss before the step."""

    def loss(model: Upsampler) -> jax.Array:
        return jnp.mean((model.interior()(low) - high) ** 2)

    value, gradient = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradient)
    return value


def train(model: Upsampler, patches: Patches, *, steps: int, seed: int, progress: bool = True) -> list[float]:
    """losses[i] = mean squared error at step i; the model's taps are changed in place."""
    rng = np.random.default_rng(seed)
    # The problem is quadratic and badly conditioned (photographs are smooth), so Adam gets more momentum than usual.
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1e-2, min(30, steps // 4), steps)
    optimizer = nnx.Optimizer(model, optax.adam(schedule, b1=0.95, b2=0.95), wrt=nnx.Param)
    losses: list[float] = []
    with tqdm(range(steps), desc="learning the taps", unit="step", disable=not progress, mininterval=0.5) as bar:
        for _ in bar:
            losses.append(float(step(model, optimizer, *patches.draw(rng))))
            bar.set_postfix_str(f"{decibel(np.mean(losses[-50:])):.2f} dB on patches", refresh=False)
    return losses


def decibel(error: float | np.floating) -> float:
    """PSNR = -10 log10(mean squared error), for pictures in [0, 1].

    >>> decibel(0.01)
    20.0
    """
    return float(-10 * np.log10(error))


def psnr(got: np.ndarray | jax.Array, want: np.ndarray) -> float:
    """PSNR = -10 log10 mean (clip(got) - want)^2 in dB over a whole picture, borders included.

    >>> round(psnr(np.full((2, 2), 0.5), np.full((2, 2), 0.4)), 6)
    20.0
    """
    return decibel(np.mean((np.clip(np.asarray(got, np.float64), 0, 1) - want) ** 2))
