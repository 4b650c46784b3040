"""Classical identities, against SciPy, PyWavelets and NumPy; numbered as in the table of the design's references."""

import itertools
import math

import numpy as np
import pytest
import pywt
import scipy.linalg
import scipy.signal

import deconvjax as dj
from deconvjax import filters
from tests.folded import matrices
from tests.tolerance import assert_close


def test_identity_1_the_adjoint_of_upfirdn_is_upfirdn():
    rng = np.random.default_rng(9)
    maps, backs = [], []
    for _ in range(120):
        n, k, up, down = (int(v) for v in rng.integers(1, (8, 6, 4, 4)))
        p0, p1 = (int(v) for v in rng.integers(-1, 5, 2))
        h = rng.integers(1, 9, k)
        dense = (n - 1) * up + 1 + p0 + p1
        if dense < k:
            continue
        m = (dense - k) // down + 1
        maps.append(dj.upfirdn(h, up, down, (p0, p1)).on((n,)))
        # the formula stuffs after every sample, so the far pad counts `down - 1` zeros more
        q0, q1 = k - p0 - 1, n * up - m * down + p0 - up + 1
        backs.append(dj.upfirdn(h[::-1], down, up, (q0, q1 + down - 1)).on((m,)))
    assert len(maps) > 60
    got = matrices([a for pair in zip(maps, backs, strict=True) for a in pair])
    for forward, backward in zip(got[::2], got[1::2], strict=True):
        assert np.array_equal(forward.T, backward)


def test_identity_2_stuffing_after_every_sample():
    """StyleGAN's order, zeros after the last sample too: as upfirdn with `up - 1` less to pad at the end."""
    x, h = np.arange(1.0, 6), np.array([1.0, 2, 4, 8])
    for up, down in itertools.product((1, 2, 3), (1, 2)):
        composed = (dj.downsample(down) @ dj.convolve(h, (3, 3 - (up - 1))) @ dj.upsample(up)).on(x.shape)
        assert np.array_equal(composed(x), scipy.signal.upfirdn(h, x, up, down))
        assert len(composed(x)) == ((5 - 1) * up + 4 - 1) // down + 1


def test_identity_8_blurpool_is_a_quarter_of_the_transposed_bilinear_layer():
    """In two dimensions; (1, 3, 3, 1)/8 on each axis, zero pads, stride 2."""
    blur = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    pool = dj.upfirdn(blur, 1, 2, ((1, 1), (1, 1))).on((8, 6))
    layer = dj.conv_transpose(filters.bilinear(2, ndim=2)[..., None, None], strides=2, padding=1).on((4, 3, 1))
    got, want = matrices([pool, layer])
    assert np.array_equal(got, want.T / 4)


UPSAMPLERS = {
    "ones 3/2": ([1, 1, 1], 2, False),
    "random 4/2": ([0.3, 0.9, -0.2, 0.5], 2, False),
    "bilinear 5/3": (filters.bilinear(3), 3, True),
    "bilinear 4/2": (filters.bilinear(2), 2, True),
    "nearest, then any filter": (np.convolve([0.3, 0.9, -0.2], [1, 1]), 2, True),
}


@pytest.mark.parametrize("taps, stride, even", UPSAMPLERS.values(), ids=UPSAMPLERS)
def test_identity_9_no_checkerboard_means_equal_gains(taps, stride, even):
    """A constant comes out constant away from the borders exactly where H vanishes at 2 pi m/s, m = 1 ... s-1."""
    middle = np.asarray(dj.upfirdn(taps, stride)(np.ones(12)))[4 * stride : 8 * stride].reshape(4, stride)
    nulls = np.abs(np.fft.fft(taps, stride * 8))[8::8]
    assert (np.ptp(middle) < 1e-12) == even
    assert (nulls.max() < 1e-12) == even
    gains = [np.sum(taps[r::stride]) for r in range(stride)]
    assert_close(middle, np.tile(gains, (4, 1)))


def test_identity_11_the_gram_of_blur_and_decimation_is_circulant():
    rng = np.random.default_rng(11)
    h, k, n = rng.normal(size=5), 3, 12
    a = (dj.downsample(k) @ dj.convolve(h, "wrap")).on((n,))
    (matrix,) = matrices([a])
    autocorrelation = scipy.linalg.circulant(np.r_[h, np.zeros(n - 5)])
    first = (autocorrelation @ autocorrelation.T)[0, ::k]
    gram = matrix @ matrix.T
    assert_close(gram, scipy.linalg.circulant(first).astype(gram.dtype), units=64)
    assert_close(matrices([a @ a.T])[0], gram, units=64)


@pytest.mark.parametrize("name", ["haar", "db2", "sym4", "bior2.2"])
def test_identity_15_the_wavelet_transform_is_a_filter_bank(name):
    wavelet = pywt.Wavelet(name)
    x = np.random.default_rng(15).normal(size=24)
    branches = wavelet.dec_lo, wavelet.dec_hi
    bank = dj.stack([dj.downsample(2, phase=1) @ dj.convolve(taps, "full") for taps in branches])
    for ours, theirs in zip(bank(x), pywt.dwt(x, name, "zero"), strict=True):
        assert_close(np.asarray(ours), theirs, scale=np.abs(x).max())
    matrix = np.stack([np.concatenate(pywt.dwt(e, name, "periodization")) for e in np.eye(24)], 1)
    inverse = np.stack([pywt.idwt(*np.split(e, 2), name, "periodization") for e in np.eye(24)], 1)
    assert_close(inverse @ matrix, np.eye(24), units=1e5)  # perfect reconstruction, to PyWavelets' digits
    assert np.allclose(inverse, matrix.T, atol=1e-9) is wavelet.orthogonal


@pytest.mark.parametrize("up, down", [(1, 2), (2, 1), (3, 2), (2, 3), (5, 4)])
def test_identity_16_resample_poly(up, down):
    x = np.random.default_rng(16).normal(size=30)
    half = 10 * max(up, down)
    h = scipy.signal.firwin(2 * half + 1, 1 / max(up, down), window=("kaiser", 5.0)) * up
    length = math.ceil(len(x) * up / down)
    # pads of the stuffed signal that centre the first sample and give `length` of them
    stuffed = (len(x) - 1) * up + 1
    a = dj.upfirdn(h, up, down, (half, (length - 1) * down + 2 * half + 1 - stuffed - half))
    assert_close(np.asarray(a(x)), scipy.signal.resample_poly(x, up, down), units=64)
