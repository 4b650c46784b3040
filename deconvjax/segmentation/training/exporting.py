"""A trained model as one file that runs without this package's training code: `jax.export`, serialised."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
from jax import export

from deconvjax.segmentation.training.state import State, Trainer


def export_model(trainer: Trainer, state: State, path: str | Path) -> Path:
    """Write images float32 (b, h, w, 3) in [0, 1] -> logits float32 (b, h, w, classes), b, h and w symbolic.

    `h` and `w` are multiples of 32; pad the image and crop the logits. The file holds the averaged parameters and
    StableHLO for CPU and CUDA; `jax.export.deserialize(path.read_bytes()).call(images)` runs it.
    """
    target = Path(path)
    frozen = jax.device_get(state)
    batch, rows, columns = export.symbolic_shape("b, r, c")
    spec = jax.ShapeDtypeStruct((batch, 32 * rows, 32 * columns, 3), jnp.float32)
    try:
        exported = export.export(jax.jit(lambda image: trainer._logits(frozen, image)), platforms=("cpu", "cuda"))(spec)
    except Exception:  # noqa: BLE001 - maps are bound to known sizes, so a symbolic size may be refused anywhere inside
        raise
    aside = target.with_suffix(target.suffix + ".tmp")
    aside.write_bytes(exported.serialize())
    aside.replace(target)
    return target
