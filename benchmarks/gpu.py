"""`python -m benchmarks.gpu`: the same layers on an NVIDIA GPU, with the copy and matrix-product ceilings beside them.

float32 with TF32 off and on, and bfloat16; against stock JAX and torch (cuDNN). Each row also gives the fraction of
the nearer ceiling it reaches: bytes at copy bandwidth or multiply-adds at the rate of a large matrix product.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp

from benchmarks import cases
from benchmarks.peers import COLUMNS, ours, stock, stock_taps, torch
from benchmarks.programs import alone, build
from benchmarks.report import write
from benchmarks.runner import paired
from deconvjax.engine import cost

MODES = {"float32": ("float32", "highest"), "tf32": ("float32", "tensorfloat32"), "bfloat16": ("bfloat16", "default")}


def ceilings(dtype: str) -> tuple[float, float]:
    """(bytes per second of a copy, multiply-adds per second of an 8192-cubed product), measured here."""
    a = jnp.ones((1 << 28,), dtype)
    m = jnp.ones((8192, 8192), dtype)
    copy, product = build(lambda a: a + 1, a), build(lambda m: m @ m, m)
    timing = paired({"copy": copy.call, "product": product.call}, seconds=2)
    return 2 * a.nbytes / timing.median("copy"), 8192**3 / timing.median("product")


def measure(layer: cases.Layer, mode: str, limits: tuple[float, float]) -> list[dict]:
    """One record per column."""
    dtype = MODES[mode][0]
    x, taps, ct = layer.data()
    args = tuple(jnp.asarray(a, dtype) for a in (x, taps, ct))
    theirs = (args[0], jnp.asarray(stock_taps(layer, taps), dtype), args[2])
    fine, coarse = (layer.cout, layer.cin) if layer.kind == "up" else (layer.cin, layer.cout)
    products, moved = cost(layer.spec, "F", layer.batch, fine, coarse, args[0].dtype)
    floor = max(moved / limits[0], products / limits[1])
    records = []
    for column in COLUMNS:
        built = {"ours": build(alone(ours(layer), column), *args)}
        built |= {name: build(alone(apply, column), *theirs) for name, apply in stock(layer).items()}
        calls = {name: b.call for name, b in built.items()} | torch_calls(layer, dtype, mode, x, taps, ct, column)
        timing = paired(calls, seconds=0.5)
        record = {
            "row": f"{layer.name} {mode}",
            "column": column,
            "ours_ms": timing.median("ours") * 1e3,
            "memory": built["ours"].memory,
            "compile_s": built["ours"].compile_seconds,
            "of_ceiling": floor * (3 if column == "step" else 1) / timing.median("ours"),
        }
        for name in calls:
            if name != "ours":
                record[f"{name}_ms"], record[f"{name}_x"] = timing.median(name) * 1e3, timing.ratio(name, "ours")
        records.append(record)
    return records


def torch_calls(layer, dtype, mode, x, taps, ct, column) -> dict:
    """torch through cuDNN with autotuning, channels last, synchronised."""
    if torch is None or not torch.cuda.is_available():
        return {}
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = mode == "tf32"
    rank, kind = layer.rank, getattr(torch, dtype)
    apply = getattr(torch.nn.functional, f"conv_transpose{rank}d" if layer.kind == "up" else f"conv{rank}d")
    form = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}[rank]
    move = lambda a: torch.tensor(a).movedim(-1, 1).to("cuda", kind).contiguous(memory_format=form)  # noqa: E731
    tx, tg = move(x), move(ct)
    tk = torch.tensor(taps).movedim(-1, 0).movedim(-1, 1).to("cuda", kind).contiguous(memory_format=form)
    lo, hi = layer.pads
    tail = max(layer.tail + lo - hi, 0) if layer.kind == "up" else 0
    more = {"output_padding": tail} if layer.kind == "up" else {}
    if layer.kind == "down" and lo != hi:
        tx, lo = torch.nn.functional.pad(tx, [lo, hi] * rank).contiguous(memory_format=form), 0
    run = lambda x, k: apply(x, k, stride=layer.stride, padding=lo, groups=layer.groups, **more)  # noqa: E731
    with torch.no_grad():
        tg = tg if run(tx, tk).shape == tg.shape else torch.randn_like(run(tx, tk))
    px, pk = tx.clone().requires_grad_(), tk.clone().requires_grad_()
    value = run(px, pk)

    def call():
        if column == "forward":
            with torch.inference_mode():
                run(tx, tk)
        elif column == "step":
            gx, gk = torch.autograd.grad(0.5 * ((run(px, pk) - tg) ** 2).sum(), (px, pk))
            with torch.no_grad():
                pk.sub_(1e-9 * gk)
        else:
            torch.autograd.grad(value, px if column == "grad x" else pk, tg, retain_graph=True)
        torch.cuda.synchronize()

    return {"torch": call}


def main(only: str = "") -> None:
    """Measure all layers in all modes, or say that there is no GPU."""
    try:
        device = jax.devices("gpu")[0]
    except RuntimeError:
        sys.exit("benchmarks.gpu: JAX sees no GPU; install jax[cuda13] on a machine that has one")
    records = []
    with jax.default_device(device):
        for mode, (dtype, precision) in MODES.items():
            with jax.default_matmul_precision(precision):
                limits = ceilings(dtype)
                print(
                    f"{mode}: copy {limits[0] / 1e9:.0f} GB/s, product {2 * limits[1] / 1e12:.1f} TFLOP/s", flush=True
                )
                for layer in cases.LAYERS:
                    if only in layer.name:
                        records += measure(layer, mode, limits)
                        print(
                            *[f"{r['row']} {r['column']} {r['ours_ms']:.3f}" for r in records[-4:]],
                            sep="\n",
                            flush=True,
                        )
    write(records, f"gpu: {device.device_kind}", "gpu")


if __name__ == "__main__":
    main()
