"""`deconvjax convert`: what a transposed convolution of one framework becomes in the others.

    python -m deconvjax convert --from torch --kernel 4 --stride 2 --padding 1

Options that are not listed are the framework's own arguments (`--output-padding 1`, `--auto_pad SAME_UPPER`).
"""

from __future__ import annotations

import argparse
import ast
import sys
from typing import Any

from deconvjax.compat.core.express import EXPRESS
from deconvjax.compat.core.table import table
from deconvjax.errors import DeconvError

# What other frameworks call the same argument: `--stride` is understood whatever the source calls it.
_STEPS = {"stride": ("stride", "strides", "input_dilation"),
          "dilation": ("dilation", "dilations", "dilation_rate", "kernel_dilation", "rhs_dilation", "filter_dilation")}
_OWN = {"torch": "stride dilation", "equinox": "stride dilation", "caffe": "stride dilation",
        "cudnn": "stride dilation", "onnx": "strides dilations", "tensorflow": "strides dilations",
        "keras": "strides dilation_rate", "flax": "strides kernel_dilation", "deconvjax": "strides kernel_dilation",
        "lax": "strides rhs_dilation", "haiku": "stride -", "theano": "input_dilation filter_dilation",
        "onednn": "strides -"}
_OTHERS = ("padding", "output_padding", "output_size", "output_shape", "pad", "pads", "auto_pad", "border_mode",
           "filter_flip", "padding_mode", "transpose_kernel", "use_consistent_padding", "padding_l", "padding_r",
           "dilates", "dst", "out")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `deconvjax convert`."""
    parser.add_argument("--from", dest="source", required=True, choices=sorted(EXPRESS), help="the framework it is in")
    parser.add_argument("--to", dest="targets", action="append", choices=sorted(EXPRESS), default=None,
                        help="a framework to show, may be repeated (all of them)")
    parser.add_argument("--kernel", dest="kernel_size", required=True, type=_value, metavar="K",
                        help="taps, one int or one for each axis: 4 or 4,3")
    parser.add_argument("--size", type=_value, default=None, metavar="N", help="size of the input, where it matters")
    parser.add_argument("--ndim", type=int, default=2, metavar="N", help="space axes, where --kernel is one int")
    parser.add_argument("--groups", type=int, default=1, metavar="N", help="groups of channels")
    for step, names in _STEPS.items():
        flags = [f"--{spelling}" for name in names for spelling in _spellings(name)]
        parser.add_argument(*flags, dest=f"own_{step}", type=_value, default=argparse.SUPPRESS, metavar="N",
                            help=f"{step}, whatever the framework calls it")
    for name in _OTHERS:
        parser.add_argument(*(f"--{spelling}" for spelling in _spellings(name)), dest=f"own_{name}", type=_value,
                            default=argparse.SUPPRESS, metavar="V", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Print the table; 0, or 1 with the refusal on stderr."""
    stride, dilation = _OWN[options.source].split()
    rename = {"stride": stride, "dilation": dilation if dilation != "-" else "dilation"}
    given = {name.removeprefix("own_"): value for name, value in vars(options).items() if name.startswith("own_")}
    named = {rename.get(name, name): value for name, value in given.items()}
    if options.source == "lax":
        ndim = len(options.kernel_size) if isinstance(options.kernel_size, tuple) else options.ndim
        named = {name: _for_each(name, value, ndim) for name, value in named.items()}
        named = {"strides": (1,) * ndim, "padding": "SAME", **named}
    try:
        print(table(options.source, kernel_size=options.kernel_size, size=options.size, ndim=options.ndim,
                    groups=options.groups, targets=options.targets, **named))
    except (DeconvError, TypeError, ValueError) as refusal:
        print(f"deconvjax convert: {refusal}", file=sys.stderr)
        return 1
    return 0


def _value(text: str) -> Any:
    """4, (4, 3) from "4,3", True, None, or the word itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _spellings(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((name.replace("_", "-"), name)))


def _for_each(name: str, value: Any, ndim: int) -> Any:
    """lax wants one entry for each axis."""
    if name == "padding" and isinstance(value, tuple) and all(isinstance(n, int) for n in value):
        return (value,) * ndim
    if name == "padding" and isinstance(value, int):
        return ((value, value),) * ndim
    return (value,) * ndim if name in ("strides", "rhs_dilation") and isinstance(value, int) else value
