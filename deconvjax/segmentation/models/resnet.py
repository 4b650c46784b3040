"""ResNet with dilated last stages, and the FCN that torchvision builds on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from deconvjax.errors import ShapeError, complaint
from deconvjax.nn.aligned import Grid
from deconvjax.nn.conv import Conv
from deconvjax.nn.heads import Feature
from deconvjax.ops.resize import resize

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
EXPANSION = 4


class Bottleneck(nnx.Module):
    """relu(x + bn(1x1(relu(bn(3x3(relu(bn(1x1(x)))))))), the stride and the dilation in the 3x3.

    >>> nnx.eval_shape(lambda: Bottleneck(8, 4, stride=2, rngs=nnx.Rngs(0))(jnp.ones((1, 9, 9, 8)))).shape
    (1, 5, 5, 16)
    """

    def __init__(self, channels: int, width: int, *, stride: int = 1, dilation: int = 1, dtype: Any = None,
                 param_dtype: Any = jnp.float32, rngs: nnx.Rngs):
        options = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        outer = EXPANSION * width
        self.convs = nnx.List([
            Conv(channels, width, (1, 1), use_bias=False, **options),
            Conv(width, width, (3, 3), stride, padding=dilation, kernel_dilation=dilation, use_bias=False, **options),
            Conv(width, outer, (1, 1), use_bias=False, **options)])
        self.norms = nnx.List([_norm(n, options) for n in (width, width, outer)])
        shortcut = stride > 1 or channels != outer
        self.shortcut = nnx.data(
            Conv(channels, outer, (1, 1), stride, padding=0, use_bias=False, **options) if shortcut else None)
        self.shortcut_norm = nnx.data(_norm(outer, options) if shortcut else None)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block's output."""
        y = x
        for place, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            y = norm(conv(y))
            y = nnx.relu(y) if place < 2 else y
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = self.shortcut_norm(self.shortcut(x))
        return nnx.relu(x + y)


class ResNet(nnx.Module):
    """images -> conv7x7/2, pool3x3/2, four stages of bottlenecks: features "layer1" to "layer4".

    The last two stages keep the stride at 8 and spread their windows instead (dilation 2, then 4), as torchvision's
    segmentation models do; `dilated=False` is the classifier's own geometry, strides 4, 8, 16, 32.

    Args:
        depth: 50 or 101, or the number of blocks of each of the four stages.
        width: channels of the first layer (64).

    Source: He et al., arXiv:1512.03385; torchvision 0.22, `resnet50(replace_stride_with_dilation=(False, True, True))`.

    >>> maps = nnx.eval_shape(lambda: ResNet(50, rngs=nnx.Rngs(0))(jnp.ones((1, 33, 40, 3))))
    >>> {name: x.shape for name, x in maps.items()}["layer4"]
    (1, 5, 5, 2048)
    """

    def __init__(self, depth: int | Sequence[int] = 50, *, width: int = 64, dilated: bool = True, dtype: Any = None,
                 param_dtype: Any = jnp.float32, rngs: nnx.Rngs):
        if isinstance(depth, int) and depth not in BLOCKS or not isinstance(depth, int) and len(depth) != 4:
            raise ValueError(complaint("ResNet", "unknown depth", got=depth, expected="50, 101 or four numbers",
                                       fix="ResNet(50)"))
        counts = BLOCKS[depth] if isinstance(depth, int) else tuple(depth)
        options = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        self.conv1 = Conv(3, width, (7, 7), 2, padding=3, use_bias=False, **options)
        self.bn1 = _norm(width, options)
        grid = Grid().after(window=7, stride=2, lo=3).after(window=3, stride=2, lo=1)
        channels, dilation, stages, features = width, 1, [], {}
        for stage, count in enumerate(counts):
            stride = 1 if stage == 0 else 2
            before = dilation
            if dilated and stage >= 2:
                dilation, stride = dilation * stride, 1
            inner = width << stage
            stages.append(nnx.List([
                Bottleneck(channels if place == 0 else EXPANSION * inner, inner, stride=stride if place == 0 else 1,
                           dilation=before if place == 0 else dilation, **options) for place in range(count)]))
            channels, grid = EXPANSION * inner, grid.after(stride=stride)
            features[f"layer{stage + 1}"] = Feature(channels, grid)
        self.stages = nnx.List(stages)
        self._features = tuple(features.items())

    @property
    def features(self) -> Mapping[str, Feature]:
        """Channels and grid of each feature map."""
        return dict(self._features)

    def __call__(self, images: jax.Array) -> dict[str, jax.Array]:
        """Features "layer1" ... "layer4"; images are RGB, normalised as the weights were trained."""
        x = nnx.relu(self.bn1(self.conv1(images)))
        x = _pool(x)
        found = {}
        for name, blocks in zip(self.features, self.stages, strict=True):
            for block in blocks:
                x = block(x)
            found[name] = x
        return found


class ConvHead(nnx.Module):
    """score(dropout(relu(bn(conv3x3(x))))): torchvision's FCNHead, a quarter of the channels inside.

    >>> nnx.eval_shape(lambda: ConvHead(8, 21, rngs=nnx.Rngs(0))(jnp.ones((1, 5, 5, 8)))).shape
    (1, 5, 5, 21)
    """

    def __init__(self, channels: int, classes: int, *, dropout: float = 0.1, dtype: Any = None,
                 param_dtype: Any = jnp.float32, rngs: nnx.Rngs):
        options = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        self.conv = Conv(channels, channels // 4, (3, 3), padding=1, use_bias=False, **options)
        self.norm = _norm(channels // 4, options)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.score = Conv(channels // 4, classes, (1, 1), **options)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores at the features' own resolution."""
        return self.score(self.dropout(nnx.relu(self.norm(self.conv(x)))))


class FCNResNet(nnx.Module):
    """logits = resize(head(layer4(images))): torchvision's fcn_resnet50 and fcn_resnet101, `(*batch, H, W, classes)`.

    Bilinear to the size of the images with half-pixel centres (`align_corners=False`).

    Args:
        depth: 50 or 101, or the number of blocks of each of the four stages.
        classes: 21 for PASCAL VOC's.
        auxiliary: also a head on "layer3", for `auxiliary_logits`.

    Source: torchvision 0.22, models/segmentation/fcn.py.

    >>> nnx.eval_shape(lambda: FCNResNet(50, rngs=nnx.Rngs(0))(jnp.ones((2, 33, 40, 3)))).shape
    (2, 33, 40, 21)
    """

    def __init__(self, depth: int | Sequence[int] = 50, classes: int = 21, *, auxiliary: bool = False, width: int = 64,
                 dtype: Any = None, param_dtype: Any = jnp.float32, rngs: nnx.Rngs):
        options = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        self.backbone = ResNet(depth, width=width, **options)
        features = self.backbone.features
        self.classifier = ConvHead(features["layer4"].channels, classes, **options)
        self.auxiliary = nnx.data(ConvHead(features["layer3"].channels, classes, **options) if auxiliary else None)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits at the size of the images."""
        return self._logits(self.classifier, images, "layer4")

    def auxiliary_logits(self, images: jax.Array) -> jax.Array:
        """What the auxiliary head says of "layer3", at the size of the images."""
        if self.auxiliary is None:
            raise ValueError(complaint("FCNResNet", "there is no auxiliary head", got="auxiliary=False",
                                       expected="auxiliary=True", fix="build the model with auxiliary=True"))
        return self._logits(self.auxiliary, images, "layer3")

    def _logits(self, head: ConvHead, images: jax.Array, level: str) -> jax.Array:
        if images.ndim < 3:
            raise ShapeError(complaint("FCNResNet", "images have too few axes", got=f"shape {images.shape}",
                                       expected="(*batch, H, W, channels)", fix="add the channel axis"))
        scores = head(self.backbone(images)[level])
        factors = [Fraction(images.shape[axis], scores.shape[axis]) for axis in (-3, -2)]
        return resize(factors, "bilinear", border="edge", axes=(-3, -2))(scores)


def _pool(x: jax.Array) -> jax.Array:
    """3x3/2 with pads of 1, over any batch axes: `nnx.max_pool` with explicit pads takes one."""
    batch = x.ndim - 3
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (*[1] * batch, 3, 3, 1), (*[1] * batch, 2, 2, 1),
                                 (*[(0, 0)] * batch, (1, 1), (1, 1), (0, 0)))


def _norm(channels: int, options: Mapping[str, Any]) -> nnx.BatchNorm:
    return nnx.BatchNorm(channels, momentum=0.9, epsilon=1e-5, **options)
