"""What the commands share: reporting a refusal in one line, and loading a trained run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from deconvjax.errors import DeconvError
from deconvjax.segmentation.data import DataError
from deconvjax.segmentation.training.checkpoint import CheckpointError, Checkpoints
from deconvjax.segmentation.training.config import Config
from deconvjax.segmentation.training.loop import TrainingError
from deconvjax.segmentation.training.state import State, Trainer, trainer_of

REFUSALS = (DataError, CheckpointError, TrainingError, DeconvError, ValueError, OSError)


def refused(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Exit code 1 and one message instead of a traceback, for what a person can mend."""

    def run(options: argparse.Namespace) -> int:
        try:
            return command(options)
        except REFUSALS as problem:
            print(problem, file=sys.stderr)
            return 1

    return run


def trained(run: str, which: str) -> tuple[Config, tuple[str, ...], Trainer, State]:
    """The config, class names, trainer and best (or last) state of a run folder."""
    checkpoints = Checkpoints(run)
    config, classes = checkpoints.read_config()
    trainer = trainer_of(config, len(classes))
    if which == "best" and checkpoints.newest("best") is None:
        which = "last"
    return config, classes, trainer, checkpoints.load(trainer.fresh(), which)
