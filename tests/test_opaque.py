"""Functions as maps: linear ones are taken, with their arrays as leaves; all others are refused by name."""

from __future__ import annotations

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax import check
from deconvjax.errors import NotLinearError, ShapeError
from deconvjax.leaves.opaque import jacobian, linear_map

W = jnp.asarray(np.arange(9.0).reshape(3, 3) - 4, jnp.float32)
B = np.array([1.0, 2.0, 3.0], np.float32)


@jax.custom_jvp
def soft(x):
    return jnp.log1p(jnp.exp(x))


soft.defjvp(lambda primals, tangents: (soft(*primals), tangents[0] * jax.nn.sigmoid(primals[0])))

LINEAR = {
    "matrix": lambda x: W @ x,
    "jitted closure": jax.jit(lambda x: W @ x),
    "zeros": lambda x: jnp.zeros(3, x.dtype),
    "zero pad": lambda x: jnp.pad(x, 1),
    "reflect pad": lambda x: jnp.pad(x, 2, mode="reflect"),
    "set to zero": lambda x: x.at[::2].set(0),
    "added into zeros": lambda x: jnp.zeros(5, x.dtype).at[jnp.array([1, 2, 3])].add(x),
    "taken": lambda x: x[np.array([2, 0])],
    "masked": lambda x: jnp.where(B > 1, x, 0),
    "divided": lambda x: x / B,
    "convolution": lambda x: jnp.convolve(x, B),
    "resize": lambda x: jax.image.resize(x, (6,), "linear"),
    "cumsum": jnp.cumsum,
    "scan": lambda x: jax.lax.scan(lambda c, t: (c + t * W[0, 1], c), jnp.float32(0), x)[1],
    "loop": lambda x: jax.lax.fori_loop(0, 3, lambda i, c: c * 2.0, x),
    "cond on a constant": lambda x: jax.lax.cond(W[0, 0] > 0, lambda x: x, lambda x: -x, x),
    "checkpoint": jax.checkpoint(lambda x: W @ x),
    "solve": lambda x: jnp.linalg.solve(W + 9 * jnp.eye(3, dtype=W.dtype), x),
    "one added and taken away": lambda x: x + 1 - 1,
    "a zero that must be computed": lambda x: x + (W - W)[0],
    "tree": lambda x: {"d": jnp.diff(x), "s": (x[0], 2 * x)},
    "our own map": lambda x: (dj.downsample(2) @ dj.convolve(B))(x),
}
AFFINE = {
    "x + 1": (lambda x: x + 1, r"affine, not linear; got f\(0\) = \[1\. 1\. 1\.\], by the primitive `add`"),
    "Wx + b": (lambda x: W @ x + B, r"affine, not linear; got f\(0\) = \[1\. 2\. 3\.\], by the primitive `add`"),
    "ones": (lambda x: jnp.ones(3), r"the function is constant, it does not read x; got f\(0\) = \[1\. 1\. 1\.\]"),
    "pad": (lambda x: jnp.pad(x, 1, constant_values=3), r"affine.*f\(0\) = \[3\. 0\. 0\. 0\. 3\.\].*`pad`"),
    "set": (lambda x: x.at[::2].set(9), r"affine.*f\(0\) = \[9\. 0\. 9\.\], by the primitive `scatter`"),
    "part": (lambda x: (x, jnp.ones(2)), r"constant.*f\(0\) = \[0\. 0\. 0\. 1\. 1\.\]"),
    "scan": (lambda x: jax.lax.scan(lambda c, t: (c + t, c + 1), 0.0, x)[1], r"affine.*by the primitive `add`"),
    "NaN": (lambda x: x + np.float32(np.nan), r"f\(0\) = \[nan nan nan\]"),
}
NONLINEAR = {
    "relu": (jax.nn.relu, "`max`"),
    "abs": (jnp.abs, "`abs`"),
    "max": (jnp.max, "`reduce_max`"),
    "sort": (jnp.sort, "`sort`"),
    "x * x": (lambda x: x * x, "`mul`"),
    "x @ x": (lambda x: x @ x, "`dot_general`"),
    "square": (jnp.square, "`square`"),
    "reciprocal": (lambda x: 1 / x, "`div`"),
    "clip": (lambda x: jnp.clip(x, -1e30, 1e30), "`(min|clamp|max)`"),
    "round": (jnp.round, "`round`"),
    "to int": (lambda x: x.astype(int), "`convert_element_type`"),
    "index by argmax": (lambda x: x[jnp.argmax(x)], "`.*`"),
    "select by sign": (lambda x: jnp.where(x > 0, x, 2 * x), "`select_n`"),
    "cond on x": (lambda x: jax.lax.cond(x[0] > 0, lambda x: x, lambda x: -x, x), "`cond`"),
    "while on x": (lambda x: jax.lax.while_loop(lambda c: c[0] < 3, lambda c: c * 2, x), "`while`"),
    "custom rule": (soft, "`(exp|log1p)`"),
    "power": (lambda x: x**1.5, "`pow`"),
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_functions_are_taken(name):
    fn = LINEAR[name]
    a = linear_map(fn, (3,))
    basis = np.eye(3, dtype=np.float32)
    ours, transposed, want = jax.jit(lambda a, e: (a.matrix(), a.T.matrix(), jax.vmap(fn)(e)))(a, basis)
    want = np.concatenate([np.asarray(leaf).reshape(3, -1) for leaf in jax.tree_util.tree_leaves(want)], axis=1).T
    assert check.close(ours, want)
    assert check.close(transposed, want.T, units=32)
    assert a.is_complex_linear and a.T.T == a


@pytest.mark.parametrize("name", AFFINE)
def test_affine_functions_are_refused(name):
    fn, pattern = AFFINE[name]
    with pytest.raises(NotLinearError, match=pattern) as caught:
        linear_map(fn, (3,))
    assert str(caught.value).startswith("linear_map: ") and "jacobian(fn, x)" in str(caught.value)


@pytest.mark.parametrize("name", NONLINEAR)
def test_non_linear_functions_are_refused(name):
    fn, primitive = NONLINEAR[name]
    with pytest.raises(NotLinearError, match=f"linear_map: the function is not linear; got .*{primitive}"):
        linear_map(fn, (3,))


def test_with_traced_arrays_structure_decides():
    def inside(w, b):
        a = linear_map(lambda x: w @ x, (3,))
        with pytest.raises(NotLinearError, match="may be affine; got `add` with a constant that is being traced"):
            linear_map(lambda x: w @ x + b, (3,))
        with pytest.raises(NotLinearError, match="`mul`"):
            linear_map(lambda x: (w @ x) * x, (3,))
        return a.T(jnp.ones(3, jnp.float32))

    assert check.close(jax.jit(inside)(W, B), np.asarray(W).T @ np.ones(3, np.float32))


def test_closed_over_arrays_are_leaves():
    traces = []

    @jax.jit
    def run(a, x):
        traces.append(1)
        return a(x)

    x = jnp.arange(3, dtype=jnp.float32)
    a = linear_map(jax.jit(lambda x: W @ x), (3,))
    assert [leaf.shape for leaf in jax.tree_util.tree_leaves(a)] == [(3, 3)]
    b = jax.tree_util.tree_map(lambda w: 2 * w, a)
    assert check.close(run(b, x), 2 * run(a, x)) and len(traces) == 1
    gradient = jax.grad(lambda a: a.T(x).sum())(a)
    assert check.close(jax.tree_util.tree_leaves(gradient)[0], np.asarray(x)[:, None] * np.ones(3, np.float32))
    stacked = jax.tree_util.tree_map(lambda *w: jnp.stack(w), a, b)
    assert check.close(jax.vmap(lambda a: a(x))(stacked), np.stack([W @ x, 2 * W @ x]))


def test_complex_functions():
    domain = jax.ShapeDtypeStruct((3,), np.complex64)
    q = jnp.asarray([1 + 2j, 3, -1j], jnp.complex64)
    maps = {"scaled": (lambda z: z * q, True), "conj": (jnp.conj, False), "real": (jnp.real, False),
            "imag": (jnp.imag, False), "irfft": (jnp.fft.irfft, False), "fft": (jnp.fft.fft, True),
            "conjugated constant": (lambda z: z * jnp.conj(q), True)}  # fmt: skip
    for name, (fn, whole) in maps.items():
        a = linear_map(fn, domain)
        assert a.is_complex_linear is whole, name
        assert check.adjoint(a) and check.adjoint(a.H), name
        z = q + 1
        assert check.close(a.conj()(z), jnp.conj(fn(jnp.conj(z)))) and check.close(a.H.H(z), a(z))
        assert check.close(a.T.H(z), a.conj()(z))
    rfft = linear_map(jnp.fft.rfft, (4,))
    assert rfft.is_complex_linear and not rfft.T.is_complex_linear and check.adjoint(rfft.H)


def test_batches_algebra_and_labels():
    a = linear_map(lambda x: W @ x, (3,))
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 3)), jnp.float32)
    assert check.close(a(xs), jnp.einsum("ij,abj->abi", W, xs)) and check.close(a.T(xs), xs @ W)
    chain = (dj.downsample(2) @ a + dj.downsample(2).on((3,))) @ dj.convolve([1.0, 2.0], "full")
    assert chain.on((2,)).domain.shape == (2,) and check.adjoint(chain, domain=(2,))
    assert repr(a) == "<linear_map : float32[3] -> float32[3]>"
    assert repr(linear_map(jnp.cumsum, (3,)).H) == "<cumsum.H : float32[3] -> float32[3]>"
    assert linear_map(jnp.cumsum, (3,)).T._repr_latex_() == r"$\mathrm{cumsum}^{\mathsf{T}}$"
    assert check.all(a)


def test_integers_work_forwards():
    a = linear_map(lambda x: jnp.cumsum(3 * x), jax.ShapeDtypeStruct((4,), np.int32))
    assert a.matrix().tolist() == (3 * np.tril(np.ones((4, 4), int))).tolist()
    with pytest.raises(TypeError, match=r"cumsum\.T|linear_map\.T: JAX transposes functions of real or complex"):
        _ = a.T


def test_quotients_of_integers_and_truth_are_not_linear():
    domain = jax.ShapeDtypeStruct((3,), np.int32)
    for fn, primitive in [(lambda x: x.astype(bool).astype(jnp.int32), "convert_element_type"),
                          (lambda x: jax.lax.div(x, np.int32(2)), "div")]:  # fmt: skip
        with pytest.raises(NotLinearError, match=f"the function is not linear; got the primitive `{primitive}`"):
            linear_map(fn, domain)
    assert linear_map(lambda x: x.astype(np.int8) + 0, domain).codomain.dtype == np.int8  # wraps, as sums do


def test_nothing_is_empty():
    for fn, domain, what in [(lambda x: x[:0], (3,), "what fn gives"), (lambda x: (), (3,), "what fn gives"),
                             (lambda x: x, (0,), "the domain"), (lambda x: x, {"a": (2, 0), "b": (3,)}, "the domain")]:
        with pytest.raises(ShapeError, match=f"linear_map: {what} is empty; got .*every axis at least 1 long"):
            linear_map(fn, domain)
    with pytest.raises(ShapeError, match="jacobian: x is empty"):
        jacobian(jnp.square, jnp.zeros(0))
    with pytest.raises(ShapeError, match="jacobian: what fn gives is empty"):
        jacobian(lambda x: x[:0], B)
    with pytest.raises(TypeError, match="linear_map: there is no array to act on; got None"):
        linear_map(jnp.square, None)
    with pytest.raises(TypeError, match="jacobian: there is no array to act on; got None"):
        jacobian(jnp.square, None)
    with pytest.raises(TypeError, match="jacobian: a map acts on numbers; got dtype <U1"):
        jacobian(jnp.square, "a")
    assert jacobian(jnp.square, 3.0).matrix() == 6


def test_a_batch_is_refused_with_the_chain():
    a = linear_map(lambda x: W @ x, (3,)) @ dj.downsample(2)
    with pytest.raises(ShapeError, match=r"(?s)got float32\[4,3\], expected float32\[3\].*\^ was given float32\[4,3\]"):
        a.on((4, 6))


def test_jacobian():
    x = jnp.asarray([1.0, 2.0, 3.0], jnp.float32)

    def fn(x):
        return {"product": x[:2] * x[1:], "norm": jnp.sqrt(x @ x)}

    a = jacobian(fn, x)
    want = np.array([[2, 1, 0], [0, 3, 2], *(np.asarray(x)[None] / np.sqrt(14))])
    order = [2, 0, 1]  # dictionaries are ordered by key: norm, product
    assert check.close(a.matrix(), want[order].astype(np.float32)) and check.all(a)
    y = {"product": jnp.ones(2, jnp.float32), "norm": jnp.float32(2)}
    assert check.close(a.T(y), jax.vjp(fn, x)[1](y)[0])
    assert check.compare(jacobian(jax.nn.relu, x - 2), np.diag([0.0, 0.0, 1.0]))
    assert check.compare(jacobian(soft, x), np.diag(1 / (1 + np.exp(-np.asarray(x)))).astype(np.float32))
    inside = jax.jit(lambda x: jacobian(jnp.square, x).T(jnp.ones(3, jnp.float32)))
    assert check.close(inside(x), 2 * x)
    z = jnp.asarray([1 + 1j, 2.0], jnp.complex64)
    power = jacobian(lambda z: jnp.real(z * jnp.conj(z)), z)
    assert not power.is_complex_linear and check.adjoint(power)


def test_bad_input():
    with pytest.raises(TypeError, match="linear_map: fn must be a function; got Stage"):
        linear_map(dj.downsample(2), (3,))
    with pytest.raises(TypeError, match="linear_map: fn must be a function; got int"):
        linear_map(3, (3,))
    with pytest.raises(TypeError, match="jacobian: fn must be a function; got ndarray"):
        jacobian(B, B)
    with pytest.raises(TypeError, match=r"jacobian: only functions of real or complex numbers.*got int"):
        jacobian(jnp.square, np.arange(3))
    a = linear_map(lambda x: 2 * x, (3,))
    with pytest.raises(TypeError, match=r"another dtype than the function was traced with.*x\.astype\('float32'\)"):
        a(np.arange(3))
    with pytest.raises(ValueError, match="the input does not lie in the domain"):
        a(jnp.ones(4))
    with pytest.raises(TypeError, match=r"acts on the shape and dtype it was traced with; got float64\[3\]"):
        a.on(jax.ShapeDtypeStruct((3,), np.float64))

    @jax.custom_vjp
    def own(x):
        return 2 * x

    own.defvjp(lambda x: (2 * x, None), lambda _, y: (2 * y,))
    with pytest.raises(NotLinearError, match="JAX has no transpose for this function"):
        linear_map(own, (3,))
    with pytest.raises(NotLinearError, match="JAX has no transpose for this function; got .*integer_pow"):
        linear_map(lambda x: x**1, (3,))
    a = jacobian(own, B)  # a custom_vjp has no forward rule; the derivative is the transpose of its backward rule
    assert check.compare(a, 2 * np.eye(3)) and check.adjoint(a) and "vjp(own)" in repr(a)
    own.defvjp(lambda x: (2 * x, None), lambda _, y: (jnp.sort(y),))
    with pytest.raises(NotLinearError, match="jacobian: fn has a custom_vjp whose backward rule JAX cannot transpose"):
        jacobian(own, B)


def test_a_traced_function_is_copied_but_not_pickled():
    a = linear_map(lambda x: W @ x, (3,))
    assert copy.copy(a) is a and copy.deepcopy([a])[0] is a
    chain = copy.deepcopy((dj.downsample(2) @ a).on((3,)))
    np.testing.assert_array_equal(chain(B), (W @ B)[::2])
    for given in (a, a.T, dj.downsample(2) @ a):
        with pytest.raises(TypeError, match=r"linear_map.*a traced function cannot be pickled.*jax\.export"):
            pickle.dumps(given)
