"""Rows 1-27: each resolver against its framework's own words, computed in NumPy integers, values and sizes."""

import itertools
import random

import numpy as np
import pytest

from deconvjax.compat import resolve
from deconvjax.compat.resolve import Periodic
from deconvjax.errors import ShapeError
from tests.compat.oracles import conv_matrix, forward_same, run_stage, scatter, window_of

LIMIT = 2000
SPACE = list(itertools.product(range(1, 8), range(1, 6), range(1, 5), range(1, 4)))  # i, k, s, d


def draws(row):
    """i, k, s, d in random order, each combination before any is repeated; and the generator for the rest."""
    rng = random.Random(row)
    while True:
        order = list(SPACE)
        rng.shuffle(order)
        for i, k, s, d in order:
            yield rng, i, k, s, d


def data(rng, i, k):
    """Random integers: an asymmetric kernel is the rule, not the exception."""
    return (np.array([rng.randint(-9, 9) for _ in range(n)]) for n in (i, k))


def compute(placed, x, w, flip):
    """What the library computes from what a resolver said."""
    taps = w[::-1] if flip else w
    if not isinstance(placed, Periodic):
        return run_stage(placed, x, taps)
    x = np.pad(x, placed.before, mode="wrap")
    y = run_stage(placed.axis, x, taps)
    lo, hi = placed.after
    core = y[lo: len(y) - hi].copy()
    for n, value in itertools.chain(enumerate(y[:lo], -lo), enumerate(y[len(y) - hi:], len(core))):
        core[n % len(core)] += value
    return core


def check(row, case):
    """`case` gives (resolver, arguments, flip, expected) or None for a draw that the framework does not accept."""
    done = refused = 0
    for rng, i, k, s, d in draws(row):
        x, w = data(rng, i, k)
        found = case(rng, i, k, s, d, x, w)
        if found is None:
            continue
        resolver, arguments, flip, want = found
        where = f"row {row}: i={i} k={k} {arguments}"
        if len(want) < 1:
            refused += 1
            with pytest.raises(ShapeError):
                resolver(i, k, **arguments)
            continue
        placed = resolver(i, k, **arguments)
        assert placed.out == len(want), f"{where}: {placed.out} samples, expected {len(want)}"
        got = compute(placed, x, w, flip)
        assert np.array_equal(got, want), f"{where}: {got}, expected {want}"
        done += 1
        if done == LIMIT:
            return refused


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


def explicit(x, w, s, d, a, b):
    """Correlate the stuffed, padded input with the stuffed kernel."""
    stuffed = np.zeros((len(x) - 1) * s + 1, int)
    stuffed[::s] = x
    kernel = np.zeros((len(w) - 1) * d + 1, int)
    kernel[::d] = w
    padded = window_of(stuffed, -a, max(len(stuffed) + a + b, 0))
    return np.correlate(padded, kernel, "valid") if len(padded) >= len(kernel) else np.zeros(0, int)


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


def output_range(i, taps, s, which):
    """The sizes n whose forward SAME or VALID convolution gives i samples."""
    return ((i - 1) * s + 1, i * s) if which == "SAME" else ((i - 1) * s + taps, (i - 1) * s + taps + s - 1)


@pytest.mark.parametrize("row, flip", [(12, False), (16, True), (17, True)])
def test_rows_12_16_17_output_shape(row, flip):
    """Haiku and TensorFlow with a wanted size: the transpose of the SAME or VALID convolution of that size."""
    def case(rng, i, k, s, d, x, w):
        which = {12: rng.choice(["SAME", "VALID"]), 16: "VALID", 17: "SAME"}[row]
        d = 1 if row == 12 else d
        taps = d * (k - 1) + 1
        n = rng.randint(*output_range(i, taps, s, which))
        pads = forward_same(n, taps, s) if which == "SAME" else (0, 0)
        want = conv_matrix(n, w if flip else w[::-1], s, d, *pads).T @ x
        arguments = {"stride": s, "padding": which, "output_shape": n}
        if row == 12:
            return resolve.haiku_transpose, arguments, flip, want
        return resolve.tensorflow_transpose, arguments | {"dilation": d}, flip, want
    check(row, case)


def test_rows_13_14_15_keras():
    """valid keeps the scatter and appends; same keeps i*s, or (i-1)*s + K%2 + output_padding, of it."""
    def case(rng, i, k, s, d, x, w):
        d = d if s == 1 else 1
        which, extra = rng.choice(["valid", "same"]), rng.choice([None, *range(s)])
        taps = d * (k - 1) + 1
        y = scatter(x, w, s, d)
        arguments = {"stride": s, "dilation": d, "padding": which, "output_padding": extra}
        if which == "valid":
            size = len(y) + (max(taps, s) - taps if extra is None else extra)
            return resolve.keras_transpose, arguments, True, window_of(y, 0, size)
        size = i * s if extra is None else (i - 1) * s + taps % 2 + extra
        front = max(taps - 1 - -(-(size - (i - 1) * s + taps - 2) // 2), 0)
        return resolve.keras_transpose, arguments, True, window_of(y, front, size)
    for row in (13, 14, 15):
        check(row, case)


def test_row_18_tensorflow_explicit():
    def case(rng, i, k, s, d, x, w):
        before, after = rng.randint(0, 3), rng.randint(0, 3)
        n = (i - 1) * s + d * (k - 1) + 1 - before - after + rng.randrange(s)
        if n < 1:
            return None
        want = conv_matrix(n, w, s, d, before, after).T @ x
        arguments = {"stride": s, "dilation": d, "padding": (before, after), "output_shape": n}
        return resolve.tensorflow_transpose, arguments, True, want
    check(18, case)


@pytest.mark.parametrize("row", [19, 20])
def test_rows_19_20_torch(row):
    def case(rng, i, k, s, d, x, w):
        p, extra = rng.randint(0, 4), rng.randrange(max(s, d) if row == 19 else s)
        y = scatter(x, w, s, d)
        n = max(len(y) - 2 * p + extra, 0)
        arguments = {"stride": s, "dilation": d, "padding": p}
        arguments |= {"output_padding": extra} if row == 19 else {"output_size": len(y) - 2 * p + extra}
        return resolve.torch_transpose, arguments, True, window_of(y, p, n)
    check(row, case)


def test_row_21_caffe():
    def case(rng, i, k, s, d, x, w):
        p = rng.randint(0, 4)
        y = scatter(x, w, s, d)
        arguments = {"stride": s, "dilation": d, "pad": p}
        return resolve.caffe_deconvolution, arguments, True, window_of(y, p, max(len(y) - 2 * p, 0))
    check(21, case)


def test_row_22_theano():
    """The gradient of Theano's convolution; filter_flip=True (its default) slides the reversed filter forward."""
    def case(rng, i, k, s, d, x, w):
        taps = d * (k - 1) + 1
        mode = rng.choice(["valid", "half", "full", (rng.randint(0, 3), rng.randint(0, 3))])
        pads = {"valid": (0, 0), "half": (taps // 2,) * 2, "full": (taps - 1,) * 2}.get(mode, mode)
        n = (i - 1) * s + taps - sum(pads) + rng.randrange(s)
        if n < 1:
            return None
        filter_flip = rng.random() < 0.5
        want = conv_matrix(n, w[::-1] if filter_flip else w, s, d, *pads).T @ x
        arguments = {"stride": s, "dilation": d, "border_mode": mode, "output_shape": n}
        return resolve.theano_transpose, arguments, not filter_flip, want
    check(22, case)


def test_row_23_onnx_pads():
    def case(rng, i, k, s, d, x, w):
        a, b, extra = rng.randint(0, 3), rng.randint(0, 3), rng.randrange(max(s, d))
        y = scatter(x, w, s, d)
        arguments = {"stride": s, "dilation": d, "pads": (a, b), "output_padding": extra}
        return resolve.onnx_transpose, arguments, True, window_of(y, a, max(len(y) - a - b + extra, 0))
    check(23, case)


def test_row_24_onnx_output_shape():
    """total = natural - wanted; SAME_UPPER puts its larger half behind, all else in front; missing zeros go behind."""
    def case(rng, i, k, s, d, x, w):
        extra, auto = rng.randrange(max(s, d)), rng.choice(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
        y = scatter(x, w, s, d)
        n = rng.randint(1, len(y) + 3)
        total = len(y) + extra - n
        front = 0 if total < 0 else total // 2 if auto == "SAME_UPPER" else total - total // 2
        arguments = {"stride": s, "dilation": d, "output_padding": extra, "auto_pad": auto, "output_shape": n}
        return resolve.onnx_transpose, arguments, True, window_of(y, front, n)
    check(24, case)


def test_row_25_onnx_auto_pad():
    def case(rng, i, k, s, d, x, w):
        extra, auto = rng.randrange(max(s, d)), rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
        y = scatter(x, w, s, d)
        n = len(y) + extra if auto == "VALID" else min(i * s, len(y) + extra)
        total = len(y) + extra - n if auto != "VALID" else 0
        front = total // 2 if auto == "SAME_UPPER" else total - total // 2
        arguments = {"stride": s, "dilation": d, "output_padding": extra, "auto_pad": auto}
        return resolve.onnx_transpose, arguments, True, window_of(y, front, n)
    check(25, case)


def test_row_26_onednn():
    """Dilation counts from zero."""
    def case(rng, i, k, s, d, x, w):
        left, right = rng.randint(0, 3), rng.randint(0, 3)
        n = (i - 1) * s + d * (k - 1) + 1 - left - right + rng.randrange(s)
        if n < 1:
            return None
        arguments = {"stride": s, "dilation": d - 1, "pad_left": left, "pad_right": right, "dst": n}
        return resolve.onednn_deconvolution, arguments, True, conv_matrix(n, w, s, d, left, right).T @ x
    check(26, case)


def test_row_27_cudnn():
    def case(rng, i, k, s, d, x, w):
        p = rng.randint(0, 3)
        n = (i - 1) * s + d * (k - 1) + 1 - 2 * p + rng.randrange(s)
        if n < 1:
            return None
        arguments = {"stride": s, "dilation": d, "pad": p, "out": n}
        return resolve.cudnn_backward_data, arguments, True, conv_matrix(n, w, s, d, p, p).T @ x
    check(27, case)


def test_forward_convolutions():
    """torch, lax, ONNX, Keras and Flax strings as the forward convolution each manual describes."""
    def case(rng, i, k, s, d, x, w):
        taps = d * (k - 1) + 1
        a, b = rng.randint(0, 3), rng.randint(0, 3)
        upper, lower = forward_same(i, taps, s), forward_same(i, taps, s)[::-1]
        torch_same = ((taps - 1) // 2, taps - 1 - (taps - 1) // 2)
        resolver, arguments, pads = rng.choice([
            (resolve.torch_conv, {"padding": a}, (a, a)),
            (resolve.torch_conv, {"padding": "same"}, torch_same) if s == 1 else
            (resolve.torch_conv, {"padding": "valid"}, (0, 0)),
            (resolve.lax_conv, {"padding": (a, b)}, (a, b)), (resolve.lax_conv, {"padding": "SAME"}, upper),
            (resolve.lax_conv, {"padding": "SAME_LOWER"}, lower),
            (resolve.flax_conv, {"padding": "CAUSAL"}, (taps - 1, 0)),
            (resolve.onnx_conv, {"pads": (a, b)}, (a, b)), (resolve.onnx_conv, {"auto_pad": "SAME_UPPER"}, upper),
            (resolve.onnx_conv, {"auto_pad": "SAME_LOWER"}, lower), (resolve.onnx_conv, {"auto_pad": "VALID"}, (0, 0)),
            (resolve.keras_conv, {"padding": "same"}, upper),
            (resolve.keras_conv, {"padding": "causal"}, (taps - 1, 0)),
        ])
        return resolver, arguments | {"stride": s, "dilation": d}, False, conv_matrix(i, w, s, d, *pads) @ x
    check(0, case)


def test_flax_circular_convolution():
    def case(rng, i, k, s, d, x, w):
        taps = d * (k - 1) + 1
        before = (taps - 1) // 2
        want = [sum(tap * x[(n + d * j - before) % i] for j, tap in enumerate(w)) for n in range(0, i, s)]
        return resolve.flax_conv, {"stride": s, "dilation": d, "padding": "CIRCULAR"}, False, np.array(want)
    check(0, case)
