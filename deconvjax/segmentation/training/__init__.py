"""Training of segmentation models: configuration, state, loop, checkpoints, evaluation."""

from deconvjax.segmentation.training.checkpoint import CheckpointError, Checkpoints
from deconvjax.segmentation.training.config import Config
from deconvjax.segmentation.training.evaluation import Inference, evaluate
from deconvjax.segmentation.training.loop import TrainingError, train
from deconvjax.segmentation.training.state import State, Trainer, forward

__all__ = [
    "CheckpointError", "Checkpoints", "Config", "Inference", "State", "Trainer", "TrainingError", "evaluate", "forward",
    "train",
]
