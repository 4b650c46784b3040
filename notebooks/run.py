"""Run the notebooks: every one in this folder, by glob, and fail where one fails or warns.

python notebooks/run.py             run all, change nothing
python notebooks/run.py --write     run all, and keep their outputs
python notebooks/run.py --short     run all in their shortened form (they read DECONVJAX_SHORT), change nothing
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).resolve().parent
WIDGET = "application/vnd.jupyter.widget-view+json"


def main() -> int:
    """Run what is asked for; 0, or 1 where a notebook failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="numbers or names of notebooks (all)")
    parser.add_argument("--write", action="store_true", help="keep the outputs")
    parser.add_argument("--short", action="store_true", help="the shortened form")
    options = parser.parse_args()
    if options.write and options.short:
        parser.error("outputs of the shortened form are not kept")
    books = sorted(HERE.glob("*.ipynb"), key=lambda path: int(path.name.split("-")[0]))
    if options.names:
        books = [book for book in books if any(book.name.startswith(name) for name in options.names)]
    if not books:
        parser.error("no such notebook")
    if options.short:
        os.environ["DECONVJAX_SHORT"] = "1"
    failed, begun = [], time.perf_counter()
    for book in books:
        start = time.perf_counter()
        try:
            page = run(book)
        except (CellExecutionError, Warned) as problem:
            failed.append(book.name)
            print(f"{book.name}: failed\n{problem}", file=sys.stderr, flush=True)
            continue
        print(f"{time.perf_counter() - start:6.1f} s  {book.name}", flush=True)
        if options.write:
            nbformat.write(page, book)
    print(f"{time.perf_counter() - begun:6.1f} s  in all{', ' + ', '.join(failed) + ' failed' if failed else ''}")
    return 1 if failed else 0


class Warned(Exception):
    """A cell of a notebook warned."""


def run(book: Path) -> Any:
    """The notebook with its outputs, free of what only this run knows (times, widget ids, the interpreter's build)."""
    page = nbformat.read(book, as_version=4)
    client = NotebookClient(page, timeout=900, kernel_name="python3", record_timing=False, coalesce_streams=True,
                            store_widget_state=False, extra_arguments=["--log-level=ERROR"],
                            resources={"metadata": {"path": str(HERE)}})
    client.execute()
    for number, cell in enumerate(page.cells):
        cell.metadata.pop("execution", None)
        logged = [output for output in cell.get("outputs", []) if output.get("name") == "stderr"]
        for output in logged:  # beside Python's warnings, XLA logs there what only concerns the machine: it goes
            if "Warning" in output.text:
                raise Warned(f"cell {number} warned:\n{output.text}")
            cell.outputs.remove(output)
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}) and "image/png" in output.data:
                del output.data[WIDGET]  # sliders need a kernel; the picture beside them is what a reader sees
    page.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                     "language_info": {"name": "python"}}
    return page


if __name__ == "__main__":
    sys.exit(main())
