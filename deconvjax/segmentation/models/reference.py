"""A backbone and a head as one model, and the reference FCNs by name."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from deconvjax.errors import ShapeError, complaint
from deconvjax.nn.heads import FCNHead
from deconvjax.segmentation.models.vgg import VGG16

LEVELS = {"32s": ("fc7",), "16s": ("fc7", "pool4"), "8s": ("fc7", "pool4", "pool3")}
AT_ONCE = {"pool4": 0.01, "pool3": 0.0001}


class Segmenter(nnx.Module):
    """logits = head(backbone(images), (H, W)): `(*batch, H, W, 3)` to `(*batch, H, W, classes)`.

    >>> import jax.numpy as jnp
    >>> from deconvjax.segmentation.models.backbone import TinyBackbone
    >>> rngs = nnx.Rngs(0)
    >>> backbone = TinyBackbone(rngs=rngs)
    >>> head = FCNHead(backbone.features, 11, levels=("pool4", "pool3", "pool2"), rngs=rngs)
    >>> Segmenter(backbone, head)(jnp.ones((2, 30, 41, 3))).shape
    (2, 30, 41, 11)
    """

    def __init__(self, backbone: Any, head: Any):
        self.backbone, self.head = backbone, head

    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits at the size of the images."""
        if images.ndim < 3:
            raise ShapeError(complaint("Segmenter", "images have too few axes", got=f"shape {images.shape}",
                                       expected="(*batch, H, W, channels)", fix="add the channel axis"))
        return self.head(self.backbone(images), (images.shape[-3], images.shape[-2]))


def fcn(form: str, classes: int = 21, *, at_once: bool = False, upsampling: str = "fixed", width: float = 1.0,
        dtype: Any = None, param_dtype: Any = jnp.float32, rngs: nnx.Rngs) -> Segmenter:
    """logits = FCN-32s, 16s or 8s of images: VGG16 and its head as their authors released them.

    Pad 100, pools that round up, zero-initialised 1x1 scores, bilinear upsampling with zero borders (fixed in the
    released nets), alignment equal to their crops: 19; 5 and 27; 5, 9 and 31.

    Args:
        form: "32s", "16s" or "8s".
        classes: 21 for PASCAL VOC.
        at_once: scale pool4 by 0.01 and pool3 by 0.0001 before scoring, for training all skips at once.
        upsampling: "fixed", "depthwise" or "dense".
        width: factor on VGG16's channels.

    Source: Long, Shelhamer and Darrell, arXiv:1411.4038, and the authors' voc-fcn32s, 16s, 8s and 8s-atonce.

    >>> fcn("8s", width=1 / 64, rngs=nnx.Rngs(0)).head.levels
    ('fc7', 'pool4', 'pool3')
    """
    if form not in LEVELS:
        raise ValueError(complaint("fcn", "unknown form", got=repr(form), expected=", ".join(map(repr, LEVELS)),
                                   fix='fcn("8s")'))
    backbone = VGG16(width=width, dtype=dtype, param_dtype=param_dtype, rngs=rngs)
    head = FCNHead(backbone.features, classes, levels=LEVELS[form], upsampling=upsampling, border="zero",
                   scales=AT_ONCE if at_once else None, dtype=dtype, param_dtype=param_dtype, rngs=rngs)
    return Segmenter(backbone, head)


def fcn32s(classes: int = 21, **options: Any) -> Segmenter:
    """logits = `fcn("32s", classes, ...)(images)`: one ×32 upsampling.

    >>> len(fcn32s(width=1 / 64, rngs=nnx.Rngs(0)).head.ups)
    1
    """
    return fcn("32s", classes, **options)


def fcn16s(classes: int = 21, **options: Any) -> Segmenter:
    """logits = `fcn("16s", classes, ...)(images)`: ×2, sum with pool4, ×16.

    >>> [up.placement.factor for up in fcn16s(width=1 / 64, rngs=nnx.Rngs(0)).head.ups]
    [2, 16]
    """
    return fcn("16s", classes, **options)


def fcn8s(classes: int = 21, **options: Any) -> Segmenter:
    """logits = `fcn("8s", classes, ...)(images)`: ×2, sum with pool4, ×2, sum with pool3, ×8.

    >>> [up.placement.factor for up in fcn8s(width=1 / 64, rngs=nnx.Rngs(0)).head.ups]
    [2, 2, 8]
    """
    return fcn("8s", classes, **options)


def fcn8s_atonce(classes: int = 21, **options: Any) -> Segmenter:
    """`fcn("8s", classes, at_once=True, ...)`: all skips trained together, their features scaled down.

    >>> dict(fcn8s_atonce(width=1 / 64, rngs=nnx.Rngs(0)).head.scales)["pool4"]
    0.01
    """
    return fcn("8s", classes, at_once=True, **options)
