"""`triton`: enlargement of channels that do not mix, as one kernel of this project's own for NVIDIA's GPUs.

    y[m*phases + r - skip] = sum_w comb_taps(k)[w, r] x[m + w*grid - pad]

One program takes a piece of a row of results, all combs of the last axis and all channels as they lie in memory, and
the rows of all combs of the other axis: so each sample of x is read once for all of these, and it is found once where
it lies. XLA's loop finds and reads it anew for every result.

The kernel is Pallas's, compiled by Triton, which a later JAX will drop. It is called with the releases on which it ran,
for one NVIDIA GPU of compute capability 8 or later, in programs that are not exported. `DECONVJAX_TRITON=0` in the
environment turns it off.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, reduce
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from deconvjax.axis import Axis
from deconvjax.engine.comb import Comb, comb
from deconvjax.engine.layout import apart, comb_taps
from deconvjax.engine.spec import Spec

BLOCK = 256  # results of a row in one program
WARPS = 4
TERMS = 16  # summands of one result
ROWS = 64  # combs of the outer axis: stores of one program
VERIFIED = ("0.11",)  # series of JAX
OLDEST = 8.0  # compute capability


def fits(spec: Spec) -> bool:
    """Scalar or depthwise stages (checked on the shapes) that enlarge one or two axes and stride none."""
    combs = [comb(a) for a in spec.axes]
    if len(combs) not in (1, 2) or any(c.step > 1 for c in combs):
        return False
    if len(combs) == 2 and combs[0].phases > ROWS:
        return False
    return math.prod(c.phases for c in combs) > 1 and math.prod(c.width for c in combs) <= TERMS


def available() -> bool:
    """Whether a program for a GPU may call it: Pallas looks at JAX's default device, and refuses a CPU."""
    given: Any = getattr(jax.config, "jax_default_device", None)
    default = jax.default_backend() if given is None else getattr(given, "platform", given)
    return default in ("gpu", "cuda") and _installed()


@lru_cache(maxsize=1)
def _installed() -> bool:
    """Whether this process has a GPU for it."""
    if os.environ.get("DECONVJAX_TRITON") == "0" or not jax.__version__.startswith(VERIFIED):
        return False
    try:
        found = jax.devices("cuda")
    except RuntimeError:
        return False
    return all(float(d.compute_capability) >= OLDEST for d in found)


@contextmanager
def quietly() -> Iterator[None]:
    """Without JAX's notice that Pallas will leave Triton: the releases that are VERIFIED have it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The Pallas Triton backend is deprecated")
        yield


def stage(x: Array, taps: Array, spec: Spec, interpret: bool = False) -> Array:
    """F; `interpret` runs the kernel's Python without a GPU."""
    x, kernel = apart(x, taps, spec)
    combs = [comb(a) for a in spec.axes]
    if len(combs) == 1:
        combs, x, kernel = [comb(Axis(1, 1)), *combs], x[:, None], kernel[None]
    y = _enlarged(x, comb_taps(kernel, combs), combs, interpret)
    return y.reshape(x.shape[0], *spec.out, x.shape[-1])


def _enlarged(x: Array, kernel: Array, combs: list[Comb], interpret: bool) -> Array:
    """(B, size, size, C), (width, phases, width, phases, C or 1) -> (B, out * out * C)."""
    from jax.experimental import pallas
    from jax.experimental.pallas import triton

    a, b = combs
    batch, channels, wide = x.shape[0], x.shape[-1], kernel.shape[-1]
    line = b.out * channels  # numbers in one row of results
    window = [(v, w) for v in range(a.width) for w in range(b.width)]

    def program(x_ref: Any, taps_ref: Any, y_ref: Any) -> None:
        at = pallas.program_id(0) * BLOCK + jnp.arange(BLOCK)
        row, image = pallas.program_id(1) % a.count, pallas.program_id(1) // a.count
        inside = at < line
        place, channel = at // channels, at % channels
        column, phase = (place + b.skip) // b.phases, (place + b.skip) % b.phases

        def tap(r: int, v: int, w: int) -> Array:
            where = (((v * a.phases + r) * b.width + w) * b.phases + phase) * wide
            where = where + channel if wide > 1 else where
            return triton.load(taps_ref.at[where], mask=inside, other=0).astype(jnp.float32)

        def sample(v: int, w: int) -> Array:
            n, m = row + v * a.grid - a.pad, column + w * b.grid - b.pad
            there = inside & (n >= 0) & (n < a.size) & (m >= 0) & (m < b.size)
            where = ((image * a.size + n) * b.size + m) * channels + channel
            return triton.load(x_ref.at[where], mask=there, other=0).astype(jnp.float32)

        read = [sample(v, w) for v, w in window]
        for r in range(a.phases):
            n = row * a.phases + r - a.skip
            total = reduce(add, [part * tap(r, v, w) for part, (v, w) in zip(read, window, strict=True)])
            there = inside & (n >= 0) & (n < a.out)
            triton.store(y_ref.at[(image * a.out + n) * line + at], total.astype(x.dtype), mask=there)

    anywhere = pallas.BlockSpec(memory_space=pallas.ANY)
    options: Any = triton.CompilerParams(num_warps=WARPS, num_stages=1)
    run = pallas.pallas_call(
        program,
        out_shape=jax.ShapeDtypeStruct((batch * a.out * line,), x.dtype),
        grid=(-(-line // BLOCK), batch * a.count),
        in_specs=[anywhere, anywhere],
        out_specs=anywhere,
        interpret=interpret,
        name="enlarged",
        compiler_params=None if interpret else options,
    )
    return run(x.reshape(-1), kernel.reshape(-1))
