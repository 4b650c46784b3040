"""Segmentation heads on any feature pyramid: FCN, U-Net and FPN, channels last, any input size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from deconvjax.algebra import LinearMap
from deconvjax.errors import ShapeError, complaint
from deconvjax.nn.aligned import AlignedUpsample, Grid, image_size
from deconvjax.nn.conv import Conv

Features = Mapping[str, jax.Array]
Size = tuple[int, int]


@dataclass(frozen=True)
class Feature:
    """What a head has to know of one feature map: its channels, and where its samples sit in the image."""

    channels: int
    grid: Grid


class FCNHead(nnx.Module):
    """s = up(... up(score(x1)) + score(x2) ...) + score(xn), then up to the image: FCN-32s, 16s, 8s and their like.

    One level is 32s, two 16s, three 8s. Score layers are 1x1 and start at zero, fusion is a sum, upsampling starts
    bilinear and is aligned by the grids, so no crop offset is ever written down. `(*batch, h, w, c)` features in,
    `(*batch, H, W, classes)` logits out.

    Args:
        features: what the backbone gives, by name.
        classes: number of classes.
        levels: names from coarse to fine, e.g. ("fc7", "pool4", "pool3").
        upsampling: "fixed", "depthwise" or "dense", for every stage or one for each (the last goes to the image).
        scales: factor for each level's features before scoring ("at once" training: {"pool4": 0.01, "pool3": 0.0001}).
        border: "edge", or "zero" as in Caffe's FCN.
        dropout: rate on the coarsest features while training.

    Source: Long, Shelhamer and Darrell, arXiv:1411.4038; the authors' reference nets.

    >>> from fractions import Fraction
    >>> import jax.numpy as jnp
    >>> features = {"c2": Feature(4, Grid().after(2, 2)), "c3": Feature(8, Grid().after(4, 4))}
    >>> head = FCNHead(features, classes=5, levels=("c3", "c2"), rngs=nnx.Rngs(0))
    >>> head({"c2": jnp.ones((1, 7, 9, 4)), "c3": jnp.ones((1, 4, 5, 8))}, (13, 17)).shape
    (1, 13, 17, 5)
    """

    def __init__(self, features: Mapping[str, Feature], classes: int, *, levels: Sequence[str],
                 upsampling: str | Sequence[str] = "fixed", scales: Mapping[str, float] | None = None,
                 border: str = "edge", dropout: float = 0.0, dtype: Any = None, param_dtype: Any = jnp.float32,
                 rngs: nnx.Rngs):
        _check_levels("FCNHead", features, levels)
        kinds = (upsampling,) * len(levels) if isinstance(upsampling, str) else tuple(upsampling)
        if len(kinds) != len(levels):
            raise ValueError(complaint("FCNHead", "one kind of upsampling for each level", got=f"{len(kinds)} kinds",
                                       expected=f"{len(levels)}", fix='upsampling="fixed" for all'))
        unknown = [name for name in scales or {} if name not in levels]
        if unknown:
            raise ValueError(complaint("FCNHead", "scales name levels of the head", got=f"{unknown}",
                                       expected=f"names among {list(levels)}", fix="leave the others out"))
        self.levels, self.scales = tuple(levels), tuple((scales or {}).items())
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        zeros = nnx.initializers.zeros_init()
        self.scores = nnx.List([Conv(features[name].channels, classes, (1, 1), kernel_init=zeros, dtype=dtype,
                                     param_dtype=param_dtype, rngs=rngs) for name in levels])
        grids = [features[name].grid for name in levels] + [Grid()]
        self.ups = nnx.List([AlignedUpsample(classes, source, target, kind=kind, border=border, dtype=dtype,
                                             param_dtype=param_dtype)
                             for source, target, kind in zip(grids, grids[1:], kinds, strict=False)])

    def __call__(self, features: Features, size: Size) -> jax.Array:
        """Logits at `size` = (H, W) of the image."""
        _check_features("FCNHead", features, self.levels, size)
        total, scales = None, dict(self.scales)
        for index, name in enumerate(self.levels):
            x = features[name] * scales.get(name, 1.0)
            score = self.scores[index](self.dropout(x) if index == 0 else x)
            total = score if total is None else self.ups[index - 1](total, _size(score)) + score
        assert total is not None
        return self.ups[-1](total, size)

    def as_maps(self, shapes: Mapping[str, Size], size: Size) -> dict[str, LinearMap]:
        """Each upsampling stage as a LinearMap: `{"fc7->pool4": ..., "pool3->image": ...}`.

        Args:
            shapes: (h, w) of each level's feature map.
            size: (H, W) of the image.
        """
        sizes = [shapes[name] for name in self.levels] + [size]
        names = [*self.levels, "image"]
        return {f"{names[i]}->{names[i + 1]}": up.as_map(sizes[i], sizes[i + 1]) for i, up in enumerate(self.ups)}


class UNetDecoder(nnx.Module):
    """d = block(concat(up(d), x_i)) from coarse to fine, then 1x1 to classes and up to the image.

    A block is two 3x3 convolutions, each with group normalisation and ReLU.

    Args:
        features: what the backbone gives, by name.
        classes: number of classes.
        levels: names from coarse to fine.
        widths: channels of the block at every level but the coarsest.
        upsampling: "fixed", "depthwise" or "dense".

    Source: Ronneberger, Fischer and Brox, arXiv:1505.04597 (with "same" convolutions).

    >>> import jax.numpy as jnp
    >>> features = {"c2": Feature(4, Grid().after(2, 2)), "c3": Feature(8, Grid().after(4, 4))}
    >>> head = UNetDecoder(features, classes=5, levels=("c3", "c2"), widths=(8,), rngs=nnx.Rngs(0))
    >>> head({"c2": jnp.ones((1, 8, 8, 4)), "c3": jnp.ones((1, 4, 4, 8))}, (16, 16)).shape
    (1, 16, 16, 5)
    """

    def __init__(self, features: Mapping[str, Feature], classes: int, *, levels: Sequence[str], widths: Sequence[int],
                 upsampling: str = "fixed", dtype: Any = None, param_dtype: Any = jnp.float32, rngs: nnx.Rngs):
        _check_levels("UNetDecoder", features, levels)
        if len(widths) != len(levels) - 1:
            raise ValueError(complaint("UNetDecoder", "one width for each level but the coarsest",
                                       got=f"{len(widths)} widths", expected=f"{len(levels) - 1}",
                                       fix="widths=(256, 128, 64) for four levels"))
        self.levels = tuple(levels)
        options = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        channels, grid = features[levels[0]].channels, features[levels[0]].grid
        ups, blocks = [], []
        for name, width in zip(levels[1:], widths, strict=True):
            ups.append(AlignedUpsample(channels, grid, features[name].grid, kind=upsampling, dtype=dtype,
                                       param_dtype=param_dtype))
            blocks.append(_Block(channels + features[name].channels, width, options))
            channels, grid = width, features[name].grid
        self.ups, self.blocks = nnx.List(ups), nnx.List(blocks)
        self.score = Conv(channels, classes, (1, 1), **options)
        self.last = AlignedUpsample(classes, grid, Grid(), kind=upsampling, dtype=dtype, param_dtype=param_dtype)

    def __call__(self, features: Features, size: Size) -> jax.Array:
        """Logits at `size` = (H, W) of the image."""
        _check_features("UNetDecoder", features, self.levels, size)
        x = features[self.levels[0]]
        for name, up, block in zip(self.levels[1:], self.ups, self.blocks, strict=True):
            skip = features[name]
            x = block(jnp.concatenate([up(x, _size(skip)), skip], axis=-1))
        return self.last(self.score(x), size)

    def as_maps(self, shapes: Mapping[str, Size], size: Size) -> dict[str, LinearMap]:
        """Each upsampling stage as a LinearMap, by "from->to"."""
        sizes = [shapes[name] for name in self.levels] + [size]
        names = [*self.levels, "image"]
        return {f"{names[i]}->{names[i + 1]}": up.as_map(sizes[i], sizes[i + 1])
                for i, up in enumerate([*self.ups, self.last])}


class FPNHead(nnx.Module):
    """p_i = lateral(x_i) + up(p_{i-1}); all p_i smoothed, brought to the finest grid and summed; 1x1; up to the image.

    Args:
        features: what the backbone gives, by name.
        classes: number of classes.
        levels: names from coarse to fine.
        width: channels of the pyramid.
        upsampling: kind of the last stage, at class resolution; those inside the pyramid are fixed bilinear.

    Source: Lin et al., arXiv:1612.03144; Kirillov et al., arXiv:1901.02446 (semantic branch).

    >>> import jax.numpy as jnp
    >>> features = {"c2": Feature(4, Grid().after(2, 2)), "c3": Feature(8, Grid().after(4, 4))}
    >>> head = FPNHead(features, classes=5, levels=("c3", "c2"), width=8, rngs=nnx.Rngs(0))
    >>> head({"c2": jnp.ones((1, 8, 8, 4)), "c3": jnp.ones((1, 4, 4, 8))}, (16, 16)).shape
    (1, 16, 16, 5)
    """

    def __init__(self, features: Mapping[str, Feature], classes: int, *, levels: Sequence[str], width: int = 128,
                 upsampling: str = "fixed", dtype: Any = None, param_dtype: Any = jnp.float32, rngs: nnx.Rngs):
        _check_levels("FPNHead", features, levels)
        self.levels = tuple(levels)
        options = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        grids = [features[name].grid for name in levels]
        self.laterals = nnx.List([Conv(features[name].channels, width, (1, 1), **options) for name in levels])
        self.smooths = nnx.List([Conv(width, width, (3, 3), **options) for _ in levels])
        self.downs = nnx.List([AlignedUpsample(width, a, b) for a, b in zip(grids, grids[1:], strict=False)])
        self.merges = nnx.List([AlignedUpsample(width, grid, grids[-1]) for grid in grids[:-1]])
        self.score = Conv(width, classes, (1, 1), **options)
        self.last = AlignedUpsample(classes, grids[-1], Grid(), kind=upsampling, dtype=dtype, param_dtype=param_dtype)

    def __call__(self, features: Features, size: Size) -> jax.Array:
        """Logits at `size` = (H, W) of the image."""
        _check_features("FPNHead", features, self.levels, size)
        pyramid: list[jax.Array] = []
        for index, name in enumerate(self.levels):
            lateral = self.laterals[index](features[name])
            below = self.downs[index - 1](pyramid[-1], _size(lateral)) if index else None
            pyramid.append(lateral if below is None else lateral + below)
        finest = _size(pyramid[-1])
        smooth = [nnx.relu(conv(p)) for conv, p in zip(self.smooths, pyramid, strict=True)]
        total = smooth[-1]
        for merge, p in zip(self.merges, smooth[:-1], strict=True):
            total = total + merge(p, finest)
        return self.last(self.score(total), size)

    def as_maps(self, shapes: Mapping[str, Size], size: Size) -> dict[str, LinearMap]:
        """Each upsampling stage as a LinearMap, by "from->to"."""
        names, sizes = self.levels, [shapes[name] for name in self.levels]
        found = {f"{names[i]}->{names[i + 1]}": up.as_map(sizes[i], sizes[i + 1]) for i, up in enumerate(self.downs)}
        found |= {f"{names[i]}->sum": up.as_map(sizes[i], sizes[-1]) for i, up in enumerate(self.merges)}
        return found | {f"{names[-1]}->image": self.last.as_map(sizes[-1], size)}


class _Block(nnx.Module):
    """Two 3x3 convolutions, normalised and rectified."""

    def __init__(self, inner: int, outer: int, options: Mapping[str, Any]):
        groups = next(g for g in (8, 4, 2, 1) if outer % g == 0)
        self.convs = nnx.List([Conv(inner, outer, (3, 3), use_bias=False, **options),
                               Conv(outer, outer, (3, 3), use_bias=False, **options)])
        self.norms = nnx.List([nnx.GroupNorm(outer, num_groups=groups, **options) for _ in range(2)])

    def __call__(self, x: jax.Array) -> jax.Array:
        y = x.reshape(-1, *x.shape[-3:])  # nnx.GroupNorm takes one batch axis, no more and no less
        for conv, norm in zip(self.convs, self.norms, strict=True):
            y = nnx.relu(norm(conv(y)))
        return y.reshape(*x.shape[:-1], -1)


def _size(x: jax.Array) -> Size:
    """(h, w) of a channels-last feature map."""
    return x.shape[-3], x.shape[-2]


def _check_levels(head: str, features: Mapping[str, Feature], levels: Sequence[str]) -> None:
    missing = [name for name in levels if name not in features]
    if missing or not levels or isinstance(levels, str):
        raise ValueError(complaint(head, "levels name the feature maps from coarse to fine", got=f"levels={levels!r}",
                                   expected=f"names among {sorted(features)}", fix='levels=("fc7", "pool4", "pool3")'))
    spacing = [features[name].grid.scale for name in levels]
    if any(a < b for a, b in zip(spacing, spacing[1:], strict=False)):
        raise ShapeError(complaint(head, "levels go from coarse to fine", got=f"spacings {list(map(str, spacing))}",
                                   expected="spacings that do not grow", fix="reverse levels"))


def _check_features(head: str, features: Features, levels: Sequence[str], size: Size) -> None:
    image_size(size, head)
    missing = [name for name in levels if name not in features]
    if missing:
        raise ShapeError(complaint(head, "the backbone did not give these feature maps", got=f"{sorted(features)}",
                                   expected=f"also {missing}", fix="name the levels the backbone returns"))
    flat = [name for name in levels if jnp.ndim(features[name]) < 3]
    if flat:
        raise ShapeError(complaint(head, "a feature map has too few axes",
                                   got=", ".join(f"{name} of shape {jnp.shape(features[name])}" for name in flat),
                                   expected="(*batch, h, w, channels)", fix="keep the space axes of the backbone"))
