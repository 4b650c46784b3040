"""Spaces: what a map reads and what it gives, as shapes and dtypes without arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.errors import ShapeError, complaint


@dataclass(frozen=True, slots=True)
class Space:
    """A pytree of shapes and dtypes, hashable, so that a bound map stays a pytree with static structure."""

    treedef: Any  # a jax.tree_util.PyTreeDef
    leaves: tuple[jax.ShapeDtypeStruct, ...]

    @classmethod
    def of(cls, domain: Any, *, operator: str = "on") -> Space:
        """From a shape tuple (float32), an array, a ShapeDtypeStruct, or a pytree of these.

        >>> Space.of((4, 3)).shape
        (4, 3)
        """
        if isinstance(domain, Space):
            return domain
        if isinstance(domain, (int, np.integer)) and not isinstance(domain, bool):
            raise TypeError(complaint(operator, "a domain is a shape, not a size", got=domain,
                                      expected="a shape tuple, an array, or a jax.ShapeDtypeStruct",
                                      fix=f"write ({domain},) for one axis"))
        leaves, treedef = jax.tree_util.tree_flatten(domain, is_leaf=_is_shape)
        _check_some(leaves, domain, operator)
        return cls(treedef, tuple(_struct(leaf, operator) for leaf in leaves))

    @classmethod
    def of_value(cls, x: Any, *, operator: str) -> Space:
        """From arrays only: a list of numbers is neither a shape nor a signal here, so it is refused."""
        leaves, treedef = jax.tree_util.tree_flatten(x)
        _check_some(leaves, x, operator)
        for leaf in leaves:
            if not hasattr(leaf, "dtype") or isinstance(leaf, jax.ShapeDtypeStruct):
                raise TypeError(complaint(operator, "a map acts on arrays", got=f"{type(leaf).__name__} in {x!r:.60}",
                                          expected="a JAX or NumPy array, or a pytree of arrays",
                                          fix="convert lists and numbers with jnp.asarray"))
        return cls(treedef, tuple(_struct(leaf, operator) for leaf in leaves))

    @classmethod
    def array(cls, shape: tuple[int, ...], dtype: Any) -> Space:
        """The space of one array."""
        struct = jax.ShapeDtypeStruct(tuple(shape), jnp.dtype(dtype))
        return cls(jax.tree_util.tree_structure(0), (struct,))

    @classmethod
    def join(cls, spaces: tuple[Space, ...]) -> Space:
        """The space of a tuple, one entry for each of `spaces`."""
        treedef = jax.tree_util.tree_structure(tuple(space.tree for space in spaces))
        return cls(treedef, tuple(leaf for space in spaces for leaf in space.leaves))

    @property
    def tree(self) -> Any:
        """The pytree of `jax.ShapeDtypeStruct` that users see."""
        return jax.tree_util.tree_unflatten(self.treedef, self.leaves)

    @property
    def is_array(self) -> bool:
        """True where the space is one array, not a tuple or dict of arrays."""
        return jax.tree_util.treedef_is_leaf(self.treedef) and len(self.leaves) == 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the one array."""
        return self._one().shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the one array."""
        return self._one().dtype

    @property
    def free(self) -> int:
        """Leading axes up to the last size that is a symbol, as `jax.export` has them; 0 where all are numbers."""
        free = [i for leaf in self.leaves for i, n in enumerate(leaf.shape) if not isinstance(n, int)]
        return 1 + max(free, default=-1)

    def behind(self, lead: int) -> Space:
        """The same space without its first `lead` axes."""
        return self.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[lead:], leaf.dtype))

    @property
    def size(self) -> int:
        """Number of scalars in all leaves."""
        return sum(math.prod(leaf.shape) for leaf in self.leaves)

    def split(self, operator: str, parts: int) -> tuple[Space, ...]:
        """The spaces of a tuple's entries; ShapeError where it is not a tuple of `parts` entries."""
        tree = self.tree
        if not isinstance(tree, (tuple, list)) or len(tree) != parts:
            raise ShapeError(
                complaint(operator, "wrong number of inputs", got=self, expected=f"a tuple of {parts} arrays",
                          fix=f"pass one array for each of the {parts} maps")
            )
        return tuple(Space.of(part) for part in tree)

    def with_dtypes(self, other: Space) -> Space:
        """These shapes with the dtypes of `other`."""
        pairs = zip(self.leaves, other.leaves, strict=True)
        return Space(self.treedef, tuple(jax.ShapeDtypeStruct(a.shape, b.dtype) for a, b in pairs))

    def map(self, change: Callable[[jax.ShapeDtypeStruct], jax.ShapeDtypeStruct]) -> Space:
        """Every leaf changed by `change`."""
        return Space(self.treedef, tuple(change(leaf) for leaf in self.leaves))

    def batch_of(self, x: Any, operator: str) -> tuple[int, ...]:
        """The leading batch axes of `x` over this space; ShapeError or TypeError where `x` does not lie in it."""
        other = Space.of(x, operator=operator)
        batches = {
            theirs.shape[: len(theirs.shape) - len(ours.shape)]
            for ours, theirs in zip(self.leaves, other.leaves, strict=False)
        }
        fits = other.treedef == self.treedef and all(
            len(theirs.shape) >= len(ours.shape) and theirs.shape[len(theirs.shape) - len(ours.shape):] == ours.shape
            for ours, theirs in zip(self.leaves, other.leaves, strict=False)
        )
        if not fits or len(batches) > 1:
            raise ShapeError(
                complaint(operator, "the input does not lie in the domain this map was bound to", got=other,
                          expected=f"{self} with any leading batch axes",
                          fix="bind the unbound map to the new shape with .on(x), or reshape x")
            )
        return batches.pop() if batches else ()

    def __str__(self) -> str:
        parts = [f"{leaf.dtype.name}[{','.join(map(str, leaf.shape))}]" for leaf in self.leaves]
        if self.is_array:
            return parts[0]
        tree = jax.tree_util.tree_unflatten(self.treedef, [_Word(part) for part in parts])
        return repr(tree)

    def _one(self) -> jax.ShapeDtypeStruct:
        if not self.is_array:
            raise ShapeError(
                complaint("domain", "one array is needed here", got=self, expected="a single array",
                          fix="use stack, row or block_diagonal for tuples of arrays")
            )
        return self.leaves[0]


NUMBERS = ("booleans", "integers", "numbers")  # each kind holds those before it


def numbers_of(dtype: Any) -> str:
    """Which of NUMBERS a dtype holds."""
    return NUMBERS[0 if dtype == jnp.bool_ else 1 if jnp.issubdtype(dtype, jnp.integer) else 2]


class _Word(str):
    """A string that shows itself without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _check_some(leaves: list[Any], given: Any, operator: str) -> None:
    if not leaves:
        raise TypeError(complaint(operator, "there is no array to act on", got=f"{given!r:.60}",
                                  expected="an array, or a pytree with at least one", fix="pass the signal"))


def _is_shape(node: Any) -> bool:
    return isinstance(node, (tuple, list)) and all(isinstance(n, (int, np.integer)) for n in node)


def _struct(leaf: Any, operator: str) -> jax.ShapeDtypeStruct:
    if _is_shape(leaf):
        if any(isinstance(n, bool) or n < 0 for n in leaf):
            raise ShapeError(complaint(operator, "a shape holds sizes", got=tuple(leaf),
                                       expected="non-negative ints", fix="pass the shape of the array to act on"))
        return jax.ShapeDtypeStruct(tuple(int(n) for n in leaf), jnp.dtype(jnp.float32))
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        dtype = jax.dtypes.canonicalize_dtype(leaf.dtype) if isinstance(leaf, np.ndarray) else leaf.dtype
        try:
            numeric = jnp.issubdtype(dtype, np.number) or jnp.issubdtype(dtype, np.bool_)
        except TypeError:  # the dtypes of other frameworks
            raise TypeError(complaint(operator, "a map acts on JAX and NumPy arrays",
                                      got=f"{type(leaf).__module__}.{type(leaf).__name__} of dtype {dtype}",
                                      expected="a JAX or NumPy array",
                                      fix="pass x.numpy() or jnp.asarray(x)")) from None
        if not numeric:
            raise TypeError(complaint(operator, "a map acts on numbers", got=f"dtype {dtype}",
                                      expected="a real, complex or integer dtype", fix="convert the array first"))
        return jax.ShapeDtypeStruct(tuple(leaf.shape), jnp.dtype(dtype))
    raise TypeError(complaint(operator, "cannot read a shape and dtype", got=f"{type(leaf).__name__} ({leaf!r:.60})",
                              expected="a shape tuple, an array, a jax.ShapeDtypeStruct, or a pytree of these",
                              fix="wrap numbers with jnp.asarray"))
