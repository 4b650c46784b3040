"""Interpolation, shuffles, pooling and reassembly against torch, values and transposes."""

from fractions import Fraction

import jax
import numpy as np
import pytest

import deconvjax as dj
from tests.folded import evaluate
from tests.tolerance import assert_close

pytestmark = pytest.mark.peers
SIZES = [((4, 5), (8, 15)), ((3, 4), (7, 9)), ((7, 6), (3, 4)), ((8, 9), (4, 3)), ((5, 5), (5, 8)), ((1, 2), (4, 3))]
# torch's name and option, ours. torch smooths only bilinear and bicubic.
MODES = [("nearest-exact", {}, "nearest", {}), ("bilinear", {}, "bilinear", {"border": "edge"}),
         ("bicubic", {}, "cubic", {"border": "edge", "a": -0.75}),
         ("bilinear", {"antialias": True}, "bilinear", {"antialias": True}),
         ("bicubic", {"antialias": True}, "cubic", {"antialias": True})]


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


def first(torch, x):
    """Channels-last NumPy to torch's channels-first."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.asarray(x), -1, 1)))


def last(t):
    return np.moveaxis(t.detach().numpy(), 1, -1)


def test_interpolate_and_its_gradient(torch):
    """torch's antialiased modes drop what lies outside and renormalise; its plain ones clamp."""
    rng = np.random.default_rng(0)
    for n, m in SIZES:
        x = rng.standard_normal((2, *n, 3))
        y = rng.standard_normal((2, *m, 3))
        factor = tuple(Fraction(b, a) for a, b in zip(n, m, strict=True))
        maps = [dj.resize(factor, ours, axes=(-3, -2), **options).on(x) for _, _, ours, options in MODES]
        got = evaluate(lambda maps=maps, x=x, y=y: [(a(x), a.T(y)) for a in maps])
        for (mode, options, *_), (forward, back) in zip(MODES, got, strict=True):
            t = first(torch, x).requires_grad_()
            out = torch.nn.functional.interpolate(t, size=m, mode=mode, **options)
            out.backward(first(torch, y))
            assert_close(forward, last(out), units=64)
            assert_close(back, last(t.grad), units=64)


def test_interpolate_by_a_scale_factor_that_does_not_divide(torch):
    x = np.random.default_rng(1).standard_normal((1, 7, 5, 1))
    for factor in (Fraction(3, 2), Fraction(2, 3), Fraction(5, 4)):
        want = torch.nn.functional.interpolate(first(torch, x), scale_factor=float(factor), mode="bilinear",
                                               recompute_scale_factor=False)
        got = dj.resize(factor, border="edge", axes=(-3, -2))(x)
        assert_close(got, last(want), units=256)  # torch holds 1/scale in floating point


def test_area_is_adaptive_average_pooling_at_whole_factors(torch):
    x = np.random.default_rng(2).standard_normal((2, 6, 4, 3))
    for factor, size in (((Fraction(1, 3), Fraction(1, 2)), (2, 2)), ((2, 3), (12, 12))):
        want = torch.nn.functional.interpolate(first(torch, x), size=size, mode="area")
        assert_close(dj.resize(factor, "area", axes=(-3, -2))(x), last(want), units=32)


def test_pixel_shuffle(torch):
    x = np.random.default_rng(3).standard_normal((2, 3, 4, 18))
    y = dj.pixel_shuffle(3)(x)
    assert np.array_equal(y, last(torch.nn.functional.pixel_shuffle(first(torch, x), 3)))
    assert np.array_equal(dj.pixel_unshuffle(3)(y), last(torch.nn.functional.pixel_unshuffle(first(torch, y), 3)))


def test_pooling(torch):
    rng = np.random.default_rng(4)
    functional = torch.nn.functional
    for window, stride, pad, dilation in ((2, 2, 0, 1), (3, 2, 1, 1), (3, 1, 1, 2), ((2, 3), (2, 1), (1, 0), 1)):
        x = rng.integers(-4, 5, (2, 9, 8, 3)).astype(float)  # with ties
        pads = pad if isinstance(pad, int) else tuple((p, p) for p in pad)
        y, m = dj.max_pool_switches(x, window, stride, pads, dilation=dilation)
        want, index = functional.max_pool2d(first(torch, x), window, stride, pad, dilation, return_indices=True)
        assert np.array_equal(y, last(want)) and np.array_equal(m, last(index))
        for count in (True, False):
            average = dj.average_pool(window, stride, pads, count_include_pad=count)
            stock = functional.avg_pool2d(first(torch, x), window, stride, pad, count_include_pad=count)
            assert_close(average(x), last(stock))


def test_unpool_where_windows_do_not_overlap(torch):
    x = np.random.default_rng(5).standard_normal((2, 7, 6, 3))
    y, m = dj.max_pool_switches(x, 2, 2)
    got = dj.unpool(m, (7, 6))(y)
    want = torch.nn.functional.max_unpool2d(first(torch, y), first(torch, np.asarray(m, np.int64)), 2, 2,
                                            output_size=(7, 6))
    assert np.array_equal(got, last(want))
    t = first(torch, np.asarray(y)).requires_grad_()
    torch.nn.functional.max_unpool2d(t, first(torch, np.asarray(m, np.int64)), 2, 2, output_size=(7, 6)).backward(
        first(torch, x))
    assert np.array_equal(dj.unpool(m, (7, 6)).on(y).T(x), last(t.grad))


def test_carafe_reassembly(torch):
    """CARAFE in torch's own words: unfold the padded input, repeat it to the fine grid, weigh, add; with gradients."""
    rng = np.random.default_rng(6)
    s, k, groups, channels = 2, 5, 2, 6
    x, m = rng.standard_normal((2, 4, 3, channels)), rng.standard_normal((2, 8, 6, k, k, groups))
    v = rng.standard_normal((2, 8, 6, channels))
    xt, mt = first(torch, x).requires_grad_(), torch.from_numpy(m).requires_grad_()
    patches = torch.nn.functional.unfold(xt, k, padding=k // 2).reshape(2, channels, k * k, 4, 3)
    fine = patches.repeat_interleave(s, 3).repeat_interleave(s, 4)
    fine = fine.reshape(2, groups, channels // groups, k * k, 8, 6)
    weights = mt.reshape(2, 8, 6, k * k, groups).permute(0, 4, 3, 1, 2).unsqueeze(2)
    out = (fine * weights).sum(3).reshape(2, channels, 8, 6)
    out.backward(first(torch, v))
    a = dj.reassemble(m, s, groups=groups).on(x)
    assert_close(a(x), last(out), units=64)
    assert_close(a.T(v), last(xt.grad), units=64)
    slope = jax.grad(lambda m: (dj.reassemble(m, s, groups=groups)(x) * v).sum())(m)
    assert_close(slope, mt.grad.numpy(), units=64)
