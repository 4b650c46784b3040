"""Multirate linear operators for JAX: write ↑, ↓ and * as signal processing does, get the exact transpose.

The vocabulary, in groups, and the version; nothing else lives here.
"""

import importlib
import importlib.metadata
from types import ModuleType

# Laws, plans and readings: they fill in the methods of every map.
from deconvjax import read as read
from deconvjax import rewrite as rewrite

# The algebra: what maps are made of.
from deconvjax.algebra import LinearMap, atomic, block_diagonal, identity, row, stack, zero

# Refusals.
from deconvjax.errors import NotLinearError, ShapeError, UnboundError

# Maps from functions.
from deconvjax.leaves.opaque import jacobian, linear_map

# Convolution of channels-last signals, and the deconvolution layer.
from deconvjax.ops.channel import conv, conv_transpose

# Pointwise.
from deconvjax.ops.diagonal import diagonal

# Filters.
from deconvjax.ops.filter import convolve, correlate, upfirdn

# Pooling.
from deconvjax.ops.pool import average_pool, max_pool_switches, unpool

# Rates.
from deconvjax.ops.rate import downsample, shift, upsample

# Interpolation, and upsampling whose taps vary with the position.
from deconvjax.ops.reassemble import reassemble
from deconvjax.ops.resize import resize

# Channels to space and back.
from deconvjax.ops.shuffle import pixel_shuffle, pixel_unshuffle

# Windows.
from deconvjax.ops.window import crop, pad

__all__ = [
    "LinearMap",
    "NotLinearError",
    "ShapeError",
    "UnboundError",
    "atomic",
    "average_pool",
    "block_diagonal",
    "conv",
    "conv_transpose",
    "convolve",
    "correlate",
    "crop",
    "diagonal",
    "downsample",
    "identity",
    "jacobian",
    "linear_map",
    "max_pool_switches",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "reassemble",
    "resize",
    "row",
    "shift",
    "stack",
    "unpool",
    "upfirdn",
    "upsample",
    "zero",
]

try:
    __version__ = importlib.metadata.version(__name__)
except importlib.metadata.PackageNotFoundError:  # a source tree that was never installed
    __version__ = "(not installed)"

# Opened when first named: some need Flax or matplotlib, which composing operators does not. With the extra each needs.
_LATER = {"check": "", "compat": "", "draw": "draw", "filters": "", "nn": "", "segmentation": "train"}


def __getattr__(name: str) -> ModuleType:
    """`dj.nn`, `dj.draw` and their like, imported on first use."""
    if name in _LATER:
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as missing:
            if _LATER[name]:
                missing.add_note(f"dj.{name} needs it: pip install 'deconvjax[{_LATER[name]}]'")
            raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_LATER, "engine", "__version__"]
