"""A Flax model with its layers swapped is the same model: same parameters, same training."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from deconvjax import nn
from tests.tolerance import assert_close


class UNet(nnx.Module):
    """Down, down, up, up, with a skip, a norm, and layers in lists and Sequentials."""

    def __init__(self, rngs):
        self.down = nnx.List([nnx.Conv(2, 8, (3, 3), 2, rngs=rngs),
                              nnx.Conv(8, 8, (3, 3), 2, padding="CIRCULAR", rngs=rngs)])
        self.norm = nnx.LayerNorm(8, rngs=rngs)
        self.up = nnx.Sequential(nnx.ConvTranspose(8, 8, (4, 4), (2, 2), rngs=rngs), nnx.relu)
        self.head = nnx.ConvTranspose(8, 1, (3, 3), (2, 2), transpose_kernel=True, rngs=rngs)
        self.again = self.head

    def __call__(self, x):
        first = nnx.relu(self.down[0](x))
        y = self.norm(nnx.relu(self.down[1](first)))
        return self.again(self.up(y) + first)


def losses(model, x, y, steps):
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    optimizer = optax.adam(1e-2)

    @jax.jit
    def train(params):
        def step(carry, _):
            params, state = carry
            value, grads = jax.value_and_grad(lambda p: ((nnx.merge(graph, p, rest)(x) - y) ** 2).mean())(params)
            updates, state = optimizer.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), value

        return jax.lax.scan(step, (params, optimizer.init(params)), None, length=steps)[1]

    return np.asarray(train(params))


@pytest.mark.parametrize(("dtype", "tolerance"), [
    pytest.param(jnp.float64, 1e-12, marks=pytest.mark.slow), (jnp.float32, 1e-4)])
def test_the_same_loss_curve_for_a_hundred_steps(dtype, tolerance):
    """Rounding differs, training amplifies it: found 1e-15 and 5e-7. A wrong gradient would show at once."""
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.standard_normal((2, 8, 8, c)), dtype) for c in (2, 1))
    model = UNet(nnx.Rngs(0))
    graph, state = nnx.split(model)
    model = nnx.merge(graph, jax.tree.map(lambda p: p.astype(dtype), state))
    want = losses(model, x, y, 100)
    got = losses(nn.swap(model), x, y, 100)
    assert want[-1] < want[0] / 2, "the model learns"
    assert np.abs(got / want - 1).max() < tolerance


def test_swap_replaces_flax_layers_and_nothing_else():
    model = UNet(nnx.Rngs(0))
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 8, 8, 2)), jnp.float32)
    want = nnx.jit(lambda m, x: m(x))(model, x)
    kernel, norm = model.down[0].kernel, model.norm
    assert nn.swap(model) is model
    assert [type(layer) for layer in model.down] == [nn.Conv, nn.Conv]
    assert type(model.up.layers[0]) is nn.ConvTranspose and type(model.head) is nn.ConvTranspose
    assert model.head is model.again  # one layer in two places stays one
    assert model.down[0].kernel is kernel and model.norm is norm  # the very parameters, for optimizers that know them
    assert model.head.transpose_kernel and model.down[1].padding == "CIRCULAR"
    assert_close(nnx.jit(lambda m, x: m(x))(model, x), want, units=64)


def test_swap_leaves_alone_what_would_change():
    class Mine(nnx.Conv):
        pass

    rngs = nnx.Rngs(0)
    shifted = nnx.ConvTranspose(2, 2, (3,), 3, padding="CIRCULAR", transpose_kernel=True, rngs=rngs)
    model = nn.swap(nnx.Sequential(shifted, Mine(2, 2, (3,), rngs=rngs), nnx.Linear(2, 2, rngs=rngs)))
    assert [type(layer) for layer in model.layers] == [nnx.ConvTranspose, Mine, nnx.Linear]
    lower = nnx.ConvTranspose(2, 2, (4,), padding="SAME_LOWER", transpose_kernel=True, rngs=rngs)
    assert nn.swap(lower) is lower  # ours is the exact transpose, Flax's is moved by one sample
    alone = nnx.Conv(2, 3, (3,), mask=np.tril(np.ones((3, 2, 3))), use_bias=False, rngs=rngs)
    x = np.ones((1, 5, 2), np.float32)
    assert type(nn.swap(alone)) is nn.Conv
    assert_close(nn.swap(alone)(x), alone(x), units=32)


def test_swap_finds_layers_in_containers():
    rngs = nnx.Rngs(0)

    def layer():
        return nnx.Conv(2, 2, (1,), rngs=rngs)

    class Part(nnx.Pytree):
        def __init__(self):
            self.inner = layer()

    class Model(nnx.Module):
        def __init__(self):
            self.listed = nnx.data([layer(), "words", None])
            self.tupled = nnx.data((layer(), [Part()]))
            self.named = nnx.data({"a": {"b": (layer(),)}})
            self.modules = nnx.Dict(a=nnx.List([layer()]))
            self.again = self.listed[0]
            self.sizes = (1, 2)

    model = Model()
    before = nnx.state(model)
    nn.swap(model)
    kinds = [type(node) for _, node in nnx.iter_graph(model)]
    assert nnx.Conv not in kinds and kinds.count(nn.Conv) == 5
    assert model.again is model.listed[0] and model.listed[1:] == ["words", None] and model.sizes == (1, 2)
    assert all(a is b for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(nnx.state(model)), strict=True))


def test_swap_takes_a_model_of_shapes():
    def build():
        options = {"kernel_init": lambda _, shape, dtype: jnp.asarray(np.arange(np.prod(shape)).reshape(shape), dtype),
                   "rngs": nnx.Rngs(0)}
        return nnx.Sequential(nnx.Conv(2, 3, (3,), **options), nnx.ConvTranspose(3, 2, (4,), 2, **options))

    model = nn.swap(nnx.eval_shape(build))
    assert [type(layer) for layer in model.layers] == [nn.Conv, nn.ConvTranspose]
    nnx.update(model, nnx.state(build()))
    x = np.random.default_rng(0).standard_normal((1, 6, 2))
    got, want = nnx.jit(lambda models, x: [m(x) for m in models])((model, build()), x)
    assert_close(got, want, units=32)


def test_swap_refuses_before_it_changes():
    rngs = nnx.Rngs(0)
    model = nnx.List([nnx.Conv(2, 2, (3,), rngs=rngs), nnx.Conv(2, 2, (3,), padding="MIRROR", rngs=rngs)])
    with pytest.raises(ValueError, match="unknown padding"):
        nn.swap(model)
    assert [type(layer) for layer in model] == [nnx.Conv, nnx.Conv]
    for wrong in ([model[0]], "hello", nnx.Conv):
        with pytest.raises(TypeError, match="swap: it replaces the layers of a module"):
            nn.swap(wrong)
