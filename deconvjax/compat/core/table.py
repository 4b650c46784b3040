"""What one call of one framework becomes in all the others.

    table("torch", kernel_size=4, stride=2, padding=1)

The other direction of each resolver is in `express`; this module builds the source's layer, reads where it puts its
axes, and prints one line for each framework.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deconvjax.algebra import LinearMap
from deconvjax.axis import Axis
from deconvjax.compat import caffe, cudnn, equinox, flax, haiku, keras, lax, onednn, onnx, tensorflow, theano, torch
from deconvjax.compat.core.express import EXPRESS, Arguments, Impossible
from deconvjax.compat.core.layer import Layer
from deconvjax.compat.core.sides import Side
from deconvjax.compat.core.weights import CONV_TRANSPOSE, Kernel
from deconvjax.compat.resolve import Periodic
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves import Stage
from deconvjax.leaves.extend import Extend
from deconvjax.ops.arguments import integer, integers, length
from deconvjax.ops.channel import conv_transpose

# What each framework calls its groups, and how a call is written there: {n} axes, {k} window, {a} the other arguments.
_GROUPS = {"torch": "groups", "equinox": "groups", "onnx": "group", "caffe": "group", "theano": "num_groups",
           "onednn": "groups", "cudnn": "groups", "deconvjax": "groups"}
_WRITTEN = {
    "deconvjax": "dj.conv_transpose(w, {a})", "torch": "F.conv_transpose{n}d(x, w, {a})",
    "tensorflow": "tf.nn.conv{n}d_transpose(x, w, {a})", "keras": "keras.layers.Conv{n}DTranspose(O, {k}, {a})",
    "flax": "nnx.ConvTranspose(I, O, {k}, {a})", "lax": "lax.conv_transpose(x, w, {a})",
    "haiku": "hk.Conv{n}DTranspose(O, {k}, {a})", "equinox": "eqx.nn.ConvTranspose{n}d(I, O, {k}, {a})",
    "onnx": "ConvTranspose(X, W, {a})", "caffe": "Deconvolution(num_output=O, kernel_size={k}, {a})",
    "theano": "conv2d_transpose(x, w, {a})", "onednn": "deconvolution_forward({a})", "cudnn": "BackwardData({a})",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One framework's line: its arguments and how it is written, or the reason why it cannot say it."""

    framework: str
    arguments: Arguments | None
    written: str
    weight: str

    @property
    def possible(self) -> bool:
        """True where the framework has such a call."""
        return self.arguments is not None


@dataclass(frozen=True, slots=True)
class Table:
    """call -> (geometry, one row for each framework): printing it shows them.

    >>> table("keras", kernel_size=3, strides=2, padding="same")["torch"].possible
    False
    """

    call: str
    sides: tuple[Side, ...]
    rows: tuple[Row, ...]

    def __getitem__(self, framework: str) -> Row:
        return next(row for row in self.rows if row.framework == framework)

    def __str__(self) -> str:
        lines = [self.call, *("  " + line for line in dict.fromkeys(map(_geometry, self.sides))), ""]
        width = max(len(row.framework) for row in self.rows)
        for row in self.rows:
            lines.append(f"{row.framework:<{width}}  {row.written if row.possible else 'no: ' + row.written}")
            if row.possible:
                lines.append(f"{'':<{width}}  weight {row.weight}")
        return "\n".join(lines)


def table(source: str, *, kernel_size: int | tuple[int, ...], size: int | tuple[int, ...] | None = None, ndim: int = 2,
          groups: int = 1, targets: Iterable[str] | None = None, **arguments: Any) -> Table:
    """F(s, p, ...) -> F'(s', p', ...): what one transposed convolution becomes in every framework, or why it cannot.

    Args:
        source: "torch", "tensorflow", "keras", "caffe", "onnx", "theano", "lax", "flax", "equinox", "haiku", "onednn",
            "cudnn" or "deconvjax".
        kernel_size: taps of each axis; one int for `ndim` axes.
        size: of the input's space, where the call depends on it and it does not follow from the call.
        ndim: number of space axes, where kernel_size is one int.
        groups: groups of channels.
        targets: the frameworks to show; all of them where None.
        **arguments: the source's own, by its own names.

    Raises:
        ShapeError, ValueError, TypeError: what the source refuses.

    >>> print(table("torch", kernel_size=4, stride=2, padding=1, targets=["keras", "flax", "haiku"]))
    torch: kernel_size=4, stride=2, padding=1
      n -> 2*n samples;  y[2*i + j - 1] += w[j] x[i];  stage: up 2, 4 taps, pads (2, 2);  x[m] lies at y[2*m + 1/2]
    <BLANKLINE>
    keras  keras.layers.Conv2DTranspose(O, 4, strides=2, padding='same')
           weight (k0, k1, O, I)
    flax   nnx.ConvTranspose(I, O, (4, 4), strides=(2, 2), padding='SAME', transpose_kernel=True)
           weight (k0, k1, O, I)
    haiku  hk.Conv2DTranspose(O, 4, stride=2, padding='SAME')
           weight (k0, k1, O, I), window reversed
    """
    if source not in EXPRESS:
        raise ValueError(complaint("compat.table", "unknown source", got=repr(source), expected=", ".join(EXPRESS),
                                   fix="choose one of these"))
    wanted = list(EXPRESS) if targets is None else list(targets)
    if unknown := [name for name in wanted if name not in EXPRESS]:
        raise ValueError(complaint("compat.table", "unknown targets", got=unknown, expected=", ".join(EXPRESS),
                                   fix="choose among these"))
    window = integers(kernel_size, length(kernel_size) or integer(ndim, "compat.table", "ndim", 1), "compat.table",
                      "kernel_size", 1)
    built = build(source, window, integer(groups, "compat.table", "groups", 1), arguments)
    sizes = (None,) * len(window) if size is None else integers(size, len(window), "compat.table", "size", 1)
    sides = tuple(_side(built, axis, k, n) for axis, (k, n) in enumerate(zip(window, sizes, strict=True)))
    rows = tuple(_row(name, sides, groups) for name in wanted)
    shown = {"kernel_size": kernel_size, **arguments, **({"groups": groups} if groups != 1 else {})}
    return Table(f"{source}: " + ", ".join(f"{k}={v!r}" for k, v in shown.items()), sides, rows)


def build(framework: str, window: tuple[int, ...], groups: int, arguments: Arguments) -> LinearMap:
    """The framework's layer with a kernel of zeros: its arguments, checked by its own rules.

    >>> build("keras", (4, 4), 1, {"strides": 2, "padding": "same"})
    <keras.Conv2DTranspose(4x4, 1->1)>
    """
    builder, key = _builder(framework, len(window), arguments)
    kernel = CONV_TRANSPOSE[key]
    shape = [window[int(a)] if a.isdigit() else groups if a in ("g", kernel.grouped) else 1
             for a in kernel.axes(len(window), groups)]
    named = dict(arguments)
    if groups != 1:
        if framework not in _GROUPS:
            raise ShapeError(complaint(f"compat.table({framework!r})", "this framework has no groups", got=groups,
                                       expected="groups=1", fix="use groups=1, or another source"))
        named[_GROUPS[framework]] = groups
    _, *known = inspect.signature(builder).parameters.values()
    missing = [each.name for each in known if each.default is each.empty and each.name not in named]
    strange = [name for name in named if name not in {each.name for each in known}]
    if missing or strange:
        raise TypeError(complaint(f"compat.table({framework!r})",
                                  f"missing {_quoted(missing)}" if missing else f"unexpected {_quoted(strange)}",
                                  got=_quoted(named) or "none", expected=_quoted(each.name for each in known),
                                  fix="give the framework's own arguments"))
    return builder(np.zeros(shape), **named)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _builder(framework: str, ndim: int, arguments: Arguments) -> tuple[Callable[..., LinearMap], str]:
    """(function, how its kernel is stored)."""
    by_rank = {"torch": (torch, f"conv_transpose{ndim}d"), "tensorflow": (tensorflow, f"conv{ndim}d_transpose"),
               "keras": (keras, f"Conv{ndim}DTranspose")}
    if framework in by_rank:
        if ndim > 3:
            raise ShapeError(complaint(f"compat.table({framework!r})", "too many space axes", got=ndim,
                                       expected="1, 2 or 3", fix="use a smaller kernel_size"))
        module, name = by_rank[framework]
        return getattr(module, name), framework
    if framework in ("lax", "flax"):
        module = lax.conv_transpose if framework == "lax" else flax.ConvTranspose
        return module, framework + ("/transpose_kernel=True" if arguments.get("transpose_kernel") else "")
    if framework == "theano":
        return theano.conv2d_transpose, "theano" + ("" if arguments.get("filter_flip", True) else "/filter_flip=False")
    others = {"equinox": equinox.ConvTranspose, "haiku": haiku.ConvNDTranspose, "caffe": caffe.deconvolution,
              "onnx": onnx.conv_transpose, "onednn": onednn.deconvolution, "deconvjax": conv_transpose,
              "cudnn": cudnn.convolution_backward_data}
    return others[framework], framework


def place(built: LinearMap, axis: int, k: int, size: int) -> Axis | Periodic:
    """One axis of an unbound layer for `size` samples."""
    if isinstance(built, Layer):
        return built.rules[axis].place(size, k)
    stages = [part for part in (built, *built.parts) if isinstance(part, Stage)]
    rate = stages[0].rates[axis]
    placed = rate.axis(size, k, "deconvjax.conv_transpose", f"axis {axis}")
    fold = next((part.widths[axis] for part in built.parts if isinstance(part, Extend)), (0, 0))
    return Periodic(placed, after=fold) if any(fold) else placed


def _side(built: LinearMap, axis: int, k: int, size: int | None) -> Side:
    """The side of one axis: for any size where the call allows it, else for the only size that fits it."""
    if size is not None:
        return Side.of(place(built, axis, k, size), size)
    found: dict[int, Side] = {}
    refusal: Exception | None = None
    for n in (*range(1, 257), 1000, 1001):
        try:
            found[n] = Side.of(place(built, axis, k, n), None)
        except ShapeError as error:
            refusal = error
    if not found:
        raise refusal or AssertionError
    if len(set(found.values())) == 1 and 1001 in found:
        return found[1001]
    if len(found) == 1:
        n = next(iter(found))
        return Side.of(place(built, axis, k, n), n)
    raise ShapeError(complaint("compat.table", "the call means something else for each input size", got="size=None",
                               expected=f"the input's size on axis {axis}", fix="say for example size=16"))


def _row(framework: str, sides: tuple[Side, ...], groups: int) -> Row:
    try:
        arguments = EXPRESS[framework](sides, groups)
    except Impossible as reason:
        return Row(framework, None, str(reason), "")
    _, key = _builder(framework, len(sides), arguments)
    window = tuple(side.k for side in sides)
    short = framework in ("torch", "keras", "equinox", "theano", "deconvjax", "onednn", "cudnn", "caffe", "haiku")
    text = ", ".join(f"{name}={_shown(value, short and (framework, name) != ('haiku', 'padding'))}"
                     for name, value in arguments.items())
    written = _WRITTEN[framework].format(n=len(sides), k=_shown(window, short), a=text)
    return Row(framework, arguments, written.replace(", )", ")"), _stored(CONV_TRANSPOSE[key], len(sides), groups))


def _shown(value: Any, short: bool) -> str:
    """repr, one entry for all where they are equal and the framework allows it (a pair only where it is one number)."""
    if short and isinstance(value, tuple) and len(set(value)) == 1:
        entry = value[0]
        if not isinstance(entry, tuple):
            return repr(entry)
        if len(set(entry)) == 1:
            return repr(entry[0])
    return repr(value)


def _stored(kernel: Kernel, ndim: int, groups: int) -> str:
    letters = [f"k{a}" if a.isdigit() else f"{a}/g" if groups != 1 and kernel.grouped != a and a != "g" else a
               for a in kernel.axes(ndim, groups)]
    return f"({', '.join(letters)})" + ("" if kernel.forward else ", window reversed")


def _geometry(side: Side) -> str:
    shift = f" - {side.before}" if side.before > 0 else f" + {-side.before}" if side.before else ""
    step = "i" if side.s == 1 else f"{side.s}*i"
    tap = "j" if side.d == 1 else f"{side.d}*j"
    half = side.taps - 1 - 2 * side.before
    centre = f"{abs(half)}/2" if half % 2 else f"{abs(half) // 2}"
    lies = ("m" if side.s == 1 else f"{side.s}*m") + (f" {'+' if half > 0 else '-'} {centre}" if half else "")
    size = "n" if side.size is None else str(side.size)
    pads = "periodic" if side.periodic else f"pads {side.pads}"
    return (f"{size} -> {side.out} samples;  y[{step} + {tap}{shift}] += w[j] x[i];  stage: up {side.s}, {side.k} taps"
            f"{f' {side.d} apart' if side.d != 1 else ''}, {pads};  x[m] lies at y[{lies}]")
