"""The rule where oneDNN can be called: its convolution and product, but for what takes longer to hand over."""

from __future__ import annotations

import math

from deconvjax.engine import blocks, col2im, fourier, gram, library, rule_cpu
from deconvjax.engine.comb import comb
from deconvjax.engine.cost import reads
from deconvjax.engine.problem import CACHED, Problem

GROUPS = 8  # each is a product of its own
SMALL = 1 << 20  # bytes of x and y: in the caches, XLA's loops lose less time than the copies for a product take
BETWEEN = 1 << 17  # numbers between a product and its sums: fewer are padded before a call has begun
LITTLE = 1 << 16  # the same where the product multiplies no less: of FEW results it is as fast alone, and fuses
FEW = 4
ROWS = 12  # of windows that do not overlap: fewer are copied before a call has begun
PLACES = 1 << 17  # summands in one accumulator: of more, sums of blocks are more exact
TRANSFORMS = 11  # rate of oneDNN's products over that of a Fourier transform


def prefer(p: Problem) -> tuple[str, ...]:
    """Strategies in order of preference; none where the CPU's other rule decides."""
    if not p.callable:
        return ()
    if p.depthwise and p.groups != 1:
        if p.spec.scalar and len(p.spec.axes) == 1:
            return _scalar(p) if p.kind == "F" else _scalar_gradient(p)
        return _depthwise(p) if p.kind == "F" else _depthwise_gradient(p)
    return _mixed(p) if p.kind == "F" else _mixed_gradient(p)


def _mixed(p: Problem) -> tuple[str, ...]:
    """oneDNN's convolution, but for many combs, where a product and a copy are less, and few results."""
    combs = [comb(a) for a in p.spec.axes]
    phases, width = math.prod(c.phases for c in combs), math.prod(c.width for c in combs)
    if col2im.held(p.spec, p.cin, p.cout):
        numbers, cheaper = p.batch * col2im.between(p.spec, p.cout), col2im.cheaper(p.spec, p.cin, p.cout)
        few = p.cout <= FEW and (width > 1 or phases == 1)
        if numbers <= (BETWEEN if cheaper else LITTLE if few else 0):
            return ("col2im",)
        if cheaper:
            return ("library",)
    if phases == 1:
        return ("library",)
    inner = p.cin // p.groups
    if width == 1:  # a product, whose combs the call lays out by itself
        return ("library",) if (p.groups == 1 or inner >= 16) and p.cout > 1 and len(combs) < 3 else ()
    return () if phases >= 16 and inner < 32 else ("library",)


def _mixed_gradient(p: Problem) -> tuple[str, ...]:
    """One product, or a convolution where its operands would be many times larger than x and y."""
    if rule_cpu.outweighs(p) or rule_cpu.windowed(p):
        return ()
    if gram.by_sample(p.spec, p.cin, p.cout):
        return ("gram",)
    combs = [comb(a) for a in p.spec.axes]
    step, near = max((c.step for c in combs), default=1), math.prod(blocks.touched(c) for c in combs)
    loops = p.cin < 8 or (len(combs) == 2 and step > 1 and (near > 1 or p.groups > 1))
    if p.groups == near == 1 and p.cin < 8 and math.prod(p.spec.window) * p.cin <= ROWS:
        return ("columns",)
    if p.groups > GROUPS or (p.held <= SMALL and loops):
        return ()
    if len(combs) == 3 and min(p.cin, p.cout) >= 8 and near > 1:
        return ("gram",) if step > 1 and math.prod(p.spec.out) > 8192 else ("library", "gram")
    return ("gram",)


def _depthwise(p: Problem) -> tuple[str, ...]:
    """Sums by channel where they are long, or vectors of channels are not full.

    Shorter ones XLA fuses with what makes x and what reads the result, which saves more than oneDNN's loop does.
    """
    combs = [comb(a) for a in p.spec.axes]
    window, step = math.prod(c.width for c in combs), math.prod(c.step for c in combs)
    if any(c.phases > 1 for c in combs) or p.cin == 1:
        return ()
    long = window > 512 or (window >= 49 and (window <= 128 or window >= (4 if p.cin >= 16 else 7) * step))
    often = window >= step * (9 if len(combs) > 1 and p.cin < 16 else 20)  # each sample is read so many times
    return ("library",) if long or often else ()


def _depthwise_gradient(p: Problem) -> tuple[str, ...]:
    """Sums by channel of windows that tiles do not hold, or that are long: each place of y is read for every tap."""
    window, places = math.prod(p.spec.window), p.batch * math.prod(p.spec.out)
    if p.cin < 16 or places > PLACES:
        return ()
    return ("library",) if window >= (32 if rule_cpu.tiled(p) else 9) else ()


def _scalar(p: Problem) -> tuple[str, ...]:
    """Blocks of samples as channels, or as rows, where the filter is longer than a loop over its taps is fast."""
    if reads(p.spec.axes[0]) > TRANSFORMS * fourier.operations(p.spec):
        return ("fourier",)
    c = comb(p.spec.axes[0])
    if library.beside(c, p.cin) and c.width >= 9:
        return ("library",)
    if p.cin >= library.CHANNELS:
        long = 24 if c.phases == 1 and p.cin >= 2 * library.CHANNELS else 40
        return ("library",) if c.phases * c.step >= 64 or c.width > long else ()
    signals = p.batch * p.spec.axes[0].size * p.cin * p.dtype.itemsize
    wide = 4 if c.phases > 1 else 16 if c.step > 1 or signals > CACHED else 48
    return ("library",) if c.width > wide else ()


def _scalar_gradient(p: Problem) -> tuple[str, ...]:
    """Blocks of samples by blocks of results as one product, but for windows that tiles hold, or transforms."""
    (axis,) = p.spec.axes
    if axis.up > 1:
        return ("library",) if p.cin < 8 else ()
    if rule_cpu.tiled(p):
        return ()
    longest = rule_cpu.LONG[p.cin >= 8]
    return ("library",) if axis.window <= longest and (axis.down == 1 or p.cin >= 8) else ()
