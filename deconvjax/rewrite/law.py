"""What a law is: a name, an equation, the operands it speaks about, and the rewriting itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from deconvjax.algebra import LinearMap

Rewriting: TypeAlias = Callable[..., LinearMap | None]
Pattern: TypeAlias = Callable[[LinearMap], bool]


@dataclass(frozen=True, eq=False, slots=True)
class Law:
    """law(*operands) -> an equal map, or None where the side condition fails: an equation with its condition.

    `speaks` tells whether the operands are of the kind the equation is about (a pulse after a filter, say); a law that
    speaks and returns None has refused. `lossless` laws never cost more and lead to the same result in any order:
    `simplify` applies those. The others are offered to the plan, which decides by cost.

    >>> from deconvjax.rewrite import LAWS
    >>> [law.name for law in LAWS][:2]
    ['zero inside', 'zero outside']
    """

    name: str
    equation: str
    patterns: tuple[Pattern, ...]
    rewrite: Rewriting
    lossless: bool = True

    def speaks(self, *operands: LinearMap) -> bool:
        """True where the operands are of the kind this law is about."""
        if len(operands) != len(self.patterns):
            return False
        for fits, operand in zip(self.patterns, operands, strict=True):  # a loop: it runs thousands of times a plan
            if not fits(operand):
                return False
        return True

    def __call__(self, *operands: LinearMap) -> LinearMap | None:
        """The equal map, or None."""
        return self.rewrite(*operands) if self.speaks(*operands) else None


class Speakers:
    """Which laws speak of which maps: a map is asked every pattern once, and the answers are one number, its kind.

    >>> from deconvjax.rewrite import LAWS
    >>> import deconvjax as dj
    >>> table = Speakers(LAWS)
    >>> kind = table.kind(dj.downsample(2).on((6,)))
    >>> [law.name for law in table.of(LAWS, kind, kind)][:3]
    ['common factor', 'lone sample', 'decimations multiply']
    """

    def __init__(self, laws: tuple[Law, ...]) -> None:
        self._patterns = tuple(dict.fromkeys(pattern for law in laws for pattern in law.patterns))
        self._known: dict[Any, tuple[Law, ...]] = {}

    def kind(self, a: LinearMap) -> int:
        """The patterns that fit `a`, one bit each."""
        return sum(1 << place for place, fits in enumerate(self._patterns) if fits(a))

    def of(self, laws: tuple[Law, ...], *kinds: int) -> tuple[Law, ...]:
        """Those of `laws` that speak of the first of maps of these kinds, or of the first few; in their order."""
        key = laws, kinds
        if key not in self._known:
            self._known[key] = tuple(law for law in laws if len(law.patterns) <= len(kinds) and all(
                kind >> self._patterns.index(pattern) & 1 for kind, pattern in zip(kinds, law.patterns, strict=False)))
        return self._known[key]


def law(*patterns: Pattern, lossless: bool = True) -> Callable[[Rewriting], Law]:
    """f -> Law: a rewriting becomes a law of its name; the first line of its docstring is the equation.

    >>> from deconvjax.algebra import Identity
    >>> @law(lambda a: isinstance(a, Identity), lambda b: True)
    ... def nothing_before(outer, inner):
    ...     "I o B = B"
    ...     return inner
    >>> nothing_before.name, nothing_before.equation
    ('nothing before', 'I o B = B')
    """

    def named(rewrite: Rewriting) -> Law:
        text: Any = rewrite.__doc__ or ""
        return Law(rewrite.__name__.replace("_", " "), text.split("\n")[0], patterns, rewrite, lossless)

    return named
