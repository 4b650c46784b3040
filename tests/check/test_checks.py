"""The checks check: what is right passes; a wrong matrix, a perturbed array, a map with one fault fail."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax import check
from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.check import oracle
from deconvjax.errors import ShapeError, UnboundError
from deconvjax.leaves.opaque import linear_map
from deconvjax.ops.reassemble import reassemble
from deconvjax.space import Space
from tests.catalogue import CASES
from tests.folded import dense, evaluate, units

RNG = np.random.default_rng(5)


# ---- compare and close ----------------------------------------------------------------------------------------------
def test_a_wrong_matrix_is_found():
    a = dj.convolve([1.0, 2.0, 3.0]).on((4,))
    right = np.array([[2, 1, 0, 0], [3, 2, 1, 0], [0, 3, 2, 1], [0, 0, 3, 2]])
    assert check.compare(a, right) and check.compare(a, right.astype(float))
    wrong = right.copy()
    wrong[2, 1] = 4
    report = check.compare(a, wrong)
    assert not report and report.first_wrong_row == "(2,): A has [0. 3. 2. 1.], the reference [0. 4. 2. 1.]"
    assert not check.compare(a, right.T) and check.compare(a.T, right.T)
    assert check.compare(a, right / 2).scale == pytest.approx(2)
    with pytest.raises(ShapeError, match=r"check\.compare: the matrix does not fit; got \(3, 4\), expected \(4, 4\)"):
        check.compare(a, right[:3])


def test_a_perturbed_entry_is_found():
    taps = RNG.normal(size=9)
    for n, dtype in [(20, np.float32), (5000, np.float32), (5000, np.float64), (5000, np.complex64)]:
        a = dj.convolve(taps).on(jax.ShapeDtypeStruct((n,), dtype))
        assert check.compare(a, lambda x: np.convolve(x, taps, "same"))
        for entry in range(9):
            off = taps + np.where(np.arange(9) == entry, 1e3 * np.finfo(dtype).eps * np.abs(taps).max(), 0)
            assert not check.compare(a, lambda x, off=off: np.convolve(x, off, "same")), (n, dtype, entry)


def test_compare_takes_maps_functions_and_the_structure():
    a = dj.downsample(2) @ dj.convolve([1.0, 2.0, 1.0])
    bound = a.on((60,))
    by_hand = lambda x: np.convolve(x, [1, 2, 1], "same")[::2]  # noqa: E731
    assert check.compare(bound, by_hand) and check.compare(by_hand, bound, domain=(60,)) and check.compare(bound)
    assert check.compare(a, dj.upfirdn([1.0, 2.0, 1.0], 1, 2, (1, 1)), domain=(60,))
    other = check.compare(bound, dj.downsample(2, phase=1) @ dj.convolve([1.0, 2.0, 1.0]))
    assert not other and "got" in other.first_wrong_row and "may share a mistake" in other.evidence
    with pytest.raises(ShapeError, match=r"the reference lands elsewhere; got float32\[60\], expected float32\[30\]"):
        check.compare(bound, dj.convolve([1.0, 2.0, 1.0]))
    with pytest.raises(ValueError, match=r"no oracle knows this map.*pass reference="):
        check.compare(linear_map(jnp.cumsum, (5,)))
    with pytest.raises(UnboundError, match="functions do not know their domain"):
        check.compare(np.flip, np.flip)


def test_a_perturbed_array_is_not_close():
    want = {"a": RNG.normal(size=(3, 4)).astype(np.float32), "b": (np.arange(5),)}
    got = jax.tree_util.tree_map(np.copy, want)
    assert check.close(got, want)
    got["a"] *= np.float32(1 + 2e-7)
    assert check.close(got, want)
    got["a"][1, 2] += 64 * np.finfo(np.float32).eps * np.abs(want["a"]).max()
    report = check.close(got, want)
    assert not report and report.first_wrong_row.startswith("[0](1, 2): got")
    got = jax.tree_util.tree_map(np.copy, want)
    got["b"][0][3] += 1
    assert check.close(got, want).first_wrong_row == "[1](3,): got 4, want 3"
    assert not check.close(got["a"], want["a"].T) and not check.close(got["a"], want["a"][:1])
    assert not check.close(np.array([np.nan]), np.array([np.nan])) and not check.close([1.0], (1.0,))
    assert not check.close(np.zeros(3), np.array([0, 0, 1e-300])) and check.close(np.zeros(3), np.zeros(3))


# ---- the structure read as NumPy ------------------------------------------------------------------------------------
MAPS = {f"{case.name}, {a.space}": a for case in CASES for a in case.maps()}


@pytest.fixture(scope="module")
def matrices():
    return evaluate(lambda: {name: a(units(a.domain)) for name, a in MAPS.items()})


def by_structure(a):
    """The real matrix of a map, from its structure and the oracle alone."""
    truth = check.reference(a)
    assert truth is not None, a
    return check.vectors.real_matrix(truth, Space.of(a.domain), Space.of(a.codomain))


def test_the_oracle_knows_every_operator_of_the_catalogue(matrices):
    for name, a in MAPS.items():
        want = check.vectors.real_matrix(lambda x, a=a: check.reference(a)(x), Space.of(a.domain), Space.of(a.codomain))
        got = dense(matrices[name])
        if not check.vectors.is_complex(Space.of(a.domain)):
            both = np.stack([check.vectors.pairs(column, Space.of(a.codomain)) for column in got.T], axis=1)
            assert check.close(both, want, dtype=np.float32), name


@pytest.mark.parametrize("name", MAPS)
def test_the_adjoint_of_the_structure_is_the_adjoint_of_the_oracle(name):
    a = MAPS[name]
    assert check.close(by_structure(a.H), by_structure(a).T, dtype=np.float32)


def test_the_oracle_knows_reassembly():
    for groups, batch in [(None, ()), (2, ()), (1, (3,))]:
        weights = RNG.normal(size=(*batch, 4, 6, 3, 2, *([groups] if groups else [])))
        a = reassemble(weights, 2, groups=groups).on((*batch, 2, 3, 4))
        assert check.compare(a, dense=0) and check.close(by_structure(a.H), by_structure(a).T, dtype=np.float32)
    plain = RNG.normal(size=(4, 6, 3, 3))
    assert check.compare(reassemble(plain, 2).on((2, 3, 2)), lambda x: oracle.reassemble(x, plain, 2))


# ---- all, and MapTests ----------------------------------------------------------------------------------------------
@final_map
class Faulty(LinearMap):
    """2x, with one thing wrong."""

    fault: str = static(default="")
    space: Space | None = static(default=None)

    def _bind(self, space):
        return dataclasses.replace(self, space=space)

    def _codomain(self):
        extra = 1 if self.fault == "shape" else 0
        return Space.array((self.space.shape[0] + extra,), self.space.dtype)

    def _apply(self, x):
        x = jnp.asarray(x)
        if self.fault == "batch" and x.ndim > 1:
            return x * jnp.arange(x.shape[0])[:, None]
        return {"affine": 2 * x + 1, "abs": 2 * jnp.abs(x), "float64": 2 * x.astype(float)}.get(self.fault, 2 * x)

    def _transpose(self):
        if self.fault == "no transpose":
            raise NotImplementedError("not written yet")
        if self.fault == "transpose":
            return 3 * dj.identity.on(self.space.tree)
        if self.fault == "unequal transpose":
            return dataclasses.replace(self, fault="transpose")
        return self

    def _label(self):
        return f"faulty({self.fault})"


@pytest.mark.parametrize(
    ("fault", "laws"),
    [
        ("", set()),
        ("shape", {"shape and dtype"}),
        ("float64", {"shape and dtype"}),
        ("affine", {"linearity"}),
        ("abs", {"linearity", "adjoint"}),
        ("transpose", {"adjoint", "vjp = transpose"}),
        ("unequal transpose", {"adjoint of adjoint"}),
        ("no transpose", {"adjoint", "adjoint of adjoint", "shape and dtype"}),
        ("batch", {"vmap"}),
    ],
)
def test_all_finds_each_fault(fault, laws):
    report = check.all(Faulty(fault), domain=(7,))
    failed = {name for name, part in report.parts if not part.ok}
    assert laws <= failed and bool(failed) == bool(laws), str(report)
    assert report.ok == (not laws) and bool(report) == report.ok
    assert "FAILED" in str(report) or report.ok
    if fault == "no transpose":
        assert "NotImplementedError: not written yet" in str(report)
    assert report["jit"].ok


def test_all_passes_on_maps_of_every_kind():
    maps = [
        (dj.downsample(4) @ dj.convolve(np.ones(5) / 5), (20,)),
        (dj.conv(jnp.asarray(RNG.normal(size=(3, 3, 2, 4))), strides=2, groups=1), (5, 4, 2)),
        (dj.convolve([1 + 2j, 3, 1j]) @ dj.upsample(2), jax.ShapeDtypeStruct((5,), np.complex64)),
        (dj.convolve([1, 2, 3], "wrap"), jax.ShapeDtypeStruct((8,), np.int32)),
        (dj.stack([dj.downsample(2), 2 * dj.convolve([1.0, 2.0])]), jax.ShapeDtypeStruct((6,), jnp.bfloat16)),
    ]
    for a, domain in maps:
        report = check.all(a, domain=domain)
        assert report.ok, str(report)
        assert len(report.parts) == 9 and str(report).count("ok: worst") == 10
    with pytest.raises(UnboundError, match=r"A\.on\(shape\)"):
        check.all(dj.downsample(2))
    with pytest.raises(TypeError, match=r"check\.all: cannot check this; got function.*check\.linear"):
        check.all(lambda x: x)
    with pytest.raises(TypeError, match=r"check\.all: key chooses the probes; got 'a'"):
        check.all(dj.downsample(2), "a", domain=(4,))


def test_checkerboard_says_how_far_it_looks():
    with pytest.raises(TypeError, match="checkerboard: it reads a map; got NoneType"):
        check.checkerboard(None)
    with pytest.raises(ShapeError, match=r"shifted by 1 to 12 samples.*and 12 samples.*Fix: name the space axes"):
        check.checkerboard(dj.downsample(13).on((200,)))
    with pytest.raises(ShapeError, match=r"shifted by 1 to 3 samples.*Fix: bind it to 48 samples or more"):
        check.checkerboard(dj.downsample(5).on((12,)))


class TestDecimation(check.MapTests):
    def make(self):
        return dj.downsample(3, phase=1) @ dj.convolve([1.0, 2.0, 4.0], "reflect"), (11,)

    def reference(self):
        return lambda x: oracle.downsample(oracle.convolve(x, [1, 2, 4], "reflect"), 3, phase=1)


class TestTracedFunction(check.MapTests):
    def make(self):
        domain = jax.ShapeDtypeStruct((6,), np.complex64)
        return linear_map(lambda z: jnp.cumsum(z) * (1 + 2j), domain), domain

    def reference(self):
        return np.tril(np.ones((6, 6))) * (1 + 2j)


def test_map_tests_fail_on_a_faulty_map():
    class Broken(check.MapTests):
        def make(self):
            return Faulty("transpose"), (5,)

        def reference(self):
            return 3 * np.eye(5)

    broken = Broken()
    broken.test_linear()
    broken.test_pytree()
    for test in (broken.test_adjoint, broken.test_vjp, broken.test_reference):
        with pytest.raises(AssertionError, match="FAILED"):
            test()
    with pytest.raises(NotImplementedError, match=r"MapTests: write make\(self\)"):
        check.MapTests().test_linear()


def test_importing_the_checks_does_not_import_pytest():
    import subprocess
    import sys

    code = "import sys, deconvjax.check; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_x64_off(x32):
    a = dj.downsample(2) @ dj.convolve(np.array([0.1, 0.2, 0.3]))
    report = check.all(a, domain=(21,))
    assert report.ok and report.dtype == "float32", str(report)
    assert check.compare(a, lambda x: np.convolve(x, [0.1, 0.2, 0.3], "same")[::2], domain=(21,))
    assert not check.adjoint((np.flip, np.copy), domain=(21,)) and not check.linear(lambda x: x + 1, (21,))
