"""Maps between tuples: filter banks (stack), synthesis (row), and independent channels (block_diagonal)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deconvjax.algebra.combine import Several, add_trees, promote, reading, shapes_of
from deconvjax.algebra.linear_map import LinearMap
from deconvjax.algebra.upstairs import final_map, static
from deconvjax.errors import ShapeError, complaint
from deconvjax.space import Space


@final_map
class Stack(Several):
    """x -> (A1 x, ..., An x)."""

    maps: tuple[LinearMap, ...]
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        return Stack(tuple(part.on(space.tree) for part in self.maps), space)

    def _codomain(self) -> Space:
        return Space.join(tuple(part._codomain() for part in self.maps))

    def _apply(self, x: Any) -> Any:
        return tuple(part._apply(x) for part in self.maps)

    def _transpose(self) -> LinearMap:
        return Row(tuple(part.T for part in self.maps), self._codomain())

    def _label(self) -> str:
        return _list("stack", self.maps)

    def _latex(self) -> str:
        return _column(self.maps)


@final_map
class Row(Several):
    """(x1, ..., xn) -> A1 x1 + ... + An xn."""

    maps: tuple[LinearMap, ...]
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        spaces = _entries("row", self.maps, space)
        bound = tuple(part.on(s.tree) for part, s in zip(self.maps, spaces, strict=True))
        if len({shapes_of(part._codomain()) for part in bound}) > 1:
            raise ShapeError(complaint(self._label(), "the terms of a row land in different shapes",
                                       got=", ".join(str(part._codomain()) for part in bound),
                                       expected="one codomain", fix="crop or pad the branches to one size"))
        return Row(bound, space)

    def _codomain(self) -> Space:
        return promote(tuple(part._codomain() for part in self.maps))

    def _apply(self, x: Any) -> Any:
        return add_trees(tuple(part._apply(each) for part, each in zip(self.maps, x, strict=True)))

    def _transpose(self) -> LinearMap:
        landing = self._codomain()
        return Stack(tuple(reading(part.T, landing) for part in self.maps), landing)

    def _label(self) -> str:
        return _list("row", self.maps)

    def _latex(self) -> str:
        return rf"\begin{{bmatrix}}{' & '.join(part._latex() for part in self.maps)}\end{{bmatrix}}"


@final_map
class BlockDiagonal(Several):
    """(x1, ..., xn) -> (A1 x1, ..., An xn)."""

    maps: tuple[LinearMap, ...]
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        spaces = _entries("block_diagonal", self.maps, space)
        return BlockDiagonal(tuple(part.on(s.tree) for part, s in zip(self.maps, spaces, strict=True)), space)

    def _codomain(self) -> Space:
        return Space.join(tuple(part._codomain() for part in self.maps))

    def _apply(self, x: Any) -> Any:
        return tuple(part._apply(each) for part, each in zip(self.maps, x, strict=True))

    def _transpose(self) -> LinearMap:
        return BlockDiagonal(tuple(part.T for part in self.maps), self._codomain())

    def _label(self) -> str:
        return _list("block_diagonal", self.maps)

    def _latex(self) -> str:
        return rf"\mathrm{{diag}}\left({', '.join(part._latex() for part in self.maps)}\right)"


def stack(maps: Iterable[LinearMap]) -> LinearMap:
    """x -> (A1 x, ..., An x): one signal into a filter bank.

    Args:
        maps: the branches, all reading the same domain. The codomain is a tuple. `stack(maps).T` is `row` of their
            transposes.

    >>> import deconvjax as dj
    >>> bank = dj.stack([dj.downsample(2), dj.downsample(2, phase=1)])
    >>> bank.on((6,)).codomain
    (ShapeDtypeStruct(shape=(3,), dtype=float32), ShapeDtypeStruct(shape=(3,), dtype=float32))
    """
    return _bound_together("stack", maps, Stack)


def row(maps: Iterable[LinearMap]) -> LinearMap:
    """(x1, ..., xn) -> A1 x1 + ... + An xn: synthesis, the transpose kind of `stack`.

    Args:
        maps: the branches, one for each entry of the domain, a plain tuple (a list or namedtuple is refused: transposes
            land in tuples).

    >>> import deconvjax as dj
    >>> merge = dj.row([dj.upsample(2), dj.shift(1, axes=-1) @ dj.upsample(2)])
    >>> merge.on(((3,), (3,))).codomain.shape
    (6,)
    """
    return _bound_together("row", maps, Row)


def block_diagonal(maps: Iterable[LinearMap]) -> LinearMap:
    """(x1, ..., xn) -> (A1 x1, ..., An xn): each map on its own entry of a tuple (a plain one, as for `row`).

    >>> import deconvjax as dj
    >>> print(dj.block_diagonal([dj.upsample(2), dj.identity]).on(((2,), (1,))).matrix().astype(int))
    [[1 0 0]
     [0 0 0]
     [0 1 0]
     [0 0 0]
     [0 0 1]]
    """
    return _bound_together("block_diagonal", maps, BlockDiagonal)


def _bound_together(operator: str, maps: Iterable[LinearMap], kind: Any) -> LinearMap:
    parts = tuple(maps) if isinstance(maps, Iterable) else ()
    if not parts or not all(isinstance(part, LinearMap) for part in parts):
        got = type(maps).__name__ if not parts else ", ".join(type(part).__name__ for part in parts)
        raise TypeError(complaint(operator, "maps must be a non-empty list of LinearMaps", got=got,
                                  expected=f"{operator}([A, B, ...])",
                                  fix="wrap functions with linear_map(fn, domain)"))
    if all(part.is_bound for part in parts):
        spaces = tuple(part.space for part in parts)
        if kind is not Stack:
            return kind(parts).on(Space.join(spaces).tree)  # type: ignore[arg-type]
        return kind(parts).on(spaces[0].tree)  # type: ignore[union-attr]
    return kind(parts)


def _entries(operator: str, maps: tuple[LinearMap, ...], space: Space) -> tuple[Space, ...]:
    """What each map reads. Transposes land in plain tuples, so that is what is read: A.T lands in A.domain."""
    kind = type(space.tree)
    if kind is not tuple and issubclass(kind, (tuple, list)):
        raise ShapeError(complaint(operator, "the inputs stand in a plain tuple", got=f"a {kind.__name__}, {space}",
                                   expected=f"a tuple of {len(maps)} entries", fix="pass tuple(x)"))
    return space.split(operator, len(maps))


def _list(name: str, maps: tuple[LinearMap, ...]) -> str:
    return f"{name}([{', '.join(part._label() for part in maps)}])"


def _column(maps: tuple[LinearMap, ...]) -> str:
    rows = r" \\ ".join(part._latex() for part in maps)
    return rf"\begin{{bmatrix}}{rows}\end{{bmatrix}}"
