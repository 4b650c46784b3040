"""A batch whose size is a symbol (`jax.export`), and programs that are not compiled (`jax.disable_jit`)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import deconvjax as dj
from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.errors import ShapeError
from tests import numpy_eval
from tests.engine import oracle
from tests.engine.maps import DOWN, MAPS, ORACLES, draw, operands

SEEDS = range(8)


def test_a_symbolic_batch_of_any_size_is_the_definition():
    """F, T and W of eight random stages in one program, exported once and called with one sample and with five."""
    five = lambda a: np.concatenate([a, 2 * a, 1 - a, a - 2, -a])[:5]  # noqa: E731
    stages = [(spec, five(x), k, five(y)) for spec, x, k, y in map(oracle.random_stage, SEEDS)]

    def program(data):
        out = []
        for (spec, *_), (x, k, y) in zip(stages, data, strict=True):
            out.append({kind: MAPS[kind](*operands(spec, kind, x, k, y), spec) for kind in MAPS})
        return out

    (size,) = export.symbolic_shape("b")
    free = lambda a: jax.ShapeDtypeStruct((size, *a.shape[1:]), a.dtype)  # noqa: E731
    shapes = [(free(x), jax.ShapeDtypeStruct(k.shape, k.dtype), free(y)) for _, x, k, y in stages]
    exported = export.deserialize(export.export(jax.jit(program))(shapes).serialize())
    for n in (1, 5):
        data = [(x[:n], k, y[:n]) for _, x, k, y in stages]
        for (spec, *_), operand, got in zip(stages, data, exported.call(data), strict=True):
            for kind, oracle_map in ORACLES.items():
                want = oracle_map(*operands(spec, kind, *operand), spec)
                np.testing.assert_allclose(got[kind], want, rtol=1e-12, atol=1e-9, err_msg=f"{n} {kind} {spec}")


def test_half_precision_adds_up_over_a_symbolic_batch_in_float32():
    """The sum over 512 samples, each of them 1 in a tap's gradient, passes bfloat16's last exact integer, 256."""
    spec = engine.Spec((Axis(4, 2),), 1)
    (size,) = export.symbolic_shape("b")
    x, y = (jax.ShapeDtypeStruct((size, n, 1), jnp.bfloat16) for n in (4, 3))
    exported = export.export(jax.jit(lambda x, y: engine.taps_gradient(x, y, spec)))(x, y)
    pulses = jnp.zeros((512, 4, 1), jnp.bfloat16).at[:, 1].set(1)
    got = exported.call(pulses, jnp.zeros((512, 3, 1), jnp.bfloat16).at[:, 1].set(1))
    np.testing.assert_array_equal(got.ravel(), [512, 0])


MAPS_OF_ANY_BATCH = {
    "convolve": (dj.convolve([1.0, 2.0, 1.0]), (16,)),
    "resample": (dj.downsample(2) @ dj.convolve([1.0, 2.0, 1.0]) @ dj.upsample(3), (16,)),
    "border": (dj.pad((2, 1), mode="reflect"), (16,)),
    "conv": (dj.conv(np.arange(54.0).reshape(3, 3, 2, 3), strides=2), (7, 8, 2)),
    "conv_transpose": (dj.conv_transpose(np.arange(96.0).reshape(4, 4, 2, 3), strides=2), (5, 6, 3)),
    "resize": (dj.resize((2, 2), axes=(-3, -2)), (4, 5, 3)),
    "pixel_shuffle": (dj.pixel_shuffle((2, 2)), (3, 4, 8)),
    "sum": (dj.upsample(2) + dj.upsample(2) @ dj.convolve([1.0, 1.0, 1.0]), (9,)),
}


def test_maps_take_a_symbolic_batch():
    """Unbound and bound, one batch axis and two, all in one exported program."""
    n, m = export.symbolic_shape("n, m")

    def program(data):
        return {
            name: (a(data[name][0]), a.on(shape)(data[name][0]), a(data[name][1]))
            for name, (a, shape) in MAPS_OF_ANY_BATCH.items()
        }

    shapes = {
        name: tuple(jax.ShapeDtypeStruct((*lead, *shape), jnp.float32) for lead in ((n,), (n, m)))
        for name, (_, shape) in MAPS_OF_ANY_BATCH.items()
    }
    exported = export.export(jax.jit(program))(shapes)
    draws = np.random.default_rng(0)
    data = {
        name: tuple(draws.integers(-9, 9, (*lead, *shape)).astype(np.float32) for lead in ((3,), (3, 2)))
        for name, (_, shape) in MAPS_OF_ANY_BATCH.items()
    }
    got = exported.call(data)
    for name, (a, shape) in MAPS_OF_ANY_BATCH.items():
        for ours, x in zip(got[name], (data[name][0], *data[name]), strict=True):
            want = numpy_eval.apply(a.on(shape), x.reshape(-1, *shape))
            np.testing.assert_allclose(ours, want.reshape(ours.shape), rtol=1e-5, err_msg=name)


def test_a_symbolic_size_on_an_axis_that_the_map_acts_on_is_refused():
    x = jax.ShapeDtypeStruct(export.symbolic_shape("b, h, 8, 2"), jnp.float32)
    with pytest.raises(ShapeError, match=r"conv\(3x3.*symbolic size is not a batch axis.*b,h,8,2.*Fix"):
        export.export(jax.jit(dj.conv(np.ones((3, 3, 2, 3)))))(x)


def test_operands_of_a_symbolic_batch_go_through_vmap():
    """Weights and switches with the batch axis: refused as they are, and what the error proposes works."""
    (size,) = export.symbolic_shape("b")
    draws = np.random.default_rng(1)
    weights, switches = draws.normal(size=(3, 4, 4, 3, 3)), draws.integers(0, 16, (3, 2, 2, 1), np.int32)
    x = draws.normal(size=(3, 2, 2, 1))
    for call, given in (
        (lambda w, x: dj.reassemble(w, 2)(x), weights),
        (lambda s, x: dj.unpool(s, (4, 4))(x), switches),
    ):
        shapes = [jax.ShapeDtypeStruct((size, *a.shape[1:]), a.dtype) for a in (given, x)]
        with pytest.raises(ShapeError, match=r"symbolic size.*Fix: map over batch axes with jax\.vmap"):
            export.export(jax.jit(call))(*shapes)
        exported = export.export(jax.jit(jax.vmap(call)))(*shapes)
        np.testing.assert_allclose(exported.call(given, x), call(given, x), rtol=1e-12)


def test_maps_run_where_nothing_is_compiled():
    """Under `jax.disable_jit` the primitives are compiled all the same, as JAX's own are."""
    x, k, y = draw(DOWN)
    with jax.disable_jit():
        found = {kind: MAPS[kind](*operands(DOWN, kind, x, k, y), DOWN) for kind in MAPS}
        slope = jax.grad(lambda k: jnp.sum(engine.stage(x, k, DOWN) * y))(k)
        many = jax.vmap(lambda x: engine.stage(x[None], k, DOWN)[0])(x)
    for kind, oracle_map in ORACLES.items():
        want = oracle_map(*operands(DOWN, kind, x, k, y), DOWN)
        np.testing.assert_allclose(found[kind], want, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(slope, found["W"], rtol=1e-12)
    np.testing.assert_allclose(many, found["F"], rtol=1e-12)
