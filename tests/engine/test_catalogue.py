"""The whole catalogue of maps through every strategy: against matrices written from the taps, and lax's derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec, rule
from tests.catalogue import CASES
from tests.engine.maps import ORACLES, operands

STRATEGIES = sorted({*rule.FORWARD, *rule.GRADIENT})
LOOSE = {"fourier": 200}  # its error is eps times the largest output, not each one's own


def stages(cases):
    """(name, map, dense matrix) of every map that the engine runs a part of."""
    found = []
    for case in cases:
        for shape in case.shapes:
            domain = shape
            if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape):
                domain = jax.ShapeDtypeStruct(shape, np.float64)
            elif not isinstance(shape, jax.ShapeDtypeStruct):
                continue
            wide = np.result_type(domain.dtype, np.float64)
            a = case.build().on(jax.ShapeDtypeStruct(domain.shape, wide))
            if not isinstance(a.codomain, jax.ShapeDtypeStruct):
                continue
            if "deconvjax_" in str(jax.make_jaxpr(lambda x, a=a: a(x))(a.domain)):
                found.append((f"{case.name} on {domain.shape}", a, np.asarray(a.sparse().todense())))
    return found


def _agree(maps, strategy, real, factor):
    draw = np.random.default_rng(0)

    def typed(shape, dtype):
        kind = np.result_type(real, np.complex64) if np.issubdtype(dtype, np.complexfloating) else real
        values = draw.standard_normal(shape)
        return (
            values + 1j * draw.standard_normal(shape) if np.issubdtype(kind, np.complexfloating) else values
        ).astype(kind)

    def narrow(a):
        def leaf(t):
            if not hasattr(t, "dtype") or not jnp.issubdtype(t.dtype, jnp.inexact):
                return t
            return t.astype(np.result_type(real, np.complex64) if jnp.iscomplexobj(t) else real)

        return jax.tree.map(leaf, a)

    data = [(typed(a.domain.shape, a.domain.dtype), typed(a.codomain.shape, a.codomain.dtype)) for _, a, _ in maps]

    @jax.jit
    def program(data):
        out = []
        for (_, a, _), (x, y) in zip(maps, data, strict=True):
            bound = narrow(a).on(jax.ShapeDtypeStruct(x.shape, x.dtype))
            assert (bound.domain.dtype, bound.codomain.dtype) == (x.dtype, y.dtype)
            mixed = jnp.iscomplexobj(x) != jnp.iscomplexobj(
                y
            )  # complex taps on real x have no transpose over the reals
            out.append((bound(x), None if mixed else jax.linear_transpose(bound, x)(y)[0]))
        return out

    with engine.strategy(strategy):
        got = program(data)
    eps = np.finfo(real).eps
    for (name, _, dense), (x, y), values in zip(maps, data, got, strict=True):
        for matrix, v, value in ((dense, x, values[0]), (dense.T, y, values[1])):
            if value is None:
                continue
            want, scale = matrix @ v.ravel(), abs(matrix) @ abs(v.ravel())
            bound = factor * eps * (scale.max(initial=0) if strategy in LOOSE else scale) + 1e-300
            error = abs(np.asarray(value).ravel() - want)
            assert (error <= bound * LOOSE.get(strategy, 1)).all(), (strategy, name, error.max(initial=0))


@pytest.mark.slow
def test_the_catalogue_through_every_strategy():
    """|error| <= 32 eps |A| |x|, forward and transposed, in float64 and float32 (1e-12 relative is 4500 eps)."""
    maps = stages(CASES)
    assert len(maps) > 60
    for strategy in STRATEGIES:
        for real in (np.float64, np.float32):
            _agree(maps, strategy, real, 32)


def test_some_of_the_catalogue_through_some_strategies():
    maps = stages(CASES[::16])
    for strategy in ("direct", "blocks"):
        _agree(maps, strategy, np.float64, 32)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("groups", [1, 4, 32, None])
def test_every_strategy_agrees_with_lax(strategy, groups):
    """F, T and W in float32 against `conv_general_dilated` and its own derivatives, within eps sum|k||x|."""
    rank = 1 if strategy == "banded" else 2
    spec = Spec((Axis(8, 4, 1, 1, 2, 1, 1), Axis(9, 3, 1, 1, 2, 1, 1))[:rank], groups)
    r = np.random.default_rng(0)
    cin = 32
    taps = spec.window if groups is None else (*spec.window, cin // groups, 32)
    x, k, y = (r.standard_normal(s).astype(np.float32) for s in ((2, *spec.size, cin), taps, (2, *spec.out, 32)))
    numbers = ("NHWC", "HWIO", "NHWC") if rank == 2 else ("NWC", "WIO", "NWC")

    def native(x, k):
        kernel = jnp.broadcast_to(k[..., None, None], (*spec.window, 1, cin)) if groups is None else k
        return lax.conv_general_dilated(
            x, kernel, (2,) * rank, [(1, 1)] * rank, dimension_numbers=numbers,
            feature_group_count=cin if groups is None else groups, precision="highest",
        )  # fmt: skip

    @jax.jit
    def program(x, k, y):
        value, pull = jax.vjp(native, x, k)
        ours, mine = jax.vjp(lambda x, k: engine.stage(x, k, spec), x, k)
        return (ours, *mine(y)), (value, *pull(y))

    with engine.strategy(strategy):
        ours, theirs = program(x, k, y)
    for (kind, oracle_map), a, b in zip(ORACLES.items(), ours, theirs, strict=True):
        scale = oracle_map(*[abs(v).astype(np.float64) for v in operands(spec, kind, x, k, y)], spec)
        scale = scale.max() if strategy in LOOSE else scale
        assert (abs(a - b) <= 16 * np.finfo(np.float32).eps * scale).all(), kind
