"""Pointwise multiplication."""

from __future__ import annotations

from deconvjax.algebra import LinearMap
from deconvjax.leaves.diagonal import Diagonal
from deconvjax.ops.arguments import Taps, numbers


def diagonal(values: Taps) -> LinearMap:
    """y[n] = values[n] * x[n]: a mask, a gain, a window function.

    `values` broadcast over the trailing axes of x, never the other way round: `(C,)` weighs the channels of
    `(..., H, W, C)`. Lists and NumPy arrays take x's dtype, as Python numbers do; JAX arrays promote with it and may
    be traced and differentiated. Its own transpose.

    Args:
        values: numbers, of a shape whose axes equal the trailing axes of x or are 1.

    Raises:
        TypeError: values that are not numbers. ValueError: constant values that are not finite. ShapeError: no values,
        or (when bound) a shape that does not lie over x.

    Source: Golub and Van Loan, Matrix Computations, 4th edition 2013, section 1.2.

    >>> import deconvjax as dj
    >>> print(dj.diagonal([1, 0, 2]).on((3,)).matrix().astype(int))
    [[1 0 0]
     [0 0 0]
     [0 0 2]]
    """
    array, weak = numbers(values, "diagonal", "values")
    return Diagonal(array, weak)
