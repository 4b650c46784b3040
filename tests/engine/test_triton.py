"""The project's own kernel, interpreted on the CPU; and what is lowered for GPUs, read without one."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec, rule, triton
from deconvjax.engine.layout import transposed_taps
from deconvjax.engine.problem import Problem
from tests.engine import oracle

UP = Spec((Axis(64, 4, 1, 1, 2, 1, 1),) * 2)  # transposed: an enlargement by two


def enlargements(count):
    """Random stages that the kernel takes, as F: (spec, x, taps)."""
    found, seed = [], 0
    while len(found) < count:
        spec, x, k, y = oracle.random_stage(seed, depthwise=True, ranks=(1, 2), **{"up" if seed % 2 else "down": 1})
        seed += 1
        sides = ((spec.normal, x, k), (spec.normal.T, y, transposed_taps(jnp.asarray(k), spec)))
        for s, a, t in sides:
            if triton.fits(s) and (s.scalar or s.groups == a.shape[-1]):
                found.append((s, a, np.asarray(t)))
    return found[:count]


@pytest.mark.parametrize("block", [256, 16])
def test_the_kernel_is_the_definition(monkeypatch, block):
    """Also where a row of results takes several programs."""
    monkeypatch.setattr(triton, "BLOCK", block)
    for spec, x, taps in enlargements(8):
        got = triton.stage(x.astype(np.float32), taps.astype(np.float32), spec, interpret=True)
        np.testing.assert_array_equal(got, oracle.stage(x, taps, spec), err_msg=str(spec))


def test_half_precision_rounds_once():
    spec, x, taps = next(e for e in enlargements(12) if e[1].size > 50)
    x, taps = (jnp.asarray(a + 0.25, jnp.bfloat16) for a in (x, taps))
    got = triton.stage(x, taps, spec, interpret=True)
    want = oracle.stage(np.asarray(x, float), np.asarray(taps, float), spec)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_array_equal(got, jnp.asarray(want, jnp.float32).astype(jnp.bfloat16))


def test_only_where_it_may_be_called():
    """By the flag, for depthwise float32; no strategy of that name elsewhere."""
    spec = Spec(UP.axes, 8).T
    able = dict(spec=spec, kind="F", batch=1, cin=8, cout=8, dtype=np.dtype(np.float32))
    assert rule.pick(Problem(**able, triton=True), "cuda") == "triton"
    assert rule.pick(Problem(**able), "cuda") == "tapsum"
    for change in ({"dtype": np.dtype(np.float64)}, {"cin": 16, "cout": 16}, {"batch": 1 << 30}, {"spec": spec.T}):
        assert not rule.feasible("triton", Problem(**(able | {"triton": True} | change)))


def test_a_default_device_that_is_no_gpu_turns_it_off(monkeypatch):
    """Pallas asks the default device what it compiles for, and raises where that is a CPU."""
    monkeypatch.setattr(triton, "_installed", lambda: True)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert triton.available()
    with jax.default_device(jax.devices("cpu")[0]):
        assert not triton.available()
    with jax.default_device("cpu"):
        assert not triton.available()
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert not triton.available()


def lowered(spec, x, k, y, dtype=jnp.float32):
    """StableHLO for an NVIDIA GPU of T and W."""
    shapes = [jax.ShapeDtypeStruct(s, dtype) for s in (x, k, y)]
    run = jax.jit(lambda x, k, y: (engine.transpose(y, k, spec), engine.taps_gradient(x, y, spec)))
    return run.trace(*shapes).lower(lowering_platforms=("cuda",)).as_text()


def test_cudnn_finds_its_convolutions():
    """Backward-data is a stuffed convolution whose kernel is reversed in the graph, transposed at most in between.

    In half precision operands stay what they are.
    """
    for dtype, name in ((jnp.float32, "f32"), (jnp.bfloat16, "bf16")):
        text = lowered(UP, (2, 64, 64, 32), (4, 4, 32, 48), (2, 32, 32, 48), dtype)
        graph = dict(re.findall(r"%(\w+) = (stablehlo\.[^\n]*)", text))
        data, taps = (line for line in graph.values() if "stablehlo.convolution" in line)
        assert "lhs_dilate = [2, 2]" in data and "rhs_dilate = [2, 2]" in taps and data.count(f"x{name}>") == 3
        turned = graph[re.search(r"convolution\(%\w+, %(\w+)\)", data)[1]]
        assert "stablehlo.transpose" in turned
        assert "stablehlo.reverse" in graph[re.search(r"transpose %(\w+)", turned)[1]]
        assert "reshape" not in text


def test_full_float32_is_a_product():
    """Without tensor cores cuDNN's convolutions are slower than products of gathered samples; `precision` decides."""
    shapes = (2, 64, 64, 32), (4, 4, 32, 48), (2, 32, 32, 48)
    with jax.default_matmul_precision("highest"):
        text = lowered(UP, *shapes)
    assert "stablehlo.convolution" not in text and text.count("stablehlo.dot_general") == 2
    exact = Spec(UP.axes, precision=jax.lax.Precision.HIGHEST)
    assert "stablehlo.convolution" not in lowered(exact, *shapes)
