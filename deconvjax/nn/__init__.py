"""Flax nnx layers on the engine: y = A x + b, where A is a map of this library."""

from deconvjax.nn.conv import Conv
from deconvjax.nn.conv_transpose import ConvTranspose

__all__ = [
    "Conv",
    "ConvTranspose",
]
