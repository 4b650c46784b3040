"""The plan: the cheapest equal term, found once for a structure and shape, run on whatever taps the map has."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.algebra import Atomic, BlockDiagonal, Chain, LinearMap, Row, Stack, Sum
from deconvjax.algebra.combine import scalar_map
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite import taps as arithmetic
from deconvjax.rewrite.law import Law
from deconvjax.rewrite.laws import LAWS
from deconvjax.rewrite.laws_borders import COSTED_BORDER_LAWS
from deconvjax.rewrite.laws_channels import scalar_outside
from deconvjax.rewrite.laws_filters import filters_merge
from deconvjax.rewrite.price import chain_work, work
from deconvjax.rewrite.simplify import Firing, Record, flat, simplify, with_scalars
from deconvjax.rewrite.stages import moves, space_of
from deconvjax.space import Space

AHEAD = COSTED_BORDER_LAWS  # worth their price only for what they lead to
STEPS = tuple(law for law in LAWS if not law.lossless and law not in (scalar_outside, *AHEAD))
MOST = max(len(law.patterns) for law in LAWS)  # maps that one law looks at
KEPT = 1024  # plans remembered
LARGEST = 1 << 21  # constant taps that a plan may depend on by value


@dataclass(frozen=True, slots=True)
class Recipe:
    """A plan with its taps left open: what a structure becomes, and which laws made it so."""

    treedef: Any
    leaves: tuple[Any, ...]
    fired: tuple[Firing, ...]

    def on(self, leaves: list[Any]) -> LinearMap:
        """The planned map with these taps."""
        memory: dict[int, Any] = {}
        return jax.tree_util.tree_unflatten(self.treedef, [arithmetic.evaluate(t, leaves, memory) for t in self.leaves])


_RECIPES: OrderedDict[Any, Recipe] = OrderedDict()


def plan(a: LinearMap) -> LinearMap:
    """A' = A, the cheapest equal map by `Work.price`; what `A(x)` runs.

    The normal form is taken first, then laws that are true but not always cheaper are tried where they lower the price:
    filters merged or split into passes, scalars and weights folded into taps, circular filters brought together. A map
    whose plan would cost more than it does as written runs as written. Planned once for each structure, shape and set
    of constant taps; taps that are JAX arrays may be traced, and are merged when the plan runs.

    >>> import deconvjax as dj
    >>> plan((dj.downsample(2) @ dj.convolve([1, 2, 1])).on((9,)))
    <upfirdn(3 taps, up=1, down=2) : float32[9] -> float32[5]>
    """
    leaves, recipe = _recipe(a)
    return recipe.on(leaves)


def fired_laws(a: LinearMap) -> tuple[Firing, ...]:
    """A = ... = plan(A): the laws that lead from a bound map to its plan, in order.

    >>> import deconvjax as dj
    >>> [firing.law.name for firing in fired_laws((dj.downsample(2) @ dj.downsample(3)).on((12,)))]
    ['decimations multiply']
    """
    return _recipe(a)[1].fired


def _recipe(a: LinearMap) -> tuple[list[Any], Recipe]:
    leaves, treedef = jax.tree_util.tree_flatten(a)
    key = (treedef, tuple(map(_key, leaves)), jnp.result_type(float))
    recipe = _RECIPES.get(key)
    if recipe is None:
        known = [leaf if _by_value(leaf) else arithmetic.leaf(i, leaf) for i, leaf in enumerate(leaves)]
        record = Record()
        planned = planned_map(jax.tree_util.tree_unflatten(treedef, known), record)
        terms, shape = jax.tree_util.tree_flatten(planned)
        recipe = Recipe(shape, tuple(terms), tuple(record.fired))
        _RECIPES[key] = recipe
        if len(_RECIPES) > KEPT:
            _RECIPES.popitem(last=False)
    return leaves, recipe


def _by_value(leaf: Any) -> bool:
    return arithmetic.is_constant(leaf) and (not isinstance(leaf, np.ndarray) or leaf.size <= LARGEST)


def _key(leaf: Any) -> Any:
    """What a plan may depend on: values of small constants, else shape and dtype."""
    if isinstance(leaf, np.ndarray):
        return leaf.shape, leaf.dtype, _digest(leaf) if leaf.size <= LARGEST else None
    if arithmetic.is_constant(leaf):
        return type(leaf), leaf
    return np.shape(leaf), jnp.result_type(leaf), bool(getattr(leaf, "weak_type", False))


def _digest(array: np.ndarray) -> bytes:
    data = array.tobytes()
    return data if len(data) <= 4096 else hashlib.blake2b(data, digest_size=20).digest()


# ---- the search -----------------------------------------------------------------------------------------------------
def planned_map(a: LinearMap, record: Record) -> LinearMap:
    """The cheapest equal map that the laws lead to."""
    if a.space is None or isinstance(a, Atomic):
        return a
    start = len(record.fired)
    best = _best(simplify(a, record), record)
    while _is_nested(best):  # planned parts may have become equal terms, zeros, identities
        again = _best(simplify(best, record), record)
        if again == best or work(again).price >= work(best).price:
            break
        best = again
    before, after = work(a), work(best)
    if after.price > before.price or after.multiply_adds > before.multiply_adds:
        del record.fired[start:]
        return a
    return best


def _is_nested(a: LinearMap) -> bool:
    return isinstance(a, (Sum, Stack, Row, BlockDiagonal)) or any(map(_is_nested, a.parts))


def _best(a: LinearMap, record: Record) -> LinearMap:
    space = space_of(a)
    scalars: list[Any] = []
    parts = [_inside(part, record) for part in flat((a,), record, descend=False)]
    while True:
        scalars += _taken_out(parts)
        parts = _cheapest(parts, space, record) if parts else parts
        if any(moves(parts, position) for position in range(len(parts))):
            continue  # a filter turned out to be a scalar
        left = _folded(parts, scalars, record)
        if len(left) == len(scalars):
            break
        scalars = left  # taps have changed: once more
    return with_scalars(parts, scalars, space)


def _taken_out(parts: list[LinearMap]) -> list[Any]:
    """The scalars that may stand anywhere, removed from `parts`."""
    places = [position for position in range(len(parts)) if moves(parts, position)]
    return [parts.pop(position).scalar for position in reversed(places)]  # type: ignore[attr-defined]


def _inside(part: LinearMap, record: Record) -> LinearMap:
    if isinstance(part, (Sum, Stack, Row, BlockDiagonal)):
        return replace(part, maps=tuple(_best(each, record) for each in part.maps))
    return part


def _cheapest(parts: list[LinearMap], space: Space, record: Record) -> list[LinearMap]:
    """Step by step, the rewriting that saves most, until none saves anything."""
    while True:
        best = max(_candidates(parts, record), key=lambda found: found[0], default=None)
        if best is None:
            ahead = _ahead(parts, space, record)
            if ahead is None:
                return parts
            parts = ahead
            continue
        _, law, where, count, result = best
        _write(record, law, parts[where:where + count], result)
        parts = _simplified(_replaced(parts, where, count, result), space, record)


def _replaced(parts: list[LinearMap], where: int, count: int, result: LinearMap) -> list[LinearMap]:
    return [*parts[:where], *flat((result,), Record(), descend=False), *parts[where + count:]]


def _write(record: Record, law: Law, operands: list[LinearMap], result: LinearMap) -> None:
    record.fired.append(Firing(law, tuple(operands), result))


Found = tuple[float, Law, int, int, LinearMap]


def _candidates(parts: list[LinearMap], record: Record) -> Iterator[Found]:
    """(gain, law, where, how many, what of it) for every costed law at every place where it saves something."""
    tried = record.memory.tried
    for where in range(len(parts)):
        for law in record.memory.speakers(STEPS, parts[where:where + MOST]):
            operands = parts[where:where + len(law.patterns)]
            key = (law.name, *map(id, operands))
            if key not in tried:
                gain, result = _tried(law, operands)
                tried[key] = operands, gain, result
                if result is None and record.refused is not None:
                    record.refused.append(law)
            _, gain, result = tried[key]
            if gain > 0 and result is not None:
                yield gain, law, where, len(operands), result


def _tried(law: Law, operands: list[LinearMap]) -> tuple[float, LinearMap | None]:
    """What a costed law makes of `operands` and what that saves; products of constant taps are priced uncomputed."""
    if law is filters_merge and all(arithmetic.is_constant(part.taps) for part in operands):  # type: ignore[attr-defined]
        outlines = (replace(part, taps=arithmetic.outline(part.taps)) for part in operands)  # type: ignore[attr-defined]
        product = law.rewrite(*outlines)
        if not isinstance(product, Stage):
            return 0.0, product
        gain = _gain(operands, [replace(product, taps=replace(product.taps, work=0))])
        return gain, law.rewrite(*operands) if gain > 0 else product
    result = law.rewrite(*operands)
    return _saved(operands, result), result


def _saved(operands: list[LinearMap], result: LinearMap | None) -> float:
    return 0.0 if result is None else _gain(operands, flat((result,), Record(), descend=False))


def _ahead(parts: list[LinearMap], space: Space, record: Record) -> list[LinearMap] | None:
    """Laws that save nothing themselves, followed by what they make possible."""
    for where in range(len(parts)):
        for law in record.memory.speakers(AHEAD, parts[where:where + MOST]):
            operands = parts[where:where + len(law.patterns)]
            result = law.rewrite(*operands)
            if result is None:
                if record.refused is not None:
                    record.refused.append(law)
                continue
            inner = record.aside()
            trial = _simplified(_replaced(parts, where, len(operands), result), space, record)
            trial = _cheapest(trial, space, inner)
            if _gain(parts, trial) > 0:
                _write(record, law, operands, result)
                record.fired += inner.fired
                return trial
    return None


def _simplified(parts: list[LinearMap], space: Space, record: Record) -> list[LinearMap]:
    """The normal form; not written down, and not counted among the refusals."""
    whole = parts[0] if len(parts) == 1 else Chain(tuple(parts), space)
    return flat((simplify(whole, Record(memory=record.memory)),), Record(), descend=False)


def _gain(before: list[LinearMap], after: list[LinearMap]) -> float:
    """The price saved; nothing where multiply-adds are paid for bytes."""
    old, new = chain_work(before), chain_work(after)
    return old.price - new.price if new.multiply_adds <= old.multiply_adds else 0.0


def _folded(parts: list[LinearMap], scalars: list[Any], record: Record) -> list[Any]:
    """Scalars multiplied into the smallest taps there are; those that no taps can take are left."""
    left = []
    for scalar in scalars:
        filters = [i for i, part in enumerate(parts) if isinstance(part, Stage) and part.taps is not None]
        for i in sorted(filters, key=lambda i: _effort(parts[i])):
            stage = parts[i]
            result = record.first((scalar_outside,), scalar_map(scalar, stage._codomain()), stage)
            if result is not None:
                parts[i] = result
                break
        else:
            left.append(scalar)
    return left


def _effort(stage: LinearMap) -> tuple[bool, int]:
    assert isinstance(stage, Stage)
    return not arithmetic.is_constant(stage.taps), math.prod(stage.taps.shape)
