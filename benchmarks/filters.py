"""Rows of fixed filters: FIR and resampling against SciPy, bilinear enlargement against JAX and torch, flatness."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.signal
from jax import Array, lax

from benchmarks.cases import Filter, Resize
from benchmarks.peers import torch
from benchmarks.programs import BUILDS, Built, alone, build
from benchmarks.runner import Timing, visited
from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec
from deconvjax.engine.layout import canonical


def filter_rows(case: Filter, *, seconds: float) -> list[dict]:
    """Forward against SciPy and lax; both gradients and the step against lax."""
    spec = case.spec
    x, taps, ct = case.data()
    args = tuple(map(jnp.asarray, (x, taps, ct)))
    run = lambda x, k: engine.stage(x, k, spec)  # noqa: E731
    stock = lambda x, k: stock_filter(x, k, spec)  # noqa: E731
    affordable = case.channels * case.length * case.up * case.window / case.down < 2e9 and case.up == 1
    every: dict[str, dict[str, Built]] = {}
    tasks: dict[str, dict[str, Callable]] = {}
    for column in ("forward", "grad x", "grad taps", "step"):
        built = every[column] = {"ours": build(alone(run, column), *args, builds=BUILDS)}
        if affordable and (column == "forward" or case.window < 64):
            built["lax"] = build(alone(stock, column), *args)
        calls = tasks[column] = {n: b.call for n, b in built.items()}
        if column == "forward":
            calls["scipy"] = lambda: scipy.signal.upfirdn(taps[::-1], x[..., 0], case.up, case.down)
            if case.up == case.down == 1:
                calls["scipy_oa"] = lambda: scipy.signal.oaconvolve(x[..., 0], taps[None, ::-1], axes=-1)
            else:
                calls["scipy_poly"] = lambda: scipy.signal.resample_poly(
                    x[..., 0], case.up, case.down, axis=-1, window=taps
                )
    timings = visited(tasks, seconds=seconds)
    return [_record(case.name, c, every[c], timings[c], "scipy") for c in tasks]


def stock_filter(x: Array, k: Array, spec: Spec) -> Array:
    (a,) = spec.axes
    return lax.conv_general_dilated(
        x, k[:, None, None], (a.down,), [(a.lo, a.hi)], (a.up,), (a.dilation,), dimension_numbers=canonical(1)
    )


def _record(row: str, column: str, built: dict[str, Built], timing: Timing, peer: str) -> dict:
    record = {
        "row": row,
        "column": column,
        "ours_ms": timing.median("ours") * 1e3,
        "memory": built["ours"].memory,
        "compile_s": built["ours"].compile_seconds,
    }
    for name in timing.seconds:
        if name != "ours":
            record[f"{name}_ms"] = timing.median(name) * 1e3
            record[f"{name}_x"] = timing.ratio(name, "ours")
    best = timing.best([n for n in timing.seconds if n.startswith(peer)])
    if best:
        record |= {f"{peer}_ms": timing.median(best) * 1e3, f"{peer}_x": timing.ratio(best, "ours"), peer: best}
    return record


def bilinear(size: int, factor: int) -> tuple[np.ndarray, Spec]:
    """Interpolation with half-pixel centres as the transpose of a strided stage, zero borders (FCN's)."""
    window = 2 * factor - factor % 2
    centre = (window - 1) / 2
    taps = 1 - np.abs(np.arange(window) - centre) / factor
    crop = window - factor
    return taps.astype(np.float32), Spec(
        (Axis(size * factor, window, 1, 1, factor, crop // 2, crop - crop // 2),), None
    )


def enlarge(x: Array, factor: int) -> Array:
    """Bilinear on (B, H, W, C): one stage along both axes."""
    (rows, down), (columns, right) = bilinear(x.shape[1], factor), bilinear(x.shape[2], factor)
    return engine.transpose(x, jnp.asarray(np.outer(rows, columns)), Spec((*down.axes, *right.axes), None))


def resize_rows(case: Resize, *, seconds: float) -> list[dict]:
    """Forward and gradient in x against `jax.image.resize`, `F.interpolate` and `F.conv_transpose2d`."""
    b, n, c, f = case.batch, case.size, case.channels, case.factor
    draw = np.random.default_rng(0)
    x = draw.standard_normal((b, n, n, c), dtype=np.float32)
    ct = draw.standard_normal((b, n * f, n * f, c), dtype=np.float32)
    args = (jnp.asarray(x), jnp.zeros(()), jnp.asarray(ct))
    ours = lambda x, _: enlarge(x, f)  # noqa: E731
    jax_image = lambda x, _: jax.image.resize(x, ct.shape, "bilinear")  # noqa: E731
    peers = _torch_resize(x, ct, f)
    every: dict[str, dict[str, Built]] = {}
    tasks: dict[str, dict[str, Callable]] = {}
    for column in ("forward", "grad x"):
        mine, theirs = build(alone(ours, column), *args, builds=BUILDS), build(alone(jax_image, column), *args)
        every[column] = {"ours": mine, "jax_image": theirs}
        tasks[column] = {name: b.call for name, b in every[column].items()} | peers.get(column, {})
    timings = visited(tasks, seconds=seconds)
    return [_record(case.name, c, every[c], timings[c], "torch") for c in tasks]


def _torch_resize(x: np.ndarray, ct: np.ndarray, factor: int) -> dict[str, dict]:
    if torch is None:
        return {}
    torch.set_num_threads(2)
    calls: dict[str, dict] = {"forward": {}, "grad x": {}}
    taps, spec = bilinear(x.shape[1], factor)
    (axis,) = spec.axes
    kernel = torch.tensor(np.outer(taps, taps)).expand(x.shape[-1], 1, *[axis.window] * 2).contiguous()
    for label, form in (("", torch.contiguous_format), ("_last", torch.channels_last)):
        tx = torch.tensor(np.moveaxis(x, -1, 1)).contiguous(memory_format=form)
        tg = torch.tensor(np.moveaxis(ct, -1, 1)).contiguous(memory_format=form)
        size = list(ct.shape[1:3])

        def interpolate(tx=tx, size=size):
            with torch.inference_mode():
                return torch.nn.functional.interpolate(tx, size=size, mode="bilinear", align_corners=False)

        def convolve(tx=tx):
            with torch.inference_mode():
                return torch.nn.functional.conv_transpose2d(
                    tx, kernel, stride=factor, padding=axis.lo, groups=tx.shape[1]
                )

        def backward(tg=tg, tx=tx, size=size):
            return torch.ops.aten.upsample_bilinear2d_backward(tg, size, list(tx.shape), False)

        calls["forward"][f"torch_interpolate{label}"] = interpolate
        calls["forward"][f"torch_conv_transpose{label}"] = convolve
        calls["grad x"][f"torch_interpolate{label}"] = backward
    return calls


def flat_rows(sizes: tuple[int, ...], *, seconds: float) -> list[dict]:
    """Nanoseconds per output pixel of bilinear x2, by size: of one image, and of as many as have the largest's pixels.

    A call has costs of its own (dispatch, threads to wake), which small images alone cannot hide: `ns_per_pixel_pass`
    is XLA's `y + 1` over the one image.
    """
    tasks: dict[tuple[int, str], dict[str, Callable]] = {}
    pixels: dict[tuple[int, str], int] = {}
    for size in sizes:
        for name, images in (("ns_per_pixel", 1), ("ns_per_pixel_many", (max(sizes) // size) ** 2)):
            draw = np.random.default_rng(0)
            x = jnp.asarray(draw.standard_normal((images, size // 2, size // 2, 1), dtype=np.float32))
            tasks[size, name] = {"ours": build(lambda x: enlarge(x, 2), x).call}
            if name == "ns_per_pixel":
                tasks[size, name]["pass"] = build(lambda y: y + 1, jnp.zeros((1, size, size, 1))).call
            pixels[size, name] = images * size**2
    records = {size: {"row": f"flat bilinear x2 {size}x{size}", "column": "forward"} for size in sizes}
    for (size, name), timing in visited(tasks, seconds=seconds).items():
        records[size][name] = timing.median("ours") / pixels[size, name] * 1e9
        if "pass" in timing.seconds:
            records[size]["ns_per_pixel_pass"] = timing.median("pass") / size**2 * 1e9
    return list(records.values())
