"""How each framework stores the kernel of a convolution and of its "deconvolution", and every way from one to another.

    torch (I, O/g, *k)  ->  flax (*k, I/g, O), window reversed:     w.transpose(2, 3, 0, 1)[::-1, ::-1] for g = 1

I and O are input and output channels of the layer itself. A transposed convolution's kernel is stored either *forward*,
as the kernel of the convolution it transposes (channels grouped on I, window as that convolution reads it), or *slid*,
as it slides over the zero-stuffed input (channels grouped on O, window reversed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import detached, integer


@dataclass(frozen=True, slots=True)
class Kernel:
    """One way to store a kernel: the order of its axes ("IO*": input, output, window), and which way it is read.

    `grouped` is the channel axis that holds all groups (the other holds one group's share), "" where an axis "g" of its
    own holds them. `forward` says that the window is the forward convolution's.
    """

    order: str
    grouped: str = "O"
    forward: bool = False
    weight: str = "kernel"
    bias: str = "bias"
    bias_shape: str = "O"

    def axes(self, ndim: int, groups: int = 1) -> str:
        """One letter for each stored axis, the window as digits.

        >>> Kernel("IO*").axes(2)
        'IO01'
        """
        order = self.order.replace("g", "") if groups == 1 else self.order
        return order.replace("*", "0123456789"[:ndim])


_FIRST = Kernel("OI*", weight="weight")
_LAST = Kernel("*IO")
CONV: dict[str, Kernel] = {
    "deconvjax": _LAST, "torch": _FIRST, "onnx": Kernel("OI*", weight="W", bias="B"),
    "caffe": Kernel("OI*", weight="0", bias="1"), "equinox": Kernel("OI*", weight="weight", bias_shape="O*"),
    "theano": Kernel("OI*", forward=True, weight="W", bias="b"),  # Theano convolves: filter_flip=True
    "theano/filter_flip=False": Kernel("OI*", weight="W", bias="b"), "lax": _LAST, "flax": _LAST, "keras": _LAST,
    "tensorflow": Kernel("*IO", weight="filters"), "haiku": Kernel("*IO", weight="w", bias="b"),
    "onednn": Kernel("gOI*", grouped="", weight="weights"), "cudnn": Kernel("OI*", weight="w"),
}
CONV_TRANSPOSE: dict[str, Kernel] = {
    "deconvjax": Kernel("*OI", "I", True), "torch": Kernel("IO*", "I", True, "weight"),
    "onnx": Kernel("IO*", "I", True, "W", "B"), "caffe": Kernel("IO*", "I", True, "0", "1"),
    "keras": Kernel("*OI", "I", True), "tensorflow": Kernel("*OI", "I", True, "filters"),
    "lax": Kernel("*IO"), "lax/transpose_kernel=True": Kernel("*OI", "I", True),
    "flax": Kernel("*IO"), "flax/transpose_kernel=True": Kernel("*OI", "I", True),
    "equinox": Kernel("OI*", weight="weight", bias_shape="O*"), "haiku": Kernel("*OI", weight="w", bias="b"),
    "theano": Kernel("IO*", "I", False, "W", "b"), "theano/filter_flip=False": Kernel("IO*", "I", True, "W", "b"),
    "onednn": Kernel("gOI*", "", True, "weights"), "cudnn": Kernel("IO*", "I", True, "w"),
}
OPERATIONS = {"conv": CONV, "conv_transpose": CONV_TRANSPOSE}


def stage_taps(weight: Any, kernel: Kernel, ndim: int, groups: int, name: str, argument: str) -> tuple[Any, bool]:
    """(taps, flip) of the stage: axes moved, nothing copied where the storage is one that a stage can read."""
    check(weight, kernel, ndim, groups, name, argument)
    axes = kernel.axes(ndim, groups)
    window = "0123456789"[:ndim]
    if not kernel.grouped:
        weight = to_groups(weight, kernel, ndim, groups)
        return from_groups(weight, Kernel("*OI", "I", True), ndim, groups), True
    if kernel.grouped == "I":  # (*k, O/g, I), read as a transpose: `flip`
        weight = weight.transpose([axes.index(letter) for letter in window + "OI"])
        return (weight if kernel.forward else weight[(slice(None, None, -1),) * ndim]), True
    weight = weight.transpose([axes.index(letter) for letter in window + "IO"])
    return (weight[(slice(None, None, -1),) * ndim] if kernel.forward else weight), False


def convert(weights: Any, *, source: str, target: str, operation: str = "conv_transpose", groups: int = 1) -> Any:
    """(I, O/g, *k) of torch -> (*k, I/g, O) of Flax, and so on: the kernel of a layer, moved between frameworks.

    Exact: axes are moved and windows reversed, no value changes, and the way back gives the array you had. Give one
    kernel (NumPy, JAX, torch, or what NumPy can read), or a mapping with the source's own names
    (`{"weight": w, "bias": b}`), which comes back with the target's.

    Args:
        weights: the kernel, or a mapping that holds it and perhaps a bias.
        source: where it comes from: "torch", "tensorflow", "keras", "caffe", "onnx", "theano", "lax", "flax",
            "equinox", "haiku", "onednn", "cudnn" or "deconvjax"; "flax/transpose_kernel=True" (lax too) and
            "theano/filter_flip=False" where that option is set.
        target: where it goes, same names.
        operation: "conv_transpose" or "conv".
        groups: groups of the layer. Frameworks that have none get the layout of JAX's `feature_group_count`.

    Raises:
        ValueError: an unknown framework or operation. ShapeError: a rank that is no kernel's, groups that do not
        divide the channels, a bias of another layer.

    >>> import numpy as np
    >>> convert(np.zeros((8, 4, 3, 5)), source="torch", target="flax").shape
    (3, 5, 8, 4)
    """
    groups = integer(groups, "compat.convert", "groups")
    table = OPERATIONS.get(operation)
    if table is None:
        raise ValueError(complaint("compat.convert", "unknown operation", got=repr(operation),
                                   expected="'conv_transpose' or 'conv'", fix="name the layer the kernel belongs to"))
    read, write = (_kernel(table, name, argument) for name, argument in ((source, "source"), (target, "target")))
    if isinstance(weights, Mapping):
        if read.weight not in weights or not set(weights) <= {read.weight, read.bias}:
            raise ShapeError(complaint("compat.convert", f"these are not the weights of a {source} layer",
                                       got=f"{sorted(map(str, weights))}", expected=f"{read.weight!r}, {read.bias!r}",
                                       fix="pass one layer's weights under the framework's names, or the kernel alone"))
        split, ndim = _split(weights[read.weight], read, groups)
        out = {write.weight: from_groups(split, write, ndim, groups)}
        if weights.get(read.bias) is not None:
            bias, outputs = _array(weights[read.bias], read.bias).reshape(-1), groups * split.shape[-1]
            if len(bias) != outputs:
                raise ShapeError(complaint("compat.convert", f"{read.bias!r} does not fit {read.weight!r}",
                                           got=f"{len(bias)} values", expected=f"{outputs}, one for each output",
                                           fix="pass the bias of the same layer, or leave it out"))
            out[write.bias] = bias.reshape(-1, *(1,) * ndim) if write.bias_shape == "O*" else bias
        return out
    split, ndim = _split(weights, read, groups)
    return from_groups(split, write, ndim, groups)


def _split(weights: Any, read: Kernel, groups: int) -> tuple[Any, int]:
    """(`to_groups`, number of space axes) of what is stored."""
    array = _array(weights, "weights")
    ndim = array.ndim - 2 - (read.order[0] == "g" and groups > 1)
    check(array, read, ndim, groups, "compat.convert", "weights")
    return to_groups(array, read, ndim, groups), ndim


def to_groups(weight: Any, kernel: Kernel, ndim: int, groups: int) -> Any:
    """Any storage -> (g, *k, I/g, O/g), the window as the forward convolution reads it."""
    axes = kernel.axes(ndim, groups)
    window = "0123456789"[:ndim]
    if "g" in axes:
        split = weight.transpose([axes.index(letter) for letter in "g" + window + "IO"])
    else:
        moved = weight.transpose([axes.index(letter) for letter in window + "IO"])
        *size, inner, outer = moved.shape
        if kernel.grouped == "I":
            split = moved.reshape(*size, groups, inner // groups, outer)
            split = split.transpose(ndim, *range(ndim), ndim + 1, ndim + 2)
        else:
            split = moved.reshape(*size, inner, groups, outer // groups)
            split = split.transpose(ndim + 1, *range(ndim), ndim, ndim + 2)
    return split if kernel.forward else split[(slice(None), *(slice(None, None, -1),) * ndim)]


def from_groups(split: Any, kernel: Kernel, ndim: int, groups: int) -> Any:
    """(g, *k, I/g, O/g) -> any storage: the inverse of `to_groups`."""
    if not kernel.forward:
        split = split[(slice(None), *(slice(None, None, -1),) * ndim)]
    axes = kernel.axes(ndim, groups)
    window = "0123456789"[:ndim]
    if "g" in axes:
        return split.transpose([("g" + window + "IO").index(letter) for letter in axes])
    _, *size, inner, outer = split.shape
    places = list(range(1, ndim + 1))
    if kernel.grouped == "I":
        merged = split.transpose(*places, 0, ndim + 1, ndim + 2).reshape(*size, groups * inner, outer)
    else:
        merged = split.transpose(*places, ndim + 1, 0, ndim + 2).reshape(*size, inner, groups * outer)
    return merged.transpose([(window + "IO").index(letter) for letter in axes])


def check(weight: Any, kernel: Kernel, ndim: int, groups: int, name: str, argument: str) -> None:
    """ShapeError where `weight` cannot be a kernel in this storage."""
    axes = kernel.axes(ndim, groups) if 0 <= ndim <= 9 else ""
    wanted = "(" + ", ".join(f"k{a}" if a.isdigit() else _shown(a, kernel, groups) for a in axes) + ")"
    if not axes or weight.ndim != len(axes):
        raise ShapeError(complaint(name, f"{argument} has the wrong rank", got=f"shape {tuple(weight.shape)}",
                                   expected=f"{len(axes)} axes {wanted}" if axes else "at least 2 axes",
                                   fix="pass the kernel in the framework's own layout"))
    holder = "g" if "g" in axes else kernel.grouped
    held = weight.shape[axes.index(holder)] if holder else groups
    relation = "=" if holder == "g" else "a multiple of"
    if groups < 1 or held % groups or (holder == "g" and held != groups):
        raise ShapeError(complaint(name, "groups do not divide the channels",
                                   got=f"groups={groups}, {argument} of shape {tuple(weight.shape)}",
                                   expected=f"{wanted}, {holder or 'g'} {relation} groups",
                                   fix="check groups, or the layout of the kernel"))


def _shown(letter: str, kernel: Kernel, groups: int) -> str:
    return letter if letter == "g" or letter == kernel.grouped or groups == 1 else f"{letter}/g"


def _kernel(table: Mapping[str, Kernel], name: str, argument: str) -> Kernel:
    if name not in table:
        raise ValueError(complaint("compat.convert", f"unknown {argument}", got=repr(name),
                                   expected=", ".join(sorted(table)), fix="choose one of these"))
    return table[name]


def _array(value: Any, argument: str) -> Any:
    if isinstance(value, (jax.Array, np.ndarray)):
        return value
    try:
        return np.asarray(detached(value))
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors on a GPU or of dtype bfloat16
        raise TypeError(complaint("compat.convert", f"NumPy cannot read {argument}", got=f"{type(value).__name__} "
                                  f"({error})", expected="an array", fix="pass a NumPy or JAX array")) from error
