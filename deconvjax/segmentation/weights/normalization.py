"""Images as a network was trained on them, taken into its first convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from deconvjax.errors import ShapeError, complaint


@dataclass(frozen=True)
class Normalization:
    """z = (v - mean)/std, channel by channel, of images v in [0, 1].

    >>> Normalization((0.5,), (0.25,)).std
    (0.25,)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # torchvision's models


def absorb_normalization(conv: Any, norm: nnx.BatchNorm | None = None,
                         normalization: Normalization = IMAGENET) -> None:
    """conv((v - mean)/std) = conv'(2 v - 1): the first layer reads images in [-1, 1] as `Trainer` gives them.

    k'[..., c, o] = k[..., c, o]/(2 std[c]),  b'[o] = b[o] + sum_{j, c} k[j, c, o] (1/2 - mean[c])/std[c]

    Exact wherever the window lies inside the image. The zeros padded around it stand for mid-grey (1/2) instead of
    for the mean (0.41 to 0.49). A layer without bias gives the shift to the mean of the batch norm behind it. Both are
    changed in place.

    >>> layer = nnx.Conv(3, 1, (1, 1), kernel_init=nnx.initializers.ones, rngs=nnx.Rngs(0))
    >>> absorb_normalization(layer, normalization=Normalization((0.5, 0.5, 0.0), (0.5, 0.5, 0.5)))
    >>> print(layer.kernel[0, 0, :, 0], layer.bias[...])
    [1. 1. 1.] [1.]
    """
    kernel = np.asarray(conv.kernel[...], np.float64)
    mean, std = (np.asarray(each, np.float64) for each in (normalization.mean, normalization.std))
    if kernel.shape[-2] != len(mean) or len(mean) != len(std) or (conv.bias is None and norm is None):
        raise ShapeError(complaint("absorb_normalization", "the layer cannot take it in",
                                   got=f"{kernel.shape[-2]} channels, {'no ' * (conv.bias is None)}bias",
                                   expected=f"{len(mean)} channels, and a bias or a batch norm behind",
                                   fix="normalise the images instead"))
    shift = (0.5 - mean) / std @ kernel.reshape(-1, *kernel.shape[-2:]).sum(0)
    place, moved = (conv.bias, shift) if conv.bias is not None else (norm.mean, -shift)  # type: ignore[union-attr]
    place[...] = jnp.asarray(np.asarray(place[...], np.float64) + moved, place[...].dtype)
    conv.kernel[...] = jnp.asarray(kernel / (2 * std)[:, None], conv.kernel[...].dtype)
