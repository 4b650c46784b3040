"""What is judged: the program that A(x) runs, with its constants, and never nothing at all."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax import check
from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.space import Space


@final_map
class Known(LinearMap):
    """c x, and wrongly 2 c x where the value of c is known, as by a law that reads it."""

    c: Any
    space: Space | None = static(default=None)

    def _bind(self, space):
        return Known(self.c, space)

    def _codomain(self):
        return self.space

    def _apply(self, x):
        return jnp.asarray(x) * self.c * (1 if isinstance(self.c, jax.core.Tracer) else 2)

    def _transpose(self):
        return self.c * dj.identity.on(self.space.tree)

    def _label(self):
        return "known"


def test_constants_are_judged_as_the_constants_they_are():
    a = Known(3.0).on((60,))
    assert jax.jit(lambda a, x: a(x))(a, jnp.float32(1) * np.ones(60, np.float32))[0] == 3
    for report in (check.compare(a, lambda x: 3 * x), check.adjoint(a)):
        assert not report and report.scale == pytest.approx(2)
    for two in (2.0, jnp.float64(2.0), jnp.float32(2.0)):  # equal maps, of different dtypes
        report = check.compare(two * dj.identity.on((60,)), lambda x: 2 * x)
        assert report.ok and ("float64" in report.dtype) == (getattr(two, "dtype", None) == np.float64)


def test_a_comparison_that_tries_nothing_is_refused():
    a, other = dj.upsample(2).on((30,)), dj.upsample(2) @ (2 * dj.identity)
    for probes, error, words in [(0, ValueError, "nothing to try; got 0"), (-3, ValueError, "nothing to try; got -3"),
                                 ("x", TypeError, "probes is a count; got 'x'")]:
        with pytest.raises(error, match=rf"check\.compare: {words}"):
            check.compare(a, other, probes=probes)
    with pytest.raises(TypeError, match=r"check\.compare: dense is a count; got None"):
        check.compare(a, other, dense=None)
    assert not check.compare(a, other, probes=1)
