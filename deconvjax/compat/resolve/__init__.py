"""Where each framework puts its pads: one axis of a foreign call as an `Axis`, in integers.

Every function takes the input size `size` and the number of taps `window`, then the framework's own arguments for one
axis, and returns the `Axis` of the stage that computes the same numbers (`Periodic` where the borders wrap around).
Whether the weight is read as stored or reversed does not depend on sizes: see `deconvjax.compat.convert`.

Sources: PyTorch 2.13, JAX 0.10, Flax 0.12, Keras 3.15, Equinox 0.13, Haiku 0.0.17, TensorFlow `conv_grad_shape_utils`,
Caffe, Theano 1.0, ONNX operator set 22 with ONNX Runtime's reading where its text is silent, oneDNN 3.
"""

from deconvjax.compat.resolve.common import Pads, Periodic, adjoint, dilated, scattered, stuffed
from deconvjax.compat.resolve.forward import flax_conv, keras_conv, lax_conv, onnx_conv, torch_conv
from deconvjax.compat.resolve.transposed import (
    caffe_deconvolution,
    cudnn_backward_data,
    equinox_transpose,
    flax_transpose,
    haiku_transpose,
    keras_transpose,
    lax_adjoint,
    lax_transpose,
    onednn_deconvolution,
    onnx_transpose,
    tensorflow_transpose,
    theano_transpose,
    torch_transpose,
)

__all__ = [
    "Pads", "Periodic", "adjoint", "caffe_deconvolution", "cudnn_backward_data", "dilated", "equinox_transpose",
    "flax_conv", "flax_transpose", "haiku_transpose", "keras_conv", "keras_transpose", "lax_adjoint", "lax_conv",
    "lax_transpose", "onednn_deconvolution", "onnx_conv", "onnx_transpose", "scattered", "stuffed",
    "tensorflow_transpose", "theano_transpose", "torch_conv", "torch_transpose",
]
