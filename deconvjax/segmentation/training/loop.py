"""Training, from the first step or from wherever the last run stopped, to the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.errors import complaint
from deconvjax.segmentation.data import Augment, training_batches
from deconvjax.segmentation.training import building
from deconvjax.segmentation.training.checkpoint import CheckpointError, Checkpoints
from deconvjax.segmentation.training.config import Config
from deconvjax.segmentation.training.evaluation import evaluate
from deconvjax.segmentation.training.logs import Logs
from deconvjax.segmentation.training.state import State, Trainer, forward, trainer_of


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why, and the last checkpoint is intact."""


def train(config: Config, out: str | Path, *, quiet: bool = False) -> dict[str, float]:
    """(config, OUT) -> scores of the last evaluation: runs to the last step, on from where a run in OUT stopped.

    A run killed at any moment and started again ends with the same parameters, bit for bit on a CPU, as one that was
    never killed: batches and random numbers are functions of the step, and a checkpoint holds everything else.

    Args:
        config: what to run. OUT must be empty or hold a run of the same config (its `steps` may grow).
        out: where checkpoints, log.jsonl, TensorBoard files and config.json go.
        quiet: no progress bar.
    """
    training, validation = building.datasets(config)
    if config.batch % config.accumulate:
        raise ValueError(complaint("--accumulate", "the batch is divided into parts", got=f"{config.accumulate} parts",
                                   expected=f"a divisor of the batch of {config.batch}", fix="use --accumulate 1"))
    trainer = trainer_of(config, len(training.classes))
    checkpoints = Checkpoints(out)
    state, newest = _start(trainer, checkpoints, config, training.classes), checkpoints.newest()
    start = int(state.step)
    best = checkpoints.best_score()
    augment = Augment((config.crop, config.crop), flip=config.flip, scale=config.scale)
    batches = training_batches(training, augment, batch=config.batch, seed=config.seed, start=start)
    logs = Logs(checkpoints.out, start=start, steps=config.steps, batch=config.batch, quiet=quiet)
    if newest is not None and newest > start:
        logs.say(f"the checkpoint of step {newest} cannot be read: on from step {start}")
    if best == float("-inf") and checkpoints.newest("best") is not None:
        logs.say("the best checkpoint cannot be read: the next one scored takes its place")
    scores: dict[str, float] = {}
    try:
        for step in range(start + 1, config.steps + 1):
            batch = next(batches)
            state, report = trainer.step(state, *trainer.share(tuple(batch)))
            told, scored, saved = (step % every == 0 or step == config.steps
                                   for every in (20, config.evaluate_every, config.save_every))
            told |= step == start + 1
            if told or scored or saved:  # a diverged state is never saved, nor the best
                _finite(report | ({"state": state} if scored or saved else {}), step, checkpoints)
            if told:
                logs.advance(step, float(report["loss"]))
                logs.record(step, **{name: float(value) for name, value in report.items()})
            if scored:
                scores = evaluate(forward(trainer, state), validation, batch=config.batch).summary()
                logs.record(step, **scores)
                logs.say(f"step {step}: " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items()))
                if scores["mean_iu"] > best:
                    best = scores["mean_iu"]
                    checkpoints.save("best", state, best)
            if saved:
                checkpoints.save("last", state)
    finally:
        logs.close()
    return scores or evaluate(forward(trainer, state), validation, batch=config.batch).summary()


def _start(trainer: Trainer, checkpoints: Checkpoints, config: Config, classes: tuple[str, ...]) -> State:
    fresh = checkpoints.newest() is None
    state = trainer.fresh(config.weights if fresh else "")
    if fresh:
        checkpoints.write_config(config, classes)
        return state
    before, names = checkpoints.read_config()
    differ = [name for name, value in vars(config).items() if name != "steps" and getattr(before, name) != value]
    if differ or names != classes:
        what = differ[0] if differ else "classes"
        raise CheckpointError(complaint("train", f"{checkpoints.out} holds another run", got=f"another {what}",
                                        expected="the config it was started with",
                                        fix="choose another --out, or give the same options to resume"))
    return checkpoints.load(state)


def _finite(numbers: Mapping[str, Any], step: int, checkpoints: Checkpoints) -> None:
    for name, value in numbers.items():
        for leaf in jax.tree.leaves(value):
            if not jnp.issubdtype(leaf.dtype, jnp.floating) or np.isfinite(array := np.asarray(leaf)).all():
                continue
            kept = checkpoints.newest()
            raise TrainingError(complaint(
                "train", f"the {name.replace('_', ' ')} is {array[~np.isfinite(array)][0]} at step {step}",
                got=f"last good checkpoint: step {kept if kept else 'none'}", expected="finite numbers",
                fix="lower --learning-rate, raise --warmup, or use --precision float32"))


def devices() -> str:
    """What the run is laid over: `2 cpu devices`."""
    found = jax.devices()
    return f"{len(found)} {found[0].platform} device{'s' * (len(found) > 1)}"
