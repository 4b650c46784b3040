"""The explorer: one self-contained page with sliders for kernel, stride, padding, dilation and output padding."""

from __future__ import annotations

import argparse
import sys
from importlib import resources
from pathlib import Path


def explore(path: str | Path) -> Path:
    """out = floor((dense + lo + hi - taps)/down) + 1, live: window and matrix as an interactive page.

    It needs no network and no Python to be looked at; `#t=1&n=3&k=3&s=2&p=1` after its address sets the sliders. The
    folder of `path` is made where it is missing.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     "output padding" in explore(pathlib.Path(folder) / "explore.html").read_text("utf-8")
    True
    """
    target = Path(path)
    page = resources.files("deconvjax.draw").joinpath("explore.html").read_text("utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target


def arguments(parser: argparse.ArgumentParser) -> None:
    """--out."""
    parser.add_argument("--out", default="explore.html", help="where to write the page")


def run(options: argparse.Namespace) -> int:
    """Write the page and say where; 1 where it cannot be written."""
    try:
        print(f"wrote {explore(options.out)}: open it in a browser")
    except OSError as refusal:
        print(f"deconvjax explore: cannot write {options.out}: {refusal.strerror}", file=sys.stderr)
        return 1
    return 0
