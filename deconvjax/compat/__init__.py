"""Every framework's convolution and "deconvolution" layers, called as its users call them, as linear maps.

    compat.torch.conv_transpose2d(weight, stride=2, padding=1)(x)

One module for each framework: the function has the framework's name and arguments (without the input), acts on the
framework's own array layout, takes its own weight layout, and returns a `LinearMap`: its transpose, matrix and
explanation come with it. No framework is imported.

    torch  tensorflow  keras  caffe  onnx  theano  lax  flax  equinox  haiku  onednn  cudnn  stylegan

`convert` moves kernels between any two of them, `table` prints what a call becomes in all the others. `resolve` holds
the integers of each padding dialect, `coordinates` the algebra that aligns Caffe's crops, `arithmetic` the relations of
convolution arithmetic.
"""

from deconvjax.compat import (
    arithmetic,
    caffe,
    coordinates,
    cudnn,
    equinox,
    flax,
    haiku,
    keras,
    lax,
    onednn,
    onnx,
    resolve,
    stylegan,
    tensorflow,
    theano,
    torch,
)
from deconvjax.compat.core.table import Table, table
from deconvjax.compat.core.weights import convert

__all__ = [
    "Table", "arithmetic", "caffe", "convert", "coordinates", "cudnn", "equinox", "flax", "haiku", "keras", "lax",
    "onednn", "onnx", "resolve", "stylegan", "table", "tensorflow", "theano", "torch",
]
