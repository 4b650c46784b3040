"""On a GPU: random stages of small integers through the rule, in every type, against the definition; and the kernel.

Small integers are exact in half precision and in the ten bits that tensor cores read, so every result is exact in
float32; cuDNN may still add up by transforms, which is what the bounds allow. `make test-gpu` runs this file.
"""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec, triton
from tests.engine import oracle

pytestmark = [  # a plugin's warnings are not this project's; that of Pallas is kept quiet
    pytest.mark.gpu,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("error:The Pallas Triton backend"),
]
SEEDS = 16
# size, window, factor, channels
CASES = (((5, 7), 4, 2, 21), ((3, 9), 16, 8, 3), ((30,), 9, 3, 64), ((2, 3), 64, 32, 2))
TYPES = {  # what the results may be off by, in units of the sum of the terms' sizes
    "float64": 1e-13,
    "float32": 1e-6,
    "bfloat16": 2.0**-8,
    "float16": 2.0**-10,
    "complex64": 1e-6,
    "int32": 0.0,
}


@pytest.fixture(autouse=True)
def _on_the_gpu():
    """JAX falls back to the CPU in silence where its plugin does not start."""
    assert jax.default_backend() == "gpu", "JAX sees no GPU: is jax[cuda13] installed, and JAX_PLATFORMS=cuda,cpu set?"


def maps(spec):
    """F, T and W of one stage as a program."""
    return jax.jit(
        lambda x, k, y: (engine.stage(x, k, spec), engine.transpose(y, k, spec), engine.taps_gradient(x, y, spec))
    )


def wanted(spec, x, k, y):
    return oracle.stage(x, k, spec), oracle.transpose(y, k, spec), oracle.taps_gradient(x, y, spec)


def agree(jobs, dtype):
    """Compile on all cores, then run one by one; each result within the type's bound."""
    kind = jnp.dtype(dtype)

    def built(job):
        spec, *data = job
        data = [jnp.asarray(a, kind) for a in data]
        return maps(spec).lower(*data).compile(), data

    with ThreadPoolExecutor() as pool:
        programs = list(pool.map(built, jobs))
    for (spec, *data), (program, operands) in zip(jobs, programs, strict=True):
        got, want, terms = program(*operands), wanted(spec, *data), wanted(spec, *[abs(a) for a in data])
        for name, g, w, t in zip("FTW", got, want, terms, strict=True):
            assert g.dtype == kind
            error = np.abs(np.asarray(g.astype(jnp.complex128 if kind.kind == "c" else jnp.float64)) - w)
            assert (error <= TYPES[dtype] * t).all(), (dtype, name, spec, error.max(initial=0))


@pytest.mark.parametrize("dtype", TYPES)
def test_random_stages(dtype):
    agree([oracle.random_stage(seed) for seed in range(SEEDS)], dtype)


def test_full_precision_takes_other_ways():
    """Full float32 runs through products, TF32 through cuDNN: both exact here."""
    jobs = [oracle.random_stage(seed, groups=(1, 2), ranks=(2, 3)) for seed in range(100, 100 + SEEDS)]
    with jax.default_matmul_precision("highest"):
        agree(jobs, "float32")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_kernel(dtype):
    """Enlargements that XLA's loops would run, through Triton: chosen by the rule, and named."""
    draw = np.random.default_rng(0)
    jobs = []
    for size, window, up, channels in CASES:
        axes = tuple(Axis(n * up, window, 1, 1, up, (window - up) // 2, (window - up + 1) // 2) for n in size)
        for groups in (None, channels):
            spec = Spec(axes, groups)
            taps = spec.window if groups is None else (*spec.window, 1, channels)
            shapes = (2, *spec.size, channels), taps, (2, *spec.out, channels)
            jobs.append((spec, *[draw.integers(-4, 5, s).astype(float) for s in shapes]))
            assert engine.choose(spec, "T", shapes[0], dtype, "cuda") == "triton"
    agree(jobs, dtype)


def test_inside_a_scan_and_differentiated():
    """A step that carries the taps, three times, against the same steps on the CPU."""
    spec = Spec((Axis(16, 4, 1, 1, 2, 1, 1),) * 2, 3)
    draw = np.random.default_rng(0)
    ys, k, ct = (draw.standard_normal(s) for s in ((3, 2, 8, 8, 3), (4, 4, 1, 3), (2, 16, 16, 3)))

    def train(ys, k, ct):
        def step(k, y):
            loss = lambda k: ((engine.transpose(y, k, spec) - ct) ** 2).mean()  # noqa: E731
            return k - 0.1 * jax.grad(loss)(k), jax.hessian(lambda s: loss(k * s))(1.0)

        return jax.lax.scan(step, k, ys)

    gpu, cpu = jax.devices("gpu")[0], jax.devices("cpu")[0]
    got, want = (jax.jit(train)(*jax.device_put((ys, k, ct), d)) for d in (gpu, cpu))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    assert triton.available()


def test_a_program_for_the_gpu_where_the_cpu_is_the_default():
    """The kernel is left out there, since Pallas compiles for the default device only."""
    spec = Spec((Axis(16, 4, 1, 1, 2, 1, 1),) * 2, 3)
    draw = np.random.default_rng(0)
    y, k = (draw.integers(-4, 5, s).astype(np.float32) for s in ((2, 8, 8, 3), (4, 4, 1, 3)))
    with jax.default_device(jax.devices("cpu")[0]):
        got = jax.jit(lambda y, k: engine.transpose(y, k, spec))(*jax.device_put((y, k), jax.devices("gpu")[0]))
    assert got.devices() == {jax.devices("gpu")[0]}
    np.testing.assert_array_equal(got, oracle.transpose(y, k, spec))
