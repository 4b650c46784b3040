"""Initial kernels: the variance they promise, the upsampling they start as; the projection that keeps phases equal."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import deconvjax as dj
from deconvjax import check, filters, nn
from deconvjax.errors import ShapeError, UnboundError
from deconvjax.nn import init
from tests.tolerance import assert_close

RNGS = nnx.Rngs(0)


def phase_variances(kernel, strides, dilation, relu=False, flip=False, groups=1):
    """Mean square of y at each phase for independent unit inputs: the sum of k^2 over that phase's taps and inputs."""
    square = np.asarray(kernel, np.float64) ** 2 * (0.5 if relu else 1.0)
    if flip:  # (*window, out/groups, in): the inputs of one group feed each output
        *window, outer, inner = square.shape
        square = square.reshape(*window, outer, groups, inner // groups).sum(-1).reshape(*window, -1)
    else:
        square = square.sum(-2)
    found = {}
    for where in np.ndindex(*square.shape[:-1]):
        phase = tuple(j * d % s for j, d, s in zip(where, dilation, strides, strict=True))
        found[phase] = found.get(phase, 0) + square[where]
    assert len(found) == math.prod(strides)
    return np.stack([found[phase].mean() for phase in sorted(found)])


CASES = [((4, 4), (2, 2), (1, 1)), ((3, 3), (2, 2), (1, 1)), ((5,), (3,), (2,)), ((7,), (1,), (1,)),
         ((3, 2, 4), (1, 2, 3), (1, 1, 1))]


@pytest.mark.parametrize(("window", "strides", "dilation"), CASES)
def test_unit_variance_at_every_phase(window, strides, dilation, key):
    size = 48
    for build, relu, flip, groups, distribution in (
        (init.polyphase_lecun, False, False, 1, "truncated_normal"), (init.polyphase_he, True, True, 3, "uniform"),
    ):
        shape = (*window, size // groups, size) if flip else (*window, size, size)
        draw = build(strides, kernel_dilation=dilation, transpose_kernel=flip, feature_group_count=groups,
                     distribution=distribution)
        got = phase_variances(draw(key, shape), strides, dilation, relu, flip, groups)
        # the mean of N squares has a relative deviation of at most sqrt(2/N): five of those
        assert np.abs(got - 1).max() < 5 * math.sqrt(2 / (size * size / groups)), (flip, got)


@pytest.mark.parametrize(("window", "strides", "dilation"), CASES[1:3])
def test_glorot_is_equal_at_every_phase(window, strides, dilation, key):
    inner, outer = 24 * math.prod(strides), 24
    got = phase_variances(init.polyphase_glorot(strides, kernel_dilation=dilation)(key, (*window, inner, outer)),
                          strides, dilation)
    assert np.abs(got - 1).max() < 5 * math.sqrt(2 / (inner * outer))  # in = out*prod(strides): one
    fan_in, fan_out = 24 * math.prod(window) / math.prod(strides), 24 * math.prod(window)
    kernel = init.polyphase_glorot(strides, kernel_dilation=dilation)(key, (*window, 24, 24))
    got = phase_variances(kernel, strides, dilation)
    assert np.abs(got / (2 * fan_in / (fan_in + fan_out)) - 1).max() < 5 * math.sqrt(2 / (24 * 24))


def test_variance_measured_on_a_layer(key):
    """The layer itself, on noise: flax's default falls short by prod(strides), the polyphase one does not."""
    x = jax.random.normal(key, (4, 24, 24, 64), jnp.float32)
    found = {}
    for name, draw in {"flax": nnx.initializers.lecun_normal(), "ours": init.polyphase_lecun(2)}.items():
        y = nn.ConvTranspose(64, 32, (4, 4), 2, kernel_init=draw, use_bias=False, rngs=nnx.Rngs(1))(x)[:, 4:-4, 4:-4]
        found[name] = [float(y[:, i::2, j::2].var()) for i in (0, 1) for j in (0, 1)]
    assert np.allclose(found["ours"], 1, atol=0.15)
    assert np.allclose(found["flax"], 0.25, atol=0.05)


def test_stride_one_is_flax(key):
    for ours, theirs in ((init.polyphase_lecun, nnx.initializers.lecun_normal()),
                         (init.polyphase_he, nnx.initializers.he_normal()),
                         (init.polyphase_glorot, nnx.initializers.glorot_normal())):
        shape = (3, 3, 8, 16)
        assert_close(ours()(key, shape), theirs(key, shape), units=2)
    assert (init.polyphase_lecun()(key, shape) == nnx.initializers.lecun_normal()(key, shape)).all()


def test_bilinear_is_fcn(key):
    """Caffe's formula, and the interpolation it makes of a layer: FCN's upscore2 on constants and ramps."""
    assert_close(init.bilinear()(key, (4, 1, 1))[:, 0, 0], np.float32([0.25, 0.75, 0.75, 0.25]))
    assert_close(init.bilinear()(key, (3, 1, 1))[:, 0, 0], np.float32([0.5, 1, 0.5]))
    kernel = np.asarray(init.bilinear()(key, (4, 4, 3, 3), jnp.float64))
    assert_close(kernel[..., 1, 1], filters.bilinear(2, ndim=2))
    assert not kernel[..., 0, 1].any()
    layer = nn.ConvTranspose(5, 5, (8, 8), 4, torch_padding=2, feature_group_count=5, kernel_init=init.bilinear(),
                             use_bias=False, param_dtype=jnp.float64, rngs=RNGS)
    want = dj.resize(4, border="zero", axes=(-3, -2))
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    assert_close(layer(x), want(x), units=32)
    with pytest.raises(ShapeError, match="into each other"):
        init.bilinear()(key, (4, 4, 3, 5))


@pytest.mark.parametrize("order", ["CRD", "DCR"])
@pytest.mark.parametrize(("scale", "size"), [((2, 2), (3, 3)), ((3,), (2,)), ((1, 2), (1, 3))])
def test_icnr_starts_as_nearest_upsampling(order, scale, size):
    layer = nn.PixelShuffle(2, 3, size, scale, order=order, rngs=RNGS, param_dtype=jnp.float64)
    x = np.random.default_rng(0).standard_normal((1, 4, 5, 2)[-len(scale) - 1:])
    y = np.asarray(layer(x))
    coarse = y[tuple(slice(None, None, s) for s in scale)]
    for axis, s in enumerate(scale):
        coarse = np.repeat(coarse, s, axis)
    assert_close(y, coarse)
    assert len(np.unique(y.round(9))) > 10


@pytest.mark.parametrize("transpose_kernel", [False, True])
def test_icnr_of_a_transposed_convolution(transpose_kernel):
    draw = init.icnr(nnx.initializers.normal(), 3, transposed=True, transpose_kernel=transpose_kernel)
    layer = nn.ConvTranspose(2, 4, 6, 3, padding="VALID", kernel_init=draw, transpose_kernel=transpose_kernel,
                             use_bias=False, rngs=RNGS, param_dtype=jnp.float64)
    y = np.asarray(layer(np.random.default_rng(0).standard_normal((5, 2))))
    assert_close(y, np.repeat(y[::3], 3, 0))
    with pytest.raises(ShapeError, match="factor must divide the window"):
        draw(jax.random.key(0), (4, 2, 4))
    with pytest.raises(ShapeError, match="not a multiple"):
        init.icnr(factor=2)(jax.random.key(0), (3, 3, 2, 6))


@pytest.mark.parametrize(("window", "strides", "dilation"), [c for c in CASES if c[1] != (1,)])
def test_dc_constraint_is_the_nearest_kernel_with_equal_gains(window, strides, dilation):
    kernel = np.random.default_rng(0).standard_normal((*window, 2, 3))
    got = np.asarray(nn.dc_constraint(kernel, strides, kernel_dilation=dilation))
    taps = math.prod(window)
    phase = np.zeros(taps, int)
    for number, where in enumerate(np.ndindex(*window)):
        parts = [j * d % s for j, d, s in zip(where, dilation, strides, strict=True)]
        phase[number] = np.ravel_multi_index(parts, strides)
    gains = np.stack([phase == r for r in range(math.prod(strides))]).astype(float)
    null = gains[1:] - gains[:1]  # equal gains: null @ taps == 0; project by the pseudo-inverse
    flat = kernel.reshape(taps, -1)
    want = flat - np.linalg.pinv(null) @ (null @ flat)
    assert_close(got.reshape(taps, -1), want, units=64)
    assert_close(nn.dc_constraint(got, strides, kernel_dilation=dilation), got, units=64)


def test_dc_constraint_removes_the_checkerboard_of_a_layer():
    layer = nn.ConvTranspose(3, 2, (5, 4), (3, 2), rngs=nnx.Rngs(0))
    before = check.checkerboard(nn.as_map(layer, (24, 24, 3)))
    assert not before and before.spread > 0.1 and before.period == (3, 2)
    layer.kernel[...] = nn.dc_constraint(layer.kernel[...], (3, 2))
    after = check.checkerboard(nn.as_map(layer, (24, 24, 3)))
    assert after and after.spread < 1e-5
    with pytest.raises(ShapeError, match="some phases"):
        nn.dc_constraint(jnp.ones((2, 1, 1)), 3)
    with pytest.raises(TypeError, match="integers"):
        nn.dc_constraint(jnp.ones((3, 1, 1), int), 3)


def test_checkerboard_gains_are_the_known_ones():
    """Identities 9 and 10: divisibility of the window by the stride is neither necessary nor sufficient."""
    def of(taps, up):
        return check.checkerboard((dj.convolve(np.asarray(taps), "full") @ dj.upsample(up)).on((24,)))

    assert sorted(of(np.ones(3), 2).gains) == [1, 2]
    random = of([0.7, 0.1, 0.03, 0.05], 2)  # 4 taps, stride 2: divisible, and a checkerboard all the same
    assert not random and np.allclose(sorted(random.gains), [0.15, 0.73])
    assert math.isclose(random.spread, 0.58 / 0.73, rel_tol=1e-6)
    five = of(filters.bilinear(3), 3)  # 5 taps, stride 3: not divisible, and none
    assert five and np.allclose(five.gains, [1, 1, 1])
    nearest = of(np.convolve(np.ones(2), [0.3, -0.2, 0.7]), 2)  # nearest after any filter
    assert nearest and "no checkerboard" in str(nearest)


def test_checkerboard_reads_any_map():
    shuffled = dj.pixel_shuffle(2).on((12, 12, 4))
    report = check.checkerboard(shuffled, axes=(-3, -2))  # each phase reads one channel: the worst there is
    assert report.period == (2, 2) and report.spread == 1 and report.gains.shape == (2, 2, 4, 1)
    assert check.checkerboard(nn.as_map(nn.PixelShuffle(2, 3, (3, 3), 2, rngs=RNGS), (16, 16, 2)), axes=(-3, -2))
    assert check.checkerboard(dj.resize(2, axes=-1).on((32,)))
    assert check.checkerboard(dj.resize(Fraction(3, 2), axes=-1).on((48,))).period == (3,)
    with pytest.raises(UnboundError):
        check.checkerboard(dj.upsample(2))
    with pytest.raises(ShapeError, match="does not repeat|no middle|too short"):
        check.checkerboard((dj.convolve(np.ones(9)) @ dj.upsample(2)).on((4,)))
    with pytest.raises(TypeError, match="float domain"):
        check.checkerboard(dj.upsample(2).on(np.zeros(16, int)))
