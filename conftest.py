"""What must hold before JAX is imported, for tests and doctests alike."""

import os

# Eight CPU devices, so that sharding is tested on any machine. XLA reads this once, when it starts.
os.environ["XLA_FLAGS"] = (os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8").strip()
os.environ.setdefault("JAX_PLATFORMS", "cpu")  # JAX_PLATFORMS=cuda make test runs the suite on a GPU
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")  # what users may forbid, the library does not do
os.environ.setdefault("MPLBACKEND", "agg")

import hypothesis
import jax
import numpy as np
import pytest

# Same examples on every run and machine: a failure is reproduced by running the test again. A first
# example often waits for a compilation, so there is no deadline.
hypothesis.settings.register_profile(
    "house", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("house")


@pytest.fixture(autouse=True)
def examples_print_what_users_see(request):
    """Doctests run as a new session would: x64 off and NumPy's own print options, whatever the tests set."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    with jax.enable_x64(False), np.printoptions(**np.get_printoptions() | {"linewidth": 75, "threshold": 1000}):
        yield
