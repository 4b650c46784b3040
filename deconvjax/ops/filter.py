"""Filters on scalar taps: true convolution, correlation, and the multirate stage itself."""

from __future__ import annotations

from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.axis import Rate
from deconvjax.leaves.extend import MODES, Extend
from deconvjax.ops.arguments import (
    Axes,
    Factor,
    Pair,
    Taps,
    Widths,
    integers,
    one_of,
    pairs,
    scalar_taps,
    stage,
)

Padding = str | Widths


def convolve(taps: Taps, padding: Padding = "same", *, axes: Axes = None) -> LinearMap:
    """y[n] = sum_i q[i] x[n + c - i], c = (K-1)//2 for "same": true convolution with the taps q.

    Everything off `axes` shares the taps. Taps as lists or NumPy arrays take x's dtype, as Python numbers do; JAX
    arrays promote with it and may be traced and differentiated. Integers are exact, bfloat16 accumulates in float32.
    Integer taps take x's integer dtype and results wrap there as JAX's do (200*4 in uint8): widen x first where they
    may not, `x.astype(jnp.int32)`.

    Args:
        taps: one array axis for each axis it slides along, K taps each.
        padding: "full" (length n+K-1), "same" (n), "valid" (n-K+1) as in `scipy.signal.convolve(x, taps, padding)`;
            a border rule "wrap", "reflect", "symmetric" or "edge" (n); or `(lo, hi)`, one pair for each axis: "valid"
            on x padded (or, where negative, cropped) by that many zeros.
        axes: negative axes; None means the trailing ones, as many as `taps` has.

    Raises:
        TypeError: taps that are not numbers. ValueError: an unknown padding. ShapeError: empty taps, axes that do not
        fit, or (when bound) taps longer than the padded signal.

    Source: scipy.signal.convolve 1.14.

    >>> import deconvjax as dj
    >>> print(dj.convolve([1, 2, 3]).on((4,)).matrix().astype(int))
    [[2 1 0 0]
     [3 2 1 0]
     [0 3 2 1]
     [0 0 3 2]]
    """
    return _filter("convolve", taps, padding, axes, flip=True)


def correlate(taps: Taps, padding: Padding = "same", *, axes: Axes = None) -> LinearMap:
    """y[n] = sum_j conj(q[j]) x[n - lo + j], lo = K//2 for "same": cross-correlation with the taps q.

    The transpose family of `convolve`: `convolve(q, (lo, hi)).H` is `correlate(q, (K-1-lo, K-1-hi))`. Dtypes as there.

    Args:
        taps: one array axis for each axis it slides along, K taps each; complex ones are conjugated.
        padding: "full", "same", "valid" as in `scipy.signal.correlate(x, taps, padding)`, a border rule, or `(lo, hi)`
            for each axis: as in `convolve`.
        axes: negative axes; None means the trailing ones, as many as `taps` has.

    Raises:
        TypeError, ValueError, ShapeError: as `convolve`.

    Source: scipy.signal.correlate 1.14.

    >>> import deconvjax as dj
    >>> print(dj.correlate([1, 2, 3]).on((4,)).matrix().astype(int))
    [[2 3 0 0]
     [1 2 3 0]
     [0 1 2 3]
     [0 0 1 2]]
    """
    return _filter("correlate", taps, padding, axes, flip=False)


def upfirdn(
    taps: Taps, up: Factor = 1, down: Factor = 1, padding: str | Widths = "full", *, axes: Axes = None
) -> LinearMap:
    """y[n] = sum_i h[i] z[n*down + c - i], z = x with up-1 zeros between samples: the stage itself, on scalar taps.

    Resampling by up/down in one pass: c = 0 for "full". Everything off `axes` shares the taps. Dtypes as `convolve`.

    Args:
        taps: one array axis for each axis it slides along, K taps each.
        up: zeros are stuffed until there are `up` samples for each: int >= 1, or one for each axis.
        down: every `down`-th result is kept: int >= 1, or one for each axis.
        padding: "full", as `scipy.signal.upfirdn`: length ceil(((n-1)*up + K)/down); "valid"; or `(lo, hi)` for each
            axis, which pads (or, where negative, crops) the stuffed signal of length (n-1)*up + 1.
        axes: negative axes; None means the trailing ones, as many as `taps` has.

    Raises:
        TypeError, ValueError, ShapeError: as `convolve`, and for factors that are not ints >= 1.

    Source: scipy.signal.upfirdn 1.14.

    >>> import deconvjax as dj
    >>> print(dj.upfirdn([1, 1], up=2).on((3,)).matrix().astype(int))
    [[1 0 0]
     [1 0 0]
     [0 1 0]
     [0 1 0]
     [0 0 1]
     [0 0 1]]
    """
    array, weak, where = scalar_taps(taps, "upfirdn", axes)
    ups = integers(up, len(where), "upfirdn", "up", 1)
    downs = integers(down, len(where), "upfirdn", "down", 1)
    if isinstance(padding, str):
        one_of(padding, ("full", "valid"), "upfirdn", "padding", " or one (lo, hi) for each axis")
        pads: tuple[Pair, ...] = tuple((n - 1, n - 1) if padding == "full" else (0, 0) for n in array.shape)
    else:
        pads = pairs(padding, len(where), "upfirdn", "padding")
    rates = [Rate(up=u, down=d, lo=lo, hi=hi) for u, d, (lo, hi) in zip(ups, downs, pads, strict=True)]
    return stage(array, rates, where, flip=True, weak=weak)


def _filter(operator: str, taps: Any, padding: Any, axes: Axes, flip: bool) -> LinearMap:
    array, weak, where = scalar_taps(taps, operator, axes)
    options = {"flip": flip, "conjugate": not flip and array.dtype.kind == "c", "weak": weak}
    if not isinstance(padding, str):
        pads = pairs(padding, len(where), operator, "padding")
        return stage(array, [Rate(lo=lo, hi=hi) for lo, hi in pads], where, **options)
    one_of(padding, ("same", "full", "valid", *MODES), operator, "padding", " or one (lo, hi) for each axis")
    same = tuple((n // 2, (n - 1) // 2) for n in array.shape)  # SciPy: the middle of "full"
    if padding in MODES:
        order = sorted(range(len(where)), key=where.__getitem__)
        extend = Extend(tuple(same[i] for i in order), tuple(where[i] for i in order), padding)
        return stage(array, [Rate()] * len(where), where, **options) @ extend
    pads = {"same": same, "full": tuple((n - 1, n - 1) for n in array.shape)}.get(padding, ((0, 0),) * len(where))
    return stage(array, [Rate(lo=lo, hi=hi) for lo, hi in pads], where, **options)
