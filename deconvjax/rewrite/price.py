"""What a map costs: multiply-adds and bytes, counted, and the one number by which plans are compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from deconvjax.algebra import Atomic, BlockDiagonal, Chain, Identity, LinearMap, Row, Scaled, Stack, Sum, Zero
from deconvjax.algebra.combine import scalar_map
from deconvjax.axis import Axis
from deconvjax.engine.cost import reads
from deconvjax.leaves.diagonal import Diagonal
from deconvjax.leaves.extend import Extend
from deconvjax.leaves.opaque import Opaque
from deconvjax.leaves.reassemble import Reassemble
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite.geometry import live, read
from deconvjax.space import Space


@dataclass(frozen=True, slots=True)
class Work:
    """work = (multiply-adds, bytes read and written) of one application.

    Multiply-adds count products with samples of the signal, never with stuffed or padded zeros. `price` weighs both:
    moving two float32 costs as much as one multiply-add.

    >>> Work(10, 8) + Work(1, 8)
    Work(multiply_adds=11, bytes=16)
    """

    multiply_adds: int = 0
    bytes: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.multiply_adds + other.multiply_adds, self.bytes + other.bytes)

    @property
    def price(self) -> float:
        """multiply_adds + bytes/8."""
        return self.multiply_adds + self.bytes / 8


def work(a: LinearMap) -> Work:
    """cost = (multiply-adds, bytes) of a bound map as it is written, one signal of its domain.

    >>> import deconvjax as dj
    >>> work(dj.convolve([1, 2, 1], "valid").on((10,)))
    Work(multiply_adds=24, bytes=84)
    """
    if isinstance(a, Stage):
        return stage_work(a)
    if isinstance(a, (Chain, Scaled)):  # the zeros and scalars of a chain are counted together
        return chain_work(_factors(a))
    if isinstance(a, (Stack, BlockDiagonal)):
        return sum((work(part) for part in a.maps), Work())
    landing = a._codomain()
    if isinstance(a, (Sum, Row)):
        adds = Work((len(a.maps) - 1) * landing.size, (len(a.maps) + 1) * _bytes(landing))
        return sum((work(part) for part in a.maps), adds)
    if isinstance(a, Identity):
        return Work()
    if isinstance(a, Zero):
        return Work(0, _bytes(landing))
    if isinstance(a, Atomic):
        return work(a.map)
    return _other(a, landing)


def _factors(a: LinearMap) -> list[LinearMap]:
    """The maps of a chain; a multiple c*A as c*I and A."""
    if isinstance(a, Chain):
        return [factor for part in a.maps for factor in _factors(part)]
    if isinstance(a, Scaled) and not isinstance(a.map, Identity):
        return [scalar_map(a.scalar, a.map._codomain()), *_factors(a.map)]
    return [a]


def chain_work(factors: list[LinearMap]) -> Work:
    """The sum; a scalar is one product with every sample that the others carry, for it may stand anywhere; a pulse
    next to other maps only writes its zeros, for they read and write the samples.
    """
    multiples = [part for part in factors if isinstance(part, Scaled)]
    others = [part for part in factors if not isinstance(part, (Scaled, Identity))]
    pulses = [part for part in others if isinstance(part, Stage) and part.taps is None]
    total = sum((work(part) for part in others if not any(part is pulse for pulse in pulses)), Work())
    for pulse in pulses:
        landing = pulse._codomain()
        total = total + Work(0, (landing.size - _carried(pulse)) * landing.dtype.itemsize)
    carried = min(map(_carried, others), default=factors[0]._codomain().size)
    moved = 2 * carried * factors[0]._codomain().leaves[0].dtype.itemsize if len(pulses) == len(others) else 0
    return total + Work(len(multiples) * carried, moved)


def _carried(a: LinearMap) -> int:
    """The fewest samples through which everything passes."""
    assert a.space is not None
    sizes = a.space.size, a._codomain().size
    return _passing(a.geometry, *sizes) if isinstance(a, Stage) else min(sizes)


@lru_cache(maxsize=65536)
def _passing(geometry: tuple[Axis, ...], before: int, behind: int) -> int:
    for axis in geometry:
        alive, seen = live(axis), read(axis)
        if alive is None or seen is None:
            return 0
        before, behind = before // axis.size * seen.count, behind // axis.out * alive.count
    return min(before, behind)


def _other(a: LinearMap, landing: Space) -> Work:
    assert a.space is not None
    moved = _bytes(a.space) + _bytes(landing)
    if isinstance(a, Diagonal):
        return Work(landing.size, moved + _array_bytes(a.values))
    if isinstance(a, Extend):
        return Work(max(a.space.size - landing.size, 0), moved)
    if isinstance(a, Reassemble):
        fine = landing if not a.scatter else a.space
        return Work(fine.size * math.prod(a.window), moved + _array_bytes(a.weights))
    if isinstance(a, Opaque):
        return Work(_program_work(a.program), moved + sum(map(_array_bytes, a.consts)))
    return Work(getattr(a, "multiply_adds", 0), moved)  # leaves of floors above say it themselves


def stage_work(a: Stage) -> Work:
    """Products with samples; the samples that are read, the taps, and all that is written."""
    space, landing = a.space, a._codomain()
    assert space is not None
    width = landing.dtype.itemsize
    fewer, products, samples = _counted(a.geometry)
    carried = space.size // samples * fewer
    if a.taps is None:
        return Work(0, (carried + landing.size) * width)
    others = space.size // samples
    if a.groups is not None:
        cin, cout = a.channels
        others = others // cin * (cin * cout // a.groups)
    made = getattr(a.taps, "work", 0)
    return Work(products * others + made, (carried + landing.size + math.prod(a.taps.shape)) * width)


@lru_cache(maxsize=65536)
def _counted(geometry: tuple[Axis, ...]) -> tuple[int, int, int]:
    """(samples that are read, products with samples, samples) of one window's axes."""
    seen = [read(axis) for axis in geometry]
    return (math.prod(each.count if each is not None else 0 for each in seen), math.prod(map(reads, geometry)),
            math.prod(axis.size for axis in geometry))


def _bytes(space: Space) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in space.leaves)


def _array_bytes(array: Any) -> int:
    return math.prod(array.shape) * array.dtype.itemsize


def _program_work(program: Any) -> int:
    """One operation for each number an equation gives, as many for each as it contracts in matrix products."""
    total = 0
    for eqn in program.eqns:
        given = sum(math.prod(v.aval.shape) for v in eqn.outvars)
        if eqn.primitive.name == "dot_general":
            (contracted, _), _ = eqn.params["dimension_numbers"]
            given *= math.prod(eqn.invars[0].aval.shape[d] for d in contracted)
        total += given
    return total

