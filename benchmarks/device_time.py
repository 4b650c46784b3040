"""Time on the GPU itself: the durations of a call's kernels, as the GPU's own counters give them.

A call's time on the host is mostly dispatch where its kernels take microseconds, and dispatch is JAX's or torch's, not
the layer's; both are reported. XLA tags each kernel with the program it belongs to, so many programs share one trace;
torch's kernels have no tag, so a small program of XLA's is run between its calls.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

CALLS = 4  # of each contender inside one trace
HOST = 20  # calls in a row, waited for once

Call = Callable[[], object]
Kernels = list[tuple[int, str, float]]  # (when it started, program, seconds); "" where XLA did not make it


def kernels(run: Call) -> Kernels:
    """Every kernel that `run`, which waits for them, ran; in the order of their starts."""
    options = jax.profiler.ProfileOptions()
    options.host_tracer_level = options.python_tracer_level = 0
    found = []
    with tempfile.TemporaryDirectory() as folder:
        jax.profiler.start_trace(folder, profiler_options=options)
        run()
        jax.profiler.stop_trace()
        (file,) = Path(folder).rglob("*.xplane.pb")
        for plane in jax.profiler.ProfileData.from_file(str(file)).planes:
            if not plane.name.startswith("/device:GPU"):
                continue
            for line in plane.lines:
                if line.name.startswith("Stream"):
                    found += [(e.start_ns, _program(e), e.duration_ns * 1e-9) for e in line.events]
    return sorted(found)


def _program(event: Any) -> str:
    module = next((str(value) for name, value in event.stats if name == "hlo_module"), "")
    return module.removeprefix("jit_").split("(")[0]


def of_programs(compiled: Mapping[str, Call]) -> dict[str, float]:
    """Seconds of kernels per call, of XLA's programs by the names of their functions."""
    total = dict.fromkeys(compiled, 0.0)

    def run() -> None:
        for call in compiled.values():
            jax.block_until_ready([call() for _ in range(CALLS)][-1])

    for _, program, seconds in kernels(run):
        if program in total:
            total[program] += seconds / CALLS
    return total


def between_marks(calls: Sequence[Call], wait: Call) -> list[float]:
    """Seconds of kernels per call of calls whose kernels have no tag: one of XLA's stands before each."""

    def mark(x: Array) -> Array:
        return x + 1

    zeros = jnp.zeros(8)
    compiled = jax.jit(mark).lower(zeros).compile()

    def run() -> None:
        for call in calls:
            jax.block_until_ready(compiled(zeros))
            for _ in range(CALLS):
                call()
            wait()

    total: list[float] = []
    for _, program, seconds in kernels(run):
        if program == "mark":
            total.append(0.0)
        elif total:
            total[-1] += seconds / CALLS
    if len(total) != len(calls):
        raise RuntimeError(f"device_time.between_marks: {len(calls)} calls, but {len(total)} marks in the trace")
    return total


def on_host(call: Call, wait: Callable[[object], object]) -> float:
    """Seconds per call of `HOST` calls in a row: what a loop of them takes, the host's work included."""
    wait(call())
    start = time.perf_counter()
    results = [call() for _ in range(HOST)]
    wait(results[-1])
    return (time.perf_counter() - start) / HOST
