"""Multirate linear operators for JAX: write ↑, ↓ and * as signal processing does, get the exact transpose.

The vocabulary, in groups; nothing else lives here.
"""

# The algebra: what maps are made of.
from deconvjax.algebra import LinearMap, atomic, block_diagonal, identity, row, stack, zero

# Refusals.
from deconvjax.errors import NotLinearError, ShapeError, UnboundError

# Convolution of channels-last signals, and the deconvolution layer.
from deconvjax.ops.channel import conv, conv_transpose

# Pointwise.
from deconvjax.ops.diagonal import diagonal

# Filters.
from deconvjax.ops.filter import convolve, correlate, upfirdn

# Rates and windows.
from deconvjax.ops.rate import downsample, shift, upsample
from deconvjax.ops.window import crop, pad

__all__ = [
    "LinearMap",
    "NotLinearError",
    "ShapeError",
    "UnboundError",
    "atomic",
    "block_diagonal",
    "conv",
    "conv_transpose",
    "convolve",
    "correlate",
    "crop",
    "diagonal",
    "downsample",
    "identity",
    "pad",
    "row",
    "shift",
    "stack",
    "upfirdn",
    "upsample",
    "zero",
]
