"""ConvTranspose: flax.nnx.ConvTranspose on this library's engine, with what Flax's lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn import dtypes

from deconvjax.algebra import LinearMap
from deconvjax.axis import Axis, Rate
from deconvjax.errors import complaint
from deconvjax.leaves import Stage
from deconvjax.leaves.extend import Extend
from deconvjax.nn import padding as paddings
from deconvjax.nn.machinery import Ints, Pairs, affine, check_features, explicit, linear_part, per_axis, window
from deconvjax.space import Space

_lecun, _zeros = nnx.initializers.lecun_normal(), nnx.initializers.zeros_init()


class ConvTranspose(nnx.ConvTranspose):
    """y[m, o] = b[o] + sum_{j, c} k[j, c, o] z[m + j*dilation - lo, c]: drop-in for `flax.nnx.ConvTranspose`.

    Same arguments, parameters, initial values, metadata and numbers (to rounding) as Flax 0.12, so checkpoints load
    both ways; the products run on `deconvjax.engine`. z is x with `strides - 1` zeros between samples, and
    `(*batch, *space, in_features)` becomes, with K the dilated window,

        SAME, SAME_LOWER, CIRCULAR, CAUSAL  n*stride      VALID           n*stride + max(K - stride, 0)
        padding=(lo, hi)  (n-1)*stride + 2 + lo + hi - K  torch_padding   (n-1)*stride + K - lo - hi

    With `transpose_kernel=True` the kernel is `(*window, out/groups, in)`, that of the convolution `out -> in` whose
    transpose the layer is: "SAME", "SAME_LOWER", "CIRCULAR" and `torch_padding` then give exactly
    `nn.as_map(nn.Conv(same arguments), n*stride).T`. Without it the kernel `(*window, in/groups, out)` slides over z
    as it is.

    More than Flax, and where it differs:
        CIRCULAR with `transpose_kernel=True` is the exact transpose; Flax's is rolled by one sample for some strides
        and windows (s = 1 with even K, s = 3 with odd K, s = 4). Without `transpose_kernel` the numbers are Flax's.
        SAME_LOWER works at every stride (Flax raises above 1): the transpose of SAME_LOWER with `transpose_kernel`;
        without it the odd pad is in front, which is Flax's result at stride 1 and what its "SAME" does already.
        CAUSAL works (Flax raises): output m reads inputs n with n*stride <= m only, whatever `transpose_kernel` says;
        the transpose of a causal Conv looks ahead instead and is `nn.as_map(conv, shape).T`.
        An empty batch is refused, where Flax returns an empty array.
        Inputs of JAX's explicit sharding mode run Flax's own code, where it has these arguments.
        `padding` pairs pad z, as in Flax; `torch_padding` are pads of the forward convolution, as in torch, Keras,
        ONNX and Caffe.

    Args:
        padding: "SAME", "VALID", "SAME_LOWER", "CIRCULAR", "CAUSAL" (one axis), an int, or an int or a pair for each
            axis. Case matters, as in Flax: "same", "same_lower" and "valid" are the pads of an ordinary convolution at
            stride 1, so they differ from "SAME" at even K and from "VALID", and are refused above.
        feature_group_count: groups of channels that do not mix; divides both features.
        output_padding: samples added behind, below max(stride, dilation). Not with CIRCULAR.
        torch_padding: replaces `padding`: an int, or an int or a pair for each axis.

    Raises:
        TypeError, ValueError, ShapeError: when built, for factors that are not positive ints, an unknown padding, two
        paddings, groups that do not divide; when called, for channels or sizes that do not fit (never an empty result).

    Source: flax.nnx.ConvTranspose 0.12; torch.nn.ConvTranspose2d 2.13.

    >>> from flax import nnx
    >>> import jax.numpy as jnp
    >>> layer = ConvTranspose(8, 3, (4, 4), strides=2, torch_padding=1, feature_group_count=1, rngs=nnx.Rngs(0))
    >>> layer(jnp.ones((1, 16, 16, 8))).shape
    (1, 32, 32, 3)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: Ints,
        strides: Ints | None = None,
        *,
        padding: str | int | Pairs = "SAME",
        kernel_dilation: Ints | None = None,
        use_bias: bool = True,
        mask: jax.Array | None = None,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        precision: Any = None,
        kernel_init: Any = _lecun,
        bias_init: Any = _zeros,
        transpose_kernel: bool = False,
        promote_dtype: Any = dtypes.promote_dtype,
        preferred_element_type: Any = None,
        rngs: nnx.Rngs,
        kernel_metadata: Mapping[str, Any] = MappingProxyType({}),
        bias_metadata: Mapping[str, Any] = MappingProxyType({}),
        feature_group_count: int = 1,
        output_padding: Ints = 0,
        torch_padding: int | Pairs | None = None,
    ):
        size = window(kernel_size, "ConvTranspose")
        check_features("ConvTranspose", in_features, out_features, feature_group_count)
        forward = (out_features // feature_group_count, in_features)
        unflipped = (in_features // feature_group_count, out_features)
        shape = (*size, *(forward if transpose_kernel else unflipped))
        super().__init__(
            in_features, out_features, size, strides, padding=padding, kernel_dilation=kernel_dilation,
            use_bias=use_bias, mask=mask, dtype=dtype, param_dtype=param_dtype, precision=precision,
            kernel_init=lambda key, _, dtype: kernel_init(key, shape, dtype), bias_init=bias_init,
            transpose_kernel=transpose_kernel, promote_dtype=promote_dtype,
            preferred_element_type=preferred_element_type, rngs=rngs, kernel_metadata=kernel_metadata,
            bias_metadata=bias_metadata,
        )
        self.kernel_shape = shape  # Flax's own has no groups
        self.feature_group_count = feature_group_count
        self.output_padding = output_padding
        self.torch_padding = torch_padding
        self._geometry()  # refuses bad strides and paddings now, not at the first call

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """A x + b; `(*batch, *space, in_features)` to `(*batch, *space', out_features)`."""
        if explicit(inputs) and self._is_flax:
            return super().__call__(inputs)
        return affine(self, inputs, "ConvTranspose")

    @property
    def _is_flax(self) -> bool:
        """True where Flax's own layer has these arguments and gives these numbers."""
        periodic = self.padding == "CIRCULAR" and self.transpose_kernel
        more = self.feature_group_count > 1 or self.torch_padding is not None or self.output_padding != 0
        return not (more or periodic or self.padding in ("CAUSAL", "SAME_LOWER"))

    def operator(self, kernel: Any) -> LinearMap:
        """The unbound map x -> A x for these kernel values."""
        geometry, axes = self._geometry(), tuple(range(-len(self.kernel_size) - 1, -1))
        stage = Stage(kernel, geometry.rates, axes, self.feature_group_count, flip=self.transpose_kernel, weak=False,
                      precision=self.precision)
        folds = any(lo or hi for lo, hi in geometry.widths)
        return Extend(geometry.widths, axes, geometry.mode, fold=True) @ stage if folds else stage

    def linear_part(self, space: Space) -> LinearMap:
        """A on `space`, with the layer's present kernel and mask."""
        return linear_part(self, space, "ConvTranspose")

    def _geometry(self) -> paddings.Geometry:
        name, n = "ConvTranspose", len(self.kernel_size)
        factors = zip(per_axis(self.strides, n, name, "strides"),
                      per_axis(self.kernel_dilation, n, name, "kernel_dilation"), strict=True)
        rates = tuple(Rate(up, 1, dilation) for up, dilation in factors)
        taps = [Axis(1, k, r.dilation).taps for k, r in zip(self.kernel_size, rates, strict=True)]
        pads: Any = self.padding
        if self.torch_padding is not None:
            if pads != "SAME":
                raise ValueError(complaint(name, "padding and torch_padding both fix the pads",
                                           got=f"padding={pads!r}, torch_padding={self.torch_padding!r}",
                                           expected="one of the two", fix="leave padding out"))
            forward = paddings.pads_of(self.torch_padding, n, name, "torch_padding")
            pads = paddings.transposed_pads(forward, taps)
        geometry = paddings.conv_transpose(pads, taps, rates, bool(self.transpose_kernel), name)
        extra = paddings.output_padding(self.output_padding, rates, name)
        if any(extra) and geometry.mode != "zero":
            raise ValueError(complaint(name, "a periodic output has no room for output_padding",
                                       got=f"output_padding={self.output_padding} with CIRCULAR", expected="0",
                                       fix="leave output_padding out, or use another padding"))
        longer = tuple(replace(r, hi=r.hi + a) for r, a in zip(geometry.rates, extra, strict=True))
        return replace(geometry, rates=longer)
