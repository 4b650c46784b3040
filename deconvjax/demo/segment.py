"""The demo's last part: an FCN-8s head learns to label every pixel, scored on scenes it has never seen the parts of."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from deconvjax.demo import pictures
from deconvjax.demo.report import Report
from deconvjax.segmentation.data import Digits
from deconvjax.segmentation.data.digits import PHOTOGRAPHS
from deconvjax.segmentation.training import Checkpoints, Config, evaluate, forward, train
from deconvjax.segmentation.training.picture import overlay
from deconvjax.segmentation.training.state import trainer_of

SCENES = 256  # scored on
SHOWN = 7
HEADING = "4  A network of such layers: an FCN-8s head on a small backbone labels every pixel"


def recipe(steps: int, seed: int) -> Config:
    """What is trained: the defaults of `deconvjax train`, saved and scored once, at the end.

    >>> recipe(10, 0).head
    'fcn8s'
    """
    return dataclasses.replace(Config(), steps=steps, seed=seed, evaluate_every=steps, save_every=steps,
                               validation_count=SCENES)


def segment(report: Report, config: Config) -> dict[str, Any]:
    """Train into report.folder/segmentation; what is found goes to the terminal and the report, and is returned."""
    out = report.folder / "segmentation"
    _forget(out)
    print(f"\n{HEADING}\n")
    learned_from = ", ".join(PHOTOGRAPHS["train"])
    never_seen = ", ".join(PHOTOGRAPHS["validation"])
    report.heading(HEADING)
    told = (f"scenes of handwritten digits over photographs: {learned_from}\n"
            f"scored on digits of other writers over:        {never_seen}\n"
            f"{config.steps} steps of {config.batch} scenes, seed {config.seed}")
    print(told + "\n")
    train(config, out)
    trainer = trainer_of(config, len(Digits.classes))
    predict = forward(trainer, Checkpoints(out).load(trainer.fresh()))  # the last state: none was picked by its score
    scenes = Digits("validation", size=(config.crop, config.crop), count=config.validation_count)
    matrix = evaluate(predict, scenes, batch=config.batch)
    scores, by_class = matrix.summary(), dict(zip(scenes.classes, map(float, matrix.class_iu()), strict=True))
    line = f"mean IU {scores['mean_iu']:.4f}, pixel accuracy {scores['pixel_accuracy']:.4f} on {len(scenes)} scenes"
    print(f"{line} whose digits and photographs were never trained on")
    report.text(f"{told}\n{line}")
    report.paragraph("Every upsampling in this network is a map like the ones above: bilinear, aligned by where the "
                     "samples of each feature map sit in the image, its transpose used to train what lies below.")
    report.table({"IU": by_class | {"mean": scores["mean_iu"]}}, "class")
    report.picture("scenes", pictures.scenes(_shown(predict, scenes)),
                   "Scenes never seen, what is there, and what the network says. Thin rims are not counted.")
    return {**scores, "class_iu": by_class, "steps": config.steps, "seed": config.seed, "scenes": len(scenes)}


def _shown(predict: Any, scenes: Digits) -> dict[str, list[np.ndarray]]:
    """Rows of pictures by name."""
    samples = [scenes[i] for i in range(min(SHOWN, len(scenes)))]
    guesses = np.asarray(predict(jnp.asarray(np.stack([s.image for s in samples]))).argmax(-1))
    return {"scene": [s.image for s in samples], "truth": [overlay(s.image, s.mask, 0.9) for s in samples],
            "predicted": [overlay(s.image, guess, 0.9) for s, guess in zip(samples, guesses, strict=True)]}


def _forget(out: Path) -> None:
    """Remove the run of an earlier demo, which would be resumed; anything else in its place is left for `train`."""
    if (out / "config.json").is_file():
        shutil.rmtree(out)
