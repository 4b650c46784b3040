"""`written(x)`: x, computed and put into memory before any of its readers starts, and once for all of them.

XLA's CPU backend fuses what makes x (an activation, the slice that a scan takes) into every loop that reads it, once
for each read; `lax.optimization_barrier` it drops before. A call that is not inlined it keeps: its operand is written,
its result is the same memory, and where x is in memory already nothing happens. Other platforms are left alone.
"""

from __future__ import annotations

import jax
from jax import Array
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import Primitive
from jax.interpreters import mlir

written_p = Primitive("deconvjax_written")


def written(x: Array) -> Array:
    """x itself."""
    return written_p.bind(x)


def _same(x: Array) -> Array:
    return x


def _called(x: Array) -> Array:
    with set_xla_metadata(inlineable="false"):
        return jax.jit(_same)(x)


written_p.def_impl(_same)
written_p.def_abstract_eval(lambda x: x)
mlir.register_lowering(written_p, lambda context, x: [x])
mlir.register_lowering(written_p, mlir.lower_fun(_called, multiple_results=False), platform="cpu")
