"""conv_transpose is the transpose of conv for every size and padding, and the arithmetic of convolution sizes."""

import itertools

import numpy as np
import pytest
from flax import nnx
from jax import lax

import deconvjax as dj
from tests.folded import evaluate, matrices
from tests.tolerance import assert_close


# The tutorial's relations (Dumoulin and Visin, in Theano's numbering) as predicates on sizes.
def sizes_of(i, k, s=1, p=0, d=1):
    return dj.conv(np.ones((k, 1, 1)), strides=s, padding=p, kernel_dilation=d).on((i, 1)).codomain.shape[0]


def back(i, k, s=1, p=0, a=0):
    layer = dj.conv_transpose(np.ones((k, 1, 1)), strides=s, padding=p, output_padding=a)
    return layer.on((i, 1)).codomain.shape[0]


GRID = list(itertools.product(range(1, 8), range(1, 6), range(1, 4), range(4), range(1, 4)))  # i, k, s, p, d
RELATIONS = [
    (1, lambda i, k, s, p, d: k <= i, lambda i, k, s, p, d: sizes_of(i, k) == (i - k) + 1),
    (2, lambda i, k, s, p, d: k <= i + 2 * p, lambda i, k, s, p, d: sizes_of(i, k, 1, p) == (i - k) + 2 * p + 1),
    (3, lambda i, k, s, p, d: k % 2 == 1, lambda i, k, s, p, d: sizes_of(i, k, 1, k // 2) == i),
    (4, lambda i, k, s, p, d: True, lambda i, k, s, p, d: sizes_of(i, k, 1, k - 1) == i + (k - 1)),
    (5, lambda i, k, s, p, d: k <= i, lambda i, k, s, p, d: sizes_of(i, k, s) == (i - k) // s + 1),
    (6, lambda i, k, s, p, d: k <= i + 2 * p, lambda i, k, s, p, d: sizes_of(i, k, s, p) == (i + 2 * p - k) // s + 1),
    (7, lambda i, k, s, p, d: True, lambda i, k, s, p, d: back(i, k) == i + (k - 1)),
    (8, lambda i, k, s, p, d: i + k - 1 > 2 * p, lambda i, k, s, p, d: back(i, k, 1, p) == i + (k - 1) - 2 * p),
    (9, lambda i, k, s, p, d: k % 2 == 1, lambda i, k, s, p, d: back(i, k, 1, k // 2) == i),
    (10, lambda i, k, s, p, d: i > k - 1, lambda i, k, s, p, d: back(i, k, 1, k - 1) == i - (k - 1)),
    (11, lambda i, k, s, p, d: True, lambda i, k, s, p, d: back(i, k, s) == s * (i - 1) + k),
    (12, lambda i, k, s, p, d: s * (i - 1) + k > 2 * p,
     lambda i, k, s, p, d: back(i, k, s, p) == s * (i - 1) + k - 2 * p),
    (13, lambda i, k, s, p, d: k <= i + 2 * p,  # back to i itself, with a = (i + 2p - k) mod s
     lambda i, k, s, p, d: back(sizes_of(i, k, s, p), k, s, p, (i + 2 * p - k) % s) == i),
    (14, lambda i, k, s, p, d: k + (k - 1) * (d - 1) <= i + 2 * p,
     lambda i, k, s, p, d: sizes_of(i, k, s, p, d) == (i + 2 * p - k - (k - 1) * (d - 1)) // s + 1),
]


@pytest.mark.parametrize("number, where, relation", RELATIONS, ids=[str(n) for n, _, _ in RELATIONS])
def test_relations_of_convolution_arithmetic(number, where, relation):
    cases = [case for case in GRID[:: 1 if number in (13, 14) else 3] if where(*case)]
    assert len(cases) > 80
    assert all(relation(*case) for case in cases)


FIGURES = [  # i, k, s, p, d -> o; transposed: stuffed length, lo, hi
    ("no padding, no strides", 4, 3, 1, 0, 1, 2, 2, 2, 2),
    ("arbitrary padding, no strides", 5, 4, 1, 2, 1, 6, 6, 1, 1),
    ("same padding", 5, 3, 1, 1, 1, 5, 5, 1, 1),
    ("full padding", 5, 3, 1, 2, 1, 7, 7, 0, 0),
    ("no padding, strides", 5, 3, 2, 0, 1, 2, 3, 2, 2),
    ("padding, strides", 5, 3, 2, 1, 1, 3, 5, 1, 1),
    ("padding, strides, odd", 6, 3, 2, 1, 1, 3, 5, 1, 2),
    ("dilation", 7, 3, 1, 0, 2, 3, 3, 4, 4),
]


@pytest.mark.parametrize("figure", FIGURES, ids=[f[0] for f in FIGURES])
def test_the_eight_figures(figure):
    _, i, k, s, p, d, o, stuffed, lo, hi = figure
    forward = dj.conv(np.ones((k, 1, 1)), strides=s, padding=p, kernel_dilation=d).on((i, 1))
    (axis,) = forward.T.geometry
    assert forward.codomain.shape == (o, 1) and forward.T.codomain.shape == (i, 1)
    assert (axis.size, axis.dense, axis.lo, axis.hi) == (o, stuffed, lo, hi)


# ---- the transposed convolution is the transpose, and sizes come from the forward map --------------------------------
PADDINGS = ("SAME", "SAME_LOWER", "VALID", "CIRCULAR", 0, 1, (2, 0), (-1, 1))


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_conv_transpose_is_the_transpose_of_conv_as_a_record(padding):
    rng = np.random.default_rng(0)
    tried = 0
    for n, k, s, d in itertools.product(range(1, 10), range(1, 5), range(1, 5), (1, 2)):
        kernel = rng.normal(size=(k, 1, 2))
        options = {"strides": s, "padding": padding, "kernel_dilation": d}
        forward = dj.conv(kernel, **options)
        try:
            bound = forward.on((n, 1))
        except dj.ShapeError:
            continue
        tried += 1
        sized = dj.conv_transpose(kernel, output_shape=n, **options)
        assert sized.on(bound.codomain) == bound.T
        try:
            free = dj.conv_transpose(kernel, **options).on(bound.codomain)
        except dj.ShapeError:  # all cropped away
            assert padding not in ("SAME", "SAME_LOWER", "VALID", "CIRCULAR")
            continue
        assert free.codomain.shape[0] == natural_size(bound.codomain.shape[0], d * (k - 1) + 1, s, padding)
        assert forward.on(free.codomain).T == free
    assert tried > 150


def natural_size(m, taps, stride, padding):
    if padding in ("SAME", "SAME_LOWER", "CIRCULAR"):
        return m * stride
    lo, hi = (0, 0) if padding == "VALID" else padding if isinstance(padding, tuple) else (padding, padding)
    return (m - 1) * stride + taps - lo - hi


def test_output_padding_reaches_every_size_below_the_next():
    kernel = np.ones((3, 1, 1))
    for s, p, a in itertools.product(range(1, 5), ("VALID", 1, (1, 0)), range(4)):
        options = {"strides": s, "padding": p}
        if a >= s:
            with pytest.raises(ValueError, match=f"output_padding={a}, expected 0 <= output_padding < {s}"):
                dj.conv_transpose(kernel, output_padding=a, **options)
            continue
        layer = dj.conv_transpose(kernel, output_padding=a, **options).on((4, 1))
        assert layer == dj.conv(kernel, **options).on(layer.codomain).T
        assert layer.codomain.shape[0] == natural_size(4, 3, s, p) + a


def test_same_with_output_padding_appends():
    kernel = np.arange(1, 4).reshape(3, 1, 1)
    plain, longer = matrices([dj.conv_transpose(kernel, strides=3, output_padding=a).on((3, 1)) for a in (0, 2)])
    assert longer.shape == (11, 3) and np.array_equal(longer[:9], plain)


# ---- JAX and Flax agree where they have the same words ---------------------------------------------------------------
def test_conv_equals_lax():
    rng = np.random.default_rng(1)
    cases = []
    for ndim, padding in itertools.product((1, 2, 3), ("SAME", "SAME_LOWER", "VALID", "pairs")):
        x = rng.integers(-4, 5, (2, *rng.integers(5, 8, ndim), 4)).astype(float)
        kernel = rng.integers(-4, 5, (*rng.integers(1, 4, ndim), 2, 6)).astype(float)
        pads = [tuple(map(int, pair)) for pair in rng.integers(0, 3, (ndim, 2))] if padding == "pairs" else padding
        strides, spread = tuple(map(int, rng.integers(1, 4, ndim))), tuple(map(int, rng.integers(1, 3, ndim)))
        stuff = tuple(map(int, rng.integers(1, 3, ndim))) if padding == "pairs" else (1,) * ndim
        letters = "DHW"[-ndim:]
        cases.append((x, kernel, pads, strides, spread, stuff, (f"N{letters}C", f"{letters}IO", f"N{letters}C")))

    def both():
        for x, kernel, pads, strides, spread, stuff, layout in cases:
            ours = dj.conv(
                kernel, strides=strides, padding=pads, kernel_dilation=spread, input_dilation=stuff, groups=2)
            yield ours(x), lax.conv_general_dilated(x, kernel, strides, pads, stuff, spread, layout, 2)

    for ours, theirs in evaluate(lambda: list(both())):
        assert np.array_equal(ours, theirs)


def test_conv_transpose_equals_lax_with_a_transposed_kernel():
    rng = np.random.default_rng(2)
    x = rng.integers(-4, 5, (2, 5, 4, 3)).astype(float)
    cases = [(rng.integers(-4, 5, (*k, 2, 3)).astype(float), s, p) for k, s, p in itertools.product(
        [(1, 2), (3, 3), (4, 5)], [(1, 1), (2, 3), (3, 2)], ["SAME", "VALID"])]

    def both():
        for kernel, strides, padding in cases:
            theirs = lax.conv_transpose(x, kernel, strides, padding, transpose_kernel=True)
            natural = dj.conv_transpose(kernel, strides=strides, padding=padding)(x)
            yield natural, theirs[(slice(None), *(slice(n) for n in natural.shape[1:3]))]

    for ours, theirs in evaluate(lambda: list(both())):
        assert np.array_equal(ours, theirs)


def test_circular_equals_flax():
    x = np.random.default_rng(3).normal(size=(1, 7, 2)).astype(np.float32)
    layers = [(stride, nnx.Conv(2, 3, (taps,), stride, padding="CIRCULAR", use_bias=False, rngs=nnx.Rngs(0)))
              for taps, stride in itertools.product((1, 2, 3, 4), (1, 2))]
    got = evaluate(lambda: [
        (dj.conv(flax.kernel[...], strides=stride, padding="CIRCULAR")(x), flax(x)) for stride, flax in layers])
    for ours, theirs in got:
        assert_close(ours, theirs, units=32)
