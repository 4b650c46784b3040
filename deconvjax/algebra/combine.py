"""Maps made of maps: chains, sums and multiples. Nothing is reduced here; the structure stays as it was written."""

from __future__ import annotations

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.algebra.linear_map import LinearMap
from deconvjax.algebra.trivial import Identity
from deconvjax.algebra.upstairs import UPSTAIRS, final_map, static
from deconvjax.errors import ShapeError, complaint, draw_chain
from deconvjax.space import Space


class Several(LinearMap):
    """A map made of a tuple of maps, whatever it does with them; what is done part by part is written here once."""

    maps: tuple[LinearMap, ...]  # a field of every concrete one

    @property
    def parts(self) -> tuple[LinearMap, ...]:
        """The maps it is made of."""
        return self.maps

    def _conj(self) -> LinearMap:
        return self._made_of(tuple(part.conj() for part in self.maps), self.space)

    def _along(self, axes: tuple[int, ...]) -> LinearMap:
        return self._made_of(tuple(part.along(axes) for part in self.maps), None)

    def _made_of(self, maps: tuple[LinearMap, ...], space: Space | None) -> LinearMap:
        kind: Any = type(self)
        return kind(maps, space)


@final_map
class Chain(Several):
    """(A1 o A2 o ... o An)(x): written left to right as in mathematics, the rightmost acts first."""

    maps: tuple[LinearMap, ...]
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        bound: list[LinearMap] = []
        here = space
        for index in reversed(range(len(self.maps))):
            try:
                part = self.maps[index].on(here.tree)
            except (ShapeError, TypeError) as error:
                drawn = draw_chain([part._label() for part in self.maps], index, f"was given {here}")
                raise type(error)(f"{error}\n{drawn}") from None
            bound[:0] = part.maps if isinstance(part, Chain) else (part,)  # a map may become a chain when bound
            here = part._codomain()
        return Chain(tuple(bound), space)

    def _codomain(self) -> Space:
        return self.maps[0]._codomain()

    def _apply(self, x: Any) -> Any:
        for part in reversed(self.maps):
            x = part._apply(x)
        return x

    def _transpose(self) -> LinearMap:
        return Chain(tuple(part.T for part in reversed(self.maps)), self._codomain())

    def _label(self) -> str:
        return " @ ".join(f"({part._label()})" if isinstance(part, Sum) else part._label() for part in self.maps)

    def _latex(self) -> str:
        return r" \circ ".join(
            rf"\left({part._latex()}\right)" if isinstance(part, Sum) else part._latex() for part in self.maps
        )


@final_map
class Sum(Several):
    """(A1 + A2 + ... + An)(x)."""

    maps: tuple[LinearMap, ...]
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        bound = tuple(part.on(space.tree) for part in self.maps)
        shapes = {shapes_of(part._codomain()) for part in bound}
        if len(shapes) > 1:
            raise ShapeError(complaint(self._label(), "the terms of a sum land in different shapes",
                                       got=", ".join(str(part._codomain()) for part in bound),
                                       expected="one codomain", fix="crop or pad the terms to one size"))
        return Sum(bound, space)

    def _codomain(self) -> Space:
        return promote(tuple(part._codomain() for part in self.maps))

    def _apply(self, x: Any) -> Any:
        return add_trees(tuple(part._apply(x) for part in self.maps))

    def _transpose(self) -> LinearMap:
        landing = self._codomain()
        return Sum(tuple(reading(part.T, landing) for part in self.maps), landing)

    def _label(self) -> str:
        return " + ".join(part._label() for part in self.maps).replace("+ -", "- ")

    def _latex(self) -> str:
        return " + ".join(part._latex() for part in self.maps).replace("+ -", "- ")


@final_map
class Scaled(LinearMap):
    """(c A)(x) = c A(x). The scalar is a leaf: it may be traced and differentiated."""

    scalar: Any
    map: LinearMap
    space: Space | None = static(default=None)

    @property
    def parts(self) -> tuple[LinearMap, ...]:
        """The maps it is made of."""
        return (self.map,)

    def _bind(self, space: Space) -> LinearMap:
        return Scaled(self.scalar, self.map.on(space.tree), space)

    def _codomain(self) -> Space:
        def promoted(leaf: Any) -> Any:
            return type(leaf)(leaf.shape, jnp.result_type(leaf.dtype, self.scalar))

        return self.map._codomain().map(promoted)

    def _apply(self, x: Any) -> Any:
        y = self.map._apply(x)
        return jax.tree_util.tree_map(lambda leaf: leaf * self.scalar, y)

    def _transpose(self) -> LinearMap:
        landing = self._codomain()
        back = reading(self.map.T, landing)
        if not jnp.iscomplexobj(self.scalar) or back.is_complex_linear:
            return Scaled(self.scalar, back, landing)
        # `back` takes a real part, and Re(c z) is not c Re(z): the scalar acts first.
        return compose(back, scalar_map(self.scalar, landing))

    def _conj(self) -> LinearMap:
        scalar = self.scalar.conjugate() if jnp.iscomplexobj(self.scalar) else self.scalar
        return Scaled(scalar, self.map.conj(), self.space)

    def _along(self, axes: tuple[int, ...]) -> LinearMap:
        return Scaled(self.scalar, self.map.along(axes))

    def _factor(self, times: str) -> str:
        if isinstance(self.scalar, (int, float)):
            plain = "" if self.scalar == 1 else "-" if self.scalar == -1 else None
            return f"{self.scalar:.6g}{times}" if plain is None else plain
        return f"{self.scalar}{times}" if isinstance(self.scalar, complex) else f"c{times}"

    def _label(self) -> str:
        inner = self.map._label()
        return self._factor(" * ") + (f"({inner})" if isinstance(self.map, (Sum, Chain)) else inner)

    def _latex(self) -> str:
        inner = self.map._latex()
        return self._factor(r"\,") + (rf"\left({inner}\right)" if isinstance(self.map, Sum) else inner)


@final_map
class Cast(LinearMap):
    """y = x in another dtype; complex to real takes the real part (linear over the reals only).

    It appears where a transpose has to land in the dtype of the domain: a real signal filtered by complex taps.
    """

    target: Space = static()
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        return Cast(space.with_dtypes(self.target), space)

    def _codomain(self) -> Space:
        return self.target

    def _apply(self, x: Any) -> Any:
        return jax.tree_util.tree_map(_cast, x, self.target.tree)

    def _transpose(self) -> LinearMap:
        assert self.space is not None
        return Cast(self.space, self.target)

    @property
    def is_complex_linear(self) -> bool:
        """False where complex becomes real."""
        assert self.space is not None
        pairs = zip(self.space.leaves, self.target.leaves, strict=True)
        return not any(_is_complex(a.dtype) and not _is_complex(b.dtype) for a, b in pairs)

    def _label(self) -> str:
        return "real" if not self.is_complex_linear else f"astype({self.target.leaves[0].dtype.name})"


def compose(outer: LinearMap, inner: LinearMap) -> LinearMap:
    """outer o inner as one flat chain, bound where either end makes it possible."""
    maps = tuple(part for m in (outer, inner) for part in (m.maps if isinstance(m, Chain) else (m,)))
    chain = Chain(tuple(maps))
    return chain.on(inner.space.tree) if inner.space is not None else chain


def add(first: LinearMap, second: LinearMap) -> LinearMap:
    """first + second as one flat sum."""
    maps = tuple(part for m in (first, second) for part in (m.maps if isinstance(m, Sum) else (m,)))
    spaces = [m.space for m in (first, second) if m.space is not None]
    return Sum(maps).on(spaces[0].tree) if spaces else Sum(maps)


def scale(scalar: Any, a: LinearMap) -> LinearMap:
    """c A."""
    if isinstance(scalar, np.generic):
        scalar = scalar.item()  # a NumPy scalar is a constant: it takes the dtype of what it multiplies
    return Scaled(scalar, a, a.space)


def scalar_map(scalar: Any, space: Space) -> Scaled:
    """c I."""
    return Scaled(scalar, Identity(space), space)


def cast_to(transposed: LinearMap, domain: Space) -> LinearMap:
    """A transpose made to land in the dtypes of the original domain."""
    landed = transposed._codomain()
    return compose(Cast(domain, landed), transposed)


def reading(a: LinearMap, space: Space) -> LinearMap:
    """`a` made to read `space` (the same shapes, another dtype) instead of its own domain."""
    assert a.space is not None
    return a if a.space == space else compose(a, Cast(a.space, space))


def promote(spaces: tuple[Space, ...]) -> Space:
    """Equal shapes, dtypes promoted as JAX promotes them."""
    columns = zip(*(space.leaves for space in spaces), strict=True)
    leaves = tuple(jax.ShapeDtypeStruct(c[0].shape, jnp.result_type(*(leaf.dtype for leaf in c))) for c in columns)
    return Space(spaces[0].treedef, leaves)


def add_trees(trees: tuple[Any, ...]) -> Any:
    """Sum of equal pytrees, left to right."""
    return jax.tree_util.tree_map(lambda *leaves: functools.reduce(operator.add, leaves), *trees)


def shapes_of(space: Space) -> tuple[Any, ...]:
    """What must agree for two maps to be added: tree and shapes, not dtypes."""
    return space.treedef, *(leaf.shape for leaf in space.leaves)


def _cast(x: Any, target: jax.ShapeDtypeStruct) -> Any:
    if _is_complex(x.dtype) and not _is_complex(target.dtype):
        x = x.real
    return x.astype(target.dtype)


def _is_complex(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.complexfloating)


UPSTAIRS.compose, UPSTAIRS.add, UPSTAIRS.scale, UPSTAIRS.cast = compose, add, scale, cast_to
