"""LinearMap: what every operator can do, whatever it is made of.

A map is an immutable pytree: arrays (taps, weights) are leaves, everything else is static. It is shape-free until it is
bound to a domain. Concrete maps are abstract-or-final frozen dataclasses made by `@final_map`; they write five methods
(`_bind`, `_codomain`, `_apply`, `_transpose`, `_label`) and inherit the rest.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.algebra.hint import binding
from deconvjax.algebra.operands import misfit, reciprocal, same_array, scalar
from deconvjax.algebra.upstairs import UPSTAIRS
from deconvjax.errors import ShapeError, UnboundError, complaint
from deconvjax.space import NUMBERS, Space, numbers_of


class LinearMap:
    """y = A(x), linear in x.

    `A(x)` and `A @ x` apply it, `A @ B` composes, `A + B`, `A - B`, `-A`, `c * A`, `A / c` combine. `A.on(domain)`
    binds it to a shape; `A.T`, `A.H`, `A.matrix()`, `A.sparse()` and `A.explain()` need a bound map.

    >>> import deconvjax as dj
    >>> (dj.downsample(2) @ dj.convolve([1, 2, 1])).on((6,)).T
    <correlate(3 taps) @ upsample(2) : float32[3] -> float32[6]>
    """

    space: Space | None  # the domain, once bound; static in every subclass

    # ---- what a concrete map writes -------------------------------------------------------------------------------
    def _bind(self, space: Space) -> LinearMap:
        """This map on `space`, validated, sizes resolved; may be a map of another class."""
        raise NotImplementedError

    def _codomain(self) -> Space:
        """Where a bound map lands."""
        raise NotImplementedError

    def _apply(self, x: Any) -> Any:
        """A(x) for a bound map and an `x` in its domain, leading batch axes included."""
        raise NotImplementedError

    def _transpose(self) -> LinearMap:
        """The bilinear transpose of a bound map, bound to its codomain."""
        raise NotImplementedError

    def _label(self) -> str:
        """How the map is called in messages and drawings: `convolve(5 taps)`."""
        raise NotImplementedError

    def _conj(self) -> LinearMap:
        """conj o A o conj; a map with real coefficients is its own."""
        return self

    def _along(self, axes: tuple[int, ...]) -> LinearMap:
        raise ShapeError(complaint(self._label(), "this map cannot be laid along other axes", got=f"along({axes})",
                                   expected="a map that acts on trailing space axes", fix="move the axes of x instead"))

    def _latex(self) -> str:
        return rf"\mathrm{{{self._label()}}}".replace("_", r"\_")

    @property
    def is_complex_linear(self) -> bool:
        """False where the map is linear over the reals only (it takes a real part somewhere)."""
        return all(part.is_complex_linear for part in self.parts)

    @property
    def parts(self) -> tuple[LinearMap, ...]:
        """The maps this one is made of, none for a leaf."""
        return ()

    def _leaves(self) -> list[LinearMap]:
        """The maps at the bottom; a leaf is its own."""
        return [leaf for part in self.parts for leaf in part._leaves()] or [self]

    # ---- binding --------------------------------------------------------------------------------------------------
    def on(self, domain: Any) -> LinearMap:
        """A bound to `domain`: a shape (float32), an array, a ShapeDtypeStruct, or a pytree of these."""
        space = Space.of(domain, operator=f"{self._label()}.on")
        self._check(space)
        return self._bind(space)

    def _check(self, space: Space) -> None:
        """Refuse empty axes, and (where bound) what does not lie in the domain."""
        if any(n == 0 for leaf in space.leaves for n in leaf.shape):
            raise ShapeError(complaint(self._label(), "an axis of length 0 holds nothing to act on", got=space,
                                       expected="every axis at least 1 long", fix="drop the empty input"))
        if self.space is None:
            return
        self.space.batch_of(space, self._label())
        pairs = zip(self.space.leaves, space.leaves, strict=True)
        if any(_complex(x) and not _complex(ours) for ours, x in pairs) and not self.is_complex_linear:
            raise TypeError(complaint(self._label(), "the map takes real parts and was bound to real numbers",
                                      got=space, expected=self.space, fix="pass x.real and x.imag one by one"))

    @property
    def is_bound(self) -> bool:
        """True where the map knows its domain."""
        return self.space is not None

    @property
    def domain(self) -> Any:
        """Pytree of `jax.ShapeDtypeStruct` that a bound map reads."""
        return self._bound_space("domain").tree

    @property
    def codomain(self) -> Any:
        """Pytree of `jax.ShapeDtypeStruct` that a bound map gives."""
        self._bound_space("codomain")
        return self._codomain().tree

    def _bound_space(self, asked: str) -> Space:
        if self.space is None:
            who = asked if "." in asked else f"{self._label()}.{asked}"
            raise UnboundError(complaint(who, "the map has no shape yet", got=f"the unbound {self._label()}",
                                         expected="a bound map", fix=binding(self, asked)))
        return self.space

    # ---- application ----------------------------------------------------------------------------------------------
    def __call__(self, x: Any) -> Any:
        """A(x), run as the cheapest equal plan; leading batch axes are allowed, of symbolic size (`jax.export`) too."""
        space = Space.of_value(x, operator=self._label())
        self._check(space)
        bound = self._bind_behind(space) if self.space is None else self
        return UPSTAIRS.plan(bound)._apply(x)

    def _bind_behind(self, space: Space) -> LinearMap:
        """This map on what lies behind axes of symbolic size: those can only be batch axes."""
        lead = space.free
        if not lead:
            return self._bind(space)
        try:
            return self._bind(space.behind(lead))
        except ShapeError as error:
            raise ShapeError(complaint(self._label(), "an axis of symbolic size is not a batch axis", got=space,
                                       expected=f"numbers on the axes that the map acts on (without its first {lead}: "
                                       f"{error})", fix="map over batch axes with jax.vmap, or export with "
                                       "those sizes given")) from None

    def along(self, axes: int | tuple[int, ...]) -> LinearMap:
        """The same map acting on `axes` (counted from the end) instead of on the trailing ones.

        An unbound image operator is composed without `axes=` and laid along (-3, -2) of channels-last images once.
        """
        where = tuple(axes) if isinstance(axes, Iterable) else (axes,)
        where = tuple(operator.index(a) if isinstance(a, np.integer) else a for a in where)
        if self.space is not None:
            raise ShapeError(complaint(self._label(), "a bound map has its axes", got="a bound map",
                                       expected="an unbound map", fix="call .along(axes) before .on(domain)"))
        if any(not isinstance(a, int) or isinstance(a, bool) or a >= 0 for a in where) or len(set(where)) != len(where):
            raise ShapeError(complaint(self._label(), "axes count from the end", got=f"along({where})",
                                       expected="distinct negative ints", fix="along((-3, -2)) for (..., H, W, C)"))
        return self._along(where)

    # ---- transposition --------------------------------------------------------------------------------------------
    @property
    def T(self) -> LinearMap:
        """The transpose: <A x, y> = <x, A.T y> without conjugation; equals `jax.linear_transpose(A, domain)`."""
        space = self._bound_space("T")
        for ours, theirs in zip(space.leaves, self._codomain().leaves, strict=False):
            wanted, given = (numbers_of(leaf.dtype) for leaf in (ours, theirs))
            if NUMBERS.index(wanted) < NUMBERS.index(given):
                raise TypeError(complaint(f"{self._label()}.T", f"the transpose would have to give {wanted}",
                                          got=f"domain {space}", expected="a float or complex domain",
                                          fix="bind with .on(jax.ShapeDtypeStruct(shape, float))"))
        transposed = self._transpose()
        landed = transposed._codomain()
        if [leaf.dtype for leaf in landed.leaves] == [leaf.dtype for leaf in space.leaves]:
            return transposed
        return UPSTAIRS.cast(transposed, space)

    @property
    def H(self) -> LinearMap:
        """The adjoint, conj o T o conj: <A x, y> = <x, A.H y> with the complex inner product."""
        return self.T.conj()

    def conj(self) -> LinearMap:
        """The map with conjugated coefficients, conj o A o conj."""
        return self._conj()

    # ---- algebra --------------------------------------------------------------------------------------------------
    __array_ufunc__ = None  # NumPy scalars and arrays leave the operators to us

    def __matmul__(self, other: Any) -> Any:
        return UPSTAIRS.compose(self, other) if isinstance(other, LinearMap) else self(other)

    def __rmatmul__(self, other: Any) -> Any:
        raise misfit(other, f"... @ {self._label()}", "a LinearMap")

    def __add__(self, other: LinearMap) -> LinearMap:
        return UPSTAIRS.add(self, self._operand(other, "+"))

    def __radd__(self, other: Any) -> LinearMap:
        return self if isinstance(other, int) and other == 0 else self._operand(other, "+")  # sum(maps) starts at 0

    def __sub__(self, other: LinearMap) -> LinearMap:
        return UPSTAIRS.add(self, -self._operand(other, "-"))

    def __rsub__(self, other: Any) -> LinearMap:
        return self._operand(other, "-")

    def __neg__(self) -> LinearMap:
        return UPSTAIRS.scale(-1, self)

    def __mul__(self, scalar: Any) -> LinearMap:
        return UPSTAIRS.scale(self._operand(scalar, "*"), self)

    __rmul__ = __mul__

    def __truediv__(self, scalar: Any) -> LinearMap:
        return UPSTAIRS.scale(reciprocal(self._operand(scalar, "/"), self._label()), self)

    def _operand(self, other: Any, sign: str) -> Any:
        """`other`, a map to add or a scalar to multiply by; TypeError for anything else."""
        if sign in "*/":
            return scalar(other, self._label(), sign)
        if isinstance(other, LinearMap):
            return other
        raise misfit(other, f"{self._label()} {sign} ...", "a LinearMap")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LinearMap):
            return NotImplemented
        (ours, structure), (theirs, other_structure) = (jax.tree_util.tree_flatten(m) for m in (self, other))
        return structure == other_structure and all(map(same_array, ours, theirs))

    def __hash__(self) -> int:
        return hash(jax.tree_util.tree_structure(self))

    # ---- readings -------------------------------------------------------------------------------------------------
    def matrix(self) -> jax.Array:
        """The dense matrix (out, in), rows and columns in row-major order of codomain and domain."""
        space = self._bound_space("matrix()")
        basis, start = [], 0
        for leaf in space.leaves:
            n = math.prod(leaf.shape)
            block = np.eye(space.size, n, -start).reshape(space.size, *leaf.shape)
            basis.append(jnp.asarray(block, dtype=leaf.dtype))
            start += n
        images = self(jax.tree_util.tree_unflatten(space.treedef, basis))
        columns = [image.reshape(space.size, -1) for image in jax.tree_util.tree_leaves(images)]
        return jnp.concatenate(columns, axis=1).T

    def sparse(self) -> Any:
        """The matrix as `jax.experimental.sparse.BCOO`, written from the taps without probing."""
        self._bound_space("sparse()")
        return UPSTAIRS.sparse(self)

    def explain(self) -> Any:
        """What runs: the chain, shapes, laws that fired, lowering chosen, multiply-adds and bytes."""
        self._bound_space("explain()")
        return UPSTAIRS.explain(self)

    def cost(self) -> Any:
        """Multiply-adds and bytes of one application, as written and as planned."""
        self._bound_space("cost()")
        return UPSTAIRS.cost(self)

    def simplify(self) -> LinearMap:
        """An equal map with every law applied that holds without knowing more than the structure."""
        return UPSTAIRS.simplify(self)

    def plan(self, how: str = "on") -> LinearMap:
        """The cheapest equal map, which is what `A(x)` runs; `A.plan("off")` is A, run exactly as written.

        >>> import deconvjax as dj
        >>> A = (dj.downsample(2) @ dj.convolve([1, 2, 1])).on((9,))
        >>> A.plan()
        <upfirdn(3 taps, up=1, down=2) : float32[9] -> float32[5]>
        >>> A.plan("off")
        <atomic(downsample(2) @ convolve(3 taps)) : float32[9] -> float32[5]>
        """
        if how not in ("on", "off"):
            raise ValueError(complaint(f"{self._label()}.plan", "it is on or off", got=repr(how),
                                       expected="'on' or 'off'", fix="A.plan() for the plan, A.plan('off') for A"))
        if how == "off":
            return UPSTAIRS.atomic(self)
        self._bound_space("plan()")
        return UPSTAIRS.plan(self)

    def __repr__(self) -> str:
        shapes = "" if self.space is None else f" : {self.space} -> {self._codomain()}"
        return f"<{self._label()}{shapes}>"

    def _repr_latex_(self) -> str:
        return f"${self._latex()}$"


def _complex(leaf: jax.ShapeDtypeStruct) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.complexfloating)
