"""Training, from the first step or from wherever the last run stopped, to the end."""

from __future__ import annotations

import math
from pathlib import Path

import jax

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
    state = _start(trainer, checkpoints, config, training.classes)
    start = int(state.step)
    best = checkpoints.best_score()
    augment = Augment((config.crop, config.crop), flip=config.flip, scale=config.scale)
    batches = training_batches(training, augment, batch=config.batch, seed=config.seed, start=start)
    logs = Logs(checkpoints.out, start=start, steps=config.steps, batch=config.batch, quiet=quiet)
    scores: dict[str, float] = {}
    try:
        for step in range(start + 1, config.steps + 1):
            batch = next(batches)
            state, report = trainer.step(state, *trainer.share(tuple(batch)))
            last = step == config.steps
            if step % 20 == 0 or last or step == start + 1:
                loss = _finite(float(report["loss"]), step, checkpoints)
                logs.advance(step, loss)
                logs.record(step, loss=loss, gradient_norm=float(report["gradient_norm"]))
            if step % config.evaluate_every == 0 or last:
                scores = evaluate(forward(trainer, state), validation, batch=config.batch).summary()
                logs.record(step, **scores)
                logs.say(f"step {step}: " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items()))
                if scores["mean_iu"] > best:
                    best = scores["mean_iu"]
                    checkpoints.save("best", state, best)
            if step % config.save_every == 0 or last:
                _finite(float(report["loss"]), step, checkpoints)  # a diverged state is never saved
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


def _finite(loss: float, step: int, checkpoints: Checkpoints) -> float:
    if math.isfinite(loss):
        return loss
    kept = checkpoints.newest()
    raise TrainingError(complaint(
        "train", f"the loss is {loss} at step {step}", got=f"last good checkpoint: step {kept if kept else 'none'}",
        expected="a finite loss", fix="lower --learning-rate, raise --warmup, or use --precision float32"))


def devices() -> str:
    """What the run is laid over: `2 cpu devices`."""
    found = jax.devices()
    return f"{len(found)} {found[0].platform} device{'s' * (len(found) > 1)}"
