"""Rows of learned layers: ours against stock JAX, Flax and torch."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp

from benchmarks.cases import Layer
from benchmarks.peers import COLUMNS, ours, stock, stock_taps, torch_calls
from benchmarks.programs import BUILDS, LENGTH, Built, alone, build, scanned, stacked
from benchmarks.runner import Timing, visited

SLOW = 0.25  # seconds: a stock program slower than this is not run again inside a scan


def measure(layer: Layer, *, seconds: float, scan: bool) -> list[dict]:
    """One record per column."""
    x, taps, ct = layer.data()
    args = tuple(map(jnp.asarray, (x, taps, ct)))
    theirs = (args[0], jnp.asarray(stock_taps(layer, taps)), args[2])
    peers = torch_calls(layer, x, taps, ct)
    built: dict[str, dict[str, Built]] = {}
    tasks: dict[str, dict[str, Callable]] = {}
    largest = max(args[0], args[2], key=lambda a: a.size)
    for column in COLUMNS:
        built[column] = {"ours": build(alone(ours(layer), column), *args, builds=BUILDS)}
        for name, apply in stock(layer).items():
            built[column][name] = build(alone(apply, column), *theirs, builds=BUILDS if name == "lax" else 1)
        tasks[column] = {name: b.call for name, b in built[column].items()} | peers.get(column, {})
        tasks[column]["pass"] = build(lambda a: a + 1, largest).call
    timings = visited(tasks, seconds=seconds)
    scans = _scans(layer, args, theirs, timings, built, seconds) if scan else {}
    return [_record(layer, c, built[c], timings[c]) | scans.get(c, {}) for c in COLUMNS]


def _record(layer: Layer, column: str, built: dict[str, Built], timing: Timing) -> dict:
    best = timing.best([n for n in timing.seconds if n.startswith("torch")])
    record = {
        "row": layer.name,
        "column": column,
        "ours_ms": timing.median("ours") * 1e3,
        "memory": built["ours"].memory,
        "compile_s": built["ours"].compile_seconds,
        "pass_ms": timing.median("pass") * 1e3,
    }
    for name in built:
        if name != "ours":
            record[f"{name}_ms"] = timing.median(name) * 1e3
            record[f"{name}_x"] = timing.ratio(name, "ours")
    if "lax" in built:
        record["lax_compile_s"] = built["lax"].compile_seconds
        record["lax_memory"] = built["lax"].memory
    if best:
        record |= {"torch_ms": timing.median(best) * 1e3, "torch_x": timing.ratio(best, "ours"), "torch": best}
    return record


def _scans(layer: Layer, args, theirs, timings: dict[str, Timing], built: dict, seconds: float) -> dict[str, dict]:
    """The columns inside scans, by column."""
    xs, cts = stacked(args[0], args[2])
    tasks: dict[str, dict[str, Callable]] = {}
    for column in COLUMNS:
        tasks[column] = {"alone": built[column]["ours"].call}
        tasks[column]["scan"] = build(scanned(ours(layer), column), xs, args[1], cts).call
        lax_seconds = timings[column].seconds.get("lax")
        if lax_seconds and min(lax_seconds) < SLOW:
            tasks[column]["lax"] = build(scanned(stock(layer)["lax"], column), xs, theirs[1], cts).call
    records: dict[str, dict] = {}
    for column, timing in visited(tasks, seconds=seconds).items():
        records[column] = {
            "scan_ms": timing.median("scan") / LENGTH * 1e3,
            "scan_over_alone": timing.ratio("scan", "alone") / LENGTH,
        }
        if "lax" in tasks[column]:
            records[column]["scan_lax_x"] = timing.ratio("lax", "scan")
    return records
