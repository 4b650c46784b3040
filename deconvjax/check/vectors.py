"""Probes and inner products on the host: <a, b> = sum a conj(b), accumulated in float64, over pytrees of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.errors import complaint
from deconvjax.space import Space

# What x and y look like, in turn. One random pair sees a shift or a flip; a lost border row hides from it in large
# signals (its share of <Ax, y> is 1/n), so most pairs look at the border on one side or on both.
KINDS = (
    ("anywhere", "anywhere"),
    ("anywhere", "border"),
    ("border", "anywhere"),
    ("border", "border"),
    ("anywhere", "first"),
    ("anywhere", "last"),
    ("first", "anywhere"),
    ("last", "anywhere"),
)


def require_counts(operator: str, probes: Any, dense: Any) -> None:
    """TypeError where one is not an int, ValueError where no probe would be tried."""
    for name, value, expected in (("probes", probes, "an int >= 1"), ("dense", dense, "an int")):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            problem, fix = f"{name} is a count", f"leave {name} out"
            raise TypeError(complaint(operator, problem, got=repr(value), expected=expected, fix=fix))
    if probes < 1:
        raise ValueError(complaint(operator, "nothing to try", got=probes, expected="probes >= 1", fix="probes=8"))


def generator(key: Any, operator: str = "check") -> np.random.Generator:
    """NumPy's generator from None (a fixed seed), an int, or a JAX key."""
    if key is None:
        return np.random.default_rng(20160923)
    if isinstance(key, (int, np.integer)) and key >= 0:
        return np.random.default_rng(int(key))
    if not isinstance(key, (jax.Array, np.ndarray)):
        expected, fix = "None, an int >= 0, or a JAX key", "leave key out for the same probes every time"
        raise TypeError(complaint(operator, "key chooses the probes", got=repr(key), expected=expected, fix=fix))
    data = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    return np.random.default_rng(np.asarray(data).ravel().astype(np.uint64))


def draw(rng: np.random.Generator, space: Space, kind: str) -> Any:
    """A pytree of NumPy arrays in `space`: values anywhere, on the border, or in the first or last sample only."""
    return jax.tree_util.tree_unflatten(space.treedef, [_leaf(rng, leaf, kind) for leaf in space.leaves])


def _leaf(rng: np.random.Generator, leaf: Any, kind: str) -> np.ndarray:
    shape, dtype = leaf.shape, leaf.dtype
    if jnp.issubdtype(dtype, jnp.inexact):
        values: Any = rng.standard_normal(shape)
        if jnp.issubdtype(dtype, jnp.complexfloating):
            values = values + 1j * rng.standard_normal(shape)
    else:
        values = rng.integers(0 if jnp.issubdtype(dtype, jnp.unsignedinteger) else -4, 5, shape)
    if kind in ("first", "last"):
        corner = np.zeros(shape, bool)
        corner[(0 if kind == "first" else -1,) * len(shape)] = True
        values = np.where(corner, np.where(values == 0, 1, values), 0)
    elif kind == "border":
        values = np.where(_border(shape), values, 0)
    return np.asarray(values).astype(dtype)


def _border(shape: tuple[int, ...]) -> np.ndarray:
    """True on the faces of the long axes (all axes where none is long: channels have no border worth a probe)."""
    mask = np.zeros(shape, bool)
    long = [axis for axis, n in enumerate(shape) if n >= 8] or range(len(shape))
    for axis in long:
        face = np.moveaxis(mask, axis, 0)
        face[0] = face[-1] = True
    return mask if shape else np.ones((), bool)


def wide(x: Any) -> np.ndarray:
    """All entries of a pytree as one host vector of int64, float64 or complex128."""
    leaves = [np.asarray(leaf).ravel() for leaf in jax.tree_util.tree_leaves(x)]
    leaves = [leaf if leaf.dtype.kind in "biufc" else leaf.astype(np.float32) for leaf in leaves]  # bfloat16 and kin
    kinds = {leaf.dtype.kind for leaf in leaves}
    target = np.complex128 if "c" in kinds else np.float64 if "f" in kinds else np.int64
    return np.concatenate([leaf.astype(target) for leaf in leaves]) if leaves else np.zeros(0)


def wrapped(vector: np.ndarray, space: Space) -> np.ndarray:
    """A vector of `space` as its integer dtypes hold it: modulo 2^bits; floating parts as they are."""
    if vector.dtype.kind not in "iu":
        return vector
    sizes = np.cumsum([math.prod(leaf.shape) for leaf in space.leaves])[:-1]
    parts = zip(np.split(vector, sizes), space.leaves, strict=True)
    return np.concatenate([part.astype(leaf.dtype).astype(np.int64) for part, leaf in parts])


def inner(a: np.ndarray, b: np.ndarray) -> Any:
    """sum a conj(b), pairwise in float64 (exact modulo 2^64 for integers)."""
    return (a * b.conj()).sum()


def norm(a: np.ndarray) -> float:
    """sqrt(sum |a|^2)."""
    return float(np.sqrt((np.abs(a.astype(np.complex128)) ** 2).sum()))


def eps_of(*spaces: Space) -> float:
    """eps of the least precise floating dtype; 0 where all are integers, which must agree exactly."""
    dtypes = [leaf.dtype for space in spaces for leaf in space.leaves]
    return max((float(jnp.finfo(d).eps) for d in dtypes if jnp.issubdtype(d, jnp.inexact)), default=0.0)


def is_complex(space: Space) -> bool:
    """True where some leaf is complex."""
    return any(jnp.issubdtype(leaf.dtype, jnp.complexfloating) for leaf in space.leaves)


def place(space: Space, flat: int) -> str:
    """Where entry `flat` of the row-major vector stands: `(2, 0)`, or `[1](2, 0)` in the second array of a tuple."""
    for number, leaf in enumerate(space.leaves):
        size = math.prod(leaf.shape)
        if flat < size:
            index = tuple(int(i) for i in np.unravel_index(flat, leaf.shape))
            return str(index) if space.is_array else f"[{number}]{index}"
        flat -= size
    raise IndexError(flat)


def real_matrix(fn: Callable[[Any], Any], domain: Space, codomain: Space) -> np.ndarray:
    """The dense matrix of fn over the reals, one call for each column: complex entries as (real, imaginary) pairs."""
    columns = []
    for number, leaf in enumerate(domain.leaves):
        units = (1, 1j) if jnp.issubdtype(leaf.dtype, jnp.complexfloating) else (1,)
        for flat in range(math.prod(leaf.shape)):
            for unit in units:
                basis = [np.zeros(other.shape, other.dtype) for other in domain.leaves]
                basis[number].reshape(-1)[flat] = unit
                image = wide(fn(jax.tree_util.tree_unflatten(domain.treedef, basis)))
                columns.append(pairs(image, codomain))
    return np.stack(columns, axis=1)


def pairs(vector: np.ndarray, space: Space) -> np.ndarray:
    """A vector of `space` over the reals: each complex entry as two numbers."""
    if not is_complex(space):
        return np.real(vector)
    out, start = [], 0
    for leaf in space.leaves:
        part = vector[start : start + math.prod(leaf.shape)]
        start += part.size
        split = jnp.issubdtype(leaf.dtype, jnp.complexfloating)
        out.append(np.stack([np.real(part), np.imag(part)], axis=1).ravel() if split else np.real(part))
    return np.concatenate(out)


def entry_of_row(space: Space, row: int) -> int:
    """Which entry of `space` the row of a real matrix belongs to."""
    flat = 0
    for leaf in space.leaves:
        width = 2 if jnp.issubdtype(leaf.dtype, jnp.complexfloating) else 1
        size = math.prod(leaf.shape)
        if row < size * width:
            return flat + row // width
        row, flat = row - size * width, flat + size
    raise IndexError(row)
