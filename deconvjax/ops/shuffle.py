"""Sub-pixel rearrangement: channels become space, and back. Permutations, so the transpose is the inverse."""

from __future__ import annotations

from deconvjax.algebra import LinearMap
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves.reindex import REST, Reindex, inverse, shuffle
from deconvjax.ops.arguments import Factor, integers, length, one_of


def pixel_shuffle(factor: Factor, *, order: str = "CRD") -> LinearMap:
    """y[..., r*i + u, s*j + v, c] = x[..., i, j, (c*r + u)*s + v],  factor = (r, s): sub-pixel rearrangement.

    What a sub-pixel convolution ends with: r*s channels of a coarse grid become one of a grid r x s as fine. A
    permutation, so its transpose is its inverse, `pixel_unshuffle`.

    Args:
        factor: an int for the two axes of an image, or a tuple with one entry for each space axis (1-D, 3-D, uneven).
        order: how the channels of x are read. "CRD": (channel, u, v), as torch and ONNX's CRD. "DCR": (u, v, channel),
            as TensorFlow's and Keras' depth_to_space and ONNX's default.

    Shapes: `(*batch, *space, C*prod(factor))` to `(*batch, *space*factor, C)`. Any dtype, kept.

    Raises:
        TypeError: a factor that is not an int. ValueError: a factor below 1, an unknown order. ShapeError, when bound:
        channels that are not a multiple of prod(factor).

    Source: Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional
    neural network", CVPR 2016; ONNX DepthToSpace.

    >>> import deconvjax as dj, jax.numpy as jnp
    >>> print(dj.pixel_shuffle(2)(jnp.arange(4).reshape(1, 1, 4))[..., 0])
    [[0 1]
     [2 3]]
    >>> dj.pixel_shuffle((3,)).on((5, 6)).codomain.shape
    (15, 2)
    """
    return shuffle(_factors(factor, "pixel_shuffle"), one_of(order, ("CRD", "DCR"), "pixel_shuffle", "order"))


def pixel_unshuffle(factor: Factor, *, order: str = "CRD") -> LinearMap:
    """y[..., i, j, (c*r + u)*s + v] = x[..., r*i + u, s*j + v, c],  factor = (r, s): the inverse of `pixel_shuffle`.

    Space-to-depth. Arguments as `pixel_shuffle`'s, of which it is inverse and transpose.

    Shapes: `(*batch, *space, C)` to `(*batch, *space/factor, C*prod(factor))`. Any dtype, kept.

    Raises:
        TypeError, ValueError: as `pixel_shuffle`. ShapeError, when bound: a size that the factor does not divide.

    Source: torch.nn.PixelUnshuffle 2.13; ONNX SpaceToDepth.

    >>> import deconvjax as dj, jax.numpy as jnp
    >>> print(dj.pixel_unshuffle(2)(jnp.arange(8).reshape(2, 4, 1))[0])
    [[0 1 4 5]
     [2 3 6 7]]
    """
    factors = _factors(factor, "pixel_unshuffle")
    n = len(factors)
    spread = shuffle(factors, one_of(order, ("CRD", "DCR"), "pixel_unshuffle", "order"))
    return Reindex((*((REST, f) for f in factors), (REST,)), inverse(spread.order), (1,) * n + (n + 1,))


def _factors(factor: Factor, operator: str) -> tuple[int, ...]:
    count = length(factor)
    if count == 0:
        raise ShapeError(complaint(operator, "factor is empty", got="()", expected="one int for each space axis",
                                   fix="use factor=2 for images"))
    return integers(factor, 2 if count is None else count, operator, "factor", 1)
