"""The command line: one row of a table for each command, whose module is opened only when it is asked for.

A command's module has `arguments(parser)`, which declares its options, and `run(options)`, which returns the exit code.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import deconvjax


class Command(NamedTuple):
    """What `deconvjax --help` says of a command, where it lives, and the extra that installs what it needs."""

    summary: str
    module: str
    extra: str = ""


COMMANDS: dict[str, Command] = {
    "demo": Command("blur and decimate real photographs, and learn to undo it", "deconvjax.demo.command", "demo"),
    "explore": Command("write an interactive page: the window and the matrix, live", "deconvjax.draw.explore", "draw"),
    "figures": Command("write the figures of convolution arithmetic, transposed ones too", "deconvjax.draw.figures",
                       "draw"),
    "train": Command("train a segmentation model", "deconvjax.segmentation.training.train_command", "train"),
    "evaluate": Command("score a trained model", "deconvjax.segmentation.training.evaluate_command", "train"),
    "predict": Command("masks for pictures, or an exported model", "deconvjax.segmentation.training.predict_command",
                       "train"),
    "convert": Command("what a transposed convolution of one framework becomes in the others",
                       "deconvjax.compat.core.command"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """argv -> exit code: 0 done, 1 refused or failed, 2 misused, 130 interrupted.

    >>> main(["demo", "--steps", "none"])
    Traceback (most recent call last):
    ...
    SystemExit: 2
    """
    words = list(sys.argv[1:] if argv is None else argv)
    asked = next((word for word in words if word in COMMANDS), None)
    try:
        options = _parser(asked).parse_args(words)
        return options.run(options)
    except ModuleNotFoundError as missing:
        if asked is None or not COMMANDS[asked].extra or (missing.name or "").split(".")[0] == "deconvjax":
            raise
        print(f"deconvjax {asked} needs {missing.name}: pip install 'deconvjax[{COMMANDS[asked].extra}]'",
              file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser(asked: str | None) -> argparse.ArgumentParser:
    """The parser; only the command asked for has its module imported and its options declared."""
    parser = argparse.ArgumentParser(prog="deconvjax", description="Multirate linear operators for JAX.")
    parser.add_argument("--version", action="version", version=f"deconvjax {deconvjax.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.summary, description=command.summary,
                                  formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        if name == asked:
            module = importlib.import_module(command.module)
            module.arguments(sub)
            sub.set_defaults(run=module.run)
    return parser
