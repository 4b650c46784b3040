"""f(a x + b y) = a f(x) + b f(y), or which primitive breaks it: a traced function read as linear, constant or neither.

`jax.linear_transpose` accepts `x + 1` without a word, so a function is judged before it is transposed: first by
walking its program once with five words (zero, constant, linear, affine, non-linear), then, only where that leaves
a doubt and the constants are known, by numbers.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend import core


class Kind(enum.IntEnum):
    """What is known of a value as a function of the input; larger is worse."""

    ZERO = 0
    CONSTANT = 1
    LINEAR = 2
    AFFINE = 3
    UNKNOWN = 4
    NONLINEAR = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """A kind, and the primitive that made it so."""

    kind: Kind
    culprit: str = ""

    @property
    def varies(self) -> bool:
        """True where the value depends on the input."""
        return self.kind >= Kind.LINEAR


ZERO, CONSTANT, LINEAR = Verdict(Kind.ZERO), Verdict(Kind.CONSTANT), Verdict(Kind.LINEAR)

# Operands that carry data; all others (indices, predicates) must not depend on the input. None: every operand.
_ALL = (
    "add add_any all_gather all_to_all broadcast_in_dim complex concatenate conj convert_element_type copy copy_p "
    "cumsum device_put expand_dims fft imag linear_call name neg optimization_barrier pad ppermute psum "
    "psum_invariant pvary real reduce_precision reduce_scatter reduce_sum reduce_window_sum reshape rev "
    "sharding_constraint slice split squeeze sub transpose"
).split()
_MOVES: dict[str, tuple[int, ...] | None] = {
    **dict.fromkeys(_ALL), "dynamic_slice": (0,), "gather": (0,), "dynamic_update_slice": (0, 1), "scatter": (0, 2),
    "scatter-add": (0, 2), "scatter-sub": (0, 2), "scatter_add": (0, 2), "scatter_sub": (0, 2),
}
_PRODUCTS = set(
    "mul dot_general conv_general_dilated ragged_dot ragged_dot_general scatter-mul scatter_mul deconvjax_stage "
    "deconvjax_transpose deconvjax_taps_gradient".split()
)
_NUMERATORS = {"div": 0, "triangular_solve": 1}
_BREAKERS = set(
    "abs acos acosh and argmax argmin asin asinh atan atan2 atanh cbrt ceil clamp cos cosh cummax cummin cumprod "
    "cumlogsumexp eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le lgamma log log1p logistic lt "
    "max min ne nextafter not or pow reduce_and reduce_max reduce_min reduce_or reduce_prod rem round rsqrt "
    "select_and_scatter reduce_window_max reduce_window_min sign sin sinh sort sqrt square tan tanh top_k xor".split()
)
_CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")


def judge(jaxpr: core.Jaxpr, consts: Sequence[Any]) -> Verdict:
    """The worst of the outputs, by structure alone; LINEAR and ZERO are certain, NONLINEAR too, the rest are doubts."""
    outs = _walk(jaxpr, [_of_value(c) for c in consts], [LINEAR] * len(jaxpr.invars))
    return max(outs, key=lambda v: (v.kind == Kind.CONSTANT, v.kind) if v.kind < Kind.AFFINE else (True, v.kind),
               default=ZERO)  # among outputs a constant is worse than a linear one


def probe(fn: Any, domain: Any) -> tuple[str, Any] | None:
    """f(0) = 0, f(-2x) = -2 f(x), f(x+y) = f(x) + f(y) and f(2^k x) = 2^k f(x) by numbers: what fails first, or None.

    The probes are small dyadic numbers, so that sums and multiples of them are exact.
    """
    rng = np.random.default_rng(7)
    leaves, treedef = jax.tree_util.tree_flatten(domain)
    integers = any(jnp.issubdtype(leaf.dtype, jnp.integer) for leaf in leaves)
    x, y = ([_dyadic(rng, leaf) for leaf in leaves] for _ in range(2))
    large, small = (2, 3) if integers else (2.0**10, 2.0**-4)
    inputs = [[0 * a for a in x], x, y, [a + b for a, b in zip(x, y, strict=True)], [-2 * a for a in x],
              [large * a for a in x], [small * a for a in x]]  # fmt: skip

    def run(values: list[np.ndarray]) -> np.ndarray:
        arrays = [jnp.asarray(v.astype(leaf.dtype)) for v, leaf in zip(values, leaves, strict=True)]
        images = [np.asarray(out).ravel() for out in jax.tree_util.tree_leaves(fast(treedef.unflatten(arrays)))]
        wide = np.complex128 if any(np.iscomplexobj(image) for image in images) else np.float64
        return np.concatenate([image.astype(wide) for image in images])

    with jax.ensure_compile_time_eval():
        fast = jax.jit(fn)
        zero, fx, fy, both, minus, grown, shrunk = (run(values) for values in inputs)
    if np.any(zero != 0):  # a NaN counts
        return "f(0) = 0", zero
    eps = max((float(jnp.finfo(a.dtype).eps) for a in leaves if jnp.issubdtype(a.dtype, jnp.inexact)), default=0)
    trials = [("f(-2x) = -2 f(x)", minus, -2 * fx), ("f(x + y) = f(x) + f(y)", both, fx + fy)]
    trials += [(f"f({c:g}x) = {c:g} f(x)", got, c * fx) for c, got in ((large, grown), (small, shrunk))]
    for law, got, want in trials:
        bound = 256 * eps * np.abs(np.concatenate([want, got])).max(initial=0)
        if not np.all(np.abs(got - want) <= bound):
            return law, got - want
    return None


def _dyadic(rng: np.random.Generator, leaf: Any) -> np.ndarray:
    if jnp.issubdtype(leaf.dtype, jnp.integer):
        return rng.integers(-3, 4, leaf.shape)
    values = rng.integers(-63, 64, leaf.shape) / 16
    if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
        return values + 1j * rng.integers(-63, 64, leaf.shape) / 16
    return values


def is_complex_linear(jaxpr: core.Jaxpr) -> bool:
    """False where a complex value loses its phase: a real or imaginary part, a conjugate, an irfft."""
    varying = set(jaxpr.invars)
    for eqn in jaxpr.eqns:
        touched = [v for v in eqn.invars if not isinstance(v, core.Literal) and v in varying]
        if not touched:
            continue
        varying.update(eqn.outvars)
        into_real = not any(_is_complex(v) for v in eqn.outvars)
        if any(_is_complex(v) for v in touched) and (into_real or eqn.primitive.name == "conj"):
            return False
        if not all(is_complex_linear(_open(inner)) for inner in core.jaxprs_in_params(eqn.params)):
            return False
    return True


def _walk(jaxpr: core.Jaxpr, consts: Sequence[Verdict], args: Sequence[Verdict]) -> list[Verdict]:
    known: dict[Any, Verdict] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))

    def read(atom: Any) -> Verdict:
        return _of_value(atom.val) if isinstance(atom, core.Literal) else known[atom]

    for eqn in jaxpr.eqns:
        for var, verdict in zip(eqn.outvars, _equation(eqn, [read(v) for v in eqn.invars]), strict=True):
            known[var] = verdict
    return [read(v) for v in jaxpr.outvars]


def _equation(eqn: core.JaxprEqn, given: list[Verdict]) -> list[Verdict]:
    name = eqn.primitive.name
    several = len(eqn.outvars)
    if name == "scan":
        return _scan(eqn, given)
    if name == "while":
        return _while(eqn, given)
    if name == "cond":
        branches = [_walk(_open(b), _consts(b), given[1:]) for b in eqn.params["branches"]]
        joined = [_sum(list(outs), "cond") for outs in zip(*branches, strict=True)]
        return [Verdict(Kind.NONLINEAR, "cond")] * several if given[0].varies else joined
    inner = next((eqn.params[key] for key in _CALLS if key in eqn.params), None)
    if inner is not None and len(_open(inner).invars) == len(given) and name != "linear_call":
        return _walk(_open(inner), _consts(inner), given)
    if not any(v.varies for v in given):
        return [_of_constants(name, given)] * several
    return [_of_varying(eqn, name, given)] * several


def _of_constants(name: str, given: list[Verdict]) -> Verdict:
    zero = [v.kind == Kind.ZERO for v in given]
    if name in _PRODUCTS:
        return ZERO if any(zero) else CONSTANT
    data = _MOVES.get(name, ())
    moved = zero if data is None else [zero[i] for i in data]
    if name == "select_n":
        moved = zero[1:]
    return ZERO if moved and all(moved) else CONSTANT


def _of_varying(eqn: core.JaxprEqn, name: str, given: list[Verdict]) -> Verdict:
    broken = Verdict(Kind.NONLINEAR, name)
    varying = [i for i, v in enumerate(given) if v.varies]
    if name in _BREAKERS or _rounds(eqn, name):
        return given[0] if name == "integer_pow" and eqn.params.get("y") == 1 else broken
    if name in _PRODUCTS:
        if any(v.kind == Kind.ZERO for v in given):
            return ZERO
        return given[varying[0]] if len(varying) == 1 else broken
    if name in _NUMERATORS:
        return given[_NUMERATORS[name]] if varying == [_NUMERATORS[name]] else broken
    if name == "select_n":
        return broken if given[0].varies else _sum(given[1:], name)
    if name in _MOVES:
        data = _MOVES[name] or tuple(range(len(given)))
        return _sum([given[i] for i in data], name) if set(varying) <= set(data) else broken
    worst = max(given, key=lambda v: v.kind)
    return worst if worst.kind == Kind.NONLINEAR else Verdict(Kind.UNKNOWN, name)


def _rounds(eqn: core.JaxprEqn, name: str) -> bool:
    """True for a quotient of integers, for a float made an integer, and for a number made a truth value."""
    if name == "div":
        return not _is_inexact(eqn.outvars[0])
    if name != "convert_element_type" or _is_inexact(eqn.outvars[0]):
        return False
    return _is_inexact(eqn.invars[0]) or (_is_bool(eqn.outvars[0]) and not _is_bool(eqn.invars[0]))


def _sum(terms: list[Verdict], name: str) -> Verdict:
    """The kind of a sum (or of pieces side by side): linear plus a constant that may not be zero is affine."""
    worst = max(terms, key=lambda v: v.kind, default=ZERO)
    mixed = worst.kind == Kind.LINEAR and any(v.kind == Kind.CONSTANT for v in terms)
    return Verdict(Kind.AFFINE, name) if mixed else worst


def _scan(eqn: core.JaxprEqn, given: list[Verdict]) -> list[Verdict]:
    body = eqn.params["jaxpr"]
    fixed, carry, rows = _scan_operands(eqn, given)
    while True:
        outs = _walk(_open(body), _consts(body), [*fixed, *carry, *rows])
        grown = [_sum([a, b], "scan") for a, b in zip(carry, outs, strict=False)]
        if [v.kind for v in grown] == [v.kind for v in carry]:
            return [*grown, *outs[len(carry) :]]
        carry = grown


def _scan_operands(eqn: core.JaxprEqn, given: list[Verdict]) -> list[list[Verdict]]:
    """What a scan closes over, carries, and walks along: counted by JAX 0.10, a tree of three in 0.11."""
    if "ft_in" in eqn.params:
        return [list(part) for part in eqn.params["ft_in"].update(given).unpack()]
    n_consts, n_carry = eqn.params["num_consts"], eqn.params["num_carry"]
    return [given[:n_consts], given[n_consts : n_consts + n_carry], given[n_consts + n_carry :]]


def _while(eqn: core.JaxprEqn, given: list[Verdict]) -> list[Verdict]:
    body, test = eqn.params["body_jaxpr"], eqn.params["cond_jaxpr"]
    n_test, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    carry = given[n_test + n_body :]
    while True:
        outs = _walk(_open(body), _consts(body), [*given[n_test : n_test + n_body], *carry])
        grown = [_sum([a, b], "while") for a, b in zip(carry, outs, strict=True)]
        if [v.kind for v in grown] == [v.kind for v in carry]:
            break
        carry = grown
    decides = _walk(_open(test), _consts(test), [*given[:n_test], *carry])
    return [Verdict(Kind.NONLINEAR, "while")] * len(carry) if decides[0].varies else carry


def _open(jaxpr: Any) -> core.Jaxpr:
    return getattr(jaxpr, "jaxpr", jaxpr)


def _consts(jaxpr: Any) -> list[Verdict]:
    return [_of_value(c) for c in getattr(jaxpr, "consts", ())]


def _of_value(value: Any) -> Verdict:
    if isinstance(value, Tracer) or not hasattr(value, "dtype") and not np.isscalar(value):
        return CONSTANT
    if jnp.issubdtype(getattr(value, "dtype", np.float64), jax.dtypes.extended):
        return CONSTANT
    return CONSTANT if np.any(np.asarray(value)) else ZERO


def _is_inexact(atom: Any) -> bool:
    return jnp.issubdtype(atom.aval.dtype, jnp.inexact)


def _is_bool(atom: Any) -> bool:
    return jnp.issubdtype(atom.aval.dtype, jnp.bool_)


def _is_complex(atom: Any) -> bool:
    dtype = getattr(atom.aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.complexfloating)
