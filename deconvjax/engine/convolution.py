"""`convolution`: pad, one VALID convolution whose output channels are the combs, depth to space.

    F = interleave(conv(frame(x), comb_taps(k), strides=step, rhs_dilation=grid))

For one comb per axis this is the strided convolution itself. No zero-stuffed sample is ever read, and XLA's operand
swap (which turns convolutions with large outputs into its slowest loop) cannot fire, because x is padded beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax

from deconvjax.engine.comb import Comb, comb
from deconvjax.engine.layout import canonical, comb_taps, frame, interleave
from deconvjax.engine.spec import Spec


def fits(spec: Spec) -> bool:
    """Channelled stages with at least one axis."""
    return spec.groups is not None and len(spec.axes) > 0


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """F."""

    def convolve(x: Array, kernel: Array, combs: list[Comb], groups: int) -> Array:
        return lax.conv_general_dilated(
            frame(x, combs),
            kernel,
            window_strides=[c.step for c in combs],
            padding="VALID",
            rhs_dilation=[c.grid for c in combs],
            dimension_numbers=canonical(len(combs)),
            feature_group_count=groups,
            precision=spec.precision,
        )

    return polyphase(x, taps, spec, convolve)


def polyphase(x: Array, taps: Array, spec: Spec, convolve: Callable[[Array, Array, list[Comb], int], Array]) -> Array:
    """F by whichever convolution; `convolve(x, kernel, combs, groups)` pads."""
    groups = spec.groups or 1
    rank = len(spec.axes)
    combs = [comb(a) for a in spec.axes]
    phases = [c.phases for c in combs]
    kernel = comb_taps(taps, combs)  # (width, phases)*, in/g, out
    inner, outer = kernel.shape[-2:]
    kernel = kernel.reshape(*kernel.shape[:-1], groups, outer // groups)
    order = (*range(0, 2 * rank, 2), 2 * rank, 2 * rank + 1, *range(1, 2 * rank, 2), 2 * rank + 2)
    kernel = jnp.transpose(kernel, order).reshape(*[c.width for c in combs], inner, -1)
    z = convolve(x, kernel, combs, groups)
    z = z.reshape(*z.shape[:-1], groups, math.prod(phases), outer // groups)
    if groups > 1 and math.prod(phases) > 1:
        z = jnp.swapaxes(z, -3, -2)
    z = z.reshape(*z.shape[: rank + 1], *phases, outer)
    return interleave(z, combs)
