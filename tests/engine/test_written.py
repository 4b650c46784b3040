"""`written`: what makes an operand is computed once, and nothing is copied where it is in memory already."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec
from deconvjax.engine.written import written

X = jax.ShapeDtypeStruct((256, 512), jnp.float32)


def reads(x):
    """Several reads of x, which XLA fuses into one loop."""
    return sum(x[i : i + 250] * (i + 1.0) for i in range(6))


def compiled(f, *shapes):
    return jax.jit(f).lower(*shapes).compile()


def beside(text, name, *others):
    """Whether a fused loop holds the operation `name` and one of the others, which read its result."""
    loops = [body for body in text.split("\n\n") if f" {name}(" in body]
    assert loops
    return any(f" {other}(" in body for body in loops for other in others)


def test_computed_in_a_loop_of_its_own():
    found = [compiled(lambda x, hold=h: reads(hold(jnp.tanh(x))), X).as_text() for h in (lambda x: x, written)]
    assert [beside(text, "tanh", "slice") for text in found] == [True, False]


def test_an_argument_is_not_copied():
    both = [compiled(f, X).memory_analysis() for f in (reads, lambda x: reads(written(x)))]
    assert [m.temp_size_in_bytes for m in both] == [0, 0]


def test_the_slice_of_a_scan_is_taken_once():
    def program(x, hold):
        return lax.scan(lambda c, s: (c + reads(hold(s)), None), jnp.zeros((250, 512)), x)[0]

    shape = jax.ShapeDtypeStruct((3, *X.shape), X.dtype)
    found = [compiled(lambda x, h=h: program(x, h), shape).as_text() for h in (lambda x: x, written)]
    assert [beside(text, "dynamic-slice", "slice") for text in found] == [True, False]


def test_the_numbers_are_the_same():
    x = np.random.default_rng(0).normal(size=X.shape).astype(np.float32)
    want = jax.jit(reads)(x)
    exported = export.deserialize(export.export(jax.jit(lambda x: reads(written(x))))(X).serialize())
    for f in (lambda x: reads(written(x)), exported.call):
        np.testing.assert_array_equal(jax.jit(f)(x), want)
    np.testing.assert_array_equal(written(x), x)


@pytest.mark.parametrize(
    "spec",
    [
        Spec((Axis(16, 3, lo=1, hi=1),) * 2),
        Spec((Axis(16, 3, lo=1, hi=1),) * 2, 4),
        Spec((Axis(16, 4, down=2, lo=1, hi=1),) * 2),
    ],
)
def test_gradients_in_the_taps_compute_their_operands_once(spec):
    """Of the layer between two activations, as in training."""
    x, y = (2, *spec.size, 64), (2, *spec.out, 64)

    def gradient(x, y):
        return engine.taps_gradient(jnp.tanh(x), jnp.tanh(y), spec)

    with engine.strategy("gram"):
        text = compiled(gradient, *[jax.ShapeDtypeStruct(s, jnp.float32) for s in (x, y)]).as_text()
    assert not beside(text, "tanh", "slice", "pad")


SHARDED = """
import jax, jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from deconvjax.engine.written import written
for kind in (AxisType.Explicit, AxisType.Auto):
    mesh = jax.make_mesh((2,), ("d",), axis_types=(kind,))
    x = jax.device_put(jnp.ones((4, 64)), NamedSharding(mesh, P("d")))
    f = jax.jit(lambda x: written(jnp.sin(x))[:, 1:] * 2)
    text = f.lower(x).compile().as_text()
    assert " call(" in text and "all-gather" not in text, text
    assert f(x).sharding.spec[0] == "d"
print("sharded")
"""


def test_sharded():
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SHARDED], capture_output=True, text=True, env=environment)
    assert done.stdout == "sharded\n", done.stderr[-2000:]
