"""Rows 1-8 against what lax and Flax themselves hand to XLA, read from their traced programs."""

import random

import jax
import numpy as np
import pytest
from flax import linen, nnx
from jax import lax

from deconvjax.compat import flax, resolve
from deconvjax.errors import ShapeError
from tests.compat import traced
from tests.tolerance import assert_close


def draw(rng):
    return rng.randint(1, 9), rng.randint(1, 6), rng.randint(1, 4), rng.randint(1, 3)


def sweep(count, case, row):
    """`case(rng, i, k, s, d)` gives (program, shapes, resolver, arguments, flip)."""
    rng, done = random.Random(row), 0
    while done < count:
        i, k, s, d = draw(rng)
        program, shapes, resolver, arguments, flip = case(rng, i, k, s, d)
        try:
            axis = resolver(i, k, **arguments)
        except ShapeError:
            continue
        axis = getattr(axis, "axis", axis)
        assert traced.same(traced.convolution(program, *shapes), [axis], 1, flip), (i, k, arguments)
        done += 1


def lax_case(rng, i, k, s, d):
    padding = rng.choice(["SAME", "VALID", ((rng.randint(-1, 5), rng.randint(-1, 5)),)])
    flip, consistent = rng.random() < 0.5, rng.random() < 0.5
    arguments = {"stride": s, "dilation": d, "padding": padding if isinstance(padding, str) else padding[0],
                 "use_consistent_padding": consistent}
    def program(x, w):
        return lax.conv_transpose(x, w, (s,), padding, (d,), transpose_kernel=flip, use_consistent_padding=consistent)
    return program, ((1, i, 1), (k, 1, 1)), resolve.lax_transpose, arguments, flip


def adjoint_case(rng, i, k, s, d):
    """Row 6: JAX's own transpose of a strided convolution, with respect to its input."""
    a, b = rng.randint(0, 3), rng.randint(0, 3)
    n = max((i - 1) * s + d * (k - 1) + 1 - a - b + rng.randrange(s), 1)
    i = (n + a + b - d * (k - 1) - 1) // s + 1

    def program(y, w):
        def forward(x):
            return lax.conv_general_dilated(x, w, (s,), [(a, b)], rhs_dilation=(d,),
                                            dimension_numbers=("NHC", "HIO", "NHC"))
        return jax.linear_transpose(forward, jax.ShapeDtypeStruct((1, n, 1), "float32"))(y)[0]

    def resolver(_, window, **arguments):
        return resolve.lax_adjoint(i, window, **arguments)
    arguments = {"stride": s, "dilation": d, "padding": (a, b), "out": n}
    return program, ((1, max(i, 0), 1), (k, 1, 1)), resolver, arguments, True


def flax_case(rng, i, k, s, d):
    padding = rng.choice(["SAME", "VALID", "CIRCULAR", rng.randint(0, 4), [(rng.randint(0, 4), rng.randint(0, 4))]])
    flip = rng.random() < 0.5
    layer = linen.ConvTranspose(1, (k,), (s,), padding, (d,), use_bias=False, transpose_kernel=flip)
    pads = padding if isinstance(padding, str) else (padding, padding) if isinstance(padding, int) else padding[0]
    arguments = {"stride": s, "dilation": d, "padding": pads, "transpose_kernel": flip}

    def program(x, w):
        return layer.apply({"params": {"kernel": w}}, x)
    return program, ((1, i, 1), (k, 1, 1)), resolve.flax_transpose, arguments, flip


@pytest.mark.parametrize("case, row", [(lax_case, 1), (adjoint_case, 6), (flax_case, 7)])
def test_what_reaches_xla(case, row):
    sweep(150, case, row)


@pytest.mark.slow
@pytest.mark.parametrize("case, row, count", [(lax_case, 2, 10_000), (adjoint_case, 66, 2000), (flax_case, 77, 4000)])
def test_what_reaches_xla_at_length(case, row, count):
    """2000 of each row: 1-5 are drawn together from lax, 7 and 8 from Flax."""
    sweep(count, case, row)


@pytest.mark.parametrize("padding, transpose_kernel", [("CIRCULAR", False), ("CIRCULAR", True),
                                                       (((0, 1), (2, 1)), False)])
def test_nnx_conv_transpose(padding, transpose_kernel):
    """The whole layer: an asymmetric kernel, channels, both ways to store it."""
    layer = nnx.ConvTranspose(3, 2, (4, 3), (2, 3), padding=padding, transpose_kernel=transpose_kernel, use_bias=False,
                              kernel_dilation=(1, 2), param_dtype=np.float64, rngs=nnx.Rngs(0))
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 3))
    a = flax.ConvTranspose(layer.kernel[...], (2, 3), padding, (1, 2), transpose_kernel)
    assert_close(a(x), layer(x), units=64)
