"""The projection that removes checkerboards: every phase of the kernel made to pass constants equally."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import Factor, integers


def dc_constraint(kernel: Any, strides: Factor, *, kernel_dilation: Factor = 1) -> jax.Array:
    """argmin ||k' - k||  over kernels with  sum_j k'[j] = g for the taps j of every phase, g free.

    A transposed convolution with such a kernel turns a constant into a constant: no checkerboard, whatever was learned.
    It is an orthogonal projection (linear, idempotent), so it serves after each optimiser step,
    `layer.kernel[...] = dc_constraint(layer.kernel[...], strides=2)`, or inside a loss on k - dc_constraint(k).

    Args:
        kernel: `(*window, in, out)`, of either orientation; float or complex. Each channel pair is projected by itself.
        strides, kernel_dilation: those of the layer; int >= 1, or one for each space axis.

    Raises:
        ShapeError: a phase has no taps (the window is shorter than the stride, or the dilation shares a factor with
        it), so only zeros could be equal. TypeError: a kernel that is not float or complex.

    Source: Odena, Dumoulin and Olah, Deconvolution and checkerboard artifacts, 2016; the condition is H(2 pi m/s) = 0.

    >>> print(dc_constraint(jnp.ones((3, 1, 1)), strides=2)[:, 0, 0].round(3))
    [0.667 1.333 0.667]
    """
    kernel = jnp.asarray(kernel)
    if not jnp.issubdtype(kernel.dtype, jnp.inexact):
        raise TypeError(complaint("dc_constraint", "projected integers are not integers", got=kernel.dtype,
                                  expected="a float or complex kernel", fix="kernel.astype(jnp.float32)"))
    ndim = kernel.ndim - 2
    if ndim < 1:
        raise ShapeError(complaint("dc_constraint", "the kernel has too few axes", got=kernel.shape,
                                   expected="(*window, in, out)", fix="kernel[:, None, None] for scalar taps"))
    stride = integers(strides, ndim, "dc_constraint", "strides", 1)
    spread = integers(kernel_dilation, ndim, "dc_constraint", "kernel_dilation", 1)
    window = kernel.shape[:ndim]
    members = np.ones((1, 1))  # (phases, taps): 1 where the tap belongs to the phase
    for n, s, d in zip(window, stride, spread, strict=True):
        members = np.kron(members, np.arange(s)[:, None] == np.arange(n) * d % s)
    counts = members.sum(1)
    if (counts == 0).any():
        raise ShapeError(complaint("dc_constraint", "some phases of the stride have no taps",
                                   got=f"window {window}, strides {stride}, kernel_dilation {spread}",
                                   expected="a dilated window that reaches every phase",
                                   fix=f"use a window of at least {stride} and no dilation"))
    wide = jnp.promote_types(kernel.dtype, jnp.float32)
    real = jnp.finfo(wide).dtype
    taps = kernel.astype(wide).reshape(members.shape[1], -1)
    gains = jnp.matmul(members.astype(real), taps, precision="highest")
    share = (1 / counts) / (1 / counts).sum()
    target = jnp.matmul(share.astype(real), gains, precision="highest")
    moved = taps + jnp.matmul((members.T / counts).astype(real), target[None] - gains, precision="highest")
    return moved.reshape(kernel.shape).astype(kernel.dtype)
