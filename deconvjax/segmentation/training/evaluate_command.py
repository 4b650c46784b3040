"""`deconvjax evaluate`: scores of a trained run, whole images or sliding windows, several scales, mirrored."""

from __future__ import annotations

import argparse
import dataclasses

from tqdm import tqdm

from deconvjax.errors import complaint
from deconvjax.segmentation.data import DataError
from deconvjax.segmentation.training import building
from deconvjax.segmentation.training.evaluation import Inference, evaluate
from deconvjax.segmentation.training.options import refused, trained
from deconvjax.segmentation.training.state import forward


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and how images are read."""
    parser.add_argument("--run", required=True, dest="folder", help="folder that `train --out` wrote")
    parser.add_argument("--checkpoint", choices=("best", "last"), default="best", help="which state")
    parser.add_argument("--root", default="", help="another place of the data set")
    parser.add_argument("--split", default="", help="another split")
    inference_arguments(parser)


def inference_arguments(parser: argparse.ArgumentParser) -> None:
    """--window, --scales, --flip."""
    parser.add_argument("--window", type=int, default=0, help="side of a sliding window; 0 reads whole images")
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0], help="scales whose scores are averaged")
    parser.add_argument("--flip", action="store_true", help="average with the mirrored image")


@refused
def run(options: argparse.Namespace) -> int:
    """Print the four scores and the intersection over union of each class."""
    inference = Inference(options.window, tuple(options.scales), options.flip)
    config, classes, trainer, state = trained(options.folder, options.checkpoint)
    changes = {"root": options.root or config.root, "validation_split": options.split or config.validation_split}
    _, dataset = building.datasets(dataclasses.replace(config, **changes))
    if dataset.classes != classes:
        raise DataError(complaint("evaluate", "the data set has other classes than the model",
                                  got=f"{len(dataset.classes)}: {', '.join(dataset.classes[:6])} ...",
                                  expected=f"{len(classes)}: {', '.join(classes[:6])} ...",
                                  fix="score on data labelled as the training data was"))
    matrix = evaluate(forward(trainer, state), dataset, batch=config.batch, inference=inference,
                      watch=lambda it: tqdm(it, unit="image"))
    for name, iu in zip(classes, matrix.class_iu(), strict=True):
        print(f"{name:>16} {iu:.4f}")
    print(", ".join(f"{name} {value:.4f}" for name, value in matrix.summary().items()))
    return 0
