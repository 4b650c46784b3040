"""Laws that need no arithmetic: identity, zero, casts, and scalars on their way out."""

from __future__ import annotations

from deconvjax.algebra import Cast, Identity, LinearMap, Zero
from deconvjax.rewrite.law import law
from deconvjax.rewrite.stages import space_of, zero_between


def anything(candidate: LinearMap) -> bool:
    """Any bound map."""
    return candidate.space is not None


def is_identity(candidate: LinearMap) -> bool:
    """The identity."""
    return isinstance(candidate, Identity)


def is_zero(candidate: LinearMap) -> bool:
    """The zero map."""
    return isinstance(candidate, Zero)


def is_cast(candidate: LinearMap) -> bool:
    """A change of dtype."""
    return isinstance(candidate, Cast) and candidate.space is not None


@law(anything, is_identity)
def identity_inside(outer: LinearMap, inner: LinearMap) -> LinearMap:
    """A o I = A"""
    return outer


@law(is_identity, anything)
def identity_outside(outer: LinearMap, inner: LinearMap) -> LinearMap:
    """I o A = A"""
    return inner


@law(anything, is_zero)
def zero_inside(outer: LinearMap, inner: LinearMap) -> LinearMap:
    """A o 0 = 0"""
    return zero_between(outer, inner)


@law(is_zero, anything)
def zero_outside(outer: LinearMap, inner: LinearMap) -> LinearMap:
    """0 o A = 0"""
    return zero_between(outer, inner)


@law(is_cast)
def idle_cast(cast: Cast) -> LinearMap | None:
    """astype(dtype of x) = I"""
    return Identity(cast.space) if cast.target == space_of(cast) else None


TRIVIAL_LAWS = (zero_inside, zero_outside, identity_inside, identity_outside, idle_cast)
