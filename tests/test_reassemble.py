"""reassemble: the position-varying stage, its transposes and gradients, and the upsamplers that are one."""

from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax.check import oracle
from tests.folded import evaluate, matrices
from tests.tolerance import assert_close


def f64(*shape):
    return jax.ShapeDtypeStruct(shape, np.float64)


def loops(x, weights, factor, groups, border):
    """The definition, batch by batch and group by group, on the oracle's loops; "edge" by clamping the index."""
    n = len(factor)
    m = weights if groups else weights[..., None]
    lead = x.shape[:-n - 1]
    m = np.broadcast_to(m, (*lead, *m.shape[m.ndim - 2 * n - 1:]))
    y = np.zeros((*lead, *m.shape[len(lead):len(lead) + n], x.shape[-1]), np.result_type(x, m))
    each = x.shape[-1] // m.shape[-1]
    for b in np.ndindex(*lead):
        for g in range(m.shape[-1]):
            part = x[b][..., g * each:(g + 1) * each]
            if border == "edge":  # by one whole window, so that the window never meets the zeros
                window = m.shape[-n - 1:-1]
                part = np.pad(part, [*((k, k) for k in window), (0, 0)], mode="edge")
                wide = [(k * s, k * s) for k, s in zip(window, factor, strict=True)]
                fine = np.pad(m[b][..., g], [*wide, *[(0, 0)] * n])
                full = oracle.reassemble(part, fine, factor)
                cut = tuple(slice(lo, lo + size) for (lo, _), size in zip(wide, y.shape[len(lead):-1], strict=True))
                y[b][..., g * each:(g + 1) * each] = full[cut]
            else:
                y[b][..., g * each:(g + 1) * each] = oracle.reassemble(part, m[b][..., g], factor)
    return y


def draws(count, seed):
    """Integer weights and inputs: one to three axes, any batch, groups, sizes the factor does not divide."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        n = int(rng.integers(1, 4))
        factor, window = (tuple(map(int, rng.integers(1, 4, n))) for _ in range(2))
        out = tuple(map(int, rng.integers(1, (9, 6, 4)[n - 1], n)))
        shared = int(rng.integers(3))
        batch = ((), (2,), (1, 2))[shared]
        groups = int(rng.integers(1, 3)) if rng.integers(2) else None
        space = tuple(-(-size // s) for size, s in zip(out, factor, strict=True))
        lead = ((), (2,), (3, 2))[shared] if rng.integers(2) else ((3,), (3, 2), (2, 3, 2))[shared]
        weights = rng.integers(-3, 4, (*batch, *out, *window, *((groups,) if groups else ())))
        yield rng.integers(-5, 6, (*lead, *space, 2)), weights, factor, groups, ("zero", "edge")[int(rng.integers(2))]


def build(weights, factor, groups, border):
    return dj.reassemble(weights, factor, groups=groups, border=border)


def test_it_equals_the_loops_exactly_and_so_does_its_transpose():
    cases = list(draws(40, 0))
    wanted = [loops(*case) for case in cases]
    ys = [np.random.default_rng(i).integers(-5, 6, want.shape) for i, want in enumerate(wanted)]
    got = evaluate(lambda: [build(*rest)(x) for x, *rest in cases])
    back = evaluate(lambda: [build(*rest).on(x).T(y) for (x, *rest), y in zip(cases, ys, strict=True)])
    for case, want, y, forward, transposed in zip(cases, wanted, ys, got, back, strict=True):
        assert np.array_equal(forward, want) and forward.dtype == case[0].dtype, case[1:]
        assert transposed.shape == case[0].shape
        probes = np.random.default_rng(1).integers(-5, 6, (3, *case[0].shape))
        for probe in probes:  # <A x, y> = <x, A.T y>, in integers, for the loops' A
            assert (loops(probe, *case[1:]) * y).sum() == (probe * transposed).sum(), case[1:]


def test_matrices_of_small_maps():
    cases = [("zero", None), ("edge", None), ("zero", 1)]
    maps, wanted = [], []
    for border, groups in cases:
        weights = np.random.default_rng(2).integers(-3, 4, (5, 4, 2, 3, *((1,) if groups else ())))
        a = dj.reassemble(weights, (2, 3), groups=groups, border=border).on(f64(3, 2, 1))
        maps += [a, a.T]
        want = oracle.matrix(lambda x, w=weights, g=groups, b=border: loops(x, w, (2, 3), g, b), (3, 2, 1))
        wanted += [want, want.T]
    for got, want in zip(matrices(maps), wanted, strict=True):
        assert np.array_equal(got, want)


def test_gradients_in_weights_and_input():
    rng = np.random.default_rng(3)
    x, m = rng.standard_normal((2, 3, 4, 4)), rng.standard_normal((2, 6, 7, 3, 2, 2))
    v, dx, dm = rng.standard_normal((2, 6, 7, 4)), rng.standard_normal(x.shape), rng.standard_normal(m.shape)

    def value(m, x):
        return (dj.reassemble(m, 2, groups=2)(x) * v).sum()

    def by_loops(m, x):
        return (loops(x, m, (2, 2), 2, "zero") * v).sum()

    gm, gx = jax.jit(jax.grad(value, (0, 1)))(m, x)
    assert_close((gm * dm).sum(), by_loops(dm, x), units=64, scale=10.0)  # bilinear: the slope is the value
    assert_close((gx * dx).sum(), by_loops(m, dx), units=64, scale=10.0)
    cross = jax.jit(lambda m, x: jax.jvp(lambda m: jax.grad(value, 1)(m, x), (m,), (dm,))[1])(m, x)
    assert_close((cross * dx).sum(), by_loops(dm, dx), units=64, scale=10.0)

    def transposed(m):
        return (dj.reassemble(m, 2, groups=2).on(x).T(v) * x).sum()

    assert_close(jax.jit(jax.grad(transposed))(m), gm)
    a = dj.reassemble(jnp.asarray(m), 2, groups=2).on(x)
    assert_close(jax.jit(lambda v: jax.linear_transpose(a, x)(v)[0])(v), a.T(v))
    assert_close(jax.jit(jax.grad(lambda a: (a(x) * v).sum()))(a).weights, gm)  # the map itself as a pytree
    assert_close(jax.jit(jax.vmap(lambda m, x: dj.reassemble(m, 2, groups=2)(x)))(m, x), a(x))
    assert_close(jax.jit(jax.checkpoint(lambda x: a(x)))(x), a(x))


def test_taps_that_repeat_with_the_phase_are_the_stage():
    """y[p] = sum_d k[phase, d] x[floor(p/s) + d] is one filter on the stuffed signal."""
    rng = np.random.default_rng(4)
    for s, window, n in ((2, 3, 5), (3, 2, 4), (4, 1, 3), (3, 5, 6)):
        phases = rng.integers(-4, 5, (s, window))  # M[p, d] = phases[p % s, d]
        varying = dj.reassemble(np.tile(phases, (n, 1)), (s,)).on(f64(n, 1))
        lo = (window - 1) // 2
        taps = np.zeros(s * window, int)
        for r in range(s):
            for j in range(window):
                taps[r - s * (j - lo) + s * (window - 1 - lo)] = phases[r, j]
        start = s * (window - 1 - lo)  # y[p] = (taps * upsampled x)[p + start]
        stage = dj.upfirdn(taps, s, 1, (s * window - 1 - start, start + s - 1), axes=-2).on(f64(n, 1))
        ours, theirs = matrices([varying, stage])
        assert np.array_equal(ours, theirs), (s, window)


def test_bilinear_nearest_and_unpooling_are_reassemblies():
    coordinate = [(Fraction(2 * p + 1, 4) - Fraction(1, 2)) for p in range(10)]  # half-pixel centres, factor 2
    taps = np.array([[max(0.0, 1 - abs(float(t - p // 2 - d))) for d in (-1, 0, 1)] for p, t in enumerate(coordinate)])
    m = taps[:, None, :, None] * taps[None, :, None, :]
    nearest = np.ones((10, 10, 1, 1))
    rng = np.random.default_rng(5)
    x = rng.standard_normal((5, 5, 2))
    _, switches = dj.max_pool_switches(rng.standard_normal((10, 10, 1)), 2, 2)
    chosen = np.asarray(dj.unpool(switches, 10)(jnp.ones((5, 5, 1))))[:, :, 0].reshape(10, 10, 1, 1)
    got = evaluate(lambda: [dj.reassemble(m, 2, border="edge")(x), dj.resize(2, border="edge", axes=(-3, -2))(x),
                            dj.reassemble(m, 2)(x), dj.resize(2, border="zero", axes=(-3, -2))(x),
                            dj.reassemble(nearest, 2)(x), dj.resize(2, "nearest", axes=(-3, -2))(x),
                            dj.reassemble(chosen, 2)(x), dj.unpool(np.repeat(switches, 2, -1), 10)(x)])
    for ours, theirs in zip(got[::2], got[1::2], strict=True):
        assert_close(ours, theirs)


def test_raft_convex_upsampling():
    """RAFT: softmax over 9 neighbours of the coarse flow, unfold then sum; here the same numbers by patches."""
    rng = np.random.default_rng(6)
    flow, mask = rng.standard_normal((3, 4, 2)), rng.standard_normal((3, 4, 9, 4, 4))
    weights = jax.nn.softmax(mask, axis=2)  # (H, W, 9, s, s)
    m = weights.transpose(0, 3, 1, 4, 2).reshape(12, 16, 3, 3)
    padded = np.pad(flow, ((1, 1), (1, 1), (0, 0)))
    patches = np.stack([padded[i:i + 3, j:j + 4] for i in range(3) for j in range(3)], 2)  # (H, W, 9, 2)
    want = np.einsum("hwkrs,hwkc->hrwsc", weights, patches).reshape(12, 16, 2)
    assert_close(dj.reassemble(m, 4)(flow), want)


def test_dtypes():
    x = jnp.arange(6).reshape(3, 2)
    ones = np.ones((6, 3), np.int64)
    assert dj.reassemble(ones, (2,))(x.astype(jnp.uint8)).dtype == jnp.uint8
    assert dj.reassemble(ones.astype(float), (2,))(x).dtype == jnp.result_type(int, 1.0)
    assert dj.reassemble(jnp.ones((6, 3), jnp.float32), (2,))(x.astype(jnp.bfloat16)).dtype == jnp.float32
    many = dj.reassemble(np.ones((1, 301)), (1,), border="edge")(jnp.ones((1, 1), jnp.bfloat16))
    assert many.dtype == jnp.bfloat16 and many[0, 0] == jnp.bfloat16(301)  # summed in float32: bfloat16 stops at 256
    weights = np.random.default_rng(7).standard_normal((6, 3)) * (1 + 2j)
    a = dj.reassemble(weights, (2,)).on(jax.ShapeDtypeStruct((3, 2), np.complex128))
    matrix, adjoint, conjugate = matrices([a, a.H, a.conj()])
    assert_close(adjoint, matrix.conj().T)
    assert_close(conjugate, matrix.conj())
    assert a.H.H == a and a.T.H == a.conj()


def test_new_weights_of_the_same_shape_compile_nothing():
    run = jax.jit(lambda a, x: a(x))
    x = jnp.ones((3, 1))
    for scale in (1.0, 2.0):
        run(dj.reassemble(jnp.full((6, 3), scale), (2,)), x)
    assert run._cache_size() == 1


ones = partial(np.ones, dtype=np.float32)
BAD = [
    (lambda: dj.reassemble(ones((4, 4, 3, 3)), 0), ValueError, "reassemble: factor must be positive; got 0"),
    (lambda: dj.reassemble(ones((4, 4, 3, 3)), 1.5), TypeError, "reassemble: factor must be an integer"),
    (lambda: dj.reassemble(ones((4, 4, 3, 3)), ()), dj.ShapeError, "reassemble: factor is empty"),
    (lambda: dj.reassemble(ones((4, 4, 3)), 2), dj.ShapeError, "reassemble: weights have too few axes"),
    (lambda: dj.reassemble(ones((4, 4, 0, 3)), 2), dj.ShapeError, "reassemble: weights is empty"),
    (lambda: dj.reassemble("abcd", 2), TypeError, "reassemble: weights must be numbers"),
    (lambda: dj.reassemble([[1, 2], [3]], (1,)), dj.ShapeError, "reassemble: weights is ragged"),
    (lambda: dj.reassemble(ones((4, 4, 3, 3, 2)), 2, groups=3), dj.ShapeError, "last axis of weights holds the groups"),
    (lambda: dj.reassemble(ones((4, 4, 3, 3)), 2, groups=1), dj.ShapeError, "weights have too few axes"),
    (lambda: dj.reassemble(ones((4, 4, 3, 3)), 2, border="wrap"), ValueError, "unknown border; got 'wrap'"),
    (lambda: dj.reassemble(ones((4, 4, 3, 3)), 2).on((3, 2, 1)), dj.ShapeError, "does not fit the weights"),
    (lambda: dj.reassemble(ones((4, 4, 3, 3)), 2).on((2, 2)), dj.ShapeError, "does not fit the weights"),
    (lambda: dj.reassemble(ones((2, 4, 4, 3, 3)), 2).on((3, 2, 2, 1)), dj.ShapeError, "does not fit the weights"),
    (lambda: dj.reassemble(ones((4, 4, 3, 3, 2)), 2, groups=2).on((2, 2, 3)), dj.ShapeError, "groups must divide"),
    (lambda: dj.reassemble(ones((4, 4, 3, 3)), 2).H, dj.UnboundError, "no shape yet"),
]


@pytest.mark.parametrize(("call", "kind", "pattern"), BAD)
def test_bad_input_is_refused_with_a_fix(call, kind, pattern):
    with pytest.raises(kind, match=pattern) as caught:
        call()
    assert "Fix:" in str(caught.value)
