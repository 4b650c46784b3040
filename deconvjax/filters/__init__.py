"""Named taps, as NumPy float64 arrays: y = q * x needs a q, and these are the ones with names.

Every filter that has a size takes one number (`ndim=` equal axes) or a tuple of them (one per axis) and returns the
outer product of its 1-D taps: `bilinear(2, ndim=2)` and `bilinear((2, 2))` are the same 4x4 kernel.
"""

from deconvjax.filters.design import kaiser
from deconvjax.filters.interpolation import bilinear, cubic, lanczos, nearest
from deconvjax.filters.smoothing import binomial, box, gaussian
from deconvjax.filters.wavelets import WaveletBank, wavelet

__all__ = [
    "WaveletBank",
    "bilinear",
    "binomial",
    "box",
    "cubic",
    "gaussian",
    "kaiser",
    "lanczos",
    "nearest",
    "wavelet",
]
