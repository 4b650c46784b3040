"""The same layers by others: stock JAX, Flax, torch, SciPy. Each peer gets its own layouts, made before timing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax import Array, lax

from benchmarks.cases import Layer
from deconvjax import engine
from deconvjax.engine.layout import canonical

torch: Any
try:
    import torch
except ImportError:  # the table then has no torch columns
    torch = None

Apply = Callable[[Array, Array], Array]
COLUMNS = ("forward", "grad x", "grad taps", "step")
NAIVE = 2e9  # multiply-adds beyond which a grouped stock convolution (a serial loop) takes minutes


def ours(layer: Layer) -> Apply:
    """The engine."""
    spec = layer.spec
    run = engine.transpose if layer.kind == "up" else engine.stage
    return lambda x, k: run(x, k, spec)


def _pads(layer: Layer) -> list[tuple[int, int]]:
    lo, hi = layer.pads
    if layer.kind == "down":
        return [(lo, hi)] * layer.rank
    return [(layer.window - 1 - lo, layer.window - 1 - hi + layer.tail)] * layer.rank


def stock_taps(layer: Layer, taps: np.ndarray) -> np.ndarray:
    """The kernel as stock JAX wants it: (*window, in/groups, out), already flipped by the user."""
    if layer.kind == "down":
        return taps
    rank, g = layer.rank, layer.groups
    *window, few, coarse = taps.shape
    split = np.flip(taps, tuple(range(rank))).reshape(*window, few, g, coarse // g)
    return np.ascontiguousarray(np.swapaxes(split, rank, rank + 2)).reshape(*window, coarse // g, g * few)


def stock(layer: Layer) -> dict[str, Apply]:
    """`lax` and `flax`, as their documentation writes the layer."""
    numbers, pads = canonical(layer.rank), _pads(layer)
    strides = (layer.stride,) * layer.rank
    ones = (1,) * layer.rank
    if layer.groups > 1 and layer.kind == "up":
        if layer.batch * np.prod(layer.output[1:]) * layer.window**layer.rank * layer.cin / layer.groups > NAIVE:
            return {}

        def grouped(x: Array, k: Array) -> Array:
            return lax.conv_general_dilated(
                x, k, ones, pads, strides, dimension_numbers=numbers, feature_group_count=layer.groups
            )

        return {"lax": grouped}
    if layer.kind == "down":

        def plain(x: Array, k: Array) -> Array:
            return lax.conv_general_dilated(
                x, k, strides, pads, dimension_numbers=numbers, feature_group_count=layer.groups
            )

        module = nnx.Conv(
            layer.cin, layer.cout, (layer.window,) * layer.rank, strides, padding=pads, use_bias=False,
            feature_group_count=layer.groups, rngs=nnx.Rngs(0),
        )  # fmt: skip
    else:

        def plain(x: Array, k: Array) -> Array:
            return lax.conv_transpose(x, k, strides, pads, dimension_numbers=numbers)

        module = nnx.ConvTranspose(
            layer.cin, layer.cout, (layer.window,) * layer.rank, strides, padding=pads, use_bias=False, rngs=nnx.Rngs(0)
        )
    graph, state = nnx.split(module)
    leaves, tree = jax.tree.flatten(state)
    assert len(leaves) == 1, "a layer without bias has one parameter"
    return {"lax": plain, "flax": lambda x, k: nnx.merge(graph, jax.tree.unflatten(tree, [k]))(x)}


def torch_calls(layer: Layer, x: np.ndarray, taps: np.ndarray, ct: np.ndarray) -> dict[str, dict[str, Callable]]:
    """Per column, torch with contiguous and with channels-last memory."""
    if torch is None:
        return {}
    torch.set_num_threads(2)
    rank, out = layer.rank, {c: {} for c in COLUMNS}
    name = f"conv_transpose{rank}d" if layer.kind == "up" else f"conv{rank}d"
    apply = getattr(torch.nn.functional, name)
    strides, ones = [layer.stride] * rank, [1] * rank
    formats = {"torch": torch.contiguous_format}
    if rank > 1:
        formats["torch_last"] = torch.channels_last if rank == 2 else torch.channels_last_3d
    lo, hi = layer.pads
    tail = layer.tail + lo - hi if layer.kind == "up" else 0
    for label, form in formats.items():
        tx = _channels_first(x, form)
        tk = torch.tensor(np.moveaxis(np.moveaxis(taps, -1, 0), -1, 1)).contiguous(memory_format=form)
        pads: list[int] = [lo] * rank
        if layer.kind == "down" and lo != hi:  # torch pads symmetrically: pad beforehand, outside the timing
            tx = torch.nn.functional.pad(tx, [lo, hi] * rank).contiguous(memory_format=form)
            pads = [0] * rank
        if layer.kind == "up" and tail < 0:  # more is cropped above than below: torch keeps one more sample
            tail = 0
        more = {"output_padding": [tail] * rank} if layer.kind == "up" else {}
        run = lambda x_, k_, p=pads, m=more: apply(x_, k_, stride=strides, padding=p, groups=layer.groups, **m)  # noqa: E731
        with torch.inference_mode():
            g = torch.randn_like(run(tx, tk)).contiguous(memory_format=form)
        g = g.clone()
        out["forward"][label] = _inference(run, tx, tk)
        for column, mask in (("grad x", [True, False, False]), ("grad taps", [False, True, False])):
            out[column][label] = lambda g=g, tx=tx, tk=tk, p=pads, m=mask, tail=tail: (
                torch.ops.aten.convolution_backward(
                    g, tx, tk, None, strides, p, ones, layer.kind == "up", [tail] * rank, layer.groups, m
                )
            )
        out["step"][label] = _torch_step(run, tx, tk, g)
    return out


def _channels_first(a: np.ndarray, form):
    return torch.tensor(np.moveaxis(a, -1, 1)).contiguous(memory_format=form)


def _inference(run: Callable, x, k) -> Callable:
    def call():
        with torch.inference_mode():
            return run(x, k)

    return call


def _torch_step(run: Callable, x: Any, k: Any, target: Any) -> Callable:
    x, k = x.clone().requires_grad_(), k.clone().requires_grad_()

    def call():
        x.grad = k.grad = None
        loss: Any = 0.5 * ((run(x, k) - target) ** 2).sum()
        loss.backward()
        with torch.no_grad():
            k.sub_(k.grad, alpha=1e-9)
        return x.grad

    return call
