"""A trained model as one file that runs without this package: `jax.export`, serialised."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import export

from deconvjax.segmentation.training.state import State, Trainer


def export_model(trainer: Trainer, state: State, path: str | Path, *, size: tuple[int, int], batch: int = 1,
                 platforms: Sequence[str] | None = None) -> Path:
    """Write images float32 (batch, H, W, 3) in [0, 1] -> logits float32 (batch, H, W, classes).

    The file holds the averaged parameters and the program for `platforms` (JAX's names; None is this machine's). It
    needs nothing but JAX to run: `jax.export.deserialize(bytearray(path.read_bytes())).call(images)`. Sizes are fixed:
    maps are bound to them.
    """
    target = Path(path)
    frozen = jax.device_get(state)
    images = jax.ShapeDtypeStruct((batch, *size, 3), jnp.float32)
    exported = export.export(jax.jit(lambda image: trainer.predict(frozen, image)), platforms=platforms)(images)
    aside = target.with_suffix(target.suffix + ".tmp")
    aside.write_bytes(exported.serialize())
    aside.replace(target)
    return target
