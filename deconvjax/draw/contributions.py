"""Both views of one map: which inputs an output reads, and which outputs an input paints (a row of A^T)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from deconvjax.algebra import LinearMap
from deconvjax.draw.cells import heat
from deconvjax.draw.style import blank, drawing
from deconvjax.errors import ShapeError, complaint


def contributions(a: LinearMap, index: int | tuple[int, ...], *, theme: str = "light") -> Figure:
    """reads = A[index, :], what output `index` reads; paints = A[:, index], what input `index` paints.

    The right picture is the "blow up and add" view of a transposed convolution; it is row `index` of A^T.

    Args:
        a: a bound map from one array to one array, of one or two dimensions each (others are shown flattened).
        index: an output sample for the left picture and an input sample for the right one, by the axes of each.
        theme: "light" or "dark".

    >>> import deconvjax as dj
    >>> figure = dj.draw.contributions(dj.upsample(2).on((4,)), 2)
    >>> [axis.get_title() for axis in figure.axes]
    ['output (2,) reads', 'input (2,) paints']
    """
    where = (index,) if isinstance(index, int) else tuple(index)
    reads, paints = both_views(a, where)
    limit = max(float(np.abs(reads).max()), float(np.abs(paints).max())) or 1.0
    planes = [_plane(reads), _plane(paints)]
    lines = all(plane.shape[0] == 1 for plane in planes)  # one over the other, or side by side
    with drawing(theme) as colours:
        if lines:
            longest = max(plane.shape[1] for plane in planes)
            figure, axes = blank(float(np.clip(0.36 * longest + 0.6, 3.6, 9.0)), 2.5, rows=2)
        else:
            figure, axes = blank(8.4, 3.8, 2)
        for axis, plane, title in zip(axes, planes, (f"output {where} reads", f"input {where} paints"), strict=True):
            heat(axis, plane, limit, colours)
            axis.set_title(title)
            axis.set_xlabel("" if lines and axis is axes[0] else "sample")
            if plane.shape[0] == 1:
                axis.set_yticks([])
    return figure


def both_views(a: LinearMap, index: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(A[index, :] in the shape of the domain, A[:, index] in the shape of the codomain)."""
    domain, codomain = a.domain.shape, a.codomain.shape
    for shape, side in ((codomain, "output"), (domain, "input")):
        if len(index) != len(shape) or not all(0 <= i < n for i, n in zip(index, shape, strict=False)):
            raise ShapeError(complaint("draw.contributions", f"index lies outside the {side}", got=index,
                                       expected=f"an index into shape {shape}", fix="choose a sample inside both"))
    values = np.real(np.asarray(a.matrix()))
    row = values[np.ravel_multi_index(index, codomain)].reshape(domain)
    column = values[:, np.ravel_multi_index(index, domain)].reshape(codomain)
    return row, column


def _plane(values: np.ndarray) -> np.ndarray:
    return values.reshape(1, -1) if values.ndim == 1 else values.reshape(values.shape[0], -1)
