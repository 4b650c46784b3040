"""Rows 1-11: lax, Flax, Equinox and Haiku in their own words, in NumPy integers, values and sizes."""

import itertools

import numpy as np
import pytest

from deconvjax.compat import resolve
from tests.compat.oracles import conv_matrix, forward_same, scatter, window_of
from tests.compat.rows import check, explicit


def test_row_1_lax_same():
    """The transpose of the SAME convolution of i*s samples; the kernel is stored reversed."""
    def case(rng, i, k, s, d, x, w):
        pads = forward_same(i * s, d * (k - 1) + 1, s)
        want = conv_matrix(i * s, w[::-1], s, d, *pads).T @ x
        return resolve.lax_transpose, {"stride": s, "dilation": d, "padding": "SAME"}, False, want
    check(1, case)


def test_row_2_lax_valid():
    """The transpose of the VALID convolution of i*s + max(K-s, 0) samples."""
    def case(rng, i, k, s, d, x, w):
        n = i * s + max(d * (k - 1) + 1 - s, 0)
        want = conv_matrix(n, w[::-1], s, d, 0, 0).T @ x
        return resolve.lax_transpose, {"stride": s, "dilation": d, "padding": "VALID"}, False, want
    check(2, case)


def test_row_3_lax_explicit():
    def case(rng, i, k, s, d, x, w):
        a, b = rng.randint(-2, 6), rng.randint(-2, 6)
        arguments = {"stride": s, "dilation": d, "padding": (a, b)}
        return resolve.lax_transpose, arguments, False, explicit(x, w, s, d, a, b)
    check(3, case)


def test_row_4_lax_consistent():
    """Pads of the forward convolution: cropped off the scatter."""
    def case(rng, i, k, s, d, x, w):
        a, b = rng.randint(-1, 4), rng.randint(-1, 4)
        y = scatter(x, w[::-1], s, d)
        arguments = {"stride": s, "dilation": d, "padding": (a, b), "use_consistent_padding": True}
        return resolve.lax_transpose, arguments, False, window_of(y, a, max(len(y) - a - b, 0))
    check(4, case)


def test_row_5_lax_transpose_kernel():
    """Rows 1-4 with the kernel stored as the forward convolution's."""
    def case(rng, i, k, s, d, x, w):
        taps = d * (k - 1) + 1
        a, b = rng.randint(0, 3), rng.randint(0, 3)
        which = rng.choice(["SAME", "VALID", (a, b)])
        arguments = {"stride": s, "dilation": d, "padding": which}
        if which == "SAME":
            want = conv_matrix(i * s, w, s, d, *forward_same(i * s, taps, s)).T @ x
        elif which == "VALID":
            want = conv_matrix(i * s + max(taps - s, 0), w, s, d, 0, 0).T @ x
        else:
            want = explicit(x, w[::-1], s, d, a, b)
        return resolve.lax_transpose, arguments, True, want
    check(5, case)


def test_row_6_linear_transpose_of_a_strided_convolution():
    def case(rng, i, k, s, d, x, w):
        before, after = rng.randint(0, 3), rng.randint(0, 3)
        n = (i - 1) * s + d * (k - 1) + 1 - before - after + rng.randrange(s)
        if n < 1:
            return None
        arguments = {"stride": s, "dilation": d, "padding": (before, after), "out": n}
        return resolve.lax_adjoint, arguments, True, conv_matrix(n, w, s, d, before, after).T @ x
    check(6, case)


@pytest.mark.parametrize("transpose_kernel", [False, True])
def test_row_7_flax(transpose_kernel):
    """SAME, VALID, an int p for (p, p), pairs: never the consistent reading."""
    def case(rng, i, k, s, d, x, w):
        a, b = rng.randint(0, 4), rng.randint(0, 4)
        which, flipped = rng.choice(["SAME", "VALID", (a, b), (a, a)]), w if transpose_kernel else w[::-1]
        arguments = {"stride": s, "dilation": d, "padding": which, "transpose_kernel": transpose_kernel}
        if which == "SAME":
            want = conv_matrix(i * s, flipped, s, d, *forward_same(i * s, d * (k - 1) + 1, s)).T @ x
        elif which == "VALID":
            want = conv_matrix(i * s + max(d * (k - 1) + 1 - s, 0), flipped, s, d, 0, 0).T @ x
        else:
            want = explicit(x, flipped[::-1], s, d, *which)
        return resolve.flax_transpose, arguments, transpose_kernel, want
    check(7, case)


@pytest.mark.parametrize("transpose_kernel", [False, True])
def test_row_8_flax_circular(transpose_kernel):
    """Flax's own steps: VALID, pad so that twice the period divides the length, sum the periods."""
    def case(rng, i, k, s, d, x, w):
        y = conv_matrix(i * s + max(d * (k - 1) + 1 - s, 0), w if transpose_kernel else w[::-1], s, d, 0, 0).T @ x
        period = i * s
        missing = -(len(y) - period) % (2 * period)
        halves = missing // 2, (missing + 1) // 2
        y = np.pad(y, halves if transpose_kernel else halves[::-1]).reshape(-1, period).sum(0)
        arguments = {"stride": s, "dilation": d, "padding": "CIRCULAR", "transpose_kernel": transpose_kernel}
        return resolve.flax_transpose, arguments, transpose_kernel, y
    check(8, case)


def test_row_9_equinox_explicit():
    def case(rng, i, k, s, d, x, w):
        a, b, extra = rng.randint(0, 3), rng.randint(0, 3), rng.randrange(s)
        y = scatter(x, w[::-1], s, d)
        arguments = {"stride": s, "dilation": d, "padding": (a, b), "output_padding": extra}
        return resolve.equinox_transpose, arguments, False, window_of(y, a, max(len(y) - a - b + extra, 0))
    check(9, case)


@pytest.mark.parametrize("padding", ["SAME", "SAME_LOWER"])
def test_row_10_equinox_same(padding):
    """i*s - a samples: `output_padding` reduces the size of the input that the forward convolution had."""
    def case(rng, i, k, s, d, x, w):
        extra = rng.randrange(s)
        missing = max(d * (k - 1) + 1 - s + extra, 0)
        before = missing // 2 if padding == "SAME" else missing - missing // 2
        want = window_of(scatter(x, w[::-1], s, d), before, i * s - extra)
        arguments = {"stride": s, "dilation": d, "padding": padding, "output_padding": extra}
        return resolve.equinox_transpose, arguments, False, want
    check(10, case)


@pytest.mark.parametrize("padding", ["SAME", "SAME_LOWER"])
def test_row_10_equinox_circular_is_the_exact_transpose(padding):
    """The transpose of the forward periodic convolution of i*s samples."""
    def case(rng, i, k, s, d, x, w):
        taps, n = d * (k - 1) + 1, i * s
        missing = max(taps - s, 0)
        before = missing // 2 if padding == "SAME" else missing - missing // 2
        want = np.zeros(n, int)
        for row, (j, tap) in itertools.product(range(i), enumerate(w[::-1])):
            want[(row * s + d * j - before) % n] += tap * x[row]
        arguments = {"stride": s, "dilation": d, "padding": padding, "padding_mode": "CIRCULAR"}
        return resolve.equinox_transpose, arguments, False, want
    check(10, case)


def test_row_11_haiku():
    def case(rng, i, k, s, d, x, w):
        which = rng.choice(["SAME", "VALID"])
        taps = k
        n, pads = (i * s, forward_same(i * s, taps, s)) if which == "SAME" else (i * s + max(taps - s, 0), (0, 0))
        want = conv_matrix(n, w[::-1], s, 1, *pads).T @ x
        return resolve.haiku_transpose, {"stride": s, "padding": which}, False, want
    check(11, case)
