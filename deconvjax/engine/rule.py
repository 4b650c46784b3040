"""The cost rule: which strategy runs a stage, per platform. Fitted by `python -m benchmarks.strategies`."""

from __future__ import annotations

import math

import numpy as np

from deconvjax.engine import (
    banded,
    blocks,
    col2im,
    columns,
    convolution,
    dense,
    fourier,
    library,
    rows,
    rule_cpu,
    rule_gpu,
    rule_onednn,
    sides,
    tapsum,
    tiles,
    triton,
)
from deconvjax.engine.comb import comb
from deconvjax.engine.problem import Problem

FORWARD = (
    "convolution", "columns", "blocks", "col2im", "tapsum", "banded", "bandrows", "fourier", "dense", "library",
    "triton", "direct",
)  # fmt: skip
GRADIENT = (
    "shifted", "whole", "gram", "library", "columns", "taps", "tiles", "by_axis", "rows", "banded", "bandrows",
    "fourier", "dense", "direct",
)  # fmt: skip


def feasible(name: str, p: Problem) -> bool:
    """Whether a strategy can run a normalised problem."""
    spec = p.spec
    if name in ("library", "gram") and (not p.callable or (p.alone and (name == "gram" or not p.depthwise))):
        return False
    if name == "library" and spec.scalar and p.cin == 1 < len(spec.axes):
        return False  # a single channel is no sum by channel
    if name == "dense":
        return len(spec.axes) > 0 and dense.fits(spec)
    if not spec.axes:
        return name in ("columns", "taps", "direct") if not spec.scalar else name in ("tapsum", "taps")
    if p.kind == "F":
        if name == "convolution":
            return convolution.fits(spec) and p.dtype.kind != "c"
        if name == "columns":
            return columns.fits(spec) and math.prod(comb(a).width for a in spec.axes) <= 512
        if name == "blocks":
            return blocks.fits(spec) and math.prod(blocks.touched(comb(a)) for a in spec.axes) <= 512
        if name == "col2im":
            return col2im.fits(spec)
        if name == "library":
            return library.fits(spec, p.depthwise) and math.prod(comb(a).width for a in spec.axes) <= 16384
        if name == "tapsum":
            return p.depthwise and tapsum.fits(spec)
        if name in ("banded", "bandrows"):
            return banded.fits(spec)
        if name == "triton":
            return p.triton and p.depthwise and p.small and p.dtype == np.float32 and triton.fits(spec)
        if name == "fourier":
            return fourier.fits(spec) and p.dtype.kind in "fc"
        return name == "direct"
    if name in ("shifted", "whole", "gram"):
        return sides.fits(spec) and math.prod(blocks.touched(comb(a)) for a in spec.axes) <= 64
    if name == "library":
        return library.fits_gradient(spec, p.depthwise, p.batch) and (p.depthwise or spec.axes[-1].window <= 64)
    if name == "taps":
        return math.prod(spec.window) <= 256
    if name == "columns":
        return columns.fits_gradient(spec) and math.prod(spec.window) <= 512
    if name in ("tiles", "by_axis"):
        return p.depthwise and tiles.fits_gradient(spec)
    if name == "rows":
        return p.depthwise and rows.fits_gradient(spec)
    if name in ("banded", "bandrows"):
        return banded.fits_gradient(spec)
    if name == "fourier":
        return fourier.fits_gradient(spec) and p.dtype.kind in "fc"
    return name == "direct"


def candidates(p: Problem) -> list[str]:
    """Strategies that can run a normalised problem, in the order of the module list."""
    return [n for n in (FORWARD if p.kind == "F" else GRADIENT) if feasible(n, p)]


def pick(p: Problem, platform: str) -> str:
    """The rule's choice for a normalised problem."""
    able = candidates(p)
    order = (*rule_onednn.prefer(p), *rule_cpu.prefer(p)) if platform == "cpu" else rule_gpu.prefer(p)
    return next(name for name in (*order, *able) if name in able)
