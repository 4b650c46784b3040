"""Conv: flax.nnx.Conv on this library's engine."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn import dtypes
from jax import lax

from deconvjax.algebra import LinearMap
from deconvjax.axis import Axis, Rate
from deconvjax.leaves import Stage
from deconvjax.leaves.extend import Extend
from deconvjax.nn import padding as paddings
from deconvjax.nn.machinery import Ints, Pairs, affine, check_features, explicit, linear_part, per_axis, window
from deconvjax.space import Space

_lecun, _zeros = nnx.initializers.lecun_normal(), nnx.initializers.zeros_init()


class Conv(nnx.Conv):
    """y[n, o] = b[o] + sum_{j, c} k[j, c, o] z[n*stride + j*dilation - lo, c]: drop-in for `flax.nnx.Conv`.

    Same arguments, parameters, initial values, metadata and numbers (to rounding) as Flax 0.12, so checkpoints load
    both ways; the products run on `deconvjax.engine`. x is `(*batch, *space, in_features)` with any number of batch
    axes, none included; z is x with `input_dilation - 1` zeros between samples.

    More than Flax: `input_dilation` goes with the named paddings too (Flax raises): the stuffed signal is padded. Less:
    an empty batch is refused, where Flax returns an empty array.
    `nn.as_map` gives the linear part. A custom `conv_general_dilated`, a call with `out_sharding` and inputs of JAX's
    explicit sharding mode run Flax's own code.

    Args:
        padding: "SAME", "SAME_LOWER", "VALID", "CIRCULAR", "REFLECT", "CAUSAL" (one axis), an int, or an int or a
            `(lo, hi)` pair for each axis. "SAME", "SAME_LOWER" and "VALID" in any case, as in Flax.

    Raises:
        TypeError, ValueError, ShapeError: when built, for factors that are not positive ints, an unknown padding,
        groups that do not divide; when called, for channels or sizes that do not fit (never an empty result).

    Source: flax.nnx.Conv 0.12.

    >>> from flax import nnx
    >>> import jax.numpy as jnp
    >>> layer = Conv(3, 8, (3, 3), strides=2, rngs=nnx.Rngs(0))
    >>> layer(jnp.ones((1, 32, 32, 3))).shape
    (1, 16, 16, 8)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: Ints,
        strides: Ints | None = 1,
        *,
        padding: str | int | Pairs = "SAME",
        input_dilation: Ints | None = 1,
        kernel_dilation: Ints | None = 1,
        feature_group_count: int = 1,
        use_bias: bool = True,
        mask: jax.Array | None = None,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        precision: Any = None,
        kernel_init: Any = _lecun,
        bias_init: Any = _zeros,
        conv_general_dilated: Any = lax.conv_general_dilated,
        promote_dtype: Any = dtypes.promote_dtype,
        preferred_element_type: Any = None,
        rngs: nnx.Rngs,
        kernel_metadata: Mapping[str, Any] = MappingProxyType({}),
        bias_metadata: Mapping[str, Any] = MappingProxyType({}),
    ):
        size = window(kernel_size, "Conv")
        check_features("Conv", in_features, out_features, feature_group_count)
        super().__init__(
            in_features, out_features, size, strides, padding=padding, input_dilation=input_dilation,
            kernel_dilation=kernel_dilation, feature_group_count=feature_group_count, use_bias=use_bias, mask=mask,
            dtype=dtype, param_dtype=param_dtype, precision=precision, kernel_init=kernel_init, bias_init=bias_init,
            conv_general_dilated=conv_general_dilated, promote_dtype=promote_dtype,
            preferred_element_type=preferred_element_type, rngs=rngs, kernel_metadata=kernel_metadata,
            bias_metadata=bias_metadata,
        )
        self._geometry()  # refuses bad strides and paddings now, not at the first call

    def __call__(self, inputs: jax.Array, out_sharding: Any = None) -> jax.Array:
        """A x + b; `(*batch, *space, in_features)` to `(*batch, *space', out_features)`."""
        custom = self.conv_general_dilated is not lax.conv_general_dilated
        if custom or out_sharding is not None or explicit(inputs):
            return super().__call__(inputs, out_sharding)
        return affine(self, inputs, "Conv")

    def operator(self, kernel: Any) -> LinearMap:
        """The unbound map x -> A x for these kernel values."""
        geometry, axes = self._geometry(), tuple(range(-len(self.kernel_size) - 1, -1))
        stage = Stage(kernel, geometry.rates, axes, self.feature_group_count, weak=False, precision=self.precision)
        if geometry.mode == "zero":
            return stage
        extended = stage @ Extend(geometry.widths, axes, geometry.mode)
        return extended @ Stage(None, geometry.stuffing, axes) if geometry.stuffing else extended

    def linear_part(self, space: Space) -> LinearMap:
        """A on `space`, with the layer's present kernel and mask."""
        return linear_part(self, space, "Conv")

    def _geometry(self) -> paddings.Geometry:
        n = len(self.kernel_size)
        factors = zip(per_axis(self.input_dilation, n, "Conv", "input_dilation"),
                      per_axis(self.strides, n, "Conv", "strides"),
                      per_axis(self.kernel_dilation, n, "Conv", "kernel_dilation"), strict=True)
        rates = tuple(Rate(up, down, dilation) for up, down, dilation in factors)
        taps = [Axis(1, k, r.dilation).taps for k, r in zip(self.kernel_size, rates, strict=True)]
        return paddings.conv(self.padding, taps, rates, "Conv")
