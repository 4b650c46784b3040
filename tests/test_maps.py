"""Every operator of the catalogue is a pytree that JAX's transformations take and give, and its T is JAX's T."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from tests.catalogue import CASES, taps
from tests.folded import dense, evaluate, units
from tests.tolerance import assert_close

MAPS = {f"{case.name}, {a.space}": a for case in CASES for a in case.maps()}
EVERY = pytest.mark.parametrize("name", MAPS)


def noise(space, seed, batch=()):
    """Random numbers in a domain, complex where it is complex."""
    rng = np.random.default_rng(seed)

    def draw(leaf):
        values = rng.normal(size=(*batch, *leaf.shape))
        if np.iscomplexobj(np.empty(0, leaf.dtype)):
            values = values + 1j * rng.normal(size=values.shape)
        return values.astype(leaf.dtype)

    return jax.tree_util.tree_map(draw, space)


@pytest.fixture(scope="module")
def computed():
    """For every map: its matrix and those of T.T, T, H and conj; T of three random vectors, ours and JAX's."""
    def readings(a, ys):
        jax_transpose = jax.linear_transpose(a, a.domain)
        return {
            "A": a(units(a.domain)), "T.T": a.T.T(units(a.domain)), "H.H": a.H.H(units(a.domain)),
            "conj": a.conj()(units(a.domain)), "T.H": a.T.H(units(a.domain)), "T": a.T(units(a.codomain)),
            "T y": a.T(ys), "jax": jax.vmap(lambda y: jax_transpose(y)[0])(ys),
        }

    names, found = list(MAPS), {}
    for start in range(0, len(names), 50):
        part = {name: MAPS[name] for name in names[start:start + 50]}
        found |= evaluate(lambda part=part: {n: readings(a, noise(a.codomain, 1, (3,))) for n, a in part.items()})
    return found


@EVERY
def test_transposes_are_those_of_the_matrix(name, computed):
    a, got = MAPS[name], computed[name]
    matrix = dense(got["A"])
    assert np.abs(matrix).max() > 0 or "zero" in name or "everything out" in name
    scale = max(np.abs(matrix).max(), 1e-3)
    assert_close(dense(got["T.T"]), matrix, scale=scale)
    assert_close(dense(got["H.H"]), matrix, scale=scale)
    assert_close(dense(got["conj"]), matrix.conj(), scale=scale)
    assert_close(dense(got["T.H"]), matrix.conj(), scale=scale)
    transposed = dense(got["T"])
    assert_close(transposed, matrix.T if np.iscomplexobj(transposed) else matrix.T.real, scale=scale)
    assert a.T.space == a.on(a.domain).T.space and a.T.codomain == a.domain and a.T.domain == a.codomain


@EVERY
def test_the_transpose_is_jax_linear_transpose(name, computed):
    ours, theirs = (jax.tree_util.tree_leaves(computed[name][key]) for key in ("T y", "jax"))
    for mine, jaxs in zip(ours, theirs, strict=True):
        assert mine.dtype == jaxs.dtype
        assert_close(mine, jaxs, units=64, scale=10.0)


@EVERY
def test_records(name):
    """Transposing twice gives the same record wherever no cast is between; all readings name the map."""
    a = MAPS[name]
    if a.is_complex_linear and all(x.dtype == y.dtype for x, y in zip(
            jax.tree_util.tree_leaves(a.domain), jax.tree_util.tree_leaves(a.codomain), strict=False)):
        assert a.T.T == a
        assert a.H.H == a
        assert a.T.H == a.conj()
    assert a == a and hash(a) == hash(a.on(a.domain)) and a == a.on(a.domain)
    leaves, tree = jax.tree_util.tree_flatten(a)
    assert jax.tree_util.tree_unflatten(tree, leaves) == a
    assert all(hasattr(leaf, "dtype") or isinstance(leaf, (int, float, complex)) for leaf in leaves)
    assert str(a.space) in repr(a) and a._repr_latex_().strip("$")
    assert copy.deepcopy(a) == a


def test_maps_go_into_jit_and_come_out_of_it():
    moved = jax.jit(lambda maps: jax.tree_util.tree_map(lambda leaf: leaf, maps))(MAPS)
    transposed = jax.jit(lambda maps: {n: a.T for n, a in maps.items()})(MAPS)
    for name, a in MAPS.items():
        for got, want in ((moved[name], a), (transposed[name], a.T)):
            (leaves, tree), (wanted, structure) = map(jax.tree_util.tree_flatten, (got, want))
            assert tree == structure, name
            for mine, theirs in zip(leaves, wanted, strict=True):
                assert_close(mine, np.asarray(theirs), scale=1.0)


def test_eval_shape_allocates_nothing_and_says_what_a_map_gives():
    for a in MAPS.values():
        got = jax.eval_shape(a, a.domain)
        assert jax.tree_util.tree_all(jax.tree_util.tree_map(
            lambda x, y: x.shape == y.shape and x.dtype == y.dtype, got, a.codomain))


def test_rank_promotion_may_be_forbidden():
    """No map broadcasts an operand of fewer axes in silence: its plan and its transpose, arrays constant and traced."""
    def both(a, x):
        return a(x), a.T(a(x)), a.H(a(x))

    with jax.numpy_rank_promotion("raise"):
        for a in MAPS.values():
            for got in (jax.eval_shape(both, a, a.domain), jax.eval_shape(lambda x, a=a: both(a, x), a.domain)):
                assert jax.tree_util.tree_structure(got[0]) == jax.tree_util.tree_structure(a.codomain)


def test_leading_batch_axes_bound_or_not(computed):
    cases = [case for case in CASES if case.name in (
        "upsample 2-D", "pad reflect", "convolve 2-D", "convolve wrap", "conv strided 2-D", "conv_transpose",
        "diagonal", "upfirdn", "long chain", "sum", "stack", "row", "conv circular")]
    assert len(cases) == 13

    def readings(case):
        a = case.maps()[0]
        xs = noise(a.domain, 2, (2, 3))
        one_by_one = jax.vmap(jax.vmap(a))(xs)
        return one_by_one, a(xs), case.build()(xs), a.T(a(xs)), jax.vmap(jax.vmap(a.T))(one_by_one)

    for one_by_one, bound, free, back, back_one_by_one in evaluate(lambda: [readings(case) for case in cases]):
        for want, got in ((one_by_one, bound), (one_by_one, free), (back_one_by_one, back)):
            jax.tree_util.tree_map(lambda g, w: assert_close(g, w, units=64, scale=10.0), got, want)


def test_pickle():
    a = (dj.downsample(2) @ dj.convolve(taps(3))).on((8,))
    assert pickle.loads(pickle.dumps(a)) == a
    assert pickle.loads(pickle.dumps(dj.conv(taps(3, 1, 2)))) == dj.conv(taps(3, 1, 2))


# ---- transformations over the arrays inside a map -------------------------------------------------------------------
def layer(q):
    return dj.downsample(2) @ dj.convolve(q) + 0.5 * dj.downsample(2)


def test_new_taps_of_the_same_shape_compile_nothing():
    traces = []

    @jax.jit
    def apply(a, x):
        traces.append(a)
        return a(x), a.on(x).T(a(x))

    x = jnp.arange(8.0)
    first = [apply(layer(np.full(3, value)), x)[0] for value in (1.0, 2.0, 3.0)]
    assert len(traces) == 1
    assert not np.allclose(first[0], first[1])
    apply(layer(np.full(4, 1.0)), x)
    assert len(traces) == 2, "other shapes do"


def test_gradients_with_respect_to_every_array_of_a_map_are_finite_differences():
    rng = np.random.default_rng(3)
    chain = (dj.diagonal(rng.normal(size=5)) @ dj.conv_transpose(rng.normal(size=(3, 5, 2)), strides=2)
             @ dj.conv(rng.normal(size=(3, 2, 2)), strides=2, padding="CIRCULAR"))
    a = chain.on(jax.ShapeDtypeStruct((6, 2), np.float64))
    x, leaves = rng.normal(size=(6, 2)), jax.tree_util.tree_leaves(a)
    loss = jax.jit(lambda a: jnp.sum(jnp.sin(a(x))))
    gradient = jax.jit(jax.grad(loss))(a)
    assert isinstance(gradient, dj.LinearMap) and len(leaves) == 3
    for index, leaf in enumerate(leaves):
        direction = [np.zeros_like(each) for each in leaves]
        direction[index] = rng.normal(size=leaf.shape)

        def moved(t, direction=direction):
            shifted = [each + t * d for each, d in zip(leaves, direction, strict=True)]
            return loss(jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(a), shifted))

        slope = (moved(1e-6) - moved(-1e-6)) / 2e-6
        inner = np.sum(np.asarray(jax.tree_util.tree_leaves(gradient)[index]) * direction[index])
        assert abs(slope) > 1e-3 and abs(slope - inner) < 1e-7 * max(1, abs(slope))


def test_vmap_scan_and_checkpoint_over_maps():
    rng = np.random.default_rng(4)
    many, xs = rng.normal(size=(4, 3)), rng.normal(size=(4, 6))

    @jax.jit
    def run(many, xs):
        maps = jax.vmap(dj.convolve)(many)  # a map comes out of vmap, its arrays stacked
        batched = jax.vmap(lambda a, x: a(x))(maps, xs)
        scanned, _ = jax.lax.scan(lambda x, a: (a(x), None), xs[0], maps)
        kept = jax.grad(lambda m: jnp.sum(jax.checkpoint(lambda a, x: a(x))(m, xs[0]) ** 2))(dj.convolve(many[0]))
        plain = jax.grad(lambda m: jnp.sum(m(xs[0]) ** 2))(dj.convolve(many[0]))
        return batched, scanned, kept.taps, plain.taps

    batched, scanned, kept, plain = run(many, xs)
    want = np.stack([np.convolve(x, q, "same") for x, q in zip(xs, many, strict=True)])
    assert_close(batched, want, units=32)
    chained = xs[0]
    for q in many:
        chained = np.convolve(chained, q, "same")
    assert_close(scanned, chained, units=64)
    assert_close(kept, plain, units=32)


def test_building_compiles_nothing_and_allocates_only_the_taps():
    before = len(jax.live_arrays())
    a = (dj.downsample((4, 4)) @ dj.convolve(np.ones((9, 9)))).on((4096, 4096))
    assert a.T.codomain.shape == (4096, 4096) and a.H.domain.shape == (1024, 1024) and "downsample(4)" in repr(a)
    assert len(jax.live_arrays()) == before
