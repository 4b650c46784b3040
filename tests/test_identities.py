"""Identities of the field, each against something that is not this library: SciPy, PyWavelets, JAX, loops, literals.

The numbers are those of the research table that the design cites. Names say the identity, docstrings the formula.
"""

from fractions import Fraction

import jax
import numpy as np
import pytest
import pywt
import scipy.linalg
import scipy.signal

import deconvjax as dj
from deconvjax import filters
from tests import numpy_eval
from tests.folded import evaluate, matrices
from tests.tolerance import assert_close


def f64(*shape):
    return jax.ShapeDtypeStruct(shape, np.float64)


# 1, 2, 16: upfirdn ---------------------------------------------------------------------------------------------------
def test_1_the_adjoint_of_upfirdn_is_an_upfirdn():
    """(up u, down d, pad p0, p1, f)' = (up d, down u, pad w-1-p0, n u - m d + p0 - u + 1, f reversed), n in, m out."""
    rng = np.random.default_rng(1)
    forward, backward = [], []
    while len(forward) < 120:
        u, d, w, n = (int(k) for k in (rng.integers(1, 5), rng.integers(1, 5), rng.integers(1, 8), rng.integers(1, 12)))
        p0, p1 = (int(p) for p in rng.integers(-3, 7, 2))
        m = (n * u + p0 + p1 - w) // d + 1  # this formula's stuffed signal has length n*u
        if m < 1:
            continue
        f = rng.integers(-4, 5, w)
        forward.append(dj.upfirdn(f, u, d, (p0, p1 + u - 1)).on(f64(n)))
        q0, q1 = w - 1 - p0, n * u - m * d + p0 - u + 1
        backward.append(dj.upfirdn(f[::-1], d, u, (q0, q1 + d - 1)).on(f64(m)))
        assert backward[-1].codomain.shape == (n,) and forward[-1].T.codomain.shape == (n,)
    for a, b in zip(forward, backward, strict=True):
        want = numpy_eval.matrix(a).T
        assert np.array_equal(numpy_eval.matrix(b), want) and np.array_equal(numpy_eval.matrix(a.T), want)


def test_2_scipy_upfirdn_is_the_padding_called_full():
    """len = ceil(((n-1) u + len h)/d)."""
    rng = np.random.default_rng(2)
    draws = [(rng.standard_normal(int(rng.integers(1, 9))), int(rng.integers(1, 6)), int(rng.integers(1, 6)),
              rng.standard_normal(int(rng.integers(1, 14)))) for _ in range(60)]
    got = evaluate(lambda: [dj.upfirdn(h, u, d)(x) for h, u, d, x in draws])
    for (h, u, d, x), y in zip(draws, got, strict=True):
        assert_close(y, scipy.signal.upfirdn(h, x, u, d))


def test_16_resample_poly_is_one_upfirdn():
    """firwin(2*10*max(u, d) + 1, 1/max(u, d), Kaiser 5) * u, its delay cropped."""
    x, maps, wanted = np.random.default_rng(16).standard_normal(97), [], []
    for up, down in ((2, 1), (1, 3), (3, 2), (160, 147), (4, 6)):
        u, d = Fraction(up, down).as_integer_ratio()
        half = 10 * max(u, d)
        h = scipy.signal.firwin(2 * half + 1, 1 / max(u, d), window=("kaiser", 5.0)) * u
        out = -(-len(x) * u // d)
        high = (out - 1) * d + 1 + half - ((len(x) - 1) * u + 1)
        maps.append(dj.upfirdn(h, u, d, (half, high)))
        wanted.append(scipy.signal.resample_poly(x, up, down))
    for got, want in zip(evaluate(lambda: [a(x) for a in maps]), wanted, strict=True):
        assert_close(got, want, units=32)


# 3, 4, 5: three upsamplers that are one transposed convolution -------------------------------------------------------
@pytest.mark.parametrize("s", [2, 3, 4])
@pytest.mark.parametrize("k", [3, 5])
def test_3_nearest_then_convolution_is_one_transposed_convolution(s, k):
    """nearest by s, conv by K (pad k//2) = conv_transpose by ones(s) * reversed K, size k+s-1, stride s, pad k//2."""
    rng = np.random.default_rng(s * k)
    kernel = rng.integers(-4, 5, (k, k, 2, 3))
    two = dj.conv(kernel, padding=k // 2) @ dj.resize(s, "nearest", axes=(-3, -2))
    ones = np.ones((s, s), int)
    turned = np.stack([[scipy.signal.convolve2d(kernel[::-1, ::-1, c, o], ones) for c in range(2)] for o in range(3)])
    one = dj.conv_transpose(turned.transpose(2, 3, 0, 1), strides=s, padding=k // 2)  # (*window, out, in) of `two`
    assert one.taps.shape[:2] == (k + s - 1,) * 2
    a, b = matrices([two.on(f64(3, 2, 2)), one.on(f64(3, 2, 2))])
    assert np.array_equal(a, b)


def test_3_in_one_dimension_by_hand():
    """Repeat by 2, then (q0, q1, q2) = one transposed convolution with (q0, q0+q1, q1+q2, q2)."""
    q0, q1, q2 = 2, 5, 11
    a, b = matrices([(dj.convolve([q0, q1, q2]) @ dj.resize(2, "nearest", axes=-1)).on(f64(4)),
                     (dj.crop((1, 1)) @ dj.upfirdn([q0, q0 + q1, q1 + q2, q2], 2)).on(f64(4))])
    assert np.array_equal(a, b)


@pytest.mark.parametrize(("k", "r"), [(3, 2), (1, 3), (5, 2), (3, 3)])
def test_4_convolution_then_pixel_shuffle_is_one_transposed_convolution(k, r):
    """conv to C r^2 channels, then pixel_shuffle(r) = conv_transpose of window r k, stride r, pad r (k//2)."""
    kernel = np.random.default_rng(k * r).integers(-4, 5, (k, k, 2, 3 * r * r))
    two = dj.pixel_shuffle(r) @ dj.conv(kernel, padding=k // 2)
    phases = kernel.reshape(k, k, 2, 3, r, r)
    interleaved = np.zeros((r * k, r * k, 3, 2), int)  # stamp of x[n]: y[r n + r j' + u] with j' = k-1-j, the flip
    for i in range(r):
        for j in range(r):
            interleaved[i::r, j::r] = phases[::-1, ::-1, :, :, i, j].transpose(0, 1, 3, 2)
    one = dj.conv_transpose(interleaved, strides=r, padding=r * (k // 2))
    a, b = matrices([two.on(f64(2, 3, 2)), one.on(f64(2, 3, 2))])
    assert np.array_equal(a, b)


@pytest.mark.parametrize("r", [2, 3])
def test_5_icnr_weights_make_it_a_nearest_upsampling(r):
    """Sub-pixel weights repeated r^2 times: pixel_shuffle(conv x) = nearest(conv x) (ICNR, Aitken et al. 2017)."""
    kernel = np.random.default_rng(r).integers(-4, 5, (3, 3, 2, 2))
    subpixel = dj.pixel_shuffle(r) @ dj.conv(np.repeat(kernel, r * r, axis=-1))
    nearest = dj.resize(r, "nearest", axes=(-3, -2)) @ dj.conv(kernel)
    a, b = matrices([subpixel.on(f64(3, 2, 2)), nearest.on(f64(3, 2, 2))])
    assert np.array_equal(a, b)


# 6, 7, 8, 9, 10: bilinear --------------------------------------------------------------------------------------------
def bilinear_deconvolution(f):
    """FCN's and Caffe's: kernel 2f - f%2, stride f, pad ceil((f-1)/2); on one channel."""
    kernel = filters.bilinear(f)[:, None, None]
    return dj.conv_transpose(kernel, strides=f, padding=-(-(f - 1) // 2), output_padding=0)


@pytest.mark.parametrize("f", [2, 3, 4, 8, 16, 32])
def test_6_the_bilinear_deconvolution_is_half_pixel_bilinear_inside_and_zero_padded_outside(f):
    x = np.random.default_rng(f).standard_normal((5, 1))
    deconvolution = bilinear_deconvolution(f)
    y, padded, zero, edge, stock = evaluate(lambda: (
        deconvolution(x), (dj.crop((f, f), axes=-2) @ deconvolution @ dj.pad((1, 1), "edge", axes=-2))(x),
        dj.resize(f, border="zero", axes=-2)(x), dj.resize(f, border="edge", axes=-2)(x),
        jax.image.resize(x, (5 * f, 1), "linear")))
    assert y.shape == (5 * f, 1)
    assert_close(y, zero)  # the same map: FCN's border is a border of zeros
    inside = slice(f // 2 + f % 2, 5 * f - f // 2 - f % 2)
    assert_close(y[inside], stock[inside])
    assert np.abs(y - stock).max() > 0.05  # and at the border it is not
    assert_close(edge, stock)
    assert_close(padded, stock)


def test_7_stylegans_1331_is_the_bilinear_kernel():
    """[1, 3, 3, 1]/8 with gain 2 is [.25, .75, .75, .25], and its outer product FCN's 4x4."""
    taps = np.array([1, 3, 3, 1]) / 8 * 2
    assert taps.tolist() == filters.bilinear(2).tolist() == [0.25, 0.75, 0.75, 0.25]
    assert filters.bilinear(2, ndim=2)[:2, :2].tolist() == [[0.0625, 0.1875], [0.1875, 0.5625]]


def test_8_blurpool_is_a_quarter_of_the_transposed_bilinear_deconvolution():
    """[1, 3, 3, 1]/8 on both axes, zero pad (1, 2), stride 2 = bilinear x2 deconvolution, transposed, over 4."""
    taps = np.array([1, 3, 3, 1]) / 8
    kernel = np.multiply.outer(taps, taps)[..., None, None]
    blur = dj.conv(kernel, strides=2, padding=((1, 1), (1, 1))).on(f64(6, 8, 1))
    up = dj.conv_transpose(filters.bilinear(2, ndim=2)[..., None, None], strides=2, padding=1).on(f64(3, 4, 1))
    a, b = matrices([blur, up.T])
    assert np.array_equal(a, b / 4)


def spread(taps, s):
    """DC gains of the polyphase parts, sum_j h[s j + r]."""
    return [taps[r::s].sum() for r in range(s)]


def test_9_and_10_no_checkerboard_means_equal_polyphase_sums():
    """sum_j h[s j + r] equal for all r <=> H(2 pi m/s) = 0, m = 1 ... s-1; k divisible by s is neither."""
    rng = np.random.default_rng(9)
    random4 = rng.standard_normal(4)
    nearest = np.convolve(rng.standard_normal(3), filters.nearest(2))
    cases = ((np.ones(3), 2, False), (random4, 2, False), (filters.bilinear(3), 3, True), (nearest, 2, True))
    images_of_ones = evaluate(lambda: [dj.upfirdn(taps, s)(np.ones(12)) for taps, s, _ in cases])
    for (taps, s, clean), constant in zip(cases, images_of_ones, strict=True):
        gains = np.array(spread(taps, s))
        n = np.arange(len(taps))
        images = [abs((taps * np.exp(-2j * np.pi * m / s * n)).sum()) for m in range(1, s)]
        assert (np.ptp(gains) < 1e-12) == clean == (max(images) < 1e-12)
        assert (np.ptp(constant[2 * s:-3 * s]) < 1e-12) == clean
    assert spread(np.ones(3), 2) == [2, 1] and len(filters.bilinear(3)) % 3 and len(random4) % 2 == 0


# 11, 12 --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("n", "k"), [(12, 2), (12, 3), (20, 4)])
def test_11_the_gram_of_blur_and_decimate_is_a_low_rate_convolution(n, k):
    """A = down_k h* (circular): A A' is circulant, its first column the autocorrelation of h kept every k-th."""
    h = np.random.default_rng(n * k).integers(-4, 5, 5)
    a = (dj.downsample(k) @ dj.convolve(h, "wrap")).on(f64(n))
    gram, = matrices([a @ a.T])
    wide = np.zeros(n)
    wide[:5] = h
    spectrum = np.fft.fft(wide)
    autocorrelation = np.fft.ifft(abs(spectrum) ** 2).real[::k]
    assert_close(gram, scipy.linalg.circulant(autocorrelation), scale=200.0)
    # so the proximal point of a super-resolution takes one FFT at the low rate
    y, z, g = np.arange(n // k) * 1.0, np.cos(np.arange(n)), 0.3
    m, = matrices([a])
    b = m.T @ y + z / g
    low = np.fft.ifft(np.fft.fft(m @ b) / (np.fft.fft(autocorrelation) + 1 / g)).real
    assert_close(g * (b - m.T @ low), np.linalg.solve(m.T @ m + np.eye(n) / g, b), units=1e4)


def test_12_unpooling_transposes_the_gather_and_pooling_undoes_it():
    rng = np.random.default_rng(12)
    x = rng.standard_normal((6, 4, 2))
    values, switches = dj.max_pool_switches(x, 2, 2)
    a = dj.unpool(switches, (6, 4)).on(values)
    shuffle = dj.pixel_shuffle(2).on(f64(2, 3, 8))
    spreads, gathers, m = matrices([a, a.T, shuffle.T @ shuffle])
    assert np.array_equal(spreads, gathers.T) and np.array_equal(m, np.eye(48))
    y = np.abs(np.asarray(values))
    gathered, again = evaluate(lambda: (a.T(x), dj.max_pool_switches(a(y), 2, 2)[0]))
    assert np.array_equal(gathered, values) and np.array_equal(again, y)  # pool(unpool(y)) = y for y >= 0


# 14 ------------------------------------------------------------------------------------------------------------------
BURT = np.array([1, 4, 6, 4, 1]) / 16


def pyramid_down(image):
    """The pyramid of Burt and Adelson: mirrored by two, 5x5 outer product, every other sample; by loops."""
    z = np.pad(image, 2, mode="reflect")
    out = np.zeros([-(-n // 2) for n in image.shape])
    for i, j in np.ndindex(*out.shape):
        out[i, j] = (np.multiply.outer(BURT, BURT) * z[2 * i:2 * i + 5, 2 * j:2 * j + 5]).sum()
    return out


def pyramid_up(image):
    """Its expansion: mirrored below, edge above, zeros between the samples, 4 times the same kernel; by loops."""
    z = np.pad(np.pad(image, ((1, 0), (1, 0)), mode="reflect"), ((0, 1), (0, 1)), mode="edge")
    stuffed = np.zeros([2 * n for n in z.shape])
    stuffed[::2, ::2] = z
    out = np.zeros([2 * n for n in image.shape])
    for i, j in np.ndindex(*out.shape):
        out[i, j] = 4 * (np.multiply.outer(BURT, BURT) * stuffed[i:i + 5, j:j + 5]).sum()
    return out


def test_14_the_pyramid_goes_up_as_four_times_the_transpose_of_down_but_only_inside():
    image = np.random.default_rng(14).standard_normal((10, 8))
    down = dj.downsample((2, 2)) @ dj.convolve(np.multiply.outer(BURT, BURT), "reflect")
    small = pyramid_down(image)
    grow = (4 * dj.upfirdn(np.multiply.outer(BURT, BURT), (2, 2), padding=((0, 1), (0, 1)))
            @ dj.pad(((0, 1), (0, 1)), "edge") @ dj.pad(((1, 0), (1, 0)), "reflect"))
    got, grown, transposed = evaluate(lambda: (down(image), grow(small), 4 * down.on(image).T(small)))
    assert_close(got, small)
    assert_close(grown, pyramid_up(small))
    assert_close(transposed[4:-4, 3:-3], grown[4:-4, 3:-3])
    assert np.abs(transposed - grown).max() > 0.1


# 15 ------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["haar", "db2", "db3", "sym4", "bior2.2", "bior3.3"])
def test_15_wavelets(name):
    """dwt "zero" = convolution, then phase 1; periodised: the inverse is the transpose for orthogonal wavelets only."""
    bank, x = pywt.Wavelet(name), np.random.default_rng(15).standard_normal(24)
    bands = [np.array(bank.dec_lo), np.array(bank.dec_hi)]
    zero = dj.stack([dj.downsample(2, phase=1) @ dj.convolve(h, "full") for h in bands])
    circular = dj.stack([dj.downsample(2, phase=1) @ dj.convolve(h, "wrap") for h in bands]).on(x)
    halves = x[:12], x[12:]
    first, second, back = evaluate(lambda: (zero(x), circular(x), circular.T(halves)))
    stock = (*pywt.dwt(x, name, "zero"), *pywt.dwt(x, name, "periodization"))
    for got, want in zip((*first, *second), stock, strict=True):
        assert_close(got, want, scale=4.0)
    inverse = pywt.idwt(*halves, name, mode="periodization")
    assert (np.abs(back - inverse).max() < 1e-11) == bank.orthogonal  # PyWavelets' tables hold 12 digits
    assert np.abs(pywt.idwt(*second, name, mode="periodization") - x).max() < 1e-11


# 17 ------------------------------------------------------------------------------------------------------------------
def test_17_which_names_of_jax_image_resize_agree_with_which():
    """Linear either way is bilinear; "cubic-pytorch" is a = -0.75 with an edge, but smoothed it is "cubic"."""
    x, shape = np.random.default_rng(17).standard_normal((4, 7)), (4, 21)
    ours = evaluate(lambda: (
        dj.resize(3, axes=-1)(x), dj.resize(3, border="edge", axes=-1)(x), dj.resize(3, axes=-1)(x),
        dj.resize(3, "cubic", border="edge", a=-0.75, axes=-1)(x), dj.resize(3, "cubic", axes=-1)(x),
        dj.resize(3, "nearest", axes=-1)(x)))
    stock = evaluate(lambda: [jax.image.resize(x, shape, method, antialias=smooth) for method, smooth in (
        ("linear", True), ("linear", False), ("linear", False), ("cubic-pytorch", False), ("cubic-pytorch", True),
        ("nearest", True))])
    for got, want in zip(ours, stock, strict=True):
        assert_close(got, want, units=32)
    assert np.abs(ours[3] - ours[4]).max() > 0.05
