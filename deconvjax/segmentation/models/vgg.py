"""VGG16, fully convolutional, with the padding and rounding of the FCN reference nets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from deconvjax.nn.aligned import Grid
from deconvjax.nn.conv import Conv
from deconvjax.nn.heads import Feature
from deconvjax.segmentation.models.backbone import halve

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # (channels, convolutions) between pools


class VGG16(nnx.Module):
    """images -> conv3-64 x2, pool, ..., conv3-512 x3, pool, conv7-4096, conv1-4096: features "pool3", "pool4", "fc7".

    Pools round up (`halve` is Caffe's ceil): with rounding down, a third of all image sizes could not be
    cropped. With `pad=100` the 7x7 layer has something to read on any image and every crop is legal.

    Args:
        pad: zeros around the image in front of conv1_1: 100 in FCN, 1 for VGG16 itself.
        width: factor on all channels (1 is VGG16; less for tests).
        dropout: rate after fc6 and fc7 while training.

    Source: Simonyan and Zisserman, arXiv:1409.1556; Long, Shelhamer and Darrell's reference nets.

    >>> import jax.numpy as jnp
    >>> net = VGG16(width=1 / 64, rngs=nnx.Rngs(0))
    >>> net(jnp.ones((1, 40, 50, 3)))["fc7"].shape
    (1, 2, 2, 64)
    """

    def __init__(self, *, pad: int = 100, width: float = 1.0, dropout: float = 0.5, dtype: Any = None,
                 param_dtype: Any = jnp.float32, rngs: nnx.Rngs):
        options = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        convs, names, channels, grid, features = [], [], 3, Grid(), {}
        for stage, (full, count) in enumerate(STAGES, 1):
            for number in range(1, count + 1):
                border = pad if (stage, number) == (1, 1) else 1
                outer = max(1, int(full * width))
                convs.append(Conv(channels, outer, (3, 3), padding=border, **options))
                names.append(f"conv{stage}_{number}")
                channels, grid = outer, grid.after(window=3, lo=border)
            grid = grid.after(window=2, stride=2)
            features[f"pool{stage}"] = Feature(channels, grid)
        top = max(1, int(4096 * width))
        self.convs, self.names = nnx.List(convs), tuple(names)
        self.fc6 = Conv(channels, top, (7, 7), padding="VALID", **options)
        self.fc7 = Conv(top, top, (1, 1), **options)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        features["fc7"] = Feature(top, grid.after(window=7))
        self._features = tuple(features.items())

    @property
    def features(self) -> Mapping[str, Feature]:
        """Channels and grid of each feature map."""
        return dict(self._features)

    def __call__(self, images: jax.Array) -> dict[str, jax.Array]:
        """All pools and "fc7"; images are BGR minus the mean where Caffe's weights are used."""
        found: dict[str, jax.Array] = {}
        x, index = images, 0
        for stage, (_, count) in enumerate(STAGES, 1):
            for _ in range(count):
                x = nnx.relu(self.convs[index](x))
                index += 1
            x = halve(x)
            found[f"pool{stage}"] = x
        x = self.dropout(nnx.relu(self.fc6(x)))
        found["fc7"] = self.dropout(nnx.relu(self.fc7(x)))
        return found
