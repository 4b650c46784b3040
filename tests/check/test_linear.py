"""check.linear: linear functions pass; affine and non-linear ones fail, and over-the-reals is said."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax import check
from deconvjax.errors import ShapeError, UnboundError

RNG = np.random.default_rng(5)
AFFINE = {
    "x + 1": lambda x: x + 1,
    "x + 1e-30": lambda x: x + np.float32(1e-30),
    "ones": lambda x: jnp.ones(6),
    "pad": lambda x: jnp.pad(x, 1, constant_values=3),
    "set": lambda x: jnp.asarray(x).at[::2].set(9),
}
NONLINEAR = {
    "relu": jax.nn.relu,
    "abs": np.abs,
    "max": np.max,
    "sort": np.sort,
    "square": lambda x: x * x,
    "x @ x": lambda x: x @ x,
    "clip": lambda x: np.clip(x, -100, 100),
    "tanh": np.tanh,
    "round": np.round,
    "dead zone": lambda x: np.where(np.abs(x) < 0.1, 0, x),
    "NaN": lambda x: x * np.nan,
}


@pytest.mark.parametrize("name", AFFINE)
def test_affine_functions_are_not_linear(name):
    report = check.linear(AFFINE[name], (6,))
    assert not report and report.laws[0] == ("f(0) = 0", np.inf)
    assert "f(0) = 0                      inf eps" in str(report)


@pytest.mark.parametrize("name", NONLINEAR)
def test_non_linear_functions_are_not_linear(name):
    report = check.linear(NONLINEAR[name], (6,))
    assert not report.ok and report.worst > report.limit


def test_linear_functions_are_linear():
    w = RNG.normal(size=(5, 300)).astype(np.float32)
    for f, domain in [(np.flip, (5,)), (lambda x: w @ x, (300,)), (np.cumsum, (4000,)), (np.fft.rfft, (64,)),
                      (lambda t: t["a"] - t["b"][0], {"a": (3,), "b": [(3,)]}), (jnp.zeros_like, (3,))]:  # fmt: skip
        for key in range(10):
            assert check.linear(f, domain, key), f
    assert check.linear(dj.convolve([1, 2, 3]).on((9,))) and check.linear(dj.downsample(2), (9,))
    assert check.linear(dj.convolve([1, 2, 3]), jax.ShapeDtypeStruct((9,), np.int8))
    assert check.linear(lambda x: x, jax.ShapeDtypeStruct((9,), np.uint8))
    bf16 = check.linear(dj.convolve([1.0, 2.0]), jax.ShapeDtypeStruct((9,), jnp.bfloat16))
    assert bf16 and "judged in float32" in str(bf16)


def test_linearity_over_the_reals_only_is_said():
    domain = jax.ShapeDtypeStruct((4,), np.complex64)
    for f, whole in [(np.conj, False), (np.real, False), (np.flip, True), (lambda z: z * (1 + 2j), True)]:
        report = check.linear(f, domain)
        assert report.ok and report.complex_linear is whole
    assert "over the reals only" in str(check.linear(np.conj, domain))
    assert check.linear(np.flip, (4,)).complex_linear is None
    with pytest.raises(UnboundError, match=r"A\.on\(shape\)"):
        check.linear(dj.downsample(2))
    with pytest.raises(UnboundError, match=r"check\.linear: functions do not know their domain"):
        check.linear(np.flip)
    with pytest.raises(TypeError, match=r"check\.linear: cannot check this; got NoneType"):
        check.linear(None, (3,))
    with pytest.raises(ShapeError, match=r"check\.linear: an axis of length 0 tries nothing"):
        check.linear(lambda x: x + 1, (0,))
    with pytest.raises(TypeError, match=r"check\.linear: key chooses the probes; got 'a'"):
        check.linear(np.flip, (3,), "a")
