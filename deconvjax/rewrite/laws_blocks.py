"""Laws of sums and of maps between tuples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deconvjax.algebra import BlockDiagonal, Chain, Identity, LinearMap, Row, Scaled, Stack, Sum, Zero
from deconvjax.algebra.combine import scalar_map, shapes_of
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite import taps as arithmetic
from deconvjax.rewrite.law import law
from deconvjax.rewrite.stages import moves, read_taps, same_dtype, space_of


def is_sum(candidate: LinearMap) -> bool:
    """A bound sum."""
    return isinstance(candidate, Sum) and candidate.space is not None


def is_stack(candidate: LinearMap) -> bool:
    """A bound stack."""
    return isinstance(candidate, Stack) and candidate.space is not None


def is_row(candidate: LinearMap) -> bool:
    """A bound row."""
    return isinstance(candidate, Row) and candidate.space is not None


def is_block(candidate: LinearMap) -> bool:
    """A bound block diagonal."""
    return isinstance(candidate, BlockDiagonal) and candidate.space is not None


def _after(outer: LinearMap, inner: LinearMap) -> LinearMap:
    return Chain((outer, inner), space_of(inner))


@law(is_row, is_stack)
def row_of_stack(outer: Row, inner: Stack) -> LinearMap | None:
    """row(A1, ..., An) o stack(B1, ..., Bn) = A1 o B1 + ... + An o Bn"""
    return Sum(tuple(map(_after, outer.maps, inner.maps)), inner.space)


@law(is_block, is_stack)
def blocks_of_stack(outer: BlockDiagonal, inner: Stack) -> LinearMap | None:
    """diag(A1, ..., An) o stack(B1, ..., Bn) = stack(A1 o B1, ..., An o Bn)"""
    return Stack(tuple(map(_after, outer.maps, inner.maps)), inner.space)


@law(is_row, is_block)
def row_of_blocks(outer: Row, inner: BlockDiagonal) -> LinearMap | None:
    """row(A1, ..., An) o diag(B1, ..., Bn) = row(A1 o B1, ..., An o Bn)"""
    return Row(tuple(map(_after, outer.maps, inner.maps)), inner.space)


@law(is_block, is_block)
def blocks_of_blocks(outer: BlockDiagonal, inner: BlockDiagonal) -> LinearMap | None:
    """diag(A1, ..., An) o diag(B1, ..., Bn) = diag(A1 o B1, ..., An o Bn)"""
    return BlockDiagonal(tuple(map(_after, outer.maps, inner.maps)), inner.space)


@law(is_sum)
def zero_terms(total: Sum) -> LinearMap | None:
    """A + 0 = A, and a sum inside a sum is one sum"""
    terms = [term for part in total.maps for term in (part.maps if isinstance(part, Sum) else (part,))]
    left = [term for term in terms if not isinstance(term, Zero)]
    if len(left) == len(total.maps) and len(terms) == len(left):
        return None
    result = left[0] if len(left) == 1 else replace(total, maps=tuple(left)) if left else terms[0]
    return result if same_dtype(result, total) else None


@law(is_sum)
def equal_terms(total: Sum) -> LinearMap | None:
    """a*A + b*A = (a + b)*A;  (q*) + (r*) = (q + r)* for filters of one geometry"""
    terms = list(total.maps)
    for i, first in enumerate(terms):
        for j in range(i + 1, len(terms)):
            both = _added(first, terms[j])
            whole = Sum((first, terms[j]), total.space)
            if both is not None and both.space == total.space and same_dtype(both, whole):
                rest = [*terms[:i], both, *terms[i + 1:j], *terms[j + 1:]]
                return rest[0] if len(rest) == 1 else replace(total, maps=tuple(rest))
    return None


def _added(first: LinearMap, second: LinearMap) -> LinearMap | None:
    (a, A), (b, B) = _factor(first), _factor(second)
    if isinstance(A, Stage) and isinstance(B, Stage) and A.taps is not None and B.taps is not None:
        return _added_filters(a, A, b, B)
    if shapes_of(A._codomain()) != shapes_of(B._codomain()) or A != B:
        return None
    factor = a + b
    if arithmetic.is_constant(factor) and factor == 0:
        return Zero(A._codomain(), A.space)
    return A if arithmetic.is_constant(factor) and factor == 1 else Scaled(factor, A, A.space)


def _factor(term: LinearMap) -> tuple[Any, LinearMap]:
    """(c, A) of c*A, the scalar found wherever in a chain it stands and may be moved from."""
    if isinstance(term, Scaled) and arithmetic.is_constant(term.scalar):
        return term.scalar, term.map
    if isinstance(term, Chain):
        for i, part in enumerate(term.maps):
            if isinstance(part, Scaled) and arithmetic.is_constant(part.scalar):
                behind = [*([] if isinstance(part.map, Identity) else [part.map]), *term.maps[i + 1:]]
                if moves([*term.maps[:i], scalar_map(part.scalar, part.map._codomain()), *behind], i):
                    rest = [*term.maps[:i], *behind]
                    return part.scalar, rest[0] if len(rest) == 1 else replace(term, maps=tuple(rest))
    return 1, term


def _added_filters(a: Any, A: Stage, b: Any, B: Stage) -> LinearMap | None:
    alike = (A.axes, A.rates, A.groups, A.precision, A.weak) == (B.axes, B.rates, B.groups, B.precision, B.weak)
    k_a, k_b = read_taps(A), read_taps(B)
    if not alike or tuple(k_a.shape) != tuple(k_b.shape):
        return None
    dtype = arithmetic.common_dtype(k_a.dtype, k_b.dtype)
    if dtype.itemsize < 4 and dtype.kind in "fV" and not A.weak:
        return None
    if isinstance(a, float) or isinstance(b, float) or isinstance(a, complex) or isinstance(b, complex):
        dtype = arithmetic.common_dtype(dtype, type(a + b))
        if not A.weak and dtype != k_a.dtype:
            return None
    k_a = k_a if isinstance(a, int) and a == 1 else arithmetic.scaled(k_a, a, dtype)
    k_b = k_b if isinstance(b, int) and b == 1 else arithmetic.scaled(k_b, b, dtype)
    return replace(A, taps=arithmetic.added(k_a, k_b, dtype), flip=False, conjugate=False)


BLOCK_LAWS_OF_ONE = (zero_terms, equal_terms)
BLOCK_LAWS = (row_of_stack, blocks_of_stack, row_of_blocks, blocks_of_blocks)
