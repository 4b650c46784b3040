"""`python -m benchmarks [--quick] [--part I/N] [--only TEXT [--merge]] [--platform cpu|gpu]`: all rows, as tables.

`--part 2/4` measures the second quarter of the rows and merges it into the results that are there, so that a long
table can be made in several sittings on a machine that is quiet for minutes at a time; `--only TEXT --merge` measures
the rows of that name again; `--tables` measures nothing and writes the tables of the results anew.
"""

from __future__ import annotations

import argparse
import time

import jax

from benchmarks import cases, segmentation
from benchmarks.allocator import keep_memory
from benchmarks.filters import filter_rows, flat_rows, resize_rows
from benchmarks.layers import measure
from benchmarks.report import load, write
from benchmarks.swap import rows as swapped_rows
from benchmarks.targets import table, targets


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, no scans")
    parser.add_argument("--only", default="", help="rows whose name contains this; written only with --merge")
    parser.add_argument("--merge", action="store_true", help="with --only: rows go into the results that are there")
    parser.add_argument("--part", default="1/1", help="I/N: the I-th of N parts, merged into the results")
    parser.add_argument("--platform", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--tables", action="store_true", help="measure nothing: write the tables of the results anew")
    parser.add_argument("--every", action="store_true", help="on a GPU: every strategy beside the rule's choice")
    parser.add_argument("--mode", choices=cases.PRECISIONS, help="on a GPU: this one alone")
    options = parser.parse_args()
    if options.platform == "gpu":
        from benchmarks.gpu import main as gpu

        gpu(options.only, options.every, *([(options.mode,)] if options.mode else []))
        return
    mode = "quick" if options.quick else "full"
    if options.tables:
        was = load(FILES[mode])
        if not was["records"]:
            parser.error(f"no results of mode {mode!r} are there; measure them first, without --tables")
        write(was["records"], was["mode"], FILES[mode], was["versions"])
        return
    keep_memory()
    jax.config.update("jax_platforms", "cpu")
    start = time.perf_counter()
    part, parts = map(int, options.part.split("/"))
    records = run(options.quick, options.only, mode, part, parts, options.merge)
    print("\n".join(table(targets(records))))
    if options.merge or not options.only:
        write(records, mode, FILES[mode])
    if not options.only and part == parts:
        print("Flax models with their layers swapped:")
        swapped_rows(0.25 if options.quick else 1.0, "U-Net" if options.quick else "")
        print("Training steps of FCN-8s heads:")
        heads = segmentation.rows(1.0 if options.quick else 4.0, "digits" if options.quick else "")
        if not options.quick:
            segmentation.write(heads)
    print(f"{time.perf_counter() - start:.0f} s")


FILES = {"quick": "cpu_quick", "full": "cpu"}


def run(quick: bool, only: str, mode: str, part: int = 1, parts: int = 1, merge: bool = False) -> list[dict]:
    """All records, printed and written as they come: an interrupted run keeps its rows."""
    seconds = 0.25 if quick else 0.5
    records: list[dict] = load(FILES[mode])["records"] if merge or (part > 1 and not only) else []
    jobs = [(c, lambda c=c: measure(c, seconds=seconds, scan=not quick)) for c in cases.LAYERS]
    jobs += [(c, lambda c=c: filter_rows(c, seconds=seconds)) for c in cases.FILTERS]
    jobs += [(c, lambda c=c: resize_rows(c, seconds=seconds)) for c in cases.RESIZES]
    jobs = [(c, job) for c, job in jobs if (c.quick or not quick) and only in c.name]
    for case, job in jobs[(part - 1) * len(jobs) // parts : part * len(jobs) // parts]:
        records = [r for r in records if r["row"] != case.name]
        for record in job():
            records.append(record)
            print(_line(record), flush=True)
        if merge or not only:
            write(records, f"{mode}, unfinished", FILES[mode])
    if (not only and part == parts) or "flat" in only:
        sizes = cases.FLAT[:4] if quick else cases.FLAT
        records = [r for r in records if not r["row"].startswith("flat")]
        records += flat_rows(sizes, seconds=seconds)
    return records


def _line(record: dict) -> str:
    ratios = [f"{k.removesuffix('_x')} {v:.2f}x" for k, v in record.items() if k.endswith("_x")]
    more = [f"{k} {record[k]:.2f}" for k in ("memory", "scan_over_alone", "compile_s") if k in record]
    return f"{record['row']:44s} {record['column']:10s} {record['ours_ms']:9.3f} ms  " + "  ".join([*ratios, *more])


if __name__ == "__main__":
    main()
