"""The algebra of maps against the algebra of their matrices, its structure, and maps between tuples of arrays."""

from decimal import Decimal
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax.algebra import Chain, Sum
from deconvjax.errors import ShapeError
from tests.catalogue import taps
from tests.folded import dense, evaluate, matrices, units
from tests.tolerance import assert_close

N = jax.ShapeDtypeStruct((6,), np.float64)
A, B = dj.convolve(taps(3)), dj.shift(2, axes=-1) - 3 * dj.identity
DOWN, UP = dj.downsample(2), dj.upsample(2)
DIAGONAL = dj.diagonal([1, 2, 3, 4, 5, 6])


def test_operators_on_maps_are_operators_on_matrices():
    bound = {name: a.on(N) for name, a in {"A": A, "B": B, "D": DIAGONAL}.items()}
    a, b, d = matrices(list(bound.values()))
    eye = np.eye(6)
    words = {
        "A @ B": (A @ B, a @ b), "A + B": (A + B, a + b), "A - B": (A - B, a - b), "-A": (-A, -a),
        "2 * A": (2 * A, 2 * a), "A * 2": (A * 2, 2 * a), "A / 4": (A / 4, a / 4), "1j * A": (1j * A, 1j * a),
        "NumPy scalar": (np.float32(2) * A, 2 * a),
        "0-d array": (jnp.float64(2) * A, 2 * a), "0-d NumPy array": (np.array(2.0) * A, 2 * a),
        "distributed": ((A + B) @ (A - B), (a + b) @ (a - b)), "chained": (A @ B @ DIAGONAL, a @ b @ d),
        "scaled chain": (3 * (A @ B), 3 * a @ b), "identity": (A + dj.identity, a + eye), "zero": (A + dj.zero, a),
        "atomic": (dj.atomic(A + B), a + b), "rates": (UP @ DOWN @ A, np.diag([1, 0] * 3) @ a),
    }
    for (_, want), got in zip(words.values(), matrices([w.on(N) for w, _ in words.values()]), strict=True):
        assert_close(got, want.astype(got.dtype), units=32)


def test_maps_apply_by_call_and_by_matmul():
    x = jnp.arange(6.0)
    assert np.array_equal(A @ x, A(x)) and np.array_equal((DOWN @ A) @ x, DOWN(A(x)))


def test_composition_is_flat_and_nothing_is_reduced():
    chain = (UP @ DOWN) @ (DOWN.on((8,)) @ UP.on((4,)))
    assert isinstance(chain, Chain) and len(chain.maps) == 4
    total = (A + B) + (A + A)
    assert isinstance(total, Sum) and len(total.maps) == 5  # B is a sum of two
    assert len((dj.identity @ dj.identity @ A).maps) == 3
    assert DOWN @ UP != dj.identity


def test_bound_and_unbound_maps_meet():
    assert (DOWN @ A.on((6,))).domain.shape == (6,)
    assert (A + A.on((6,))).is_bound and not (A + A).is_bound
    assert (2 * A.on((6,))).is_bound
    assert (DOWN @ A).on((6,)) == DOWN.on((6,)) @ A.on((6,))


def test_equality_is_of_structure_and_values():
    assert dj.convolve([1, 2]) == dj.convolve([1, 2]) and hash(dj.convolve([1, 2])) == hash(dj.convolve([1, 2]))
    assert dj.convolve([1, 2]) != dj.convolve([2, 1]) and dj.convolve([1, 2]) != dj.convolve([1, 2], "full")
    assert dj.convolve([1, 2]) != dj.convolve(jnp.array([1, 2])), "one takes the dtype of x, the other promotes"
    assert A.on((6,)) != A and A.on((6,)) != A.on((7,)) and DOWN != "downsample(2)"
    one = jax.jit(lambda a: a)(A)
    assert one == A, "a round trip through jit keeps it"


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_double_transposes_and_conjugates(dtype):
    q = taps(4, dtype=np.complex64) if np.issubdtype(dtype, np.complexfloating) else taps(4)
    blur = dj.convolve(q)
    for a in (blur, dj.correlate(q, "wrap"), dj.downsample(2) @ blur, 2 * blur + dj.identity):
        a = a.on(jax.ShapeDtypeStruct((7,), dtype))
        assert a.T.T == a and a.H.H == a and a.T.H == a.conj() and a.H.T == a.conj() and a.conj().conj() == a


# ---- real-linear maps -----------------------------------------------------------------------------------------------
def test_complex_taps_on_a_real_signal_are_real_linear():
    """The transpose lands in the reals, where <A x, y> = <x, A.H y> holds in its real part."""
    a = dj.convolve([1 + 2j, 3 - 1j, 0.5j]).on(jax.ShapeDtypeStruct((5,), np.float64))
    assert a.codomain.dtype == np.complex128 and a.H.codomain.dtype == np.float64
    assert a.is_complex_linear and not a.H.is_complex_linear
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=5), rng.normal(size=5) + 1j * rng.normal(size=5)
    left, right = np.vdot(y, a(x)), np.vdot(np.asarray(a.H(y)), x)
    assert abs(left.imag) > 0.1 and abs(left.real - right) < 1e-13
    assert_close(np.asarray(a.H(y)), (np.asarray(a.matrix()).conj().T @ y).real, units=32)
    assert_close(np.asarray(a.T(y)), (np.asarray(a.matrix()).T @ y).real, units=32)


def test_a_sum_of_real_and_complex_terms_on_a_real_signal():
    a = (dj.convolve([1.0, 2.0]) + 1j * dj.shift(1, axes=-1)).on(jax.ShapeDtypeStruct((4,), np.float64))
    y = np.random.default_rng(1).normal(size=4) + 1j * np.random.default_rng(2).normal(size=4)
    assert_close(np.asarray(a.T(y)), (np.asarray(a.matrix()).T @ y).real, units=32)


# ---- tuples and other pytrees ---------------------------------------------------------------------------------------
def test_stack_row_and_block_diagonal_are_block_matrices():
    bank = dj.stack([DOWN, DOWN @ dj.convolve(taps(3))]).on(N)
    merge = dj.row([UP, dj.convolve(taps(3)) @ UP]).on((jax.ShapeDtypeStruct((3,), np.float64),) * 2)
    apart = dj.block_diagonal([UP, DOWN]).on((N, N))
    top, bottom, up, blurred, down = matrices([
        DOWN.on(N), (DOWN @ dj.convolve(taps(3))).on(N), UP.on(merge.domain[0]),
        (dj.convolve(taps(3)) @ UP).on(merge.domain[0]), DOWN.on(N)])
    got = matrices([bank, merge, apart, bank.T, merge.T, apart.T, merge @ bank])
    wide = matrices([UP.on(N)])[0]
    want = [np.vstack([top, bottom]), np.hstack([up, blurred]),
            np.block([[wide, np.zeros((12, 6))], [np.zeros((3, 6)), down]])]
    for mine, theirs in zip(got, [*want, *(w.T for w in want), want[1] @ want[0]], strict=True):
        assert_close(mine, theirs, units=16)
    assert bank.T == dj.row([a.T for a in bank.maps]) and apart.T == dj.block_diagonal([a.T for a in apart.maps])


def test_dtypes_of_a_tuple_are_kept_leaf_by_leaf():
    domain = (jax.ShapeDtypeStruct((3,), np.float32), jax.ShapeDtypeStruct((4,), np.complex64))
    a = dj.block_diagonal([UP, dj.downsample(2)]).on(domain)
    assert [leaf.dtype for leaf in a.codomain] == [np.float32, np.complex64]
    assert a.T.codomain == a.domain


def test_identity_zero_and_multiples_take_any_pytree():
    domain = {"a": (2,), "b": [(3,), jax.ShapeDtypeStruct((1, 2), np.complex64)]}
    a = (2 * dj.identity + dj.zero).on(domain)
    assert a.domain["b"][1].dtype == np.complex64
    images = evaluate(lambda: a(units(a.domain)))
    assert np.array_equal(dense(images), 2 * np.eye(7))
    assert a.T == a


# ---- along ----------------------------------------------------------------------------------------------------------
def test_along_lays_an_image_operator_over_other_axes():
    blur = dj.downsample((2, 1)) @ dj.convolve(taps(3, 2), "symmetric") + dj.downsample((2, 1))
    image = np.random.default_rng(3).normal(size=(2, 5, 4, 3))
    got, want = evaluate(lambda: (blur.along((-3, -2))(image), jnp.moveaxis(blur(jnp.moveaxis(image, -1, 0)), 0, -1)))
    assert_close(got, want, units=32)
    swapped, straight = evaluate(
        lambda: (blur.along((-1, -2))(image), jnp.swapaxes(blur(jnp.swapaxes(image, -1, -2)), -1, -2)))
    assert_close(swapped, straight, units=32)


def test_along_moves_a_diagonal():
    weights = np.arange(1.0, 7).reshape(2, 3)
    x = np.ones((3, 4, 2))
    got = evaluate(lambda: dj.diagonal(weights).along((-1, -3))(x))
    assert np.array_equal(got, np.broadcast_to(weights.T[:, None, :], (3, 4, 2)))


def test_scalars_are_what_an_array_can_hold():
    """Fractions are floats, NumPy integers name axes; what JAX has no dtype for, and zero to divide by, is refused."""
    a = UP.on((4,))
    assert np.array_equal((Fraction(1, 2) * a)(jnp.ones(4)), (0.5 * a)(jnp.ones(4)))
    assert UP.along(np.int64(-2)) == UP.along(-2)
    for wrong in (Decimal("0.5"), np.longdouble(2), "2", None, jnp.ones(3)):
        with pytest.raises(TypeError, match=r"upsample\(2\) \* ....*expected a scalar"):
            _ = a * wrong
    with pytest.raises(ZeroDivisionError, match=r"upsample\(2\) / ....*Fix"):
        _ = a / 0
    for wrong in (None, "a", (-1, -1), 0):
        with pytest.raises(ShapeError, match=r"upsample\(2\).*axes count from the end"):
            UP.along(wrong)
    for empty in (None, {}, ()):
        with pytest.raises(TypeError, match="no array to act on"):
            dj.identity(empty)


def test_scalars_that_promote_otherwise_are_not_equal():
    weak, strong = (c * dj.identity.on(jax.ShapeDtypeStruct((4,), jnp.float32)) for c in (2.0, jnp.float64(2.0)))
    assert weak != strong and weak.codomain.dtype != strong.codomain.dtype


def test_a_bound_zero_keeps_batch_axes():
    a, b = dj.zero.on((3,)), dj.identity.on((2, 3))
    assert (a @ b)(jnp.ones((2, 3))).shape == (b + a)(jnp.ones((2, 3))).shape == (2, 3)
    assert a.on((5, 3)).T.codomain.shape == (5, 3)


def test_a_map_that_takes_real_parts_keeps_to_its_real_domain():
    """The imaginary part would be dropped; maps that are linear over the complex numbers take any x."""
    z = jnp.array([1 + 1j, 2j, 3, 4 - 1j], jnp.complex64)
    c = dj.convolve([1j, 2]).on((4,))
    with pytest.raises(TypeError, match=r"real @ .*takes real parts and was bound to real.*complex64\[4\].*Fix"):
        (c.T @ c)(z)
    assert_close(c(z), np.convolve(np.asarray(z), [1j, 2])[:4])


def test_sums_have_no_transpose_in_booleans():
    with pytest.raises(TypeError, match="would have to give booleans"):
        _ = A.on(jax.ShapeDtypeStruct((4,), jnp.bool_)).T
    assert UP.on(jax.ShapeDtypeStruct((4,), jnp.bool_)).T.codomain.dtype == jnp.bool_
