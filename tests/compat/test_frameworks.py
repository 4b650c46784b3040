"""Literal data of TensorFlow, Keras, Haiku, Equinox, Theano and the convolution arithmetic; lax and Flax run beside."""

import itertools

import numpy as np
import pytest
from jax import lax as jax_lax

import deconvjax as dj
from deconvjax.compat import arithmetic, cudnn, equinox, flax, haiku, keras, lax, onednn, resolve, tensorflow, theano
from deconvjax.errors import ShapeError
from tests.compat.oracles import conv_nd, conv_transpose_nd


def integers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).integers(-4, 5, shape).astype(np.float64)


# ---- TensorFlow's kernel tests: ones in, and the number of windows that reach each sample out ----
@pytest.mark.parametrize("strides, padding, size", [(1, "SAME", (6, 4)), (2, "SAME", (12, 8)), (2, "VALID", (13, 9))])
def test_tensorflow_2d_counts(strides, padding, size):
    """x (2,6,4,3), f (3,3,2,3) of ones: 3 channels times the taps that meet."""
    a = tensorflow.conv2d_transpose(np.ones((3, 3, 2, 3)), (2, *size, 2), strides, padding)
    got = np.asarray(a(np.ones((2, 6, 4, 3))))
    assert got.shape == (2, *size, 2)
    taps = [np.array([sum(0 <= m - strides * i + before < 3 for i in range(n)) for m in range(out)])
            for n, out, before in zip((6, 4), size, (1, 1) if strides == 1 else (0, 0), strict=True)]
    assert np.array_equal(got[1, :, :, 0], 3 * taps[0][:, None] * taps[1])


def test_tensorflow_sizes():
    for x, size, padding in (((2, 6, 3), 6, "SAME"), ((2, 4, 3), 8, "SAME"), ((2, 4, 3), 9, "VALID")):
        strides = 1 if size == 6 else 2
        a = tensorflow.conv1d_transpose(np.ones((3, 2, 3)), (2, size, 2), strides, padding)
        assert a.on(x).codomain.shape == (2, size, 2)
    for size, strides, padding in (((5, 6, 4), 1, "SAME"), ((10, 12, 8), 2, "SAME"), ((11, 13, 9), 2, "VALID")):
        a = tensorflow.conv3d_transpose(np.ones((3, 3, 3, 2, 3)), (2, *size, 2), strides, padding)
        assert a.on((2, 5, 6, 4, 3)).codomain.shape == (2, *size, 2)


def test_tensorflow_layouts_strides_groups_and_explicit():
    """NCHW is NHWC moved; strides of four entries; more output channels than filters are groups; EXPLICIT pads."""
    f, x = integers(3, 2, 2, 6), integers(1, 4, 5, 6)
    nhwc = tensorflow.conv2d_transpose(f, (1, 8, 10, 2), (1, 2, 2, 1))
    nchw = tensorflow.conv2d_transpose(f, (1, 2, 8, 10), (1, 1, 2, 2), data_format="NCHW")
    assert np.array_equal(nchw(x.transpose(0, 3, 1, 2)), np.asarray(nhwc(x)).transpose(0, 3, 1, 2))
    grouped = np.asarray(tensorflow.conv2d_transpose(f, (1, 9, 10, 6), 2, "VALID")(x))  # 2 filters, 3 groups
    want = conv_transpose_nd(x.transpose(0, 3, 1, 2), f.transpose(3, 2, 0, 1), (2, 2), (1, 1), (0, 0), (9, 10), 3)
    assert np.array_equal(grouped.transpose(0, 3, 1, 2), want)
    pads = [[0, 0], [1, 0], [0, 1], [0, 0]]
    explicit = np.asarray(tensorflow.conv2d_transpose(f, (8, 9), 2, pads)(x))
    want = conv_transpose_nd(x.transpose(0, 3, 1, 2), f.transpose(3, 2, 0, 1), (2, 2), (1, 1), (1, 0), (8, 9))
    assert np.array_equal(explicit.transpose(0, 3, 1, 2), want)


# ---- Keras ----
def test_keras_basic_sizes():
    def size(layer, x):
        return layer.on(x).codomain.shape[1:-1]
    assert size(keras.Conv1DTranspose(np.ones((2, 5, 4)), 2, "valid"), (2, 8, 4)) == (16,)
    assert size(keras.Conv1DTranspose(np.ones((2, 5, 4)), 3, "same", 2), (2, 8, 4)) == (23,)
    assert size(keras.Conv2DTranspose(np.ones((7, 7, 5, 2)), 16, "valid"), (1, 14, 14, 2)) == (224, 224)
    assert size(keras.Conv2DTranspose(np.ones((2, 3, 6, 4)), (2, 1), "valid"), (2, 8, 8, 4)) == (16, 10)


def test_keras_layouts_and_forward():
    k, x = integers(3, 2, 4, 5), integers(2, 6, 7, 5)
    last, first = (keras.Conv2DTranspose(k, 2, "same", data_format=f) for f in ("channels_last", "channels_first"))
    assert np.array_equal(first(x.transpose(0, 3, 1, 2)), np.asarray(last(x)).transpose(0, 3, 1, 2))
    valid = np.asarray(keras.Conv2DTranspose(k, 2)(x)).transpose(0, 3, 1, 2)
    want = conv_transpose_nd(x.transpose(0, 3, 1, 2), k.transpose(3, 2, 0, 1), (2, 2), (1, 1), (0, 0), (13, 14))
    assert np.array_equal(valid, want)
    down = keras.Conv2D(k.swapaxes(2, 3).copy(), padding="valid", groups=1)
    want = conv_nd(x.transpose(0, 3, 1, 2), k.transpose(2, 3, 0, 1), (1, 1), (1, 1), ((0, 0), (0, 0)))
    assert np.array_equal(np.asarray(down(x)).transpose(0, 3, 1, 2), want)


# ---- Haiku ----
@pytest.mark.parametrize("case, pads", [((10, 20, 5, 2, "SAME"), (3, 2)), ((11, 77, 4, 7, "SAME"), (3, 6)),
                                        ((10, 23, 5, 2, "VALID"), (4, 4))])
def test_haiku_adjusted_padding(case, pads):
    i, o, k, s, padding = case
    axis = resolve.haiku_transpose(i, k, stride=s, padding=padding, output_shape=o)
    assert (axis.lo, axis.hi, axis.out) == (*pads, o)


def test_haiku_ones_and_sizes():
    ones = haiku.ConvNDTranspose(np.ones((3, 1, 1)), padding="SAME")
    assert np.asarray(ones(np.ones((1, 3, 1)))).ravel().tolist() == [2, 3, 2]
    ones = haiku.ConvNDTranspose(np.ones((3, 1, 1)), padding="VALID")
    assert np.asarray(ones(np.ones((1, 3, 1)))).ravel().tolist() == [1, 2, 3, 2, 1]
    w = np.ones((5, 5, 5, 1, 1))
    assert haiku.ConvNDTranspose(w, 3, (19, 25, 48)).on((7, 9, 16, 1)).codomain.shape == (19, 25, 48, 1)
    w = np.ones((5, 5, 5, 1, 1))
    assert haiku.ConvNDTranspose(w, 3, (25, 42, 50), "VALID").on((7, 13, 16, 1)).codomain.shape == (25, 42, 50, 1)


# ---- Equinox ----
def test_equinox_literals():
    """Its own test: 3x3 kernel arange(9), padding 1, x = -4..4, bias 1."""
    a = equinox.ConvTranspose(np.arange(9.0).reshape(1, 1, 3, 3), padding=1)
    got = np.asarray(a(np.arange(-4, 5.0).reshape(1, 3, 3))).ravel() + 1
    assert got.tolist() == [-37, -31, -9, 25, 61, 49, 23, 41, 27]
    assert equinox.ConvTranspose(np.ones((3, 1, 3)), 2, 1, 1, 2).on((1, 31)).codomain.shape == (3, 64)
    a = equinox.ConvTranspose(np.ones((1, 1, 1, 1)), 2, ((0, 1), (0, 3)))
    assert a.on((1, 17, 18)).codomain.shape == (1, 32, 32)


# ---- Theano, oneDNN, cuDNN: each is the gradient of its convolution ----
@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("mode", ["valid", "half", "full", 1, (1, 2), ((1, 2), (0, 1))])
def test_theano_transpose_is_the_gradient_of_its_conv2d(mode, flip):
    w = integers(4, 3, 3, 4)
    down = theano.conv2d(w, mode, (2, 3), flip).on((2, 3, 9, 11))
    up = theano.conv2d_transpose(w, (2, 3, 9, 11), None, mode, (2, 3), flip).on(down.codomain)
    y = integers(*down.codomain.shape).astype(np.float32)
    assert np.array_equal(up(y), down.T(y))


def test_theano_convolves():
    """filter_flip=True slides the reversed filter: scipy's convolution."""
    w, x = integers(1, 1, 3, 2), integers(1, 1, 5, 6)
    want = conv_nd(x, w[:, :, ::-1, ::-1], (1, 1), (1, 1), ((0, 0), (0, 0)))
    assert np.array_equal(theano.conv2d(w)(x), want)


@pytest.mark.parametrize("groups", [1, 2])
def test_onednn_and_cudnn(groups):
    """Forward filters in, dilation from zero, the output's size said."""
    w, x = integers(4, 3, 3, 2), integers(2, 4, 5, 6)
    want = conv_transpose_nd(x, w, (2, 3), (2, 1), (1, 1), (12, 17), groups)
    assert np.array_equal(cudnn.convolution_backward_data(w, (12, 17), (2, 3), 1, (2, 1), groups)(x), want)
    stored = dj.compat.convert(w, source="cudnn", target="onednn", groups=groups)
    assert stored.ndim == 4 + (groups > 1)
    got = onednn.deconvolution(stored, (12, 17), (2, 3), 1, (0, 0), (1, 0), groups)
    assert np.array_equal(got(x), want)


# ---- lax: any dimension numbers, both dialects ----
@pytest.mark.parametrize("numbers", [None, ("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("HWNC", "IWHO", "CNWH"),
                                     ("WNCH", "HOWI", "NHCW")])
@pytest.mark.parametrize("transpose_kernel", [False, True])
def test_lax_dimension_numbers(numbers, transpose_kernel):
    lhs, kernel, _ = numbers or ("NHWC", "HWIO", "NHWC")
    sizes = {"N": 2, "H": 4, "W": 5, "C": 3, "I": 3, "O": 2}
    if transpose_kernel:
        sizes |= {"I": 2, "O": 3}
    x = integers(*(sizes[a] for a in lhs))
    w = integers(*({"H": 3, "W": 2}.get(a, sizes[a]) for a in kernel))
    options = {"dimension_numbers": numbers, "transpose_kernel": transpose_kernel}
    dialects = (("SAME", {}), (((1, 2), (0, 1)), {}), (((1, 2), (0, 1)), {"use_consistent_padding": True}))
    for padding, more in dialects if numbers is None else dialects[1:2]:
        got = lax.conv_transpose(w, (2, 3), padding, (1, 2), **options, **more)(x)
        want = jax_lax.conv_transpose(x, w, (2, 3), padding, (1, 2), **options, **more)
        assert np.array_equal(got, want)


def test_lax_general():
    w, x = integers(4, 2, 3, 3), integers(2, 4, 6, 7)
    got = lax.conv_general_dilated(w, (2, 1), ((1, 0), (2, 1)), (1, 2), (2, 1), None, 2)(x)
    want = jax_lax.conv_general_dilated(x, w, (2, 1), ((1, 0), (2, 1)), (1, 2), (2, 1), None, 2)
    assert np.array_equal(got, want)


def test_flax_circular_against_its_own_convolution():
    """Exact for stride 2; shifted by one sample for stride 1 with an even kernel: what Flax does."""
    for k, s, shift in ((3, 2, 0), (3, 1, 0), (4, 1, 1)):
        w = integers(k, 1, 1)
        down = flax.Conv(w, s, "CIRCULAR").on((6 * s, 1))
        up = flax.ConvTranspose(w, s, "CIRCULAR", transpose_kernel=True).on((6, 1))
        assert np.array_equal(np.roll(up.matrix(), shift, 0), down.T.matrix()), (k, s)
        exact = dj.conv_transpose(w, strides=s, padding="CIRCULAR").on((6, 1))
        assert np.array_equal(exact.matrix(), down.T.matrix())


# ---- convolution arithmetic ----
FIGURES = [  # i, k, s, p, d -> o;  i' -> o';  lo, hi of the transposed one (None: the dilated figure's own transpose)
    ((4, 3, 1, 0, 1), 2, 4, (2, 2)), ((5, 4, 1, 2, 1), 6, 5, (1, 1)), ((5, 3, 1, 1, 1), 5, 5, (1, 1)),
    ((5, 3, 1, 2, 1), 7, 5, (0, 0)), ((5, 3, 2, 0, 1), 2, 5, (2, 2)), ((5, 3, 2, 1, 1), 3, 5, (1, 1)),
    ((6, 3, 2, 1, 1), 3, 6, (1, 2)), ((7, 3, 1, 0, 2), 3, 7, (4, 4)),
]


@pytest.mark.parametrize("forward, o, back, pads", FIGURES)
def test_the_eight_figures(forward, o, back, pads):
    i, k, s, p, d = forward
    assert arithmetic.convolution(i, k, s, p, d) == o
    a = arithmetic.left_over(i, k, s, p, d)
    assert arithmetic.transposed(o, k, s, p, a, d) == back == i
    axis = resolve.lax_adjoint(o, k, out=i, stride=s, padding=(p, p), dilation=d)
    assert (axis.lo, axis.hi) == pads
    assert axis == resolve.torch_transpose(o, k, stride=s, padding=p, output_padding=a, dilation=d)


def test_the_relations_invert_each_other():
    r = arithmetic.RELATIONS
    assert sorted(r) == list(range(1, 16))
    for i, k, s, p in itertools.product(range(1, 12), range(1, 6), range(1, 4), range(0, 4)):
        if i + 2 * p < k:
            continue
        assert r[14](r[6](i, k, s, p), k, s, p, (i + 2 * p - k) % s) == i
        if (i + 2 * p - k) % s == 0:
            assert r[13](r[6](i, k, s, p), k, s, p) == i
        if s == 1:
            assert r[9](r[2](i, k, p), k, p) == i
        if i >= k:
            assert r[8](r[1](i, k), k) == i and r[5](i, k, s) == r[7](i, k, s) == (i - k) // s + 1
        if k % 2:
            assert r[3](i, k) == i == r[10](i, k)
        assert r[11](r[4](i, k), k) == i
    assert r[12](2, 3, 2) == 5 and r[15](7, 3, 1, 0, 2) == 3


F = np.ones((3, 3, 2, 3))


@pytest.mark.parametrize("build, pattern", [
    (lambda: arithmetic.convolution(2, 3), r"no such convolution"),
    (lambda: arithmetic.transposed(3, 3, 2, a=2), r"a is a remainder of s"),
    (lambda: arithmetic.transposed(6, 3, s=0), r"arithmetic\.transposed: s must be positive; got 0, expected"),
    (lambda: arithmetic.convolution(5.5, 3), r"arithmetic\.convolution: i must be an integer; got 5\.5, expected"),
    (lambda: arithmetic.left_over(6, 3, s=0), r"arithmetic\.left_over: s must be positive; got 0, expected"),
    (lambda: arithmetic.half(1.5), r"arithmetic\.half: k must be an integer"),
    (lambda: tensorflow.conv2d_transpose(F, (9, 8), 2).on((4, 4, 3)), r"does not match output_shape"),
    (lambda: tensorflow.conv2d_transpose(F, (1, 8, 8, 3), 2), r"does not match the output channels"),
    (lambda: tensorflow.conv2d_transpose(F, (8, 8), (2, 2, 2, 2)), r"batch and channel axes must be 1"),
    (lambda: tensorflow.conv2d_transpose(F, (8, 8), 2, "same"), r"unknown padding"),
    (lambda: tensorflow.conv2d_transpose(F, (8, 8), 2, data_format="HWCN"), r"unknown data_format"),
    (lambda: tensorflow.conv2d_transpose(F, 8, 2), r"output_shape needs a size for each axis"),
    (lambda: tensorflow.conv1d_transpose(F[0], 8, 2, [[0, 0], [1, 1], [0, 0]]), r"explicit padding is only"),
    (lambda: keras.Conv2DTranspose(F, 2, "full"), r"unknown padding"),
    (lambda: keras.Conv2DTranspose(F, 2, dilation_rate=2), r"not supported in conjunction"),
    (lambda: keras.Conv2DTranspose(F, 2, output_padding=2), r"strictly less than `strides`"),
    (lambda: keras.Conv2D(F, padding="causal"), r"unknown padding"),
    (lambda: theano.conv2d_transpose(F, None, input_dilation=(2, 2)), r"output_shape is required"),
    (lambda: theano.conv2d_transpose(np.ones((3, 2, 3, 3)), (9, 20), input_dilation=(2, 2)).on((3, 4, 4)),
     r"output_shape does not belong to this input; got output 20"),
    (lambda: theano.conv2d(F, "same"), r"unknown border_mode"),
    (lambda: theano.conv2d(F, filter_flip=1), r"filter_flip is a switch"),
    (lambda: lax.conv_transpose(np.ones((4, 3, 5)), (2,), [(0, 0)]).on((1, 1, 3)), r"the output would be empty"),
    (lambda: lax.conv_transpose(np.ones((4, 3, 5)), (2,), "same").on((1, 4, 3)), r"not understood with a stride"),
    (lambda: lax.conv_transpose(np.ones((4, 3, 5)), (2,), "SAME", dimension_numbers=("NHC", "HIO", "NHX")),
     r"cannot read dimension_numbers"),
    (lambda: lax.conv_transpose(np.ones((4, 3, 5)), (2,), "SAME").on((4, 2)), r"expected input to have 3 channels"),
    (lambda: flax.ConvTranspose(np.ones((3, 2, 3)), padding="CAUSAL"), r"always raises"),
    (lambda: flax.ConvTranspose(np.ones((3, 2, 3)), padding=(1, 2, 3)), r"invalid padding format"),
    (lambda: flax.Conv(F, padding="CAUSAL"), r"only implemented for 1D"),
    (lambda: flax.Conv(np.ones((3, 2, 3)), input_dilation=2).on((4, 2)), r"not implemented with lhs_dilation"),
    (lambda: equinox.ConvTranspose(np.ones((3, 2, 3)), 2, output_padding=2), r"`output_padding < stride`"),
    (lambda: equinox.ConvTranspose(np.ones((3, 2, 1)), padding=1).on((2, 1)), r"the output would be empty"),
    (lambda: equinox.ConvTranspose(np.ones((3, 2, 3)), padding_mode="REFLECT"), r"unknown padding_mode"),
    (lambda: equinox.ConvTranspose(np.ones((3, 2, 3)), padding_mode="CIRCULAR"), r"only implemented for 'SAME'"),
    (lambda: haiku.ConvNDTranspose(np.ones((3, 2, 3)), 2, 9, padding=((1, 1),)), r"when specifying `output_shape`"),
    (lambda: haiku.ConvNDTranspose(np.ones((3, 2, 3)), data_format="HW"), r"unable to extract the channel index"),
    (lambda: haiku.ConvNDTranspose(np.ones((3, 2, 3)), mask=np.ones(3)), r"mask needs to have the same shape"),
    (lambda: onednn.deconvolution(np.ones((3, 2, 3)), 20, 2).on((2, 4)), r"output_shape does not belong"),
    (lambda: onednn.deconvolution(F, (8, 8), groups=0), r"onednn\.deconvolution: groups must be positive; got 0"),
    (lambda: onednn.deconvolution(F, (8, 8), groups="a"), r"onednn\.deconvolution: groups must be an integer; got 'a'"),
    (lambda: onednn.deconvolution(np.ones((3, 4, 2, 3, 3)), (8, 8), groups=2),
     r"groups do not divide the channels; got groups=2, .*expected \(g, O/g, I/g, k0, k1\), g = groups"),
    (lambda: cudnn.convolution_backward_data(np.ones((3, 2, 3)), 5, 2).on((3, 4)), r"output_shape does not belong"),
])
def test_refusals_in_each_frameworks_words(build, pattern):
    with pytest.raises((ShapeError, TypeError, ValueError), match=pattern):
        build()
