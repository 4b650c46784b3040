"""upfirdn2d and its wrappers against the definition, step by step in NumPy; identities with FCN and BlurPool."""

import numpy as np
import pytest

import deconvjax as dj
from deconvjax import filters
from deconvjax.compat import stylegan
from deconvjax.errors import ShapeError
from tests.tolerance import assert_close


def reference(x, f, up, down, pads, flip_filter, gain):
    """Zeros after every sample, pad or crop, true convolution, every down-th sample."""
    f = np.outer(f, f) if f.ndim == 1 else f
    x0, x1, y0, y1 = pads
    n, c, h, w = x.shape
    z = np.zeros((n, c, h * up[1], w * up[0]))
    z[:, :, ::up[1], ::up[0]] = x
    z = np.pad(z, ((0, 0), (0, 0), (max(y0, 0), max(y1, 0)), (max(x0, 0), max(x1, 0))))
    z = z[:, :, max(-y0, 0):z.shape[2] - max(-y1, 0), max(-x0, 0):z.shape[3] - max(-x1, 0)]
    k = gain * (f if flip_filter else f[::-1, ::-1])
    windows = np.lib.stride_tricks.sliding_window_view(z, k.shape, (2, 3))
    return np.einsum("nchwij,ij->nchw", windows, k)[:, :, ::down[1], ::down[0]]


@pytest.mark.parametrize("up, down, pads, flip, gain, separable", [
    ((1, 1), (1, 1), (0, 0, 0, 0), False, 1, False), ((2, 3), (1, 2), (2, 1, 3, -1), False, 4, False),
    ((2, 2), (1, 1), (2, 1, 2, 1), True, 4, True), ((1, 1), (2, 3), (-1, 2, 1, 0), False, 1, True),
    ((3, 1), (2, 2), (1, 4, 0, 2), True, 0.25, False),
])
def test_upfirdn2d(up, down, pads, flip, gain, separable):
    rng = np.random.default_rng(0)
    x, f = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=4 if separable else (3, 4))
    got = stylegan.upfirdn2d(f, up, down, pads, flip, gain)(x)
    assert_close(got, reference(x, f, up, down, pads, flip, gain), units=64)


@pytest.mark.parametrize("taps, factor", [(4, 2), (3, (3, 2)), (5, (2, 3))])
def test_wrappers(taps, factor):
    """Pads of the wrappers: size times or by the factor, gain so that means are kept."""
    f = stylegan.setup_filter(np.arange(1.0, taps + 1))
    x = np.random.default_rng(1).normal(size=(1, 2, 6, 6))
    (u, v), k = (factor, factor) if isinstance(factor, int) else factor, len(f)
    up = stylegan.upsample2d(f, factor)(x)
    pads = ((k + u - 1) // 2, (k - u) // 2, (k + v - 1) // 2, (k - v) // 2)
    assert up.shape == (1, 2, 6 * v, 6 * u)
    assert_close(up, reference(x, f, (u, v), (1, 1), pads, False, u * v), units=64)
    down = stylegan.downsample2d(f, factor)(x)
    pads = ((k - u + 1) // 2, (k - u) // 2, (k - v + 1) // 2, (k - v) // 2)
    assert down.shape == (1, 2, 6 // v, 6 // u)
    assert_close(down, reference(x, f, (1, 1), (u, v), pads, False, 1), units=64)
    pads = (k // 2, (k - 1) // 2) * 2
    assert_close(stylegan.filter2d(f)(x), reference(x, f, (1, 1), (1, 1), pads, False, 1), units=64)


def test_setup_filter():
    assert_close(stylegan.setup_filter([1, 3, 3, 1]), np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64)
    assert stylegan.setup_filter(np.ones(8)).shape == (8,)
    assert stylegan.setup_filter([1, 2], gain=4, normalize=False).tolist() == [[4, 8], [8, 16]]
    assert stylegan.setup_filter(np.arange(8.0), flip_filter=True, gain=4, normalize=False)[0] == 14
    assert stylegan.setup_filter(None).tolist() == [[1]]


def test_the_1331_upsampler_is_fcns_bilinear_kernel():
    f = 4 * stylegan.setup_filter([1, 3, 3, 1])
    assert_close(f, np.outer(filters.bilinear(2), filters.bilinear(2)))


def test_blurpool_is_a_quarter_of_the_bilinear_deconvolutions_transpose():
    down = stylegan.downsample2d(stylegan.setup_filter([1, 3, 3, 1])).on((6, 8))
    kernel = np.outer(filters.bilinear(2), filters.bilinear(2))[..., None, None]
    up = dj.conv_transpose(kernel, strides=2, padding=((1, 1), (1, 1))).on((3, 4, 1))
    assert_close(down.matrix(), np.asarray(up.T.matrix()) / 4)


def test_the_filter_can_be_learned():
    """The original has no gradient of the filter; here it is that of any stage."""
    import jax
    x = np.random.default_rng(2).normal(size=(1, 1, 4, 4))
    gradient = jax.grad(lambda f: (stylegan.upsample2d(f)(x) ** 2).sum())(jax.numpy.ones((4, 4)) / 16)
    assert gradient.shape == (4, 4) and float(abs(gradient).sum()) > 0


@pytest.mark.parametrize("build, pattern", [
    (lambda: stylegan.upfirdn2d(np.ones((2, 2, 2))), r"one or two axes"),
    (lambda: stylegan.upfirdn2d([1], up=0), r"up must be positive"),
    (lambda: stylegan.upfirdn2d([1], padding=(1, 2, 3)), r"padding has the wrong number"),
    (lambda: stylegan.upfirdn2d(np.ones(9)).on((1, 1, 4, 4)), r"too short"),
    (lambda: stylegan.setup_filter(np.ones((1, 1, 1))), r"one or two axes"),
])
def test_what_upfirdn2d_refuses(build, pattern):
    with pytest.raises((ShapeError, ValueError), match=pattern):
        build()
