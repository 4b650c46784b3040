"""All laws a linear map must keep, tried one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.algebra import LinearMap
from deconvjax.check.adjointness import adjoint
from deconvjax.check.comparison import close, compare
from deconvjax.check.linearity import linear
from deconvjax.check.reference import reference
from deconvjax.check.reports import AllReport, Report
from deconvjax.check.subject import precise
from deconvjax.check.vectors import draw, eps_of, generator
from deconvjax.errors import complaint
from deconvjax.space import Space

Law = Callable[[LinearMap, Any], Report]


def linearity(a: LinearMap, key: Any = None) -> Report:
    """A(0) = 0, A(c x) = c A(x), A(x + y) = A(x) + A(y)."""
    return linear(a, key=key)


def adjointness(a: LinearMap, key: Any = None) -> Report:
    """<A x, y> = <x, A.H y>."""
    return adjoint(a, key=key)


def double_adjoint(a: LinearMap, key: Any = None) -> Report:
    """A.T.T = A, A.H.H = A, A.T.H = A.conj()."""
    a, _ = precise(a)
    x = draw(generator(key), Space.of(a.domain), "anywhere")
    reports = [close(_run(b, x), _run(c, x)) for b, c in ((a.T.T, a), (a.H.H, a), (a.T.H, a.conj()))]
    names = ("A.T.T = A", "A.H.H = A", "A.T.H = A.conj()")
    wrong = tuple(f"{name} fails: {r.first_wrong_row}" for name, r in zip(names, reports, strict=True) if not r)
    return replace(max(reports, key=lambda r: r.worst), notes=wrong)


def derivative(a: LinearMap, key: Any = None) -> Report:
    """vjp(A, x)(y) = A.T y: JAX's reverse mode and the map's own transpose."""
    a, _ = precise(a)
    domain, codomain = Space.of(a.domain), Space.of(a.codomain)
    if eps_of(domain) == 0 or eps_of(codomain) == 0:
        return Report("", True, 0.0, 0.0, domain.leaves[0].dtype.name, notes=("integers have no derivative",))
    rng = generator(key)
    x, y = _arrays(draw(rng, domain, "anywhere")), _arrays(draw(rng, codomain, "anywhere"))
    return close(_pullback(a, x, y), _run(a.T, y))


def compiled(a: LinearMap, key: Any = None) -> Report:
    """jit(A)(x) = A(x), with A an argument of the jitted function."""
    a, _ = precise(a)
    x = _arrays(draw(generator(key), Space.of(a.domain), "anywhere"))
    return close(_run(a, x), a(x))


def batched(a: LinearMap, key: Any = None) -> Report:
    """vmap(A)(xs) = (A(x1), A(x2), ...) = A(xs), leading batch axes included."""
    a, _ = precise(a)
    rng, space = generator(key), Space.of(a.domain)
    xs = [_arrays(draw(rng, space, "anywhere")) for _ in range(3)]
    together = jax.tree_util.tree_map(lambda *leaves: jnp.stack(leaves), *xs)
    one_by_one = jax.tree_util.tree_map(lambda *leaves: jnp.stack(leaves), *[_run(a, x) for x in xs])
    reports = close(_mapped(a, together), one_by_one), close(_run(a, together), one_by_one)
    names = ("vmap(A)", "A on a leading axis")
    wrong = tuple(f"{name} differs: {r.first_wrong_row}" for name, r in zip(names, reports, strict=True) if not r)
    return replace(max(reports, key=lambda r: r.worst), notes=wrong)


def shapes(a: LinearMap, key: Any = None) -> Report:
    """A(x) has the shape and dtype of A.codomain, A.H(y) of A.domain."""
    domain, codomain = Space.of(a.domain), Space.of(a.codomain)
    wrong = []
    for name, b, reads, lands in (("A", a, domain, codomain), ("A.H", a.H, codomain, domain)):
        if Space.of(b.domain) != reads:
            wrong.append(f"{name}.domain is {Space.of(b.domain)}, not {reads}")
        found = Space.of(jax.eval_shape(b, reads.tree))
        for said, space in ((f"{name}.codomain", Space.of(b.codomain)), (f"{name}(x)", found)):
            if space != lands:
                wrong.append(f"{said} is {space}, not {lands}")
    return Report("", not wrong, np.inf if wrong else 0.0, 0.0, codomain.leaves[0].dtype.name, notes=tuple(wrong))


def roundtrip(a: LinearMap, key: Any = None) -> Report:
    """unflatten(flatten(A)) = A: a pytree with hashable structure, equal after the trip."""
    leaves, structure = jax.tree_util.tree_flatten(a)
    again = jax.tree_util.tree_unflatten(structure, leaves)
    wrong = []
    if jax.tree_util.tree_structure(again) != structure or hash(jax.tree_util.tree_structure(again)) != hash(structure):
        wrong.append("the structure changes on the way through flatten and unflatten")
    if again != a:
        wrong.append("the map is not equal to itself after flatten and unflatten")
    if any(not hasattr(leaf, "dtype") and not isinstance(leaf, (int, float, complex)) for leaf in leaves):
        wrong.append("a leaf is not an array")
    return Report("", not wrong, np.inf if wrong else 0.0, 0.0, "pytree", notes=tuple(wrong))


def oracle(a: LinearMap, key: Any = None) -> Report:
    """A x = the NumPy oracle's, where the structure of A is known to it."""
    if reference(precise(a)[0]) is None:
        note = "no oracle knows this map: check.compare(A, reference)"
        return Report("", True, 0.0, 0.0, "not compared", notes=(note,))
    return compare(a, key=key)


LAWS: tuple[tuple[str, Law], ...] = (
    ("shape and dtype", shapes),
    ("linearity", linearity),
    ("adjoint", adjointness),
    ("adjoint of adjoint", double_adjoint),
    ("vjp = transpose", derivative),
    ("jit", compiled),
    ("vmap", batched),
    ("pytree", roundtrip),
    ("oracle", oracle),
)


def check_all(a: LinearMap, key: Any = None, *, domain: Any = None) -> AllReport:
    """A(0) = 0, linearity, <A x, y> = <x, A.H y>, A.H.H = A, vjp = A.T, jit, vmap, shapes, pytree: all in one report.

    `report.parts` holds a report for each law and `report["adjoint"]` one of them. A law whose trial raises has failed;
    the error is in its notes. `check.MapTests` runs the same laws as pytest tests.

    Args:
        a: a LinearMap, bound, or with `domain`.
        key: None (always the same probes), an int, or a JAX key.
        domain: binds an unbound map.

    Raises:
        UnboundError: no domain is known. TypeError: `a` is not a LinearMap, or key is none.

    >>> import deconvjax as dj
    >>> report = check_all(dj.downsample(2).on((6,)))
    >>> report.ok, len(report.parts)
    (True, 9)
    """
    if not isinstance(a, LinearMap):
        got, fix = type(a).__name__, "wrap functions with linear_map(fn, domain), or use check.linear"
        raise TypeError(complaint("check.all", "cannot check this", got=got, expected="a LinearMap", fix=fix))
    bound = a if domain is None else a.on(domain)
    space = Space.of(bound.domain)
    generator(key, "check.all")  # a wrong key is the caller's fault, not the map's
    parts = tuple((name, attempt(law, bound, key)) for name, law in LAWS)
    worst = max(parts, key=lambda part: (not part[1].ok, part[1].worst))[1]
    return AllReport(repr(bound), all(part.ok for _, part in parts), worst.worst, worst.limit,
                     "/".join(sorted({leaf.dtype.name for leaf in space.leaves})), parts=parts)  # fmt: skip


def attempt(law: Law, a: LinearMap, key: Any = None) -> Report:
    """The law's report; one that fails, with the error in its notes, where trying it raises."""
    try:
        with jax.default_matmul_precision("highest"):
            return law(a, key)
    except Exception as error:  # whatever a map of another project raises is a finding, not the end of the check
        return Report(repr(a), False, np.inf, 0.0, "raised", notes=(f"{type(error).__name__}: {error}",))


@jax.jit
def _run(a: LinearMap, x: Any) -> Any:
    return a(x)


@jax.jit
def _mapped(a: LinearMap, xs: Any) -> Any:
    return jax.vmap(a)(xs)


@jax.jit
def _pullback(a: LinearMap, x: Any, y: Any) -> Any:
    return jax.vjp(a, x)[1](y)[0]


def _arrays(x: Any) -> Any:
    return jax.tree_util.tree_map(jnp.asarray, x)
