"""max |A x - R x| <= 32 eps max |R x|: a map against an independent account of what it should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.algebra import LinearMap
from deconvjax.check.reference import reference as oracle_of
from deconvjax.check.reports import CompareReport
from deconvjax.check.subject import Subject, landing, precise, subject_of
from deconvjax.check.vectors import (
    KINDS,
    draw,
    entry_of_row,
    eps_of,
    generator,
    place,
    real_matrix,
    require_counts,
    wide,
    wrapped,
)
from deconvjax.errors import ShapeError, UnboundError, complaint
from deconvjax.space import Space

LIMIT = 32.0  # the worst entry of a sum of 4608 float32 products was seen 7.7 eps off, its inner products 0.1


def compare(
    a: Any, reference: Any = None, probes: int = 8, key: Any = None, *, domain: Any = None, dense: int = 48
) -> CompareReport:
    """max |A x - R x| <= 32 eps max |R x|: is A the map that `reference` says?

    `reference` is a matrix `(out, in)` in row-major order, another LinearMap, or any function of NumPy arrays: SciPy, a
    loop, `check.oracle`. None reads the structure of A and runs `check.oracle`, which shares no code with the library.
    Integers must agree exactly. Maps of at most `dense` entries are compared column by column, larger ones on probes.

    Args:
        a: a bound LinearMap, or a function together with `domain`.
        reference: what A should be.
        probes: how many random inputs, at least 1, half of them on the border.
        key: None (always the same probes), an int, or a JAX key.
        domain: binds an unbound map or reference; required for functions.
        dense: largest size that is compared on every unit vector; 0 never does.

    Raises:
        UnboundError: no domain is known. ShapeError: a matrix of the wrong shape, or a reference that lands elsewhere.
        ValueError: no reference was given and A has a leaf without oracle, or probes below 1.

    Source: the pattern of `lineax`'s and `sigpy`'s tests: every operator against its own dense matrix.

    >>> import deconvjax as dj
    >>> bool(compare(dj.downsample(2).on((5,)), lambda x: x[::2]))
    True
    >>> print(compare(dj.downsample(2).on((5,)), lambda x: x[1::2][:3]).first_wrong_row)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    deconvjax.errors.ShapeError: check.compare: the reference lands elsewhere...
    """
    require_counts("check.compare", probes, dense)
    subject = _subject(a, domain)
    truth, said = _truth(subject, reference)
    return _judge(subject, truth, said, generator(key, "check.compare"), probes, dense)


def close(got: Any, want: Any, *, units: float = LIMIT, dtype: Any = None) -> CompareReport:
    """max |got - want| <= units * eps * max |want|, leaf by leaf: two pytrees of arrays, equal but for rounding.

    Shapes and tree must be equal; integers exactly. eps is that of the least precise floating dtype in `got` or `want`,
    or of `dtype`. NaN is never close. Returns a report: `assert close(y, z)` shows it when it fails.

    >>> import numpy as np
    >>> bool(close(np.float32([1, 2]), np.float32([1, 2 + 2e-7])))
    True
    >>> print(close(np.array([1, 2]), np.array([1, 3])))
    comparison of arrays: FAILED: worst inf eps, limit 32 (int64)
      first wrong row: (1,): got 2, want 3
      A = 0.7 R in the least-squares sense
    """
    spaces = [Space.of(jax.tree_util.tree_map(_struct, tree)) for tree in (got, want)]
    names = "/".join(sorted({leaf.dtype.name for space in spaces for leaf in space.leaves}))
    if spaces[0].treedef != spaces[1].treedef or _shapes(spaces[0]) != _shapes(spaces[1]):
        where = f"got {spaces[0]}, want {spaces[1]}"
        return CompareReport("arrays", False, np.inf, units, names, first_wrong_row=where)
    eps = eps_of(*spaces) if dtype is None else float(jnp.finfo(dtype).eps)
    worst, where = _worst(got, want, spaces[1], eps, units)
    ours, theirs = wide(got), wide(want)
    return CompareReport("arrays", worst <= units, worst, units, names, "", (), where, _factor(ours, theirs))


def against_oracle(subject: Subject, rng: np.random.Generator) -> CompareReport | None:
    """The map against `check.oracle`, where its structure is known; None where it is not."""
    truth = None if subject.map is None else oracle_of(subject.map)
    return None if truth is None else _judge(subject, truth, "", rng, probes=4, dense=0)


def _judge(
    subject: Subject, truth: Callable[[Any], Any], said: str, rng: np.random.Generator, probes: int, dense: int
) -> CompareReport:
    eps = eps_of(subject.domain, subject.codomain)
    names = "/".join(sorted({leaf.dtype.name for s in (subject.domain, subject.codomain) for leaf in s.leaves}))
    worst, where = 0.0, ""
    ours, theirs = np.zeros(0), np.zeros(0)
    if max(subject.domain.size, subject.codomain.size) <= dense:
        first, second = (real_matrix(fn, subject.domain, subject.codomain) for fn in (subject.forward, truth))
        second = np.stack([wrapped(column, subject.codomain) for column in second.T], axis=1)
        worst, row = _gap(first, second, eps, LIMIT)
        ours, theirs = first.ravel(), second.ravel()
        if row is not None:
            row //= first.shape[1]
            shown = [np.array2string(m[row, :8], precision=4, separator=" ") for m in (first, second)]
            entry = place(subject.codomain, entry_of_row(subject.codomain, row))
            where = f"{entry}: A has {shown[0]}, the reference {shown[1]}"
    for i in range(probes):
        x = draw(rng, subject.domain, KINDS[i % len(KINDS)][0])
        got, want = subject.forward(x), truth(x)
        error, wrong = _worst(got, want, subject.codomain, eps, LIMIT)
        ours, theirs = np.append(ours, wide(got)), np.append(theirs, wide(want))
        worst, where = max(worst, error), where or wrong
    return CompareReport(subject.name, worst <= LIMIT, worst, LIMIT, names, said, subject.notes, where,
                         _factor(ours, theirs))  # fmt: skip


def _worst(got: Any, want: Any, space: Space, eps: float, limit: float) -> tuple[float, str]:
    """Largest error of any leaf in eps of that leaf's magnitude, and the first entry that is off by more than limit."""
    worst, where, start = 0.0, "", 0
    pairs = zip(jax.tree_util.tree_leaves(got), jax.tree_util.tree_leaves(want), space.leaves, strict=True)
    for ours, theirs, leaf in pairs:
        first, second = wide(ours), wide(theirs)
        second = wrapped(second, Space.array(leaf.shape, leaf.dtype))
        error, entry = _gap(first, second, eps, limit)
        if entry is not None and not where:
            where = f"{place(space, start + entry)}: got {first[entry]:.6g}, want {second[entry]:.6g}"
        worst, start = max(worst, error), start + first.size
    return worst, where


def _gap(got: np.ndarray, want: np.ndarray, eps: float, limit: float) -> tuple[float, int | None]:
    """(largest error in eps of the largest entry, flat index of the first error beyond the limit)."""
    gap = np.abs(got - want).ravel()
    unit = eps * np.abs(want).max(initial=0)
    error = np.where(gap == 0, 0.0, np.inf) if unit == 0 else gap / unit
    error = np.nan_to_num(error, nan=np.inf, posinf=np.inf)
    wrong = np.flatnonzero(error > limit)
    return float(error.max(initial=0)), int(wrong[0]) if wrong.size else None


def _factor(ours: np.ndarray, theirs: np.ndarray) -> complex:
    power = (np.abs(theirs.astype(np.complex128)) ** 2).sum()
    factor = complex((theirs.astype(np.complex128).conj() * ours).sum() / power) if power > 0 else complex(np.nan)
    return factor.real if factor.imag == 0 or np.isnan(power) else factor


def _subject(a: Any, domain: Any) -> Subject:
    if not isinstance(a, LinearMap) and callable(a):
        a = (a, a)  # the adjoint is not asked for
    return subject_of(a, domain, "check.compare")


def _truth(subject: Subject, reference: Any) -> tuple[Callable[[Any], Any], str]:
    """The reference as a function of host arrays, and what its agreement is worth."""
    name = "check.compare"
    if reference is None:
        found = None if subject.map is None else oracle_of(subject.map)
        if found is None:
            fix = "pass reference=: a matrix, a function of NumPy arrays, or another map"
            problem = "no oracle knows this map"
            raise ValueError(complaint(name, problem, got=subject.name, expected="this library's leaves", fix=fix))
        return found, "the NumPy oracle shares no code with the library; it reads the map's sizes, pads and taps"
    if isinstance(reference, LinearMap):
        bound = reference if reference.is_bound else reference.on(subject.domain.tree)
        bound, _ = precise(bound)
        _require_landing(subject, Space.of(bound.codomain))
        return lambda x: bound(x), "two maps of one library: they may share a mistake"
    if callable(reference):
        try:
            space = landing(reference, subject.domain)
        except UnboundError:
            raise
        _require_landing(subject, space)
        return reference, "as independent as the function that was passed"
    matrix = np.asarray(reference)
    wanted = (subject.codomain.size, subject.domain.size)
    if matrix.shape != wanted:
        fix = "rows are the codomain, columns the domain, both row-major"
        raise ShapeError(complaint(name, "the matrix does not fit", got=matrix.shape, expected=wanted, fix=fix))
    return lambda x: _split(matrix @ wide(x), subject.codomain), "as independent as the matrix that was passed"


def _split(vector: np.ndarray, space: Space) -> Any:
    sizes = np.cumsum([int(np.prod(leaf.shape)) for leaf in space.leaves])[:-1]
    parts = np.split(vector, sizes)
    arrays = [part.reshape(leaf.shape) for part, leaf in zip(parts, space.leaves, strict=True)]
    return jax.tree_util.tree_unflatten(space.treedef, arrays)


def _require_landing(subject: Subject, space: Space) -> None:
    if space.treedef != subject.codomain.treedef or _shapes(space) != _shapes(subject.codomain):
        problem, fix = "the reference lands elsewhere", "compare maps between the same spaces"
        raise ShapeError(complaint("check.compare", problem, got=space, expected=subject.codomain, fix=fix))


def _shapes(space: Space) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in space.leaves]


def _struct(leaf: Any) -> jax.ShapeDtypeStruct:
    array = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return jax.ShapeDtypeStruct(array.shape, array.dtype)
