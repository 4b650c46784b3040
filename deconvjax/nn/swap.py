"""Swap Flax's convolution layers for these, in a model that exists."""

from __future__ import annotations

from typing import Any, TypeVar

import jax
import numpy as np
from flax import nnx

from deconvjax.errors import complaint
from deconvjax.nn.conv import Conv
from deconvjax.nn.conv_transpose import ConvTranspose

Model = TypeVar("Model", bound=nnx.Module)

_CONV = ("strides", "padding", "input_dilation", "kernel_dilation", "feature_group_count", "use_bias", "mask", "dtype",
         "param_dtype", "precision", "conv_general_dilated", "promote_dtype", "preferred_element_type")
_TRANSPOSE = ("strides", "padding", "kernel_dilation", "use_bias", "mask", "dtype", "param_dtype", "precision",
              "transpose_kernel", "promote_dtype", "preferred_element_type")


def swap(model: Model) -> Model:
    """y = m(x) as before: every `nnx.Conv` and `nnx.ConvTranspose` in it replaced by this module's, in place.

    The new layers hold the very same parameters (`nnx.Param` objects, so an optimizer or a checkpoint that knows them
    still does), of a model made by `nnx.eval_shape` too. Lists, tuples and dicts of layers are made anew. Subclasses of
    Flax's layers are left alone, and so are transposed convolutions with `transpose_kernel=True` and CIRCULAR or
    SAME_LOWER padding, whose numbers would change (see `ConvTranspose`).

    Returns:
        The model, for chaining; a layer given by itself comes back as a new layer.

    Raises:
        TypeError: not a module. What `Conv` and `ConvTranspose` raise for a layer that they refuse; the model is then
        as it was.

    >>> from flax import nnx
    >>> model = swap(nnx.Sequential(nnx.Conv(3, 8, (3, 3), rngs=nnx.Rngs(0)), nnx.relu))
    >>> type(model.layers[0]).__module__
    'deconvjax.nn.conv'
    """
    if not isinstance(model, nnx.Pytree):  # nnx.Module is one
        raise TypeError(complaint("swap", "it replaces the layers of a module", got=type(model).__name__,
                                  expected="an nnx.Module", fix="give each model by itself, or hold them in nnx.List"))
    made: dict[int, nnx.Module] = {}  # a layer used in two places stays one layer

    def ours(layer: Any) -> Any:
        if not _replaceable(layer):
            return layer
        if id(layer) not in made:
            made[id(layer)] = _swapped(layer)
        return made[id(layer)]

    if _replaceable(model):
        return ours(model)
    nodes = [node for _, node in nnx.iter_graph(model) if isinstance(node, nnx.Pytree)]
    changes = [(node, name, jax.tree_util.tree_map(ours, value, is_leaf=_is_item))
               for node in nodes for name, value in vars(node).items()
               if any(map(_replaceable, jax.tree_util.tree_leaves(value, is_leaf=_is_item)))]
    for change in changes:  # all layers are made by now
        setattr(*change)
    return model


def _is_item(value: Any) -> bool:
    return not isinstance(value, (tuple, list, dict))


def _replaceable(layer: Any) -> bool:
    if type(layer) is nnx.Conv:
        return True
    changed = ("CIRCULAR", "SAME_LOWER")
    return type(layer) is nnx.ConvTranspose and not (layer.transpose_kernel and layer.padding in changed)


def _swapped(layer: Any) -> nnx.Module:
    kind, names = (Conv, _CONV) if type(layer) is nnx.Conv else (ConvTranspose, _TRANSPOSE)
    options = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    new = kind(layer.in_features, layer.out_features, layer.kernel_size, rngs=nnx.Rngs(0), kernel_init=_nothing,
               bias_init=_nothing, **options)
    new.kernel, new.bias = layer.kernel, layer.bias if layer.bias is not None else nnx.data(None)
    return new


def _nothing(*_: Any) -> np.ndarray:
    """In the place of parameters that come from the old layer."""
    return np.zeros(())
