"""The words of the vocabulary as literal matrices, and the identities of signal processing between them."""

import jax
import numpy as np
import pytest

import deconvjax as dj
from deconvjax import filters
from tests.folded import evaluate, matrices
from tests.tolerance import assert_close

Q = np.array([2, 3, 5])

LITERAL = {
    "downsample(2)": (dj.downsample(2).on((4,)), [[1, 0, 0, 0], [0, 0, 1, 0]]),
    "downsample(2, phase=1)": (dj.downsample(2, phase=1).on((4,)), [[0, 1, 0, 0], [0, 0, 0, 1]]),
    "downsample(3), phase=1, ceil": (dj.downsample(3, phase=1).on((5,)), [[0, 1, 0, 0, 0], [0, 0, 0, 0, 1]]),
    "upsample(2)": (dj.upsample(2).on((4,)), np.eye(8, dtype=int)[:, ::2]),
    "upsample(3)": (dj.upsample(3).on((2,)), [[1, 0], [0, 0], [0, 0], [0, 1], [0, 0], [0, 0]]),
    "shift(1)": (dj.shift(1, axes=-1).on((3,)), [[0, 0, 0], [1, 0, 0], [0, 1, 0]]),
    "shift(-2)": (dj.shift(-2, axes=-1).on((3,)), [[0, 0, 1], [0, 0, 0], [0, 0, 0]]),
    "shift further than the signal": (dj.shift(7, axes=-1).on((3,)), np.zeros((3, 3), int)),
    "pad": (dj.pad((1, 2)).on((2,)), [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0]]),
    "pad reflect": (dj.pad((2, 1), "reflect").on((3,)),
                    [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]]),
    "pad symmetric": (dj.pad((2, 1), "symmetric").on((3,)),
                      [[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]),
    "pad edge": (dj.pad((2, 1), "edge").on((2,)), [[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]]),
    "pad wrap": (dj.pad((2, 1), "wrap").on((3,)),
                 [[0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]),
    "pad wrap folds back": (dj.pad((2, 1), "wrap").on((3,)).T,
                            [[0, 0, 1, 0, 0, 1], [1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0]]),
    "crop": (dj.crop((1, 2)).on((5,)), [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0]]),
    "convolve": (dj.convolve(Q).on((4,)), [[3, 2, 0, 0], [5, 3, 2, 0], [0, 5, 3, 2], [0, 0, 5, 3]]),
    "convolve full": (dj.convolve(Q, "full").on((2,)), [[2, 0], [3, 2], [5, 3], [0, 5]]),
    "convolve valid": (dj.convolve(Q, "valid").on((4,)), [[5, 3, 2, 0], [0, 5, 3, 2]]),
    "convolve pairs": (dj.convolve(Q, (1, 0)).on((3,)), [[3, 2, 0], [5, 3, 2]]),
    "convolve crops": (dj.convolve(Q, (-1, 2)).on((3,)), [[0, 5, 3], [0, 0, 5]]),
    "convolve wrap": (dj.convolve(Q, "wrap").on((4,)), [[3, 2, 0, 5], [5, 3, 2, 0], [0, 5, 3, 2], [2, 0, 5, 3]]),
    "convolve reflect": (dj.convolve(Q, "reflect").on((3,)), [[3, 7, 0], [5, 3, 2], [0, 7, 3]]),
    "convolve even": (dj.convolve([1, 2]).on((3,)), [[1, 0, 0], [2, 1, 0], [0, 2, 1]]),
    "correlate": (dj.correlate(Q).on((4,)), [[3, 5, 0, 0], [2, 3, 5, 0], [0, 2, 3, 5], [0, 0, 2, 3]]),
    "correlate conjugates": (dj.correlate([1j, 2]).on(jax.ShapeDtypeStruct((2,), np.complex64)), [[2, 0], [-1j, 2]]),
    "upfirdn full": (dj.upfirdn(Q, 2, 1).on((2,)), [[2, 0], [3, 0], [5, 2], [0, 3], [0, 5]]),
    "upfirdn 2/3": (dj.upfirdn(Q, 2, 3).on((3,)), [[2, 0, 0], [0, 3, 0], [0, 0, 5]]),
    "upfirdn pairs": (dj.upfirdn(Q, 2, 1, (1, 1)).on((2,)), [[3, 0], [5, 2], [0, 3]]),
    "conv SAME": (dj.conv(Q[:, None, None]).on((3, 1)), [[3, 5, 0], [2, 3, 5], [0, 2, 3]]),
    "conv strided, even": (dj.conv(Q[:, None, None], strides=2).on((4, 1)), [[2, 3, 5, 0], [0, 0, 2, 3]]),
    "conv SAME_LOWER": (dj.conv(Q[:, None, None], strides=2, padding="SAME_LOWER").on((4, 1)),
                        [[3, 5, 0, 0], [0, 2, 3, 5]]),
    "conv CIRCULAR": (dj.conv(Q[:, None, None], padding="CIRCULAR").on((4, 1)),
                      [[3, 5, 0, 2], [2, 3, 5, 0], [0, 2, 3, 5], [5, 0, 2, 3]]),
    "conv grouped": (dj.conv([[[2, 3, 5, 7]]], groups=2).on((1, 2)), [[2, 0], [3, 0], [0, 5], [0, 7]]),
    "conv_transpose VALID": (dj.conv_transpose(Q[:, None, None], strides=2, padding="VALID").on((2, 1)),
                             [[2, 0], [3, 0], [5, 2], [0, 3], [0, 5]]),
    "conv_transpose SAME": (dj.conv_transpose(Q[:, None, None], strides=2).on((2, 1)),
                            [[2, 0], [3, 0], [5, 2], [0, 3]]),
    "conv_transpose output_padding":
        (dj.conv_transpose([[[2]]], strides=2, padding="VALID", output_padding=1).on((2, 1)),
         [[2, 0], [0, 0], [0, 2], [0, 0]]),
    "conv_transpose output_shape": (dj.conv_transpose(Q[:, None, None], strides=2, output_shape=3).on((2, 1)),
                                    [[3, 0], [5, 2], [0, 3]]),
    "diagonal": (dj.diagonal([2, 3]).on((2,)), [[2, 0], [0, 3]]),
}


@pytest.fixture(scope="module")
def literal():
    return dict(zip(LITERAL, matrices([a for a, _ in LITERAL.values()]), strict=True))


@pytest.mark.parametrize("name", LITERAL)
def test_literal_matrices(name, literal):
    assert np.array_equal(literal[name], LITERAL[name][1]), literal[name]


def test_convolution_matrix_letter_by_letter():
    q0, q1, q2 = 2, 3, 5
    (got,) = matrices([dj.convolve([q0, q1, q2]).on((4,))])
    assert got.tolist() == [[q1, q0, 0, 0], [q2, q1, q0, 0], [0, q2, q1, q0], [0, 0, q2, q1]]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_upsample_is_the_transpose_of_downsample(k):
    assert dj.downsample(k).on((4 * k,)).T == dj.upsample(k).on((4,))
    assert dj.upsample((k, 2)).on((3, 2)).T == dj.downsample((k, 2)).on((3 * k, 4))
    assert dj.pad((k, 1)).on((5,)).T == dj.crop((k, 1)).on((6 + k,))
    assert dj.shift(k, axes=-1).on((9,)).T == dj.shift(-k, axes=-1).on((9,))


STUFFED = np.array([2, 0, 3, 0, 5])
FOUR = np.array([2, 2 + 3, 3 + 5, 5])

EQUAL = {
    "transposed convolution = (downsample (q*)^T)^T":
        (dj.convolve(Q) @ dj.upsample(2), (dj.downsample(2) @ dj.convolve(Q).on((8,)).T).T, (4,)),
    "the layer = q * upsample":
        (dj.crop((0, 1), axes=-2) @ dj.convolve(Q, "full", axes=-2) @ dj.upsample(2, axes=-2),
         dj.conv_transpose(Q[:, None, None], strides=2, padding="VALID"), (4, 1)),
    "the layer = (downsample correlate)^T":
        (dj.conv_transpose(Q[:, None, None], strides=2, padding="VALID"),
         (dj.downsample(2, axes=-2) @ dj.correlate(Q, "valid", axes=-2)).on((9, 1)).T, (4, 1)),
    "dilated convolution = (upsample q) *":
        (dj.conv(Q[:, None, None], kernel_dilation=2), dj.conv(STUFFED[:, None, None]), (7, 1)),
    "repeat by 2, then 3 taps = one transposed convolution by (q0, q0+q1, q1+q2, q2)":
        (dj.convolve(Q, axes=-2) @ dj.convolve([1, 1], (1, 0), axes=-2) @ dj.upsample(2, axes=-2),
         dj.conv_transpose(FOUR[:, None, None], strides=2), (4, 1)),
    "strided convolution = downsample after convolution":
        (dj.upfirdn(Q, 1, 2, (1, 1)), dj.downsample(2) @ dj.convolve(Q), (7,)),
    "noble identity, downsampling":
        (dj.convolve(Q, "valid") @ dj.downsample(2), dj.downsample(2) @ dj.convolve(STUFFED, "valid"), (9,)),
    "noble identity, upsampling":
        (dj.upsample(2) @ dj.convolve(Q, "full"), dj.convolve(STUFFED, "full") @ dj.upsample(2), (4,)),
    "up 2 and down 3 commute":
        (dj.downsample(3) @ dj.upsample(2), dj.upsample(2) @ dj.downsample(3), (9,)),
    "correlate = convolve^T":
        (dj.correlate(Q), dj.convolve(Q).on((6,)).T, (6,)),
    "even taps too, by pads":
        (dj.correlate([2, 3], (0, 1)), dj.convolve([2, 3]).on((6,)).T, (6,)),
    "along moves a filter":
        (dj.convolve([[1, 2, 3], [4, 5, 6]]).along((-1, -3)), dj.convolve([[1, 2, 3], [4, 5, 6]], axes=(-1, -3)),
         (3, 2, 4)),
}


def test_identities_of_signal_processing():
    bound = [(left.on(shape), right.on(shape)) for left, right, shape in EQUAL.values()]
    got = matrices([a for pair in bound for a in pair])
    for name, left, right in zip(EQUAL, got[::2], got[1::2], strict=True):
        assert np.array_equal(left, right), (name, left, right)


def test_nine_ones_at_stride_two():
    layer = dj.conv_transpose(np.ones((3, 3, 1, 1)), strides=2)
    got = evaluate(lambda: layer(np.array([[1.0, 2.0], [3.0, 4.0]])[..., None]))[..., 0]
    assert got.tolist() == [[1, 1, 3, 2], [1, 1, 3, 2], [4, 4, 10, 6], [3, 3, 7, 4]]


def test_the_bilinear_kernel():
    assert filters.bilinear(2, ndim=2).tolist() == [
        [0.0625, 0.1875, 0.1875, 0.0625], [0.1875, 0.5625, 0.5625, 0.1875],
        [0.1875, 0.5625, 0.5625, 0.1875], [0.0625, 0.1875, 0.1875, 0.0625]]
    for factor in range(1, 34):  # Caffe's filler, element by element
        size = 2 * factor - factor % 2
        half, centre = -(-size // 2), (size - 1) / (2 * -(-size // 2))
        want = [1 - abs(i / half - centre) for i in range(size)]
        assert_close(filters.bilinear(factor), np.array(want) if factor > 1 else np.ones(1))
