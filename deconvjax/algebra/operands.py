"""What may stand beside a map: scalars to multiply and divide by, maps to add, maps to compare with."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from numbers import Number
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from deconvjax.errors import complaint


def scalar(other: Any, label: str, sign: str) -> Any:
    """`other`, a number; TypeError for anything that no array can hold. Fractions become floats."""
    if isinstance(other, Fraction):
        return float(other)
    known = isinstance(other, (Number, np.generic)) or (hasattr(other, "ndim") and other.ndim == 0)
    if known and not isinstance(other, Decimal) and _is_held(other):
        return other
    raise misfit(other, f"{label} {sign} ...", "a scalar")


def misfit(other: Any, where: str, expected: str) -> TypeError:
    """What is raised for an operand of another kind, which stands at the dots of `where`."""
    got = f"{type(other).__name__} of shape {other.shape}" if getattr(other, "shape", ()) else repr(other)
    return TypeError(complaint(where, "the other operand does not fit", got=got, expected=expected,
                               fix="write A @ B for a product, A.T(x) for x @ A, c * identity for a number to add, "
                               "diagonal(values) for an array"))


def _is_held(number: Any) -> bool:
    """Whether JAX has its dtype: not those of more than 64 bits."""
    dtype = getattr(number, "dtype", None)
    return dtype is None or not isinstance(dtype, np.dtype) or dtype.itemsize <= (16 if dtype.kind == "c" else 8)


def reciprocal(number: Any, label: str) -> Any:
    """1/c."""
    if isinstance(number, (int, float, complex)) and number == 0:
        raise ZeroDivisionError(complaint(f"{label} / ...", "division by zero", got=number, expected="another scalar",
                                          fix="divide by what is not zero"))
    return 1 / number


def same_array(ours: Any, theirs: Any) -> bool:
    """Equal shapes, dtypes, weak or not, and numbers; the same object while tracing, where numbers are unknown."""
    if ours is theirs:
        return True
    if isinstance(ours, Tracer) or isinstance(theirs, Tracer):
        return False
    kinds = [(np.shape(array), jnp.result_type(array), _is_weak(array)) for array in (ours, theirs)]
    return kinds[0] == kinds[1] and bool(np.array_equal(ours, theirs))


def _is_weak(array: Any) -> bool:
    """Whether it takes the dtype of what it multiplies."""
    return isinstance(array, (int, float, complex)) or bool(getattr(array, "weak_type", False))
