"""Pooling: averages equal Flax's, maxima and their switches equal the loops', unpooling is the transpose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

import deconvjax as dj
from deconvjax.check import oracle
from tests import numpy_eval
from tests.folded import evaluate, matrices
from tests.onnx_cases import node_cases
from tests.tolerance import assert_close


def f64(*shape):
    return jax.ShapeDtypeStruct(shape, np.float64)


def draws(count, seed):
    """(x, window, strides, padding): one to three axes, with and without batch, every kind of padding."""
    rng = np.random.default_rng(seed)
    while count:
        ndim = int(rng.integers(1, 4))
        window = tuple(map(int, rng.integers(1, 4, ndim)))
        strides = tuple(map(int, rng.integers(1, 4, ndim)))
        space = tuple(int(rng.integers(k, (10, 7, 5)[ndim - 1])) for k in window)
        pads = tuple((int(rng.integers(0, k)), int(rng.integers(0, k))) for k in window)
        padding = ("VALID", "SAME", pads)[int(rng.integers(3))]
        yield rng.integers(-4, 5, (*(2,) * int(rng.integers(2)), *space, 2)), window, strides, padding
        count -= 1


# ---- averages -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_averages_equal_the_loops(count_include_pad):
    for x, window, strides, padding in draws(150, 1):
        bound = dj.average_pool(window, strides, padding, count_include_pad=count_include_pad).on(f64(*x.shape))
        got = numpy_eval.apply(bound, x[None].astype(float))[0]
        assert bound.codomain.shape == got.shape
        assert_close(got, oracle.average_pool(x, window, strides, padding, count_include_pad))


def test_averages_equal_flax():
    cases = [(x.astype(float), *rest, count) for x, *rest in draws(30, 2) for count in (True, False)]
    cases = [case for case in cases if case[0].ndim > len(case[1]) + 1 or case[-1]]  # Flax needs a batch to count
    got = evaluate(lambda: [dj.average_pool(w, s, p, count_include_pad=c)(x) for x, w, s, p, c in cases])
    want = evaluate(lambda: [linen.avg_pool(x, w, s, p, c) for x, w, s, p, c in cases])
    assert len(cases) > 40
    for ours, theirs in zip(got, want, strict=True):
        assert_close(ours, theirs)


def test_average_pooling_as_a_map():
    pool = dj.average_pool(2, 2)
    assert pool == dj.average_pool((2, 2), (2, 2)) and pool.on((4, 4, 3)).codomain.shape == (2, 2, 3)
    (m,) = matrices([dj.average_pool((2,), 1, 1, count_include_pad=False).on(f64(2, 1))])
    assert m.tolist() == [[1, 0], [0.5, 0.5], [0, 1]]
    (m,) = matrices([dj.average_pool((2,), 1, 1).on(f64(2, 1)).T])
    assert m.tolist() == [[0.5, 0.5, 0], [0, 0.5, 0.5]]
    (m,) = matrices([dj.average_pool((2,), 2, "SAME_LOWER", count_include_pad=False).on(f64(3, 1))])
    assert m.tolist() == [[1, 0, 0], [0, 0.5, 0.5]]
    assert pool(jnp.ones((2, 2, 1), jnp.int32)).dtype == jnp.result_type(jnp.int32, 1.0)
    assert pool(jnp.ones((2, 2, 1), jnp.bfloat16)).dtype == jnp.bfloat16
    x = np.random.default_rng(0).standard_normal((5, 6))
    assert_close(dj.average_pool((2,), 2).along((-2, -1))(x), dj.average_pool((2,), 2)(x))
    assert_close(dj.average_pool((2,), 2).along((-1, -2))(x), dj.average_pool((2,), 2)(x.T).T)


# ---- maxima and switches ------------------------------------------------------------------------------------------
def test_maxima_and_switches_equal_the_loops():
    """Values from -4 to 4: most windows hold ties, and the first in row-major order must win."""
    cases = list(draws(45, 3))
    got = evaluate(lambda: [dj.max_pool_switches(x, w, s, p) for x, w, s, p in cases])
    for (x, *rest), (values, switches) in zip(cases, got, strict=True):
        want, where = oracle.max_pool(x, *rest, ndim=len(rest[0]))
        assert np.array_equal(values, want) and np.array_equal(switches, where)
        assert values.dtype == jax.dtypes.canonicalize_dtype(x.dtype) and switches.dtype == np.int32


def test_unpooling_is_the_transpose_and_adds_overlaps():
    cases = []
    for x, *rest in draws(40, 4):
        n = len(rest[0])
        _, switches = oracle.max_pool(x, *rest, ndim=n)
        cases.append((x, switches, x.shape[-n - 1:-1], np.random.default_rng(0).integers(-9, 10, switches.shape)))
    maps = [dj.unpool(switches, space).on(y) for _, switches, space, y in cases]
    got = evaluate(lambda: [(a(y), a.T(x)) for a, (x, _, _, y) in zip(maps, cases, strict=True)])
    for (x, switches, space, y), (spread, gathered) in zip(cases, got, strict=True):
        assert np.array_equal(spread, oracle.unpool(y, switches, space))
        flat = x.reshape(*x.shape[:-len(space) - 1], -1, x.shape[-1])
        read = np.take_along_axis(flat, switches.reshape(*flat.shape[:-2], -1, x.shape[-1]), -2)
        assert np.array_equal(gathered, read.reshape(switches.shape))


def test_values_that_can_be_read():
    x = jnp.array([[1, 2, 0, 3], [4, 4, 3, 3], [0, 0, -1, -2], [0, 5, -2, -1]])[..., None]
    y, m = dj.max_pool_switches(x, 2, 2)
    assert y[..., 0].tolist() == [[4, 3], [5, -1]] and m[..., 0].tolist() == [[4, 3], [13, 10]]
    y, m = dj.max_pool_switches(x, 3, 1)
    assert y[..., 0].tolist() == [[4, 4], [5, 5]] and m[..., 0].tolist() == [[4, 5], [13, 13]]
    up = dj.unpool(m, (4, 4))(jnp.ones((2, 2, 1), int))[..., 0]
    assert up.tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 2, 0, 0]]  # 13 was chosen twice
    y, m = dj.max_pool_switches(-jnp.ones((3, 1)), (2,), 2, 1)
    assert y[:, 0].tolist() == [-1, -1] and m[:, 0].tolist() == [0, 1]  # padding is never the maximum
    _, m = dj.max_pool_switches(jnp.array([5, 1, 2, 9, 3])[:, None], (2,), 1, dilation=3)
    assert m[:, 0].tolist() == [3, 4]


def test_special_values():
    low = jnp.full((4, 1), -jnp.inf)
    y, m = dj.max_pool_switches(low, (2,), 2, ((1, 1),))
    assert np.isneginf(y).all() and m[:, 0].tolist() == [0, 1, 3]
    least = jnp.full((2, 1), jnp.iinfo(jnp.int32).min, jnp.int32)
    assert dj.max_pool_switches(least, (2,), 2, 1)[1][:, 0].tolist() == [0, 1]
    y, m = dj.max_pool_switches(jnp.array([1.0, jnp.nan, 3.0, jnp.nan])[:, None], (4,), 4)
    assert np.isnan(y).all() and m.tolist() == [[1]]
    y, m = dj.max_pool_switches(jnp.array([1, 3, 2, 0], jnp.bfloat16)[:, None], (2,), 2)
    assert y.dtype == jnp.bfloat16 and y[:, 0].tolist() == [3, 2]
    y, m = dj.max_pool_switches(jnp.array([False, True])[:, None], (2,), 2)
    assert y.tolist() == [[True]] and m.tolist() == [[1]]


def test_pooling_transforms():
    x = jnp.asarray(np.random.default_rng(1).standard_normal((3, 6, 6, 2)))
    y, m = jax.jit(lambda x: dj.max_pool_switches(x, 3, 2, 1))(x)
    a = dj.unpool(m, (6, 6)).on(y)
    assert np.array_equal(a.T(x), y)
    assert np.array_equal(jax.vmap(lambda x: dj.max_pool_switches(x, 3, 2, 1)[0])(x), y)
    v = jnp.asarray(np.random.default_rng(2).standard_normal(y.shape))
    assert_close(jax.vjp(lambda x: dj.max_pool_switches(x, 3, 2, 1)[0], x)[1](v)[0], a(v))
    assert_close(jax.linear_transpose(a, y)(x)[0], y)
    assert_close(a(jnp.stack([v, 2 * v])), jnp.stack([a(v), 2 * a(v)]))  # batch axes in front of the switches'
    assert_close(jax.jit(lambda m, v: dj.unpool(m, 6)(v))(m, v), a(v))
    assert np.array_equal(a.T.T(v), a(v)) and a.H == a.T


def test_onnx_max_unpool_and_switches():
    """ONNX counts indices through the whole tensor (N, C, H, W); ours count within one channel."""
    cases = node_cases("test_maxunpool", "test_maxpool_with_argmax")
    assert len(cases) >= 3
    for case in cases.values():
        if case.operator == "MaxUnpool":
            y, index = case.inputs[:2]
            (want,) = case.outputs
            plane = want.shape[2] * want.shape[3]
            if len(case.inputs) < 3:  # with output_shape, ONNX re-reads the indices in a larger tensor: see compat
                a = dj.unpool(np.moveaxis(index % plane, 1, -1), want.shape[2:])
                assert np.array_equal(np.moveaxis(np.asarray(a(np.moveaxis(y, 1, -1))), -1, 1), want), case.name
        elif "storage_order" not in case.attributes:
            (x,), (want, index) = case.inputs, case.outputs
            top, left, bottom, right = case.attributes.get("pads", (0, 0, 0, 0))
            values, switches = dj.max_pool_switches(
                np.moveaxis(x, 1, -1), tuple(case.attributes["kernel_shape"]),
                tuple(case.attributes.get("strides", (1, 1))), ((top, bottom), (left, right)))
            plane = x.shape[2] * x.shape[3]
            assert np.array_equal(np.moveaxis(np.asarray(values), -1, 1), want), case.name
            assert np.array_equal(np.moveaxis(np.asarray(switches), -1, 1), index % plane), case.name


M = np.zeros((2, 2, 1), int)
X = np.zeros((4, 4, 1), np.float32)
BAD = [
    (lambda: dj.average_pool(0, 1), ValueError, "average_pool: window must be positive; got 0"),
    (lambda: dj.average_pool(2.5, 1), TypeError, "average_pool: window must be an integer; got 2.5"),
    (lambda: dj.average_pool((), 1), dj.ShapeError, "average_pool: window is empty"),
    (lambda: dj.average_pool(2, (1, 2, 3)), dj.ShapeError, "strides has the wrong number of entries"),
    (lambda: dj.average_pool(2, 2, "FULL"), ValueError, "unknown padding; got 'FULL'"),
    (lambda: dj.average_pool(2, 2, -1), ValueError, "padding must be at least 0; got -1"),
    (lambda: dj.average_pool(2, 2, ((1, 1),)), dj.ShapeError, "cannot read padding"),
    (lambda: dj.average_pool(2, 2, count_include_pad=1), TypeError, "count_include_pad is a switch"),
    (lambda: dj.average_pool(5, 1).on((4, 4, 1)), dj.ShapeError, "too short"),
    (lambda: dj.average_pool(2, 2).on((4, 4)), dj.ShapeError, "too few axes"),
    (lambda: dj.average_pool((2,), 1, 2, count_include_pad=False).on((4, 1)), dj.ShapeError, "only padding"),
    (lambda: dj.max_pool_switches(X, 2, 0), ValueError, "max_pool_switches: strides must be positive"),
    (lambda: dj.max_pool_switches(X, (2, 2, 2), 2), dj.ShapeError, "max_pool_switches: x does not have this shape"),
    (lambda: dj.max_pool_switches(X[:0], 2, 2), dj.ShapeError, "none of length 0"),
    (lambda: dj.max_pool_switches(X, 5, 1), dj.ShapeError, "too short"),
    (lambda: dj.max_pool_switches(X, 2, 1, 2), dj.ShapeError, "holds only padding"),
    (lambda: dj.max_pool_switches(X + 0j, 2, 2), TypeError, "complex numbers have no order"),
    (lambda: dj.max_pool_switches(X, 2, 2, dilation=0), ValueError, "dilation must be positive"),
    (lambda: dj.unpool(M + 0.5, 4), TypeError, "unpool: switches are positions; got dtype float64"),
    (lambda: dj.unpool(M + 16, 4), ValueError, "a switch lies outside output_shape; got values 16 to 16"),
    (lambda: dj.unpool(M - 1, 4), ValueError, "a switch lies outside output_shape"),
    (lambda: dj.unpool(M, (4, 4, 4)), dj.ShapeError, "switches and output_shape do not go together"),
    (lambda: dj.unpool(M, (4, 0)), ValueError, "output_shape must be positive"),
    (lambda: dj.unpool(M, 4).on((3, 2, 1)), dj.ShapeError, "does not fit the switches"),
    (lambda: dj.unpool(M, 4).on((1,)), dj.ShapeError, "does not fit the switches"),
]


@pytest.mark.parametrize(("call", "kind", "pattern"), BAD)
def test_bad_input_is_refused_with_a_fix(call, kind, pattern):
    with pytest.raises(kind, match=pattern) as caught:
        call()
    assert "Fix:" in str(caught.value)
