"""The table, the JSON, and the summary that is compared with the targets."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from pathlib import Path

from benchmarks.allocator import described
from benchmarks.peers import COLUMNS
from benchmarks.runner import geometric_mean

RESULTS = Path(__file__).parent / "results"
PEERS = ("lax", "flax", "jax_image", "torch", "scipy")


def versions() -> dict[str, str]:
    """What was measured, on what."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "cpus": str(os.cpu_count())}
    found["load"] = f"{os.getloadavg()[0]:.1f}"  # other work on the machine makes every number below worth less
    found["allocator"] = described()
    for name in ("jax", "jaxlib", "flax", "torch", "scipy", "numpy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def summary(records: list[dict]) -> list[dict]:
    """Per column and peer: rows, geometric mean and worst of time(peer)/time(ours)."""
    lines = []
    for column in COLUMNS:
        mine = [r for r in records if r["column"] == column]
        stock = [
            (min(r[k] for k in ("lax_x", "flax_x", "jax_image_x") if k in r), r["row"]) for r in mine if _has_stock(r)
        ]
        for peer, found in (
            ("stock JAX/Flax", stock),
            ("torch's best", [(r["torch_x"], r["row"]) for r in mine if "torch_x" in r]),
            ("SciPy's best", [(r["scipy_x"], r["row"]) for r in mine if "scipy_x" in r]),
        ):
            if found:
                mean = geometric_mean([v for v, _ in found])
                worst = min(found)
                line = {"column": column, "peer": peer, "rows": len(found), "mean": mean}
                lines.append(line | {"worst": worst[0], "worst_row": worst[1]})
    return lines


def limits(records: list[dict]) -> list[str]:
    """The worst row of what is to stay small: memory, time inside `scan`, time to compile."""
    lines = []
    for label, value in (
        ("temporary memory over inputs plus outputs (at most 3)", lambda r: r["memory"]),
        ("time per step inside scan over alone (at most 1.2)", lambda r: r["scan_over_alone"]),
        ("compile time over lax's (at most 1.5)", lambda r: r["compile_s"] / r["lax_compile_s"]),
        ("time over one pass of `x + 1` over the larger of input and output", lambda r: r["ours_ms"] / r["pass_ms"]),
    ):
        found = []
        for r in records:
            try:
                found.append((value(r), f"{r['column']} of {r['row']}"))
            except KeyError:  # not measured on this row
                continue
        if found:
            mean = geometric_mean([max(v, 1e-3) for v, _ in found])
            lines.append(f"{label}: worst {max(found)[0]:.2f} ({max(found)[1]}), geometric mean {mean:.2f}")
    return lines


def read(name: str) -> list[dict]:
    """The records of results/<name>.json; none where it is absent."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["records"] if path.exists() else []


def _has_stock(record: dict) -> bool:
    return any(k in record for k in ("lax_x", "flax_x", "jax_image_x"))


def markdown(records: list[dict], mode: str) -> str:
    """Everything as tables."""
    text = ["# Benchmarks", "", f"Mode: {mode}. " + ", ".join(f"{k} {v}" for k, v in versions().items()) + ".", ""]
    text += [
        "Times in ms; `x` columns are time(peer)/time(ours), medians of per-round ratios: above 1, ours is faster.",
        "A contender that takes more than 2 s a call is timed once. `pass` is XLA's time for `x + 1` on the larger of",
        "input and output: what reading and writing alone cost.",
        "`memory` is temporary memory over inputs plus outputs; `scan` is time per step in `lax.scan` over alone.",
        "",
        "| column | against | rows | geometric mean | worst row |",
        "|---|---|---|---|---|",
    ]
    for s in summary(records):
        worst = f"{s['worst']:.2f} ({s['worst_row']})"
        text.append(f"| {s['column']} | {s['peer']} | {s['rows']} | {s['mean']:.2f} | {worst} |")
    text += ["", *[f"- {line}" for line in limits(records)]]
    for column in COLUMNS:
        mine = [r for r in records if r["column"] == column and "ours_ms" in r]
        if not mine:
            continue
        heads = [
            "row",
            "ours ms",
            "lax x",
            "flax x",
            "image.resize x",
            "torch x",
            "SciPy x",
            "memory",
            "scan",
            "scan lax x",
            "pass ms",
        ]
        text += ["", f"## {column}", "", "| " + " | ".join([*heads, "compile s (lax)"]) + " |", "|---" * 12 + "|"]
        for r in mine:
            keys = ("lax_x", "flax_x", "jax_image_x", "torch_x", "scipy_x", "memory", "scan_over_alone", "scan_lax_x")
            keys += ("pass_ms",)
            cells = [f"{r[k]:.2f}" if k in r else "" for k in keys]
            build = f"{r['compile_s']:.2f}" + (f" ({r['lax_compile_s']:.2f})" if "lax_compile_s" in r else "")
            text.append(f"| {r['row']} | {r['ours_ms']:.3f} | " + " | ".join([*cells, build]) + " |")
    flat = [r for r in records if "ns_per_pixel" in r]
    if flat:
        heads = ["row", "ns per output pixel", "of `x + 1`", "of many images at once"]
        text += ["", "## Cost per pixel", "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
        for r in flat:
            kinds = ("", "_pass", "_many")
            text.append(f"| {r['row']} | " + " | ".join(f"{r[f'ns_per_pixel{k}']:.3f}" for k in kinds) + " |")
    return "\n".join(text) + "\n"


def write(records: list[dict], mode: str, name: str) -> None:
    """results/<name>.json and results/<name>.md."""
    RESULTS.mkdir(exist_ok=True)
    body = {"mode": mode, "versions": versions(), "summary": summary(records), "records": records}
    (RESULTS / f"{name}.json").write_text(json.dumps(body, indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text(markdown(records, mode))
