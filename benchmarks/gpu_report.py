"""results/gpu.md and results/gpu.json."""

from __future__ import annotations

import json

from benchmarks import gpu_torch
from benchmarks.gpu_targets import targets
from benchmarks.report import RESULTS, load, versions
from benchmarks.runner import geometric_mean
from benchmarks.strategies import SLACK
from benchmarks.targets import named, table

KEYS = ("row", "mode", "column")


def line(r: dict) -> str:
    """One record as it comes."""
    peers = [p for p in ("lax", "torch") if f"{p}_us" in r]
    ratios = [f"{p} {r[f'{p}_us'] / r['ours_us']:.2f}x" for p in peers] if "ours_us" in r else []
    text = f"{r['mode']:8s} {r['row']:44s} {r['column']:10s} {r['strategy']:12s} {r.get('ours_us', 0):8.1f} us  "
    return text + "  ".join([*ratios, _ceiling(r), *[f"{n} {t:.1f}" for n, t in r.get("strategies_us", {}).items()]])


def summary(records: list[dict]) -> list[str]:
    """Geometric mean and worst row per mode, column and peer; and how often the rule's choice is off."""
    lines = ["| mode | column | against | rows | geometric mean | worst row |", "|---|---|---|---|---|---|"]
    for mode in dict.fromkeys(r["mode"] for r in records):
        for column in dict.fromkeys(r["column"] for r in records):
            for peer in ("lax", "torch"):
                mine = [r for r in records if (r["mode"], r["column"]) == (mode, column)]
                both = [r for r in mine if {f"{peer}_us", "ours_us"} <= set(r)]
                found = [(r[f"{peer}_us"] / r["ours_us"], r["row"]) for r in both]
                if found:
                    mean, (worst, row) = geometric_mean([v for v, _ in found]), min(found)
                    lines.append(f"| {mode} | {column} | {peer} | {len(found)} | {mean:.2f} | {worst:.2f} ({row}) |")
    judged = [r for r in records if "ours_us" in r and r.get("strategies_us")]
    off = [r for r in judged if r["ours_us"] > SLACK * min(r["strategies_us"].values())]
    if judged:
        text = f"The rule's choice is more than 15 % off the fastest strategy measured on {len(off)} of {len(judged)}"
        names = [f"{r['row']}, {r['mode']} {r['column']}" for r in off]
        lines += ["", text + (": " + "; ".join(names) if off else "") + "."]
    return lines


def markdown(body: dict) -> str:
    """Everything as tables."""
    limits, records = body["ceilings"], body["records"]
    rates = ", ".join(f"{m} {2 * v / 1e12:.0f} TFLOP/s" for m, v in limits.items() if m != "copy")
    text = [
        f"# Benchmarks on a GPU: {body['device']}",
        "",
        ", ".join(f"{k} {v}" for k, v in body["versions"].items() if k != "allocator") + ".",
        *([] if "note" not in body else ["", body["note"]]),
        "",
        f"Ceilings, measured in the same run: a copy of 1 GiB {limits['copy'] / 1e9:.0f} GB/s; products {rates}.",
        "",
        "`us` is the time of a call's kernels on the GPU, in microseconds; `x` columns are peer's over ours: above 1,",
        "ours is faster. `ceiling` is the fraction reached of the nearer one. `call` is the time per call of many in a",
        "row, the host's work included: ours and torch's. `memory` is temporary memory over inputs plus outputs.",
        "`measured` lists strategies by themselves.",
        "",
        "## Targets",
        "",
        *table(targets(records)),
        "",
        "## Against stock JAX and torch",
        "",
        *summary(records),
    ]
    heads = ["row", "strategy", "us", "lax x", "torch x", "ceiling", "call us", "torch call us", "memory", "measured"]
    for mode in dict.fromkeys(r["mode"] for r in records):
        for column in dict.fromkeys(r["column"] for r in records if r["mode"] == mode):
            text += ["", f"## {mode}: {column}", "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
            for r in records:
                if (r["mode"], r["column"]) == (mode, column):
                    text.append("| " + " | ".join(_cells(r)) + " |")
    return "\n".join(text) + "\n"


def _ceiling(r: dict) -> str:
    return f"{100 * r['of_ceiling']:.0f} % {r['ceiling']}" if "of_ceiling" in r else ""


def _cells(r: dict) -> list[str]:
    number = lambda key, digits: f"{r[key]:.{digits}f}" if key in r else ""  # noqa: E731
    ratio = lambda p: f"{r[f'{p}_us'] / r['ours_us']:.2f}" if {f"{p}_us", "ours_us"} <= set(r) else ""  # noqa: E731
    others = ", ".join(f"{n} {t:.1f}" for n, t in r.get("strategies_us", {}).items())
    cells = [r["row"], r["strategy"], number("ours_us", 1), ratio("lax"), ratio("torch"), _ceiling(r)]
    return [*cells, number("ours_call_us", 0), number("torch_call_us", 0), number("memory", 2), others]


def write(records: list[dict], device: str, limits: dict[str, float], complete: bool = False) -> None:
    """results/gpu.json and results/gpu.md; what was not measured now stays, but for rows and note in a complete run."""
    body: dict = {"device": device, "versions": versions() | gpu_torch.versions(), "ceilings": limits}
    was = load("gpu")
    body |= {"note": was["note"]} if "note" in was and not complete else {}
    every = merged(was["records"], records)
    measured = [tuple(r[k] for k in KEYS) for r in records]
    rows = [r for r in every if tuple(r[k] for k in KEYS) in measured] if complete else every
    body |= {"targets": named(targets(rows)), "records": rows}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "gpu.json").write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
    (RESULTS / "gpu.md").write_text(markdown(body))


def merged(old: list[dict], new: list[dict]) -> list[dict]:
    """`new` in the places of their rows in `old`; strategies timed by themselves stay where none was timed now."""
    fresh = {tuple(r[k] for k in KEYS): r for r in new}
    kept = []
    for r in old:
        now = fresh.pop(tuple(r[k] for k in KEYS), r)
        kept.append({k: r[k] for k in ("strategies_us",) if k in r and k not in now} | now)
    return [*kept, *fresh.values()]
