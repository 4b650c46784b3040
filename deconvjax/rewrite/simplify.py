"""The normal form: every lossless law, to a fixed point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from deconvjax.algebra import (
    Atomic,
    BlockDiagonal,
    Chain,
    Identity,
    LinearMap,
    Row,
    Scaled,
    Stack,
    Sum,
    Zero,
)
from deconvjax.algebra.combine import scalar_map
from deconvjax.rewrite.law import Law, Speakers
from deconvjax.rewrite.laws import LAWS
from deconvjax.rewrite.stages import moves, space_of
from deconvjax.rewrite.taps import times
from deconvjax.space import Space


@dataclass(frozen=True, slots=True)
class Firing:
    """law(*operands) = result: one law that fired, on which maps, and what came of them.

    >>> import deconvjax as dj
    >>> (dj.downsample(2) @ dj.downsample(3)).on((12,)).explain().fired[0].after
    'downsample(6)'
    """

    law: Law
    operands: tuple[LinearMap, ...]
    result: LinearMap

    @property
    def before(self) -> str:
        """The maps as they are written."""
        return " @ ".join(part._label() for part in self.operands)

    @property
    def after(self) -> str:
        """What came of them."""
        return self.result._label()


class Memory:
    """What is known of the maps met so far: their kinds, and those that no lossless law changes.

    Maps are known by identity (equality would compare taps), and kept, so that no identity is used twice.
    """

    def __init__(self) -> None:
        self._kinds: dict[int, tuple[LinearMap, int]] = {}
        self.settled: set[tuple[int, ...]] = set()
        self.tried: dict[Any, Any] = {}  # what costed laws made of maps: the plan's

    def speakers(self, laws: tuple[Law, ...], operands: Sequence[LinearMap]) -> tuple[Law, ...]:
        """Those of `laws` that speak of the first of `operands`, or of the first few."""
        return SPEAKERS.of(laws, *map(self.kind, operands))

    def kind(self, a: LinearMap) -> int:
        """`Speakers.kind`, asked once."""
        found = self._kinds.get(id(a))
        if found is None:
            found = self._kinds[id(a)] = a, SPEAKERS.kind(a)
        return found[1]


@dataclass(slots=True)
class Record:
    """fired = the laws applied, in order; refused = those that spoke and would not, where the tests ask for them.

    >>> Record().fired
    []
    """

    fired: list[Firing] = field(default_factory=list)
    refused: list[Law] | None = None
    memory: Memory = field(default_factory=Memory)

    def aside(self) -> Record:
        """A record of a trial, which remembers what this one does."""
        return Record(refused=self.refused, memory=self.memory)

    def first(self, laws: tuple[Law, ...], *operands: LinearMap) -> LinearMap | None:
        """What the first of `laws` that does not refuse makes of `operands`, written down."""
        for law in self.memory.speakers(laws, operands):
            result = law.rewrite(*operands)
            if result is not None:
                self.fired.append(Firing(law, operands, result))
                return result
            if self.refused is not None:
                self.refused.append(law)
        return None

    def lossless(self, *operands: LinearMap) -> LinearMap | None:
        """`first` of the lossless laws; operands on which they have all refused are not offered again."""
        names = tuple(map(id, operands))
        if names in self.memory.settled:
            return None
        result = self.first(LOSSLESS[len(operands)], *operands)
        if result is None:
            self.memory.settled.add(names)
        return result


SPEAKERS = Speakers(LAWS)
LOSSLESS = {n: tuple(law for law in LAWS if law.lossless and len(law.patterns) == n) for n in (1, 2)}


def simplify(a: LinearMap, record: Record | None = None) -> LinearMap:
    """A' = A with every law applied that never costs more: the same normal form whatever the brackets were.

    It drops what is not computed or not read, unites rates, windows and filters of one axis, and moves scalars to where
    the fewest samples are. It does not convolve kernels that are cheaper apart and does not choose between equal terms:
    that is `plan`, which runs behind every `A(x)`. An unbound map has no borders yet and comes back as it is.

    >>> import deconvjax as dj
    >>> A = (dj.downsample(2) @ dj.upsample(6) @ dj.downsample(5)).on((10,))
    >>> A.simplify()
    <rate(up=3, down=5, pads=(0, -2)) : float32[10] -> float32[6]>
    """
    if a.space is None:
        return a
    return _simplified(a, record or Record())


def _simplified(a: LinearMap, record: Record) -> LinearMap:
    if isinstance(a, Atomic):
        return a
    if isinstance(a, Scaled):
        return _chain((a,), space_of(a), record)
    if isinstance(a, Chain):
        return _chain(a.maps, space_of(a), record)
    return _chain((a,), space_of(a), record)


def flat(maps: Iterable[LinearMap], record: Record, descend: bool = True) -> list[LinearMap]:
    """The maps of a chain, chains and multiples inside it taken apart, innermost last; what they hold simplified."""
    parts: list[LinearMap] = []
    for part in maps:
        if isinstance(part, Chain):
            parts += flat(part.maps, record, descend)
        elif isinstance(part, Scaled):
            if isinstance(part.map, Identity):
                parts.append(part)
                continue
            inner = flat((part.map,), record, descend)
            parts += [scalar_map(part.scalar, inner[0]._codomain()), *inner]
        elif descend and isinstance(part, (Sum, Stack, Row, BlockDiagonal)):
            parts.append(replace(part, maps=tuple(_simplified(p, record) for p in part.maps)))
        else:
            parts.append(part)
    return parts


def _chain(maps: Iterable[LinearMap], space: Space, record: Record) -> LinearMap:
    parts = flat(maps, record)
    scalars: list[Any] = []
    position = len(parts) - 1
    while position >= 0 and parts:
        position = min(position, len(parts) - 1)
        if moves(parts, position):
            scalars.append(parts.pop(position).scalar)  # type: ignore[attr-defined]
            continue
        step = _step(parts, position, record)
        position = position - 1 if step is None else min(step, len(parts) - 1)
    return with_scalars(parts, scalars, space)


def _step(parts: list[LinearMap], position: int, record: Record) -> int | None:
    """One law on the map at `position`, or on it and the one it acts on; where to go on, None where nothing fired."""
    result = record.lossless(parts[position])
    if result is not None:
        parts[position:position + 1] = flat((result,), record)
        return position + 1
    if position + 1 < len(parts):
        result = record.lossless(*parts[position:position + 2])
        if result is not None:
            parts[position:position + 2] = flat((result,), record)
            return position + 2
    return None


# ---- scalars --------------------------------------------------------------------------------------------------------
def with_scalars(parts: list[LinearMap], scalars: list[Any], space: Space) -> LinearMap:
    """The chain of `parts` times all of `scalars`, as one factor where the fewest samples are."""
    chain = parts[0] if len(parts) == 1 else Chain(tuple(parts), space) if parts else Identity(space)
    if not scalars or isinstance(chain, Zero):
        return chain
    factor = scalars[-1]
    for scalar in reversed(scalars[:-1]):
        factor = times(scalar, factor)
    if isinstance(factor, (int, float)) and factor == 1:
        return chain
    if isinstance(factor, (int, float)) and factor == 0:
        return Zero(chain._codomain(), space)
    sizes = [part._codomain().size for part in parts] + [space.size]
    where = sizes.index(min(sizes))
    if where == 0:
        return Scaled(factor, chain, space)
    at = space if where == len(parts) else parts[where]._codomain()
    before = parts[where:]
    inner = Identity(at) if not before else before[0] if len(before) == 1 else Chain(tuple(before), space)
    return Chain((*parts[:where], Scaled(factor, inner, space_of(inner))), space)


