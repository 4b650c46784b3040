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


@runtime_checkable
class Backbone(Protocol):
    """images (*batch, H, W, 3) -> {name: (*batch, h, w, channels)}, with `features` describing each name."""

    @property
    def features(self) -> Mapping[str, Feature]:
        """Channels and grid of each feature map."""
        ...

    def __call__(self, images: jax.Array) -> Mapping[str, jax.Array]:
        """Feature maps by name."""
        ...


class Wrapped(nnx.Module):
    """{name: f(images)[name]}: an outside network as a backbone.

    Args:
        network: any callable from images to a mapping of named, channels-last feature maps: an nnx module, a bound
            function, a model of another library.
        features: channels and grid of each name; `evenly(stride)` gives the grid of a network whose "same" padding
            keeps the image centred.

    >>> import jax.numpy as jnp
    >>> halve = lambda images: {"half": images[:, ::2, ::2]}
    >>> backbone = Wrapped(halve, {"half": Feature(3, Grid(Fraction(2)))})
    >>> backbone(jnp.ones((1, 8, 8, 3)))["half"].shape
    (1, 4, 4, 3)
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
    """Sample n at stride*n + (stride-1)/2: the grid of stride-by-stride cells, as pooling makes it.

    >>> evenly(4)
    Grid(scale=Fraction(4, 1), offset=Fraction(3, 2))
    """
    return Grid(Fraction(stride), Fraction(stride - 1, 2))


class TinyBackbone(nnx.Module):
    """Four stages of two 3x3 convolutions, each halving by a 2x2 pool: trains in minutes on a laptop's CPU.

    Features "pool1" to "pool4" at strides 2, 4, 8, 16. Group normalisation, so batches may be small.

    Args:
        widths: channels of the four stages.

    >>> import jax.numpy as jnp
    >>> backbone = TinyBackbone(rngs=nnx.Rngs(0))
    >>> {name: x.shape for name, x in backbone(jnp.ones((1, 50, 64, 3))).items()}["pool4"]
    (1, 4, 4, 64)
    """

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 48, 64), *, channels: int = 3, dtype: Any = None,
                 param_dtype: Any = jnp.float32, rngs: nnx.Rngs):
        options = {"dtype": dtype, "param_dtype": param_dtype, "rngs": rngs}
        convs, norms, features, grid = [], [], {}, Grid()
        for stage, width in enumerate(widths, 1):
            for _ in range(2):
                convs.append(Conv(channels, width, (3, 3), use_bias=False, **options))
                norms.append(nnx.GroupNorm(width, num_groups=8 if width % 8 == 0 else 1, **options))
                channels = width
            grid = grid.after(window=2, stride=2)
            features[f"pool{stage}"] = Feature(width, grid)
        self.convs, self.norms = nnx.List(convs), nnx.List(norms)
        self._features = tuple(features.items())  # a tuple of records is static structure to nnx

    @property
    def features(self) -> Mapping[str, Feature]:
        """Channels and grid of each feature map."""
        return dict(self._features)

    def __call__(self, images: jax.Array) -> dict[str, jax.Array]:
        """Feature maps "pool1" ... "pool4"."""
        found, x = {}, images
        for stage in range(4):
            for index in (2 * stage, 2 * stage + 1):
                x = nnx.relu(self.norms[index](self.convs[index](x)))
            x = nnx.max_pool(x, (2, 2), (2, 2), "SAME")
            found[f"pool{stage + 1}"] = x
        return found
