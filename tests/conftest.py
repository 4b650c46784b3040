"""Fixtures of the tests. Every test runs with x64 on; ask for `x32` to run one with x64 off."""

import jax
import pytest

jax.config.update("jax_enable_x64", True)


@pytest.fixture
def key():
    """A fixed random key: `jax.random.split(key)` where several are needed."""
    return jax.random.key(20160923)


@pytest.fixture
def x32():
    """Run this test as most users run JAX, with x64 off; the same as `with jax.enable_x64(False):`."""
    with jax.enable_x64(False):
        yield
