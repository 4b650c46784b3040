"""Any linear JAX function as a map: traced once, its arrays made leaves, its transpose taken by JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend import core

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.errors import NotLinearError, ShapeError, complaint
from deconvjax.leaves.linearity import Kind, is_complex_linear, judge, probe
from deconvjax.space import Space


@final_map
class Opaque(LinearMap):
    """y = f(x) for a traced linear f: `program` is its jaxpr, `consts` are the arrays it closes over.

    The arrays are leaves: other values of the same shapes run the same compiled program, and gradients reach them.
    `transposed` and `conjugate` say which of f, fᵀ, conj f, fᴴ this is; `landing` is where f itself lands.
    """

    consts: tuple[Any, ...]
    program: Any = static()
    name: str = static()
    reads: Space = static()
    landing: Space = static()
    complex_linear: bool = static()
    transposed: bool = static(default=False)
    conjugate: bool = static(default=False)
    space: Space | None = static(default=None)

    @property
    def is_complex_linear(self) -> bool:
        """False where f takes a real part, an imaginary part or a conjugate, or is the transpose of real -> complex."""
        real, lands = (all(not jnp.issubdtype(leaf.dtype, jnp.complexfloating) for leaf in space.leaves)
                       for space in (self.reads, self.landing))  # fmt: skip
        return self.complex_linear and not (self.transposed and real and not lands)

    def _bind(self, space: Space) -> LinearMap:
        own = self._bound_space("on")
        if space == own:
            return self
        problem = "a traced function acts on the shape and dtype it was traced with"
        error = TypeError if [a.shape for a in space.leaves] == [a.shape for a in own.leaves] else ShapeError
        raise error(complaint(self._label(), problem, got=space, expected=own, fix="trace it anew for this domain"))

    def _codomain(self) -> Space:
        return self.reads if self.transposed else self.landing

    def _apply(self, x: Any) -> Any:
        space = self._bound_space("apply")
        batch = space.batch_of(x, self._label())
        x = jax.tree_util.tree_map(jnp.asarray, x)
        for ours, theirs in zip(space.leaves, jax.tree_util.tree_leaves(x), strict=True):
            if ours.dtype != theirs.dtype:
                problem = "the input has another dtype than the function was traced with"
                fix = f"convert it first: x.astype({ours.dtype.name!r})"
                raise TypeError(complaint(self._label(), problem, got=theirs.dtype, expected=ours.dtype, fix=fix))
        run = self._run
        for _ in batch:
            run = jax.vmap(run)
        return run(x)

    def _run(self, x: Any) -> Any:
        forward = _callable(self.program, self.consts, self.landing)
        if self.conjugate:
            x = jax.tree_util.tree_map(jnp.conj, x)
        y = jax.linear_transpose(forward, self.reads.tree)(x)[0] if self.transposed else forward(x)
        return jax.tree_util.tree_map(jnp.conj, y) if self.conjugate else y

    def _transpose(self) -> LinearMap:
        for leaf in (*self.reads.leaves, *self.landing.leaves):
            if not jnp.issubdtype(leaf.dtype, jnp.inexact):
                problem = "JAX transposes functions of real or complex numbers only"
                got, fix = f"{self.reads} -> {self.landing}", "trace it on a float domain"
                raise TypeError(complaint(f"{self._label()}.T", problem, got=got, expected="float or complex", fix=fix))
        return replace(self, transposed=not self.transposed, space=self._codomain())

    def _conj(self) -> LinearMap:
        return replace(self, conjugate=not self.conjugate)

    def __reduce__(self) -> Any:
        """A traced program holds functions of JAX's that no pickle can hold; said here, not deep inside one."""
        problem = "a traced function cannot be pickled"
        fix = "pickle what fn closes over and trace it anew, or write A(x) with jax.export"
        raise TypeError(complaint(self._label(), problem, got="pickle or copy", expected="maps of the vocabulary",
                                  fix=fix))

    def __copy__(self) -> LinearMap:
        return self

    def __deepcopy__(self, memo: Any) -> LinearMap:
        return self  # immutable, as its program is

    def _label(self) -> str:
        suffix = {(False, False): "", (True, False): ".T", (False, True): ".conj()", (True, True): ".H"}
        return f"{self.name}{suffix[self.transposed, self.conjugate]}"

    def _latex(self) -> str:
        tall = {(False, False): "", (True, False): r"^{\mathsf{T}}", (True, True): r"^{\mathsf{H}}"}
        name = rf"\mathrm{{{self.name}}}".replace("_", r"\_")
        return tall.get((self.transposed, self.conjugate), r"^{*}").join((name, ""))


def linear_map(fn: Callable[[Any], Any], domain: Any) -> LinearMap:
    """y = fn(x): any linear JAX function as a bound map, with transpose, adjoint, matrix and algebra.

    `fn` is traced once on `domain`. Arrays it closes over become leaves of the map. It is refused where it is not
    linear: its program is read for additions of a constant, products of two values that depend on x, and primitives
    that are not linear; what that leaves open is tried with numbers (where the arrays are not being traced).

    Args:
        fn: from the domain's pytree to any pytree of arrays; no side effects.
        domain: a shape (float32), an array, a ShapeDtypeStruct, or a pytree of these.

    Raises:
        NotLinearError: fn is affine, constant or non-linear (the primitive is named), or has no transpose in JAX.
        TypeError: fn is not callable, or already a map. ShapeError: it reads or gives an empty axis, or no array.

    Source: JAX's `linear_transpose` (jax 0.10), which takes affine functions without complaint; hence the tests.

    >>> import jax.numpy as jnp
    >>> a = linear_map(lambda x: jnp.cumsum(x), (3,))
    >>> print(a.T.matrix().astype(int))
    [[1 1 1]
     [0 1 1]
     [0 0 1]]
    """
    if isinstance(fn, LinearMap) or not callable(fn):
        got, fix = type(fn).__name__, "bind a map with A.on(domain); wrap a matrix as lambda x: M @ x"
        raise TypeError(complaint("linear_map", "fn must be a function", got=got, expected="a callable", fix=fix))
    space = _filled(Space.of(domain, operator="linear_map"), "linear_map", "the domain")
    program, consts, landing = _trace(fn, space)
    _filled(landing, "linear_map", "what fn gives")
    name = getattr(fn, "__name__", type(fn).__name__)
    a = Opaque(consts, program, "linear_map" if name == "<lambda>" else name, space, landing,
               is_complex_linear(program), space=space)  # fmt: skip
    _require_linear(a)
    return a


def jacobian(fn: Callable[[Any], Any], x: Any) -> LinearMap:
    """v -> d/dt fn(x + t v) at t = 0: the linear map that fn is near x. Its transpose is the reverse-mode product.

    Args:
        fn: differentiable, from the pytree x to any pytree of arrays.
        x: where; real or complex arrays. May be traced.

    Raises:
        TypeError: fn is not callable, or x is not made of real or complex arrays.
        NotLinearError: fn has a custom_vjp whose backward rule cannot be transposed.

    Source: `jax.linearize` (jax 0.10).

    >>> import jax.numpy as jnp
    >>> print(jacobian(lambda x: x[:2] * x[1:], jnp.array([1.0, 2.0, 3.0])).matrix())
    [[2. 1. 0.]
     [0. 3. 2.]]
    """
    if not callable(fn):
        got = type(fn).__name__
        raise TypeError(complaint("jacobian", "fn must be a function", got=got, expected="a callable", fix="pass fn"))
    given = jax.tree_util.tree_map(lambda leaf: leaf if hasattr(leaf, "dtype") else np.asarray(leaf), x)
    space = _filled(Space.of_value(given, operator="jacobian"), "jacobian", "x")
    x = jax.tree_util.tree_map(jnp.asarray, x)
    if any(not jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in space.leaves):
        problem, fix = "only functions of real or complex numbers have a derivative", "convert x to float"
        raise TypeError(complaint("jacobian", problem, got=space, expected="float or complex arrays", fix=fix))
    name = getattr(fn, "__name__", type(fn).__name__)
    name = "" if name == "<lambda>" else name
    _, derivative = jax.linearize(fn, x)
    program, consts, landing = _trace(derivative, space)
    _filled(landing, "jacobian", "what fn gives")
    if not _only_backwards(program):
        title = f"jacobian({name})" if name else "jacobian"
        return Opaque(consts, program, title, space, landing, is_complex_linear(program), space=space)
    # A custom_vjp has no forward rule, but its backward rule is linear, and the transpose of that is the derivative.
    image, pullback = jax.vjp(fn, x)
    program, consts, _ = _trace(lambda y: pullback(y)[0], Space.of(image))
    reverse = Opaque(consts, program, f"vjp({name})", Space.of(image), space, is_complex_linear(program), space=space,
                     transposed=True)  # fmt: skip
    _require_transpose(reverse, "jacobian", "fn has a custom_vjp whose backward rule JAX cannot transpose")
    return reverse


def _only_backwards(program: core.Jaxpr) -> bool:
    inner = (_only_backwards(getattr(j, "jaxpr", j)) for eqn in program.eqns for j in core.jaxprs_in_params(eqn.params))
    return any(eqn.primitive.name == "custom_lin" for eqn in program.eqns) or any(inner)


def _filled(space: Space, operator: str, what: str) -> Space:
    """`space`, which must hold something: arrays, none of them with an axis of length 0."""
    if not space.leaves or any(0 in leaf.shape for leaf in space.leaves):
        expected, fix = "arrays, every axis at least 1 long", "drop what is empty"
        raise ShapeError(complaint(operator, f"{what} is empty", got=space, expected=expected, fix=fix))
    return space


def _trace(fn: Callable[[Any], Any], space: Space) -> tuple[core.Jaxpr, tuple[Any, ...], Space]:
    """The program of fn with every array it closes over as a constant, those inside nested jits too."""
    first, out = jax.make_jaxpr(fn, return_shape=True)(space.tree)
    closed = jax.make_jaxpr(lambda *flat: _inline(first, flat))(*space.leaves)
    leaves, treedef = jax.tree_util.tree_flatten(out)  # not Space.of, which reads () as a shape
    landing = Space(treedef, tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves))
    consts = tuple(c if isinstance(c, jax.Array) else np.asarray(c) for c in closed.consts)
    return closed.jaxpr, consts, landing


def _inline(closed: core.ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    """Evaluate with nested jits opened, so that their constants surface in the trace around this call."""
    values: dict[Any, Any] = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    values.update(zip(closed.jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else values[atom]

    for eqn in closed.jaxpr.eqns:
        given = [read(v) for v in eqn.invars]
        if eqn.primitive.name in ("jit", "pjit"):
            values.update(zip(eqn.outvars, _inline(eqn.params["jaxpr"], given), strict=True))
            continue
        params = eqn.primitive.get_bind_params(eqn.params)
        parts, params = params if isinstance(params, tuple) else ((), params)  # a pair in older versions of JAX
        outs = eqn.primitive.bind(*parts, *given, **params)
        values.update(zip(eqn.outvars, outs if eqn.primitive.multiple_results else [outs], strict=True))
    return [read(v) for v in closed.jaxpr.outvars]


def _callable(program: core.Jaxpr, consts: Sequence[Any], landing: Space) -> Callable[[Any], Any]:
    run = core.jaxpr_as_fun(core.ClosedJaxpr(program, list(consts)))
    return lambda x: jax.tree_util.tree_unflatten(landing.treedef, run(*jax.tree_util.tree_leaves(x)))


def _require_linear(a: Opaque) -> None:
    """NotLinearError unless the function is linear and JAX can transpose it."""
    forward = _callable(a.program, a.consts, a.landing)
    verdict = judge(a.program, a.consts)
    traced = any(isinstance(c, Tracer) for c in a.consts)
    if verdict.kind == Kind.NONLINEAR:
        raise _refusal("the function is not linear", f"the primitive `{verdict.culprit}` acting on x")
    if verdict.kind in (Kind.CONSTANT, Kind.AFFINE) and traced:
        where = f"`{verdict.culprit}` with" if verdict.culprit else "an output that is"
        raise _refusal("the function may be affine", f"{where} a constant that is being traced, so it may not be 0")
    if verdict.kind not in (Kind.ZERO, Kind.LINEAR) and not traced:
        failed = probe(forward, a.reads.tree)
        if failed is not None:
            law, value = failed
            raise _refusal(*_findings(verdict.kind, verdict.culprit, law, value))
    if all(jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in (*a.reads.leaves, *a.landing.leaves)):
        culprit = f" `{verdict.culprit}`" if verdict.culprit else ""
        _require_transpose(a, "linear_map", f"JAX has no transpose for this function{culprit}")


def _require_transpose(a: Opaque, operator: str, problem: str) -> None:
    forward = _callable(a.program, a.consts, a.landing)
    try:
        jax.eval_shape(lambda y: jax.linear_transpose(forward, a.reads.tree)(y), a.landing.tree)
    except (NotImplementedError, TypeError, AssertionError, ValueError) as error:
        first = str(error).split("\n")[0] or type(error).__name__
        raise _refusal(problem, first, operator) from error


def _findings(kind: Kind, culprit: str, law: str, value: np.ndarray) -> tuple[str, str]:
    if law == "f(0) = 0":
        shown = np.array2string(value[:6], precision=4)
        zero = f"f(0) = {shown[:-1]} ...]" if value.size > 6 else f"f(0) = {shown}"
        if kind == Kind.CONSTANT:
            return "the function is constant, it does not read x", zero
        by = f", by the primitive `{culprit}`" if culprit else ""
        return "the function is affine, not linear", zero + by
    return "the function is not linear", f"{law} fails" + (f", by the primitive `{culprit}`" if culprit else "")


def _refusal(problem: str, got: str, operator: str = "linear_map") -> NotLinearError:
    fix = "drop what is not linear, or take the linear part of fn at x with jacobian(fn, x)"
    return NotLinearError(complaint(operator, problem, got=got, expected="f(a x + b y) = a f(x) + b f(y)", fix=fix))
