"""Carafe, DySample and ConvexUpsample against their definitions, written as NumPy loops over outputs and taps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import deconvjax as dj
from deconvjax import nn
from deconvjax.errors import NotLinearError, ShapeError
from tests.tolerance import assert_close

RNGS = nnx.Rngs(0)
F64 = {"param_dtype": jnp.float64, "rngs": RNGS}


def noisy(build, *args, scale_of_noise=0.7, **options):
    """A layer whose every parameter is random, drawn by NumPy: JAX's initialisers would be compiled for each shape."""
    graph, state = nnx.split(nnx.eval_shape(lambda: build(*args, **options, param_dtype=jnp.float64, rngs=nnx.Rngs(0))))
    rng = np.random.default_rng(4)
    return nnx.merge(graph, jax.tree.map(lambda p: jnp.asarray(scale_of_noise * rng.standard_normal(p.shape)), state))


@nnx.jit
def run(layer, *inputs):
    """One program instead of one for each operation."""
    return layer(*inputs)


def conv2d(x, conv):
    """Zero-padded 'same' cross-correlation with odd windows: sum_j k[j] x[n + d*j - lo] + b."""
    k, b, d = np.asarray(conv.kernel[...]), np.asarray(conv.bias[...]), conv.kernel_dilation
    lo = (k.shape[0] - 1) // 2 * d, (k.shape[1] - 1) // 2 * d
    y = np.zeros((*x.shape[:2], k.shape[-1])) + b
    for i, j, u, v in np.ndindex(*x.shape[:2], *k.shape[:2]):
        a, c = i + d * u - lo[0], j + d * v - lo[1]
        if 0 <= a < x.shape[0] and 0 <= c < x.shape[1]:
            y[i, j] += x[a, c] @ k[u, v]
    return y


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


@pytest.mark.parametrize(("scale", "groups", "dilation"), [((2, 2), 1, 1), ((2, 3), 2, 2)])
def test_carafe(scale, groups, dilation):
    layer = noisy(nn.Carafe, 4, scale, kernel_size=(3, 5), encoder_size=3, encoder_dilation=dilation, compressed=3,
                  groups=groups)
    x = np.random.default_rng(0).standard_normal((5, 4, 4))
    logits = conv2d(conv2d(x, layer.compressor), layer.encoder)
    want = np.zeros((5 * scale[0], 4 * scale[1], 4))
    for p, q, c in np.ndindex(*want.shape):
        i, u = divmod(p, scale[0])
        j, v = divmod(q, scale[1])
        taps = np.zeros((3, 5))
        for a, b in np.ndindex(3, 5):  # channels (group, tap, sub-pixel), as the reference reads them
            channel = ((c * groups // 4) * 15 + a * 5 + b) * scale[0] * scale[1] + u * scale[1] + v
            taps[a, b] = logits[i, j, channel]
        weights = softmax(taps)
        for a, b in np.ndindex(3, 5):
            m, n = i + a - 1, j + b - 2
            if 0 <= m < 5 and 0 <= n < 4:
                want[p, q, c] += weights[a, b] * x[m, n, c]
    assert_close(run(layer, x), want, units=256)
    guide = np.random.default_rng(1).standard_normal((5, 4, 4))
    assert_close(run(layer, x, guide), jax.jit(lambda x, guide: layer.reassembly(guide)(x))(x, guide), units=8)


def test_convex_upsample():
    layer = noisy(nn.ConvexUpsample, 3, 4, hidden=5, gain=8.0)
    x, guide = (np.random.default_rng(n).standard_normal((3, 4, c)) for n, c in ((0, 2), (1, 3)))
    logits = 0.25 * conv2d(np.maximum(conv2d(guide, layer.head), 0), layer.mask)
    want = np.zeros((12, 16, 2))
    for p, q in np.ndindex(12, 16):
        (i, u), (j, v) = divmod(p, 4), divmod(q, 4)
        weights = softmax(np.array([logits[i, j, tap * 16 + u * 4 + v] for tap in range(9)]))
        for tap in range(9):
            m, n = i + tap // 3 - 1, j + tap % 3 - 1
            if 0 <= m < 3 and 0 <= n < 4:
                want[p, q] += 8 * weights[tap] * x[m, n]
    assert_close(run(layer, x, guide), want, units=256)


def bilinear_at(x, y, z):
    """x at the real position (y, z), moved to the border where outside."""
    y, z = min(max(y, 0.0), x.shape[0] - 1), min(max(z, 0.0), x.shape[1] - 1)
    i, j = int(np.floor(y)), int(np.floor(z))
    a, b = min(i + 1, x.shape[0] - 1), min(j + 1, x.shape[1] - 1)
    s, t = y - i, z - j
    return (1 - s) * ((1 - t) * x[i, j] + t * x[i, b]) + s * ((1 - t) * x[a, j] + t * x[a, b])


@pytest.mark.parametrize("dynamic_scope", [False, True])
@pytest.mark.parametrize("style", ["lp", "pl"])
def test_dysample(style, dynamic_scope):
    s, groups = 2, 2
    layer = noisy(nn.DySample, 8, s, groups=groups, style=style, dynamic_scope=dynamic_scope, scale_of_noise=1.5)
    x = np.random.default_rng(0).standard_normal((4, 5, 8))
    fine = np.zeros((8, 10, 2))
    for i, j, c, u, v in np.ndindex(4, 5, 2, s, s):
        fine[s * i + u, s * j + v, c] = x[i, j, c * 4 + u * s + v]
    source = x if style == "lp" else fine
    raw = conv2d(source, layer.offset)
    if dynamic_scope:
        scope = source @ np.asarray(layer.scope.kernel[...])[0, 0]
        raw = raw * 0.5 / (1 + np.exp(-scope))
    else:
        raw = raw * 0.25
    want = np.zeros((8, 10, 8))
    for p, q, c in np.ndindex(*want.shape):
        (i, u), (j, v) = divmod(p, s), divmod(q, s)
        g = c // (8 // groups)
        if style == "lp":  # channels (coordinate, group, sub-pixel), x before y
            dx, dy = (raw[i, j, ((k * groups + g) * s + u) * s + v] for k in (0, 1))
        else:
            dx, dy = (raw[p, q, k * groups + g] for k in (0, 1))
        want[p, q, c] = bilinear_at(x[..., c], i + (2 * u + 1 - s) / (2 * s) + dy, j + (2 * v + 1 - s) / (2 * s) + dx)
    assert_close(run(layer, x), want, units=1024)


def test_dysample_without_offsets_is_bilinear_interpolation():
    """Identity 13, borders included; in one and three dimensions too."""
    for space, scale in [((5,), (3,)), ((4, 5), (2, 3)), ((3, 2, 3), (2, 2, 2))]:
        layer = noisy(nn.DySample, 4, scale, scale_of_noise=0.0)
        x = np.random.default_rng(0).standard_normal((2, *space, 4))
        axes = tuple(range(-len(scale) - 1, -1))
        assert_close(run(layer, x), jax.jit(dj.resize(scale, border="edge", axes=axes))(x), units=64)


def test_what_is_linear_given_the_rest():
    x, y = (np.random.default_rng(n).standard_normal(shape) for n, shape in ((0, (4, 4, 4)), (1, (8, 8, 4))))
    carafe, dysample = noisy(nn.Carafe, 4, 2, compressed=2), noisy(nn.DySample, 4, 2, groups=2)

    @nnx.jit
    def both_ways(layer, x, y):
        if isinstance(layer, nn.Carafe):
            a = layer.reassembly(x).on(x)
        else:
            offsets = layer.offsets(x)
            a = dj.linear_map(lambda v: layer.sample(v, offsets), x)
        return layer(x), a(x), a.T(y)

    for layer in (carafe, dysample):
        want, forward, backward = map(np.asarray, both_ways(layer, jnp.asarray(x), jnp.asarray(y)))
        assert_close(forward, want, units=8)
        assert abs((forward * y).sum() - (x * backward).sum()) < 1e-12
        with pytest.raises(NotLinearError):
            nn.as_map(layer, jax.ShapeDtypeStruct(x.shape, jnp.float64))


@pytest.mark.parametrize(("kind", "options"), [(nn.Carafe, {"compressed": 3}), (nn.DySample, {"groups": 2})])
def test_gradients_are_the_differences(kind, options):
    """Parameters and input, against central differences along a random direction."""
    layer = noisy(kind, 4, 2, **options, scale_of_noise=0.5)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 4, 3, 4)))
    graph, params = nnx.split(layer)
    target = np.random.default_rng(1).standard_normal((1, 8, 6, 4))

    @jax.jit
    def loss(params, x):
        return (nnx.merge(graph, params)(x) * target).sum()

    point = (params, x)
    rng = np.random.default_rng(2)
    direction = jax.tree.map(lambda a: jnp.asarray(rng.standard_normal(a.shape)), point)
    pairs = zip(jax.tree.leaves(jax.jit(jax.grad(loss, (0, 1)))(*point)), jax.tree.leaves(direction), strict=True)
    slope = sum(float((np.asarray(g) * np.asarray(d)).sum()) for g, d in pairs)
    step = 1e-6
    there, back = (loss(*jax.tree.map(lambda a, d, h=h: a + h * d, point, direction)) for h in (step, -step))
    assert abs((there - back) / (2 * step) - slope) < 1e-6 * max(1, abs(slope))


BAD = [
    (lambda: nn.Carafe(4, 2, kernel_size=4, **F64), ValueError, "kernel_size must be odd"),
    (lambda: nn.Carafe(4, 2, groups=3, **F64), ShapeError, "groups must divide"),
    (lambda: nn.Carafe(4, 0, **F64), ValueError, "scale must be positive"),
    (lambda: noisy(nn.Carafe, 4, 2)(jnp.ones((4, 4, 3))), ShapeError, "expected 4 channels"),
    (lambda: noisy(nn.Carafe, 4, 2)(jnp.ones((2, 4, 4, 4)), jnp.ones((1, 4, 4, 4))), ShapeError, "different grids"),
    (lambda: nn.ConvexUpsample(4, ()), ShapeError, "scale is empty"),
    (lambda: noisy(nn.ConvexUpsample, 4, hidden=2)(jnp.ones((4, 4, 2)), jnp.ones((4, 5, 4))), ShapeError,
     "different grids"),
    (lambda: nn.DySample(6, 2, **F64), ShapeError, "groups must divide the features"),
    (lambda: nn.DySample(6, 2, groups=2, style="pl", **F64), ShapeError, "prod"),
    (lambda: nn.DySample(4, 2, style="ll", **F64), ValueError, "unknown style"),
    (lambda: noisy(nn.DySample, 4, 2)(jnp.ones((4, 4, 8))), ShapeError, "does not fit"),
]


@pytest.mark.parametrize(("build", "error", "words"), BAD)
def test_refusals(build, error, words):
    with pytest.raises(error, match=words) as caught:
        build()
    assert "Fix: " in str(caught.value)
