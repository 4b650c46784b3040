"""From a bound primitive to plain lax operations: dtypes, roles, then the strategy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from deconvjax.engine import (
    banded,
    bandrows,
    blocks,
    col2im,
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
    triton,
)
from deconvjax.engine.images import summed_pieces
from deconvjax.engine.layout import transposed_taps
from deconvjax.engine.problem import Problem, exchanges
from deconvjax.engine.spec import Spec, taps_shape

Strategies = dict[str, Callable[[Array, Array, Spec], Array]]

STAGES: Strategies = {
    "convolution": convolution.stage,
    "columns": columns.stage,
    "blocks": blocks.stage,
    "col2im": col2im.stage,
    "tapsum": tapsum.stage,
    "banded": banded.stage,
    "bandrows": bandrows.stage,
    "fourier": fourier.stage,
    "dense": dense.stage,
    "library": library.stage,
    "triton": triton.stage,
    "direct": direct.stage,
}
TURNED: Strategies = {"library": library.turned}  # F by the taps of spec.T, as they lie
GRADIENTS: Strategies = {
    "shifted": shifted.taps_gradient,
    "whole": shifted.whole,
    "gram": gram.taps_gradient,
    "library": library.taps_gradient,
    "columns": columns.taps_gradient,
    "taps": taps.taps_gradient,
    "tiles": tiles.taps_gradient,
    "by_axis": tiles.by_axis,
    "rows": rows.taps_gradient,
    "banded": banded.taps_gradient,
    "bandrows": bandrows.taps_gradient,
    "fourier": fourier.taps_gradient,
    "dense": dense.taps_gradient,
    "direct": direct.taps_gradient,
}


HALF = {"convolution", "columns", "blocks", "col2im", "dense", "direct", "whole", "triton"}  # add up in float32
USUAL = 8  # samples for which a strategy is chosen where their number is a symbol (`jax.export`)
HIGHEST = {"highest", "float32", str(lax.Precision.HIGHEST)}


@dataclass(frozen=True)
class Target:
    """What a program is lowered for: JAX's name of the platform, and what it may call beside XLA's own operations."""

    platform: str
    onednn: bool = False
    triton: bool = False

    def problem(self, spec: Spec, kind: str, batch: int, cin: int, cout: int, dtype: Any) -> Problem:
        """What the rule looks at; half precision counts as float32, in which it is accumulated."""
        half = _half(dtype)
        exact = self.platform == "cpu" or not (half or (dtype == jnp.float32 and not _highest(spec.precision)))
        number = np.dtype("float32" if half else dtype)
        batch = batch if isinstance(batch, int) else USUAL
        return Problem(spec, kind, batch, cin, cout, number, self.onednn, self.triton, exact, half)

    def keeps(self, name: str, dtype: Any) -> bool:
        """Whether a strategy takes operands as they are; a CPU's products of half precision are float32's."""
        return not _half(dtype) or (self.platform != "cpu" and name in HALF)


def _half(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize == 2


def _highest(precision: Any) -> bool:
    """Whether products of float32 are to keep all bits; where the caller does not say, JAX's default decides."""
    given = precision if precision is not None else getattr(jax.config, "jax_default_matmul_precision", None)
    return any(str(p) in HIGHEST for p in (given if isinstance(given, tuple) else (given,)))


def stage(
    x: Array, taps: Array, *, spec: Spec, strategy: str | None, target: Target, straight: Array | None = None
) -> Array:
    """F; `straight` are the taps of spec.T, for strategies that read them without their being transposed."""
    cout = x.shape[-1] if spec.scalar else taps.shape[-1]
    if 0 in x.shape or 0 in taps.shape:
        return jnp.zeros((x.shape[0], *spec.out, cout), x.dtype)
    problem = _best(target.problem(spec, "F", x.shape[0], x.shape[-1], cout, x.dtype), strategy)
    if problem.spec.scalar:
        taps, straight = taps.reshape(spec.window), None
    return _run(STAGES, x, taps, problem, strategy, target, straight)


def transpose(y: Array, taps: Array, *, spec: Spec, strategy: str | None, target: Target) -> Array:
    """T = F of the transposed spec on transposed taps; the reversal stays in the graph, where cuDNN looks for it."""
    return stage(y, transposed_taps(taps, spec), spec=spec.T, strategy=strategy, target=target, straight=taps)


def taps_gradient(x: Array, y: Array, *, spec: Spec, strategy: str | None, target: Target) -> Array:
    """W; with x and y exchanged where x is stuffed and y is not."""
    if exchanges(spec):
        other = spec.T
        return transposed_taps(taps_gradient(y, x, spec=other, strategy=strategy, target=target), other)
    shape = taps_shape(spec, x.shape, y.shape)
    if 0 in x.shape or 0 in y.shape:
        return jnp.zeros(shape, x.dtype)
    if not isinstance(x.shape[0], int):
        one = partial(taps_gradient, spec=spec, strategy=strategy, target=target)
        wide = jnp.float32 if _half(x.dtype) else x.dtype
        return summed_pieces(one, x.astype(wide), y.astype(wide), shape, 1).astype(x.dtype)
    problem = _best(target.problem(spec, "W", x.shape[0], x.shape[-1], y.shape[-1], x.dtype), strategy)
    k = _run(GRADIENTS, x, y, problem, strategy, target)
    return k if spec.scalar or not problem.spec.scalar else k[..., None, None]


def _best(problem: Problem, strategy: str | None) -> Problem:
    """A filter of a single channel as scalar taps, which more strategies take, but for one that takes channels only."""
    scalar = problem.scalar
    return scalar if strategy is None or rule.feasible(strategy, scalar) else problem


def _run(
    table: Strategies,
    a: Array,
    b: Array,
    problem: Problem,
    strategy: str | None,
    target: Target,
    straight: Array | None = None,
) -> Array:
    """The strategy named, where it can run the problem, else the rule's; half precision accumulates in float32."""
    name = strategy
    if name is None or not rule.feasible(name, problem):
        name = rule.pick(problem, target.platform)
    if straight is not None and name in TURNED:
        table, b = TURNED, straight
    if target.keeps(name, a.dtype):
        return table[name](a, b, problem.spec).astype(a.dtype)
    return table[name](a.astype(jnp.float32), b.astype(jnp.float32), problem.spec).astype(a.dtype)


BY_KIND = {
    "deconvjax_stage": stage,
    "deconvjax_transpose": transpose,
    "deconvjax_taps_gradient": taps_gradient,
}
