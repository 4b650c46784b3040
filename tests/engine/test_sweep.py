"""Thousands of random stages through the rule and through every strategy, exactly, without compiling anything.

The strategies' own code runs on NumPy arrays (numpy_backend), on small integers held in float64, so equality is exact
(the Fourier strategy: 1e-9). What XLA makes of the same code is the matter of test_primitives.
"""

import numpy as np
import pytest

from deconvjax.engine import (
    col2im,
    combwise,
    fourier,
    gram,
    images,
    layout,
    library,
    lower,
    onednn,
    rule,
    shifted,
    strided,
    tapsum,
)
from deconvjax.engine.images import fitting
from deconvjax.engine.layout import transposed_taps
from deconvjax.engine.problem import Problem
from tests.engine import oracle
from tests.engine.numpy_backend import array, numpy_backend

STAGES = 5000


def run(seed, strategy=None, dtype=np.float64, onednn=False, platform="cpu", **limits):
    """F, T and W of one random stage against the oracle; with oneDNN only what it is given is checked, not the call."""
    dtype = np.float32 if onednn else dtype
    spec, x, k, y = oracle.random_stage(seed, **limits)
    x, k, y = (a.astype(dtype) for a in (x, k, y))
    tolerance = {"rtol": 0, "atol": 1e-9 if strategy in (None, "fourier") else 0}
    static = {"spec": spec.normal, "strategy": strategy, "target": lower.Target(platform, onednn)}
    got = lower.stage(array(x), array(k), **static)
    np.testing.assert_allclose(got, oracle.stage(x, k, spec), **tolerance, err_msg=f"F {seed} {spec}")
    got = lower.transpose(array(y), array(k), **static)
    np.testing.assert_allclose(got, oracle.transpose(y, k, spec), **tolerance, err_msg=f"T {seed} {spec}")
    got = lower.taps_gradient(array(x), array(y), **static)
    np.testing.assert_allclose(got, oracle.taps_gradient(x, y, spec), **tolerance, err_msg=f"W {seed} {spec}")
    return spec


@pytest.mark.parametrize("part", range(5))
def test_the_rule(part):
    with numpy_backend():
        for seed in range(part * STAGES // 5, (part + 1) * STAGES // 5):
            run(seed)
            run(seed, onednn=True)
            run(seed, platform="cuda", dtype=(np.float64, np.float32)[seed % 2])  # float32 may use tensor cores


@pytest.mark.parametrize("strategy", sorted({*rule.FORWARD, *rule.GRADIENT} - {"triton"}))
def test_every_strategy(strategy):
    """Also where the rule would choose another; a strategy that cannot run a stage is not counted."""
    limits = {"groups": (None,), "ranks": (1,)} if strategy in ("banded", "bandrows") else {}
    limits = {"groups": (None,)} if strategy == "fourier" else limits
    if strategy in ("rows", "tapsum", "tiles", "by_axis"):
        limits = {"depthwise": True}
    if strategy == "dense":
        limits = {"groups": (2, 3)}
    if strategy == "col2im":
        limits = {"groups": (1,), "down": 1}
    if strategy in ("rows", "tiles", "by_axis", "shifted", "whole", "gram"):
        limits |= {"up": 1}
    onednn = strategy in ("library", "gram")
    dtype = np.dtype(np.float32 if onednn else np.float64)
    counted = 0
    with numpy_backend():
        for seed in range(10_000, 10_150):
            spec, x, k, y = oracle.random_stage(seed, **limits)
            kinds = [Problem(spec.normal, kind, x.shape[0], x.shape[-1], y.shape[-1], dtype, onednn) for kind in "FTW"]
            counted += any(rule.feasible(strategy, p) for p in kinds)
            run(seed, strategy, onednn=onednn, **limits)
    assert counted > 60


@pytest.mark.parametrize(("name", "value"), [("CROP", -1), ("CROP", 10**9), ("CHANNELS", 1)])
def test_choices_of_the_library(monkeypatch, name, value):
    """Each of its two ways, where it would choose by size."""
    monkeypatch.setattr(library, name, value)
    limits = {"groups": (None,), "ranks": (1,), "size": 90} if name == "CHANNELS" else {"groups": (1,), "batch": 4}
    with numpy_backend():
        for seed in range(24_000, 24_150):
            run(seed, "library", onednn=True, **limits)


def test_few_results_by_the_library(monkeypatch):
    """One product of all samples, padded or cropped by the call, then sums."""
    monkeypatch.setattr(col2im, "cheaper", lambda spec, cin, cout: col2im.fits(spec))
    ran, scattered = [], col2im.scattered
    monkeypatch.setattr(col2im, "scattered", lambda *args: ran.append(args) or scattered(*args))
    with numpy_backend():
        for seed in range(31_000, 31_200):
            run(seed, "library", onednn=True, groups=(1,), down=1, batch=3)
    assert len(ran) > 150


@pytest.mark.parametrize(
    ("way", "few", "waste", "many", "beside"),
    [
        ("_by_sample", 100, 2, 8, 8),
        ("_by_place", 0, 0, 8, 8),
        ("_windows", 0, 100, 100, 100),
        ("_runs", 0, 100, 100, 0),
        ("_blocks", 0, 100, 1, 8),
    ],
)
def test_ways_of_the_product(monkeypatch, way, few, waste, many, beside):
    """Samples of windows as rows, a product for each place of a block, whole blocks beside and above each other."""
    monkeypatch.setattr(gram, "BESIDE", beside)
    monkeypatch.setattr(gram, "RUN", 10**6)
    monkeypatch.setattr(gram, "MANY", many)
    monkeypatch.setattr(gram, "FEW", (few, few))
    monkeypatch.setattr(gram, "WASTE", waste)
    ran, run_ = [], getattr(gram, way)
    monkeypatch.setattr(gram, way, lambda *args: ran.append(args) or run_(*args))
    with numpy_backend():
        for seed in range(27_000, 27_200):
            run(seed, "gram", onednn=True, up=1, down=4, dilation=1 + seed % 2, groups=(1, 1, 2), ranks=(2,))
    assert len(ran) > 40


def test_shifts_by_stages(monkeypatch):
    """Those of the last axis first, then the others."""
    monkeypatch.setattr(gram, "FEW", (0, 0))
    monkeypatch.setattr(gram, "BESIDE", 4)
    ran, run_ = [], gram._by_stages
    monkeypatch.setattr(gram, "_by_stages", lambda *args: ran.append(args) or run_(*args))
    with numpy_backend():
        for seed in range(29_000, 29_200):
            run(seed, "gram", onednn=True, up=1, down=2, window=6, dilation=1, groups=(1, 1, 2), ranks=(2, 3))
    assert len(ran) > 40


def test_sums_in_halves(monkeypatch):
    """Of products that sum many terms for few results."""
    monkeypatch.setattr(gram, "FEW", (0, 0))
    monkeypatch.setattr(gram, "HALVED", 0)
    ran = []
    with numpy_backend(), monkeypatch.context() as inside:
        product = onednn.product
        inside.setattr(onednn, "product", lambda a, b: ran.append(len(a)) or product(a, b))
        for seed in range(30_000, 30_200):
            run(seed, "gram", onednn=True, up=1, size=9, window=2, groups=(1,), ranks=(2,))
    assert ran.count(2) > 40


def test_pieces_of_the_batch(monkeypatch):
    """As many images at once as fit and divide the batch, where a product for all copies too much."""
    monkeypatch.setattr(images, "FREE", 0)
    monkeypatch.setattr(images, "ROOM", 1)
    cut = []
    monkeypatch.setattr(gram, "fitting", lambda batch, *args: cut.append((fitting(batch, *args), batch)) or cut[-1][0])
    with numpy_backend():
        for seed in range(28_000, 28_200):
            run(seed, "gram", onednn=True, up=1, groups=(1, 1, 2), batch=12, ranks=(2,))
    assert sum(size < batch for size, batch in cut) > 20
    assert sum(1 < size < batch for size, batch in cut) > 10


def test_joined_parts(monkeypatch):
    """As a concatenation where there are many, as a sum where there are few."""
    with numpy_backend():
        for beside in (1, 100):
            monkeypatch.setattr(layout, "BESIDE", beside)
            for seed in range(25_000, 25_100):
                run(seed, "gram", onednn=True, up=1, groups=(1, 1, 2))


@pytest.mark.parametrize("strategy", ["banded", "tapsum"])
def test_in_float32(strategy):
    """What float32 runs through a library, other types run otherwise: here float32 is exact too."""
    limits = {"groups": (None,), "ranks": (1,), "size": 200} if strategy == "banded" else {"depthwise": True}
    with numpy_backend():
        for seed in range(20_000, 20_150):
            run(seed, strategy, dtype=np.float32, **limits | {"up": 2, "down": 6, "window": 9})


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_strided_blocks(monkeypatch, dtype):
    """Strided depthwise sums, in place and padded, with borders of every kind."""
    monkeypatch.setattr(strided, "SHORT", 4)
    ran = {"natural": 0, "aligned": 0}

    def watch(name, run):
        def counted(*args):
            ran[name] += 1
            return run(*args)

        monkeypatch.setattr(strided, name, counted)

    watch("natural", strided.natural)
    watch("aligned", strided.aligned)
    with numpy_backend():
        for seed in range(22_000, 22_400):
            few = {"up": 1, "down": 6, "window": 12, "size": 30}
            run(seed, "tapsum", dtype=dtype, depthwise=True, groups=(None, 2, 3), ranks=(1 + seed % 2,), **few)
    assert min(ran.values()) > 30


@pytest.mark.parametrize("way", ["combwise", "bordered", "padded"])
def test_enlargement(monkeypatch, way):
    """Depthwise sums with more results than samples: a loop per comb, borders as loops of their own, x padded."""
    monkeypatch.setattr(combwise, "CHANNELS", range(1, 100) if way == "combwise" else ())
    monkeypatch.setattr(tapsum, "_bordered", lambda combs, channels: way == "bordered")
    ran, combwise_stage = [], combwise.stage
    monkeypatch.setattr(combwise, "stage", lambda *args: ran.append(args) or combwise_stage(*args))
    with numpy_backend():
        for seed in range(26_000, 26_300):
            run(seed, "tapsum", depthwise=True, groups=(None, 2, 3), down=1 + seed % 2)
    assert len(ran) > 100 or way != "combwise"


def test_pieces_of_the_taps_gradient(monkeypatch):
    """Large sums are cut into strips and groups of images; here every sum is large."""
    pieces = []
    monkeypatch.setattr(shifted, "LEAST", 600)
    monkeypatch.setattr(shifted, "PIECE", 600)
    whole = shifted.piece
    monkeypatch.setattr(shifted, "piece", lambda *sizes: pieces.append(whole(*sizes)) or pieces[-1])
    with numpy_backend():
        for seed in range(23_000, 23_300):
            run(seed, "shifted", up=1, groups=(1, 1, 2), batch=5)
    assert sum(images > 1 for images, _ in pieces) > 20 and sum(rows > 1 for images, rows in pieces if images == 1) > 20


def test_overlapping_pieces(monkeypatch):
    """Long signals are transformed in pieces; here every signal is long."""
    monkeypatch.setattr(fourier, "LEAST", 4)
    cut = 0
    with numpy_backend():
        for seed in range(21_000, 21_100):
            spec = run(seed, "fourier", groups=(None,), ranks=(1,), size=200)
            cut += bool(fourier.piece(spec.normal.axes[0]))
    assert cut > 50


def test_transposed_taps_is_its_own_inverse():
    with numpy_backend():
        for seed in range(50):
            spec, _, k, _ = oracle.random_stage(seed)
            np.testing.assert_array_equal(transposed_taps(transposed_taps(array(k), spec), spec), k)
