"""The tolerance helper accepts rounding and refuses everything larger."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.tolerance import assert_close, eps_of

FLOATS = [jnp.bfloat16, np.float16, np.float32, np.float64, np.complex64, np.complex128]


@pytest.mark.parametrize("dtype", FLOATS)
def test_rounding_passes_and_a_perturbed_array_fails(dtype):
    want = np.arange(1, 13).reshape(3, 4).astype(dtype)
    assert_close(want, want)
    eps = eps_of(dtype)
    for error, accepted in [(4, True), (16, False), (1 / eps, False)]:
        got = np.asarray(want, np.complex128 if np.iscomplexobj(want) else np.float64).copy()
        got[1, 2] += error * eps * 12
        if accepted:
            assert_close(got, want, dtype=dtype)
        else:
            with pytest.raises(AssertionError, match=r"1 of 12 values differ; worst at \(1, 2\)"):
                assert_close(got, want, dtype=dtype)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint8, np.int64, bool])
def test_integers_must_be_equal(dtype):
    want = np.array([0, 1, 1, 0]).astype(dtype)
    assert_close(want, want)
    with pytest.raises(AssertionError, match="1 of 4"):
        assert_close(np.array([0, 1, 0, 0]).astype(dtype), want)


def test_large_integers_are_not_compared_through_floats():
    with pytest.raises(AssertionError, match="1 of 1"):
        assert_close(np.array([2**60 + 1]), np.array([2**60]))


def test_shapes_must_be_equal_even_where_they_broadcast():
    with pytest.raises(AssertionError, match=r"shape: got \(1, 3\), want \(3,\)"):
        assert_close(np.zeros((1, 3)), np.zeros(3))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_a_special_value_on_one_side_fails(special):
    special = np.array([1.0, special])
    assert_close(special, special)
    for got, want in [(special, np.ones(2)), (np.ones(2), special), (special, -special[::-1])]:
        with pytest.raises(AssertionError, match="of 2 values differ"):
            assert_close(got, want, scale=1e9)


def test_zero_wanted_means_zero_got_unless_a_scale_is_given():
    with pytest.raises(AssertionError):
        assert_close(np.array([1e-17]), np.array([0.0]))
    assert_close(np.array([1e-17]), np.array([0.0]), scale=1.0)


def test_the_less_precise_dtype_decides():
    assert_close(np.float32([1 / 3]), np.float64([1 / 3]))
    with pytest.raises(AssertionError):
        assert_close(np.float64([np.float32(1 / 3)]), np.float64([1 / 3]))
