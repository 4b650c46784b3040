"""The tables and the JSON."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from pathlib import Path

from benchmarks.allocator import described
from benchmarks.peers import COLUMNS
from benchmarks.targets import named, table, targets

RESULTS = Path(__file__).parent / "results"


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


def load(name: str) -> dict:
    """results/<name>.json; without records where it is absent."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {"records": []}


def markdown(records: list[dict], mode: str, setting: dict[str, str]) -> str:
    """Everything as tables."""
    text = ["# Benchmarks", "", f"Mode: {mode}. " + ", ".join(f"{k} {v}" for k, v in setting.items()) + ".", ""]
    text += [
        "Times in ms; `x` columns are time(peer)/time(ours), medians of per-round ratios: above 1, ours is faster.",
        "A contender that takes more than 2 s a call is timed once. `pass` is XLA's time for `x + 1` on the larger of",
        "input and output: what reading and writing alone cost.",
        "`memory` is temporary memory over inputs plus outputs; `scan` is time per step in `lax.scan` over alone.",
        "",
        "## Targets",
        "",
        *table(targets(records)),
    ]
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
            keys = [f"ns_per_pixel{kind}" for kind in ("", "_pass", "_many")]
            text.append(f"| {r['row']} | " + " | ".join(f"{r[k]:.3f}" if k in r else "" for k in keys) + " |")
    return "\n".join(text) + "\n"


def write(records: list[dict], mode: str, name: str, setting: dict[str, str] | None = None) -> None:
    """results/<name>.json and results/<name>.md; `setting` is where they were measured, if not here and now."""
    RESULTS.mkdir(exist_ok=True)
    setting = versions() if setting is None else setting
    body = {"mode": mode, "versions": setting, "targets": named(targets(records)), "records": records}
    (RESULTS / f"{name}.json").write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
    (RESULTS / f"{name}.md").write_text(markdown(records, mode, setting))
