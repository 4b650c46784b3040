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


def conv_transpose_nd(x, w, stride, dilation, crop, out, groups=1):
    """y[n, o, s*i + d*j - crop] += x[n, c, i] w[c, o, j], channels first, weight (I, O/g, *k), of length `out`."""
    n, channels, *size = x.shape
    share, window, axes = w.shape[1], w.shape[2:], len(size)
    full = [(i - 1) * s + d * (k - 1) + 1 for i, s, d, k in zip(size, stride, dilation, window, strict=True)]
    y = np.zeros((n, groups * share, *full), np.result_type(x, w))
    per = channels // groups
    for j in itertools.product(*map(range, window)):
        where = tuple(slice(d * t, d * t + (i - 1) * s + 1, s)
                      for d, t, i, s in zip(dilation, j, size, stride, strict=True))
        for g in range(groups):
            ours = slice(g * per, (g + 1) * per)
            part = np.einsum("nc...,co->no...", x[:, ours], w[(ours, ..., *j)])
            y[(slice(None), slice(g * share, (g + 1) * share), *where)] += part
    for axis in range(axes):
        y = np.apply_along_axis(window_of, axis + 2, y, crop[axis], out[axis])
    return y


def conv_nd(x, w, stride, dilation, pads, groups=1):
    """y[n, o, m] = sum_{c,j} w[o, c, j] x[n, c, m*s + d*j - lo], channels first, weight (O, I/g, *k)."""
    n, channels, *size = x.shape
    window = w.shape[2:]
    x = np.pad(x, ((0, 0), (0, 0), *pads))
    out = [(i + sum(p) - d * (k - 1) - 1) // s + 1
           for i, p, d, k, s in zip(size, pads, dilation, window, stride, strict=True)]
    y = np.zeros((n, w.shape[0], *out), np.result_type(x, w))
    inner, outer = channels // groups, w.shape[0] // groups
    for j in itertools.product(*map(range, window)):
        where = tuple(slice(d * t, d * t + (m - 1) * s + 1, s)
                      for d, t, m, s in zip(dilation, j, out, stride, strict=True))
        for g in range(groups):
            taps = w[(slice(g * outer, (g + 1) * outer), ..., *j)]
            part = x[(slice(None), slice(g * inner, (g + 1) * inner), *where)]
            y[:, g * outer:(g + 1) * outer] += np.einsum("nc...,oc->no...", part, taps)
    return y
