"""The rule of GPUs against what was measured on one: benchmarks/results/gpu.json."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from benchmarks import cases
from benchmarks.strategies import is_off
from deconvjax.engine import rule
from deconvjax.engine.lower import Target
from deconvjax.engine.problem import normalised

MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "gpu.json"
COLUMNS = ("forward", "grad x", "grad taps")
LAYERS = {layer.name: layer for layer in cases.LAYERS}


def chosen(layer, mode, column):
    """What the rule runs one column of a layer by."""
    kind = ("TFW" if layer.kind == "up" else "FTW")[COLUMNS.index(column)]
    fine, coarse = layer.channels
    target = Target("cuda", triton=True)
    with jax.default_matmul_precision("highest" if mode == "float32" else "default"):
        dtype = jnp.dtype("bfloat16" if mode == "bfloat16" else "float32")
        problem = target.problem(layer.spec.normal, kind, layer.batch, fine, coarse, dtype)
    return rule.pick(normalised(problem), "cuda")


def test_the_rule_is_off_on_few():
    """The strategy it chooses takes more than 15 % longer than the fastest measured on at most a tenth of the rows."""
    records = json.loads(MEASURED.read_text())["records"]
    records = [r for r in records if r["row"] in LAYERS and "strategies_us" in r]
    judged, off = 0, []
    for r in records:
        name, times = chosen(LAYERS[r["row"]], r["mode"], r["column"]), r["strategies_us"]
        if name in times:
            judged += 1
            off += [(r["row"], r["mode"], r["column"])] * is_off(name, times)
    assert judged > 90 and len(off) <= judged / 10, off


@pytest.mark.parametrize("mode", ["float32", "tf32"])
def test_no_choice_gathers_more_than_it_may(mode):
    """Three times inputs plus outputs: gathered windows of nine samples would be more."""
    for name in ("down 4x64x64 64->64 k3 s1", "down 4x64x64 64->64 k3 s1 g4"):
        assert not {chosen(LAYERS[name], mode, c) for c in COLUMNS} & {"columns", "blocks", "whole"}


@pytest.mark.parametrize(
    ("name", "mode", "column", "strategy"),
    [
        ("down 4x64x64 64->64 k3 s2", "tf32", "grad x", "direct"),  # 64 channels: cuDNN's backward-data
        ("down 4x64x64 64->64 k3 s2", "bfloat16", "grad x", "direct"),
        ("up 4x64x64 32->32 k3 s2", "tf32", "forward", "convolution"),  # fewer: the stuffed convolution
        ("down 4x64x64 64->64 k3 s1 g64", "float32", "grad taps", "direct"),  # 12 µs by cuDNN,
        ("down 4x64x64 64->64 k3 s1 g64", "bfloat16", "grad taps", "by_axis"),  # but 31 in half precision
    ],
)
def test_what_one_sitting_changed(name, mode, column, strategy):
    assert chosen(LAYERS[name], mode, column) == strategy
