"""Small NumPy definitions that share no code with the library: what a foreign call computes, in its manual's words."""

import itertools

import numpy as np


def run_stage(axis, x, taps):
    """An `Axis` carried out sample by sample, in integers: stuff zeros, pad or crop, slide, keep every `down`-th."""
    dense = np.zeros((axis.size - 1) * axis.up + 1, x.dtype)
    dense[:: axis.up] = x
    dense = np.pad(dense, (max(axis.lo, 0), max(axis.hi, 0)))
    dense = dense[max(-axis.lo, 0): len(dense) - max(-axis.hi, 0)]
    out = []
    for n in range(0, len(dense) - axis.dilation * (len(taps) - 1), axis.down):
        out.append(dense[n: n + axis.dilation * (len(taps) - 1) + 1: axis.dilation] @ taps)
    return np.array(out, x.dtype)


def scatter(x, w, stride, dilation):
    """y[s*i + d*j] += x[i] w[j]: the whole transposed convolution, nothing cropped."""
    y = np.zeros((len(x) - 1) * stride + dilation * (len(w) - 1) + 1, x.dtype)
    for j, tap in enumerate(w):
        y[dilation * j: dilation * j + (len(x) - 1) * stride + 1: stride] += x * tap
    return y


def window_of(y, start, length):
    """`length` samples of y from `start`, zeros where there is nothing."""
    out = np.zeros(length, y.dtype)
    for n in range(length):
        if 0 <= start + n < len(y):
            out[n] = y[start + n]
    return out


def conv_matrix(n, w, stride, dilation, before, after):
    """The matrix of the forward strided correlation of n samples, zero pads `before` and `after`."""
    taps = dilation * (len(w) - 1) + 1
    out = max((n + before + after - taps) // stride + 1, 0)
    matrix = np.zeros((out, n), np.int64)
    for row, (j, tap) in itertools.product(range(out), enumerate(w)):
        column = row * stride + dilation * j - before
        if 0 <= column < n:
            matrix[row, column] += tap
    return matrix


def forward_same(n, taps, stride):
    """TensorFlow's SAME: ceil(n/s) outputs, half of the missing samples in front, rounded down."""
    out = -(-n // stride)
    missing = max((out - 1) * stride + taps - n, 0)
    return missing // 2, missing - missing // 2
