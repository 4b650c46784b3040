"""The dot test: never wrong on a right adjoint, nearly always right on a wrong one, and readable either way."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax import check
from deconvjax.errors import ShapeError, UnboundError
from deconvjax.leaves.opaque import linear_map

DTYPES = [np.float32, np.float64, np.complex64]
SIZES = [64, 1024, 16384]
RNG = np.random.default_rng(3)


def taps_for(dtype, size=5):
    taps = RNG.normal(size=size) + 1j * RNG.normal(size=size)
    return (taps if np.issubdtype(dtype, np.complexfloating) else taps.real).astype(dtype)


def strided(taps, n, stride=2):
    """y[m] = sum_j q[j] x[s m + j - lo] and its adjoint, in NumPy, in the dtype of the taps."""
    lo, k, conjugate = len(taps) // 2, len(taps), taps.conj()
    out = -(-n // stride)

    def forward(x):
        z = np.zeros(n + 2 * k, x.dtype)
        z[lo : lo + n] = x
        return sum(q * z[j : j + (out - 1) * stride + 1 : stride] for j, q in enumerate(taps))

    def adjoint(y, q=conjugate, lo=lo, skip=slice(0, 0)):
        y = y.copy()
        y[skip] = 0
        z = np.zeros(n + 2 * k + stride, y.dtype)
        for j, each in enumerate(q):
            z[j : j + (out - 1) * stride + 1 : stride] += each * y
        return z[lo : lo + n]

    return forward, adjoint


# ---- calibration ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "draws"), [(64, 2000), (1024, 1000), (16384, 336)])
def test_no_false_alarm_in_ten_thousand_draws(dtype, n, draws):
    # 3 x (2000 + 1000 + 336) = 10,008 pairs (x, y) through compiled maps and their own adjoints
    a = dj.convolve(taps_for(dtype)) if n != 1024 else dj.downsample(2) @ dj.convolve(jnp.asarray(taps_for(dtype)))
    a = a.on(jax.ShapeDtypeStruct((n,), dtype))
    report = check.adjoint(a, probes=draws, key=n, dense=0)
    assert len(report.probes) == draws
    assert report.ok and report.worst < 4, str(report.verdict)  # half of the limit is never reached


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_false_alarm_in_numpy_either(dtype):
    for n in SIZES:
        pair = strided(taps_for(dtype), n)
        for key in range({64: 200, 1024: 50, 16384: 5}[n]):
            assert check.adjoint(pair, key=key, domain=jax.ShapeDtypeStruct((n,), dtype), dense=0)


def test_no_false_alarm_where_many_terms_are_added():
    w = jnp.asarray(RNG.normal(size=(40, 3000)), jnp.float32)
    maps = [
        linear_map(lambda x: w @ x, (3000,)),
        linear_map(lambda y: y @ w, (40,)),
        linear_map(lambda x: jnp.sum(x), (16384,)),
        linear_map(lambda s: jnp.broadcast_to(s, (16384,)), ()),
        linear_map(jnp.cumsum, (16384,)),
        linear_map(jnp.fft.rfft, (4096,)),
        linear_map(jnp.fft.irfft, jax.ShapeDtypeStruct((1025,), jnp.complex64)),
        linear_map(jnp.real, jax.ShapeDtypeStruct((100,), jnp.complex64)),
        linear_map(lambda z: jnp.imag(z) + jnp.real(z * 1j), jax.ShapeDtypeStruct((100,), jnp.complex64)),
    ]
    for a in maps:
        for key in range(10):
            assert check.adjoint(a, key=key, dense=0), a
    loops = lambda x: np.add.accumulate(x), lambda y: np.add.accumulate(y[::-1])[::-1]  # noqa: E731
    assert all(check.adjoint(loops, key=key, domain=(16384,)) for key in range(20))


def faults(dtype, n):
    """What goes wrong in hand-written adjoints, each as an adjoint of the same strided correlation."""
    taps = taps_for(dtype)
    forward, adjoint = strided(taps, n)
    q = taps.conj()
    wrong = {
        "a shift by one sample": lambda y: np.roll(adjoint(y), 1),
        "a missing flip": lambda y: adjoint(y, q=q[::-1]),
        "the wrong crop side": lambda y: adjoint(y, lo=len(taps) - 1 - len(taps) // 2 + 1),
        "the first row lost": lambda y: adjoint(y, skip=slice(0, 1)),
        "the last row lost": lambda y: adjoint(y, skip=slice(-1, None)),
        "the border sample lost": lambda y: np.append(adjoint(y)[:-1], adjoint(y)[-1:] * 0),
    }
    if np.issubdtype(dtype, np.complexfloating):
        wrong["a missing conjugate"] = lambda y: adjoint(y, q=taps)
    return forward, wrong


@pytest.mark.parametrize("dtype", DTYPES)
def test_wrong_adjoints_are_found(dtype):
    missed: dict[str, int] = {}
    tried = 0
    for n, keys in [(64, 500), (1024, 80), (16384, 6)]:
        forward, wrong = faults(dtype, n)
        domain = jax.ShapeDtypeStruct((n,), dtype)
        for fault, adjoint in wrong.items():
            for key in range(keys if fault in ("the last row lost", "a shift by one sample") else keys // 2):
                tried += 1
                missed[fault] = missed.get(fault, 0) + check.adjoint((forward, adjoint), key=key, domain=domain,
                                                                     dense=0).ok
    assert sum(missed.values()) <= tried / 1000, missed  # 99.9 %


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_ten_thousand_whole_checks_and_a_thousand_faults_in_large_signals(dtype):
    for n, keys in [(64, 2400), (1024, 800), (16384, 140)]:  # 3 x 3340 checks of 8 probes
        pair, domain = strided(taps_for(dtype), n), jax.ShapeDtypeStruct((n,), dtype)
        assert all(check.adjoint(pair, key=key, domain=domain, dense=0) for key in range(keys))
    forward, wrong = faults(dtype, 16384)
    domain = jax.ShapeDtypeStruct((16384,), dtype)
    for fault, adjoint in wrong.items():
        reports = [check.adjoint((forward, adjoint), key=key, domain=domain, dense=0) for key in range(170)]
        assert not any(reports), fault
        assert min(report.worst for report in reports) > 100 * reports[0].limit  # found with room to spare


def test_a_lost_row_of_a_large_image_is_found():
    def forward(x):
        z = np.pad(x, 1)
        return z[1:-1, 1:-1] + 2 * z[:-2, 1:-1] + 3 * z[1:-1, :-2]

    def adjoint(y, keep=slice(None)):
        y = np.pad(y[keep], ((0, y.shape[0] - y[keep].shape[0]), (0, 0)))
        z = np.pad(y, 1)
        return z[1:-1, 1:-1] + 2 * z[2:, 1:-1] + 3 * z[1:-1, 2:]

    for key in range(50):
        assert check.adjoint((forward, adjoint), key=key, domain=(128, 128))
        assert not check.adjoint((forward, lambda y: adjoint(y, slice(None, -1))), key=key, domain=(128, 128))


# ---- the report -----------------------------------------------------------------------------------------------------
def test_a_report_says_what_was_found():
    report = check.adjoint(dj.convolve([1.0, 2.0, 3.0]).on((20,)))
    assert report and report.ok and report.worst <= report.limit == 8
    assert len(report.probes) == 8 and report.scale == pytest.approx(1.0, rel=1e-6) and not report.scales
    assert report.first_wrong_row == "" and report.dtype == "float32"
    text = str(report)
    assert text.startswith("adjoint of <convolve(3 taps) : float32[20] -> float32[20]>: ok: worst")
    assert "not independent evidence" in report.evidence
    assert "probed apart, agree entry by entry" in report.evidence
    assert "agrees with the NumPy oracle" in report.evidence
    assert text.count(" eps") == 9 and "x border, y anywhere" in text
    with pytest.raises(AttributeError):
        report.ok = False  # type: ignore[misc]


def test_the_evidence_says_when_there_is_none():
    report = check.adjoint(linear_map(jnp.cumsum, (200,)))
    assert report.ok and "no oracle knows this map: use check.compare" in report.evidence
    assert "entry by entry" not in report.evidence
    report = check.adjoint((np.flip, np.flip), domain=(5,))
    assert report.ok and "given apart" in report.evidence


def test_the_scale_of_a_wrong_adjoint_is_named():
    report = check.adjoint((lambda x: 3 * x, lambda y: 6 * y), domain=(30,))
    assert not report and report.scales and report.scale == pytest.approx(0.5)
    assert "<Ax, y> = 0.5 <x, A.H y> in every probe: the adjoint is off by that factor" in str(report)
    report = check.adjoint((lambda x: 1j * x, lambda y: 1j * y), domain=jax.ShapeDtypeStruct((30,), np.complex64))
    assert not report and report.scale == pytest.approx(-1.0)
    report = check.adjoint((np.flip, np.copy), domain=(30,))
    assert not report and not report.scales and "no factor explains the difference" in str(report)


def test_the_first_wrong_row_is_named():
    def adjoint(y):
        return np.stack([y[0], y[1] + y[2], y[2]])

    report = check.adjoint((np.copy, adjoint), domain=(3,))
    assert not report and report.first_wrong_row == "(2,): A has [0. 0. 1.], A.H has [0. 1. 1.]"
    pair = (lambda x: (x, 2 * x), lambda y: y[0] + 3 * y[1])
    assert check.adjoint(pair, domain=(2,)).first_wrong_row.startswith("[1](0,): A has [2. 0.]")


def test_a_wrong_shape_is_a_failure_not_a_crash():
    report = check.adjoint((lambda x: x[::2], lambda y: np.repeat(y, 2)), domain=(5,))
    assert not report and "A.H y has 6 entries, not 5" in str(report)


def test_a_wrong_map_is_told_from_a_wrong_adjoint():
    a = dj.convolve([1.0, 2.0, 3.0]).on((9,))
    doubled = type(a)._apply
    try:
        type(a)._apply = lambda self, x: 2 * doubled(self, x)
        jax.clear_caches()
        report = check.adjoint(a)
    finally:
        type(a)._apply = doubled
        jax.clear_caches()
    assert not report.ok and report.worst < 8  # A.H doubles along, and the dot test alone would pass
    assert "A itself differs from the NumPy oracle" in str(report) and "does not agree" in report.evidence


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16])
def test_half_precision_is_judged_in_float32(dtype):
    a = dj.convolve(jnp.asarray([1.0, 2.0, 3.0], dtype)).on(jax.ShapeDtypeStruct((300,), dtype))
    report = check.adjoint(a)
    assert report.ok and report.dtype == "float32" and report.worst < 8
    assert "judged in float32" in str(report) and jnp.dtype(dtype).name in str(report)
    traced = linear_map(lambda x: 2 * x, jax.ShapeDtypeStruct((30,), dtype))
    assert "could not be rebuilt in float32" in str(check.adjoint(traced))


def test_integers_must_agree_exactly():
    domain = jax.ShapeDtypeStruct((30,), np.int32)
    assert check.adjoint(dj.convolve([1, -2, 3], "wrap").on(domain)).worst == 0
    assert not check.adjoint((lambda x: x * 2**20, lambda y: y * 2**20 + (y == 1)), domain=domain)
    small = jax.ShapeDtypeStruct((30,), np.int8)  # sums wrap modulo 256, on both sides alike
    assert check.adjoint(dj.convolve([100, 77, 3]).on(small))


@pytest.mark.parametrize("taps", [[1 + 2j, 3 - 1j, 0.5], [1.0, 2.0, 0.0]])
def test_complex_and_real_meet(taps):
    for dtype in (np.float32, np.complex64):
        a = dj.convolve(taps).on(jax.ShapeDtypeStruct((12,), dtype))
        assert check.adjoint(a) and check.adjoint(a.H) and check.adjoint(a.T)
    a = dj.convolve(taps).on(jax.ShapeDtypeStruct((12,), np.complex64))
    if np.iscomplexobj(taps):
        assert not check.adjoint((a, a.T), domain=a.domain)


def test_trees_of_arrays():
    bank = dj.stack([dj.downsample(2), dj.convolve([1, 2, 1]), 3 * dj.identity])
    assert check.adjoint(bank, domain=(60,)) and check.adjoint(bank.on((60,)).H)
    assert check.adjoint(linear_map(lambda d: {"sum": d["a"] + d["b"]}, {"a": (5,), "b": (5,)}))


def test_keys_change_the_probes():
    a = dj.convolve([1.0, 2.0, 3.0]).on((100,))
    keys = (None, None, 1, jax.random.key(1), jax.random.PRNGKey(2))
    left = [check.adjoint(a, key=key).probes[0].left for key in keys]
    assert left[0] == left[1] and len(set(left)) == 4


def test_bad_input():
    a = dj.downsample(2)
    with pytest.raises(UnboundError, match=r"A\.on\(shape\)"):
        check.adjoint(a)
    with pytest.raises(UnboundError, match=r"check\.adjoint: functions do not know their domain.*domain=x"):
        check.adjoint((np.copy, np.copy))
    with pytest.raises(TypeError, match=r"check\.adjoint: cannot check this; got int.*a pair of functions"):
        check.adjoint(3)
    with pytest.raises(ValueError, match=r"check\.adjoint: nothing to try; got 0"):
        check.adjoint(a, probes=0, domain=(4,))
    with pytest.raises(TypeError, match=r"check\.adjoint: probes is a count; got 2\.5"):
        check.adjoint(a, probes=2.5, domain=(4,))
    with pytest.raises(ShapeError, match=r"check\.adjoint: an axis of length 0 tries nothing; got float32\[0\]"):
        check.adjoint((np.copy, np.copy), domain=(0,))
    for key in ("a", -1, 0.5):
        with pytest.raises(TypeError, match=r"check\.adjoint: key chooses the probes; got .*a JAX key"):
            check.adjoint(a, key=key, domain=(4,))
