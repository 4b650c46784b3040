"""`deconvjax train`: one option for each field of Config."""

from __future__ import annotations

import argparse
import dataclasses

from deconvjax.segmentation.training.config import CHOICES, HELP, Config
from deconvjax.segmentation.training.loop import devices, train
from deconvjax.segmentation.training.options import refused


def arguments(parser: argparse.ArgumentParser) -> None:
    """--out, --quiet, and every field of Config by its name."""
    parser.add_argument("--out", default="runs/digits", help="folder of checkpoints and logs; a stopped run resumes")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    for field in dataclasses.fields(Config):
        name, told = f"--{field.name.replace('_', '-')}", HELP[field.name]
        if isinstance(field.default, bool):
            parser.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default, help=told)
        else:
            parser.add_argument(name, type=type(field.default), default=field.default, help=told,
                                choices=CHOICES.get(field.name))


@refused
def run(options: argparse.Namespace) -> int:
    """Train, and print the scores."""
    config = Config(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Config)})
    if not options.quiet:
        print(f"{config.model} with {config.head}, {config.upsampling} upsampling, on {config.data}: {devices()}")
    scores = train(config, options.out, quiet=options.quiet)
    print(", ".join(f"{name} {value:.4f}" for name, value in scores.items()))
    return 0
