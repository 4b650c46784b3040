"""Designed taps: the windowed sinc."""

from __future__ import annotations

import numpy as np

from deconvjax.errors import complaint
from deconvjax.filters._arguments import finite, positive_int


def kaiser(
    taps: int, cutoff: float, *, beta: float | None = None, width: float | None = None, fs: float = 2.0
) -> np.ndarray:
    """k[j] = c sinc(c m) I0(beta sqrt(1 - (2m/(n-1))^2)) / I0(beta) / sum,  m = j - (n-1)/2,  c = 2 cutoff/fs.

    The low-pass of `n = taps` taps with half amplitude at `cutoff` and unit gain at 0: anti-aliasing before
    `downsample`, image rejection after `upsample` (there times the factor). `cutoff` and `width` are in the units of
    the sampling rate `fs`; at its default 2 the Nyquist frequency is 1, so `upsample(L)` wants `cutoff = 1/L`.
    `beta` trades ripple for transition width (5 is the resampler's usual choice and the default); `width` instead
    asks for that transition width and takes the beta that Kaiser's formula gives for it.

    Shape `(taps,)`, float64. TypeError for a count that is not an integer or a frequency that is not a number,
    ValueError outside `0 < cutoff < fs/2`, outside `0 <= beta < 700` (beyond, I0 is infinite) or a width that asks for
    such a beta, or when both beta and width are given.
    Source: Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", ISCAS 1974; equals
    `scipy.signal.firwin(taps, cutoff, window=("kaiser", beta), fs=fs)` and `firwin(taps, cutoff, width=width, fs=fs)`.

    >>> kaiser(7, 1/2, beta=5.0).round(4)
    array([-0.004 ,  0.    ,  0.2503,  0.5072,  0.2503,  0.    , -0.004 ])
    """
    n = positive_int(taps, "kaiser", "taps")
    fs = finite(fs, "kaiser", "fs", above=0.0)
    c = finite(cutoff, "kaiser", "cutoff", above=0.0, below=fs / 2) * 2 / fs
    if beta is not None and width is not None:
        got, problem = f"beta={beta}, width={width}", "beta and width exclude each other"
        raise ValueError(complaint("kaiser", problem, got=got, expected="one of them", fix="drop one"))
    if width is not None:
        widest = 442 * fs / max(n - 1, 1)  # where beta is 700 and I0(beta) nearly infinite
        beta = _beta(n, finite(width, "kaiser", "width", above=0.0, below=widest) * 2 / fs)
    b = 5.0 if beta is None else finite(beta, "kaiser", "beta", above=-np.finfo(float).tiny, below=700.0)
    m = np.arange(n) - (n - 1) / 2
    k = c * np.sinc(c * m) * np.kaiser(n, b)
    return k / k.sum()


def _beta(taps: int, width: float) -> float:
    """beta from the attenuation that `taps` taps reach over a transition of `width` (Nyquist = 1)."""
    attenuation = 2.285 * (taps - 1) * np.pi * width + 7.95
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    return 0.0
