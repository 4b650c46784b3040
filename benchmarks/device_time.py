"""Time on the GPU itself: the durations of a call's kernels, as the GPU's own counters give them.

A call's time on the host is mostly dispatch where its kernels take microseconds, and dispatch is JAX's or torch's, not
the layer's; both are reported. XLA tags each kernel with the program it belongs to, so many programs share one trace;
torch's kernels have no tag and are traced call by call.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

CALLS = 4  # of each contender inside one trace
HOST = 20  # calls in a row, waited for once

Call = Callable[[], object]


def kernels(calls: Sequence[Call], wait: Callable[[object], object]) -> list[tuple[str, float]]:
    """(program, seconds) of every kernel that `calls`, each made `CALLS` times, ran; "" where XLA did not make it."""
    options = jax.profiler.ProfileOptions()
    options.host_tracer_level = options.python_tracer_level = 0
    found = []
    with tempfile.TemporaryDirectory() as folder:
        jax.profiler.start_trace(folder, profiler_options=options)
        for call in calls:
            for _ in range(CALLS):
                result = call()
            wait(result)
        jax.profiler.stop_trace()
        (file,) = Path(folder).rglob("*.xplane.pb")
        for plane in jax.profiler.ProfileData.from_file(str(file)).planes:
            if not plane.name.startswith("/device:GPU"):
                continue
            for line in plane.lines:
                if line.name.startswith("Stream"):
                    found += [(_program(event), event.duration_ns * 1e-9) for event in line.events]
    return found


def _program(event: Any) -> str:
    return next((str(value) for name, value in event.stats if name == "hlo_module"), "")


def of_programs(compiled: Mapping[str, Call]) -> dict[str, float]:
    """Seconds of kernels per call, of XLA's programs by the names of their functions."""
    total = dict.fromkeys(compiled, 0.0)
    for program, seconds in kernels(list(compiled.values()), jax.block_until_ready):
        name = program.removeprefix("jit_").split("(")[0]
        if name in total:
            total[name] += seconds / CALLS
    return total


def of_torch(call: Call, wait: Callable[[], object]) -> float:
    """Seconds of kernels per call."""
    return sum(seconds for _, seconds in kernels([call], lambda _: wait())) / CALLS


def on_host(call: Call, wait: Callable[[object], object]) -> float:
    """Seconds per call of `HOST` calls in a row: what a loop of them takes, the host's work included."""
    wait(call())
    start = time.perf_counter()
    results = [call() for _ in range(HOST)]
    wait(results[-1])
    return (time.perf_counter() - start) / HOST
