"""F, T and W as JAX primitives: compiled values, every transformation, every dtype, errors."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec
from deconvjax.errors import ShapeError
from tests.engine import oracle
from tests.engine.maps import DOWN, MAPS, ORACLES, UP, draw, operands


def test_compiled_values_are_the_definition():
    """Thirty random stages in one program: what XLA makes of the rule's choices."""
    stages = [oracle.random_stage(seed) for seed in range(30)]

    @jax.jit
    def program(data):
        out = []
        for (spec, *_), (x, k, y) in zip(stages, data, strict=True):
            out.append({kind: MAPS[kind](*operands(spec, kind, x, k, y), spec) for kind in MAPS})
        return out

    for (spec, x, k, y), got in zip(stages, program([s[1:] for s in stages]), strict=True):
        for kind, oracle_map in ORACLES.items():
            want = oracle_map(*operands(spec, kind, x, k, y), spec)
            assert got[kind].dtype == want.dtype
            np.testing.assert_allclose(got[kind], want, rtol=1e-12, atol=1e-9, err_msg=f"{kind} {spec}")


@pytest.mark.parametrize("spec", [UP, DOWN, Spec(UP.axes, None)], ids=["grouped up", "down", "scalar"])
def test_closed_under_differentiation(spec):
    """vjp, jvp, linear_transpose and the derivative of the derivative, all against the oracle's trilinear form."""
    x, k, y = draw(spec)
    dx, dk, dy = draw(spec, seed=1)
    want = {
        "F": oracle.stage(x, k, spec),
        "jvp F": oracle.stage(dx, k, spec) + oracle.stage(x, dk, spec),
        "vjp F": (oracle.transpose(y, k, spec), oracle.taps_gradient(x, y, spec)),
        "jvp T": oracle.transpose(dy, k, spec) + oracle.transpose(y, dk, spec),
        "vjp T": (oracle.stage(x, k, spec), oracle.taps_gradient(x, y, spec)),
        "jvp W": oracle.taps_gradient(dx, y, spec) + oracle.taps_gradient(x, dy, spec),
        "vjp W": (oracle.transpose(y, k, spec), oracle.stage(x, k, spec)),
        "linear": (oracle.transpose(y, k, spec), oracle.taps_gradient(x, y, spec), oracle.stage(x, k, spec)),
        "hvp": (
            oracle.transpose(dy, k, spec) + oracle.transpose(y, dk, spec),
            oracle.taps_gradient(dx, y, spec) + oracle.taps_gradient(x, dy, spec),
            oracle.stage(dx, k, spec) + oracle.stage(x, dk, spec),
        ),
    }

    @jax.jit
    def program(x, k, y, dx, dk, dy):
        f, t, w = (lambda a, b, m=m: m(a, b, spec) for m in MAPS.values())
        form = lambda x, k, y: jnp.sum(f(x, k) * y)  # noqa: E731
        return {
            "F": f(x, k),
            "jvp F": jax.jvp(f, (x, k), (dx, dk))[1],
            "vjp F": jax.vjp(f, x, k)[1](y),
            "jvp T": jax.jvp(t, (y, k), (dy, dk))[1],
            "vjp T": jax.vjp(t, y, k)[1](x),
            "jvp W": jax.jvp(w, (x, y), (dx, dy))[1],
            "vjp W": jax.vjp(w, x, y)[1](k),
            "linear": (
                jax.linear_transpose(lambda x: f(x, k), x)(y)[0],
                jax.linear_transpose(lambda k: f(x, k), k)(y)[0],
                jax.linear_transpose(lambda y: t(y, k), y)(x)[0],
            ),
            "hvp": jax.jvp(jax.grad(form, (0, 1, 2)), (x, k, y), (dx, dk, dy))[1],
        }

    got = program(x, k, y, dx, dk, dy)
    assert got.keys() == want.keys()
    jax.tree.map(lambda g, w: np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-9), got, want)


@pytest.mark.parametrize("spec", [UP, DOWN, Spec(UP.axes, None)], ids=["grouped up", "down", "scalar"])
def test_vmap_over_either_operand(spec):
    """Data, taps and both, at every position of the mapped axis, nested too; and the gradient of a vmapped map."""
    x, k, y = draw(spec, lead=(3,))
    cases = [
        (kind, a, b) for kind in MAPS for a, b in itertools.product((0, None, -1), repeat=2) if (a, b) != (None, None)
    ]

    def place(a, axis):
        return a[0] if axis is None else np.moveaxis(a, 0, axis)

    @jax.jit
    def program(x, k, y):
        out = []
        for kind, a, b in cases:
            left, right = operands(spec, kind, x, k, y)
            left, right = (
                jnp.moveaxis(v, 0, i) if i == -1 else v[0] if i is None else v for v, i in ((left, a), (right, b))
            )
            out.append(jax.vmap(lambda p, q, kind=kind: MAPS[kind](p, q, spec), (a, b))(left, right))
        nested = jax.vmap(jax.vmap(lambda p, q: engine.stage(p, q, spec), (0, None)), (None, 0))(x, k)
        per_example = jax.vmap(jax.grad(lambda k, x, y: jnp.sum(engine.stage(x, k, spec) * y)), (None, 0, 0))(
            k[0], x, y
        )
        return out, nested, per_example

    out, nested, per_example = program(x, k, y)
    for (kind, a, b), got in zip(cases, out, strict=True):
        left, right = operands(spec, kind, x, k, y)
        want = [ORACLES[kind](left[0 if a is None else i], right[0 if b is None else i], spec) for i in range(3)]
        np.testing.assert_allclose(got, np.stack(want), rtol=1e-12, atol=1e-9, err_msg=f"{kind} {a} {b}")
    want = np.stack([[oracle.stage(x[i], k[j], spec) for i in range(3)] for j in range(3)])
    np.testing.assert_allclose(nested, want, rtol=1e-12, atol=1e-9)
    want = np.stack([oracle.taps_gradient(x[i], y[i], spec) for i in range(3)])
    np.testing.assert_allclose(per_example, want, rtol=1e-12, atol=1e-9)


def test_vmap_over_nothing_gives_nothing_but_shapes():
    """An empty mapped axis, or no channels, as `jax.lax` takes them: zeros of the right shape, none computed."""
    axis = Axis(7, 3, down=2, lo=1, hi=1)
    down, scalar = Spec((axis,)), Spec((axis,), None)
    zeros = jnp.zeros
    shapes = [
        jax.vmap(lambda x: engine.stage(x, zeros((3, 4, 6)), down))(zeros((0, 2, 7, 4))),
        jax.vmap(lambda x, k: engine.stage(x, k, down))(zeros((0, 2, 7, 4)), zeros((0, 3, 4, 6))),
        jax.vmap(lambda y, k: engine.transpose(y, k, down))(zeros((0, 2, 4, 6)), zeros((0, 3, 4, 6))),
        jax.vmap(lambda x, y: engine.taps_gradient(x, y, down))(zeros((3, 2, 7, 0)), zeros((3, 2, 4, 6))),
        jax.vmap(lambda k: engine.stage(zeros((2, 7, 0)), k, scalar))(zeros((3, 3))),
    ]
    assert [a.shape for a in shapes] == [(0, 2, 4, 6), (0, 2, 4, 6), (0, 2, 7, 4), (3, 3, 0, 6), (3, 2, 4, 0)]


def test_an_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="no such strategy; got 'colums', expected one of .*columns"):
        with engine.strategy("colums"):
            pass


def test_numpy_integers_are_sizes():
    axis = Axis(np.int64(64), np.int64(3), lo=np.int64(1), hi=np.int64(1))
    x, k = np.ones((1, 64, 8), np.float32), np.ones((3, 8, 8), np.float32)
    np.testing.assert_array_equal(engine.stage(x, k, Spec((axis,)))[0, :2, 0], [16, 24])


def test_loops_checkpoint_and_export():
    """scan, while_loop, checkpoint inside one program that is serialised, reloaded and gives the same numbers."""
    x, k, y = draw(DOWN, dtype=np.float32)

    def program(x, k, y):
        loss = jax.checkpoint(lambda x, k: jnp.sum(jnp.tanh(engine.stage(x, k, DOWN)) * y))
        slope = jax.grad(loss, (0, 1))(x, k)
        scanned = lax.scan(lambda c, _: (c + jnp.mod(engine.transpose(y, c, DOWN).sum(), 97), None), k, length=3)[0]
        looped = lax.while_loop(
            lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] + engine.taps_gradient(x, y, DOWN)), (0, k)
        )
        return slope, scanned, looped[1]

    want = jax.jit(program)(x, k, y)
    u = jax.grad(lambda x, k: jnp.sum(jnp.tanh(engine.stage(x, k, DOWN)) * y), (0, 1))(x, k)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), want[0], u)
    np.testing.assert_allclose(want[2], k + 3 * oracle.taps_gradient(x, y, DOWN), rtol=1e-6)
    blob = export.export(jax.jit(program), platforms=("cpu", "cuda", "tpu"))(x, k, y).serialize()
    got = export.deserialize(blob).call(x, k, y)
    jax.tree.map(np.testing.assert_array_equal, got, want)


def test_eval_shape_compiles_nothing():
    x, k, y = draw(UP)
    before = engine.stage(x, k, UP).shape  # the caches are warm: nothing else may be compiled from here on
    with jax.log_compiles(False), jax.disable_jit(False):
        counts = []
        jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: counts.append(name))
        shapes = jax.eval_shape(lambda x, k, y: (engine.stage(x, k, UP), engine.transpose(y, k, UP)), x, k, y)
        jax.eval_shape(jax.grad(lambda x, k: engine.stage(x, k, UP).sum(), (0, 1)), x, k)
    assert not [c for c in counts if "backend_compile" in c]
    assert (shapes[0].shape, shapes[1].shape) == (before, x.shape)


def test_precision_reaches_the_products():
    spec = Spec(DOWN.axes, 1, lax.Precision.HIGHEST)
    x, k, _ = draw(spec, dtype=np.float32)
    with engine.strategy("direct"):  # oneDNN, which the rule may call, knows only float32's own precision
        text = jax.jit(lambda x, k: engine.stage(x, k, spec)).lower(x, k).as_text()
    assert "HIGHEST" in text


def test_strategy_is_part_of_the_cache_key():
    """A function compiled outside is traced anew inside, and the name travels with the primitive into its gradient."""
    x, k, _ = draw(DOWN, dtype=np.float32)
    f = jax.jit(lambda x, k: engine.stage(x, k, DOWN))
    plain = f(x, k)
    with engine.strategy("direct"):
        text = f.lower(x, k).as_text()
        assert "stablehlo.convolution" in text
        np.testing.assert_allclose(f(x, k), plain, rtol=1e-5)
        gradient = jax.make_jaxpr(jax.grad(lambda k: engine.stage(x, k, DOWN).sum()))(k)
    assert "strategy=direct" in str(gradient)
    assert "strategy=direct" not in str(jax.make_jaxpr(f)(x, k))


@pytest.mark.parametrize("strategy", [None, "fourier", "banded", "tiles", "columns", "direct"])
def test_a_single_channel_runs_as_scalar_taps(strategy):
    """One channel in and out: by the strategies of scalar taps, and by those of channels where they are asked for."""
    axes = (Axis(60, 5, down=2, lo=1, hi=2),)
    spec, scalar = Spec(axes, 1), Spec(axes, None)
    for kind in "FTW":
        assert engine.choose(spec, kind, (2, 60, 1), "float32") == engine.choose(scalar, kind, (2, 60, 1), "float32")
    r = np.random.default_rng(0)
    x, k, y = (r.integers(-3, 4, s).astype(np.float64) for s in ((2, 60, 1), (5, 1, 1), (2, *spec.out, 1)))
    with engine.strategy(strategy):
        for kind, oracle_map in ORACLES.items():
            some = operands(spec, kind, x, k, y)
            got = jax.jit(MAPS[kind], static_argnums=2)(*some, spec)
            np.testing.assert_allclose(got, oracle_map(*some, spec), atol=1e-12)


def test_empty_batches_and_no_axes():
    spec = Spec((), 2)
    x, k, y = draw(spec)
    np.testing.assert_allclose(engine.stage(x, k, spec), oracle.stage(x, k, spec))
    np.testing.assert_allclose(engine.transpose(y, k, spec), oracle.transpose(y, k, spec))
    np.testing.assert_allclose(engine.taps_gradient(x, y, spec), oracle.taps_gradient(x, y, spec))
    x, k, y = draw(DOWN, batch=0)
    assert engine.stage(x, k, DOWN).shape == y.shape
    assert engine.transpose(y, k, DOWN).shape == x.shape
    np.testing.assert_array_equal(engine.taps_gradient(x, y, DOWN), np.zeros_like(k))


def test_shard_map_and_sharded_batches():
    """Over a mesh of one device: the manual-axes types of values and gradients agree."""
    mesh = jax.make_mesh((1,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
    x, k, y = draw(DOWN, dtype=np.float32)
    p = jax.sharding.PartitionSpec

    def loss(x, k, y):
        return lax.psum(jnp.sum(engine.stage(x, k, DOWN) * y), "d")

    mapped = jax.shard_map(jax.grad(loss, (0, 1)), mesh=mesh, in_specs=(p("d"), p(), p("d")), out_specs=(p("d"), p()))
    got = jax.jit(mapped)(x, k, y)
    np.testing.assert_allclose(got[0], oracle.transpose(y, k, DOWN), rtol=1e-5)
    np.testing.assert_allclose(got[1], oracle.taps_gradient(x, y, DOWN), rtol=1e-5)


def test_refusals():
    x, k, y = draw(DOWN)
    for bad in (x[:, :-1], x[..., :1], x[0]):
        with pytest.raises(ShapeError, match="stage: shape of x"):
            engine.stage(bad, k, DOWN)
    with pytest.raises(ShapeError, match="transpose: shape of y"):
        engine.transpose(y[:, :-1], k, DOWN)
    with pytest.raises(ShapeError, match="taps_gradient: shape of y; got|taps_gradient: shape of y"):
        engine.taps_gradient(x, y[:1], DOWN)
    with pytest.raises(ShapeError, match="shape of taps"):
        engine.stage(x, k[:-1], DOWN)
    with pytest.raises(TypeError, match="one numeric dtype"):
        engine.stage(x.astype(np.float32), k, DOWN)
    with pytest.raises(TypeError, match="one numeric dtype"):
        engine.stage(x > 0, k > 0, DOWN)
    with pytest.raises(ShapeError, match="window does not fit"):
        engine.stage(x[:, :2], k, Spec((Axis(2, 5),)))
    with pytest.raises(ShapeError, match="up must be positive"):
        engine.stage(x, k, Spec((Axis(7, 3, up=0),)))
    with pytest.raises(ValueError, match="kind must be"):
        engine.choose(DOWN, "X", x.shape, "float32")
