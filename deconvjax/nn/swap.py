"""Swap Flax's convolution layers for these, in a model that exists."""

from __future__ import annotations

from typing import Any, TypeVar

from flax import nnx

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
    still does). Subclasses of Flax's layers are left alone, and so are circular transposed convolutions with
    `transpose_kernel=True`, whose numbers would change (see `ConvTranspose`).

    Returns:
        The model, for chaining; a layer given by itself comes back as a new layer.

    >>> from flax import nnx
    >>> model = swap(nnx.Sequential(nnx.Conv(3, 8, (3, 3), rngs=nnx.Rngs(0)), nnx.relu))
    >>> type(model.layers[0]).__module__
    'deconvjax.nn.conv'
    """
    made: dict[int, nnx.Module] = {}  # a layer used in two places stays one layer

    def ours(layer: Any) -> Any:
        if id(layer) not in made:
            made[id(layer)] = _swapped(layer)
        return made[id(layer)]

    if _replaceable(model):
        return ours(model)
    for _, module in list(nnx.iter_modules(model)):
        for name, value in list(vars(module).items()):
            if _replaceable(value):
                setattr(module, name, ours(value))
        if isinstance(module, nnx.List):
            for index, value in enumerate(module):
                if _replaceable(value):
                    module[index] = ours(value)
    return model


def _replaceable(layer: Any) -> bool:
    if type(layer) is nnx.Conv:
        return True
    return type(layer) is nnx.ConvTranspose and not (layer.padding == "CIRCULAR" and layer.transpose_kernel)


def _swapped(layer: Any) -> nnx.Module:
    kind, names = (Conv, _CONV) if type(layer) is nnx.Conv else (ConvTranspose, _TRANSPOSE)
    options = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    kernel = layer.kernel
    new = kind(layer.in_features, layer.out_features, layer.kernel_size, rngs=nnx.Rngs(0),
               kernel_init=lambda *_: kernel[...], **options)
    new.kernel, new.bias = kernel, layer.bias if layer.bias is not None else nnx.data(None)
    return new
