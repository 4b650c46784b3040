"""The same picture through several upsamplers, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from deconvjax.algebra import LinearMap
from deconvjax.draw.style import blank, drawing
from deconvjax.errors import ShapeError, complaint


def upsamplers(x: Any, maps: Mapping[str, LinearMap], *, zoom: tuple[slice, slice] | None = None,
               theme: str = "light") -> Figure:
    """panel[i] = A_i(x): one for each map beside x itself, one grey or colour scale for all.

    Args:
        x: an image (h, w) or (h, w, 3), values as they are shown.
        maps: title -> map; each is applied to `x` as `map(x)`.
        zoom: rows and columns of the *outputs* to show; the input panel shows the same part of the scene.
        theme: "light" or "dark".

    >>> import deconvjax as dj, numpy as np
    >>> x = np.eye(8, dtype=np.float32)
    >>> figure = dj.draw.upsamplers(x, {"nearest": dj.resize(2, "nearest", axes=(-2, -1))})
    >>> [axis.get_title() for axis in figure.axes]
    ['x   8 × 8', 'nearest   16 × 16']
    """
    image = np.asarray(x)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[-1] not in (1, 3, 4)):
        raise ShapeError(complaint("draw.upsamplers", "x is not an image", got=f"shape {image.shape}",
                                   expected="(h, w), (h, w, 1) or (h, w, 3)", fix="pass one image, channels last"))
    panels = [("x", image)] + [(name, np.asarray(a(x))) for name, a in maps.items()]
    columns = min(4, len(panels))
    rows = math.ceil(len(panels) / columns)
    with drawing(theme) as _:
        figure, axes = blank(3.0 * columns, 3.2 * rows, columns, rows=rows)
        for axis in axes:
            axis.set_axis_off()
        for axis, (name, panel) in zip(axes, panels, strict=False):
            shown = panel if zoom is None else panel[_scaled(zoom, panel.shape, panels[-1][1].shape)]
            low, high = float(image.min()), float(image.max())
            axis.imshow(np.clip(shown.squeeze(), low, high), cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axis.set_title(f"{name}   {panel.shape[0]} × {panel.shape[1]}", fontsize=10)
    return figure


def _scaled(zoom: tuple[slice, slice], shape: tuple[int, ...], full: tuple[int, ...]) -> tuple[slice, ...]:
    """The part of an image of `shape` that covers `zoom` of an image of shape `full`."""
    return tuple(
        slice((part.start or 0) * n // m, -(-(m if part.stop is None else part.stop) * n // m))
        for part, n, m in zip(zoom, shape, full, strict=False)
    )
