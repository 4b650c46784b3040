"""What an unbound map is told: how it is bound, with a shape that fits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deconvjax.algebra.linear_map import LinearMap


def binding(a: LinearMap, asked: str) -> str:
    """`A.on(shape).T` for a reading of a map, `check.checkerboard(A.on(shape))` for a function of it (with a dot)."""
    shape = _fitting(a)
    known = "" if shape is None else f", for example A.on({shape})"
    return (f"{asked}(A.on(shape))" if "." in asked else f"A.on(shape).{asked}") + known


def _fitting(a: LinearMap) -> tuple[int, ...] | None:
    """A shape on which `a` can be bound: 64 samples along each axis, and the channels that a kernel in it reads."""
    kernels = [leaf for leaf in a._leaves() if getattr(leaf, "groups", None)]  # stages, which stand a floor above
    channels = [*(leaf.channels[0] for leaf in kernels), 3, 1, 4, 16]  # type: ignore[attr-defined]
    for shape in [(64,), (64, 64)] + [(64,) * n + (c,) for c in channels for n in (1, 2, 3)]:
        try:
            a.on(shape)
        except (TypeError, ValueError):
            continue
        return shape
    return None
