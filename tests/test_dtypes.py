"""The dtype policy: JAX's promotion, weak taps, exact integers, float32 accumulation, x64 on and off."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from tests.folded import evaluate
from tests.tolerance import assert_close

REAL = [jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64]
COMPLEX = [jnp.complex64, jnp.complex128]
WHOLE = [jnp.int8, jnp.int32, jnp.int64, jnp.uint8]
TAPS = {"int": [1, 2, 3], "float": [0.5, 1.0, 2.0], "complex": [1j, 2.0, 1 - 1j]}


def landing(a, dtype, shape=(6,)):
    bound = a.on(jax.ShapeDtypeStruct(shape, dtype))
    assert jax.eval_shape(bound, bound.domain).dtype == bound.codomain.dtype, "what is said is what comes"
    return bound.codomain.dtype


@pytest.mark.parametrize("dtype", REAL + COMPLEX + WHOLE, ids=lambda d: jnp.dtype(d).name)
def test_constant_taps_are_weak_as_python_numbers_are(dtype):
    """Lists and NumPy arrays of any precision take the dtype of x; a list means what a Python number would."""
    one = jnp.ones((), dtype)
    for kind, values in TAPS.items():
        want = (one * {"int": 2, "float": 2.0, "complex": 2j}[kind]).dtype
        for given in (values, np.array(values)):
            assert landing(dj.convolve(given), dtype) == want
            assert landing(dj.diagonal(given), dtype, (3,)) == want
            assert landing(dj.conv(np.reshape(given, (3, 1, 1))), dtype, (6, 1)) == want
            assert landing(dj.conv_transpose(np.reshape(given, (3, 1, 1)), strides=2), dtype, (6, 1)) == want
    assert landing(dj.convolve(np.ones(3, np.float32)), dtype) == (one * 2.0).dtype


@pytest.mark.parametrize("dtype, taps", [*itertools.product(REAL + COMPLEX + WHOLE, [*REAL, *COMPLEX, jnp.int32])],
                         ids=lambda d: jnp.dtype(d).name)
def test_jax_taps_promote_as_jax_does(dtype, taps):
    want = jnp.promote_types(dtype, taps)
    assert landing(dj.convolve(jnp.ones(3, taps)), dtype) == want
    assert landing(dj.diagonal(jnp.ones(3, taps)), dtype, (3,)) == want
    a = dj.conv_transpose(jnp.ones((3, 1, 1), taps), strides=2).on(jax.ShapeDtypeStruct((6, 1), dtype))
    assert a.codomain.dtype == want
    if jnp.issubdtype(dtype, jnp.integer) and not jnp.issubdtype(want, jnp.integer):
        with pytest.raises(TypeError, match="would have to give integers.*Fix: bind with"):
            _ = a.T
    else:
        assert a.T.codomain.dtype == dtype, "a transpose lands in the domain"


@pytest.mark.parametrize("dtype", REAL + COMPLEX + WHOLE + [jnp.bool_], ids=lambda d: jnp.dtype(d).name)
def test_maps_without_taps_keep_any_dtype(dtype):
    for a in (dj.upsample(2), dj.downsample(2), dj.shift(1, axes=-1), dj.pad((1, 2)), dj.pad((1, 2), "reflect"),
              dj.crop((1, 1)), dj.identity, dj.zero, dj.upsample(2) @ dj.downsample(3)):
        assert landing(a, dtype) == dtype


def test_scalars():
    for c, dtype, want in [(2, jnp.float32, jnp.float32), (2.0, jnp.bfloat16, jnp.bfloat16),
                           (2.0, jnp.int32, jnp.float64), (2j, jnp.float32, jnp.complex64),
                           (np.float64(2), jnp.float32, jnp.float32), (jnp.float64(2), jnp.float32, jnp.float64)]:
        assert landing(c * dj.upsample(2), dtype) == want


def test_a_shape_tuple_means_float32():
    assert dj.upsample(2).on((3,)).domain.dtype == jnp.float32
    assert dj.convolve(np.ones(3)).on((3,)).codomain.dtype == jnp.float32


def test_x64_off(x32):
    x = np.arange(6.0)  # float64, which JAX then reads as float32
    for a in (dj.convolve(np.ones(3)), dj.convolve([1.0, 2.0]), dj.upsample(2), dj.diagonal(np.ones(6)),
              2.0 * dj.identity):
        assert a(x).dtype == jnp.float32 and a.on(x).T(a(x)).dtype == jnp.float32
        assert a.on(x).domain.dtype == jnp.float32
    assert dj.convolve([1, 2])(np.arange(5)).dtype == jnp.int32
    assert dj.convolve([1.0])(np.arange(5)).dtype == jnp.float32
    assert dj.convolve([1j])(x).dtype == jnp.complex64


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.int32, jnp.int64, jnp.uint8])
def test_integers_are_exact_and_wrap_as_integers_do(dtype):
    rng = np.random.default_rng(0)
    info = np.iinfo(dtype)
    x = rng.integers(info.min // 2, info.max // 2, (5, 2), dtype=dtype)
    q, kernel = np.array([3, 1, 2]), rng.integers(0, 4, (3, 2, 2))
    got = evaluate(lambda: (dj.convolve(q, "full", axes=-2)(x), dj.conv(kernel, strides=2)(x),
                            dj.conv_transpose(kernel, strides=2)(x), dj.convolve(q, "wrap", axes=-2).on(x).T(x)))
    exact = x.astype(object)  # Python's own integers
    want = np.stack([np.convolve(exact[:, c], q) for c in range(2)], 1)
    assert np.array_equal(got[0], want.astype(np.int64).astype(dtype) if dtype != jnp.int64 else wrapped(want))
    for y in got:
        assert y.dtype == dtype
    f = [dj.conv(kernel, strides=2), dj.conv_transpose(kernel, strides=2)]
    small = (x % 5).astype(dtype)
    exactly, floats = evaluate(lambda: ([a(small) for a in f], [a(small.astype(np.float64)) for a in f]))
    for mine, theirs in zip(exactly, floats, strict=True):
        assert np.array_equal(mine, theirs.astype(np.int64).astype(dtype))


def wrapped(values):
    return np.array([(int(v) + 2**63) % 2**64 - 2**63 for v in values.ravel()]).reshape(values.shape)


@pytest.mark.parametrize("dtype, big", [(jnp.bfloat16, 256), (jnp.float16, 2048)], ids=["bfloat16", "float16"])
def test_half_precision_accumulates_in_float32(dtype, big):
    """In the dtype itself big + 1 is big, so ones added one at a time after it are lost; in float32 they are not."""
    n = 256
    ones = np.ones(n)
    x = jnp.asarray(np.where(np.arange(n) == n // 2, big, ones), dtype)
    want = jnp.asarray(big + n - 1.0, dtype)
    assert jnp.asarray(big, dtype) + jnp.ones((), dtype) == big

    def sums():
        window = dj.convolve(ones, "valid")
        layer = dj.conv(np.ones((16, 16, 1)), padding="VALID")
        spread = dj.conv_transpose(np.ones((16, 1, 16)), padding=15)
        gradient = jax.grad(lambda q: dj.convolve(q, "valid")(x).sum())(jnp.ones(1, dtype))
        edge = dj.pad((n - 1, 0), "edge").on(jax.ShapeDtypeStruct((1,), dtype))
        return (window(x), layer(x.reshape(16, 16)), spread(x.reshape(16, 16)), gradient, edge.T(x),
                dj.upfirdn(ones, 1, 1, (n - 1, 0)).on(x).T(x)[:1])

    for got in jax.jit(sums)():
        assert got.dtype == dtype and got.ravel().tolist() == [want]


def test_half_precision_is_one_rounding_away_from_float32():
    rng = np.random.default_rng(1)
    x, q = rng.normal(size=(40,)), rng.normal(size=(9,))
    low = jnp.asarray(x, jnp.bfloat16)
    exact = np.convolve(np.asarray(low, np.float64), np.asarray(jnp.asarray(q, jnp.bfloat16), np.float64), "same")
    assert_close(np.asarray(dj.convolve(q)(low), np.float32), exact.astype(np.float32), units=0.6, dtype=jnp.bfloat16)


@pytest.mark.parametrize("tap, dtype", [(300, jnp.uint8), (-1, jnp.uint8), (2**40, jnp.int32), (1e300, jnp.float32),
                                        (7e4, jnp.float16), (-1e39, jnp.bfloat16), (8, jnp.int4)], ids=str)
def test_constants_that_the_dtype_does_not_hold_are_refused(tap, dtype):
    """They would wrap, or become infinite; the largest number there is, is taken."""
    space = jax.ShapeDtypeStruct((6,), dtype)
    for a in (dj.convolve([1, tap]), dj.diagonal([tap])):
        with pytest.raises(TypeError, match=r"does not hold them; got .*expected numbers from .*Fix: widen"):
            a.on(space)
    whole = jnp.issubdtype(dtype, jnp.integer)
    largest = int(jnp.iinfo(dtype).max) if whole else float(jnp.finfo(dtype).max)
    assert dj.convolve([1, largest]).on(space).is_bound
