"""What every filter's arguments must be, said once: positive integers, finite numbers, one per axis."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from deconvjax.errors import complaint


def positive_int(value: object, operator: str, argument: str) -> int:
    """`value` as an int >= 1; a float, a bool or anything else is a TypeError, a number below 1 a ValueError."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        problem = f"{argument} must be an integer"
        raise TypeError(complaint(operator, problem, got=repr(value), expected="an int >= 1", fix=f"{argument}=2"))
    if value < 1:
        problem = f"{argument} must be positive"
        raise ValueError(complaint(operator, problem, got=value, expected="an int >= 1", fix=f"use {argument}=1"))
    return int(value)


def finite(value: object, operator: str, argument: str, *, above: float = -math.inf, below: float = math.inf) -> float:
    """`value` as a finite float, strictly between `above` and `below`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        problem = f"{argument} must be a number"
        raise TypeError(complaint(operator, problem, got=repr(value), expected="a float", fix=f"{argument}=1.0"))
    number = float(value)
    if not (math.isfinite(number) and above < number < below):
        between = f"a finite number in ({above:g}, {below:g})"
        problem = f"{argument} is out of range"
        raise ValueError(complaint(operator, problem, got=number, expected=between, fix=f"choose {argument} inside it"))
    return number


def per_axis(value: object, ndim: object, operator: str, argument: str) -> tuple[object, ...]:
    """One value per axis: a tuple as it is, a single value `ndim` times."""
    count = positive_int(ndim, operator, "ndim")
    if not isinstance(value, Sequence) or isinstance(value, str):
        return (value,) * count
    if not value:
        problem = f"{argument} names no axis"
        raise ValueError(complaint(operator, problem, got="()", expected="one value per axis", fix="pass one or more"))
    if count not in (1, len(value)):
        problem = f"ndim and the length of {argument} differ"
        got, fix = f"{len(value)} values, ndim={count}", f"leave ndim out when {argument} is a tuple"
        raise ValueError(complaint(operator, problem, got=got, expected="as many values as axes", fix=fix))
    return tuple(value)


def outer(taps: Callable[[object], np.ndarray], values: tuple[object, ...]) -> np.ndarray:
    """k[i, j, ...] = taps(v0)[i] * taps(v1)[j] * ...: the separable kernel."""
    return reduce(np.multiply.outer, [taps(value) for value in values])
