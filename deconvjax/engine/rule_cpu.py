"""The rule of XLA's own CPU backend. Fitted by `python -m benchmarks.strategies` with DECONVJAX_ONEDNN=0."""

from __future__ import annotations

import math

import numpy as np

from deconvjax.engine import blocks, col2im, fourier, tapsum, tiles
from deconvjax.engine.comb import Comb, comb
from deconvjax.engine.cost import reads
from deconvjax.engine.problem import CACHED, FEW, Problem

LONG = (200, 400)  # taps of one channel, of many: from here on their gradient is faster through transforms
SMALL = 1 << 20  # bytes of x and y: a loop in one thread is over before two are awake
RESULTS = 1.25  # of all taps, over the channels that go in: from here on `col2im` writes more than it saves
FILLED = 0.7  # share of the places of all tiles that are samples


def prefer(p: Problem) -> tuple[str, ...]:
    """Strategies in order of preference."""
    if p.kind == "F":
        return _depthwise(p) if p.depthwise else _dense(p)
    return _depthwise_gradient(p) if p.depthwise else _dense_gradient(p)


def _depthwise(p: Problem) -> tuple[str, ...]:
    spec = p.spec
    if spec.scalar and len(spec.axes) == 1 and p.dtype.kind in "fc":
        longest = 9 if p.dtype == np.float32 else 4  # a product's rate over a transform's
        if reads(spec.axes[0]) > longest * fourier.operations(spec):
            return ("fourier",)
        narrow = p.cin < 8 and comb(spec.axes[0]).phases > 1  # loops over combs are too short to be fast
        signals = p.batch * spec.axes[0].size * p.cin * p.dtype.itemsize
        wide = 96 if p.cin >= 8 else 24 if signals > CACHED else 64
        if p.dtype.kind == "f" and tapsum.terms(spec) > (4 if narrow else wide):
            return ("banded", "tapsum", "fourier")
        return ("tapsum", "banded", "fourier")
    if p.groups == 1 < p.cout and (tapsum.blocked(spec) or tapsum.terms(spec) > 32):
        return _dense(p)  # one channel in, many out: x would be repeated for each of them
    return ("tapsum", "convolution", "fourier", "direct")


def _dense(p: Problem) -> tuple[str, ...]:
    """XLA's library convolution where it takes the stage, else the product that copies less."""
    spec = p.spec
    combs = [comb(a) for a in spec.axes]
    phases, width = math.prod(c.phases for c in combs), math.prod(c.width for c in combs)
    if p.groups == width == phases == 1:
        return ("columns",)  # a product
    if col2im.fits(spec) and math.prod(spec.window) * p.cout <= RESULTS * p.cin:
        return ("col2im",)
    near = math.prod(blocks.touched(c) for c in combs)
    gathered = width * p.cin  # numbers that `columns` copies per place, and that `blocks` adds up per place
    scattered = near * phases * p.cout
    products = ("columns", "blocks") if gathered < scattered else ("blocks", "columns")
    if 1 < p.groups <= FEW and phases == 1 and len(combs) == 2 and p.dtype == np.float32 and _inside(p):
        return ("dense",)
    if _grouped_library(p):
        held = p.batch * math.prod(c.count for c in combs) * scattered * p.dtype.itemsize
        return ("blocks", "direct") if held <= 2 * CACHED else ("direct",) if _inside(p) else ("convolution",)
    if phases == 1:
        return ("direct", "convolution") if _direct(p, combs) else products
    if not _library(p, max(p.cin, p.cout * phases)) or min(p.cin, p.cout) < 8:
        return (*products, "convolution")
    if len(combs) == 1 or width == 1:
        return ("blocks", "columns")
    return ("direct", "columns") if _uneven(p) and p.cin * p.cout >= 64 * 64 else ("columns", "convolution")


def _direct(p: Problem, combs: list[Comb]) -> bool:
    """One comb per axis: whether XLA's own convolution is the fastest."""
    if not _library(p, max(p.cin, p.cout)) and not (p.spec.groups == 1 and p.dtype == np.float32):
        return False
    step = max((c.step for c in combs), default=1)
    if not _inside(p) or len(combs) == 3 or (len(combs) == 2 and step > 4):
        return False
    large = p.batch * math.prod(p.spec.size) * p.cin * p.dtype.itemsize > CACHED
    return min(p.cin, p.cout) >= 8 or (step == 1 and p.cin < p.cout) or math.prod(p.spec.window) > 256 or large


def _inside(p: Problem) -> bool:
    """No result outside the input: XLA then leaves the operands of a convolution in place."""
    return all(a.lo >= 0 and a.hi >= 0 and a.out <= a.size for a in p.spec.axes)


def _grouped_library(p: Problem) -> bool:
    """Grouped with overlapping windows: the products would copy each sample once per tap."""
    overlapping = all(a.down == a.up == 1 and a.window > 1 for a in p.spec.axes)
    widest = max(p.cin, p.cout)
    return p.groups > 1 and overlapping and len(p.spec.axes) == 2 and p.dtype == np.float32 and widest > 16


def _library(p: Problem, widest: int) -> bool:
    """Ungrouped, of a type and rank that XLA's convolution library (or its transposed path) takes."""
    if p.groups != 1 or widest <= 16:
        return False
    return (len(p.spec.axes) == 2 and p.dtype.kind == "f") or (len(p.spec.axes) == 1 and p.dtype == np.float32)


def _uneven(p: Problem) -> bool:
    """The window is no multiple of the stride: padding the combs to one width would waste products."""
    plain = p.dtype == np.float32 and all(a.dilation == 1 and a.down == 1 for a in p.spec.axes)
    work = math.prod(comb(a).width * comb(a).phases / a.window for a in p.spec.axes)
    return plain and work > 1.4


def _depthwise_gradient(p: Problem) -> tuple[str, ...]:
    spec = p.spec
    if p.groups == 1 < p.cout:
        return _dense_gradient(p)
    if tiled(p):
        small = p.held <= SMALL and all(a.down > 1 for a in spec.axes)
        return ("rows", "tiles") if small and len(spec.axes) > 1 else ("tiles", "rows")
    if spec.scalar and len(spec.axes) == 1 and p.dtype.kind == "f" and spec.window[0] > 16:
        plain = spec.axes[0].up == spec.axes[0].down == 1
        return (
            ("fourier", "banded")
            if plain and spec.window[0] > LONG[p.cin >= 8]
            else ("banded", "rows", "taps")
        )
    return ("rows", "taps", "fourier")


def tiled(p: Problem) -> bool:
    """Tiles that are mostly full; single images of a few taps are over before all threads are awake."""
    if not tiles.fits_gradient(p.spec) or tiles.filled(p.spec) < FILLED:
        return False
    return len(p.spec.axes) == 1 or p.cin >= 3 or math.prod(p.spec.window) >= 25


def outweighs(p: Problem) -> bool:
    """More numbers in the taps than twice those of x and y: what is copied of these is small beside the result."""
    taps = math.prod(p.spec.window) * p.cin * p.cout * p.dtype.itemsize
    return p.groups == 1 and bool(p.spec.axes) and taps >= 2 * p.held


def windowed(p: Problem) -> bool:
    """Long or wide windows along one axis, of enough channels: XLA's own convolution by y copies none of them."""
    if len(p.spec.axes) != 1 or p.groups != 1 or p.dtype != np.float32 or min(p.cin, p.cout) < 16:
        return False
    c = comb(p.spec.axes[0])
    return c.step == 1 and (p.spec.window[0] >= 6 or blocks.touched(c) > 64)


def _dense_gradient(p: Problem) -> tuple[str, ...]:
    """Products of shifted pieces; the library convolution with y for a window where channels are few or x is small."""
    if outweighs(p):
        return ("columns",)
    if windowed(p):
        return ("direct",)
    combs = [comb(a) for a in p.spec.axes]
    step, near = max((c.step for c in combs), default=1), math.prod(blocks.touched(c) for c in combs)
    held = p.batch * math.prod(p.spec.size) * p.cin * p.dtype.itemsize
    small = held <= CACHED
    odd = any(c.span % c.step for c in combs)  # blocks of such windows are filled up with zeros
    taps = math.prod(p.spec.window)
    if p.groups > 1:
        if small and p.groups <= FEW and _grouped_library(p):
            return ("dense",)
        return ("shifted", "taps") if p.groups <= 8 and near <= 32 else ("taps", "shifted")
    if (p.cin < 3 and taps <= 2 * p.cout) or (p.cin < 5 and taps <= 16 and near > 1):
        return ("columns", "shifted", "taps")
    if (near == 1 < len(combs) and 8 <= p.cin <= 128 and p.dtype == np.float32) or (len(combs) == 1 and taps <= 6):
        return ("columns", "shifted", "taps")
    if len(combs) == 2 and near > 1 and _library(p, p.cout):
        if step == 1 and (small or min(p.cin, p.cout) < 64 or near > 16):
            return ("direct", "shifted")
        if 1 < step < 4 and (small or (odd and held <= 2 * CACHED)):
            return ("direct", "shifted")
    return ("shifted", "taps") if near <= 64 else ("taps", "shifted")
