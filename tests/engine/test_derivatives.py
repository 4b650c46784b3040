"""Derivatives of F, T and W of random stages, first and second order, exactly and without compiling anything.

JAX traces the derivative; its program (the three primitives and additions) then runs on NumPy through the rule's
strategies, and is compared with the oracle's trilinear form <y, F(x, k)>.
"""

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deconvjax.engine import lower
from tests.engine import oracle
from tests.engine.maps import MAPS, ORACLES, operands
from tests.engine.numpy_backend import array, numpy_backend

FIRST = {"F": "T", "T": "F", "W": "T"}  # the derivative in the first operand
SECOND = {"F": "W", "T": "W", "W": "F"}  # and in the second


def run(closed, *args):
    """A program of the three primitives and additions, in NumPy."""
    env = dict(zip(closed.jaxpr.invars, args, strict=True))
    used = set()
    for eqn in closed.jaxpr.eqns:
        a, b = (env[v] for v in eqn.invars)
        name = eqn.primitive.name
        used.add(name)
        if name in ("add", "add_any"):
            out = a + b
        else:
            out = lower.BY_KIND[name](array(a), array(b), **eqn.params, target=lower.Target("cpu"))
        env[eqn.outvars[0]] = out
    return [env[v] for v in closed.jaxpr.outvars], used


def derivatives(kind, spec, seed):
    """(got, want) of the map, its pullback, and the derivative of the pullback in all three arguments."""
    f = lambda a, b: MAPS[kind](a, b, spec)  # noqa: E731
    _, x, k, y = oracle.random_stage(seed)
    d = [np.random.default_rng(seed + 1).integers(-4, 5, v.shape).astype(np.float64) for v in (x, k, y)]
    third = {"F": 2, "T": 0, "W": 1}[kind]

    def ordered(all_):
        return (*operands(spec, kind, *all_), all_[third])

    def pullback(a, b, c):
        value, pull = jax.vjp(f, a, b)
        return value, *pull(c)

    point, move = ordered((x, k, y)), ordered(d)
    closed = jax.make_jaxpr(lambda p, m: jax.jvp(pullback, p, m))(point, move)
    got, used = run(closed, *point, *move)
    first = [ORACLES[n](*operands(spec, n, x, k, y), spec) for n in (kind, FIRST[kind], SECOND[kind])]
    second = []
    for n in (kind, FIRST[kind], SECOND[kind]):
        (a, b), (da, db) = operands(spec, n, x, k, y), operands(spec, n, *d)
        second.append(ORACLES[n](da, b, spec) + ORACLES[n](a, db, spec))
    return got, [*first, *second], used


def check(seed):
    spec = oracle.random_stage(seed)[0]
    for kind in MAPS:
        got, want, used = derivatives(kind, spec, seed)
        assert used == {*lower.BY_KIND, "add_any"}, used
        for i, (g, w) in enumerate(zip(got, want, strict=True)):
            np.testing.assert_allclose(g, w, rtol=0, atol=1e-9, err_msg=f"{kind} {seed} {i} {spec}")


def _property(examples):
    quiet = settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

    @quiet
    @given(st.integers(0, 2**31 - 2))
    def property_(seed):
        with numpy_backend():
            check(seed)

    return property_


def test_derivatives_of_random_stages():
    _property(60)()


@pytest.mark.slow
def test_derivatives_of_five_thousand_random_stages():
    _property(5000)()
