"""What is measured: layers named as N,size,Cin->Cout,window,stride, and scalar filters.

`Layer` is a transposed convolution ("up") or a strided convolution ("down") with the engine's spec; its kernel is
always the forward convolution's, `(*window, C_wide/groups, C_narrow)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deconvjax.axis import Axis
from deconvjax.engine import Spec

# On a GPU: the arrays' dtype, and JAX's precision of products.
PRECISIONS = {
    "float32": ("float32", "highest"),
    "tf32": ("float32", "tensorfloat32"),
    "bfloat16": ("bfloat16", "default"),
}


@dataclass(frozen=True)
class Layer:
    """One row. `size` is the layer's input; `pads` crop (up) or pad (down) every axis; `tail` is output padding."""

    kind: str
    batch: int
    size: tuple[int, ...]
    cin: int
    cout: int
    window: int
    stride: int
    groups: int = 1
    pads: tuple[int, int] = (0, 0)
    tail: int = 0
    quick: bool = False
    note: str = ""

    @property
    def name(self) -> str:
        """`up 1x64x64 64->64 k4 s2`."""
        size = "x".join(map(str, (self.batch, *self.size)))
        groups = f" g{self.groups}" if self.groups > 1 else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.kind} {size} {self.cin}->{self.cout} k{self.window} s{self.stride}{groups}{note}"

    @property
    def rank(self) -> int:
        """Spatial axes."""
        return len(self.size)

    @property
    def wide(self) -> tuple[int, ...]:
        """Spatial size on the fine side of the stride."""
        if self.kind == "down":
            return self.size
        lo, hi = self.pads
        return tuple((n - 1) * self.stride + self.window - lo - hi + self.tail for n in self.size)

    @property
    def spec(self) -> Spec:
        """The strided convolution; an "up" layer is its transpose."""
        lo, hi = self.pads
        return Spec(tuple(Axis(n, self.window, 1, 1, self.stride, lo, hi) for n in self.wide), self.groups)

    @property
    def channels(self) -> tuple[int, int]:
        """On the fine side of the stride, and on the coarse side."""
        return (self.cout, self.cin) if self.kind == "up" else (self.cin, self.cout)

    @property
    def taps(self) -> tuple[int, ...]:
        """Kernel shape of the strided convolution."""
        fine, coarse = self.channels
        return (*[self.window] * self.rank, fine // self.groups, coarse)

    @property
    def input(self) -> tuple[int, ...]:
        """Shape of x."""
        return (self.batch, *self.size, self.cin)

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of y."""
        space = self.wide if self.kind == "up" else self.spec.out
        return (self.batch, *space, self.cout)

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Random x, kernel and cotangent."""
        draw = np.random.default_rng(0)
        shapes = (self.input, self.taps, self.output)
        return tuple(draw.standard_normal(s, dtype=np.float32) for s in shapes)  # type: ignore[return-value]


def up(batch, size, cin, cout, window, stride, **more) -> Layer:
    """A transposed convolution whose output is `size * stride`: SAME."""
    total = max(window - stride, 0)
    return Layer("up", batch, size, cin, cout, window, stride, pads=(total // 2, total - total // 2), **more)


def down(batch, size, cin, cout, window, stride, **more) -> Layer:
    """A strided convolution whose output is `size / stride`."""
    total = max(window - stride, 0)
    return Layer("down", batch, size, cin, cout, window, stride, pads=(total // 2, total - total // 2), **more)


LAYERS = (
    up(1, (64, 64), 64, 64, 4, 2, quick=True),
    up(8, (32, 32), 128, 128, 4, 2),
    up(1, (16, 16), 21, 21, 64, 32, note="FCN-32s"),
    up(1, (16, 16), 21, 21, 64, 32, groups=21, note="FCN-32s"),
    up(1, (64, 64), 21, 21, 16, 8, groups=21, note="FCN-8s", quick=True),
    up(1, (128, 128), 21, 21, 4, 2, groups=21, quick=True),
    up(4, (64, 64), 32, 32, 3, 2, quick=True),
    up(1, (256, 256), 3, 16, 4, 2),
    up(1, (32, 32), 256, 256, 2, 2),
    up(4, (32, 32), 64, 64, 4, 2, groups=4, quick=True),
    down(4, (64, 64), 64, 64, 3, 1),
    down(4, (64, 64), 64, 64, 3, 2, quick=True),
    down(4, (64, 64), 32, 64, 4, 2),
    down(4, (64, 64), 64, 64, 3, 1, groups=4),
    down(4, (64, 64), 64, 64, 3, 1, groups=64),
    up(4, (256,), 48, 32, 8, 4),
    up(1, (4000,), 64, 64, 16, 8, note="16 kHz audio", quick=True),
    Layer("up", 1, (10, 10, 10), 24, 16, 3, 2),
    up(1, (32, 32, 32), 16, 16, 4, 2),
    Layer("up", 1, (512,), 512, 1, 1024, 256, note="jax#23783"),  # a stand-in: an inverse STFT
    Layer("up", 1, (64, 64, 32), 64, 1, 3, 2, pads=(1, 1), tail=1, note="jax#31662"),  # the thread's own
)


@dataclass(frozen=True)
class Filter:
    """FIR filtering or resampling of `channels` signals of `length` samples."""

    length: int
    channels: int
    window: int
    up: int = 1
    down: int = 1
    quick: bool = False

    @property
    def name(self) -> str:
        """`filter 1x1000000 k129 160/147`."""
        rate = f" {self.up}/{self.down}" if self.up * self.down > 1 else ""
        return f"filter {self.channels}x{self.length} k{self.window}{rate}"

    @property
    def spec(self) -> Spec:
        """The full convolution, as scipy.signal.upfirdn."""
        axis = Axis(self.length, self.window, 1, self.up, self.down, self.window - 1, self.window - 1)
        return Spec((axis,), None)

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Random signals, taps and cotangent."""
        draw = np.random.default_rng(0)
        shapes = (self.channels, self.length, 1), (self.window,), (self.channels, *self.spec.out, 1)
        return tuple(draw.standard_normal(s, dtype=np.float32) for s in shapes)  # type: ignore[return-value]


FILTERS = (
    Filter(10**6, 1, 33, quick=True),
    Filter(10**6, 1, 129),
    Filter(10**6, 1, 2049),
    Filter(10**5, 64, 129, quick=True),
    Filter(10**6, 1, 3201, 160, 147, quick=True),
    Filter(10**5, 64, 3201, 160, 147),
)


@dataclass(frozen=True)
class Resize:
    """Bilinear enlargement of (batch, size, size, channels)."""

    batch: int
    size: int
    channels: int
    factor: int
    quick: bool = False

    @property
    def name(self) -> str:
        """`bilinear 1x64x64x21 x8`."""
        return f"bilinear {self.batch}x{self.size}x{self.size}x{self.channels} x{self.factor}"


RESIZES = (
    Resize(1, 128, 21, 2, quick=True),
    Resize(1, 64, 21, 8, quick=True),
    Resize(4, 128, 64, 2),
    Resize(1, 256, 3, 2),
)
FLAT = (64, 128, 256, 512, 1024, 2048, 4096)
