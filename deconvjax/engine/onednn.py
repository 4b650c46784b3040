"""oneDNN, the library of convolutions and products that jaxlib's Linux wheels carry: three calls and when to make them.

    convolution(x, k)[n] = sum_j k[j] x[n*stride + j*dilation - lo]        product(a, b) = a^T b

XLA hands custom calls of these names to oneDNN; JAX itself never emits them. The contract is XLA's, not JAX's: it may
change with any release, and a description that oneDNN refuses ends the process. So the calls are made only where
this project's tests have run them: the versions in `VERIFIED`, x86-64 Linux, AVX-512, one device, float32. Elsewhere
the other strategies run. `DECONVJAX_ONEDNN=0` in the environment turns the calls off.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import Array

# Releases of jaxlib whose calls the tests have made.
VERIFIED = ("0.10.0", "0.10.1", "0.10.2", "0.11.0", "0.11.1", "0.11.2", "0.12.0", "0.12.0.1")
RELEASE = metadata.version("jaxlib")
PREFIX = "__onednn$"
NEEDED = {"avx512f", "avx512bw", "avx512vl", "avx512dq"}  # instructions of the machines they were made on


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether this process can make the calls."""
    return _wanted() and _compiles()


def _wanted() -> bool:
    """Everything that can be known without compiling."""
    if os.environ.get("DECONVJAX_ONEDNN") == "0" or RELEASE not in VERIFIED:
        return False
    if any(name in os.environ for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")):
        return False  # other instructions, other implementations: not the ones that were tested
    return (sys.platform, platform.machine()) == ("linux", "x86_64") and _instructions() >= NEEDED


def _instructions() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split(":")[1].split()) for line in lines if line.startswith("flags")), set())


def _compiles() -> bool:
    """Other builds of the same release may lack oneDNN; they refuse the call when it is compiled."""
    a = jax.ShapeDtypeStruct((1, 4, 4), jnp.float32)
    try:
        with jax.default_device(jax.devices("cpu")[0]):
            jax.jit(lambda a, b: product(a, b)).lower(a, a).compile()
    except RuntimeError:
        return False
    return True


def convolution(
    x: Array,
    kernel: Array,
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int = 1,
    turned: bool = False,
) -> Array:
    """x (B, *size, Cin), kernel (*window, Cin/groups, Cout), pads not negative, one to three axes, float32.

    `turned`: kernel (*window, Cout, Cin), of one group; oneDNN lays a kernel out anew, and reads either order as fast.
    One channel per group: one for one, on two or three axes, not dilated. For others, as for a single input or output
    channel per group, oneDNN falls back on a method that can wait for itself for ever.
    """
    rank = len(strides)
    data = {"batch_dim": 0, "feature_dim": rank + 1, "spatial_dims": list(range(1, rank + 1))}
    read, given = (rank + 1, rank) if turned else (rank, rank + 1)
    taps = {"input_feature_dim": read, "output_feature_dim": given, "spatial_dims": list(range(rank))}
    window = {
        "strides": list(map(int, strides)),
        "pad_left": [int(lo) for lo, _ in pads],
        "pad_right": [int(hi) for _, hi in pads],
        "window_dilations": list(map(int, dilation)),
    }
    config = {
        "dims": rank + 2,
        "input": {"dims": rank + 2, "data": data},
        "kernel": {"dims": rank + 2, "filter": taps},
        "output": {"dims": rank + 2, "data": data},
        "window": window,
        "feature_groups": groups,
    }
    out = [
        (n + lo + hi - (w - 1) * d - 1) // s + 1
        for n, (lo, hi), w, d, s in zip(x.shape[1:-1], pads, kernel.shape, dilation, strides, strict=False)
    ]
    return _call("convolution", {"onednn_conv_config": config}, (x.shape[0], *out, kernel.shape[given]), x, kernel)


def product(a: Array, b: Array) -> Array:
    """a^T b for every group: a (groups, n, m), or one for all, and b (groups, n, k) give (groups, m, k), float32.

    Long sums are as fast as short ones, which those of XLA's own product are not.
    """
    return _matmul(a, b, (b.shape[0], a.shape[2], b.shape[2]), transposed=True)


def products(a: Array, b: Array) -> Array:
    """a b for every block: a (1, m, n) and b (blocks, n, k) give (blocks, m, k), float32."""
    return _matmul(a, b, (b.shape[0], a.shape[1], b.shape[2]), transposed=False)


def _matmul(a: Array, b: Array, shape: tuple[int, ...], transposed: bool) -> Array:
    # positions of the axes, counted from 1
    plain = {"dims": a.ndim, "tensor": {"dimensions": list(range(1, a.ndim + 1))}}
    config = {"transpose_a": transposed, "transpose_b": False, "lhs": plain, "rhs": plain, "result": plain}
    return _call("matmul", {"onednn_matmul_config": config}, shape, a, b)


def _call(name: str, config: dict, shape: tuple[int, ...], a: Array, b: Array) -> Array:
    call = jax.ffi.ffi_call(
        PREFIX + name,
        jax.ShapeDtypeStruct(shape, a.dtype),
        custom_call_api_version=1,
        legacy_backend_config=json.dumps(config),
    )
    return call(a, b)
