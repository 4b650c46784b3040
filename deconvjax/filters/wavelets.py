"""Two-channel filter banks with perfect reconstruction, computed from their factorisation (no tables of digits).

All of them halve the same half-band polynomial: with y = sin^2(w/2) = (2 - z - 1/z)/4,

    H(z) H~(z) = ((2 + z + 1/z)/4)^K P(y),      P(y) = sum_{k<K} C(K-1+k, k) y^k

and differ in how the zeros of P are shared out: Daubechies' takes those inside the unit circle, the symlets the
choice of least phase distortion, the splines give all of P to the analysis, and 9/7 splits it evenly.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np

from deconvjax.errors import complaint

# For each symlet, which groups of zeros (by modulus) are reflected out of the unit circle.
_SYMLETS = {2: (1,), 3: (1,), 4: (1, 0), 5: (0, 1), 6: (0, 1, 0), 7: (0, 1, 1), 8: (1, 0, 1, 0)}
_SPLINES = {1: (1, 3, 5), 2: (2, 4, 6, 8), 3: (1, 3, 5, 7, 9)}
_ALIASES = {"haar": "db1", "5/3": "bior2.2", "cdf5/3": "bior2.2", "9/7": "bior4.4", "cdf9/7": "bior4.4"}
_KNOWN = "haar, db1 … db10, sym2 … sym8, bior1.1 … bior3.9, bior2.2 (5/3), bior4.4 (9/7)"


class WaveletBank(NamedTuple):
    """dec_hi[k] = (-1)^(k+1) rec_lo[k],  rec_hi[k] = (-1)^k dec_lo[k]: analysis and synthesis taps of one wavelet.

    The four arrays have one even length. Orthogonal banks have `rec_lo = dec_lo[::-1]`, so that synthesis is the
    transpose of analysis; biorthogonal ones do not.

    >>> WaveletBank(*wavelet("haar")).rec_lo.round(4)
    array([0.7071, 0.7071])
    """

    dec_lo: np.ndarray
    dec_hi: np.ndarray
    rec_lo: np.ndarray
    rec_hi: np.ndarray


def wavelet(name: str) -> WaveletBank:
    """a = downsample(2, phase=1)(dec_lo * x),  d = downsample(2, phase=1)(dec_hi * x): a wavelet's four filters.

    Names: "haar", "db1" … "db10" (Daubechies), "sym2" … "sym8" (symlets), "bior1.1" … "bior3.9" (splines; "bior2.2" is
    also "5/3") and "bior4.4" ("9/7", JPEG 2000's). Order, orientation, padding and scale (sum of `dec_lo` = sqrt 2)
    are PyWavelets'. Returns a `WaveletBank` of float64 arrays of one even length. ValueError for another name.
    Source: Daubechies, "Ten Lectures on Wavelets", 1992, sections 6.1, 6.4 and 8.3; Cohen, Daubechies & Feauveau 1992.

    >>> wavelet("db2").dec_lo.round(4)
    array([-0.1294,  0.2241,  0.8365,  0.483 ])
    >>> (wavelet("5/3").rec_lo / 2**0.5).round(2)
    array([0.  , 0.25, 0.5 , 0.25, 0.  , 0.  ])
    """
    if not isinstance(name, str):
        got = repr(name)
        raise TypeError(complaint("wavelet", "name must be a string", got=got, expected=_KNOWN, fix='wavelet("db2")'))
    match = re.fullmatch(r"(db|sym|bior)([1-9][0-9]?)(?:\.([1-9]))?", _ALIASES.get(name, name))
    family, first, second = (match[1], int(match[2]), int(match[3] or 0)) if match else ("", 0, 0)
    if family == "db" and 1 <= first <= 10 and not second:
        return _orthogonal(_factor([-1.0] * first + [1 / z for g in _zeros(first) for z in g]))
    if family == "sym" and first in _SYMLETS and not second:
        groups = zip(_SYMLETS[first], _zeros(first), strict=True)
        return _orthogonal(_factor([-1.0] * first + [1 / z if out else z for out, group in groups for z in group]))
    if family == "bior" and second in _SPLINES.get(first, ()):
        half_band = [z for g in _zeros((first + second) // 2) for z in (*g, *[1 / z for z in g])]
        return _biorthogonal(_factor([-1.0] * second + half_band), _factor([-1.0] * first))
    if family == "bior" and (first, second) == (4, 4):
        split = [[z for z in (*g, *[1 / z for z in g])] for g in sorted(_zeros(4), key=len)]
        return _biorthogonal(_factor([-1.0] * 4 + split[1]), _factor([-1.0] * 4 + split[0]))
    raise ValueError(complaint("wavelet", "no such wavelet", got=repr(name), expected=_KNOWN, fix='wavelet("db2")'))


def _zeros(order: int) -> list[list[complex]]:
    """The zeros in z of P inside the unit circle, conjugates together, groups by modulus."""
    p = [math.comb(order - 1 + k, k) for k in reversed(range(order))]
    y = np.roots(p).astype(np.clongdouble)
    for _ in range(8):  # Newton, because the eigenvalues that np.roots takes lose half the digits at order 10
        value, slope = np.zeros_like(y), np.zeros_like(y)
        for c in p:
            value, slope = value * y + c, slope * y + value
        y = y - value / slope
    root = np.sqrt((1 - 2 * y) ** 2 - 1)
    z = np.where(np.abs(1 - 2 * y + root) < 1, 1 - 2 * y + root, 1 - 2 * y - root)
    upper = sorted((r for r in z if r.imag > -1e-9), key=abs)
    return [[r, r.conjugate()] if r.imag > 1e-9 else [r] for r in upper]


def _factor(zeros: list) -> np.ndarray:
    """prod (1 - r z) over the zeros r, scaled to the sum sqrt 2."""
    taps = np.ones(1, np.clongdouble)
    for r in zeros:
        taps = np.convolve(taps, np.array([1, -r], np.clongdouble))
    return (taps.real / taps.real.sum() * np.sqrt(np.longdouble(2))).astype(np.float64)


def _orthogonal(dec_lo: np.ndarray) -> WaveletBank:
    return _bank(dec_lo, dec_lo[::-1].copy())


def _biorthogonal(dec_lo: np.ndarray, rec_lo: np.ndarray) -> WaveletBank:
    """Both centred in one even length; an odd gap leaves its zero before dec_lo and after rec_lo."""
    size = max(len(dec_lo), len(rec_lo))
    size += size % 2
    gap_dec, gap_rec = size - len(dec_lo), size - len(rec_lo)
    dec_lo = np.pad(dec_lo, (gap_dec - gap_dec // 2, gap_dec // 2))
    return _bank(dec_lo, np.pad(rec_lo, (gap_rec // 2, gap_rec - gap_rec // 2)))


def _bank(dec_lo: np.ndarray, rec_lo: np.ndarray) -> WaveletBank:
    sign = (-1.0) ** np.arange(len(dec_lo))
    return WaveletBank(dec_lo, -sign * rec_lo, rec_lo, sign * dec_lo)
