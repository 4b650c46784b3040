"""y[n] = sum_j k[j] z[n*down + j - lo], as NumPy loops: every operator written once more from its definition.

Nothing here shares code with the rest of the library (it imports NumPy and nothing else), so agreement is evidence.
Loops run over taps, slices over samples; integers stay exact. All functions take leading batch axes, and `matrix`
uses that to turn any of them into a dense matrix.
"""

from deconvjax.check.oracle.layers import average_pool, conv, conv_transpose, max_pool, reassemble, unpool
from deconvjax.check.oracle.probing import matrix
from deconvjax.check.oracle.rearrange import crop, downsample, pad, pixel_shuffle, pixel_unshuffle, shift, upsample
from deconvjax.check.oracle.resampling import resize
from deconvjax.check.oracle.sliding import convolve, correlate, stage, upfirdn

__all__ = [
    "average_pool",
    "conv",
    "conv_transpose",
    "convolve",
    "correlate",
    "crop",
    "downsample",
    "matrix",
    "max_pool",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "reassemble",
    "resize",
    "shift",
    "stage",
    "unpool",
    "upfirdn",
    "upsample",
]
