"""The rule of GPUs. Fitted to one NVIDIA H200: every strategy on the layers of `benchmarks.cases` (NOTES_GPU.md there).

Products in full float32 cannot use tensor cores, and cuDNN's convolutions are then slower than matrix products of
gathered samples. With tensor cores (TF32, which is JAX's default, and half precision) its convolutions are faster
wherever they read few zeros: a window that the stride does not divide is a stuffed convolution up to WIDE channels.
"""

from __future__ import annotations

import math

from deconvjax.engine import blocks, fourier
from deconvjax.engine.comb import Comb, comb
from deconvjax.engine.problem import Problem

MANY = 4  # results per channel from which on they are a product
SUMS = 192  # taps of one signal up to which their sum is faster than transforms
SPREAD = 512  # the same of the taps' gradient
RATES = 32  # combs or steps of resampling, of which each result reads few of its neighbours' samples
CUDNN = 5  # taps per axis up to which it has fast kernels for the gradient of channels that do not mix
WIDE = 64  # channels from which on cuDNN's backward-data is ahead of a stuffed convolution for every window
LONG = 16  # stride from which on windows are so long that cuDNN has no fast method
FEW = 16  # channels too few for tensor cores
GROUPS = 8  # groups that are worth multiplying zeros for
COPIES = 3  # of input and result: more is not gathered


def prefer(p: Problem) -> tuple[str, ...]:
    """Strategies in order of preference."""
    apart = p.depthwise and (p.spec.scalar or p.cout <= MANY * p.cin)
    if p.kind == "F":
        return _sums(p) if apart else _products(p)
    return _sums_gradient(p) if apart else _products_gradient(p)


def _resampled(p: Problem) -> bool:
    combs = [comb(a) for a in p.spec.axes]
    return p.spec.scalar and len(combs) == 1 and max(combs[0].phases, combs[0].step) >= RATES


def _sums(p: Problem) -> tuple[str, ...]:
    """Channels that do not mix."""
    if _resampled(p):
        return ("bandrows", "tapsum", "fourier")
    single = p.spec.scalar and len(p.spec.axes) == 1
    if single and p.spec.window[0] > SUMS and fourier.fits(p.spec):
        return ("fourier", "bandrows")
    return ("triton", "tapsum", "bandrows", "convolution")


def _sums_gradient(p: Problem) -> tuple[str, ...]:
    spec = p.spec
    if spec.scalar and len(spec.axes) == 1:
        return ("bandrows", "fourier") if _resampled(p) or spec.window[0] <= SPREAD else ("fourier", "bandrows")
    plain = all(a.up == a.down == a.dilation == 1 for a in spec.axes) and p.dtype.kind == "f" and not p.half
    if plain and p.groups > 1 and len(spec.axes) == 2 and max(spec.window) <= CUDNN:
        return ("direct",)
    return ("by_axis", "taps", "rows")


def _products(p: Problem) -> tuple[str, ...]:
    combs = [comb(a) for a in p.spec.axes]
    phases = math.prod(c.phases for c in combs)
    changed = any(c.phases * c.step > 1 for c in combs)
    long = max((max(c.phases, c.step) for c in combs), default=1) >= LONG
    if p.exact or long or phases > 1 < p.groups or (changed and len(combs) == 3):
        return _gathered(p, combs)
    if phases == 1:
        return ("direct",)
    if any(c.step > 1 for c in combs) or any(a.dilation > 1 for a in p.spec.axes):
        return ("convolution",)
    if all(c.width == 1 for c in combs) or min(p.cin, p.cout) < FEW:
        return _gathered(p, combs)
    divided = all(a.window % a.up == 0 for a in p.spec.axes)
    return ("direct",) if divided or min(p.cin, p.cout) >= WIDE else ("convolution",)


def _gathered(p: Problem, combs: list[Comb]) -> tuple[str, ...]:
    """The product that copies less, where that is not too much."""
    width, phases = math.prod(c.width for c in combs), math.prod(c.phases for c in combs)
    near = math.prod(blocks.touched(c) for c in combs)
    filled = width * math.prod(c.grid for c in combs) / math.prod(blocks.touched(c) * c.step for c in combs)
    gathered, scattered = width * p.cin, near * phases * p.cout
    count = math.prod(c.count for c in combs)
    kept = math.prod(p.spec.size) * p.cin + math.prod(p.spec.out) * p.cout
    added = len(combs) == 1 or (scattered < gathered and filled > 0.7)
    both = ("blocks", "columns") if added else ("columns", "blocks")
    if count * min(gathered, scattered) > COPIES * kept and p.dtype.kind == "f":
        grouped = ("dense",) if 1 < p.groups <= GROUPS and phases == 1 else ()
        return (*grouped, "convolution" if phases > 1 else "direct")
    return both


def _products_gradient(p: Problem) -> tuple[str, ...]:
    spec = p.spec
    if p.dtype.kind in "iuc" or any(a.up > 1 for a in spec.axes):
        return ("whole", "taps")
    step = max((a.down for a in spec.axes), default=1)
    if p.cin == 1 and p.cout > MANY:
        return ("columns", "whole") if step < LONG else ("whole", "columns")
    if p.groups > 1:
        return ("dense", "whole") if p.groups <= GROUPS else ("whole", "taps")
    products = step >= LONG or (step > 1 and (p.exact or len(spec.axes) != 2))
    return ("whole", "direct") if products else ("direct",)
