"""convolve, correlate and upfirdn are SciPy's, in every mode they share."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

import deconvjax as dj
from tests.folded import evaluate
from tests.tolerance import assert_close

SHAPES = {1: [(7,), (2,)], 2: [(4, 5), (1, 3)], 3: [(3, 4, 2)]}
WINDOWS = {1: [(1,), (2,), (3,), (4,), (5,)], 2: [(2, 3), (3, 3), (1, 4)], 3: [(2, 1, 3), (3, 2, 2)]}
KINDS = ("real", "complex taps", "complex", "integer")


def draw(rng, shape, kind):
    whole = rng.integers(-9, 10, shape)
    if kind == "integer":
        return whole
    return whole + 1j * rng.integers(-9, 10, shape) if kind == "complex" else whole * 1.0


def signals(ndim):
    rng = np.random.default_rng(ndim)
    for shape, window, kind in itertools.product(SHAPES[ndim], WINDOWS[ndim], KINDS):
        taps = draw(rng, window, "complex" if kind.startswith("complex") else kind)
        yield draw(rng, shape, "real" if kind == "complex taps" else kind), taps


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_every_mode(name, ndim):
    """The same values, whole numbers being exact in every dtype, and the same dtype."""
    cases = [(x, taps, mode) for x, taps in signals(ndim) for mode in ("full", "same", "valid")
             if mode != "valid" or all(n >= k for n, k in zip(x.shape, taps.shape, strict=True))]
    assert len(cases) >= 16
    ours = evaluate(lambda: [getattr(dj, name)(taps, mode)(x) for x, taps, mode in cases])
    for (x, taps, mode), got in zip(cases, ours, strict=True):
        want = getattr(scipy.signal, name)(x, taps, mode, method="direct")
        assert got.dtype == want.dtype and np.array_equal(got, want), (x.shape, taps.shape, mode)


def test_filters_act_along_any_axis_of_an_array():
    x = np.random.default_rng(0).normal(size=(3, 5, 4))
    q = np.array([1.0, -2.0, 4.0, 0.5])
    along = evaluate(lambda: [dj.convolve(q, "symmetric", axes=axis)(x) for axis in (-1, -2, -3)])
    for axis, got in zip((-1, -2, -3), along, strict=True):
        want = np.apply_along_axis(lambda v: scipy.signal.convolve(np.pad(v, (2, 1), "symmetric"), q, "valid"), axis, x)
        assert_close(got, want)


BORDERS = {"wrap": "wrap", "reflect": "mirror", "symmetric": "reflect", "edge": "nearest"}  # ours: scipy.ndimage's


@pytest.mark.parametrize("ours", BORDERS)
def test_borders(ours):
    rng = np.random.default_rng(5)
    cases = [(rng.normal(size=shape), rng.normal(size=window)) for shape, window in [
        ((7,), (3,)), ((4,), (7,)), ((2,), (5,)), ((5, 6), (3, 5)), ((3, 2, 4), (3, 1, 3))]]
    got = evaluate(lambda: [(dj.convolve(q, ours)(x), dj.correlate(q, ours)(x)) for x, q in cases])
    for (x, q), (convolved, correlated) in zip(cases, got, strict=True):
        assert_close(convolved, scipy.ndimage.convolve(x, q, mode=BORDERS[ours]), units=64)
        assert_close(correlated, scipy.ndimage.correlate(x, q, mode=BORDERS[ours]), units=64)


@pytest.mark.parametrize("ours, theirs", [("wrap", "wrap"), ("symmetric", "symm")])
def test_borders_with_even_windows(ours, theirs):
    rng = np.random.default_rng(6)
    cases = [(rng.normal(size=(5, 6)), rng.normal(size=window)) for window in [(2, 2), (4, 3), (3, 4)]]
    got = evaluate(lambda: [dj.convolve(q, ours)(x) for x, q in cases])
    for (x, q), mine in zip(cases, got, strict=True):
        assert_close(mine, scipy.signal.convolve2d(x, q, "same", theirs), units=64)


def test_upfirdn():
    rng = np.random.default_rng(7)
    cases = []
    for n, k, up, down in itertools.product((1, 4, 7), (1, 2, 3, 6), (1, 2, 3), (1, 2, 5)):
        kind = KINDS[(n + k + up + down) % 4]
        taps = draw(rng, (k,), "complex" if kind.startswith("complex") else kind)
        cases.append((draw(rng, (2, n), "real" if kind == "complex taps" else kind), taps, up, down))
    ours = evaluate(lambda: [dj.upfirdn(taps, up, down)(x) for x, taps, up, down in cases])
    for (x, taps, up, down), got in zip(cases, ours, strict=True):
        assert np.array_equal(got, scipy.signal.upfirdn(taps, x, up, down))


def test_upfirdn_in_two_and_three_dimensions_is_one_axis_after_another():
    rng = np.random.default_rng(8)
    x = rng.integers(-9, 10, (4, 3, 5)).astype(float)
    h = [rng.integers(1, 5, k).astype(float) for k in (3, 2, 4)]
    up, down = (2, 1, 3), (1, 2, 2)
    cube = np.einsum("i,j,k->ijk", *h)
    flat = dj.upfirdn(cube[:, :, 0], up[:2], down[:2])
    volume, image = evaluate(lambda: (dj.upfirdn(cube, up, down)(x), flat(x[..., 0])))
    want = x
    for axis in range(3):
        want = scipy.signal.upfirdn(h[axis], want, up[axis], down[axis], axis=axis)
    assert np.array_equal(volume, want)
    want = h[2][0] * x[..., 0]
    for axis in range(2):
        want = scipy.signal.upfirdn(h[axis], want, up[axis], down[axis], axis=axis)
    assert np.array_equal(image, want)
