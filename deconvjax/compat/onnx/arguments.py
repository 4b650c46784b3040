"""What ONNX's attributes go through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconvjax.compat.resolve import Pads
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integers, one_of

AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


def each(value: Any, ndim: int, name: str, argument: str, default: int = 1, minimum: int = 1) -> tuple[int, ...]:
    """One int for each space axis, `default` where the attribute is absent."""
    return (default,) * ndim if value is None else integers(value, ndim, name, argument, minimum)


def begin_end(pads: Sequence[int] | None, ndim: int, name: str) -> tuple[Pads, ...]:
    """[x1_begin, x2_begin, ..., x1_end, x2_end, ...] -> one pair for each axis.

    >>> begin_end([1, 2, 3, 4], 2, "onnx.conv")
    ((1, 3), (2, 4))
    """
    flat = (0,) * (2 * ndim) if pads is None else integers(pads, 2 * ndim, name, "pads", 0)
    return tuple(zip(flat[:ndim], flat[ndim:], strict=True))


def word(value: Any, names: tuple[str, ...], name: str, argument: str) -> str:
    """A string attribute, which ONNX stores as bytes."""
    return one_of(value.decode() if isinstance(value, bytes) else value, names, name, argument)


def check_kernel(kernel_shape: Any, window: tuple[int, ...], name: str) -> None:
    """kernel_shape, where given, is that of W."""
    if kernel_shape is not None and tuple(integers(kernel_shape, len(window), name, "kernel_shape", 1)) != window:
        raise ShapeError(complaint(name, "kernel_shape does not fit W", got=tuple(kernel_shape), expected=window,
                                   fix="leave kernel_shape out, it is inferred from W"))
