"""The compiled programs: outside and inside `scan`, no convolution may fall to XLA's unoptimised loop."""

import re

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec

CANONICAL = re.compile(r"dim_labels=b(\d*)f_\1io->b\1f")


def slow_convolutions(text):
    """Convolutions of an optimised CPU program that XLA runs as its elemental loop, or through zero-stuffed data.

    That is: window reversal, other than canonical dimension numbers, a type other than f32 or f16, groups or three
    dimensions with base dilation. Convolutions inside a `__ynn_fusion` are library calls and fast.
    """
    found, inside = [], False
    library = set(re.findall(r"calls=%?([\w.]+),?[^\n]*__ynn_fusion", text))
    for line in text.splitlines():
        head = re.match(r"%?([\w.]+) \(", line)
        if head:
            inside = head.group(1) in library
        if inside or " convolution(" not in line:
            continue
        dilated = "lhs_dilate" in line
        rank = len(re.search(r"size=([\dx]+)", line).group(1).split("x"))
        bad = "rhs_reversal" in line or not CANONICAL.search(line) or not re.search(r"= f(32|16)\[", line)
        if bad or (dilated and (rank == 3 or "feature_group_count" in line or "rhs_dilate" in line)):
            found.append(line.strip())
    return found


def optimised(f, *shapes, dtype=jnp.float32):
    return jax.jit(f).lower(*[jax.ShapeDtypeStruct(s, dtype) for s in shapes]).compile().as_text()


def cases():
    same2 = Axis(32, 4, 1, 1, 2, 1, 1)
    yield "dense 2-D", Spec((same2,) * 2), 32, 48, jnp.float32
    yield "few channels", Spec((same2,) * 2), 16, 3, jnp.float32
    yield "grouped", Spec((same2,) * 2, 4), 64, 64, jnp.float32
    yield "grouped, overlapping", Spec((Axis(16, 3, 1, 1, 1, 1, 1),) * 2, 4), 32, 32, jnp.float32
    yield "depthwise", Spec((same2,) * 2, 21), 21, 21, jnp.float32
    yield "scalar", Spec((same2,) * 2, None), 8, 8, jnp.float32
    yield "1-D", Spec((Axis(256, 16, 1, 1, 8, 4, 4),)), 32, 32, jnp.float32
    yield "3-D", Spec((Axis(9, 3, 1, 1, 2, 1, 1),) * 3), 16, 24, jnp.float32
    yield "float64", Spec((same2,) * 2), 8, 8, jnp.float64
    yield "int32", Spec((same2,) * 2), 8, 8, jnp.int32
    yield "bfloat16", Spec((same2,) * 2), 32, 32, jnp.bfloat16
    yield "dilated", Spec((Axis(32, 3, 2, 1, 1, 2, 2),) * 2), 32, 32, jnp.float32
    yield "up and down", Spec((Axis(32, 5, 1, 3, 2, 2, 2),) * 2), 16, 16, jnp.float32


@pytest.mark.parametrize(("name", "spec", "cin", "cout", "dtype"), list(cases()), ids=[c[0] for c in cases()])
def test_no_slow_convolution(name, spec, cin, cout, dtype):
    x, y = (2, *spec.size, cin), (2, *spec.out, cout)
    k = spec.window if spec.groups is None else (*spec.window, cin // spec.groups, cout)

    def maps(x, k, y):
        return engine.stage(x, k, spec), engine.transpose(y, k, spec), engine.taps_gradient(x, y, spec)

    def program(x, k, y):
        def body(carry, _):
            fy, tx, wk = maps(x + carry[1], k + carry[2], y + carry[0])
            return (fy, tx, wk), None

        start = maps(x, k, y)
        return start, lax.scan(body, start, length=2)[0]

    text = optimised(program, x, k, y, dtype=dtype)
    assert " while(" in text
    assert slow_convolutions(text) == []


def test_the_detector_sees_what_stock_jax_does():
    """The reading above refuses the programs it was made for, so that an empty answer means something."""
    x, k = (1, 16, 16, 32), (4, 4, 32, 32)
    numbers = ("NHWC", "HWIO", "NHWC")

    def transposed(x, k):
        return lax.conv_transpose(x, k, (2, 2), "SAME", dimension_numbers=numbers)

    def strided(x, k):
        return lax.conv_general_dilated(x, k, (2, 2), "SAME", dimension_numbers=numbers)

    def gradient(f):
        return lambda x, k: jax.grad(lambda k: jnp.sum(f(x, k) ** 2))(k)

    def scanned(x, k):
        return lax.scan(lambda k, _: (gradient(strided)(x, k), None), k, length=2)[0]

    assert slow_convolutions(optimised(gradient(transposed), x, k))
    assert slow_convolutions(optimised(scanned, x, k))
    assert slow_convolutions(optimised(strided, x, k, dtype=jnp.int32))
    assert not slow_convolutions(optimised(strided, x, k))


@pytest.mark.parametrize(
    ("size", "window", "batch"),
    [((24, 24), (3, 3), 2), ((9, 16), (1, 9), 1), ((4, 8), (3, 3), 16), ((3, 3), (3, 3), 1), ((512,), (9,), 1)],
)
def test_tiles_are_one_loop(size, window, batch):
    """The padded copy, one loop, its sum, a rearrangement: no product of a place of the tiles is written by itself."""
    spec = Spec(tuple(Axis(n, k, lo=k // 2, hi=k // 2) for n, k in zip(size, window, strict=True)), 16)
    with engine.strategy("tiles"):
        text = optimised(lambda x, y: engine.taps_gradient(x, y, spec), (batch, *size, 16), (batch, *size, 16))
    entry = text[text.index("ENTRY") :]
    assert 1 <= entry.count(" fusion(") <= 5


@pytest.mark.parametrize("factor", [2, 8])
def test_one_filter_is_repeated_for_every_channel(factor):
    """LLVM makes scalar code of a loop over channels whose taps are scalars: six times slower where a gelu follows."""
    spec = Spec((Axis(32 * factor, 2 * factor, 1, 1, factor, factor // 2, factor // 2),) * 2, None)
    text = optimised(lambda y, k: engine.transpose(y, k, spec), (1, 32, 32, 64), spec.window)
    bodies = [b for b in text.split("\n\n") if " multiply(" in b]
    assert len(bodies) == 1
    read = re.findall(r"= f32\[([\d,]+)\]\S* parameter\(", bodies[0])
    assert all(shape.endswith(",64") for shape in read), read
