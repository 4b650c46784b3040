"""`python -m benchmarks --platform gpu`: the same layers, filters and enlargements on an NVIDIA GPU.

float32 in full precision, float32 by tensor cores (TF32, JAX's default) and bfloat16, against stock JAX and torch
(cuDNN, channels last, its own search for the fastest algorithm). Each row gives the time of its kernels, the time of a
call, and the fraction that it reaches of the nearer ceiling: its bytes at the rate of a long copy, or its multiply-adds
at that of a large matrix product, both measured in the same run. `--every` times all strategies, too.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks import cases, gpu_report, gpu_torch
from benchmarks.device_time import between_marks, of_programs, on_host
from benchmarks.filters import bilinear, enlarge, stock_filter
from benchmarks.peers import COLUMNS, ours, stock, stock_taps
from benchmarks.programs import alone
from deconvjax import engine
from deconvjax.engine import Spec, cost, rule, triton
from deconvjax.engine.problem import Problem, normalised

SERIAL = {"rows", "tiles", "shifted"}  # loops for the cores of a CPU
TOGETHER = 36  # jobs compiled at a time, then measured: an interrupted run keeps those before
SLOW = 0.05  # seconds: a call that takes longer is traced no more


@dataclass
class Job:
    """One column of one row in one mode: the contenders' programs and torch's call."""

    row: str
    column: str
    mode: str
    floor: tuple[int, int]  # multiply-adds, bytes
    strategy: str
    programs: dict[str, tuple[Callable, tuple]]
    torch: Callable[[], object] | None = None
    compiled: dict[str, Any] = field(default_factory=dict)


def layer_jobs(layer: cases.Layer, mode: str, every: bool) -> Iterator[Job]:
    """Forward, both gradients and the training step; with `every` strategy by itself."""
    dtype = jnp.dtype(cases.PRECISIONS[mode][0])
    x, taps, ct = layer.data()
    args = tuple(jnp.asarray(a, dtype) for a in (x, taps, ct))
    theirs = (args[0], jnp.asarray(stock_taps(layer, taps), dtype), args[2])
    spec, up = layer.spec, layer.kind == "up"
    fine, coarse = layer.channels
    floor = cost(spec, "F", layer.batch, fine, coarse, dtype)
    kinds = dict(zip(COLUMNS, "TFW" if up else "FTW", strict=False))
    calls = gpu_torch.layer_calls(layer, mode, x, taps, ct)
    for column in COLUMNS:
        strategy, programs = "", {"ours": (alone(ours(layer), column), args)}
        if column in kinds:
            shape = (layer.batch, *spec.size, fine)
            strategy = engine.choose(spec, kinds[column], shape, dtype, "cuda", channels_out=coarse)
            number = np.dtype("float32") if dtype.itemsize == 2 else dtype
            problem = Problem(spec.normal, kinds[column], layer.batch, fine, coarse, number, triton=triton.available())
            for name in set(rule.candidates(normalised(problem))) - SERIAL if every else ():
                programs[name] = (_forced(name, alone(ours(layer), column)), args)
        if "lax" in stock(layer):
            programs["lax"] = (alone(stock(layer)["lax"], column), theirs)
        many = 3 if column == "step" else 1
        yield Job(layer.name, column, mode, (many * floor[0], many * floor[1]), strategy, programs, calls.get(column))


def _forced(name: str, program: Callable) -> Callable:
    """The program with one strategy wherever it can run."""

    def run(*args: Array) -> object:
        with engine.strategy(name):
            return program(*args)

    return run


def filter_jobs(case: cases.Filter) -> Iterator[Job]:
    """The same of one scalar filter."""
    spec = case.spec
    x, taps, ct = case.data()
    args = tuple(map(jnp.asarray, (x, taps, ct)))
    floor = cost(spec, "F", case.channels, 1, 1, "float32")
    calls = gpu_torch.filter_calls(case, x, taps) if case.up == case.down == 1 else {}
    for column, kind in zip(COLUMNS[:3], "FTW", strict=True):
        strategy = engine.choose(spec, kind, x.shape, "float32", "cuda")
        programs = {"ours": (alone(lambda x, k: engine.stage(x, k, spec), column), args)}
        if case.up == 1 and case.window < 200 and column == "forward":
            programs["lax"] = (alone(lambda x, k: stock_filter(x, k, spec), column), args)
        yield Job(case.name, column, "float32", floor, strategy, programs, calls.get(column))


def resize_jobs(case: cases.Resize) -> Iterator[Job]:
    """Bilinear enlargement and its gradient."""
    b, n, c, f = case.batch, case.size, case.channels, case.factor
    draw = np.random.default_rng(0)
    x = draw.standard_normal((b, n, n, c), dtype=np.float32)
    ct = draw.standard_normal((b, n * f, n * f, c), dtype=np.float32)
    args = (jnp.asarray(x), jnp.zeros(()), jnp.asarray(ct))
    (axis,) = bilinear(n, f)[1].axes
    spec = Spec((axis, axis), None)
    floor = cost(spec, "F", b, c, c, "float32")
    calls = gpu_torch.resize_calls(x, ct)
    for column, kind in (("forward", "T"), ("grad x", "F")):
        programs = {
            "ours": (alone(lambda x, _: enlarge(x, f), column), args),
            "lax": (alone(lambda x, _: jax.image.resize(x, ct.shape, "bilinear"), column), args),
        }
        strategy = engine.choose(spec, kind, (b, n * f, n * f, c), "float32", "cuda")
        yield Job(case.name, column, "float32", floor, strategy, programs, calls.get(column))


def jobs(mode: str, only: str, every: bool) -> list[Job]:
    """All rows of one mode whose name contains `only`."""
    found = [j for c in cases.LAYERS if only in c.name for j in layer_jobs(c, mode, every)]
    if mode == "float32":
        found += [j for c in cases.FILTERS if only in c.name for j in filter_jobs(c)]
        found += [j for c in cases.RESIZES if only in c.name for j in resize_jobs(c)]
    return found


def compile_all(found: list[Job]) -> None:
    """On half the cores: XLA searches for the algorithms of one program at a time, badly on a busy host."""
    precision = jax.config.jax_default_matmul_precision

    def one(index: int) -> None:
        job = found[index]
        with jax.default_matmul_precision(precision):  # a thread has its own
            for name, (program, args) in job.programs.items():
                program.__name__ = f"{name}{index}"
                try:
                    job.compiled[name] = jax.jit(program).lower(*args).compile()
                except Exception as error:  # a peer that cannot run a row leaves its cell empty; ours ends the run
                    print(f"{job.mode} {job.row} {job.column}: {name} does not compile: {str(error)[:300]}", flush=True)

    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2)) as pool:
        list(pool.map(one, range(len(found))))


def measure(found: list[Job], limits: dict[str, float]) -> list[dict]:
    """One record per job."""
    calls = {}
    for index, job in enumerate(found):
        for name, args in [(n, job.programs[n][1]) for n in job.compiled]:
            calls[f"{name}{index}"] = lambda c=job.compiled[name], args=args: c(*args)
    host = {name: _quick(call) for name, call in calls.items()}
    device = host | of_programs({n: c for n, c in calls.items() if host[n] < SLOW})
    peers = {index: job.torch for index, job in enumerate(found) if job.torch is not None}
    torch = dict(zip(peers, gpu_torch.timed([*peers.values()], between_marks, on_host), strict=True)) if peers else {}
    records = []
    for index, job in enumerate(found):
        record: dict = {"row": job.row, "mode": job.mode, "column": job.column, "strategy": job.strategy}
        others = {n: device[f"{n}{index}"] * 1e6 for n in job.compiled if n not in ("ours", "lax")}
        if others:
            record["strategies_us"] = dict(sorted(others.items(), key=lambda item: item[1]))
        for name in {"ours", "lax"} & set(job.compiled):
            record |= {f"{name}_us": device[f"{name}{index}"] * 1e6, f"{name}_call_us": host[f"{name}{index}"] * 1e6}
        if index in torch:
            kernels, call = torch[index]
            record |= {"torch_us": kernels * 1e6, "torch_call_us": call * 1e6}
        analysis: Any = job.compiled["ours"].memory_analysis()
        useful = analysis.argument_size_in_bytes + analysis.output_size_in_bytes
        record["memory"] = analysis.temp_size_in_bytes / max(useful, 1)
        floors = job.floor[0] / limits[job.mode], job.floor[1] / limits["copy"]
        record["of_ceiling"] = max(floors) * 1e6 / record["ours_us"]
        record["ceiling"] = "copy" if floors[1] > floors[0] else "product"
        records.append(record)
    return records


def _quick(call: Callable[[], object]) -> float:
    """Seconds per call in a row; of one call where that is slow already."""
    jax.block_until_ready(call())
    start = time.perf_counter()
    jax.block_until_ready(call())
    once = time.perf_counter() - start
    return once if once > SLOW else on_host(call, jax.block_until_ready)


def ceilings() -> dict[str, float]:
    """Bytes per second of a long copy, and multiply-adds per second of an 8192-cubed product in each mode."""
    found = {}

    def rate(amount: float, run: Callable, a: Array) -> float:
        compiled = jax.jit(run).lower(a).compile()
        return amount / on_host(lambda: compiled(a), jax.block_until_ready)

    a = jnp.ones((1 << 28,), jnp.float32)
    found["copy"] = rate(2 * a.nbytes, lambda a: a + 1, a)
    for mode, (dtype, precision) in cases.PRECISIONS.items():
        m = jax.random.normal(jax.random.key(0), (8192, 8192), dtype)
        with jax.default_matmul_precision(precision):
            found[mode] = rate(8192.0**3, lambda m: m @ m, m)
    return found


def main(only: str = "", every: bool = False, modes: tuple[str, ...] = tuple(cases.PRECISIONS)) -> None:
    """Measure everything and write results/gpu.md as it goes; or say that there is no GPU."""
    try:
        device = jax.devices("gpu")[0]
    except RuntimeError:
        sys.exit("benchmarks.gpu: JAX sees no GPU; install jax[cuda13] on a machine that has one")
    start = time.perf_counter()
    limits = ceilings()
    rates = [f"{m} products {2 * limits[m] / 1e12:.0f} TFLOP/s" for m in cases.PRECISIONS]
    print(f"{device.device_kind}: copy {limits['copy'] / 1e9:.0f} GB/s,", ", ".join(rates), flush=True)
    records: list[dict] = []
    for mode in modes:
        with jax.default_matmul_precision(cases.PRECISIONS[mode][1]):
            waiting = jobs(mode, only, every)
            while waiting:
                found, waiting = waiting[:TOGETHER], waiting[TOGETHER:]
                compile_all(found)
                print(f"{mode}: {len(found)} compiled after {time.perf_counter() - start:.0f} s", flush=True)
                fresh = measure(found, limits)
                records += fresh
                print("\n".join(map(gpu_report.line, fresh)), flush=True)
                gpu_report.write(records, device.device_kind, limits)
    if not only and modes == tuple(cases.PRECISIONS):
        gpu_report.write(records, device.device_kind, limits, complete=True)
    print(f"{time.perf_counter() - start:.0f} s")
