"""Backbones: anything that gives named feature maps and says where their samples sit in the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import nnx

from deconvjax.nn.aligned import Grid
from deconvjax.nn.conv import Conv
from deconvjax.nn.heads import Feature
from deconvjax.segmentation.models.norm import GroupNorm


@runtime_checkable
class Backbone(Protocol):
    """images (*batch, H, W, 3) -> {name: (*batch, h, w, channels)}, with `features` describing each name.

    >>> backbone: Backbone = Wrapped(lambda images: {"c3": images}, {"c3": Feature(8, evenly(8))})
    >>> backbone.features["c3"].channels
    8
    """

    @property
    def features(self) -> Mapping[str, Feature]:
        """Channels and grid of each feature map."""
        ...

    def __call__(self, images: jax.Array) -> Mapping[str, jax.Array]:
        """Feature maps by name."""
        ...


class Wrapped(nnx.Module):
    """images -> {name: f(images)[name]}: an outside network as a backbone.

    Args:
        network: any callable from images to a mapping of named, channels-last feature maps: an nnx module, a bound
            function, a model of another library.
        features: channels and grid of each name; `evenly(stride)` gives the grid of a network whose "same" padding
            keeps the image centred.

    >>> import jax.numpy as jnp
    >>> from deconvjax.nn.heads import FCNHead
    >>> class Patches(nnx.Module):  # plain Flax, written by somebody else: patches of 4x4, then of 2x2
    ...     def __init__(self, rngs):
    ...         self.stem = nnx.Conv(3, 8, (4, 4), 4, padding="VALID", rngs=rngs)
    ...         self.down = nnx.Conv(8, 16, (2, 2), 2, padding="VALID", rngs=rngs)
    ...     def __call__(self, images):
    ...         fine = nnx.relu(self.stem(images))
    ...         return {"fine": fine, "coarse": nnx.relu(self.down(fine))}
    >>> rngs = nnx.Rngs(0)
    >>> backbone = Wrapped(Patches(rngs), {"fine": Feature(8, evenly(4)), "coarse": Feature(16, evenly(8))})
    >>> head = FCNHead(backbone.features, 21, levels=("coarse", "fine"), rngs=rngs)
    >>> head(backbone(jnp.ones((1, 37, 50, 3))), (37, 50)).shape
    (1, 37, 50, 21)
    """

    def __init__(self, network: Callable[[jax.Array], Mapping[str, jax.Array]], features: Mapping[str, Feature]):
        self.network = network
        self._features = tuple(features.items())

    @property
    def features(self) -> Mapping[str, Feature]:
        """Channels and grid of each feature map."""
        return dict(self._features)

    def __call__(self, images: jax.Array) -> Mapping[str, jax.Array]:
        """The network's feature maps."""
        return self.network(images)


def evenly(stride: int) -> Grid:
    """position = stride*n + (stride-1)/2 of sample n: the grid of stride-by-stride cells, as pooling makes it.

    >>> evenly(4)
    Grid(scale=Fraction(4, 1), offset=Fraction(3, 2))
    """
    return Grid(Fraction(stride), Fraction(stride - 1, 2))


def halve(x: jax.Array) -> jax.Array:
    """y[m, n] = max of x[2m:2m+2, 2n:2n+2]: a 2x2/2 pool whose size rounds up, as Caffe's.

    Four strided slices and three maxima: the transpose of `max_pool` scatters through the windows, which on a CPU
    takes 25 times as long. Where several samples of a window are its maximum, they share the gradient.

    >>> import jax.numpy as jnp
    >>> halve(jnp.arange(15.0).reshape(3, 5, 1))[..., 0]
    Array([[ 6.,  8.,  9.],
           [11., 13., 14.]], dtype=float...)
    """
    odd = [(0, n % 2) for n in x.shape[-3:-1]]
    x = jnp.pad(x, [(0, 0)] * (x.ndim - 3) + odd + [(0, 0)], mode="edge") if any(hi for _, hi in odd) else x
    above = jnp.maximum(x[..., ::2, ::2, :], x[..., ::2, 1::2, :])
    return jnp.maximum(above, jnp.maximum(x[..., 1::2, ::2, :], x[..., 1::2, 1::2, :]))


class TinyBackbone(nnx.Module):
    """images -> pool1 ... pool4: a 4x4/2 convolution, then three times a 2x2/2 pool and two 3x3 convolutions.

    Trains in minutes on a laptop's CPU.
    Features "pool1" to "pool4" at strides 2, 4, 8, 16. Nothing runs at the image's own resolution, where a layer of 16
    channels costs as much as one of 128 at a quarter of it. Group normalisation, so batches may be small.

    Args:
        widths: channels of the four features.

    >>> import jax.numpy as jnp
    >>> backbone = TinyBackbone(rngs=nnx.Rngs(0))
    >>> {name: x.shape for name, x in backbone(jnp.ones((1, 50, 64, 3))).items()}["pool4"]
    (1, 4, 4, 128)
    """

    def __init__(self, widths: tuple[int, int, int, int] = (24, 48, 96, 128), *, channels: int = 3, dtype: Any = None,
                 param_dtype: Any = jnp.float32, rngs: nnx.Rngs):
        options = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        convs = [Conv(channels, widths[0], (4, 4), strides=2, padding=1, use_bias=False, **options)]
        grid = Grid().after(window=4, stride=2, lo=1)
        features = {"pool1": Feature(widths[0], grid)}
        for stage, (before, width) in enumerate(zip(widths, widths[1:], strict=False), 2):
            convs += [Conv(inner, width, (3, 3), use_bias=False, **options) for inner in (before, width)]
            grid = grid.after(window=2, stride=2)
            features[f"pool{stage}"] = Feature(width, grid)
        self.convs = nnx.List(convs)
        self.norms = nnx.List([GroupNorm(conv.out_features, num_groups=8 if conv.out_features % 8 == 0 else 1,
                                         dtype=dtype, param_dtype=param_dtype) for conv in convs])
        self._features = tuple(features.items())  # a tuple of records is static structure to nnx

    @property
    def features(self) -> Mapping[str, Feature]:
        """Channels and grid of each feature map."""
        return dict(self._features)

    def __call__(self, images: jax.Array) -> dict[str, jax.Array]:
        """Feature maps "pool1" ... "pool4"."""
        layers = list(zip(self.convs, self.norms, strict=True))
        x = _rectified(images, layers[0])
        found = {"pool1": x}
        for stage in (2, 3, 4):
            x = halve(x)
            for layer in layers[2 * stage - 3:2 * stage - 1]:
                x = _rectified(x, layer)
            found[f"pool{stage}"] = x
        return found


def _rectified(x: jax.Array, layer: tuple[Conv, GroupNorm]) -> jax.Array:
    """max(0, norm(conv(x)))."""
    conv, norm = layer
    return nnx.relu(norm(conv(x)))
