"""Rows 12-27 and forward convolutions: TensorFlow, Keras, torch, Caffe, Theano, ONNX, oneDNN, cuDNN, in integers."""

import numpy as np
import pytest

from deconvjax.compat import resolve
from tests.compat.oracles import conv_matrix, forward_same, scatter, window_of
from tests.compat.rows import check


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
