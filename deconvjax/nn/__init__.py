"""Flax nnx layers on the engine: y = A x + b, where A is a map of this library.

    from deconvjax import nn
    layer = nn.ConvTranspose(64, 32, (4, 4), strides=2, rngs=nnx.Rngs(0))       # as flax.nnx.ConvTranspose
    nn.as_map(layer, (16, 16, 64)).T                                             # its exact transpose

Linen users wrap any of them in one line of Flax's own bridge:

    layer = nnx.bridge.to_linen(nn.ConvTranspose, 64, 32, (4, 4), strides=2)     # a flax.linen module
"""

from deconvjax.nn import init
from deconvjax.nn.as_map import as_map, from_map
from deconvjax.nn.carafe import Carafe
from deconvjax.nn.constraint import dc_constraint
from deconvjax.nn.conv import Conv
from deconvjax.nn.conv_transpose import ConvTranspose
from deconvjax.nn.convex import ConvexUpsample
from deconvjax.nn.dysample import DySample
from deconvjax.nn.pixel_shuffle import PixelShuffle
from deconvjax.nn.pooling import BlurPool, MaxPool, MaxUnpool
from deconvjax.nn.swap import swap
from deconvjax.nn.upsample import ResizeConv, Upsample

__all__ = [
    "BlurPool",
    "Carafe",
    "Conv",
    "ConvTranspose",
    "ConvexUpsample",
    "DySample",
    "MaxPool",
    "MaxUnpool",
    "PixelShuffle",
    "ResizeConv",
    "Upsample",
    "as_map",
    "dc_constraint",
    "from_map",
    "init",
    "swap",
]
