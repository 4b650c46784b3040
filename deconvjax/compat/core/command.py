"""`deconvjax convert`: what a transposed convolution of one framework becomes in the others.

    python -m deconvjax convert --from torch --kernel 4 --stride 2 --padding 1

The framework's own arguments keep their names, with a dash or an underscore (`--output-padding 1`).
"""

from __future__ import annotations

import argparse
import ast
import re
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
_OTHERS = {
    "padding": "samples cropped, or pads, as the framework counts them: 1 or 1,2 or SAME",
    "output_padding": "samples appended (torch, equinox, onnx, keras, deconvjax)",
    "output_size": "size of the output (torch)",
    "output_shape": "size of the output (tensorflow, onnx, haiku, theano, deconvjax)",
    "pad": "samples cropped off both sides (caffe, cudnn)",
    "pads": "samples cropped, all begins before all ends (onnx)",
    "auto_pad": "SAME_UPPER, SAME_LOWER or VALID (onnx)",
    "border_mode": "valid, half, full or pads of the forward convolution (theano)",
    "filter_flip": "False: the kernel is not reversed (theano)",
    "padding_mode": "ZEROS or CIRCULAR (equinox)",
    "transpose_kernel": "True: the kernel is the forward convolution's (lax, flax)",
    "use_consistent_padding": "True: the pads are the forward convolution's (lax)",
    "padding_l": "samples cropped in front (onednn)",
    "padding_r": "samples cropped behind (onednn)",
    "dilates": "spacing of the taps less one (onednn)",
    "dst": "size of the output (onednn)",
    "out": "size of the output (cudnn)",
}
# What a refusal calls an argument becomes the flag: 'pad', `padding`, kernel_size, stride=2, padding must be an int.
_NAMES = ("kernel_size", "size", "ndim", "groups", *_STEPS["stride"], *_STEPS["dilation"], *_OTHERS)
_ANY, _LONG = "|".join(_NAMES), "|".join(name for name in _NAMES if "_" in name)
_SPOKEN = re.compile(rf"(?:(['`])(?P<quoted>{_ANY})\1|\b(?P<long>{_LONG})\b"
                     rf"|(?<!output )\b(?P<plain>{_ANY})(?==| must| has| as an| out\b))(?P<sign>=?)")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `deconvjax convert`."""
    parser.add_argument("--from", dest="source", required=True, choices=sorted(EXPRESS), help="the framework it is in")
    parser.add_argument("--to", dest="targets", action="append", choices=sorted(EXPRESS), default=None,
                        help="a framework to show, may be repeated (all of them)")
    parser.add_argument("--kernel", dest="kernel_size", required=True, type=_counts, metavar="K",
                        help="taps, one int or one for each axis: 4 or 4,3")
    parser.add_argument("--size", type=_counts, default=None, metavar="N", help="size of the input, where it matters")
    parser.add_argument("--ndim", type=int, default=2, metavar="N", help="space axes, where --kernel is one int")
    parser.add_argument("--groups", type=int, default=1, metavar="N", help="groups of channels")
    own = parser.add_argument_group("the framework's own arguments")
    for step, names in _STEPS.items():
        _option(own, step, names, f"{step}, whatever the framework calls it", type=_counts, metavar="N")
    for name, meaning in _OTHERS.items():
        _option(own, name, (name,), meaning, type=_value, metavar="V")


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
        print(f"deconvjax convert: {_spoken(str(refusal))}", file=sys.stderr)
        return 1
    return 0


def _value(text: str) -> Any:
    """4, (4, 3) from "4,3", True, None, or the word itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _counts(text: str) -> Any:
    """A positive int, or several."""
    value = _value(text)
    for each in value if isinstance(value, tuple) else (value,):
        if not isinstance(each, int) or isinstance(each, bool) or each < 1:
            raise argparse.ArgumentTypeError(f"got {text!r}, expected a positive int, or one for each axis: 4 or 4,3")
    return value


def _option(group: Any, dest: str, names: tuple[str, ...], meaning: str, **options: Any) -> None:
    """One option under all its names; the help shows those with dashes."""
    dashed, written = ([f"--{name.replace('_', sign)}" for name in names] for sign in "-_")
    for flags, shown in ((dashed, meaning), (sorted(set(written) - set(dashed)), argparse.SUPPRESS)):
        if flags:
            group.add_argument(*flags, dest=f"own_{dest}", default=argparse.SUPPRESS, help=shown, **options)


def _spoken(refusal: str) -> str:
    """The refusal with flags for the arguments of `table` and of the framework."""
    def flag(found: re.Match[str]) -> str:
        name = (found["quoted"] or found["long"] or found["plain"]).replace("kernel_size", "kernel")
        return f"--{name.replace('_', '-')}{' ' if found['sign'] else ''}"
    return _SPOKEN.sub(flag, re.sub(r"^compat\.table(?:\('(\w+)'\))?: ", lambda m: f"--from {m[1]}: " if m[1] else "",
                                    refusal))


def _for_each(name: str, value: Any, ndim: int) -> Any:
    """lax wants one entry for each axis."""
    if name == "padding" and isinstance(value, tuple) and all(isinstance(n, int) for n in value):
        return (value,) * ndim
    if name == "padding" and isinstance(value, int):
        return ((value, value),) * ndim
    return (value,) * ndim if name in ("strides", "rhs_dilation") and isinstance(value, int) else value
