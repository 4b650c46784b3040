"""Maps that need no arithmetic: identity, zero, and the fence around a map that must stay as written."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from deconvjax.algebra.linear_map import LinearMap
from deconvjax.algebra.upstairs import UPSTAIRS, final_map, static
from deconvjax.errors import complaint
from deconvjax.space import Space


@final_map
class Identity(LinearMap):
    """y = x.

    >>> import deconvjax as dj
    >>> print(dj.identity.on((2,)).matrix().astype(int))
    [[1 0]
     [0 1]]
    """

    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        return Identity(space)

    def _codomain(self) -> Space:
        return self._bound_space("codomain")

    def _apply(self, x: Any) -> Any:
        return jax.tree_util.tree_map(jnp.asarray, x)

    def _transpose(self) -> LinearMap:
        return self

    def _along(self, axes: tuple[int, ...]) -> LinearMap:
        return self

    def _label(self) -> str:
        return "identity"

    def _latex(self) -> str:
        return "I"


@final_map
class Zero(LinearMap):
    """y = 0, of the shape of x unless another codomain is known.

    >>> import deconvjax as dj
    >>> print(dj.zero.on((2,)).matrix().astype(int))
    [[0 0]
     [0 0]]
    """

    target: Space | None = static(default=None)
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        if self.space is None or self.target is None:
            return Zero(self.target or space, space)
        batch = self.space.batch_of(space, "zero")
        return Zero(self.target.map(lambda leaf: jax.ShapeDtypeStruct(batch + leaf.shape, leaf.dtype)), space)

    def _codomain(self) -> Space:
        return self.target or self._bound_space("codomain")

    def _apply(self, x: Any) -> Any:
        batch = self._bound_space("apply").batch_of(x, "zero")
        return jax.tree_util.tree_map(lambda leaf: jnp.zeros(batch + leaf.shape, leaf.dtype), self._codomain().tree)

    def _transpose(self) -> LinearMap:
        return Zero(self.space, self._codomain())

    def _along(self, axes: tuple[int, ...]) -> LinearMap:
        return self

    def _label(self) -> str:
        return "zero"

    def _latex(self) -> str:
        return "0"


@final_map
class Atomic(LinearMap):
    """y = A(x), and nothing rewrites A."""

    map: LinearMap
    space: Space | None = static(default=None)

    @property
    def parts(self) -> tuple[LinearMap, ...]:
        """The maps it is made of."""
        return (self.map,)

    def _bind(self, space: Space) -> LinearMap:
        return Atomic(self.map.on(space.tree), space)

    def _codomain(self) -> Space:
        return self.map._codomain()

    def _apply(self, x: Any) -> Any:
        return self.map._apply(x)

    def _transpose(self) -> LinearMap:
        return Atomic(self.map.T, self._codomain())

    def _conj(self) -> LinearMap:
        return Atomic(self.map.conj(), self.space)

    def _along(self, axes: tuple[int, ...]) -> LinearMap:
        return Atomic(self.map.along(axes))

    def _label(self) -> str:
        return f"atomic({self.map._label()})"

    def _latex(self) -> str:
        return rf"\boxed{{{self.map._latex()}}}"


def atomic(a: LinearMap) -> LinearMap:
    """y = A(x), run exactly as written: no law and no plan looks inside.

    For measuring, for debugging, and for keeping a factorisation that was chosen on purpose.

    >>> import deconvjax as dj
    >>> dj.atomic(dj.downsample(2) @ dj.upsample(2)).on((3,))
    <atomic(downsample(2) @ upsample(2)) : float32[3] -> float32[3]>
    """
    if not isinstance(a, LinearMap):
        raise TypeError(complaint("atomic", "it fences a map", got=type(a).__name__, expected="a LinearMap",
                                  fix="wrap functions with linear_map(fn, domain)"))
    return Atomic(a, a.space)


UPSTAIRS.atomic = atomic
identity = Identity()
zero = Zero()
