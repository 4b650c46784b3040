"""`python -m benchmarks.swap [--seconds 2] [--only TEXT]`: whole Flax models against themselves with `nn.swap`.

Each row is one model written with `flax.nnx` layers, its prediction and its training step (Adam), timed in rounds
against the same model with the convolutions swapped: same parameters, same program around them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from benchmarks.allocator import keep_memory
from benchmarks.runner import geometric_mean, paired
from deconvjax import nn


class UNet(nnx.Module):
    """Three strided convolutions down, three transposed ones up, skips between."""

    def __init__(self, inner: int, outer: int, width: int, rank: int, window: int, rngs: nnx.Rngs):
        sizes = [width, 2 * width, 4 * width]
        three, up = (3,) * rank, (window,) * rank
        two = (2,) * rank
        self.stem = nnx.Conv(inner, width, three, rngs=rngs)
        pairs = list(zip([width, *sizes[:2]], sizes, strict=True))
        self.down = nnx.List([nnx.Conv(a, b, three, two, rngs=rngs) for a, b in pairs])
        self.up = nnx.List([nnx.ConvTranspose(b, a, up, two, rngs=rngs) for a, b in pairs])
        self.head = nnx.Conv(width, outer, (1,) * rank, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """An image of x's size."""
        x = nnx.relu(self.stem(x))
        skips = []
        for layer in self.down:
            skips.append(x)
            x = nnx.relu(layer(x))
        for layer in reversed(list(self.up)):
            x = nnx.relu(layer(x) + skips.pop())
        return self.head(x)


class Generator(nnx.Module):
    """DCGAN's generator: four transposed convolutions from a 4x4 seed to an image."""

    def __init__(self, latent: int, width: int, rngs: nnx.Rngs):
        self.seed = nnx.Linear(latent, 16 * 8 * width, rngs=rngs)
        channels = [8 * width, 4 * width, 2 * width, width, 3]
        self.up = nnx.List(
            [
                nnx.ConvTranspose(a, b, (4, 4), (2, 2), transpose_kernel=True, rngs=rngs)
                for a, b in zip(channels, channels[1:], strict=False)
            ]
        )

    def __call__(self, z: jax.Array) -> jax.Array:
        """An image for each latent vector."""
        x = self.seed(z).reshape(z.shape[0], 4, 4, -1)
        for layer in self.up:
            x = layer(nnx.relu(x))
        return jnp.tanh(x)


MODELS: dict[str, tuple[Callable[[], nnx.Module], tuple[int, ...]]] = {
    "U-Net 2-D 2x64x64x3, width 32, up 4x4": (lambda: UNet(3, 21, 32, 2, 4, nnx.Rngs(0)), (2, 64, 64, 3)),
    "U-Net 2-D 1x128x128x3, width 16, up 3x3": (lambda: UNet(3, 21, 16, 2, 3, nnx.Rngs(0)), (1, 128, 128, 3)),
    "U-Net 1-D 8x1024x2, width 32, up 4": (lambda: UNet(2, 2, 32, 1, 4, nnx.Rngs(0)), (8, 1024, 2)),
    "U-Net 3-D 1x16x16x16x1, width 8, up 4x4x4": (lambda: UNet(1, 3, 8, 3, 4, nnx.Rngs(0)), (1, 16, 16, 16, 1)),
    "DCGAN generator 4x64x64x3, width 16": (lambda: Generator(64, 16, nnx.Rngs(0)), (4, 64)),
}


def programs(model: nnx.Module, shape: tuple[int, ...]) -> dict[str, Callable[[], object]]:
    """The blocking calls of one model: its prediction, and one step of training."""
    x = jnp.asarray(np.random.default_rng(0).standard_normal(shape), jnp.float32)
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    optimizer = optax.adam(1e-4)
    predict = jax.jit(lambda params, x: nnx.merge(graph, params, rest)(x))
    shape = jax.eval_shape(predict, params, x).shape
    target = jnp.asarray(np.random.default_rng(1).standard_normal(shape), jnp.float32)

    @jax.jit
    def step(params, state, x):
        grads = jax.grad(lambda p: ((nnx.merge(graph, p, rest)(x) - target) ** 2).mean())(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    compiled = predict.lower(params, x).compile(), step.lower(params, state, x).compile()  # not part of any time
    return {
        "predict": lambda: jax.block_until_ready(compiled[0](params, x)),
        "train": lambda: jax.block_until_ready(compiled[1](params, state, x)),
    }


def rows(seconds: float = 1.0, only: str = "") -> list[dict]:
    """One record for each model and column; `flax_x` is time(Flax)/time(swapped)."""
    records = []
    for name, (build, shape) in MODELS.items():
        if only not in name:
            continue
        flax, ours = programs(build(), shape), programs(nn.swap(build()), shape)
        for column in flax:
            timing = paired({"flax": flax[column], "ours": ours[column]}, seconds=seconds)
            record = {
                "row": name,
                "column": column,
                "ours_ms": 1e3 * timing.median("ours"),
                "flax_ms": 1e3 * timing.median("flax"),
                "flax_x": timing.ratio("flax", "ours"),
            }
            records.append(record)
            print(
                f"{name:44s} {column:8s} flax {record['flax_ms']:9.3f} ms  swapped {record['ours_ms']:9.3f} ms  "
                f"{record['flax_x']:6.2f}x",
                flush=True,
            )
    return records


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swap", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", default="", help="models whose name contains this")
    options = parser.parse_args()
    keep_memory()
    records = rows(options.seconds, options.only)
    for column in ("predict", "train"):
        ratios = [r["flax_x"] for r in records if r["column"] == column]
        if ratios:
            print(f"{column}: {len(ratios)} models, mean {geometric_mean(ratios):.2f}x, worst {min(ratios):.2f}x")


if __name__ == "__main__":
    main()
