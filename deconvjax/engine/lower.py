"""From a bound primitive to plain lax operations: dtypes, roles, then the strategy."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array

from deconvjax.engine import (
    banded,
    blocks,
    columns,
    convolution,
    dense,
    direct,
    fourier,
    rows,
    rule,
    shifted,
    taps,
    tapsum,
)
from deconvjax.engine.layout import transposed_taps
from deconvjax.engine.rule import Problem
from deconvjax.engine.spec import Spec

STAGES: dict[str, Callable[[Array, Array, Spec], Array]] = {
    "convolution": convolution.stage,
    "columns": columns.stage,
    "blocks": blocks.stage,
    "tapsum": tapsum.stage,
    "banded": banded.stage,
    "fourier": fourier.stage,
    "dense": dense.stage,
    "direct": direct.stage,
}
GRADIENTS: dict[str, Callable[[Array, Array, Spec], Array]] = {
    "shifted": shifted.taps_gradient,
    "columns": columns.taps_gradient,
    "taps": taps.taps_gradient,
    "rows": rows.taps_gradient,
    "banded": banded.taps_gradient,
    "fourier": fourier.taps_gradient,
    "dense": dense.taps_gradient,
    "direct": direct.taps_gradient,
}


def stage(x: Array, taps: Array, *, spec: Spec, strategy: str | None, platform: str) -> Array:
    """F."""
    cout = x.shape[-1] if spec.scalar else taps.shape[-1]
    if 0 in x.shape or 0 in taps.shape:
        return jnp.zeros((x.shape[0], *spec.out, cout), x.dtype)
    problem = Problem(spec, "F", x.shape[0], x.shape[-1], cout, np.dtype(x.dtype))
    run = STAGES[_name(problem, strategy, platform)]
    return _accumulated(run, x, taps, spec, platform)


def transpose(y: Array, taps: Array, *, spec: Spec, strategy: str | None, platform: str) -> Array:
    """T = F of the transposed spec on transposed taps; the reversal stays in the graph, where cuDNN looks for it."""
    return stage(y, transposed_taps(taps, spec), spec=spec.T, strategy=strategy, platform=platform)


def taps_gradient(x: Array, y: Array, *, spec: Spec, strategy: str | None, platform: str) -> Array:
    """W; with x and y exchanged where x is stuffed and y is not."""
    if rule.exchanges(spec):
        other = spec.T
        return transposed_taps(taps_gradient(y, x, spec=other, strategy=strategy, platform=platform), other)
    if 0 in x.shape or 0 in y.shape:
        shape = spec.window if spec.groups is None else (*spec.window, x.shape[-1] // spec.groups, y.shape[-1])
        return jnp.zeros(shape, x.dtype)
    problem = Problem(spec, "W", x.shape[0], x.shape[-1], y.shape[-1], np.dtype(x.dtype))
    run = GRADIENTS[_name(problem, strategy, platform)]
    return _accumulated(run, x, y, spec, platform)


def _name(problem: Problem, strategy: str | None, platform: str) -> str:
    if strategy is not None and rule.feasible(strategy, problem):
        return strategy
    return rule.pick(problem, platform)


def _accumulated(run: Callable[[Array, Array, Spec], Array], a: Array, b: Array, spec: Spec, platform: str) -> Array:
    """Half precision accumulates in float32, in every strategy."""
    if a.dtype.itemsize == 2 and jnp.issubdtype(a.dtype, jnp.floating):
        return run(a.astype(jnp.float32), b.astype(jnp.float32), spec).astype(a.dtype)
    return run(a, b, spec)


BY_KIND = {
    "deconvjax_stage": stage,
    "deconvjax_transpose": transpose,
    "deconvjax_taps_gradient": taps_gradient,
}
