"""The oracle itself, against NumPy, SciPy, torch and JAX's resize: it may not be wrong, so others judge it."""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

from deconvjax.check import oracle
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)


def ints(*shape):
    return RNG.integers(-9, 10, shape)


def test_the_oracle_imports_nothing_but_numpy():
    allowed = {"__future__", "collections.abc", "fractions", "math", "numpy", "typing"}
    for module in pkgutil.iter_modules(oracle.__path__):
        source = importlib.import_module(f"{oracle.__name__}.{module.name}").__file__
        for node in ast.walk(ast.parse(Path(source).read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(name in allowed or name.startswith(oracle.__name__) for name in names), (source, names)


def test_the_stage_is_its_formula():
    for _ in range(200):
        n, window, dilation = RNG.integers(1, 8), RNG.integers(1, 5), RNG.integers(1, 4)
        up, down, lo, hi = RNG.integers(1, 4), RNG.integers(1, 4), RNG.integers(-5, 9), RNG.integers(-5, 9)
        x, k = ints(n), ints(window)
        dense, reach = (n - 1) * up + 1, (window - 1) * dilation + 1
        out = (dense + lo + hi - reach) // down + 1
        if out < 1:
            continue
        want = [0] * out
        for m, j, i in itertools.product(range(out), range(window), range(n)):
            inside = i * up < dense + min(hi, 0) and i * up >= -min(lo, 0)
            want[m] += int(k[j] * x[i]) * (inside and m * down + j * dilation - lo == i * up)
        got = oracle.stage(x, k, up=up, down=down, lo=lo, hi=hi, dilation=dilation)
        assert got.tolist() == want


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        oracle.stage(ints(3), ints(5))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_convolve_and_correlate_equal_scipy(ndim):
    for trial in range(30):
        x = ints(*RNG.integers(4, 7, ndim))
        q = ints(*RNG.integers(1, 5, ndim))
        if trial % 2:
            x, q = x + 1j * ints(*x.shape), q + 1j * ints(*q.shape)
        for mode in ("full", "same", "valid"):
            want = scipy.signal.convolve(x, q, mode, method="direct")
            np.testing.assert_array_equal(oracle.convolve(x, q, mode), want)
            want = scipy.signal.correlate(x, q, mode, method="direct")
            np.testing.assert_array_equal(oracle.correlate(x, q, mode), want)


def test_border_modes_equal_scipy():
    for _ in range(30):
        x, q = ints(6, 7), ints(*RNG.integers(1, 5, 2))
        for ours, theirs in [("wrap", "wrap"), ("symmetric", "symm")]:
            np.testing.assert_array_equal(oracle.convolve(x, q, ours), scipy.signal.convolve2d(x, q, "same", theirs))
        odd = ints(3, 5)
        for ours, theirs in [("wrap", "wrap"), ("symmetric", "reflect"), ("reflect", "mirror"), ("edge", "nearest")]:
            np.testing.assert_array_equal(oracle.convolve(x, odd, ours), scipy.ndimage.convolve(x, odd, mode=theirs))
            np.testing.assert_array_equal(oracle.correlate(x, odd, ours), scipy.ndimage.correlate(x, odd, mode=theirs))


def test_pad_equals_numpy():
    for size, lo, hi in itertools.product(range(1, 6), range(0, 12, 3), range(0, 12, 4)):
        x = ints(2, size)
        for mode in ("reflect", "symmetric", "edge", "wrap"):
            np.testing.assert_array_equal(oracle.pad(x, (lo, hi), mode), np.pad(x, [(0, 0), (lo, hi)], mode))
        np.testing.assert_array_equal(oracle.pad(x, (lo, hi)), np.pad(x, [(0, 0), (lo, hi)]))
    x = ints(4, 5)
    np.testing.assert_array_equal(oracle.pad(x, ((1, 0), (2, 3)), "wrap"), np.pad(x, ((1, 0), (2, 3)), "wrap"))
    np.testing.assert_array_equal(oracle.pad(x, (-1, 2)), np.pad(x[:, 1:], ((0, 0), (0, 2))))
    np.testing.assert_array_equal(oracle.crop(x, ((1, 0), (2, 3)), axes=(-2, -1)), x[1:, 2:2])
    np.testing.assert_array_equal(oracle.crop(oracle.pad(x, (3, 2)), (3, 2)), x)
    np.testing.assert_array_equal(oracle.shift(x, -2, axes=-2)[:2], x[2:])
    with pytest.raises(ValueError, match="unknown border mode 'mirror'"):
        oracle.pad(x, (1, 1), "mirror")


def test_rates():
    x = ints(2, 7)
    for k in (1, 2, 3):
        up = oracle.upsample(x, k)
        assert up.shape == (2, 7 * k)
        np.testing.assert_array_equal(up[:, ::k], x)
        assert up.sum() == x.sum()
        for phase in range(k):
            np.testing.assert_array_equal(oracle.downsample(x, k, phase=phase), x[:, phase::k])
    np.testing.assert_array_equal(oracle.upsample(x, (2, 3))[::2, ::3], x)
    np.testing.assert_array_equal(oracle.upsample(x, 2, axes=-2)[::2], x)


def test_upfirdn_equals_scipy():
    for _ in range(100):
        x, h, (up, down) = ints(RNG.integers(1, 9)), ints(RNG.integers(1, 9)), RNG.integers(1, 5, 2)
        np.testing.assert_array_equal(oracle.upfirdn(x, h, int(up), int(down)), scipy.signal.upfirdn(h, x, up, down))


def torch_conv(x, kernel, transposed, **options):
    torch = pytest.importorskip("torch")
    ndim = kernel.ndim - 2
    x = torch.from_numpy(np.moveaxis(x, -1, 1).astype(float))
    weight = torch.from_numpy(np.moveaxis(kernel, (-1, -2), (0, 1)).astype(float).copy())
    run = getattr(torch.nn.functional, f"conv{'_transpose' if transposed else ''}{ndim}d")
    return np.moveaxis(run(x, weight, **options).numpy(), 1, -1)


@pytest.mark.peers
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_conv_and_its_transpose_equal_torch(ndim):
    for _ in range(25):
        groups, dilation, stride, pad = (int(v) for v in RNG.integers(1, 3, 4))
        space, window = tuple(RNG.integers(5, 8, ndim)), tuple(RNG.integers(1, 4, ndim))
        kernel = ints(*window, 2, 3 * groups)
        x = ints(2, *space, 2 * groups)
        ours = {"strides": stride, "padding": pad, "kernel_dilation": dilation, "groups": groups}
        theirs = {"stride": stride, "padding": pad, "dilation": dilation, "groups": groups}
        y = oracle.conv(x, kernel, **ours)
        np.testing.assert_array_equal(y, torch_conv(x, kernel, False, **theirs))
        extra = stride - 1
        got = oracle.conv_transpose(y, kernel, output_padding=extra, **ours)
        np.testing.assert_array_equal(got, torch_conv(y, kernel, True, output_padding=extra, **theirs))


@pytest.mark.parametrize("padding", ["SAME", "SAME_LOWER", "VALID", "CIRCULAR", 1, ((0, 2), (1, 1))])
def test_conv_transpose_is_the_transpose_of_conv(padding):
    for stride, dilation, groups in itertools.product((1, 2, 3), (1, 2), (1, 2)):
        kernel, space = ints(2, 3, 2, 2 * groups), (6, 5)
        options = {"strides": stride, "padding": padding, "kernel_dilation": dilation, "groups": groups}
        forward = oracle.matrix(lambda x, k=kernel, o=options: oracle.conv(x, k, **o), (*space, 2 * groups))
        out = oracle.conv(np.zeros((*space, 2 * groups), int), kernel, **options).shape
        options["output_shape"] = space
        backward = oracle.matrix(lambda y, k=kernel, o=options: oracle.conv_transpose(y, k, **o), out)
        np.testing.assert_array_equal(backward, forward.T)


def test_conv_transpose_sizes():
    for n, stride, window in itertools.product(range(1, 5), range(1, 4), range(1, 5)):
        y, kernel = ints(n, 1), ints(window, 1, 1)
        sizes = {"SAME": n * stride, "CIRCULAR": n * stride, "VALID": (n - 1) * stride + window}
        for padding, size in sizes.items():
            assert oracle.conv_transpose(y, kernel, strides=stride, padding=padding).shape == (size, 1)
    y = oracle.conv_transpose(np.array([[1, 2], [3, 4]])[..., None], np.ones((3, 3, 1, 1), int), strides=2)
    assert y[..., 0].tolist() == [[1, 1, 3, 2], [1, 1, 3, 2], [4, 4, 10, 6], [3, 3, 7, 4]]


def test_conv_pads_as_jax_and_flax_do():
    for n, window, stride, dilation in itertools.product((5, 6), (1, 2, 3, 4), (1, 2, 3), (1, 2)):
        x, kernel = ints(1, n, 2), ints(window, 2, 3)
        options = {"strides": stride, "kernel_dilation": dilation}
        reach = (window - 1) * dilation + 1
        for same in ("SAME", "SAME_LOWER"):
            pads = jax.lax.padtype_to_pads((n,), (reach,), (stride,), same)
            want = oracle.conv(x, kernel, padding=pads, **options)
            np.testing.assert_array_equal(oracle.conv(x, kernel, padding=same, **options), want)
        wrapped = np.pad(x, ((0, 0), ((reach - 1) // 2, reach // 2), (0, 0)), "wrap")  # flax.linen.Conv
        want = oracle.conv(wrapped, kernel, padding="VALID", **options)
        np.testing.assert_array_equal(oracle.conv(x, kernel, padding="CIRCULAR", **options), want)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic", "lanczos3"])
def test_resize_equals_jax(method):
    names = {"bilinear": "linear"}
    for n, factor in [(5, 2), (8, Fraction(3, 2)), (9, Fraction(2, 3))]:
        x = RNG.normal(size=(2, n))
        got = oracle.resize(x, factor, method)
        want = jax.image.resize(x, got.shape, names.get(method, method), antialias=False)
        assert_close(got, want)


@pytest.mark.peers
def test_resize_with_edge_equals_torch():
    torch = pytest.importorskip("torch")
    x = RNG.normal(size=(1, 1, 6, 5))
    for factor, (method, theirs, a) in itertools.product(
        (2, 3), [("bilinear", "bilinear", 0), ("cubic", "bicubic", -0.75), ("nearest", "nearest-exact", 0)]
    ):
        got = oracle.resize(oracle.resize(x, factor, method, border="edge", a=a), factor, method, border="edge",
                            axis=-2, a=a)
        want = torch.nn.functional.interpolate(torch.from_numpy(x), scale_factor=factor, mode=theirs)
        assert_close(got, want.numpy(), units=32)  # torch rounds the coordinates, too
    area = oracle.resize(x, Fraction(1, 2), "area", axis=-2)
    want = torch.nn.functional.interpolate(torch.from_numpy(x), size=(3, 5), mode="area")
    assert_close(area, want.numpy())


def test_resize_with_zero_is_the_transposed_bilinear_convolution():
    x = RNG.normal(size=6)
    for f in (2, 3, 4):
        size = 2 * f - f % 2
        kernel = 1 - np.abs(np.arange(size) - (size - 1) / 2) / f
        pad = -(-(f - 1) // 2)
        want = oracle.conv_transpose(x[:, None], kernel[:, None, None], strides=f, padding=pad)[:, 0]
        assert_close(oracle.resize(x, f, border="zero"), want)


@pytest.mark.peers
def test_pooling_equals_torch():
    torch = pytest.importorskip("torch")
    x = ints(2, 7, 6, 3)
    channels_first = torch.from_numpy(np.moveaxis(x, -1, 1).astype(float))
    for window, stride, pad, inside in itertools.product((2, 3), (1, 2), (0, 1), (True, False)):
        got = oracle.average_pool(x, window, stride, pad, inside, ndim=2)
        want = torch.nn.functional.avg_pool2d(channels_first, window, stride, pad, count_include_pad=inside)
        assert_close(got, np.moveaxis(want.numpy(), 1, -1))
        values, switches = oracle.max_pool(x, (window, window), stride, pad)
        want, places = torch.nn.functional.max_pool2d(channels_first, window, stride, pad, return_indices=True)
        np.testing.assert_array_equal(values, np.moveaxis(want.numpy(), 1, -1))
        np.testing.assert_array_equal(switches, np.moveaxis(places.numpy(), 1, -1))
    values, switches = oracle.max_pool(x, (2, 2))
    back = oracle.unpool(values, switches, (7, 6))
    want = torch.nn.functional.max_unpool2d(*torch.nn.functional.max_pool2d(channels_first, 2, return_indices=True), 2,
                                            output_size=(7, 6))
    np.testing.assert_array_equal(back, np.moveaxis(want.numpy(), 1, -1))


def test_pixel_shuffle_orders():
    x = ints(2, 3, 4, 12)
    crd = x.reshape(2, 3, 4, 3, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(2, 6, 8, 3)
    dcr = x.reshape(2, 3, 4, 2, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(2, 6, 8, 3)
    for order, want in [("CRD", crd), ("DCR", dcr)]:
        np.testing.assert_array_equal(oracle.pixel_shuffle(x, 2, order=order), want)
        np.testing.assert_array_equal(oracle.pixel_unshuffle(want, 2, order=order), x)
    assert oracle.pixel_shuffle(ints(5, 6), 3, ndim=1).shape == (15, 2)


def test_reassemble_with_constant_weights_is_upsampling_and_correlation():
    x, k = ints(5, 4, 2), ints(3, 3)
    weights = np.broadcast_to(k, (10, 8, 3, 3))
    repeated = np.repeat(np.repeat(oracle.conv(x, k[..., None, None] * np.eye(2, dtype=int)), 2, 0), 2, 1)
    np.testing.assert_array_equal(oracle.reassemble(x, weights, 2), repeated)


def test_matrix():
    got = oracle.matrix(lambda x: oracle.downsample(x, 2), (4,))
    assert got.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    shape = (2, 3)
    weights = ints(4, 6)
    np.testing.assert_array_equal(oracle.matrix(lambda x: x.reshape(-1, 6) @ weights.T, shape), weights)
