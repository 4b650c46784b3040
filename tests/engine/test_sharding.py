"""Two devices: batches, space, channels and taps sharded over an explicit mesh, values and gradients."""

import subprocess
import sys

PROGRAM = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec
mesh = jax.make_mesh((2,), ("d",), axis_types=(AxisType.Explicit,))
r = np.random.default_rng(0)
same = Axis(8, 4, 1, 1, 2, 1, 1)
for spec, few, many, names in (
    (Spec((same, same)), 3, 2, ("direct", "convolution", "columns", "blocks")),
    (Spec((same,), 2), 2, 2, ("direct", "columns", "blocks")),
    (Spec((same, same), None), 3, 3, ("tapsum",)),
):
    cin, cout = few * (spec.groups or 1), many * (spec.groups or 1)
    taps = spec.window if spec.groups is None else (*spec.window, few, cout)
    x, k, y = (r.integers(-4, 5, s).astype("float32") for s in ((4, *spec.size, cin), taps, (4, *spec.out, cout)))
    def loss(x, k, y):
        return engine.stage(x, k, spec), engine.transpose(y, k, spec), jax.grad(
            lambda x: jnp.sum(engine.stage(x, k, spec) * y))(x)
    want = jax.jit(loss)(x, k, y)
    place = lambda a: jax.device_put(a, NamedSharding(mesh, P("d")))
    for name in (None, *names):
        with jax.set_mesh(mesh), engine.strategy(name):
            got = jax.jit(loss)(place(x), k, place(y))
        for g, w in zip(got, want, strict=True):
            assert g.sharding.spec[0] == "d", (name, g.sharding)
            np.testing.assert_array_equal(g, w, err_msg=str((name, spec)))
spec = Spec((same, same))
x, k = r.integers(-2, 3, (2, 8, 8, 4)).astype("float32"), r.integers(-2, 3, (4, 4, 4, 2)).astype("float32")
slopes = jax.jit(jax.grad(lambda x, k: jnp.sum(engine.stage(x, k, spec) ** 2), (0, 1)))
want = slopes(x, k)
for of_x, of_k in ((P(None, "d"), P()), (P(None, None, None, "d"), P()), (P("d"), P(None, None, None, "d"))):
    with jax.set_mesh(mesh):  # space, channels, taps: a gradient is sharded as its operand
        got = slopes(*(jax.device_put(a, NamedSharding(mesh, s)) for a, s in ((x, of_x), (k, of_k))))
    for g, w, s in zip(got, want, (of_x, of_k), strict=True):
        assert g.sharding.is_equivalent_to(NamedSharding(mesh, s), g.ndim), (g.sharding, s)
        np.testing.assert_array_equal(g, w)
print("equal")
"""


def test_explicit_mesh_of_two_devices():
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment)
    assert done.stdout == "equal\n", done.stderr[-2000:]
