"""Constants that take the dtype of x, as Python numbers do: taps, values and weights given as lists or NumPy arrays."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from deconvjax.errors import complaint


def promoted(dtype: Any, values: Any, weak: bool) -> Any:
    """The dtype in which x of `dtype` meets these values."""
    return jnp.result_type(dtype, _like(np.dtype(values.dtype)) if weak else values.dtype)


@lru_cache(maxsize=64)
def _like(dtype: Any) -> int | float | complex:
    """The Python number that promotes as constants of this dtype do."""
    if jnp.issubdtype(dtype, jnp.inexact):
        return 1j if jnp.issubdtype(dtype, jnp.complexfloating) else 1.0
    return 1


def extremes(values: Any) -> tuple[Any, Any] | None:
    """The smallest and the largest of constant real numbers; None where that is not known or says nothing."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or not values.size:
        return None
    return values.min().item(), values.max().item()


def check_held(label: str, argument: str, found: tuple[Any, Any] | None, dtype: Any) -> None:
    """Refuse constants whose `extremes` the dtype cannot hold: they would wrap, or become infinite."""
    whole = jnp.issubdtype(dtype, jnp.integer)
    if found is None or not (whole or jnp.issubdtype(dtype, jnp.floating)):
        return
    kind: Any = jnp.iinfo(dtype) if whole else jnp.finfo(dtype)
    low, high = (int(kind.min), int(kind.max)) if whole else (float(kind.min), float(kind.max))
    worst = found[0] if found[0] < low else found[1]
    if worst < low or worst > high:
        raise TypeError(complaint(label, f"{argument} take the dtype of the input, which does not hold them",
                                  got=f"{worst} for {dtype.name}", expected=f"numbers from {low} to {high}",
                                  fix=f"widen the input with .astype, or give {argument} as a jnp array"))
