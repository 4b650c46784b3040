"""`once`: what makes an operand is computed once, before; nothing is copied where it is in memory already."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec, images
from deconvjax.engine.once import once
from tests.engine.test_onednn import needs_onednn

X = jax.ShapeDtypeStruct((256, 512), jnp.float32)
READ = (250, 512)


def reads(x):
    """Several reads of x, which XLA fuses into one loop."""
    return sum(x[i : i + 250] * (i + 1.0) for i in range(6))


def plain(f, shape, *operands):
    return f(*operands)


def compiled(f, *shapes):
    return jax.jit(f).lower(*shapes).compile()


def beside(text, name, *others):
    """Whether a fused loop holds the operation `name` and one of the others, each of more than one number."""

    def holds(body, name):
        return re.search(rf"= \w+\[(?!1(,1)*\])[\d,]+\]\S* {name}\(", body)

    loops = [body for body in text.split("\n\n") if holds(body, name)]
    assert loops
    return any(holds(body, other) for body in loops for other in others)


def test_computed_in_a_loop_of_its_own():
    found = [compiled(lambda x, run=run: run(reads, READ, jnp.tanh(x)), X).as_text() for run in (plain, once)]
    assert [beside(text, "tanh", "slice") for text in found] == [True, False]


def test_an_argument_is_not_copied():
    held = compiled(lambda x: once(reads, READ, x), X).memory_analysis()
    assert held.temp_size_in_bytes < 4096


def test_the_slice_of_a_scan_is_taken_once():
    def program(x, run):
        return lax.scan(lambda c, s: (c + run(reads, READ, s), None), jnp.zeros(READ), x)[0]

    shape = jax.ShapeDtypeStruct((3, *X.shape), X.dtype)
    found = [compiled(lambda x, run=run: program(x, run), shape).as_text() for run in (plain, once)]
    assert [beside(text, "dynamic-slice", "slice") for text in found] == [True, False]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16", "complex64", "int32", "int8", "uint8"])
@pytest.mark.parametrize("first", [0, -1, 1, np.nan])
def test_one_turn_whatever_is_in_x(dtype, first):
    if np.isnan(first) and "int" in dtype:
        first = np.iinfo(dtype).max
    with jax.enable_x64(dtype == "float64"):
        x = jnp.arange(12).astype(dtype).at[0].set(first).reshape(3, 4)
        counted = jax.jit(lambda x: once(lambda x: x[:, 1:] * 2, (3, 3), x))(x)
        np.testing.assert_array_equal(counted, x[:, 1:] * 2)
        assert counted.dtype == x.dtype


def test_the_numbers_are_the_same():
    x = np.random.default_rng(0).normal(size=X.shape).astype(np.float32)
    want = jax.jit(reads)(x)
    exported = export.deserialize(export.export(jax.jit(lambda x: once(reads, READ, x)))(X).serialize())
    for f in (lambda x: once(reads, READ, x), exported.call):
        np.testing.assert_allclose(jax.jit(f)(x), want, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(once(reads, READ, x), want, rtol=1e-5, atol=1e-4)


GRADIENTS = [
    Spec((Axis(16, 3, lo=1, hi=1),) * 2),
    Spec((Axis(16, 3, lo=1, hi=1),) * 2, 4),
    Spec((Axis(16, 4, down=2, lo=1, hi=1),) * 2),
    Spec((Axis(16, 3, down=2, lo=1, hi=1),) * 2),
    Spec((Axis(16, 4, down=2, lo=1, hi=1),) * 3),
]


@needs_onednn
@pytest.mark.parametrize("spec", GRADIENTS)
def test_gradients_in_the_taps_compute_their_operands_once(spec):
    """Of the layer between two activations, as in training."""
    x, y = (2, *spec.size, 64), (2, *spec.out, 64)

    def gradient(x, y):
        return engine.taps_gradient(jnp.tanh(x), jnp.tanh(y), spec)

    with engine.strategy("gram"):
        text = compiled(gradient, *[jax.ShapeDtypeStruct(s, jnp.float32) for s in (x, y)]).as_text()
    assert not beside(text, "tanh", "slice", "pad")


@needs_onednn
@pytest.mark.parametrize(("room", "pieces"), [(images.ROOM, True), (100, False)])
def test_copies_are_few_times_the_operands(monkeypatch, room, pieces):
    """Of a large batch: a product for some of the images after another."""
    monkeypatch.setattr(images, "ROOM", room)
    spec, shape = Spec((Axis(32, 5, lo=2, hi=2),) * 2), jax.ShapeDtypeStruct((16, 32, 32, 256), jnp.float32)
    with engine.strategy("gram"):
        held = compiled(lambda x, y: engine.taps_gradient(x, y, spec), shape, shape).memory_analysis()
    copied = (held.temp_size_in_bytes - held.output_size_in_bytes) / held.argument_size_in_bytes
    assert (copied < 3.5) == pieces


def test_updates_in_place():
    """Operands that a scan updates in place, read before and after: no name is left for a buffer overwritten."""

    def program(run, x, k):
        def step(carried, s):
            x, total = carried
            x = x.at[1].set(s[0])
            found = run(lambda x, s: x[:3] * s[3:] + x[3:], (3, 8), x, s)
            x = x[::-1] + x * 0.5
            again = run(lambda x, y: (x * y)[1:4], (3, 8), x, x)
            return (x, total + found - again), run(lambda s: s.at[2].set(found[0])[:3], (3, 8), s)

        return lax.scan(step, (x, jnp.zeros((3, 8))), k)

    rng = np.random.default_rng(0)
    for donated in ((), (0,)):
        x, k = rng.normal(size=(6, 8)).astype(np.float32), rng.normal(size=(4, 6, 8)).astype(np.float32)
        want = jax.jit(lambda x, k: program(plain, x, k))(x, k)
        got = jax.jit(lambda x, k: program(once, x, k), donate_argnums=donated)(jnp.array(x), k)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
