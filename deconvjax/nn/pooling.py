"""Pooling layers: maxima that remember where they were, their unpooling, and blurred subsampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from deconvjax import filters
from deconvjax.algebra import LinearMap
from deconvjax.axis import Rate
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves import Stage
from deconvjax.leaves.extend import MODES, Extend
from deconvjax.nn.machinery import Ints, by_entry
from deconvjax.ops.arguments import integer, integers, length, one_of, pairs
from deconvjax.ops.pool import max_pool_switches, unpool
from deconvjax.space import Space


class MaxPool(nnx.Module):
    """y[n, c] = max_j x[n*stride + j - lo, c],  switches[n, c] = where: max-pooling that remembers.

    Args:
        window: int for the two axes of an image, or one int for each space axis.
        strides: likewise; None means the window, as in torch.
        padding: "VALID", "SAME" (length ceil(n/stride): Caffe's ceil rounding for window = stride), an int or pairs.
        dilation: distance of the samples in a window.

    Returns:
        A call gives `(y, switches)`: the maxima, differentiable, and int32 positions for `MaxUnpool` or
        `deconvjax.unpool`, flat row-major within each channel (torch's convention).

    Raises:
        TypeError, ValueError, ShapeError: as `deconvjax.max_pool_switches`.

    Source: torch.nn.MaxPool2d(return_indices=True) 2.13; Zeiler and Fergus, ECCV 2014.

    >>> import jax.numpy as jnp
    >>> y, switches = MaxPool(2)(jnp.arange(16.0).reshape(1, 4, 4, 1))
    >>> print(switches[0, ..., 0])
    [[ 5  7]
     [13 15]]
    """

    def __init__(
        self, window: Ints, strides: Ints | None = None, padding: Any = "VALID", *, dilation: Ints = 1,
        rngs: nnx.Rngs | None = None,
    ):
        del rngs
        self.window = _sizes(window, "MaxPool")
        self.strides = integers(self.window if strides is None else strides, len(self.window), "MaxPool", "strides", 1)
        self.dilation = integers(dilation, len(self.window), "MaxPool", "dilation", 1)
        if isinstance(padding, str):
            one_of(padding, ("VALID", "SAME", "SAME_LOWER"), "MaxPool", "padding", ", an int, or (lo, hi) pairs")
        elif length(padding) is None:
            integer(padding, "MaxPool", "padding", 0)
        else:
            pairs(padding, len(self.window), "MaxPool", "padding")
        self.padding = padding

    def __call__(self, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(maxima, switches)."""
        return max_pool_switches(inputs, self.window, self.strides, self.padding, dilation=self.dilation)


class MaxUnpool(nnx.Module):
    """y[m, c] = sum of x[n, c] over n with switches[n, c] = m: each value back where its maximum was.

    Args:
        window, strides: those of the `MaxPool` it undoes; they give the size `(n-1)*stride + window` of the output.
        padding: int for both sides, or one for each axis, taken off that size (torch's rule).

    A call takes `output_shape=` (the space that was pooled) where the size cannot be guessed: after "SAME" pooling or
    a window that left samples over.

    Raises:
        TypeError, ValueError, ShapeError: as `deconvjax.unpool`, for switches outside the output or of another shape.

    Source: torch.nn.MaxUnpool2d 2.13; Zeiler, Taylor and Fergus, ICCV 2011.

    >>> import jax.numpy as jnp
    >>> y, switches = MaxPool(2)(jnp.arange(16.0).reshape(1, 4, 4, 1))
    >>> print(MaxUnpool(2)(y, switches)[0, ..., 0])
    [[ 0.  0.  0.  0.]
     [ 0.  5.  0.  7.]
     [ 0.  0.  0.  0.]
     [ 0. 13.  0. 15.]]
    """

    def __init__(
        self, window: Ints, strides: Ints | None = None, padding: Ints = 0, *, rngs: nnx.Rngs | None = None
    ):
        del rngs
        self.window = _sizes(window, "MaxUnpool")
        count = len(self.window)
        self.strides = integers(self.window if strides is None else strides, count, "MaxUnpool", "strides", 1)
        self.padding = integers(padding, count, "MaxUnpool", "padding", 0)

    def __call__(
        self, inputs: jax.Array, switches: jax.Array, output_shape: Sequence[int] | None = None
    ) -> jax.Array:
        """`(*batch, *space, channels)` and its switches to `(*batch, *output_shape, channels)`."""
        inputs, switches = jnp.asarray(inputs), jnp.asarray(switches)
        if inputs.ndim <= len(self.window):
            raise ShapeError(complaint("MaxUnpool", "the input has too few axes", got=f"shape {inputs.shape}",
                                       expected=f"(*batch, {len(self.window)} space axes, channels)",
                                       fix="add the channel axis with x[..., None]"))
        if inputs.shape != switches.shape:
            raise ShapeError(complaint("MaxUnpool", "each value needs its switch",
                                       got=f"inputs {inputs.shape}, switches {switches.shape}",
                                       expected="equal shapes", fix="use the switches of the pooling of this input"))
        if output_shape is None:
            space = inputs.shape[-1 - len(self.window): -1]
            output_shape = tuple((n - 1) * s + k - 2 * p for n, s, k, p in
                                 zip(space, self.strides, self.window, self.padding, strict=True))
        return by_entry(lambda x, switches: unpool(switches, output_shape)(x), len(self.window), inputs, switches)


class BlurPool(nnx.Module):
    """y[n] = sum_j b[j] x[n*stride + j - lo],  b = binomial(K): low-pass, then keep every stride-th sample.

    Subsampling that does not alias: use a convolution or a maximum at stride 1, then this, instead of striding them.
    It has no parameters. With K = 4, stride 2 and border "zero" it is 1/4 of the transpose of FCN's bilinear x2
    deconvolution on images.

    Args:
        strides: int for the two axes of an image, or one int for each space axis.
        taps: K >= 1, or one for each axis; 1, 2, 3, 4, 5 are the paper's Delta, Rect, Tri, Bin-4, Bin-5.
        border: "reflect" (the paper's), "zero", "edge", "symmetric" or "wrap"; (K-1)//2 samples in front, K//2 behind.

    Shapes: `(*batch, *space, channels)` to `(*batch, *ceil(space/strides), channels)`.

    Raises:
        TypeError, ValueError, ShapeError: sizes that are not positive ints, an unknown border, too few axes.

    Source: Zhang, Making convolutional networks shift-invariant again, ICML 2019 (written from the paper).

    >>> import jax.numpy as jnp
    >>> BlurPool(2)(jnp.ones((1, 8, 8, 3))).shape
    (1, 4, 4, 3)
    """

    def __init__(
        self, strides: Ints = 2, taps: Ints = 4, *, border: str = "reflect", rngs: nnx.Rngs | None = None
    ):
        del rngs
        self.strides = _sizes(strides, "BlurPool")
        self.taps = integers(taps, len(self.strides), "BlurPool", "taps", 1)
        self.border = one_of(border, ("zero", *MODES), "BlurPool", "border")

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Blur and subsample each channel."""
        return self.operator()(jnp.asarray(inputs))

    def operator(self) -> LinearMap:
        """The unbound map."""
        axes = tuple(range(-len(self.strides) - 1, -1))
        widths = tuple(((k - 1) // 2, k // 2) for k in self.taps)
        zero = self.border == "zero"
        rates = tuple(Rate(down=s, lo=lo if zero else 0, hi=hi if zero else 0)
                      for s, (lo, hi) in zip(self.strides, widths, strict=True))
        stage = Stage(filters.binomial(self.taps), rates, axes)
        return stage if zero else stage @ Extend(widths, axes, self.border)

    def linear_part(self, space: Space) -> LinearMap:
        """The map on `space`."""
        return self.operator().on(space)


def _sizes(value: Any, operator: str) -> tuple[int, ...]:
    count = length(value)
    if count == 0:
        raise ShapeError(complaint(operator, "no space axes are named", got="()",
                                   expected="one int for each space axis", fix="use 2 for images"))
    name = "strides" if operator == "BlurPool" else "window"
    return integers(value, 2 if count is None else count, operator, name, 1)
