"""The three ways a map refuses: wrong shape, no shape yet, not linear.

Every message has the same parts: the operator and argument, what was got, what was expected, and the fix.
"""

from __future__ import annotations

from collections.abc import Sequence


class DeconvError(Exception):
    """Base of the errors this library raises on purpose."""


class ShapeError(DeconvError, ValueError):
    """Sizes, axes or channels do not fit."""


class UnboundError(DeconvError, ValueError):
    """The question needs sizes, and the map has not been bound: `A.on(shape)` binds it."""


class NotLinearError(DeconvError, TypeError):
    """The function is affine, constant or non-linear, so it has no transpose."""


def complaint(operator: str, problem: str, *, got: object, expected: object, fix: str) -> str:
    """`operator: problem; got …, expected …. Fix: …`: the one form every message takes.

    >>> complaint("upsample", "factor must be positive", got=0, expected="an int >= 1", fix="use factor=1")
    'upsample: factor must be positive; got 0, expected an int >= 1. Fix: use factor=1.'
    """
    return f"{operator}: {problem}; got {got}, expected {expected}. Fix: {fix.rstrip('.')}."


def draw_chain(names: Sequence[str], clash: int, note: str) -> str:
    """The chain as it is written, a caret under the map that does not fit.

    >>> print(draw_chain(["downsample(2)", "convolve(5 taps)"], 1, "needs 5 samples, got 3"))
      downsample(2) @ convolve(5 taps)
                      ^^^^^^^^^^^^^^^^ needs 5 samples, got 3
    """
    start = sum(len(name) + 3 for name in names[:clash])
    return f"  {' @ '.join(names)}\n  {' ' * start}{'^' * len(names[clash])} {note}"
