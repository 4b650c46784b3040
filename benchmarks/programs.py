"""The four columns as JAX programs, alone and inside `lax.scan`; their memory and compile time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

Apply = Callable[[Array, Array], Array]
LENGTH = 4  # steps of the scan
BUILDS = 3  # times a program is compiled whose compile time is kept


def alone(apply: Apply, column: str) -> Callable:
    """(x, k, ct) -> the column's result."""

    def program(x: Array, k: Array, ct: Array) -> object:
        if column == "forward":
            return apply(x, k)
        if column == "grad x":
            return jax.vjp(lambda x: apply(x, k), x)[1](ct)[0]
        if column == "grad taps":
            return jax.vjp(lambda k: apply(x, k), k)[1](ct)[0]
        return train(apply, x, k, ct)

    return program


def train(apply: Apply, x: Array, k: Array, target: Array) -> tuple[Array, Array]:
    """One step: loss, both gradients, a gradient descent on the taps."""
    gx, gk = jax.grad(lambda x, k: 0.5 * jnp.sum((apply(x, k) - target) ** 2), (0, 1))(x, k)
    return k - 1e-9 * gk, gx


def scanned(apply: Apply, column: str) -> Callable:
    """The same, LENGTH times over stacked inputs; what does not change is closed over, results are carried."""

    def program(xs: Array, k: Array, cts: Array) -> object:
        if column == "forward":
            return lax.scan(lambda _, x: (apply(x, k), None), jnp.zeros(cts.shape[1:], cts.dtype), xs)[0]
        if column == "grad x":
            one = lambda _, ct: (jax.vjp(lambda x: apply(x, k), xs[0])[1](ct)[0], None)  # noqa: E731
            return lax.scan(one, jnp.zeros(xs.shape[1:], xs.dtype), cts)[0]
        if column == "grad taps":
            one = lambda _, both: (jax.vjp(lambda k: apply(both[0], k), k)[1](both[1])[0], None)  # noqa: E731
            return lax.scan(one, k, (xs, cts))[0]
        start = (k, jnp.zeros(xs.shape[1:], xs.dtype))
        return lax.scan(lambda c, both: (train(apply, both[0], c[0], both[1]), None), start, (xs, cts))[0]

    return program


@dataclass
class Built:
    """A compiled program, how long that took from Python on, and its temporary memory over inputs plus outputs."""

    call: Callable[[], object]
    compile_seconds: float
    memory: float
    text: str


def build(program: Callable, *args: Array, builds: int = 1) -> Built:
    """Lower and compile, the median time of so many `builds`, without touching JAX's caches; `call` blocks."""
    seconds: list[float] = []
    for _ in range(builds):
        start = time.perf_counter()
        compiled = jax.jit(lambda *args: program(*args)).lower(*args).compile()
        seconds.append(time.perf_counter() - start)
    analysis: Any = compiled.memory_analysis()
    useful = analysis.argument_size_in_bytes + analysis.output_size_in_bytes
    memory = analysis.temp_size_in_bytes / max(useful, 1)
    call = lambda: jax.block_until_ready(compiled(*args))  # noqa: E731
    return Built(call, statistics.median(seconds), memory, compiled.as_text() or "")


def stacked(*arrays: Array) -> tuple[Array, ...]:
    """LENGTH copies of each, along a new leading axis."""
    return tuple(jnp.stack([a] * LENGTH) for a in arrays)
