"""Upsample, ResizeConv, PixelShuffle, BlurPool, MaxPool and MaxUnpool from their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import deconvjax as dj
from deconvjax import filters, nn
from deconvjax.errors import ShapeError
from tests.tolerance import assert_close

RNGS = nnx.Rngs(0)


def numbers(key, shape, dtype):
    return jnp.asarray(np.random.default_rng(1).standard_normal(shape), dtype)


def interpolate(x, factor, method, border):
    """y[n] = sum_i h(s - i) x[i] along axis 0, x going on as `border` says."""
    h = {"nearest": lambda t: float(-0.5 <= t < 0.5), "bilinear": lambda t: max(0.0, 1 - abs(t)),
         "cubic": lambda t: (1.5 * abs(t) ** 3 - 2.5 * t * t + 1) if abs(t) <= 1 else
         (-0.5 * abs(t) ** 3 + 2.5 * t * t - 4 * abs(t) + 2) if abs(t) < 2 else 0.0}[method]
    y = np.zeros((len(x) * factor, *x.shape[1:]))
    for n in range(len(y)):
        s = (n + 0.5) / factor - 0.5
        for i in range(-3, len(x) + 3):
            if border == "edge":
                y[n] += h(s - i) * x[min(max(i, 0), len(x) - 1)]
            elif 0 <= i < len(x):
                y[n] += h(s - i) * x[i]
    return y


@pytest.mark.parametrize("border", ["edge", "zero"])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic"])
@pytest.mark.parametrize("factor", [2, 3])
def test_upsample_starts_as_the_interpolation(factor, method, border):
    x = np.random.default_rng(0).standard_normal((4, 3))
    want = interpolate(x, factor, method, border)
    fixed = nn.Upsample((factor,), method, border=border)
    depthwise = nn.Upsample((factor,), method, border=border, learnable=True, features=3, param_dtype=jnp.float64)
    mixing = nn.Upsample((factor,), method, border=border, learnable=True, features=3, mixing=True,
                         param_dtype=jnp.float64, use_bias=True)
    for layer in (fixed, depthwise, mixing):
        assert_close(layer(x), want, units=64)
        assert nn.as_map(layer, x).codomain.shape == want.shape
    assert not jax.tree.leaves(nnx.state(fixed, nnx.Param))
    taps = depthwise.kernel.shape[0]
    assert depthwise.kernel.shape == (taps, 1, 3) and mixing.kernel.shape == (taps, 3, 3)
    assert mixing.bias.shape == (3,)


def test_a_learned_upsample_is_a_transposed_convolution_of_its_kernel():
    layer = nn.Upsample((2, 3), learnable=True, features=2, mixing=True, border="zero", param_dtype=jnp.float64)
    layer.kernel[...] = numbers(None, layer.kernel.shape, jnp.float64)
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 2))
    want = dj.conv_transpose(layer.kernel[...], strides=(2, 3), padding=((1, 1), (1, 1)))(x)
    assert_close(layer(x), want)
    grads = nnx.grad(lambda layer: (layer(x) ** 2).sum())(layer)
    assert float(jnp.abs(grads["kernel"][...]).min()) > 0


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_resize_conv_is_resize_then_conv(method):
    layer = nn.ResizeConv(3, 4, (3,), 2, method=method, kernel_init=numbers, bias_init=numbers, param_dtype=jnp.float64,
                          rngs=RNGS)
    x = np.random.default_rng(0).standard_normal((5, 3))
    z = np.pad(interpolate(x, 2, method, "edge"), ((1, 1), (0, 0)))
    k, b = np.asarray(layer.conv.kernel[...]), np.asarray(layer.conv.bias[...])
    want = np.stack([sum(z[n + j] @ k[j] for j in range(3)) + b for n in range(10)])
    assert_close(layer(x), want, units=64)
    assert_close(nn.as_map(layer, x)(x), want - b, units=64)


@pytest.mark.parametrize("order", ["CRD", "DCR"])
def test_pixel_shuffle_is_conv_then_rearrangement(order):
    layer = nn.PixelShuffle(2, 3, (1, 1), (2, 3), order=order, kernel_init=numbers, rngs=RNGS, param_dtype=jnp.float64)
    x = np.random.default_rng(0).standard_normal((4, 5, 2))
    z = x @ np.asarray(layer.conv.kernel[...])[0, 0]
    want = np.zeros((8, 15, 3))
    for i, j, c, u, v in np.ndindex(4, 5, 3, 2, 3):
        want[2 * i + u, 3 * j + v, c] = z[i, j, (c * 2 + u) * 3 + v if order == "CRD" else (u * 3 + v) * 3 + c]
    assert_close(layer(x), want, units=16)
    assert_close(nn.as_map(layer, x)(x), want, units=16)


@pytest.mark.parametrize("border", ["reflect", "zero", "edge", "symmetric", "wrap"])
@pytest.mark.parametrize(("taps", "stride"), [(1, 2), (2, 2), (3, 2), (4, 2), (5, 3), (7, 2)])
def test_blur_pool_from_the_definition(taps, stride, border):
    x = np.random.default_rng(0).standard_normal((8, 2))
    b = np.ones(1)
    for _ in range(taps - 1):
        b = np.convolve(b, [0.5, 0.5])
    lo, hi = int((taps - 1) / 2), int(np.ceil((taps - 1) / 2))  # the paper's
    z = np.pad(x, ((lo, hi), (0, 0)), {"zero": "constant"}.get(border, border))
    want = np.stack([b @ z[n:n + taps] for n in range(0, len(z) - taps + 1, stride)])
    assert_close(nn.BlurPool((stride,), taps, border=border)(x), want, units=16)


def test_blur_pool_is_a_quarter_of_the_transposed_bilinear_deconvolution():
    """Identity 8: [1, 3, 3, 1] zero-padded at stride 2 is FCN's x2 upsampling, transposed and divided by 4."""
    a = nn.as_map(nn.BlurPool(2, 4, border="zero"), jax.ShapeDtypeStruct((8, 6, 1), jnp.float64))
    up = nn.as_map(nn.Upsample(2, border="zero"), jax.ShapeDtypeStruct((4, 3, 1), jnp.float64))
    assert_close(a.matrix(), np.asarray(up.matrix()).T / 4, units=16)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_max_pool_remembers_and_unpool_puts_back(padding):
    x = np.random.default_rng(0).permutation(7 * 6 * 2).reshape(1, 7, 6, 2).astype(np.float32)
    y, switches = nn.MaxPool((3, 2), 2, padding)(x)
    flat = x.reshape(42, 2)
    assert_close(y[0], np.stack([flat[np.asarray(switches[0, ..., c]), c] for c in range(2)], -1))
    for i, j, c in np.ndindex(*y.shape[1:]):
        top = 2 * i - (1 if padding == "SAME" else 0)
        view = x[0, max(top, 0):top + 3, 2 * j:2 * j + 2, c]
        assert y[0, i, j, c] == view.max()
    back = np.asarray(nn.MaxUnpool((3, 2), 2)(y, switches, output_shape=(7, 6)))
    want = np.zeros_like(x)
    for i, j, c in np.ndindex(*y.shape[1:]):
        want[0].reshape(42, 2)[switches[0, i, j, c], c] += y[0, i, j, c]
    assert (back == want).all()


def test_unpool_sizes_and_gradients():
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32)
    pool, unpool = nn.MaxPool(2), nn.MaxUnpool(2)
    y, switches = pool(x)
    assert unpool(y, switches).shape == x.shape
    positive = y - x.min() + 1  # on which pool o unpool is the identity
    assert (pool(unpool(positive, switches))[0] == positive).all()
    grad = jax.grad(lambda x: (pool(x)[0] * np.arange(48.0).reshape(1, 4, 4, 3)).sum())(x)
    want = unpool(jnp.broadcast_to(jnp.arange(48.0).reshape(1, 4, 4, 3), y.shape), switches)
    assert_close(grad, want)


LAYERS = [
    (lambda: nn.Upsample(0), ValueError, "scale must be positive"),
    (lambda: nn.Upsample(()), ShapeError, "scale is empty"),
    (lambda: nn.Upsample(2, "linear"), ValueError, "unknown method"),
    (lambda: nn.Upsample(2, border="wrap"), ValueError, "unknown border"),
    (lambda: nn.Upsample(2, features=3), ValueError, "fixed interpolation has no parameters"),
    (lambda: nn.Upsample(2, learnable=True), ValueError, "needs its channels"),
    (lambda: nn.Upsample(2, learnable=True, features=3)(jnp.ones((4, 4, 2))), ShapeError, "expected 3 channels"),
    (lambda: nn.ResizeConv(3, 4, (3,), 2, strides=2, rngs=RNGS), TypeError, "strides is not one of"),
    (lambda: nn.PixelShuffle(3, 4, (3, 3), (2,), rngs=RNGS), ShapeError, "scale has the wrong number"),
    (lambda: nn.PixelShuffle(4, 4, (3, 3), 2, order="RGB", rngs=RNGS), ValueError, "unknown order"),
    (lambda: nn.PixelShuffle(4, 4, 3, 2, order="DCR", feature_group_count=2, rngs=RNGS), ValueError, "DCR spreads"),
    (lambda: nn.BlurPool(2, 0), ValueError, "taps must be positive"),
    (lambda: nn.BlurPool(2, border="mirror"), ValueError, "unknown border"),
    (lambda: nn.BlurPool(2)(jnp.ones((4,))), ShapeError, "too few axes"),
    (lambda: nn.MaxPool(()), ShapeError, "no space axes"),
    (lambda: nn.MaxPool(2)(jnp.ones((1, 1, 4, 3))), ShapeError, "nothing would come out"),
    (lambda: nn.MaxUnpool(2)(jnp.ones((2, 2, 3)), jnp.zeros((2, 2, 1), int)), ShapeError, "needs its switch"),
    (lambda: nn.MaxUnpool(2)(jnp.ones((2, 2, 1)), jnp.full((2, 2, 1), 99)), ValueError, "outside output_shape"),
    (lambda: nn.MaxUnpool(2)(jnp.ones((2,)), jnp.zeros((2,), int)), ShapeError, "too few axes"),
    (lambda: nn.MaxPool(2, padding="same"), ValueError, "MaxPool: unknown padding"),
    (lambda: nn.MaxPool(2, padding=1.5), TypeError, "MaxPool: padding must be an integer"),
    (lambda: nn.MaxPool(2, padding=((1, 1),)), ShapeError, "MaxPool: cannot read padding"),
    (lambda: nn.Upsample(2, learnable=True, features=3, param_dtype=int), TypeError, "parameters are trained"),
]


@pytest.mark.parametrize(("build", "error", "words"), LAYERS)
def test_refusals(build, error, words):
    with pytest.raises(error, match=words) as caught:
        build()
    assert "Fix: " in str(caught.value)


@nnx.jit
def run_all(layers, x):
    return [layer(x) for layer in layers]


def test_every_layer_takes_any_batch():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 3, 8, 8, 4)), jnp.float32)
    layers = [nn.Upsample(2, "cubic"), nn.Upsample(2, learnable=True, features=4), nn.BlurPool(2),
              nn.PixelShuffle(4, 2, (3, 3), 2, kernel_init=numbers, rngs=RNGS),
              nn.ResizeConv(4, 2, (3, 3), 2, kernel_init=numbers, rngs=RNGS), nn.MaxPool(2)]
    whole, one = run_all(layers, x), run_all(layers, x[1, 0])
    for all_of_it, entry in zip(jax.tree.leaves(whole), jax.tree.leaves(one), strict=True):
        assert_close(entry, all_of_it[1, 0], units=16)


def test_filters_behind_the_layers():
    assert nn.Upsample(4, learnable=True, features=1).kernel.shape[:2] == filters.bilinear(4, ndim=2).shape


def test_lists_are_arrays_as_in_flax():
    x = [[[[1.0], [3.0]], [[5.0], [7.0]]]]
    assert_close(nn.BlurPool(2, 2, border="zero")(x), np.full((1, 1, 1, 1), 4.0))
    assert_close(nn.MaxUnpool(2)([[[7.0]]], [[[3]]]), np.array([[[0.0], [0.0]], [[0.0], [7.0]]]))


def test_rank_promotion_may_be_forbidden():
    """As Flax's layers do: the bias is given the rank of what it is added to."""
    def run(x):
        rngs = nnx.Rngs(0)
        layers = [nn.Conv(4, 3, (3, 3), rngs=rngs), nn.ConvTranspose(4, 3, (4, 4), 2, rngs=rngs),
                  nn.Upsample(2, learnable=True, features=4, use_bias=True), nn.DySample(4, rngs=rngs),
                  nn.from_map(dj.convolve([[0.5, 0.5]], axes=(-3, -2)), use_bias=True, features=4)]
        return [layer(x) for layer in layers]

    with jax.numpy_rank_promotion("raise"):
        assert len(nnx.eval_shape(run, jnp.ones((2, 4, 4, 4), jnp.float32))) == 5
