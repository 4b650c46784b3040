"""Figures of the site, each from one line of code that is shown beside it and run when the site is built."""

from __future__ import annotations

import io
import tempfile

import matplotlib as mpl
import numpy as np

import deconvjax as dj
from deconvjax.draw.figures import FIGURES as ARITHMETIC
from docs.markup import fence

THEMES = ("light", "dark")
# Beside the text of a name: full name -> the code that draws it.
FIGURES = {
    "deconvjax.upsample": "dj.draw.matrix(dj.upsample(2).on((4,)))",
    "deconvjax.downsample": "dj.draw.matrix(dj.downsample(2).on((8,)))",
    "deconvjax.shift": "dj.draw.matrix(dj.shift(2, axes=-1).on((6,)))",
    "deconvjax.pad": 'dj.draw.matrix(dj.pad((2, 2), "reflect").on((5,)))',
    "deconvjax.crop": "dj.draw.matrix(dj.crop((1, 2)).on((7,)))",
    "deconvjax.convolve": "dj.draw.matrix(dj.convolve([1, 2, 3]).on((6,)))",
    "deconvjax.correlate": "dj.draw.matrix(dj.correlate([1, 2, 3]).on((6,)))",
    "deconvjax.upfirdn": "dj.draw.contributions(dj.upfirdn([1, 2, 3, 2, 1], up=3, down=2).on((6,)), 4)",
    "deconvjax.conv": "dj.draw.arithmetic(dj.conv(np.ones((3, 3, 1, 1)), strides=2, padding=1).on((5, 5, 1)), 4)",
    "deconvjax.conv_transpose":
        "dj.draw.arithmetic(dj.conv_transpose(np.ones((3, 3, 1, 1)), strides=2, padding=1).on((3, 3, 1)), 12)",
    "deconvjax.resize": "dj.draw.matrix(dj.resize(2, axes=-1).on((4,)))",
    "deconvjax.average_pool": "dj.draw.matrix(dj.average_pool((2,), (2,)).on((6, 1)))",
    "deconvjax.stack": "dj.draw.chain(dj.stack([dj.downsample(2) @ dj.convolve([1, 1]), "
                       "dj.downsample(2) @ dj.convolve([1, -1])]).on((8,)), plan=False)",
    "deconvjax.check.checkerboard":
        "dj.draw.checkerboard((dj.convolve(np.ones((3, 3))) @ dj.upsample((2, 2))).on((12, 12)))",
    "deconvjax.draw.matrix": "dj.draw.matrix((dj.downsample(2) @ dj.convolve([1, 2, 1])).on((8,)))",
    "deconvjax.draw.arithmetic":
        "dj.draw.arithmetic(dj.conv_transpose(np.ones((3, 3, 1, 1)), strides=2).on((3, 3, 1)), 7)",
    "deconvjax.draw.contributions":
        "dj.draw.contributions((dj.convolve([1, 2, 3, 2, 1]) @ dj.upsample(2)).on((6,)), 5)",
    "deconvjax.draw.spectrum": "dj.draw.spectrum(dj.convolve(dj.filters.bilinear(3)) @ dj.upsample(3))",
    "deconvjax.draw.checkerboard": "dj.draw.checkerboard((dj.convolve(dj.filters.bilinear((2, 2))) "
                                   "@ dj.upsample((2, 2))).on((12, 12)))",
    "deconvjax.draw.chain":
        "dj.draw.chain((dj.downsample(3) @ dj.convolve([1, 2, 1]) @ dj.upsample(2)).on((60,)))",
    "deconvjax.draw.upsamplers":
        'dj.draw.upsamplers(np.eye(6), {"nearest": dj.resize(4, "nearest", axes=(-2, -1)), '
        '"bilinear": dj.resize(4, axes=(-2, -1)), "cubic": dj.resize(4, "cubic", axes=(-2, -1))})',
}


def films(theme: str) -> dict[str, bytes]:
    """File name -> animation of every figure of convolution arithmetic, as `deconvjax figures` writes them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = dj.draw.figures(folder, formats=("gif",), theme=theme)
        return {f"{path.stem}-{theme}.gif": path.read_bytes() for path in paths}


def svg(text: str, theme: str) -> bytes:
    """The picture that a line of code draws, the same bytes for the same code."""
    figure = eval(f"{text[:-1]}, theme={theme!r})", {"dj": dj, "np": np})
    page = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "deconvjax", "svg.fonttype": "path"}):
        figure.savefig(page, format="svg", metadata={"Date": None})
    return page.getvalue()


def picture(name: str, suffix: str, title: str, up: str = "") -> str:
    """The light and the dark file of a figure, of which the site's palette shows one."""
    return " ".join(f"![{title}]({up}figures/{name}-{theme}.{suffix}#only-{theme})" for theme in THEMES)


def figure_markdown(name: str, up: str = "") -> str:
    """A figure and the code that drew it."""
    return f"{picture(name, 'svg', short(name), up)}\n\n{fence(FIGURES[name], 'python')}"


def short(name: str) -> str:
    """The name as users write it.

    >>> short("deconvjax.draw.chain")
    'dj.draw.chain'
    """
    return name.replace("deconvjax", "dj", 1)


def page() -> str:
    """The page of all figures."""
    parts = ["# Gallery", _INTRO, "## Convolution arithmetic", _ARITHMETIC]
    for name, t in ARITHMETIC.items():
        title = name.replace("_", " ").replace(" no strides", ", stride 1").replace(" strides", f", stride {t.s}")
        numbers = f"i = {t.i}, k = {t.k}, s = {t.s}, p = {t.p}" + (f", d = {t.d}" if t.d > 1 else "")
        parts += [f"### {title[0].upper()}{title[1:]}", f"{numbers}; the convolution, then its transpose.",
                  picture(name, "gif", title), picture(f"{name}_transposed", "gif", f"{title}, transposed")]
    parts.append("## Maps and drawings")
    for name in FIGURES:
        parts += [f"### {short(name)}", figure_markdown(name)]
    return "\n\n".join(parts) + "\n"


_INTRO = ("Every figure was drawn when this page was built, by the line below it. The [page with sliders]"
          "(explore.html) draws the first kind for numbers of your own; `deconvjax explore` writes it to a file.")
_ARITHMETIC = ("Blue is input, pale are the zeros stuffed between samples, dashed is padding, the orange frame is the "
               "window, green the output. `deconvjax figures` writes these to files, still or moving. After the "
               "figures of Dumoulin and Visin, arXiv:1603.07285; the transposed ones are `A.T` of the others.")
