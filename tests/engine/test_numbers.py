"""Every dtype, and the accuracy of float32 against its own rounding bound and against lax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec
from tests.engine.maps import MAPS, ORACLES, draw, operands

EXACT = ("float64", "complex64", "complex128", "int8", "int32", "int64", "uint8", "float32", "bfloat16", "float16")


def test_every_dtype():
    """Small integers are exact in every type; half precision accumulates in float32 (4096 ones are 4096)."""
    spec = Spec((Axis(6, 3, 1, 2, 3, 1, 2),), 2)
    long = Spec((Axis(4096, 4096),), 1)
    cases = {}
    for name in EXACT:
        kind = np.complex128 if name.startswith("complex") else np.float64
        x, k, y = draw(spec, dtype=kind)
        if name == "uint8":
            x, k, y = abs(x), abs(k), abs(y)
        cases[name] = (x, k, y)

    @jax.jit
    def program(cases):
        out = {n: [m(*operands(spec, kind, *c), spec) for kind, m in MAPS.items()] for n, c in cases.items()}
        ones = [jnp.ones((1, 4096, 1), t) for t in ("bfloat16", "float16")]
        return out, [engine.stage(x, jnp.ones((4096, 1, 1), x.dtype), long) for x in ones]

    typed = {n: tuple(jnp.asarray(a).astype(n) for a in c) for n, c in cases.items()}
    got, sums = program(typed)
    for name, values in got.items():
        for (kind, oracle_map), value in zip(ORACLES.items(), values, strict=True):
            assert value.dtype == jnp.dtype(name)
            want = oracle_map(*operands(spec, kind, *cases[name]), spec)
            bits = {"int8": np.int8, "uint8": np.uint8}.get(name)
            if bits is not None:  # exact modulo 256, as NumPy's own arithmetic in that type
                want = want.astype(np.int64).astype(bits)
            if name in ("bfloat16", "float16"):
                want = np.asarray(jnp.asarray(want).astype(name).astype("float64"))
            np.testing.assert_array_equal(np.asarray(value).astype(want.dtype), want, err_msg=f"{name} {kind}")
    assert [float(s.ravel()[0]) for s in sums] == [4096.0, 4096.0]


@pytest.mark.parametrize("groups", [1, 4, 32, None])
def test_float32_is_as_accurate_as_its_terms_allow(groups):
    """|error| <= 4 eps sum|k||x|, term by term, for F, T and W on a larger stage, and against lax's own derivatives."""
    spec = Spec((Axis(8, 4, 1, 1, 2, 1, 1), Axis(9, 3, 1, 1, 2, 1, 1)), groups)
    r = np.random.default_rng(0)
    cin = 32
    taps = spec.window if groups is None else (*spec.window, cin // groups, 32)
    shapes = ((2, *spec.size, cin), taps, (2, *spec.out, 32))
    x, k, y = (r.standard_normal(s).astype(np.float32) for s in shapes)

    def native(x, k):
        kernel = jnp.broadcast_to(k[..., None, None], (*spec.window, 1, cin)) if groups is None else k
        return lax.conv_general_dilated(
            x, kernel, (2, 2), [(1, 1), (1, 1)], dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=cin if groups is None else groups, precision="highest",
        )  # fmt: skip

    @jax.jit
    def program(x, k, y):
        ours = engine.stage(x, k, spec), engine.transpose(y, k, spec), engine.taps_gradient(x, y, spec)
        value, pull = jax.vjp(native, x, k)
        return ours, (value, *pull(y))

    ours, lax_ = program(x, k, y)
    for got, theirs, (kind, oracle_map) in zip(ours, lax_, ORACLES.items(), strict=True):
        wide = [a.astype(np.float64) for a in operands(spec, kind, x, k, y)]
        bound = 4 * np.finfo(np.float32).eps * oracle_map(*map(abs, wide), spec)
        assert (abs(got - oracle_map(*wide, spec)) <= bound).all(), kind
        assert (abs(got - theirs) <= 4 * bound).all(), kind
