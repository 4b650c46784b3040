"""Weights by name into a model's parameters: every name and every parameter accounted for, or nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from deconvjax.errors import complaint
from deconvjax.segmentation.models import VGG16, FCNResNet, ResNet
from deconvjax.segmentation.models.vgg import STAGES
from deconvjax.segmentation.weights.errors import WeightError

Shape = tuple[int, ...]
TORCH_VGG = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # torchvision's places of the convolutions of vgg16


@dataclass(frozen=True)
class Slot:
    """Where one array of a file goes: the parameter, the shape it has in the file, and how it is turned."""

    variable: nnx.Variable
    shape: Shape
    turn: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Report:
    """names of a file = loaded + left_out: laid into the model, and without a place in it.

    >>> Report(("conv1.weight",), ("fc.weight",)).left_out
    ('fc.weight',)
    """

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]


def load_weights(model: Any, arrays: Mapping[str, np.ndarray]) -> Report:
    """model's parameters = arrays, by the names of the library they come from.

    * `VGG16`: torchvision's `vgg16` (`features.0.weight`, ...; `classifier.0` and `classifier.3` become the 7x7 and 1x1
      convolutions fc6 and fc7, as FCN has it) or Caffe's names as torch ports of FCN write them (`conv1_1.weight`, ...,
      `fc7.bias`). The layer behind, `classifier.6`, scores ImageNet's classes; it is reported as left out.
    * `ResNet`: torchvision's `resnet50` and `resnet101` (`conv1.weight`, `layer1.0.bn1.running_mean`, ...); `fc` is
      left out.
    * `FCNResNet`: torchvision's `fcn_resnet50` and `fcn_resnet101` (`backbone.*`, `classifier.*`); `aux_classifier.*`
      goes into the model's auxiliary head, or is left out where it has none.

    Torch's counters `num_batches_tracked` are left out: nothing reads them. All checks come before the first change.

    Args:
        model: a `VGG16`, `ResNet` or `FCNResNet`, changed in place.
        arrays: as `read_weights` gives them. Floats are stored in the parameters' dtype.

    Raises:
        WeightError: names missing, unexpected, or of the wrong shape or kind; all of them are named.
        TypeError: a model of another class.

    Source: torchvision 0.22's vgg.py, resnet.py and fcn.py.

    >>> net = nnx.eval_shape(lambda: VGG16(width=1 / 64, rngs=nnx.Rngs(0)))
    >>> load_weights(net, {})
    Traceback (most recent call last):
    deconvjax.segmentation.weights.errors.WeightError: load_weights: the file does not fit VGG16; got missing: ...
    """
    slots, optional = _slots(model, arrays)
    wanted = {name for name in slots if name in arrays}
    missing = [name for name in slots if name not in arrays]
    left = [name for name in arrays if name not in slots and any(map(name.startswith, optional))]
    left += [name for name in arrays if name not in slots and name.endswith(".num_batches_tracked")]
    unexpected = [name for name in arrays if name not in slots and name not in left]
    odd = [f"{name} {_described(arrays[name])} (needs {slots[name].shape})" for name in slots
           if name in wanted and not _fits(arrays[name], slots[name])]
    problems = [f"{word}: {_listed(names)}" for word, names in
                (("missing", missing), ("unexpected", unexpected), ("of the wrong shape or kind", odd)) if names]
    if problems:
        raise WeightError(complaint("load_weights", f"the file does not fit {type(model).__name__}",
                                    got="; ".join(problems), expected=f"{len(slots)} arrays of its layers",
                                    fix=_fix(arrays, missing)))
    for name, slot in slots.items():
        slot.variable[...] = jnp.asarray(slot.turn(np.asarray(arrays[name])), slot.variable[...].dtype)
    return Report(tuple(slots), tuple(dict.fromkeys(left)))


def names_and_shapes(model: Any) -> dict[str, Shape]:
    """model -> {name: shape} of the arrays that `load_weights` needs, by torchvision's names; model may be abstract.

    >>> len(names_and_shapes(nnx.eval_shape(lambda: ResNet(50, rngs=nnx.Rngs(0)))))
    265
    """
    return {name: slot.shape for name, slot in _slots(model, {})[0].items()}


def _slots(model: Any, arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, Slot], tuple[str, ...]]:
    """(name -> slot, prefixes of names that may be there and have no place)."""
    if isinstance(model, VGG16):
        return _vgg(model, "conv1_1.weight" in arrays)
    if isinstance(model, ResNet):
        return _resnet(model, ""), ("fc.",)
    if isinstance(model, FCNResNet):
        slots = _resnet(model.backbone, "backbone.") | _head(model.classifier, "classifier.")
        if model.auxiliary is None:
            return slots, ("aux_classifier.",)
        return slots | _head(model.auxiliary, "aux_classifier."), ()
    raise TypeError(complaint("load_weights", "no names are known for this model", got=type(model).__name__,
                              expected="VGG16, ResNet or FCNResNet", fix="lay the arrays into its parameters yourself"))


def _vgg(net: VGG16, caffe: bool) -> tuple[dict[str, Slot], tuple[str, ...]]:
    numbers = [f"conv{stage}_{n}" for stage, (_, count) in enumerate(STAGES, 1) for n in range(1, count + 1)]
    names = numbers if caffe else [f"features.{place}" for place in TORCH_VGG]
    slots: dict[str, Slot] = {}
    for name, conv in zip(names, net.convs, strict=True):
        slots |= _conv(conv, name)
    if caffe:
        return slots | _conv(net.fc6, "fc6") | _conv(net.fc7, "fc7"), ("score_", "upscore", "fc8.")
    return slots | _dense(net.fc6, "classifier.0") | _dense(net.fc7, "classifier.3"), ("classifier.6.",)


def _resnet(net: ResNet, prefix: str) -> dict[str, Slot]:
    slots = _conv(net.conv1, f"{prefix}conv1") | _norm(net.bn1, f"{prefix}bn1")
    for stage, blocks in enumerate(net.stages, 1):
        for place, block in enumerate(blocks):
            here = f"{prefix}layer{stage}.{place}"
            for n, (conv, norm) in enumerate(zip(block.convs, block.norms, strict=True), 1):
                slots |= _conv(conv, f"{here}.conv{n}") | _norm(norm, f"{here}.bn{n}")
            if block.shortcut is not None:
                slots |= _conv(block.shortcut, f"{here}.downsample.0")
                slots |= _norm(block.shortcut_norm, f"{here}.downsample.1")
    return slots


def _head(head: Any, prefix: str) -> dict[str, Slot]:
    return _conv(head.conv, f"{prefix}0") | _norm(head.norm, f"{prefix}1") | _conv(head.score, f"{prefix}4")


def _conv(conv: Any, name: str) -> dict[str, Slot]:
    """(out, in, h, w) as torch keeps it, to (h, w, in, out)."""
    *window, few, outer = conv.kernel.shape
    slots = {f"{name}.weight": Slot(conv.kernel, (outer, few, *window), lambda w: w.transpose(2, 3, 1, 0))}
    return slots | _bias(conv, name)


def _dense(conv: Any, name: str) -> dict[str, Slot]:
    """A fully connected layer (out, in*h*w) as the convolution that it is."""
    *window, few, outer = conv.kernel.shape

    def turn(w: np.ndarray) -> np.ndarray:
        return w.reshape(outer, few, *window).transpose(2, 3, 1, 0)

    return {f"{name}.weight": Slot(conv.kernel, (outer, few * int(np.prod(window))), turn)} | _bias(conv, name)


def _bias(conv: Any, name: str) -> dict[str, Slot]:
    return {} if conv.bias is None else {f"{name}.bias": Slot(conv.bias, tuple(conv.bias.shape), lambda b: b)}


def _norm(norm: nnx.BatchNorm, name: str) -> dict[str, Slot]:
    places = {"weight": norm.scale, "bias": norm.bias, "running_mean": norm.mean, "running_var": norm.var}
    return {f"{name}.{word}": Slot(variable, tuple(variable.shape), lambda v: v)  # type: ignore[union-attr]
            for word, variable in places.items()}


def _fits(array: np.ndarray, slot: Slot) -> bool:
    return tuple(array.shape) == slot.shape and bool(jnp.issubdtype(array.dtype, jnp.floating))


def _described(array: np.ndarray) -> str:
    return f"{array.dtype} {tuple(array.shape)}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more


def _fix(arrays: Mapping[str, np.ndarray], missing: list[str]) -> str:
    for prefix in ("module.", "model.", "_orig_mod."):
        if missing and all(f"{prefix}{name}" in arrays for name in missing):
            return f"strip the prefix: {{name.removeprefix({prefix!r}): w for name, w in arrays.items()}}"
    return "give the file of this architecture, or build the model with its classes and width"
