"""What every builder's arguments go through: integers per axis, axes from the end, pads, taps. Refusals included."""

from __future__ import annotations

import operator as python_operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from deconvjax.axis import Rate
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves import Stage

Factor: TypeAlias = int | Sequence[int]
Pair: TypeAlias = tuple[int, int]
Widths: TypeAlias = Pair | Sequence[Pair]
Axes: TypeAlias = int | Sequence[int] | None
Taps: TypeAlias = Any  # nested lists, a NumPy array or a JAX array


def integer(value: Any, operator: str, argument: str, minimum: int | None = None) -> int:
    """`value` as an int; floats, bools and traced values are refused: they would change the structure of a map."""
    if isinstance(value, jax.core.Tracer):
        raise TypeError(complaint(operator, f"{argument} is structure, so it cannot be traced", got=repr(value),
                                  expected="a Python int", fix=f"pass {argument} as a static argument of jit"))
    try:
        number = python_operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, (bool, np.bool_)):
        raise TypeError(complaint(operator, f"{argument} must be an integer", got=_shown(value), expected="an int",
                                  fix=f"write {argument} as an int, or a tuple of ints, one for each axis"))
    if minimum is not None and number < minimum:
        what = "positive" if minimum == 1 else f"at least {minimum}"
        raise ValueError(complaint(operator, f"{argument} must be {what}", got=number, expected=f"an int >= {minimum}",
                                   fix=f"use {argument}={minimum}" if minimum else f"leave {argument} out"))
    return number


def length(value: Any) -> int | None:
    """Number of entries of a sequence; None for a single value."""
    if isinstance(value, (tuple, list)):
        return len(value)
    return value.shape[0] if isinstance(value, (np.ndarray, jax.Array)) and value.ndim else None


def integers(value: Any, count: int, operator: str, argument: str, minimum: int | None = None) -> tuple[int, ...]:
    """One int for each of `count` axes: a sequence of that many, or one int for all."""
    entries = length(value)
    if entries is None:
        return (integer(value, operator, argument, minimum),) * count
    if entries != count:
        raise ShapeError(complaint(operator, f"{argument} has the wrong number of entries", got=_shown(value),
                                   expected=f"an int, or {count} of them, one for each axis",
                                   fix=f"give {argument} {count} entries"))
    return tuple(integer(each, operator, argument, minimum) for each in value)


def axes_of(axes: Axes, count: int | None, operator: str, argument: str) -> tuple[int, ...]:
    """The axes, counted from the end, that an argument of `count` entries acts on (None: one number for all axes)."""
    if axes is None:
        if count == 0:
            raise ShapeError(complaint(operator, f"{argument} is empty", got="()", expected="one entry for each axis",
                                       fix=f"give {argument} at least one entry"))
        return tuple(range(-(count or 1), 0))
    where = (axes,) if length(axes) is None else tuple(axes)  # type: ignore[arg-type]
    where = tuple(integer(axis, operator, "axes") for axis in where)
    if not where or any(axis >= 0 for axis in where):
        raise ShapeError(complaint(operator, "axes count from the end, so that batch axes may be added in front",
                                   got=f"axes={axes}", expected="negative ints, -1 being the last axis",
                                   fix="subtract the rank of x: the last axis is -1, the one before it -2"))
    if len(set(where)) != len(where):
        raise ShapeError(complaint(operator, "axes are repeated", got=f"axes={axes}", expected="distinct axes",
                                   fix="name each axis once"))
    if count is not None and count != len(where):
        raise ShapeError(complaint(operator, f"{argument} and axes do not go together",
                                   got=f"{count} entries in {argument}, {len(where)} in axes={axes}",
                                   expected="one axis for each entry", fix=f"name {count} axes, or leave axes out"))
    return where


def pairs(value: Any, count: int, operator: str, argument: str, minimum: int | None = None) -> tuple[Pair, ...]:
    """One `(lo, hi)` for each of `count` axes, from `(lo, hi)` for one axis or a sequence of such pairs."""
    nested = [value] if is_pair(value) else list(value) if length(value) else None
    if nested is None or len(nested) != count or not all(is_pair(each) for each in nested):
        wanted = "(lo, hi)" if count == 1 else f"{count} pairs (lo, hi), one for each axis"
        fix = f"write {argument}=(1, 2)" if count == 1 else f"write {argument}=({', '.join(['(1, 2)'] * count)})"
        raise ShapeError(complaint(operator, f"cannot read {argument}", got=_shown(value), expected=wanted, fix=fix))
    return tuple((integer(lo, operator, argument, minimum), integer(hi, operator, argument, minimum))
                 for lo, hi in nested)


def is_pair(value: Any) -> bool:
    """True for two numbers."""
    return length(value) == 2 and all(length(each) is None and not isinstance(each, str) for each in value)


def one_of(value: Any, names: tuple[str, ...], operator: str, argument: str, otherwise: str = "") -> str:
    """`value`, which must be one of `names`."""
    if isinstance(value, str) and value in names:
        return value
    listed = ", ".join(map(repr, names)) + otherwise
    kind = ValueError if isinstance(value, str) else TypeError
    raise kind(complaint(operator, f"unknown {argument}", got=repr(value), expected=listed,
                         fix=f"choose one of these, for example {argument}={names[0]!r}"))


def detached(value: Any) -> Any:
    """NumPy refuses torch tensors that record gradients (every torch.nn.Parameter); all else as it is."""
    return value.detach() if hasattr(value, "detach") else value


def numbers(value: Any, operator: str, argument: str) -> tuple[Any, bool]:
    """(array, weak): lists and NumPy arrays become constant and take the dtype of x; JAX arrays keep theirs."""
    if isinstance(value, jax.Array) or hasattr(value, "__jax_array__"):
        array, weak = jnp.asarray(value), False
    elif any(isinstance(leaf, jax.Array) for leaf in jax.tree_util.tree_leaves(value)):
        try:
            array, weak = jnp.asarray(value), False
        except (TypeError, ValueError) as error:
            raise TypeError(_not_numbers(operator, argument, value)) from error
    else:
        value = detached(value)
        try:
            array, weak = np.array(np.asarray(value)), True  # np.array alone asks value for a copy, and torch's cannot
        except (TypeError, RuntimeError) as error:  # another device, or a dtype that NumPy has not
            raise TypeError(_not_numbers(operator, argument, value)) from error
        except ValueError as error:
            raise ShapeError(complaint(operator, f"{argument} is ragged", got=_shown(value),
                                       expected="nested lists of equal lengths", fix="fill the short rows")) from error
    if not jnp.issubdtype(array.dtype, np.number):
        raise TypeError(_not_numbers(operator, argument, value))
    if array.size == 0:
        raise ShapeError(complaint(operator, f"{argument} is empty", got=f"shape {array.shape}",
                                   expected="at least one value on every axis", fix=f"give {argument} some values"))
    if weak:
        if not np.isfinite(array.astype(complex if array.dtype.kind == "c" else float)).all():
            raise ValueError(complaint(operator, f"{argument} is not finite", got=_shown(value),
                                       expected="finite values", fix="replace NaN and infinity"))
        np.asarray(array).setflags(write=False)
    return array, weak


def scalar_taps(value: Any, operator: str, axes: Axes) -> tuple[Any, bool, tuple[int, ...]]:
    """Taps of a filter shared by everything off `axes`, whether they are weak, and the axes they slide along."""
    taps, weak = numbers(value, operator, "taps")
    if taps.ndim == 0:
        raise ShapeError(complaint(operator, "taps must have an axis to slide along", got="a single number",
                                   expected="a sequence of numbers", fix="write c * A to scale a map A by c"))
    return taps, weak, axes_of(axes, taps.ndim, operator, "taps")


def stage(taps: Any, rates: Sequence[Rate], axes: tuple[int, ...], **options: Any) -> Stage:
    """A scalar stage with its axes in increasing order, taps and rates alike."""
    order = sorted(range(len(axes)), key=axes.__getitem__)
    taps = taps if taps is None or order == list(range(len(axes))) else taps.transpose(order)
    return Stage(taps, tuple(rates[i] for i in order), tuple(axes[i] for i in order), **options)


def _not_numbers(operator: str, argument: str, value: Any) -> str:
    return complaint(operator, f"{argument} must be numbers", got=_shown(value),
                     expected="real, complex or integer values", fix=f"convert {argument} first (bool: .astype(int))")


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
