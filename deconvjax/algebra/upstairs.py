"""How a class becomes a map, and the slots through which floors above add methods to every map."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

import jax

from deconvjax.space import Space

if TYPE_CHECKING:
    from deconvjax.algebra.linear_map import LinearMap

Map = TypeVar("Map", bound="LinearMap")


def static(**options: Any) -> Any:
    """A dataclass field that is structure, not data."""
    return dataclasses.field(metadata={"static": True}, **options)


@dataclass_transform(frozen_default=True, field_specifiers=(static, dataclasses.field))
def final_map(cls: type[Map]) -> type[Map]:
    """Register a LinearMap subclass as frozen dataclass and pytree; fields made by `static()` are structure."""
    frozen = dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
    return jax.tree_util.register_dataclass(frozen)


def _missing(*_: Any) -> Any:
    raise RuntimeError("import deconvjax (not one of its inner modules alone) to use this method")


@dataclasses.dataclass
class Upstairs:
    """What floors above this file add to every map: each fills its slots when it is imported.

    Imports go down only, and still `A @ B`, `A(x)` and `A.explain()` are methods of every map: the algebra fills
    the first five slots, `deconvjax.rewrite` the next two, `deconvjax.read` the rest.
    """

    compose: Callable[[LinearMap, LinearMap], LinearMap] = _missing
    add: Callable[[LinearMap, LinearMap], LinearMap] = _missing
    scale: Callable[[Any, LinearMap], LinearMap] = _missing
    cast: Callable[[LinearMap, Space], LinearMap] = _missing
    atomic: Callable[[LinearMap], LinearMap] = _missing
    plan: Callable[[LinearMap], LinearMap] = lambda bound: bound
    simplify: Callable[[LinearMap], LinearMap] = _missing
    explain: Callable[[LinearMap], Any] = _missing
    sparse: Callable[[LinearMap], Any] = _missing
    cost: Callable[[LinearMap], Any] = _missing


UPSTAIRS = Upstairs()
