"""`python -m benchmarks.ablation`: does learning the upsampling help, and do the skips?

{fixed bilinear, learned depthwise, learned dense} x {32s, 16s, 8s} heads on TinyBackbone, trained on `digits` with the
demo's recipe shortened, each with several seeds; mean IU on scenes whose digits and photographs were never trained on.
The last state is scored, none is picked. Every finished run is a line of results/ablation.jsonl, so a stopped command
goes on where it was; the table is written when all are there. `--fresh` forgets the lines of before.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.report import RESULTS, versions
from deconvjax.segmentation.training import Config, train

HEADS = ("fcn32s", "fcn16s", "fcn8s")
UPSAMPLINGS = ("fixed", "depthwise", "dense")
LINES = RESULTS / "ablation.jsonl"
Run = dict[str, object]


def recipe(head: str, upsampling: str, seed: int, steps: int) -> Config:
    """The demo's training, shortened."""
    return dataclasses.replace(
        Config(),
        head=head,
        upsampling=upsampling,
        seed=seed,
        steps=steps,
        save_every=steps,
        evaluate_every=steps,
        validation_count=256,
    )


def finished(path: Path, steps: int) -> dict[tuple, dict]:
    """The runs of this length that the file holds, by (head, upsampling, seed)."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    runs = [json.loads(line) for line in lines]
    return {(run["head"], run["upsampling"], run["seed"]): run for run in runs if run["steps"] == steps}


def measure(seeds: int, steps: int, limit: int = 10**9, path: Path = LINES) -> dict[tuple, dict]:
    """Every run that the file does not hold yet (at most `limit` of them), seed by seed, appended as it ends."""
    path.parent.mkdir(exist_ok=True)
    runs = finished(path, steps)
    allowed = len(runs) + limit
    for seed in range(seeds):
        for head in HEADS:
            for upsampling in UPSAMPLINGS:
                key = (head, upsampling, seed)
                if key in runs or len(runs) >= allowed:
                    continue
                start = time.perf_counter()
                with tempfile.TemporaryDirectory() as out:
                    scores = train(recipe(*key, steps), out, quiet=True)
                run = dict(zip(("head", "upsampling", "seed"), key, strict=True)) | {"steps": steps} | scores
                runs[key] = run | {"seconds": round(time.perf_counter() - start, 1)}
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(runs[key]) + "\n")
                print(f"{head:7s} {upsampling:10s} seed {seed}: mean IU {scores['mean_iu']:.4f}", flush=True)
    return runs


def table(runs: dict[tuple, dict], score: str = "mean_iu") -> dict[tuple[str, str], tuple[float, float, int]]:
    """(head, upsampling) -> mean, standard deviation (of a sample) and number of the runs' scores."""
    found = {}
    for head in HEADS:
        for upsampling in UPSAMPLINGS:
            values = [run[score] for (h, u, _), run in runs.items() if (h, u) == (head, upsampling)]
            if values:
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                found[head, upsampling] = (statistics.fmean(values), spread, len(values))
    return found


def markdown(runs: dict[tuple, dict], command: str) -> str:
    """The table, how it was made, and on what."""
    cells, steps = table(runs), next(iter(runs.values()))["steps"]
    text = [
        "# Ablation: upsampling and skips",
        "",
        f"`{command}`: {len(runs)} runs of {steps} steps, mean IU on 256 scenes of unseen digits over unseen "
        "photographs, mean ± standard deviation over seeds.",
        "",
        ", ".join(f"{k} {v}" for k, v in versions().items() if k not in ("torch", "load")) + ".",
        "",
        "| head | " + " | ".join(UPSAMPLINGS) + " |",
        "|---" * (1 + len(UPSAMPLINGS)) + "|",
    ]
    for head in HEADS:
        row = [cells.get((head, upsampling)) for upsampling in UPSAMPLINGS]
        text.append(f"| {head} | " + " | ".join(f"{c[0]:.3f} ± {c[1]:.3f}" if c else "" for c in row) + " |")
    text += [
        "",
        "The heads of TinyBackbone: 32s reads stride 16, 16s strides 16 and 8, 8s strides 16, 8 and 4. Paired "
        "by seed, learned minus fixed:",
        "",
        "| head | depthwise | dense |",
        "|---|---|---|",
    ]
    for head in HEADS:
        row = []
        for upsampling in UPSAMPLINGS[1:]:
            gains = [
                run["mean_iu"] - runs[h, "fixed", s]["mean_iu"]
                for (h, u, s), run in runs.items()
                if (h, u) == (head, upsampling) and (h, "fixed", s) in runs
            ]
            row.append(f"{statistics.fmean(gains):+.3f} ({min(gains):+.3f} to {max(gains):+.3f})" if gains else "")
        text.append(f"| {head} | " + " | ".join(row) + " |")
    return "\n".join(text) + "\n"


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--limit", type=int, default=10**9, help="runs of this call; the next call goes on")
    parser.add_argument("--fresh", action="store_true", help="forget finished runs")
    options = parser.parse_args()
    if options.fresh:
        LINES.unlink(missing_ok=True)
    runs = measure(options.seeds, options.steps, options.limit)
    command = f"python -m benchmarks.ablation --seeds {options.seeds} --steps {options.steps}"
    (RESULTS / "ablation.md").write_text(text := markdown(runs, command), "utf-8")
    cells = {
        f"{head} {up}": {"mean_iu": mean, "std": std, "runs": n} for (head, up), (mean, std, n) in table(runs).items()
    }
    (RESULTS / "ablation.json").write_text(
        json.dumps(
            {
                "command": command,
                "versions": versions(),
                "recipe": dataclasses.asdict(recipe("fcn8s", "fixed", 0, options.steps)),
                "table": cells,
                "runs": list(runs.values()),
            },
            indent=1,
        )
        + "\n",
        "utf-8",
    )
    print(text)


if __name__ == "__main__":
    main()
