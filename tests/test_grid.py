"""B1: for thousands of configurations, A, A.T and A.H are, entry by entry, the matrix that NumPy loops give.

Entries are small integers, so every dtype is exact and the comparison is equality. A hundred maps go into one program
whose inputs are constants: XLA folds it, evaluating what the library lowered to, in milliseconds per map. One hundred
in three runs as the cost rule lowers it, the others through one XLA convolution per stage, which is quicker to trace
(tests/engine compares every lowering with that one). Some maps run once more compiled, on inputs that are not constant.
"""

from functools import partial

import jax
import numpy as np
import pytest

import deconvjax as dj
from deconvjax import engine
from deconvjax.check import oracle
from tests.folded import QUICK, dense, evaluate, units
from tests.grid import DTYPES, FAMILIES


def nothing_comes_out(by_loops, shape):
    try:
        return oracle.matrix(by_loops, shape).size == 0
    except (ValueError, IndexError):  # NumPy's own refusals of negative sizes
        return True


def draw(family, count):
    """`count` bound maps with their oracles' matrices. What the library refuses, the oracle refuses too."""
    rng = np.random.default_rng(20160923)
    cases = []
    while len(cases) < count:
        built, by_loops, shape = family(rng)
        struct = jax.ShapeDtypeStruct(shape, DTYPES[len(cases) % len(DTYPES)])
        try:
            bound = built.on(struct)
            bound.T  # noqa: B018  an integer map with complex taps has none
        except dj.ShapeError as refusal:
            assert nothing_comes_out(by_loops, shape), refusal
            continue
        except TypeError as error:
            assert "would have to give integers" in str(error)
            continue
        cases.append((bound, oracle.matrix(by_loops, shape)))
    return cases


def images(maps, xs, ys):
    """A and A.T on unit vectors; for complex64 the adjoint instead of the transpose."""
    return [(a(x), (a.H if x.dtype == np.complex64 else a.T)(y)) for a, x, y in zip(maps, xs, ys, strict=True)]


def compare(maps, wanted, got):
    for bound, want, (forward, back) in zip(maps, wanted, got, strict=True):
        codomain = bound.codomain
        assert forward.shape[1:] == codomain.shape and forward.dtype == codomain.dtype, bound
        assert back.shape[1:] == bound.domain.shape and back.dtype == bound.domain.dtype, bound
        assert np.array_equal(dense(forward), want), (bound, dense(forward), want)
        rows = dense(back).T
        want = want.conj() if bound.domain.dtype == np.complex64 else want if np.iscomplexobj(rows) else want.real
        assert np.array_equal(rows, want), (bound, "transposed", rows, want)


def check(cases, lowering):
    maps, wanted = zip(*cases, strict=True)
    xs, ys = [units(a.domain) for a in maps], [units(a.codomain) for a in maps]
    with engine.strategy(lowering):
        compare(maps, wanted, evaluate(partial(images, maps, xs, ys)))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_configuration_is_the_matrix_of_the_loops(family):
    cases = draw(family, FAMILIES[family])
    for start in range(0, len(cases), 100):
        check(cases[start:start + 100], None if start % 300 == 0 else "direct")


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_configuration_as_the_cost_rule_lowers_it(family):
    cases = draw(family, 3 * FAMILIES[family])
    for start in range(0, len(cases), 100):
        check(cases[start:start + 100], None)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_some_configurations_compiled(family):
    maps, wanted = zip(*draw(family, 12), strict=True)
    xs, ys = [units(a.domain) for a in maps], [units(a.codomain) for a in maps]
    compare(maps, wanted, jax.jit(images).lower(maps, xs, ys).compile(QUICK)(maps, xs, ys))


def test_the_grid_is_as_large_as_promised():
    assert sum(FAMILIES.values()) >= 3000
