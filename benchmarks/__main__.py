"""`python -m benchmarks [--quick] [--only TEXT] [--platform cpu|gpu]`: every row, a table and JSON in results/."""

from __future__ import annotations

import argparse
import time

import jax

from benchmarks import cases
from benchmarks.filters import filter_rows, flat_rows, resize_rows
from benchmarks.layers import measure
from benchmarks.report import summary, write
from benchmarks.swap import rows as swapped_rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, no scans")
    parser.add_argument("--only", default="", help="rows whose name contains this; nothing is written")
    parser.add_argument("--platform", choices=("cpu", "gpu"), default="cpu")
    options = parser.parse_args()
    if options.platform == "gpu":
        from benchmarks.gpu import main as gpu

        gpu(options.only)
        return
    jax.config.update("jax_platforms", "cpu")
    start = time.perf_counter()
    mode = "quick" if options.quick else "full"
    records = run(options.quick, options.only, mode)
    for s in summary(records):
        print(f"{s['column']:10s} vs {s['peer']:15s} {s['rows']:3d} rows, mean {s['mean']:.2f}, worst {s['worst']:.2f}")
    if not options.only:
        write(records, mode, FILES[mode])
    if not options.only:
        print("Flax models with their layers swapped:")
        swapped_rows(0.25 if options.quick else 1.0, "U-Net" if options.quick else "")
    print(f"{time.perf_counter() - start:.0f} s")


FILES = {"quick": "cpu_quick", "full": "cpu"}


def run(quick: bool, only: str, mode: str) -> list[dict]:
    """All records, printed and written as they come: an interrupted run keeps its rows."""
    seconds = 0.25 if quick else 0.6
    records: list[dict] = []
    jobs = [(c, lambda c=c: measure(c, seconds=seconds, scan=not quick)) for c in cases.LAYERS]
    jobs += [(c, lambda c=c: filter_rows(c, seconds=seconds)) for c in cases.FILTERS]
    jobs += [(c, lambda c=c: resize_rows(c, seconds=seconds)) for c in cases.RESIZES]
    for case, job in jobs:
        if (quick and not case.quick) or only not in case.name:
            continue
        for record in job():
            records.append(record)
            print(_line(record), flush=True)
        if not only:
            write(records, f"{mode}, unfinished", FILES[mode])
    if not only or "flat" in only:
        sizes = cases.FLAT[:4] if quick else cases.FLAT
        records += flat_rows(sizes, seconds=seconds)
    return records


def _line(record: dict) -> str:
    ratios = [f"{k.removesuffix('_x')} {v:.2f}x" for k, v in record.items() if k.endswith("_x")]
    more = [f"{k} {record[k]:.2f}" for k in ("memory", "scan_over_alone", "compile_s") if k in record]
    return f"{record['row']:44s} {record['column']:10s} {record['ours_ms']:9.3f} ms  " + "  ".join([*ratios, *more])


if __name__ == "__main__":
    main()
