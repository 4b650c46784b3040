"""The cost rule: which strategy runs a stage, per platform. Fitted by `python -m benchmarks.strategies`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from deconvjax.engine import banded, blocks, columns, convolution, fourier, rows, shifted, tapsum
from deconvjax.engine.comb import comb
from deconvjax.engine.cost import reads
from deconvjax.engine.spec import Spec

FORWARD = ("convolution", "columns", "blocks", "tapsum", "banded", "fourier", "direct")
GRADIENT = ("shifted", "taps", "rows", "banded", "fourier", "direct")
CACHED = 3 << 20  # bytes of a copy that stays in the caches of one CPU


@dataclass(frozen=True)
class Problem:
    """One F or W with its sizes: what the rule looks at. T is the F of the transposed spec."""

    spec: Spec
    kind: str
    batch: int
    cin: int
    cout: int
    dtype: np.dtype

    @property
    def depthwise(self) -> bool:
        """Channels do not mix: each output channel reads one input channel."""
        return self.spec.groups is None or self.spec.groups == self.cin

    @property
    def transposed(self) -> Problem:
        """Roles exchanged."""
        return replace(self, spec=self.spec.T, cin=self.cout, cout=self.cin)


def normalised(problem: Problem) -> Problem:
    """T as F of the transposed spec; W with the stuffed side as y, where one side is not stuffed."""
    if problem.kind == "T":
        return replace(problem.transposed, kind="F")
    if problem.kind == "W" and exchanges(problem.spec):
        return problem.transposed
    return problem


def exchanges(spec: Spec) -> bool:
    """True where W should be computed with x and y exchanged: x is stuffed and y is not."""
    return any(a.up > 1 for a in spec.axes) and all(a.down == 1 for a in spec.axes)


def feasible(name: str, p: Problem) -> bool:
    """Whether a strategy can run a normalised problem."""
    spec = p.spec
    if not spec.axes:
        return name in ("columns", "taps", "direct") if not spec.scalar else name in ("tapsum", "taps")
    if p.kind == "F":
        if name == "convolution":
            return convolution.fits(spec) and p.dtype.kind != "c"
        if name == "columns":
            return columns.fits(spec) and math.prod(comb(a).width for a in spec.axes) <= 512
        if name == "blocks":
            return blocks.fits(spec) and math.prod(blocks.touched(comb(a)) for a in spec.axes) <= 512
        if name == "tapsum":
            return p.depthwise and tapsum.fits(spec)
        if name == "banded":
            return banded.fits(spec)
        if name == "fourier":
            return fourier.fits(spec) and p.dtype.kind in "fc"
        return name == "direct"
    if name == "shifted":
        return shifted.fits_gradient(spec) and math.prod(blocks.touched(comb(a)) for a in spec.axes) <= 64
    if name == "taps":
        return math.prod(spec.window) <= 256
    if name == "rows":
        return p.depthwise and rows.fits_gradient(spec)
    if name == "banded":
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
    order = (_cpu if platform == "cpu" else _accelerator)(p)
    return next(name for name in (*order, *able) if name in able)


def _cpu(p: Problem) -> tuple[str, ...]:
    if p.kind == "F":
        return _cpu_depthwise(p) if p.depthwise else _cpu_dense(p)
    return _cpu_depthwise_gradient(p) if p.depthwise else _cpu_dense_gradient(p)


def _cpu_depthwise(p: Problem) -> tuple[str, ...]:
    spec = p.spec
    if spec.scalar:
        work = sum(reads(a) for a in spec.axes) if len(spec.axes) == 1 else math.prod(reads(a) for a in spec.axes)
        if p.dtype.kind in "fc" and work > 60 * fourier.operations(spec):
            return ("fourier",)
        narrow = p.cin < 8 and any(comb(a).phases > 1 for a in spec.axes)  # loops over combs are too short to be fast
        if len(spec.axes) == 1 and p.dtype.kind == "f" and tapsum.terms(spec) > (4 if narrow else 40):
            return ("banded", "tapsum", "fourier")
        return ("tapsum", "banded", "fourier")
    return ("tapsum", "convolution", "direct")


def _cpu_dense(p: Problem) -> tuple[str, ...]:
    """XLA's library convolution where it takes the stage, else the product that copies less."""
    spec = p.spec
    combs = [comb(a) for a in spec.axes]
    phases, width = math.prod(c.phases for c in combs), math.prod(c.width for c in combs)
    gathered = width * p.cin  # numbers that `columns` copies per place, and that `blocks` adds up per place
    scattered = math.prod(blocks.touched(c) for c in combs) * phases * p.cout
    products = ("columns", "blocks") if gathered < scattered else ("blocks", "columns")
    if phases == 1 and _grouped_library(p):
        return ("direct",) if _inside(p) else ("convolution",)
    if not _library(p, max(p.cin, p.cout * phases)) or min(p.cin, p.cout) < 8:
        return (*products, "convolution")
    if phases == 1:
        return ("direct", "convolution") if _inside(p) and len(spec.axes) == 2 else ("convolution", *products)
    if p.dtype == np.float32 and _uneven(p):
        return ("direct", *products)
    copied = p.batch * math.prod(c.count for c in combs) * gathered * p.dtype.itemsize
    return ("columns",) if copied <= CACHED or len(spec.axes) == 1 or width == 1 else ("convolution", "columns")


def _inside(p: Problem) -> bool:
    """No result outside the input: XLA then leaves the operands of a convolution in place."""
    return all(a.lo >= 0 and a.hi >= 0 and a.out <= a.size for a in p.spec.axes)


def _grouped_library(p: Problem) -> bool:
    """Grouped with overlapping windows: the products would copy each sample once per tap."""
    overlapping = all(a.down == a.up == 1 and a.window > 1 for a in p.spec.axes)
    widest = max(p.cin, p.cout)
    return (p.spec.groups or 1) > 1 and overlapping and len(p.spec.axes) == 2 and p.dtype == np.float32 and widest > 16


def _library(p: Problem, widest: int) -> bool:
    """Ungrouped, of a type and rank that XLA's convolution library (or its transposed path) takes."""
    if p.spec.groups != 1 or widest <= 16:
        return False
    return (len(p.spec.axes) == 2 and p.dtype.kind == "f") or (len(p.spec.axes) == 1 and p.dtype == np.float32)


def _uneven(p: Problem) -> bool:
    """The window is no multiple of the stride: padding the combs to one width would waste products."""
    plain = all(a.dilation == 1 and a.down == 1 for a in p.spec.axes)
    work = math.prod(comb(a).width * comb(a).phases / a.window for a in p.spec.axes)
    return plain and work > 1.4


def _cpu_depthwise_gradient(p: Problem) -> tuple[str, ...]:
    spec = p.spec
    if spec.scalar and len(spec.axes) == 1 and p.dtype.kind == "f" and (spec.window[0] > 12 or p.cin >= 8):
        return ("banded", "rows", "taps")
    return ("rows", "taps")


def _cpu_dense_gradient(p: Problem) -> tuple[str, ...]:
    """The library convolution with y for a window while x is small; one product of blocks above that."""
    combs = [comb(a) for a in p.spec.axes]
    step, near = math.prod(c.step for c in combs), math.prod(blocks.touched(c) for c in combs)
    small = p.batch * math.prod(p.spec.size) * p.cin * p.dtype.itemsize <= CACHED
    if _grouped_library(p):
        return ("direct",)
    if _library(p, p.cout) and near > 1 and (step == 1 or (small and len(combs) == 2 and p.dtype == np.float32)):
        return ("direct", "taps")
    return ("taps", "shifted") if step == 1 or near > 16 else ("shifted", "taps")


def _accelerator(p: Problem) -> tuple[str, ...]:
    """cuDNN reads `direct`: base dilation with a reversed kernel is backward-data, a dilated window is its W."""
    spec = p.spec
    if p.kind == "F":
        if p.depthwise:
            long = len(spec.axes) == 1 and tapsum.terms(spec) > 64
            return ("banded", "tapsum") if long else ("tapsum", "convolution", "fourier")
        if (spec.groups or 1) > 1 and any(a.up > 1 for a in spec.axes):
            return ("convolution", "columns")
        if p.dtype.kind in "iuc":
            return ("columns", "blocks")
        both = any(a.up > 1 for a in spec.axes) and any(a.down > 1 or a.dilation > 1 for a in spec.axes)
        return ("convolution",) if both else ("direct",)
    if p.depthwise:
        return ("banded", "taps") if spec.scalar and len(spec.axes) == 1 else ("taps", "rows")
    if p.dtype.kind in "iuc" or (spec.groups or 1) > 1 or any(a.up > 1 for a in spec.axes):
        return ("taps", "shifted")
    return ("direct",)
