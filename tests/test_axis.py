"""The integers of one axis against matrices written from the definition: sizes, transposes, fusions, alignments."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from deconvjax import ShapeError
from deconvjax.axis import Axis, Rate, compose_alignment, fuse, same_padding


@pytest.fixture
def rng():
    return np.random.default_rng(20160923)


def matrix(axis: Axis, taps: np.ndarray) -> np.ndarray:
    """M[n, m] = sum_j k[j] where n*down + j*dilation - lo == m*up."""
    full = np.zeros((axis.out, axis.size), taps.dtype)
    for n, j in itertools.product(range(axis.out), range(axis.window)):
        place = n * axis.down + j * axis.dilation - axis.lo
        if place % axis.up == 0 and 0 <= place // axis.up < axis.size:
            full[n, place // axis.up] += taps[j]
    return full


def spread(taps: np.ndarray, spacing: int) -> np.ndarray:
    full = np.zeros(spacing * (len(taps) - 1) + 1, taps.dtype)
    full[::spacing] = taps
    return full


def some_axes(rng: np.random.Generator, count: int, size: int | None = None) -> list[Axis]:
    """Random axes out of which something comes; size, where given, is that of every one."""
    found = []
    while len(found) < count:
        n, k, d, up, down = (int(v) for v in rng.integers((1, 1, 1, 1, 1), (7, 5, 3, 4, 4)))
        lo, hi = (int(v) for v in rng.integers(-2, 6, 2))
        axis = Axis(size or n, k, d, up, down, lo, hi)
        if axis.padded >= axis.taps:
            found.append(axis)
    return found


def numbers(rng: np.random.Generator, axis: Axis) -> np.ndarray:
    return rng.integers(1, 50, axis.window)


def test_size_is_the_number_of_places_the_window_takes(rng):
    for axis in some_axes(rng, 2000):
        starts = [n for n in range(0, axis.padded, axis.down) if n + axis.taps <= axis.padded]
        assert axis.out == len(starts), axis


def test_the_transpose_is_the_transposed_matrix_and_its_own_inverse(rng):
    for axis in some_axes(rng, 3000):
        taps = numbers(rng, axis)
        assert (matrix(axis.T, taps[::-1]) == matrix(axis, taps).T).all(), axis
        assert axis.T.T == axis.normal
        assert (axis.T.size, axis.T.out) == (axis.out, axis.size)


def test_normal_drops_only_what_is_not_read(rng):
    for axis in some_axes(rng, 1000):
        taps = numbers(rng, axis)
        assert (matrix(axis.normal, taps) == matrix(axis, taps)).all()
        assert axis.normal.normal == axis.normal
        for extra in range(axis.down - (axis.padded - axis.taps) % axis.down):
            assert replace(axis, hi=axis.hi + extra).normal == axis.normal


def test_fusions_are_exact_and_the_conditions_are_needed(rng):
    fused = wrong_without = 0
    for inner in some_axes(rng, 2500):
        for outer in some_axes(rng, 2, inner.out):
            k_i, k_o = numbers(rng, inner), numbers(rng, outer)
            product = matrix(outer, k_o) @ matrix(inner, k_i)
            fusion = fuse(outer, inner)
            if fusion is None:
                wrong_without += outer.up == 1 and not (matrix(*blind(outer, inner, k_o, k_i)) == product).all()
                continue
            fused += 1
            long = np.convolve(spread(k_i, fusion.inner_spacing), spread(k_o, fusion.outer_spacing))
            assert not np.delete(long, np.s_[::fusion.axis.dilation]).any(), "taps off the grid"
            assert (matrix(fusion.axis, long[::fusion.axis.dilation]) == product).all(), (outer, inner)
    assert fused > 700 and wrong_without > 500


def blind(outer: Axis, inner: Axis, k_o: np.ndarray, k_i: np.ndarray) -> tuple[Axis, np.ndarray]:
    """The first fusion without its border condition: what a library that forgets it would compute."""
    taps = np.convolve(spread(k_i, inner.dilation), spread(k_o, outer.dilation * inner.down))
    down, lo = inner.down * outer.down, inner.lo + inner.down * outer.lo
    hi = (outer.out - 1) * down + len(taps) - inner.dense - lo
    return Axis(inner.size, len(taps), 1, inner.up, down, lo, hi), taps


def test_fuse_refuses_axes_that_do_not_meet():
    with pytest.raises(ShapeError, match="outer axis reads 5 samples, inner axis gives 4; they must agree"):
        fuse(Axis(size=5), Axis(size=4))


def test_alignment_is_the_centroid_of_a_row(rng):
    """With taps all alike, an output sample that sees no border is centred where `alignment` says."""
    for axis in some_axes(rng, 1500):
        if axis.up != 1:
            continue
        scale, offset = axis.alignment
        rows = matrix(axis, np.ones(axis.window, int))
        for n, row in enumerate(rows):
            if row.sum() == axis.window:
                assert Fraction(int((row * np.arange(axis.size)).sum()), axis.window) == scale * n + offset


def test_alignments_compose_as_maps_do(rng):
    for inner in some_axes(rng, 400):
        outer = some_axes(rng, 1, inner.out)[0]
        (scale, offset), (outer_scale, outer_offset) = inner.alignment, outer.alignment
        both = compose_alignment(outer.alignment, inner.alignment)
        for n in range(4):
            assert both[0] * n + both[1] == scale * (outer_scale * n + outer_offset) + offset
        fusion = fuse(outer, inner)
        assert fusion is None or fusion.axis.alignment == both


def test_same_padding_is_the_smallest_that_gives_ceil():
    for size, taps, stride in itertools.product(range(1, 9), range(1, 6), range(1, 5)):
        lo, hi = same_padding(size, taps, stride)
        assert Axis(size, taps, down=stride, lo=lo, hi=hi).out == -(-size // stride)
        assert 0 <= hi - lo <= 1
        if lo + hi:
            assert (size + lo + hi - 1 - taps) // stride + 1 < -(-size // stride)


def test_rate_meets_its_size():
    assert Rate(down=2, same="upper").axis(5, 4, "conv", "axis -2") == Axis(5, 4, down=2, lo=1, hi=2)
    assert Rate(down=2, same="lower").axis(5, 4, "conv", "axis -2") == Axis(5, 4, down=2, lo=2, hi=1)
    with pytest.raises(ShapeError, match=r"conv: axis -2 is too short.*got 2 samples.*at least 3.*Fix: pad by 1"):
        Rate().axis(2, 3, "conv", "axis -2")
    with pytest.raises(ShapeError, match=r"wrong size for the output_shape.*got 4 samples, expected 3. Fix: change"):
        Rate(size=3).axis(4, 1, "conv_transpose", "axis -2")
