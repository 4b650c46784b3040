"""Between layers and maps: the linear part of a trained layer, and a layer made of any map."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.errors import TraceContextError
from flax.nnx.nn import dtypes

from deconvjax.algebra import LinearMap, identity
from deconvjax.errors import NotLinearError, ShapeError, UnboundError, complaint
from deconvjax.leaves.opaque import linear_map
from deconvjax.nn.machinery import biased, cast_first, check_floating
from deconvjax.ops.arguments import integer
from deconvjax.space import Space


def as_map(layer: Any, domain: Any) -> LinearMap:
    """A with layer(x) = A x + layer(0): the linear part of a layer, as a map bound to `domain`.

    So `.T`, `.matrix()`, `.explain()` and `check.checkerboard` work on trained layers. The layers of this
    module give their stages; `nnx.Sequential` gives the chain of its layers; any other layer (Flax's own, a function
    of your making) is traced, `layer(0)` taken off, and refused where what is left is not linear.

    Args:
        layer: an nnx layer, or any callable.
        domain: a shape `(*batch, *space, channels)` (float32), an array or a ShapeDtypeStruct.

    Raises:
        NotLinearError: the layer is not affine (an activation, normalisation by the statistics of x), or a call changes
            it (dropout, batch normalisation, both while training).
        ShapeError: the domain does not fit. TypeError: not a layer.

    The kernel is read now: later updates of the layer do not change the map.

    >>> from flax import nnx
    >>> from deconvjax import nn
    >>> a = as_map(nn.Conv(3, 8, (3, 3), strides=2, rngs=nnx.Rngs(0)), (32, 32, 3))
    >>> a.T.domain.shape, a.T.codomain.shape
    ((16, 16, 8), (32, 32, 3))
    """
    space = Space.of(domain, operator="as_map")
    part = getattr(layer, "linear_part", None)
    if part is not None:
        return part(space)
    if isinstance(layer, nnx.Sequential):
        a = identity.on(space)
        for inner in layer.layers:
            step = as_map(inner, a._codomain())
            a = step if a == identity.on(space) else step @ a
        return a
    if not callable(layer):
        raise TypeError(complaint("as_map", "only layers have a linear part", got=type(layer).__name__,
                                  expected="an nnx layer or a callable", fix="pass the layer itself"))

    def linear(x: Any) -> Any:
        zero = jax.tree_util.tree_map(jnp.zeros_like, x)
        return jax.tree_util.tree_map(jnp.subtract, layer(x), layer(zero))

    linear.__name__ = type(layer).__name__ if isinstance(layer, nnx.Module) else getattr(layer, "__name__", "layer")
    try:
        return linear_map(linear, space.tree)
    except TraceContextError as error:
        raise NotLinearError(complaint("as_map", "a call changes the layer (random numbers, running statistics)",
                                       got=linear.__name__, expected="a layer that only reads its state",
                                       fix="model.eval() first")) from error


class MapLayer(nnx.Module):
    """y = A(x) + b with the arrays of A as parameters: made by `from_map`.

    `arrays` holds them by name (`taps`, `maps_0_taps`, ...): floats are `nnx.Param`, integers (switches) plain
    `nnx.Variable`.
    """

    def __init__(self, a: LinearMap, features: int | None, param_dtype: Any, dtype: Any, promote_dtype: Any):
        paths, self.structure = jax.tree_util.tree_flatten_with_path(a)
        self.dtype, self.promote_dtype = dtype, promote_dtype
        made: dict[str, nnx.Variable] = {}
        seen: dict[int, str] = {}
        names = []
        for path, leaf in paths:
            name = seen.setdefault(id(leaf), _name(path))  # an array used twice stays one parameter
            names.append(name)
            if name not in made:
                array = jnp.asarray(leaf)
                trainable = jnp.issubdtype(array.dtype, jnp.inexact)
                if trainable and param_dtype is not None and not jnp.iscomplexobj(array):
                    array = array.astype(param_dtype)
                made[name] = nnx.Param(array) if trainable else nnx.Variable(array)
        if not any(isinstance(variable, nnx.Param) for variable in made.values()):
            raise TypeError(complaint("from_map", "the map has no array that could be trained", got=a,
                                      expected="float or complex taps or weights", fix="write the taps as floats"))
        self.names = tuple(names)
        self.arrays = nnx.Dict(made)
        self.bias: nnx.Param | None = nnx.data(None)
        if features is not None:
            self.bias = nnx.Param(jnp.zeros((features,), param_dtype or jnp.float32))

    def __call__(self, inputs: Any) -> Any:
        """A(x) + b, leading batch axes allowed."""
        x, a, bias = self._promoted(inputs)
        return biased(a(x), bias)

    def linear_part(self, space: Space) -> LinearMap:
        """A with the present parameters, on `space`."""
        x, a, _ = self._promoted(jax.tree_util.tree_map(lambda leaf: jnp.zeros((), leaf.dtype), space.tree))
        return cast_first(a, space.with_dtypes(Space.of(x)), space)

    def _promoted(self, inputs: Any) -> tuple[Any, LinearMap, Any]:
        leaves, treedef = jax.tree_util.tree_flatten(inputs)
        values = {name: variable[...] for name, variable in self.arrays.items()}
        trained = [name for name, value in values.items() if jnp.issubdtype(value.dtype, jnp.inexact)]
        bias = None if self.bias is None else self.bias[...]
        given = (*leaves, *(values[name] for name in trained), bias)
        promoted = self.promote_dtype(given, dtype=self.dtype)
        values.update(zip(trained, promoted[len(leaves):-1], strict=True))
        a = jax.tree_util.tree_unflatten(self.structure, [values[name] for name in self.names])
        return jax.tree_util.tree_unflatten(treedef, promoted[: len(leaves)]), a, promoted[-1]


def from_map(
    a: LinearMap, *, use_bias: bool = False, features: int | None = None, param_dtype: Any = jnp.float32,
    dtype: Any = None, promote_dtype: Any = dtypes.promote_dtype,
) -> MapLayer:
    """layer(x) = A(x) + b with every float array of A (taps, weights, factors) an `nnx.Param`: a map, trainable.

    What A is made of stays: its sizes, rates and borders are structure, an array that it uses twice is one parameter
    (`a.T @ a` keeps its taps tied), integer arrays (switches, integer taps) are not trained. Before training the
    layer is A.

    Args:
        a: any map, bound or not.
        use_bias: add `bias` over the last axis, initially 0.
        features: length of the bias; known from the codomain where `a` is bound.
        param_dtype: dtype of the real parameters; None keeps each array's. Complex ones are kept.
        dtype, promote_dtype: as `flax.nnx.Conv`: x and parameters are promoted together.

    Raises:
        TypeError: not a map, nothing in it can be trained, an integer `param_dtype`. UnboundError: a bias whose length
        is unknown.

    >>> import deconvjax as dj, jax.numpy as jnp
    >>> layer = from_map(dj.convolve([0.25, 0.5, 0.25]) @ dj.upsample(2))
    >>> layer.arrays["maps_0_taps"].shape, layer(jnp.ones((8,))).shape
    ((3,), (16,))
    """
    if not isinstance(a, LinearMap):
        raise TypeError(complaint("from_map", "it makes layers of maps", got=type(a).__name__, expected="a LinearMap",
                                  fix="wrap functions with linear_map(fn, domain)"))
    if param_dtype is not None:
        check_floating(param_dtype, "from_map")
    if not use_bias:
        features = None
    elif features is None:
        if not a.is_bound:
            raise UnboundError(complaint("from_map", "the length of the bias is unknown", got="an unbound map",
                                         expected="a bound map, or features=",
                                         fix="from_map(a, use_bias=True, features=n)"))
        if not a._codomain().is_array:
            raise ShapeError(complaint("from_map", "a bias is added to one array", got=a, expected="an array codomain",
                                       fix="use_bias=False"))
        features = a._codomain().shape[-1]
    else:
        integer(features, "from_map", "features", 1)
    return MapLayer(a, features, param_dtype, dtype, promote_dtype)


def _name(path: Any) -> str:
    """maps[0].taps -> maps_0_taps."""
    words = (getattr(key, "name", getattr(key, "idx", getattr(key, "key", key))) for key in path)
    return "_".join(map(str, words)) or "array"
