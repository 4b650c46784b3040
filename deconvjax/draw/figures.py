"""The figures of convolution arithmetic, drawn from their tuples: `deconvjax figures`.

o = floor((i + 2p - d(k-1) - 1)/s) + 1      transposed: o' = s(i'-1) + d(k-1) + 1 - 2p + a
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deconvjax.algebra import LinearMap
from deconvjax.draw.animation import animate
from deconvjax.draw.arithmetic import arithmetic
from deconvjax.draw.style import THEMES
from deconvjax.errors import complaint
from deconvjax.ops.channel import conv

FORMATS = ("svg", "png", "gif")


@dataclass(frozen=True)
class Tuple:
    """o = floor((i + 2p - d(k-1) - 1)/s) + 1: the numbers of one figure, the same along both axes.

    >>> Tuple(5, 3, s=2, p=1).map().codomain.shape, Tuple(6, 3, s=2, p=1).unread
    ((3, 3, 1), 1)
    """

    i: int
    k: int
    s: int = 1
    p: int = 0
    d: int = 1

    def map(self) -> LinearMap:
        """The convolution, its kernel 1, 2, 3, 4, 5, 1, 2, ..., on an input of i × i."""
        kernel = (1 + np.arange(self.k * self.k) % 5).astype(np.float32).reshape(self.k, self.k, 1, 1)
        return conv(kernel, strides=self.s, padding=self.p, kernel_dilation=self.d).on((self.i, self.i, 1))

    @property
    def unread(self) -> int:
        """Cells of padding behind the last one that a window reads."""
        return min(self.p, (self.i + 2 * self.p - self.d * (self.k - 1) - 1) % self.s)


FIGURES = {
    "no_padding_no_strides": Tuple(4, 3),
    "arbitrary_padding_no_strides": Tuple(5, 4, p=2),
    "same_padding_no_strides": Tuple(5, 3, p=1),
    "full_padding_no_strides": Tuple(5, 3, p=2),
    "no_padding_strides": Tuple(5, 3, s=2),
    "padding_strides": Tuple(5, 3, s=2, p=1),
    "padding_strides_odd": Tuple(6, 3, s=2, p=1),
    "dilation": Tuple(7, 3, d=2),
}


def figures(path: str | Path, *, names: tuple[str, ...] | None = None, formats: tuple[str, ...] = FORMATS,
            values: bool = False, theme: str = "light") -> list[Path]:
    """o = floor((i + 2p - d(k-1) - 1)/s) + 1, eight times, and transposed: every figure of convolution arithmetic.

    Writes `NAME.svg`, `NAME.png` (the middle step) and `NAME.gif` (all steps) of each convolution, and
    `NAME_transposed.*` of its transpose, which are 16 figures.

    Args:
        path: the folder to write into; made where it is missing.
        names: which of the eight (all).
        formats: "svg", "png", "gif".
        values: write numbers into the cells, taps and outputs.
        theme: "light" or "dark".

    Source: Dumoulin and Visin, arXiv:1603.07285; names and tuples are those of their repository.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [file.name for file in figures(folder, names=("no_padding_strides",), formats=("svg",))]
    ['no_padding_strides.svg', 'no_padding_strides_transposed.svg']
    """
    for argument, given, known in (("names", names or (), FIGURES), ("formats", formats, FORMATS)):
        if odd := [each for each in given if each not in known]:
            raise ValueError(complaint("draw.figures", f"unknown {argument}", got=", ".join(map(repr, odd)),
                                       expected="among " + ", ".join(known), fix=f"leave {argument} out for all"))
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, a, unread in _maps(names or tuple(FIGURES)):
        x = np.arange(int(np.prod(a.domain.shape))) % 4 if values else None
        for suffix in formats:
            target = folder / f"{name}.{suffix}"
            if suffix == "gif":
                animate(a, target, x=x, unread=unread, theme=theme)
            else:
                middle = a.codomain.shape[0] // 2 * (a.codomain.shape[1] + 1)
                figure = arithmetic(a, middle, x=x, unread=unread, theme=theme)
                figure.savefig(target, dpi=110, metadata=_DATELESS[suffix])
            written.append(target)
    return written


_DATELESS: dict[str, dict[str, None]] = {"svg": {"Date": None}, "png": {"Software": None}}  # the same file every time


def _maps(names: tuple[str, ...]) -> Iterator[tuple[str, LinearMap, int]]:
    for name in names:
        forward = FIGURES[name].map()
        yield name, forward, FIGURES[name].unread
        yield f"{name}_transposed", forward.T, 0


def arguments(parser: argparse.ArgumentParser) -> None:
    """--out, --names, --values, --theme, --formats."""
    parser.add_argument("--out", default="figures", help="folder to write into")
    parser.add_argument("--names", nargs="+", default=list(FIGURES), choices=FIGURES, metavar="NAME",
                        help="which figures, among " + " ".join(FIGURES))
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=FORMATS, help="what to write of each")
    parser.add_argument("--values", action="store_true", help="write numbers into the cells")
    parser.add_argument("--theme", default="light", choices=sorted(THEMES), help="colours")


def run(options: argparse.Namespace) -> int:
    """Write the figures and say where; 1 where they cannot be written."""
    try:
        written = figures(options.out, names=tuple(options.names), formats=tuple(options.formats),
                          values=options.values, theme=options.theme)
    except OSError as refusal:
        print(f"deconvjax figures: cannot write {options.out}: {refusal.strerror}", file=sys.stderr)
        return 1
    print(f"wrote {len(written)} files of {2 * len(options.names)} figures to {options.out}")
    return 0
