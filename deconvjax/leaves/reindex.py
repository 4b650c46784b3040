"""The permutation leaf: axes split, put in another order, joined. Its transpose is its inverse, and no sample moves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.errors import ShapeError, complaint
from deconvjax.space import Space

REST = -1  # the part of an axis whose size the input decides


@final_map
class Reindex(LinearMap):
    """y[join(permute(split(index)))] = x[index]: `reshape`, `transpose`, `reshape` of the trailing axes, as one leaf.

    `split` holds for each axis the sizes it falls into (one of them may be `REST`), `order` the permutation of all
    these parts, `join` how many consecutive parts make each axis of the result.
    """

    split: tuple[tuple[int, ...], ...] = static()
    order: tuple[int, ...] = static()
    join: tuple[int, ...] = static()
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        ndim = len(self.split)
        if len(space.shape) < ndim:
            raise ShapeError(complaint(self._label(), "the input has too few axes", got=f"shape {space.shape}",
                                       expected=f"at least {ndim} axes", fix="add the missing axes to x"))
        trailing = range(-ndim, 0)
        sizes = tuple(_fill(parts, space.shape[axis], axis, space, self._label())
                      for parts, axis in zip(self.split, trailing, strict=True))
        return replace(self, split=sizes, space=space)

    def _codomain(self) -> Space:
        space = self._bound_space("codomain")
        batch = space.shape[: len(space.shape) - len(self.split)]
        return Space.array((*batch, *map(math.prod, self._joined())), space.dtype)

    def _apply(self, x: Any) -> Any:
        x = jnp.asarray(x)
        batch = x.shape[: x.ndim - len(self.split)]
        parts = [size for axis in self.split for size in axis]
        places = (*range(len(batch)), *(len(batch) + place for place in self.order))
        y = x.reshape(*batch, *parts).transpose(places)
        return y.reshape(*batch, *map(math.prod, self._joined()))

    def _transpose(self) -> LinearMap:
        return Reindex(self._joined(), inverse(self.order), tuple(map(len, self.split)), self._codomain())

    def _label(self) -> str:
        return _shuffle(self) or _einops(self)

    def _joined(self) -> tuple[tuple[int, ...], ...]:
        """The parts of each axis of the result."""
        parts = [size for axis in self.split for size in axis]
        return tuple(_groups([parts[place] for place in self.order], self.join))


def _fill(parts: tuple[int, ...], size: int, axis: int, space: Space, label: str) -> tuple[int, ...]:
    """The parts of one axis of `size`, `REST` worked out."""
    known = math.prod(part for part in parts if part != REST)
    if size % known or (REST not in parts and size != known):
        kind = f"a multiple of {known}" if REST in parts else f"{known}"
        raise ShapeError(complaint(label, f"axis {axis} does not split", got=f"{size} in {space}", expected=kind,
                                   fix=f"give axis {axis} a size that is {kind}, or change the factor"))
    return tuple(size // known if part == REST else part for part in parts)


def _groups(items: list[Any], counts: Iterable[int]) -> Iterator[tuple[Any, ...]]:
    start = 0
    for count in counts:
        yield tuple(items[start:start + count])
        start += count


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `order`."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def shuffle(factor: tuple[int, ...], order: str) -> Reindex:
    """(*space, C*prod(factor)) -> (*space*factor, C), the channels read as C x factor ("CRD") or factor x C ("DCR")."""
    n = len(factor)
    channels = (REST, *factor) if order == "CRD" else (*factor, REST)
    first = n + 1 if order == "CRD" else n  # where the factors lie among the 2n+1 parts
    places = [place for axis in range(n) for place in (axis, first + axis)]
    return Reindex(((REST,),) * n + (channels,), (*places, n if order == "CRD" else 2 * n), (2,) * n + (1,))


def _shuffle(a: Reindex) -> str:
    """`pixel_shuffle(2)`, `pixel_unshuffle((2, 3), order='DCR')`: the vocabulary's word, where the structure is one."""
    for word, parts, joined in (("pixel_shuffle", a.split, a.join), ("pixel_unshuffle", a._joined(), _lengths(a))):
        n = len(parts) - 1
        if joined != (2,) * n + (1,) or n < 1 or len(parts[-1]) != n + 1 or any(len(p) != 1 for p in parts[:n]):
            continue
        for order, factor in (("CRD", parts[-1][1:]), ("DCR", parts[-1][:-1])):
            forward = a.order if word == "pixel_shuffle" else inverse(a.order)
            if forward == shuffle(factor, order).order:
                shown = factor[0] if n == 2 and factor[0] == factor[1] else factor
                return f"{word}({shown}{', order=' + repr(order) if order != 'CRD' else ''})"
    return ""


def _lengths(a: Reindex) -> tuple[int, ...]:
    return tuple(map(len, a.split))


def _einops(a: Reindex) -> str:
    """`reindex((a b) c -> b (a c))`: the parts named in the order of the input."""
    names = [chr(ord("a") + place % 26) for place in range(len(a.order))]

    def text(groups: Iterable[tuple[str, ...]]) -> str:
        return " ".join(each[0] if len(each) == 1 else f"({' '.join(each)})" for each in groups)

    return f"reindex({text(_groups(names, _lengths(a)))} -> {text(_groups([names[p] for p in a.order], a.join))})"
