"""Whatever is checked, in one form: two functions between known spaces, and where its adjoint comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.algebra import LinearMap
from deconvjax.check.vectors import is_complex
from deconvjax.errors import ShapeError, UnboundError, complaint
from deconvjax.space import Space


@dataclass(frozen=True)
class Subject:
    """forward: domain -> codomain, adjoint: codomain -> domain."""

    name: str
    forward: Callable[[Any], Any]
    adjoint: Callable[[Any], Any]
    domain: Space
    codomain: Space
    complex_linear: bool
    map: LinearMap | None
    notes: tuple[str, ...] = ()

    @property
    def over_reals(self) -> bool:
        """True where the two inner products agree in their real parts only."""
        return not self.complex_linear or is_complex(self.domain) != is_complex(self.codomain)


def subject_of(a: Any, domain: Any, operator: str) -> Subject:
    """From a bound LinearMap, or from a pair of functions (forward, adjoint) and their domain."""
    if isinstance(a, LinearMap):
        bound = a if domain is None else a.on(domain)
        return _of_map(bound)
    if isinstance(a, tuple) and len(a) == 2 and all(callable(f) for f in a):
        forward, adjoint = a
        space = space_of(domain, operator)
        name = getattr(forward, "__name__", type(forward).__name__)
        return Subject(name, forward, adjoint, space, landing(forward, space), complex_linear=True, map=None)
    got, fix = type(a).__name__, "pass A.on(shape), or (f, g) with domain="
    problem = "cannot check this"
    raise TypeError(complaint(operator, problem, got=got, expected="a LinearMap or a pair of functions", fix=fix))


def space_of(domain: Any, operator: str) -> Space:
    """Where functions are checked; UnboundError where that is not said, ShapeError where nothing could be tried."""
    if domain is None:
        problem, fix = "functions do not know their domain", f"{operator}(..., domain=x)"
        raise UnboundError(complaint(operator, problem, got="domain=None", expected="a shape or an array", fix=fix))
    space = Space.of(domain, operator=operator)
    if any(0 in leaf.shape for leaf in space.leaves):
        problem, fix = "an axis of length 0 tries nothing", "check it on a longer domain"
        raise ShapeError(complaint(operator, problem, got=space, expected="every axis at least 1 long", fix=fix))
    return space


def landing(fn: Callable[[Any], Any], space: Space) -> Space:
    """Where fn lands, found by running it on zeros (it may be NumPy, which cannot be traced)."""
    zeros = [np.zeros(leaf.shape, leaf.dtype) for leaf in space.leaves]
    out = fn(jax.tree_util.tree_unflatten(space.treedef, zeros))
    return Space.of(jax.tree_util.tree_map(_struct, out))


def precise(a: LinearMap) -> tuple[LinearMap, tuple[str, ...]]:
    """bfloat16 and float16 maps made float32: in 8 or 11 bits a wrong map looks right."""
    leaves = (*Space.of(a.domain).leaves, *Space.of(a.codomain).leaves)
    low = {leaf.dtype.name for leaf in leaves if _is_low(leaf.dtype)}
    if not low:
        return a, ()
    names = " and ".join(sorted(low))
    wide = Space.of(a.domain).map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, _widened(leaf.dtype)))
    try:
        promoted = jax.tree_util.tree_map(_widen, a).on(wide.tree)
    except (TypeError, ValueError):
        return a, (f"judged in {names}, in which a wrong map can pass: it could not be rebuilt in float32",)
    return promoted, (f"judged in float32: the same map on {wide}, because {names} cannot tell right from wrong",)


def _of_map(bound: LinearMap) -> Subject:
    domain = Space.of(bound.domain)  # UnboundError, with the fix, where there is none
    name = repr(bound)
    judged, notes = precise(bound)
    domain, codomain = Space.of(judged.domain), Space.of(judged.codomain)
    run, run_back = _programs(judged)

    def forward(x: Any) -> Any:  # at full precision: an accelerator's default would look like an error of the map
        with jax.default_matmul_precision("highest"):
            return run(x)

    def adjoint(y: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            return run_back(y)

    return Subject(name, forward, adjoint, domain, codomain, judged.is_complex_linear, judged, notes)


@lru_cache(maxsize=8)
def _programs(a: LinearMap) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """A and A.H compiled once, for all probes and keys.

    The map is not an argument: taps and scalars stay the constants they are in A(x), and the laws that read their
    values are judged, too. Equal maps share this.
    """
    return jax.jit(lambda x: a(x)), jax.jit(lambda y: a.H(y))


def _is_low(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32


def _widened(dtype: Any) -> Any:
    return jnp.dtype(jnp.float32) if _is_low(dtype) else dtype


def _widen(leaf: Any) -> Any:
    return leaf.astype(_widened(leaf.dtype)) if hasattr(leaf, "dtype") else leaf


def _struct(leaf: Any) -> jax.ShapeDtypeStruct:
    array = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return jax.ShapeDtypeStruct(array.shape, array.dtype)
