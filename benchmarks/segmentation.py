"""`python -m benchmarks.segmentation [--seconds 4]`: training steps of FCN-8s heads, against stock Flax and torch.

One head, three frameworks: 1x1 scores of three feature maps, two x2 and one x8 (or x4) learned transposed convolutions
that start bilinear, cross entropy at the image's resolution, Adam. The same numbers everywhere: before anything is
timed, the loss and the scores' gradient must agree. Stock Flax has no grouped transposed convolution, so rows of one
kernel a channel have no Flax time. Prints, and writes results/segmentation.json and .md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from benchmarks.allocator import keep_memory
from benchmarks.report import RESULTS, versions
from benchmarks.runner import paired
from deconvjax.nn.heads import FCNHead, Feature
from deconvjax.segmentation.losses import cross_entropy
from deconvjax.segmentation.models import evenly

Call = Callable[[], object]


@dataclass(frozen=True)
class Head:
    """Feature maps of `channels` at `strides` (coarse to fine) of images (batch, side, side)."""

    name: str
    batch: int
    side: int
    classes: int
    channels: tuple[int, int, int]
    strides: tuple[int, int, int]
    kind: str

    def arrays(self) -> tuple[dict[str, np.ndarray], np.ndarray, list[np.ndarray]]:
        """Features by level, labels, and the kernels of the scores."""
        rng = np.random.default_rng(0)
        features = {f"s{s}": rng.standard_normal((self.batch, self.side // s, self.side // s, c)).astype(np.float32)
                    for s, c in zip(self.strides, self.channels, strict=True)}
        labels = rng.integers(0, self.classes, (self.batch, self.side, self.side)).astype(np.int32)
        scores = [(rng.standard_normal((1, 1, c, self.classes)) / c**0.5).astype(np.float32) for c in self.channels]
        return features, labels, scores

    @property
    def factors(self) -> list[int]:
        """Of the three upsamplings."""
        return [a // b for a, b in zip(self.strides, (*self.strides[1:], 1), strict=True)]


HEADS = tuple(
    Head(f"{name}, {kind}", *sizes, kind)
    for name, sizes in {
        "digits 8x96x96, 11 classes": (8, 96, 11, (128, 96, 48), (16, 8, 4)),
        "VOC 1x256x256, 21 classes": (1, 256, 21, (4096, 512, 512), (32, 16, 8)),
        "VOC 4x256x256, 21 classes": (4, 256, 21, (4096, 512, 512), (32, 16, 8)),
    }.items() for kind in ("dense", "depthwise")
)


class Stock(nnx.Module):
    """The head of Flax's own layers."""

    def __init__(self, head: Head):
        rngs = nnx.Rngs(0)
        self.scores = nnx.List([nnx.Conv(c, head.classes, (1, 1), rngs=rngs) for c in head.channels])
        self.ups = nnx.List([nnx.ConvTranspose(head.classes, head.classes, (2 * f, 2 * f), (f, f), use_bias=False,
                                               kernel_init=_bilinear(f, head.classes), rngs=rngs)
                             for f in head.factors])
        self.levels = tuple(f"s{s}" for s in head.strides)

    def __call__(self, features: dict[str, jax.Array], size: tuple[int, int]) -> jax.Array:
        """Logits."""
        total = None
        for index, name in enumerate(self.levels):
            score = self.scores[index](features[name])
            total = score if total is None else self.ups[index - 1](total) + score
        return self.ups[-1](total)


def _bilinear(factor: int, classes: int) -> Callable[..., jax.Array]:
    taps = 1 - np.abs(np.arange(2 * factor) - factor + 0.5) / factor
    kernel = np.outer(taps, taps)[..., None, None] * np.eye(classes)
    return lambda key, shape, dtype=jnp.float32, **_: jnp.asarray(kernel, dtype).reshape(shape)


def ours(head: Head) -> nnx.Module:
    """The head of this library."""
    features = {f"s{s}": Feature(c, evenly(s)) for s, c in zip(head.strides, head.channels, strict=True)}
    return FCNHead(features, head.classes, levels=list(features), upsampling=head.kind, border="zero",
                   rngs=nnx.Rngs(0))


def jax_step(model: nnx.Module, head: Head) -> tuple[Call, float, np.ndarray]:
    """A blocking training step, its first loss, and the gradient of the finest score's kernel."""
    features, labels, scores = head.arrays()
    for layer, kernel in zip(model.scores, scores, strict=True):  # type: ignore[attr-defined]
        layer.kernel[...] = jnp.asarray(kernel)
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    x, y, size = jax.tree.map(jnp.asarray, features), jnp.asarray(labels), (head.side, head.side)
    optimizer = optax.adam(1e-4)

    def loss(params):
        return cross_entropy(nnx.merge(graph, params, rest)(x, size), y)

    @jax.jit
    def step(params, memory):
        value, gradient = jax.value_and_grad(loss)(params)
        updates, memory = optimizer.update(gradient, memory, params)
        return optax.apply_updates(params, updates), memory, value, gradient

    memory = optimizer.init(params)
    _, _, value, gradient = step(params, memory)
    finest = np.asarray(nnx.merge(graph, gradient, rest).scores[2].kernel[...])[0, 0]
    return lambda: jax.block_until_ready(step(params, memory)), float(value), finest


def torch_step(head: Head, channels_last: bool) -> tuple[Call, float, np.ndarray]:
    """The same for torch."""
    import torch

    features, labels, scores = head.arrays()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    groups = head.classes if head.kind == "depthwise" else 1
    convs = [torch.nn.Conv2d(c, head.classes, 1) for c in head.channels]
    ups = [torch.nn.ConvTranspose2d(head.classes, head.classes, 2 * f, f, f // 2, groups=groups, bias=False)
           for f in head.factors]
    with torch.no_grad():
        for conv, kernel in zip(convs, scores, strict=True):
            conv.weight.copy_(torch.tensor(kernel[0, 0].T[..., None, None]))
            conv.bias.zero_()
        for up, f in zip(ups, head.factors, strict=True):
            kernel = np.asarray(_bilinear(f, head.classes)(None, (2 * f, 2 * f, head.classes, head.classes)))
            weight = np.transpose(kernel, (2, 3, 0, 1))
            up.weight.copy_(torch.tensor(weight[:, :1] * 0 + weight[:1, :1] if groups > 1 else weight))
    model = torch.nn.ModuleList([*convs, *ups]).to(memory_format=layout)
    x = [torch.tensor(np.moveaxis(a, -1, 1)).contiguous(memory_format=layout) for a in features.values()]
    y = torch.tensor(labels).long()
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    def forward():
        total = None
        for index, feature in enumerate(x):
            score = convs[index](feature)
            total = score if total is None else ups[index - 1](total) + score
        return torch.nn.functional.cross_entropy(ups[-1](total), y)

    def step():
        optimizer.zero_grad()
        forward().backward()
        optimizer.step()

    value = forward()
    value.backward()
    finest = convs[2].weight.grad[:, :, 0, 0].T.numpy().copy()
    return step, value.item(), finest


def rows(seconds: float = 4.0, only: str = "") -> list[dict]:
    """A record for each head; `flax_x` and `torch_x` are time(peer)/time(ours)."""
    records = []
    for head in HEADS:
        if only not in head.name:
            continue
        contenders = {"ours": jax_step(ours(head), head)}
        if head.kind == "dense":
            contenders["flax"] = jax_step(Stock(head), head)
        contenders |= {"torch": torch_step(head, False), "torch_channels_last": torch_step(head, True)}
        for name, (_, value, gradient) in contenders.items():
            np.testing.assert_allclose(value, contenders["ours"][1], rtol=1e-4, err_msg=f"{head.name}: loss of {name}")
            scale = np.abs(contenders["ours"][2]).max()
            np.testing.assert_allclose(gradient, contenders["ours"][2], rtol=0, atol=1e-3 * scale, err_msg=name)
        timing = paired({name: call for name, (call, _, _) in contenders.items()}, seconds=seconds)
        best = timing.best(["torch", "torch_channels_last"])
        assert best
        record = {"row": head.name, "ours_ms": 1e3 * timing.median("ours"), "steps_per_s": 1 / timing.median("ours"),
                  "torch": best, "torch_ms": 1e3 * timing.median(best), "torch_x": timing.ratio(best, "ours")}
        if "flax" in contenders:
            record |= {"flax_ms": 1e3 * timing.median("flax"), "flax_x": timing.ratio("flax", "ours")}
        records.append(record)
        print(_line(record), flush=True)
    return records


def _line(record: dict) -> str:
    flax = f"Flax {record['flax_ms']:8.2f} ms {record['flax_x']:6.2f}x" if "flax_x" in record else " " * 24
    return (f"{record['row']:40s} ours {record['ours_ms']:8.2f} ms {record['steps_per_s']:6.1f} steps/s  {flax}  "
            f"torch {record['torch_ms']:8.2f} ms {record['torch_x']:5.2f}x")


def write(records: list[dict]) -> None:
    """results/segmentation.json and .md."""
    text = ["# Training steps of FCN-8s heads", "", ", ".join(f"{k} {v}" for k, v in versions().items()) + ".", "",
            "`python -m benchmarks.segmentation`. `x` is time(peer)/time(ours), medians of per-round ratios; torch in "
            "its faster memory layout.", "", "| head | ours ms | steps/s | Flax ms | Flax x | torch ms | torch x |",
            "|---" * 7 + "|"]
    for r in records:
        flax = f"{r['flax_ms']:.2f} | {r['flax_x']:.2f}" if "flax_x" in r else " | "
        text.append(f"| {r['row']} | {r['ours_ms']:.2f} | {r['steps_per_s']:.1f} | {flax} | {r['torch_ms']:.2f} | "
                    f"{r['torch_x']:.2f} |")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "segmentation.md").write_text("\n".join(text) + "\n", "utf-8")
    body = {"versions": versions(), "records": records}
    (RESULTS / "segmentation.json").write_text(json.dumps(body, indent=1) + "\n", "utf-8")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segmentation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", default="", help="heads whose name contains this; nothing is written")
    options = parser.parse_args()
    keep_memory()
    records = rows(options.seconds, options.only)
    if not options.only:
        write(records)


if __name__ == "__main__":
    main()
