"""`torch.nn.functional` on PyTorch's own layout (N, C, *space): what is linear there, as maps.

Functions have the name and the arguments of PyTorch's, without the input: `conv_transpose2d(weight, stride=2)(x)`.
"""

from deconvjax.compat.torch.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from deconvjax.compat.torch.resampling import fold, interpolate, max_unpool2d, pixel_shuffle, pixel_unshuffle, unfold

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "fold", "interpolate",
    "max_unpool2d", "pixel_shuffle", "pixel_unshuffle", "unfold",
]
