"""From a bound primitive to plain lax operations: dtypes, then the strategy."""

from __future__ import annotations

from jax import Array

from deconvjax.engine import direct
from deconvjax.engine.layout import transposed_taps
from deconvjax.engine.spec import Spec


def stage(x: Array, taps: Array, *, spec: Spec, strategy: str | None, platform: str) -> Array:
    """F."""
    return direct.stage(x, taps, spec)


def transpose(y: Array, taps: Array, *, spec: Spec, strategy: str | None, platform: str) -> Array:
    """T = F of the transposed spec on transposed taps."""
    return stage(y, transposed_taps(taps, spec), spec=spec.T, strategy=strategy, platform=platform)


def taps_gradient(x: Array, y: Array, *, spec: Spec, strategy: str | None, platform: str) -> Array:
    """W."""
    return direct.taps_gradient(x, y, spec)


BY_KIND = {
    "deconvjax_stage": stage,
    "deconvjax_transpose": transpose,
    "deconvjax_taps_gradient": taps_gradient,
}
