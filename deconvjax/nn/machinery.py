"""What the convolution layers share: integers per axis, masks, promotion, and y = A(x) + b."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from deconvjax.algebra import LinearMap
from deconvjax.algebra.combine import Cast
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, length
from deconvjax.space import Space

Ints = int | Sequence[int]
Pairs = Sequence[int | tuple[int, int]]


class Affine(Protocol):
    """A layer y = A x + b: its parameters, how they are promoted, and the map A that a kernel makes."""

    kernel: Any
    bias: Any
    mask: Any
    dtype: Any
    promote_dtype: Any
    preferred_element_type: Any
    kernel_shape: tuple[int, ...]

    def operator(self, kernel: Any) -> LinearMap:
        """A, for these values of the kernel."""
        ...


def window(kernel_size: Ints, operator: str) -> tuple[int, ...]:
    """One positive int for each space axis; a single int means one axis."""
    count = length(kernel_size)
    if count == 0:
        raise ShapeError(complaint(operator, "kernel_size has no axes", got=kernel_size,
                                   expected="one int for each space axis", fix="use nnx.Linear for no space axes"))
    return integers(kernel_size, 1 if count is None else count, operator, "kernel_size", 1)


def per_axis(value: Ints | None, count: int, operator: str, argument: str) -> tuple[int, ...]:
    """One positive int for each axis; None means 1, as in Flax."""
    return integers(1 if value is None else value, count, operator, argument, 1)


def check_features(operator: str, in_features: int, out_features: int, groups: int) -> None:
    """Features and groups are positive and the groups divide both."""
    for name, features in (("in_features", in_features), ("out_features", out_features)):
        integer(features, operator, name, 1)
        if features % integer(groups, operator, "feature_group_count", 1):
            raise ShapeError(complaint(operator, f"feature_group_count must divide {name}",
                                       got=f"feature_group_count={groups}, {name}={features}",
                                       expected=f"a divisor of {features}", fix=f"change {name} or the groups"))


def explicit(inputs: Any) -> bool:
    """True where the type of x says how it is sharded (JAX's explicit mode): the engine leaves sharding to XLA."""
    mesh = getattr(jax.typeof(jnp.asarray(inputs)).sharding, "mesh", None)
    return mesh is not None and jax.sharding.AxisType.Explicit in mesh.axis_types


def masked_kernel(layer: Affine, operator: str) -> Any:
    """The kernel's values, times the mask where there is one."""
    kernel = layer.kernel[...]
    if layer.mask is None:
        return kernel
    if jnp.shape(layer.mask) != layer.kernel_shape:
        raise ShapeError(complaint(operator, "the mask has another shape than the kernel", got=jnp.shape(layer.mask),
                                   expected=layer.kernel_shape, fix="give one mask value for each kernel value"))
    return kernel * layer.mask


def promoted(layer: Affine, inputs: Any, operator: str) -> tuple[Any, Any, Any]:
    """(x, kernel, bias) in the dtype the layer computes in."""
    bias = None if layer.bias is None else layer.bias[...]
    kernel = masked_kernel(layer, operator)
    inputs, kernel, bias = layer.promote_dtype((inputs, kernel, bias), dtype=layer.dtype)
    if layer.preferred_element_type is not None:  # products of widened operands are what XLA would accumulate
        inputs, kernel = (each.astype(layer.preferred_element_type) for each in (inputs, kernel))
    return inputs, kernel, bias


def affine(layer: Affine, inputs: Any, operator: str) -> jax.Array:
    """A x + b on x of shape `(*batch, *space, features)`."""
    x, kernel, bias = promoted(layer, inputs, operator)
    return biased(layer.operator(kernel)(x), bias)


def biased(y: jax.Array, bias: Any) -> jax.Array:
    """y + b over the last axis, b of y's rank first: `jax.numpy_rank_promotion` may forbid what broadcasting does."""
    return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + (-1,))


def linear_part(layer: Affine, space: Space, operator: str) -> LinearMap:
    """A bound to `space`, a Cast in front where the layer computes in another dtype."""
    x, kernel, _ = promoted(layer, jnp.zeros((), space.dtype), operator)
    return cast_first(layer.operator(kernel), Space.array(space.shape, x.dtype), space)


def by_entry(call: Callable[..., jax.Array], ndim: int, *arrays: jax.Array) -> jax.Array:
    """call(*arrays), entry by entry (`vmap`) where batch axes have symbols for sizes (`jax.export`).

    A map whose arrays have batch axes of their own is bound to them, and a binding needs numbers.
    """
    shape = arrays[0].shape
    if not all(isinstance(n, int) for n in shape):
        for _ in shape[: -ndim - 1]:
            call = jax.vmap(call)
    return call(*arrays)


def cast_first(a: LinearMap, inner: Space, space: Space) -> LinearMap:
    """A on `space`, computed on `inner`: the same shapes in the dtypes of the layer."""
    bound = a.on(inner)
    return bound if inner == space else bound @ Cast(inner, space)


def check_floating(param_dtype: Any, operator: str) -> None:
    """`param_dtype` must be able to hold taps that are not whole numbers."""
    if not jnp.issubdtype(param_dtype, jnp.inexact):
        raise TypeError(complaint(operator, "parameters are trained, so they are not integers",
                                  got=f"param_dtype={jnp.dtype(param_dtype)}", expected="a float or complex dtype",
                                  fix="param_dtype=jnp.float32"))
