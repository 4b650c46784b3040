"""Layers exported once for any batch size, serialised, read back and run: what they are without that."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import export

from deconvjax import nn
from deconvjax.nn.aligned import Grid
from deconvjax.nn.heads import Feature, UNetDecoder
from tests.tolerance import assert_close

FEATURES = {"c2": Feature(4, Grid(Fraction(2), Fraction(1, 2))), "c3": Feature(4, Grid(Fraction(4), Fraction(3, 2)))}
LAYERS = [
    lambda rngs: nn.Conv(4, 3, (3, 3), 2, rngs=rngs),
    lambda rngs: nn.ConvTranspose(4, 3, (4, 4), 2, rngs=rngs),
    lambda rngs: nn.ConvTranspose(4, 3, (4, 4), 2, padding="CIRCULAR", transpose_kernel=True, rngs=rngs),
    lambda rngs: nn.Upsample(2, learnable=True, features=4, use_bias=True),
    lambda rngs: nn.ResizeConv(4, 3, (3, 3), 2, rngs=rngs),
    lambda rngs: nn.PixelShuffle(4, 2, (3, 3), 2, rngs=rngs),
    lambda rngs: nn.BlurPool(2),
    lambda rngs: nn.Carafe(4, 2, compressed=1, kernel_size=1, encoder_size=1, rngs=rngs),
    lambda rngs: nn.MaxPool(2),
    lambda rngs: UNetDecoder(FEATURES, 2, levels=("c3", "c2"), widths=(4,), rngs=rngs),
]


def drawn(build):
    """The layer with parameters from NumPy: JAX would compile an initialiser for each shape."""
    graph, params, rest = nnx.split(nnx.eval_shape(lambda: build(nnx.Rngs(0))), nnx.Param, ...)
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda p: jnp.asarray(rng.standard_normal(p.shape), p.dtype), params)
    return nnx.merge(graph, params, rest)


def called(layer, x):
    """The layer on x, in the form that it takes."""
    if isinstance(layer, nn.MaxPool):
        return nn.MaxUnpool(2)(*layer(x))
    return layer({"c2": x, "c3": x[..., ::2, ::2, :]}, (8, 8)) if isinstance(layer, UNetDecoder) else layer(x)


def test_layers_are_exported_with_a_symbolic_batch():
    layers = [drawn(build) for build in LAYERS]
    struct = jax.ShapeDtypeStruct((*export.symbolic_shape("b"), 4, 4, 4), jnp.float32)
    exported = export.export(jax.jit(lambda x: [called(layer, x) for layer in layers]))(struct)
    reloaded = export.deserialize(exported.serialize())
    x = jnp.asarray(np.random.default_rng(0).standard_normal((3, 4, 4, 4)), jnp.float32)
    quickly = {"xla_backend_optimization_level": 0}  # compiling is what costs time here
    both = jax.jit(lambda x: (reloaded.call(x), [called(layer, x) for layer in layers]), compiler_options=quickly)
    got, want = both(x)
    for ours, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert_close(ours, theirs, units=64)
