"""A function made a matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def matrix(fn: Callable[[np.ndarray], Any], shape: tuple[int, ...], dtype: Any = int) -> np.ndarray:
    """M[:, i] = fn(e_i): the dense matrix (out, in) of a linear function, row-major on both sides.

    `fn` is called once, on all unit vectors stacked along a leading axis; every oracle allows that.

    >>> from deconvjax.check import oracle
    >>> print(oracle.matrix(lambda x: oracle.convolve(x, [1, 2, 3]), (4,)))
    [[2 1 0 0]
     [3 2 1 0]
     [0 3 2 1]
     [0 0 3 2]]
    """
    size = int(np.prod(shape))
    images = np.asarray(fn(np.eye(size, dtype=dtype).reshape(size, *shape)))
    return images.reshape(size, -1).T
