"""ONNX's linear operators on (N, C, *space), called with the node's inputs and attributes, without X."""

from deconvjax.compat.onnx.convolution import conv, conv_transpose
from deconvjax.compat.onnx.resampling import (
    col2im,
    depth_to_space,
    max_unpool,
    resize,
    resize_outside,
    space_to_depth,
    upsample,
)

__all__ = [
    "col2im", "conv", "conv_transpose", "depth_to_space", "max_unpool", "resize", "resize_outside", "space_to_depth",
    "upsample",
]
