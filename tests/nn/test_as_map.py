"""Layers as maps and maps as layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import deconvjax as dj
from deconvjax import nn
from deconvjax.errors import NotLinearError, ShapeError, UnboundError
from tests.tolerance import assert_close

RNGS = nnx.Rngs(0)


def numbers(key, shape, dtype):
    return jnp.asarray(np.random.default_rng(1).standard_normal(shape), dtype)


OPTIONS = {"kernel_init": numbers, "bias_init": numbers, "rngs": RNGS, "param_dtype": jnp.float64}
LAYERS = [
    (lambda: nn.Conv(2, 3, 3, 2, padding="REFLECT", **OPTIONS), (7, 2)),
    (lambda: nn.Conv(2, 4, (3, 2), feature_group_count=2, mask=np.tril(np.ones((3, 2, 1, 4))), **OPTIONS), (4, 5, 2)),
    (lambda: nn.ConvTranspose(2, 3, 4, 3, padding="CIRCULAR", **OPTIONS), (4, 2)),
    (lambda: nn.ConvTranspose(2, 3, 4, 3, padding="CIRCULAR", transpose_kernel=True, **OPTIONS), (4, 2)),
    (lambda: nn.PixelShuffle(2, 3, 3, 2, **OPTIONS), (5, 2)),
    (lambda: nn.ResizeConv(2, 3, 3, 2, method="cubic", **OPTIONS), (4, 2)),
    (lambda: nnx.Conv(2, 3, (3,), 2, **OPTIONS), (5, 2)),  # Flax's own, traced
    (lambda: nnx.ConvTranspose(2, 3, (4,), 2, padding="CIRCULAR", transpose_kernel=True, **OPTIONS), (3, 2)),
    (lambda: nnx.Linear(2, 3, **OPTIONS), (4, 2)),
    (lambda: nnx.Sequential(nn.Conv(2, 3, 3, **OPTIONS), nn.ConvTranspose(3, 2, 4, 2, **OPTIONS)), (4, 2)),
    (lambda: nnx.Sequential(nn.BlurPool((2,)), nnx.Conv(2, 3, (3,), **OPTIONS)), (6, 2)),
]


@pytest.mark.parametrize(("build", "domain"), LAYERS)
def test_the_linear_part_and_its_transpose(build, domain):
    """Column by column from the layer itself: A e_i = layer(e_i) - layer(0)."""
    layer = build()
    struct = jax.ShapeDtypeStruct(domain, jnp.float64)
    a = nn.as_map(layer, struct)
    size = int(np.prod(domain))
    basis = jnp.asarray(np.concatenate([np.eye(size), np.zeros((1, size))]).reshape(size + 1, *domain))
    images = np.asarray(nnx.jit(lambda layer, x: layer(x))(layer, basis)).reshape(size + 1, -1)
    want = (images[:-1] - images[-1]).T
    assert_close(a.matrix(), want, units=64)
    assert_close(a.T.matrix(), want.T, units=64)
    assert a.domain == struct


def test_a_sequential_is_the_chain_of_its_layers():
    model = nnx.Sequential(nn.Conv(2, 3, 3, **OPTIONS), nn.ConvTranspose(3, 2, 4, 2, **OPTIONS))
    a = nn.as_map(model, jax.ShapeDtypeStruct((4, 2), jnp.float64))
    # stages, not a traced function, although biases lie between: they only move the origin
    assert [type(part).__name__ for part in a.parts] == ["Stage", "Stage"]
    assert "conv" in str(a.explain())


def test_the_map_computes_where_the_layer_does():
    layer = nn.Conv(2, 3, 3, dtype=jnp.bfloat16, rngs=RNGS, kernel_init=numbers)
    a = nn.as_map(layer, (5, 2))
    assert a.codomain.dtype == jnp.bfloat16 and a.T.codomain.dtype == jnp.float32
    x = jnp.asarray(np.random.default_rng(0).standard_normal((5, 2)), jnp.float32)
    assert_close(a(x), layer(x))
    kernel = layer.kernel[...]
    layer.kernel[...] = 2 * kernel
    assert_close(a(x) * 2, layer(x))  # read when it was made


def test_as_map_refuses_what_is_not_linear():
    with pytest.raises(NotLinearError):
        nn.as_map(nnx.Sequential(nn.Conv(2, 2, 3, **OPTIONS), nnx.relu), (5, 2))
    with pytest.raises(TypeError, match="only layers"):
        nn.as_map(3, (5, 2))
    with pytest.raises(ShapeError, match="expected 2 channels"):
        nn.as_map(nn.Conv(2, 2, 3, **OPTIONS), (5, 3))


@pytest.mark.parametrize("layer", [
    nn.from_map(dj.convolve([0.3, 0.5, 0.2]), dtype=jnp.bfloat16),
    nn.from_map(dj.convolve([0.3, 0.5, 0.2]).on((8,)), dtype=jnp.bfloat16),
    nn.Upsample((2,), dtype=jnp.bfloat16),
    nn.ResizeConv(1, 2, 3, 2, dtype=jnp.bfloat16, kernel_init=numbers, rngs=RNGS),
])
def test_maps_and_fixed_layers_have_a_dtype_too(layer):
    x = jnp.asarray(np.random.default_rng(0).standard_normal((8, 1)), jnp.float32)
    x = x if hasattr(layer, "scale") else x[:, 0]
    a = nn.as_map(layer, x)
    assert a.codomain.dtype == layer(x).dtype == jnp.bfloat16 and a.T.codomain.dtype == jnp.float32
    assert (a(x) == layer(x)).all()


@pytest.mark.parametrize("build", [lambda: nnx.BatchNorm(2, rngs=RNGS), lambda: nnx.Dropout(0.5, rngs=nnx.Rngs(0))])
def test_as_map_says_to_stop_training(build):
    model = nnx.Sequential(nn.Conv(2, 2, 1, kernel_init=numbers, rngs=RNGS), build())
    with pytest.raises(NotLinearError, match=r"a call changes the layer.*Fix: model.eval\(\) first"):
        nn.as_map(model, (5, 2))
    model.eval()
    assert nn.as_map(model, (5, 2)).codomain.shape == (5, 2)


def test_from_map_is_the_map_until_trained():
    taps = np.array([0.25, 0.5, 0.25])
    a = dj.convolve(taps) @ dj.upsample(2)
    layer = nn.from_map(a, param_dtype=jnp.float64)
    x = np.random.default_rng(0).standard_normal((3, 8))
    assert_close(layer(x), a(x))
    assert dict(nnx.to_flat_state(nnx.state(layer, nnx.Param))).keys() == {("arrays", "maps_0_taps")}
    assert nn.as_map(layer, jax.ShapeDtypeStruct((8,), jnp.float64))(x[0]).shape == (16,)


def test_from_map_learns_its_taps():
    """Least squares by gradient descent finds the filter that made the data, through the upsampling."""
    x = np.random.default_rng(0).standard_normal((4, 16))
    truth = dj.convolve(np.array([0.5, 1.0, -0.25])) @ dj.upsample(2)
    y = np.asarray(truth(x))
    layer = nn.from_map(dj.convolve(np.zeros(3)) @ dj.upsample(2), param_dtype=jnp.float64)
    graph, params = nnx.split(layer)

    @jax.jit
    def train(params):
        def step(params, _):
            grads = jax.grad(lambda p: ((nnx.merge(graph, p)(x) - y) ** 2).sum() / 128)(params)
            return jax.tree.map(lambda p, g: p - 0.5 * g, params, grads), None

        return jax.lax.scan(step, params, None, length=200)[0]

    learned = nnx.merge(graph, train(params)).arrays["maps_0_taps"][...]
    assert np.allclose(learned, [0.5, 1.0, -0.25], atol=1e-6)


def test_from_map_ties_what_is_one_array():
    b = dj.convolve(np.array([0.25, 0.5, 0.25])).on(jax.ShapeDtypeStruct((6,), jnp.float64))
    layer = nn.from_map(b.T @ b, use_bias=True, param_dtype=jnp.float64)
    assert len(layer.arrays) == 1 and layer.bias.shape == (6,)
    x = np.random.default_rng(0).standard_normal((2, 6))
    assert_close(layer(x), (b.T @ b)(x), units=16)
    assert_close(nn.as_map(layer, jax.ShapeDtypeStruct((6,), jnp.float64)).matrix(), (b.T @ b).matrix(), units=16)


def test_from_map_keeps_integers_and_scalars():
    switches = np.array([[1], [2]])
    layer = nn.from_map(2.0 * dj.unpool(switches, (4,)))
    kinds = {name: type(variable) for name, variable in layer.arrays.items()}
    assert sorted(map(lambda k: k.__name__, kinds.values())) == ["Param", "Variable"]
    assert_close(layer(np.ones((2, 1), np.float32)), np.float32([[0], [2], [2], [0]]))


def test_from_map_refusals():
    with pytest.raises(TypeError, match="no array that could be trained"):
        nn.from_map(dj.upsample(2))
    with pytest.raises(TypeError, match="it makes layers of maps"):
        nn.from_map(lambda x: x)
    with pytest.raises(UnboundError, match="length of the bias"):
        nn.from_map(dj.convolve([0.5, 0.5]), use_bias=True)
    with pytest.raises(TypeError, match="from_map: parameters are trained, so they are not integers"):
        nn.from_map(dj.convolve([0.5, 0.5]), param_dtype=int)
    assert nn.from_map(dj.convolve([0.5, 0.5]), use_bias=True, features=3).bias.shape == (3,)
