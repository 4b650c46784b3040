"""Upsample and ResizeConv: interpolation as a layer, fixed or learned from where interpolation starts."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.nnx.nn import dtypes

from deconvjax import filters
from deconvjax.algebra import LinearMap
from deconvjax.axis import Rate
from deconvjax.errors import complaint
from deconvjax.leaves import Stage
from deconvjax.leaves.extend import Extend
from deconvjax.nn.carafe import scales
from deconvjax.nn.conv import Conv
from deconvjax.nn.machinery import Ints, affine, biased, cast_first, check_floating, linear_part, promoted
from deconvjax.ops.arguments import integer, integers, one_of
from deconvjax.ops.resize import resize
from deconvjax.space import Space

_TAPS = {"nearest": filters.nearest, "bilinear": filters.bilinear, "cubic": filters.cubic}


class Upsample(nnx.Module):
    """y[n] = sum_i h(s - i) x[i],  s = (n + 1/2)/scale - 1/2: interpolation to `scale` times as many samples.

    Fixed, it is `deconvjax.resize`. With `learnable=True` the same taps are the initial kernel of a transposed
    convolution with stride `scale`: depthwise, `(*window, 1, features)`, or with `mixing=True` from every channel to
    every channel, `(*window, features, features)`, starting on the diagonal. Either way the untrained layer is the
    interpolation, to rounding, borders included.

    Args:
        scale: int for the two axes of an image, or one int for each space axis.
        method: "nearest", "bilinear" or "cubic" (Keys, a = -0.5; torch's and OpenCV's is -0.75).
        learnable: make the taps parameters (`kernel`); needs `features`.
        features: channels; only where learnable.
        mixing: let channels mix; only where learnable.
        border: "edge" (the border sample goes on; torch, OpenCV) or "zero" (FCN's and Caffe's bilinear deconvolution).
        use_bias: add a `bias`, initially 0; only where learnable.
        dtype, param_dtype, precision, promote_dtype: as `flax.nnx.Conv`.

    Shapes: `(*batch, *space, channels)` to `(*batch, *space*scale, channels)`.

    Raises:
        TypeError, ValueError, ShapeError: when built, for a scale that is not a positive int, an unknown method or
        border, missing or needless features; when called, for channels that are not `features`.

    Source: Long, Shelhamer and Darrell, Fully Convolutional Networks, 2015; Keys, IEEE TASSP 29(6), 1981.

    >>> import jax.numpy as jnp
    >>> Upsample(2)(jnp.ones((1, 8, 8, 3))).shape
    (1, 16, 16, 3)
    >>> Upsample((4, 4), learnable=True, features=21).kernel.shape
    (8, 8, 1, 21)
    """

    def __init__(
        self,
        scale: Ints,
        method: str = "bilinear",
        *,
        learnable: bool = False,
        features: int | None = None,
        mixing: bool = False,
        border: str = "edge",
        use_bias: bool = False,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        precision: Any = None,
        promote_dtype: Any = dtypes.promote_dtype,
        rngs: nnx.Rngs | None = None,
    ):
        del rngs  # nothing is drawn; accepted because every other layer takes it
        self.scale = scales(scale, "Upsample")
        self.method = one_of(method, tuple(_TAPS), "Upsample", "method")
        self.border = one_of(border, ("edge", "zero"), "Upsample", "border")
        self.learnable, self.mixing, self.features = learnable, mixing, features
        self.dtype, self.param_dtype, self.precision = dtype, param_dtype, precision
        self.promote_dtype = promote_dtype
        self.mask, self.preferred_element_type = None, None
        self.bias: nnx.Param | None = nnx.data(None)
        if not learnable:
            if features is not None or mixing or use_bias:
                raise ValueError(complaint("Upsample", "a fixed interpolation has no parameters",
                                           got=f"features={features}, mixing={mixing}, use_bias={use_bias}",
                                           expected="none of these", fix="learnable=True, or leave them out"))
            self.kernel_shape: tuple[int, ...] = ()
            self.kernel: nnx.Param | None = nnx.data(None)
            return
        if features is None:
            raise ValueError(complaint("Upsample", "a learnable kernel needs its channels", got="features=None",
                                       expected="an int", fix="features=x.shape[-1]"))
        n = integer(features, "Upsample", "features", 1)
        taps = _TAPS[method](self.scale)
        place = np.eye(n) if mixing else np.ones((1, n))
        check_floating(param_dtype, "Upsample")
        self.kernel = nnx.Param(jnp.asarray(taps[..., None, None] * place, param_dtype))
        self.kernel_shape = self.kernel.shape
        if use_bias:
            self.bias = nnx.Param(jnp.zeros((n,), param_dtype))

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """The interpolation, or what has been learned from it."""
        if self.learnable:
            return affine(self, inputs, "Upsample")
        return self._fixed()(jnp.asarray(inputs, self.dtype))

    def operator(self, kernel: Any) -> LinearMap:
        """The unbound map x -> A x for these kernel values."""
        axes, rates, widths = self._axes(), [], []
        for taps, up in zip(kernel.shape, self.scale, strict=False):
            pad = taps - 1 - (taps - up) // 2  # centres the window: n samples become n*up
            outside = pad // up if self.border == "edge" else 0
            widths.append((outside, outside))
            rates.append(Rate(up, lo=pad - outside * up, hi=pad - outside * up))
        groups = 1 if self.mixing else kernel.shape[-1]
        stage = Stage(kernel, tuple(rates), axes, groups, flip=True, weak=False, precision=self.precision)
        return stage @ Extend(tuple(widths), axes, "edge") if any(lo for lo, _ in widths) else stage

    def linear_part(self, space: Space) -> LinearMap:
        """A on `space`, with the layer's present kernel."""
        if self.learnable:
            return linear_part(self, space, "Upsample")
        return cast_first(self._fixed(), Space.array(space.shape, self.dtype or space.dtype), space)

    def _fixed(self) -> LinearMap:
        return resize(self.scale, self.method, border=self.border, axes=self._axes())

    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-len(self.scale) - 1, -1))


class ResizeConv(nnx.Module):
    """y = conv(resize(x)) + b: interpolate, then convolve at stride 1, the upsampling that cannot make a checkerboard.

    Every interpolation here passes constants at every phase, so the composition does. The two are one map: where one
    transposed convolution is cheaper (nearest and a 3x3 window at scale 2 are a 4x4 kernel at stride 2), that runs.

    Args:
        in_features, out_features, kernel_size: those of the convolution; one window axis for each space axis.
        scale: int, or one for each space axis.
        method: "nearest" (the authors' best), "bilinear" or "cubic".
        border: of the interpolation, "edge" or "zero"; that of the convolution is `padding`.
        options: any further argument of `Conv` but `strides` (`padding`, `use_bias`, `kernel_init`, `rngs`, ...). The
            convolution's parameters are `conv.kernel` and `conv.bias`.

    Raises:
        As `Conv` and `Upsample`.

    Source: Odena, Dumoulin and Olah, Deconvolution and checkerboard artifacts, Distill, 2016.

    >>> from flax import nnx
    >>> import jax.numpy as jnp
    >>> ResizeConv(8, 3, (3, 3), 2, rngs=nnx.Rngs(0))(jnp.ones((1, 16, 16, 8))).shape
    (1, 32, 32, 3)
    """

    def __init__(
        self, in_features: int, out_features: int, kernel_size: Ints, scale: Ints, *, method: str = "nearest",
        border: str = "edge", **options: Any,
    ):
        self.method = one_of(method, tuple(_TAPS), "ResizeConv", "method")
        self.border = one_of(border, ("edge", "zero"), "ResizeConv", "border")
        for name in ("strides", "conv_general_dilated"):
            if name in options:
                raise TypeError(complaint("ResizeConv", f"{name} is not one of its arguments", got=options[name],
                                          expected="a convolution at stride 1 on this engine",
                                          fix="compose nn.Upsample and nn.Conv"))
        self.conv = Conv(in_features, out_features, kernel_size, **options)
        self.scale = integers(scale, len(self.conv.kernel_size), "ResizeConv", "scale", 1)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """`(*batch, *space, in_features)` to `(*batch, *space*scale, out_features)` (SAME)."""
        x, kernel, bias = promoted(self.conv, inputs, "ResizeConv")
        return biased(self.operator(kernel)(x), bias)

    def operator(self, kernel: Any) -> LinearMap:
        """The unbound map x -> A x for these kernel values."""
        return self.conv.operator(kernel) @ self._fixed()

    def linear_part(self, space: Space) -> LinearMap:
        """A on `space`, with the layer's present kernel."""
        x, kernel, _ = promoted(self.conv, jnp.zeros((), space.dtype), "ResizeConv")
        return cast_first(self.operator(kernel), Space.array(space.shape, x.dtype), space)

    def _fixed(self) -> LinearMap:
        axes = tuple(range(-len(self.scale) - 1, -1))
        return resize(self.scale, self.method, border=self.border, axes=axes)

