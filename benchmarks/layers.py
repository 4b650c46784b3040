"""Rows of learned layers: ours against stock JAX, Flax and torch."""

from __future__ import annotations

import jax.numpy as jnp

from benchmarks.cases import Layer
from benchmarks.peers import COLUMNS, ours, stock, stock_taps, torch_calls
from benchmarks.programs import LENGTH, Built, alone, build, scanned, stacked
from benchmarks.runner import paired

SLOW = 0.25  # seconds: a stock program slower than this is not run again inside a scan


def measure(layer: Layer, *, seconds: float, scan: bool) -> list[dict]:
    """One record per column."""
    x, taps, ct = layer.data()
    args = tuple(map(jnp.asarray, (x, taps, ct)))
    theirs = (args[0], jnp.asarray(stock_taps(layer, taps)), args[2])
    peers = torch_calls(layer, x, taps, ct)
    records = []
    for column in COLUMNS:
        built: dict[str, Built] = {"ours": build(alone(ours(layer), column), *args)}
        for name, apply in stock(layer).items():
            built[name] = build(alone(apply, column), *theirs)
        calls = {name: b.call for name, b in built.items()} | peers.get(column, {})
        calls["pass"] = build(lambda a: a + 1, max(args[0], args[2], key=lambda a: a.size)).call
        timing = paired(calls, seconds=seconds)
        best = timing.best([n for n in calls if n.startswith("torch")])
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
        if scan:
            record |= _scan(layer, column, args, theirs, timing.seconds.get("lax"), built["ours"], seconds)
        records.append(record)
    return records


def _scan(layer: Layer, column: str, args, theirs, lax_seconds, single: Built, seconds: float) -> dict:
    xs, cts = stacked(args[0], args[2])
    calls = {"alone": single.call, "scan": build(scanned(ours(layer), column), xs, args[1], cts).call}
    if lax_seconds and min(lax_seconds) < SLOW:
        calls["lax"] = build(scanned(stock(layer)["lax"], column), xs, theirs[1], cts).call
    timing = paired(calls, seconds=seconds)
    record = {
        "scan_ms": timing.median("scan") / LENGTH * 1e3,
        "scan_over_alone": timing.ratio("scan", "alone") / LENGTH,
    }
    if "lax" in calls:
        record["scan_lax_x"] = timing.ratio("lax", "scan")
    return record
