"""From a bound primitive to plain lax operations: dtypes, roles, then the strategy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    gram,
    library,
    rows,
    rule,
    shifted,
    taps,
    tapsum,
    tiles,
)
from deconvjax.engine.layout import transposed_taps
from deconvjax.engine.problem import Problem, exchanges
from deconvjax.engine.spec import Spec

STAGES: dict[str, Callable[[Array, Array, Spec], Array]] = {
    "convolution": convolution.stage,
    "columns": columns.stage,
    "blocks": blocks.stage,
    "tapsum": tapsum.stage,
    "banded": banded.stage,
    "fourier": fourier.stage,
    "dense": dense.stage,
    "library": library.stage,
    "direct": direct.stage,
}
GRADIENTS: dict[str, Callable[[Array, Array, Spec], Array]] = {
    "shifted": shifted.taps_gradient,
    "gram": gram.taps_gradient,
    "library": library.taps_gradient,
    "columns": columns.taps_gradient,
    "taps": taps.taps_gradient,
    "tiles": tiles.taps_gradient,
    "rows": rows.taps_gradient,
    "banded": banded.taps_gradient,
    "fourier": fourier.taps_gradient,
    "dense": dense.taps_gradient,
    "direct": direct.taps_gradient,
}


@dataclass(frozen=True)
class Target:
    """What a program is lowered for: JAX's name of the platform, and whether it may call oneDNN."""

    platform: str
    onednn: bool = False

    def problem(self, spec: Spec, kind: str, batch: int, cin: int, cout: int, dtype: Any) -> Problem:
        """What the rule looks at; half precision is computed in float32."""
        half = jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize == 2
        return Problem(spec, kind, batch, cin, cout, np.dtype("float32" if half else dtype), self.onednn)


def stage(x: Array, taps: Array, *, spec: Spec, strategy: str | None, target: Target) -> Array:
    """F."""
    cout = x.shape[-1] if spec.scalar else taps.shape[-1]
    if 0 in x.shape or 0 in taps.shape:
        return jnp.zeros((x.shape[0], *spec.out, cout), x.dtype)
    problem = target.problem(spec, "F", x.shape[0], x.shape[-1], cout, x.dtype)
    return _accumulated(STAGES[_name(problem, strategy, target)], x, taps, spec)


def transpose(y: Array, taps: Array, *, spec: Spec, strategy: str | None, target: Target) -> Array:
    """T = F of the transposed spec on transposed taps; the reversal stays in the graph, where cuDNN looks for it."""
    return stage(y, transposed_taps(taps, spec), spec=spec.T, strategy=strategy, target=target)


def taps_gradient(x: Array, y: Array, *, spec: Spec, strategy: str | None, target: Target) -> Array:
    """W; with x and y exchanged where x is stuffed and y is not."""
    if exchanges(spec):
        other = spec.T
        return transposed_taps(taps_gradient(y, x, spec=other, strategy=strategy, target=target), other)
    if 0 in x.shape or 0 in y.shape:
        shape = spec.window if spec.groups is None else (*spec.window, x.shape[-1] // spec.groups, y.shape[-1])
        return jnp.zeros(shape, x.dtype)
    problem = target.problem(spec, "W", x.shape[0], x.shape[-1], y.shape[-1], x.dtype)
    return _accumulated(GRADIENTS[_name(problem, strategy, target)], x, y, spec)


def _name(problem: Problem, strategy: str | None, target: Target) -> str:
    if strategy is not None and rule.feasible(strategy, problem):
        return strategy
    return rule.pick(problem, target.platform)


def _accumulated(run: Callable[[Array, Array, Spec], Array], a: Array, b: Array, spec: Spec) -> Array:
    """Half precision accumulates in float32, in every strategy."""
    if a.dtype.itemsize == 2 and jnp.issubdtype(a.dtype, jnp.floating):
        return run(a.astype(jnp.float32), b.astype(jnp.float32), spec).astype(a.dtype)
    return run(a, b, spec)


BY_KIND = {
    "deconvjax_stage": stage,
    "deconvjax_transpose": transpose,
    "deconvjax_taps_gradient": taps_gradient,
}
