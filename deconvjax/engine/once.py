"""`once(f, shape, x, y)`: f(x, y), its operands computed and put into memory before f starts, once for all its reads.

XLA's CPU backend fuses what makes an operand (an activation, the slice that a scan takes) into every loop that reads
it, once for each read, and drops `lax.optimization_barrier` before it does. It never fuses into the body of a loop, so
f runs in one of a single turn; operands that are in memory already are not copied. Whether there is a turn XLA reads
from x, else it would unroll the loop, and the barrier inside keeps it from moving f out of it as what does not change.

The operands are not given back: of two names for one buffer XLA may overwrite one while a fused loop reads the other.
For programs of one device: where x is sharded, every device would have to hear of its first number.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax

from deconvjax.engine.spec import Shape


def once(f: Callable[..., Array], shape: Shape, *operands: Array) -> Array:
    """f(*operands), of `shape` and their type, none of them empty.

    The result is set to zero first, so it should be small beside them. Its shape is asked for, since finding it out
    would be tracing f twice.
    """

    def turn(carried: tuple[Array, ...]) -> tuple[Array, ...]:
        _, _, *operands = carried
        return jnp.bool_(False), *lax.optimization_barrier((f(*operands), *operands))

    start = (_true(operands[0]), jnp.zeros(shape, operands[0].dtype), *operands)
    return lax.while_loop(lambda carried: carried[0], turn, start)[1]


def _true(x: Array) -> Array:
    """True, whatever x is: the highest bit of its first number, 0 or 1, is below two."""
    first = x.ravel()[0]
    first = first.real if jnp.iscomplexobj(first) else first
    bits = 8 * first.dtype.itemsize
    return lax.bitcast_convert_type(first, jnp.dtype(f"uint{bits}")) >> (bits - 1) < 2
