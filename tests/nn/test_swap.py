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
    alone = nnx.Conv(2, 3, (3,), mask=np.tril(np.ones((3, 2, 3))), use_bias=False, rngs=rngs)
    x = np.ones((1, 5, 2), np.float32)
    assert type(nn.swap(alone)) is nn.Conv
    assert_close(nn.swap(alone)(x), alone(x), units=32)
