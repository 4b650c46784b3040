"""results/gpu.md and results/gpu.json."""

from __future__ import annotations

import json

from benchmarks.report import RESULTS, versions
from benchmarks.runner import geometric_mean

KEYS = ("row", "mode", "column")


def line(r: dict) -> str:
    """One record as it comes."""
    ratios = [f"{peer} {r[f'{peer}_us'] / r['ours_us']:.2f}x" for peer in ("lax", "torch") if f"{peer}_us" in r]
    return f"{r['mode']:8s} {r['row']:44s} {r['column']:10s} {r['strategy']:12s} {r['ours_us']:8.1f} us  " + "  ".join(
        [*ratios, f"{100 * r['of_ceiling']:.0f} % of {r['ceiling']}", f"call {r['ours_call_us']:.0f} us"]
    )


def read() -> list[dict]:
    """What is there."""
    file = RESULTS / "gpu.json"
    return json.loads(file.read_text())["records"] if file.exists() else []


def summary(records: list[dict]) -> list[str]:
    """Geometric mean and worst row per mode, column and peer."""
    lines = ["| mode | column | against | rows | geometric mean | worst row |", "|---|---|---|---|---|---|"]
    for mode in dict.fromkeys(r["mode"] for r in records):
        for column in dict.fromkeys(r["column"] for r in records):
            for peer in ("lax", "torch"):
                mine = [r for r in records if (r["mode"], r["column"]) == (mode, column) and f"{peer}_us" in r]
                if mine:
                    found = [(r[f"{peer}_us"] / r["ours_us"], r["row"]) for r in mine]
                    mean, (worst, row) = geometric_mean([v for v, _ in found]), min(found)
                    lines.append(f"| {mode} | {column} | {peer} | {len(mine)} | {mean:.2f} | {worst:.2f} ({row}) |")
    return lines


def markdown(records: list[dict], device: str, limits: dict[str, float]) -> str:
    """Everything as tables."""
    rates = ", ".join(f"{m} {2 * v / 1e12:.0f} TFLOP/s" for m, v in limits.items() if m != "copy")
    text = [
        f"# Benchmarks on a GPU: {device}",
        "",
        ", ".join(f"{k} {v}" for k, v in versions().items() if k != "allocator") + ".",
        "",
        f"Ceilings, measured in the same run: a copy of 1 GiB {limits['copy'] / 1e9:.0f} GB/s; products {rates}.",
        "",
        "`us` is the time of a call's kernels on the GPU, in microseconds; `x` columns are peer's over ours: above 1,",
        "ours is faster. `ceiling` is the fraction reached of the nearer one. `call` is the time per call of many in a",
        "row, the host's work included: ours and torch's. `memory` is temporary memory over inputs plus outputs.",
        "",
        *summary(records),
    ]
    heads = ["row", "strategy", "us", "lax x", "torch x", "ceiling", "call us", "torch call us", "memory"]
    for mode in dict.fromkeys(r["mode"] for r in records):
        for column in dict.fromkeys(r["column"] for r in records if r["mode"] == mode):
            text += ["", f"## {mode}: {column}", "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
            for r in records:
                if (r["mode"], r["column"]) == (mode, column):
                    text.append("| " + " | ".join(_cells(r)) + " |")
    return "\n".join(text) + "\n"


def _cells(r: dict) -> list[str]:
    ratio = lambda peer: f"{r[f'{peer}_us'] / r['ours_us']:.2f}" if f"{peer}_us" in r else ""  # noqa: E731
    call = f"{r['torch_call_us']:.0f}" if "torch_call_us" in r else ""
    nearer = f"{100 * r['of_ceiling']:.0f} % {r['ceiling']}"
    cells = [r["row"], r["strategy"], f"{r['ours_us']:.1f}", ratio("lax"), ratio("torch"), nearer]
    return [*cells, f"{r['ours_call_us']:.0f}", call, f"{r['memory']:.2f}"]


def write(records: list[dict], device: str, limits: dict[str, float], merge: bool) -> None:
    """results/gpu.json and results/gpu.md; `merge` keeps rows that were not measured now."""
    if merge:
        fresh = {tuple(r[k] for k in KEYS): r for r in records}
        kept = [fresh.pop(tuple(r[k] for k in KEYS), r) for r in read()]
        records = [*kept, *fresh.values()]
    RESULTS.mkdir(exist_ok=True)
    body = {"device": device, "versions": versions(), "ceilings": limits, "records": records}
    (RESULTS / "gpu.json").write_text(json.dumps(body, indent=1) + "\n")
    (RESULTS / "gpu.md").write_text(markdown(records, device, limits))
