"""What nn.Conv and nn.ConvTranspose add to Flax's, against NumPy loops and against each other's matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import deconvjax as dj
from deconvjax import nn
from deconvjax.errors import ShapeError
from tests.tolerance import assert_close

RNGS = nnx.Rngs(0)
F64 = {"param_dtype": jnp.float64}


def numbers(key, shape, dtype):
    return jnp.asarray(np.random.default_rng(1).standard_normal(shape), dtype)


def conv_transpose(i, o, size, strides=None, **options):
    return nn.ConvTranspose(i, o, size, strides, kernel_init=numbers, use_bias=False, rngs=RNGS, **F64, **options)


def conv(i, o, size, strides=1, **options):
    return nn.Conv(i, o, size, strides, kernel_init=numbers, use_bias=False, rngs=RNGS, **F64, **options)


def scatter(x, w, stride, dilation, crop_lo, out, groups=1):
    """y[s*n + d*j - crop_lo, o] += x[n, c] w[j, c, o]: the definition in one dimension."""
    i, taps = x.shape[-1], w.shape[0]
    o = w.shape[-1]
    y = np.zeros((out, o))
    for n in range(len(x)):
        for j in range(taps):
            at = stride * n + dilation * j - crop_lo
            if 0 <= at < out:
                for g in range(groups):
                    a, b = i // groups, o // groups
                    y[at, g * b:(g + 1) * b] += x[n, g * a:(g + 1) * a] @ w[j, :, g * b:(g + 1) * b]
    return y


@pytest.mark.parametrize("transpose_kernel", [False, True])
@pytest.mark.parametrize(
    ("taps", "stride", "dilation", "pad", "extra", "groups"),
    [(4, 2, 1, 1, 0, 1), (3, 2, 1, 1, 1, 2), (3, 3, 1, 0, 2, 1), (2, 1, 3, 2, 2, 2), (5, 2, 2, (3, 1), 1, 4)],
)
def test_torch_padding_output_padding_and_groups(taps, stride, dilation, pad, extra, groups, transpose_kernel):
    layer = conv_transpose(4, 8, taps, stride, kernel_dilation=dilation, output_padding=extra,
                           torch_padding=pad if isinstance(pad, int) else [pad], feature_group_count=groups,
                           transpose_kernel=transpose_kernel)
    x = np.random.default_rng(2).standard_normal((5, 4))
    lo, hi = pad if isinstance(pad, tuple) else (pad, pad)
    out = 4 * stride - lo - hi + dilation * (taps - 1) + 1 + extra  # torch's documented size
    kernel = np.asarray(layer.kernel[...])
    if transpose_kernel:  # (taps, out/g, in), forward: to (taps, in/g, out)
        assert kernel.shape == (taps, 8 // groups, 4)
        w = np.concatenate([part.swapaxes(1, 2) for part in np.split(kernel, groups, -1)], 2)
    else:
        assert kernel.shape == (taps, 4 // groups, 8)
        w = kernel[::-1]
    assert_close(layer(x), scatter(x, w, stride, dilation, lo, out, groups), units=64)


@pytest.mark.parametrize("padding", ["SAME", "SAME_LOWER", "CIRCULAR"])
@pytest.mark.parametrize(("taps", "stride", "dilation"),
                         [(4, 1, 1), (3, 3, 1), (5, 4, 1), (4, 4, 2), (2, 3, 1), (6, 2, 2)])
def test_transpose_kernel_is_the_exact_transpose(padding, taps, stride, dilation):
    options = {"padding": padding, "kernel_dilation": dilation}
    forward = conv(2, 3, taps, stride, **options)
    backward = conv_transpose(3, 2, taps, stride, transpose_kernel=True, **options)
    a = nn.as_map(forward, jax.ShapeDtypeStruct((4 * stride, 2), jnp.float64))
    b = nn.as_map(backward, jax.ShapeDtypeStruct((4, 3), jnp.float64))
    assert b == a.T  # the same record, not only the same numbers
    assert_close(b.matrix(), np.asarray(a.matrix()).T, units=16)


def test_the_transpose_of_a_two_dimensional_circular_convolution():
    options = {"padding": "CIRCULAR", "strides": (3, 1)}
    forward, backward = conv(2, 3, (3, 4), **options), conv_transpose(3, 2, (3, 4), transpose_kernel=True, **options)
    a = nn.as_map(forward, jax.ShapeDtypeStruct((6, 3, 2), jnp.float64))
    b = nn.as_map(backward, jax.ShapeDtypeStruct((2, 3, 3), jnp.float64))
    assert_close(b.matrix(), np.asarray(a.matrix()).T, units=16)


@pytest.mark.parametrize(("taps", "stride", "rolled"), [(4, 1, 1), (3, 3, -1), (5, 4, -1), (3, 2, 0), (3, 1, 0)])
def test_where_flax_rolls_the_circular_transpose(taps, stride, rolled):
    """The documented difference: exact here, one sample off in Flax for some strides and windows."""
    options = {"padding": "CIRCULAR", "transpose_kernel": True}
    ours = conv_transpose(3, 2, taps, stride, **options)
    theirs = nnx.ConvTranspose(3, 2, (taps,), stride, use_bias=False, kernel_init=numbers, rngs=RNGS, **F64, **options)
    x = np.random.default_rng(0).standard_normal((1, 5, 3))
    assert_close(ours(x), np.roll(theirs(x), rolled, 1), units=32)


def test_causal_output_never_looks_ahead():
    x = np.random.default_rng(0).standard_normal((6, 2))
    for flip in (False, True):
        layer = conv_transpose(2, 2, 5, 2, padding="CAUSAL", transpose_kernel=flip)
        w = np.asarray(layer.kernel[...])
        w = w.swapaxes(1, 2) if flip else w[::-1]
        assert_close(layer(x), scatter(x, w, 2, 1, 0, 12), units=32)
        a = np.asarray(nn.as_map(layer, jax.ShapeDtypeStruct((6, 2), jnp.float64)).matrix()).reshape(12, 2, 6, 2)
        for m in range(12):
            assert not a[m, :, m // 2 + 1:].any()
    forward = conv(2, 3, 4, 3, padding="CAUSAL", kernel_dilation=2)
    a = np.asarray(nn.as_map(forward, jax.ShapeDtypeStruct((7, 2), jnp.float64)).matrix()).reshape(3, 3, 7, 2)
    assert all(not a[m, :, 3 * m + 1:].any() for m in range(3)) and a[2, :, 6].any()


def test_same_lower_without_transpose_kernel():
    x = np.random.default_rng(0).standard_normal((1, 6, 3))
    ours = conv_transpose(3, 2, 4, 1, padding="SAME_LOWER")
    theirs = nnx.ConvTranspose(3, 2, (4,), 1, padding="SAME_LOWER", use_bias=False, kernel_init=numbers, rngs=RNGS,
                               **F64)
    assert_close(ours(x), theirs(x), units=32)  # the only stride at which Flax accepts it
    w = np.asarray(ours.kernel[...])[::-1]
    strided = conv_transpose(3, 2, 5, 2, padding="SAME_LOWER")
    w = np.asarray(strided.kernel[...])[::-1]
    assert_close(strided(x[0]), scatter(x[0], w, 2, 1, 1, 12), units=32)  # 5 zeros around: 3 in front, 2 behind


@pytest.mark.parametrize("padding", ["SAME", "VALID", "SAME_LOWER", "CAUSAL", "CIRCULAR", "REFLECT"])
def test_input_dilation_with_named_paddings(padding):
    """Flax raises; here the stuffed signal is padded as any signal is."""
    layer = conv(2, 3, 3, 2, padding=padding, input_dilation=3)
    x = np.random.default_rng(0).standard_normal((4, 2))
    stuffed = np.zeros((12 if padding == "CIRCULAR" else 10, 2))
    stuffed[::3] = x
    want = conv(2, 3, 3, 2, padding=padding)(stuffed)
    assert_close(layer(x), want, units=16)
    assert padding != "SAME" or want.shape == (5, 3)


CHEAP = {"kernel_init": numbers, "bias_init": numbers, "rngs": RNGS}
BAD = [
    (lambda: nn.Conv(4, 4, (), **CHEAP), ShapeError, "kernel_size has no axes"),
    (lambda: nn.Conv(4, 4, (3, 0), **CHEAP), ValueError, "kernel_size must be positive"),
    (lambda: nn.Conv(4, 4, 2.5, **CHEAP), TypeError, "kernel_size must be an integer"),
    (lambda: nn.Conv(4, 4, 3, strides=0, **CHEAP), ValueError, "strides must be positive"),
    (lambda: nn.Conv(4, 4, (3, 3), strides=(1, 2, 3), **CHEAP), ShapeError, "strides has the wrong number"),
    (lambda: nn.Conv(4, 4, 3, feature_group_count=3, **CHEAP), ShapeError, "must divide in_features"),
    (lambda: nn.Conv(4, 6, 3, feature_group_count=4, **CHEAP), ShapeError, "must divide out_features"),
    (lambda: nn.Conv(4, 4, 3, padding="MIRROR", **CHEAP), ValueError, "unknown padding"),
    (lambda: nn.Conv(4, 4, (3, 3), padding="CAUSAL", **CHEAP), ValueError, "defined for one axis"),
    (lambda: nn.Conv(4, 4, (3, 3), padding=[(1, 1)], **CHEAP), ShapeError, "padding has the wrong number"),
    (lambda: nn.Conv(4, 4, 3, padding=1.5, **CHEAP), TypeError, "padding must be an integer"),
    (lambda: nn.ConvTranspose(4, 4, 3, 2, padding="same", **CHEAP), ValueError, "Fix: write 'SAME'"),
    (lambda: nn.Conv(4, 4, 3, padding="circular", **CHEAP), ValueError, "Fix: write 'CIRCULAR'"),
    (lambda: nn.ConvTranspose(4, 4, 3, padding="VALID", torch_padding=1, **CHEAP), ValueError, "both fix the pads"),
    (lambda: nn.ConvTranspose(4, 4, 3, 2, output_padding=2, **CHEAP), ValueError, "smaller than the stride"),
    (lambda: nn.ConvTranspose(4, 4, 3, 2, output_padding=-1, **CHEAP), ValueError, "output_padding"),
    (lambda: nn.ConvTranspose(4, 4, 3, 2, padding="CIRCULAR", output_padding=1, **CHEAP), ValueError, "periodic"),
    (lambda: nn.ConvTranspose(4, 4, 3, mask=jnp.ones((3, 4, 1)), **CHEAP)(jnp.ones((8, 4))), ShapeError, "mask"),
    (lambda: nn.ConvTranspose(4, 4, 3, **CHEAP)(jnp.ones((8, 3))), ShapeError, "expected 4 channels"),
    (lambda: nn.Conv(4, 4, 3, **CHEAP)(jnp.ones((4,))), ShapeError, "too few axes"),
    (lambda: nn.Conv(4, 4, 9, padding="VALID", **CHEAP)(jnp.ones((1, 8, 4))), ShapeError, "nothing would come out"),
    (lambda: nn.ConvTranspose(4, 4, 5, padding=0, **CHEAP)(jnp.ones((1, 3, 4))), ShapeError, "nothing would come out"),
    (lambda: nn.Conv(4, 4, 3, **CHEAP)(jnp.ones((0, 8, 4))), ShapeError, "length 0"),
]


@pytest.mark.parametrize(("build", "error", "words"), BAD)
def test_refusals_name_the_argument_and_the_fix(build, error, words):
    with pytest.raises(error, match=words) as caught:
        build()
    assert "Fix: " in str(caught.value)


def test_a_layer_is_the_map_of_its_kernel():
    layer = nn.ConvTranspose(3, 2, (4, 4), 2, transpose_kernel=True, rngs=RNGS)
    a = nn.as_map(layer, (5, 5, 3))
    assert a == dj.conv_transpose(layer.kernel[...], strides=2).on((5, 5, 3))
    assert "conv_transpose(4x4, 3->2, strides=2" in repr(a)
