"""Both views of one map: which inputs an output reads, and which outputs an input paints (a row of A^T)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from deconvjax.algebra import LinearMap
from deconvjax.draw.cells import heat
from deconvjax.draw.style import blank, drawing
from deconvjax.errors import ShapeError, complaint

Index = int | tuple[int, ...]


def contributions(a: LinearMap, index: Index | None = None, *, output: Index | None = None, input: Index | None = None,
                  theme: str = "light") -> Figure:
    """reads = A[output, :], what one output reads; paints = A[:, input], what one input paints.

    The second picture is the "blow up and add" view of a transposed convolution; it is row `input` of A^T.

    Args:
        a: a bound map from one array to one array, of one or two dimensions each (others are shown flattened).
        index: the sample of both views. Where it lies inside the output only, or inside the input only, that view is
            drawn alone.
        output, input: in place of `index`, the sample of each view; a view that is not named is left out.
        theme: "light" or "dark".

    >>> import deconvjax as dj
    >>> A = dj.upsample(2).on((4,))
    >>> [axis.get_title() for axis in dj.draw.contributions(A, 2).axes]
    ['output 2 reads', 'input 2 paints']
    >>> [axis.get_title() for axis in dj.draw.contributions(A, output=6).axes]
    ['output 6 reads']
    """
    shown = views(a, *chosen(a, index, output, input))
    limit = max(float(np.abs(values).max()) for values in shown.values()) or 1.0
    planes = {title: _plane(values) for title, values in shown.items()}
    lines = all(plane.shape[0] == 1 for plane in planes.values())  # one over the other, or side by side
    with drawing(theme) as colours:
        if lines:
            longest = max(plane.shape[1] for plane in planes.values())
            figure, axes = blank(float(np.clip(0.36 * longest + 0.6, 3.6, 9.0)), 0.5 + len(planes), rows=len(planes))
        else:
            figure, axes = blank(4.2 * len(planes), 3.8, len(planes))
        for axis, (title, plane) in zip(axes, planes.items(), strict=True):
            heat(axis, plane, limit, colours)
            axis.set_title(title)
            axis.set_xlabel("" if lines and axis is not axes[-1] else "sample")
            if plane.shape[0] == 1:
                axis.set_yticks([])
    return figure


def chosen(a: LinearMap, index: Index | None, output: Index | None,
           input: Index | None) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """(output sample, input sample), None for the view that is left out; refused where neither is left."""
    shapes = {"output": a.codomain.shape, "input": a.domain.shape}
    both = " or ".join(f"an index into the {side}'s shape {shape}" for side, shape in shapes.items())
    asked = {side: own for side, own in (("output", output), ("input", input)) if own is not None}
    if (index is None) != bool(asked):
        raise ShapeError(complaint("draw.contributions", "one index, or a sample of each view by its name",
                                   got=f"index={index}, {asked or 'no names'}", expected=both,
                                   fix="write output=0, input=0, one of them, or an index alone"))
    found = {side: _tuple(at) for side, at in (asked or dict.fromkeys(shapes, index)).items() if at is not None}
    inside = {side: at for side, at in found.items() if _inside(at, shapes[side])}
    for side, at in asked.items():
        if side not in inside:
            raise ShapeError(complaint("draw.contributions", f"it lies outside the {side}", got=f"{side}={at}",
                                       expected=f"an index into shape {shapes[side]}",
                                       fix=f"choose a sample inside the {side}"))
    if not inside:
        raise ShapeError(complaint("draw.contributions", "index lies outside the output and the input", got=index,
                                   expected=both, fix="choose a sample inside one of them"))
    return inside.get("output"), inside.get("input")


def views(a: LinearMap, output: tuple[int, ...] | None, input: tuple[int, ...] | None) -> dict[str, np.ndarray]:
    """Title -> A[output, :] in the shape of the domain, and A[:, input] in the shape of the codomain."""
    domain, codomain = a.domain.shape, a.codomain.shape
    values = np.real(np.asarray(a.matrix()))
    found = {}
    if output is not None:
        found[f"output {_name(output)} reads"] = values[np.ravel_multi_index(output, codomain)].reshape(domain)
    if input is not None:
        found[f"input {_name(input)} paints"] = values[:, np.ravel_multi_index(input, domain)].reshape(codomain)
    return found


def _tuple(index: Index) -> tuple[int, ...]:
    return tuple(index) if isinstance(index, (tuple, list)) else (index,)


def _inside(index: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(index) == len(shape) and all(0 <= i < n for i, n in zip(index, shape, strict=True))


def _name(index: tuple[int, ...]) -> str:
    return str(index[0]) if len(index) == 1 else f"({', '.join(map(str, index))})"


def _plane(values: np.ndarray) -> np.ndarray:
    return values.reshape(1, -1) if values.ndim == 1 else values.reshape(values.shape[0], -1)
