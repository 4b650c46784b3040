"""Named taps against SciPy, PyWavelets, JAX's resize, the Caffe/FCN formulas and literals."""

from __future__ import annotations

import math
import re

import jax
import numpy as np
import pytest
import pywt
import scipy.ndimage
import scipy.signal

from deconvjax import filters

FACTORS = range(1, 34)
SIZED = [filters.nearest, filters.bilinear, filters.cubic, filters.lanczos, filters.box, filters.binomial]


def fcn_upsample_filt(size: int) -> np.ndarray:
    """surgery.py of fcn.berkeleyvision.org, two-dimensional."""
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    og = np.ogrid[:size, :size]
    return (1 - abs(og[0] - center) / factor) * (1 - abs(og[1] - center) / factor)


def caffe_filler(size: int) -> np.ndarray:
    """BilinearFiller of filler.hpp."""
    f = math.ceil(size / 2)
    c = (size - 1) / (2.0 * f)
    line = np.array([1 - abs(x / f - c) for x in range(size)])
    return line[:, None] * line[None, :]


@pytest.mark.parametrize("factor", FACTORS)
def test_bilinear_is_the_fcn_and_caffe_formula(factor):
    size = 2 * factor - factor % 2
    taps = filters.bilinear(factor, ndim=2)
    assert taps.shape == (size, size)
    np.testing.assert_allclose(taps, fcn_upsample_filt(size), rtol=0, atol=2e-16)
    np.testing.assert_allclose(taps, caffe_filler(size), rtol=0, atol=1e-15)


def test_bilinear_literals():
    assert filters.bilinear(1).tolist() == [1.0]
    assert filters.bilinear(2).tolist() == [0.25, 0.75, 0.75, 0.25]
    four = filters.bilinear(2, ndim=2)
    assert four[1, 1] == 0.5625 and four[0, 1] == 0.1875 and four[0, 0] == 0.0625
    np.testing.assert_allclose(filters.bilinear(3) * 3, [1, 2, 3, 2, 1], atol=1e-15)


@pytest.mark.parametrize("build", [filters.nearest, filters.bilinear, filters.cubic, filters.lanczos])
def test_every_phase_of_an_interpolator_sums_to_one(build):
    for factor in FACTORS:
        taps = build(factor)
        sums = [taps[phase::factor].sum() for phase in range(factor)]
        np.testing.assert_allclose(sums, 1.0, atol=1e-14)
        np.testing.assert_allclose(taps, taps[::-1], atol=1e-16)


@pytest.mark.parametrize(
    ("build", "method", "radius"),
    [(filters.nearest, "nearest", 1), (filters.bilinear, "linear", 1), (filters.cubic, "cubic", 2)]
    + [(filters.lanczos, "lanczos3", 3)],
)
@pytest.mark.parametrize("factor", [2, 3])
def test_interpolators_are_the_interior_of_jax_image_resize(build, method, radius, factor):
    x = np.random.default_rng(0).normal(size=12).astype(np.float32)
    taps = build(factor)
    stuffed = np.zeros(12 * factor)
    stuffed[::factor] = x
    start = (len(taps) - factor) // 2
    ours = np.convolve(stuffed, taps)[start : start + len(stuffed)]
    theirs = np.asarray(jax.image.resize(x, (12 * factor,), method))
    inside = slice(radius * factor, -radius * factor)
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=2e-6)


def test_cubic_coefficients():
    # Keys' kernel at t = 1/4, 3/4, 5/4, 7/4 for a = -1/2 and a = -3/4, worked out as fractions of 128 and 256.
    np.testing.assert_array_equal(filters.cubic(2) * 128, [-3, -9, 29, 111, 111, 29, -9, -3])
    np.testing.assert_array_equal(filters.cubic(2, a=-0.75) * 256, [-9, -27, 67, 225, 225, 67, -27, -9])
    assert filters.cubic(1).tolist() == [0.0, 1.0, 0.0]


def test_smoothing_taps_equal_scipy():
    for n in range(1, 12):
        chain = np.ones(1)
        for _ in range(n - 1):
            chain = np.convolve(chain, [0.5, 0.5])
        np.testing.assert_array_equal(filters.binomial(n), chain)
        np.testing.assert_array_equal(filters.box(n), np.full(n, 1 / n))
    for sigma in (0.3, 0.8, 1.0, 2.5):
        taps = filters.gaussian(sigma)
        delta = np.zeros(2 * len(taps) + 1)
        delta[len(taps)] = 1
        response = scipy.ndimage.gaussian_filter1d(delta, sigma)
        centre, radius = len(taps), len(taps) // 2
        np.testing.assert_allclose(taps, response[centre - radius : centre + radius + 1], atol=1e-15)
    np.testing.assert_allclose(filters.gaussian(1.3, radius=2).sum(), 1.0)


def test_kaiser_equals_scipy_firwin():
    for taps in (1, 2, 7, 8, 31, 64):
        for cutoff in (0.1, 1 / 3, 0.5, 0.9):
            for beta in (0.0, 5.0, 8.6):
                want = scipy.signal.firwin(taps, cutoff, window=("kaiser", beta))
                np.testing.assert_allclose(filters.kaiser(taps, cutoff, beta=beta), want, atol=1e-14)
            for width in (0.01, 0.1, 0.3):
                want = scipy.signal.firwin(taps, cutoff * 22.05, width=width * 22.05, fs=44.1)
                ours = filters.kaiser(taps, cutoff * 22.05, width=width * 22.05, fs=44.1)
                np.testing.assert_allclose(ours, want, atol=1e-14)


def test_kaiser_is_finite_up_to_its_limits():
    assert np.isfinite(filters.kaiser(5, 0.3, beta=699.0)).all()
    assert np.isfinite(filters.kaiser(5000, 0.3, width=441 * 2 / 4999)).all()


def test_kaiser_is_the_filter_of_resample_poly():
    x = np.random.default_rng(1).normal(size=50)
    for up, down in [(2, 1), (1, 3), (3, 2), (4, 5)]:
        top = max(up, down)
        half = 10 * top
        taps = filters.kaiser(2 * half + 1, 1 / top) * up
        full = scipy.signal.upfirdn(taps, np.pad(x, 0), up)
        want = scipy.signal.resample_poly(x, up, down)
        np.testing.assert_allclose(full[half::down][: len(want)], want, atol=1e-12)


ORTHOGONAL = ["haar"] + [f"db{n}" for n in range(1, 11)] + [f"sym{n}" for n in range(2, 9)]
SPLINES = ["bior1.1", "bior1.3", "bior1.5", "bior2.2", "bior2.4", "bior2.6", "bior2.8", "bior3.1", "bior3.3"]
BIORTHOGONAL = [*SPLINES, "bior3.5", "bior3.7", "bior3.9", "bior4.4"]


@pytest.mark.parametrize("name", ORTHOGONAL + BIORTHOGONAL)
def test_wavelets_equal_pywavelets(name):
    # PyWavelets' symlet tables carry 12 digits; its Daubechies and spline tables all of them.
    atol = 5e-12 if name.startswith("sym") or name == "bior4.4" else 1e-15
    for ours, theirs in zip(filters.wavelet(name), pywt.Wavelet(name).filter_bank, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("name", ORTHOGONAL + BIORTHOGONAL)
def test_wavelets_reconstruct_perfectly(name):
    bank = filters.wavelet(name)
    size = len(bank.dec_lo)
    low, high = np.convolve(bank.dec_lo, bank.rec_lo), np.convolve(bank.dec_hi, bank.rec_hi)
    delay = np.zeros(2 * size - 1)
    delay[size - 1] = 2
    np.testing.assert_allclose(low + high, delay, atol=1e-13)
    alias = (-1.0) ** np.arange(size)
    aliased = np.convolve(alias * bank.dec_lo, bank.rec_lo) + np.convolve(alias * bank.dec_hi, bank.rec_hi)
    np.testing.assert_allclose(aliased, 0, atol=1e-13)
    if name in ORTHOGONAL:
        np.testing.assert_array_equal(bank.rec_lo, bank.dec_lo[::-1])
        for lag in range(0, size, 2):
            assert abs(bank.dec_lo[lag:] @ bank.dec_lo[: size - lag] - (lag == 0)) < 1e-14


@pytest.mark.parametrize("name", ["db1.0", "db01", "sym4.0", "bior02.2", "bior2.02", "db\u0663", "db2 ", "DB2", "db"])
def test_wavelets_have_one_spelling(name):
    with pytest.raises(ValueError, match="wavelet: no such wavelet; got"):
        filters.wavelet(name)


def test_wavelet_aliases():
    for alias, name in [("5/3", "bior2.2"), ("cdf5/3", "bior2.2"), ("9/7", "bior4.4"), ("haar", "db1")]:
        for a, b in zip(filters.wavelet(alias), filters.wavelet(name), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(filters.wavelet("5/3").dec_lo / 2**0.5 * 8, [0, -1, 2, 6, 2, -1], atol=1e-14)


@pytest.mark.parametrize("build", SIZED)
def test_outer_products(build):
    line, other = build(3), build(4)
    np.testing.assert_array_equal(build((3, 4)), np.multiply.outer(line, other))
    np.testing.assert_array_equal(build(3, ndim=2), build((3, 3)))
    assert build(3, ndim=3).shape == (len(line),) * 3
    assert build(3).dtype == np.float64 and build(np.int64(3)).shape == line.shape


def test_gaussian_per_axis():
    both = filters.gaussian((0.7, 1.5), radius=(2, 4))
    np.testing.assert_array_equal(both, np.multiply.outer(filters.gaussian(0.7, 2), filters.gaussian(1.5, 4)))
    assert filters.gaussian(1.0, radius=3, ndim=2).shape == (7, 7)
    assert filters.gaussian((1.0, 2.0)).shape == (9, 17)


MALFORMED = [
    (lambda: filters.bilinear(2.0), TypeError, r"bilinear: factor must be an integer; got 2\.0, expected an int >= 1"),
    (lambda: filters.bilinear(True), TypeError, r"bilinear: factor must be an integer; got True"),
    (lambda: filters.bilinear("2"), TypeError, r"bilinear: factor .* got '2'.* Fix: factor=2"),
    (lambda: filters.nearest(0), ValueError, r"nearest: factor must be positive; got 0"),
    (lambda: filters.cubic(-1), ValueError, r"cubic: factor must be positive; got -1"),
    (lambda: filters.cubic(2, a=float("nan")), ValueError, r"cubic: a is out of range; got nan"),
    (lambda: filters.lanczos(2, radius=0), ValueError, r"lanczos: radius must be positive"),
    (lambda: filters.lanczos(2, radius=1.5), TypeError, r"lanczos: radius must be an integer; got 1\.5"),
    (lambda: filters.box(()), ValueError, r"box: n names no axis"),
    (lambda: filters.box((2, 2.5)), TypeError, r"box: n must be an integer; got 2\.5"),
    (lambda: filters.binomial(None), TypeError, r"binomial: n must be an integer; got None"),
    (lambda: filters.binomial((2, 2), ndim=3), ValueError, r"binomial: ndim and the length of n differ; got 2 values"),
    (lambda: filters.nearest(2, ndim=0), ValueError, r"nearest: ndim must be positive; got 0"),
    (lambda: filters.gaussian(0.0), ValueError, r"gaussian: sigma is out of range; got 0\.0.*\(0, inf\)"),
    (lambda: filters.gaussian("1"), TypeError, r"gaussian: sigma must be a number; got '1'"),
    (lambda: filters.gaussian(float("inf")), ValueError, r"gaussian: sigma is out of range; got inf"),
    (lambda: filters.gaussian(1.0, radius=2.0), TypeError, r"gaussian: radius must be an integer; got 2\.0"),
    (lambda: filters.gaussian((1.0, 2.0), radius=(1, 2, 3)), ValueError, r"gaussian: .*radius.*"),
    (lambda: filters.kaiser(0, 0.5), ValueError, r"kaiser: taps must be positive"),
    (lambda: filters.kaiser(7, 1.0), ValueError, r"kaiser: cutoff is out of range; got 1\.0.*\(0, 1\)"),
    (lambda: filters.kaiser(7, 0.5, beta=-1.0), ValueError, r"kaiser: beta is out of range"),
    (lambda: filters.kaiser(7, 0.5, beta=1.0, width=0.1), ValueError, r"kaiser: beta and width exclude each other"),
    (lambda: filters.wavelet("db11"), ValueError, r"wavelet: no such wavelet; got 'db11', expected haar, db1"),
    (lambda: filters.kaiser(5, 0.3, beta=1000.0), ValueError, r"kaiser: beta is out of range; got 1000\.0.*, 700\)"),
    (lambda: filters.kaiser(5000, 0.3, width=0.9), ValueError, r"kaiser: width is out of range; got 0\.9.*\(0, 0\.17"),
    (lambda: filters.wavelet("sym2.2"), ValueError, r"wavelet: no such wavelet"),
    (lambda: filters.wavelet("bior2.3"), ValueError, r"wavelet: no such wavelet"),
    (lambda: filters.wavelet(2), TypeError, r"wavelet: name must be a string; got 2"),
]


@pytest.mark.parametrize(("call", "error", "pattern"), MALFORMED)
def test_bad_input(call, error, pattern):
    with pytest.raises(error, match=pattern) as caught:
        call()
    assert re.search(r"; got .*, expected .*\. Fix: .*\.$", str(caught.value))
