"""torch's side of the GPU table: cuDNN with its own search, the better of contiguous and channels-last memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.cases import Filter, Layer
from benchmarks.peers import COLUMNS, torch

Calls = dict[str, Callable[[], object]]
FORMATS = {1: ("contiguous_format",), 2: ("contiguous_format", "channels_last")}
FORMATS[3] = ("contiguous_format", "channels_last_3d")


def ready() -> bool:
    """Whether torch sees the GPU."""
    return torch is not None and torch.cuda.is_available()


def versions() -> dict[str, str]:
    """Of cuDNN, which both call."""
    found = torch.backends.cudnn.version() if ready() else None
    return {} if found is None else {"cuDNN": f"{found // 10000}.{found // 100 % 100}.{found % 100}"}


def timed(made: Sequence[Callable[[], list[Callable]]], of_kernels: Callable, on_host: Callable) -> list[tuple]:
    """(seconds of kernels, seconds of a call) of each; the faster of the formats by the former."""
    wait = lambda *_: torch.cuda.synchronize()  # noqa: E731
    found: list[tuple] = [(float("inf"), float("inf"))] * len(made)
    calls = [(i, call) for i, make in enumerate(made) for call in make()]
    for _, call in calls:
        for _ in range(3):
            call()
    wait()
    for (i, call), kernels in zip(calls, of_kernels([call for _, call in calls], wait), strict=True):
        found[i] = min(found[i], (kernels, on_host(call, wait)))
    return found


def _format(name: str) -> Any:
    return getattr(torch, name)


def layer_calls(layer: Layer, mode: str, x: np.ndarray, taps: np.ndarray, ct: np.ndarray) -> dict[str, Callable]:
    """Per column, what makes the calls of all formats (made when asked for: they hold memory)."""
    if not ready():
        return {}
    return {c: lambda c=c: [_layer_call(layer, mode, f, c, x, taps, ct) for f in FORMATS[layer.rank]] for c in COLUMNS}


def _layer_call(layer: Layer, mode: str, form: str, column: str, x, taps, ct) -> Callable[[], object]:
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = mode == "tf32"
    rank, up, (lo, hi) = layer.rank, layer.kind == "up", layer.pads
    number, memory = torch.bfloat16 if mode == "bfloat16" else torch.float32, _format(form)
    move = lambda a: torch.tensor(a).to("cuda", number).contiguous(memory_format=memory)  # noqa: E731
    tx, tg, tk = move(np.moveaxis(x, -1, 1)), move(np.moveaxis(ct, -1, 1)), move(np.moveaxis(taps, (-1, -2), (0, 1)))
    tail = max(layer.tail + lo - hi, 0) if up else 0
    if not up and lo != hi:  # torch pads symmetrically: padded beforehand, outside the timing
        tx, lo = torch.nn.functional.pad(tx, [lo, hi] * rank).contiguous(memory_format=memory), 0
    apply = getattr(torch.nn.functional, f"conv_transpose{rank}d" if up else f"conv{rank}d")
    more = {"output_padding": tail} if up else {}
    run = lambda x, k: apply(x, k, stride=layer.stride, padding=lo, groups=layer.groups, **more)  # noqa: E731
    with torch.no_grad():
        made = run(tx, tk)
    tg = tg if made.shape == tg.shape else torch.randn_like(made)

    def forward():
        with torch.inference_mode():
            return run(tx, tk)

    if column == "forward":
        return forward
    if column != "step":
        strides, ones, tails = [layer.stride] * rank, [1] * rank, [tail] * rank
        mask = [column == "grad x", column == "grad taps", False]
        return lambda: torch.ops.aten.convolution_backward(
            tg, tx, tk, None, strides, [lo] * rank, ones, up, tails, layer.groups, mask
        )
    px, pk = tx.clone().requires_grad_(), tk.clone().requires_grad_()

    def step():
        gx, gk = torch.autograd.grad(0.5 * ((run(px, pk) - tg) ** 2).sum(), (px, pk))
        with torch.no_grad():
            pk.sub_(gk, alpha=1e-9)
        return gx

    return step


def filter_calls(case: Filter, x: np.ndarray, taps: np.ndarray) -> dict[str, Callable]:
    """`conv1d` of the signals."""
    if not ready():
        return {}

    def made():
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = True, False
        tx, tk = (torch.tensor(a, device="cuda") for a in (np.moveaxis(x, -1, 1), taps[None, None]))

        def forward():
            with torch.inference_mode():
                return torch.nn.functional.conv1d(tx, tk, padding=case.window - 1)

        return [forward]

    return {"forward": made}


def resize_calls(x: np.ndarray, ct: np.ndarray) -> dict[str, Callable]:
    """`interpolate` and its gradient."""
    if not ready():
        return {}

    def forward():
        return [_interpolation(x, ct, form) for form in FORMATS[2]]

    def backward():
        return [_interpolation_gradient(x, ct, form) for form in FORMATS[2]]

    return {"forward": forward, "grad x": backward}


def _interpolation(x: np.ndarray, ct: np.ndarray, form: str) -> Callable[[], object]:
    tx = torch.tensor(np.moveaxis(x, -1, 1), device="cuda").contiguous(memory_format=_format(form))
    size = list(ct.shape[1:3])

    def call():
        with torch.inference_mode():
            return torch.nn.functional.interpolate(tx, size=size, mode="bilinear", align_corners=False)

    return call


def _interpolation_gradient(x: np.ndarray, ct: np.ndarray, form: str) -> Callable[[], object]:
    tg = torch.tensor(np.moveaxis(ct, -1, 1), device="cuda").contiguous(memory_format=_format(form))
    b, h, w, c = x.shape
    return lambda: torch.ops.aten.upsample_bilinear2d_backward(tg, list(ct.shape[1:3]), [b, c, h, w], False)
