"""Which strategy runs: the caller's override, else the cost rule of the platform."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from deconvjax.engine import onednn, triton
from deconvjax.engine.lower import GRADIENTS, STAGES, Target
from deconvjax.engine.problem import normalised
from deconvjax.engine.rule import pick
from deconvjax.engine.spec import Shape, Spec
from deconvjax.errors import complaint

NAMES = tuple(sorted({*STAGES, *GRADIENTS}))

_override = jax.make_user_context(default_value=None)


def override() -> str | None:
    """The strategy named by the innermost `strategy(...)`, or None."""
    return _override.value


@contextmanager
def strategy(name: str | None) -> Iterator[None]:
    """choose(...) = name, inside: every stage bound there runs with that lowering, for measurement and for tests.

    The name is part of JAX's cache keys and of the bound primitive, so functions compiled outside are traced anew.
    A strategy that cannot run a given stage leaves it to the cost rule; a name that no strategy has raises ValueError.
    None restores the rule.

    >>> with strategy("direct"):
    ...     print(override())
    direct
    """
    if name is not None and name not in NAMES:
        raise ValueError(
            complaint("strategy", "no such strategy", got=repr(name), expected=f"one of {', '.join(NAMES)}",
                      fix="use one of these, or None for the rule's choice")
        )
    with _override(name):
        yield


def choose(
    spec: Spec, kind: str, shape: Shape, dtype: Any, platform: str = "cpu", *, channels_out: int | None = None
) -> str:
    """strategy = argmin of the platform's cost rule: the name under which F, T or W of `spec` runs.

    `shape` is that of x, the data side of F, for all three kinds: `(B, *size, Cin)`; `channels_out` is Cout (Cin where
    not given). `kind` is "F", "T" or "W".

    >>> from deconvjax.axis import Axis
    >>> choose(Spec((Axis(size=8, window=3),), groups=None), "F", (1, 8, 64), "float32")
    'tapsum'
    """
    if kind not in ("F", "T", "W"):
        raise ValueError(f"choose: kind must be 'F', 'T' or 'W', got {kind!r}")
    cout = shape[-1] if channels_out is None or spec.scalar else channels_out
    target = Target(platform, platform == "cpu" and onednn.available(), platform == "cuda" and triton.available())
    return pick(normalised(target.problem(spec.normal, kind, shape[0], shape[-1], cout, jnp.dtype(dtype))), platform)
