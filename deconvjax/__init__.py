"""Multirate linear operators for JAX: write ↑, ↓ and * as signal processing does, get the exact transpose.

The vocabulary, in groups; nothing else lives here.
"""

# The algebra: what maps are made of.
from deconvjax.algebra import LinearMap, atomic, block_diagonal, identity, row, stack, zero

# Refusals.
from deconvjax.errors import NotLinearError, ShapeError, UnboundError

__all__ = [
    "LinearMap",
    "NotLinearError",
    "ShapeError",
    "UnboundError",
    "atomic",
    "block_diagonal",
    "identity",
    "row",
    "stack",
    "zero",
]
