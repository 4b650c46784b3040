"""The plan behind A(x): when it is made, what it keeps, what it may look at, how it is switched off."""

import sys
import time

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import deconvjax as dj
from deconvjax.algebra import Atomic, Chain
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite import fired_laws, plan, work
from deconvjax.rewrite import plan as plan_of
from tests.numpy_eval import matrix
from tests.tolerance import assert_close

RNG = np.random.default_rng(11)


def kernels(*shape):
    return jnp.asarray(RNG.normal(size=shape))


def ten():
    c = lambda n: dj.convolve(RNG.normal(size=n))  # noqa: E731
    return (c(3) @ dj.downsample(2) @ c(5) @ dj.upsample(2) @ c(3) @ c(3) @ dj.downsample(3) @ c(5) @ dj.upsample(3)
            @ c(7)).on((1024,))  # fmt: skip


def ten_on_images():
    c = lambda n: dj.convolve(RNG.normal(size=(n, n)))  # noqa: E731
    down, up = (lambda k, op=op: op((k, k)) for op in (dj.downsample, dj.upsample))
    return (c(3) @ down(2) @ c(5) @ up(2) @ c(3) @ c(3) @ down(3) @ c(5) @ up(3) @ c(7)).on((96, 96))


def ten_circular():
    c = lambda n: dj.convolve(RNG.normal(size=(n, n)), "wrap")  # noqa: E731
    return (c(3) @ dj.downsample((2, 2)) @ c(5) @ dj.upsample((2, 2)) @ c(3) @ c(5)).on((96, 96))


def calls(act):
    """Python functions entered: what planning costs on any machine; 10,000 take about 4 ms on a calm core."""
    entered = 0

    def count(frame, event, arg):
        nonlocal entered
        entered += event == "call"

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return entered


@pytest.mark.parametrize(("make", "most"), [(ten, 7000), (ten_on_images, 9000), (ten_circular, 14500)])
def test_a_chain_of_ten_is_planned_with_few_calls_and_only_once(make, most):
    a = make()
    plan(a)  # rules of dtype promotion are imported on first use
    assert len(a.maps) == 10
    fresh = calls(lambda: plan(make())) - calls(make)  # new constants, so a new plan
    start = time.perf_counter()
    plan(make())
    milliseconds = 1e3 * (time.perf_counter() - start)
    print(f"a chain of ten is planned with {fresh} calls, written and planned in {milliseconds:.1f} ms")
    assert fresh < most
    assert calls(lambda: plan(a)) < most / 20


def test_a_plan_is_made_once_for_a_structure_and_runs_on_any_taps():
    def layer(k, q):
        return (dj.average_pool(2, 2, "VALID") @ dj.conv(k, padding="VALID") @ dj.diagonal(q)).on((10, 10, 4))

    first, second = (layer(kernels(3, 3, 4, 8), kernels(4)) for _ in range(2))
    assert jax.tree_util.tree_structure(plan(first)) == jax.tree_util.tree_structure(plan(second))
    assert [f.law.name for f in fired_laws(first)] == [f.law.name for f in fired_laws(second)]
    assert fired_laws(first) is fired_laws(second), "one recipe"
    for a in (first, second):
        assert_close(matrix(plan(a)), matrix(a), units=64)


def test_merged_taps_stay_traced_and_have_the_right_gradient():
    x, k = kernels(18, 18, 4), kernels(3, 3, 4, 8)
    a = lambda k: (dj.average_pool(2, 2, "VALID") @ dj.conv(k, padding="VALID")).on(x)  # noqa: E731
    assert any(f.law.name == "filters merge" for f in fired_laws(a(k)))
    planned = jax.grad(lambda k: jnp.sum(a(k)(x) ** 2))(k)
    written = jax.grad(lambda k: jnp.sum(a(k).plan("off")(x) ** 2))(k)
    assert_close(planned, written, units=256)
    jitted = jax.jit(lambda a, x: a(x))
    assert_close(jitted(a(k), x), a(k).plan("off")(x), units=64)
    before = jitted._cache_size()
    jitted(a(k + 1), x)
    assert jitted._cache_size() == before == 1, "new taps of the same shape compile nothing"
    batch = jax.vmap(lambda k: a(k)(x))(jnp.stack([k, 2 * k]))
    assert_close(batch[1], 2 * batch[0], units=64)


def test_values_are_looked_at_only_where_they_are_constants():
    taps = np.outer([1.0, 2, 1], [1, 3, 1])
    assert any(f.law.name == "separable taps" for f in fired_laws(dj.convolve(taps).on((32, 32))))
    assert not fired_laws(dj.convolve(jnp.asarray(taps)).on((32, 32)))
    seen = []

    @jax.jit
    def inside(q):
        seen.append([f.law.name for f in fired_laws(dj.convolve(q).on((32, 32)))])
        return dj.convolve(q)(jnp.ones((32, 32)))

    inside(jnp.asarray(taps))
    assert seen == [[]]


def test_constants_of_one_shape_but_other_values_have_plans_of_their_own():
    separable, other = np.outer([1.0, 2, 1], [1, 3, 1]), RNG.normal(size=(3, 3))
    for _ in range(2):
        assert len(plan(dj.convolve(separable).on((16, 16))).maps) == 2
        assert isinstance(plan(dj.convolve(other).on((16, 16))), Stage)
    x = RNG.normal(size=(16, 16))
    assert_close(dj.convolve(other)(x), dj.convolve(other).on(x).plan("off")(x), units=16)


def test_a_merge_that_costs_more_is_not_made():
    narrow = (dj.conv(RNG.normal(size=(3, 3, 1, 16))) @ dj.conv(RNG.normal(size=(3, 3, 16, 1)))).on((12, 12, 16))
    assert plan(narrow) == narrow and not fired_laws(narrow)
    squares = (dj.convolve(RNG.normal(size=(3, 3)), "full") @ dj.convolve(RNG.normal(size=(3, 3)), "full")).on((12, 12))
    assert plan(squares) == squares
    bilinear = dj.upfirdn(np.outer(*[dj.filters.bilinear(32)] * 2), 32).on((4, 4))
    assert [part.window for part in plan(bilinear).maps] == [(64,), (64,)]
    assert work(plan(bilinear)).multiply_adds < work(bilinear).multiply_adds


def test_atomic_and_plan_off_run_as_written():
    a = (dj.downsample(2) @ dj.convolve([1, 2, 1])).on((9,))
    x = jnp.arange(9.0)
    assert isinstance(a.plan("off"), Atomic) and a.plan("off").plan() == a.plan("off")
    assert isinstance(a.plan(), Stage)
    for fenced in (dj.atomic(a), a.plan("off")):
        assert fenced.simplify() == fenced and plan_of(fenced) == fenced
        assert np.array_equal(fenced(x), a(x)) and np.array_equal(fenced.T(a(x)), a.T(a(x)))
    inside = (dj.downsample(2) @ dj.atomic(dj.upsample(2) @ dj.convolve([1, 2, 1]))).on((9,))
    assert any(isinstance(part, Atomic) for part in inside.plan().maps)
    ops = str(jax.make_jaxpr(lambda x: a.plan("off")(x))(x))
    assert "slice" in ops and "slice" not in str(jax.make_jaxpr(lambda x: a(x))(x))
    with pytest.raises(ValueError, match="it is on or off; got 'none'"):
        a.plan("none")
    with pytest.raises(dj.UnboundError, match="plan"):
        dj.upsample(2).plan()


@pytest.mark.parametrize("taps_dtype, x_dtype", [
    (np.float64, np.float32), (np.int64, np.float32), (np.complex128, np.float32), (np.float64, np.int32),
    (np.float64, jnp.bfloat16), (np.float64, np.complex64)])  # fmt: skip
@pytest.mark.parametrize("strong", [False, True])
def test_plans_keep_dtypes(taps_dtype, x_dtype, strong):
    q, r = (RNG.integers(1, 4, n).astype(taps_dtype) for n in (3, 4))
    if strong:
        q = jnp.asarray(q)
    x = jnp.asarray(RNG.integers(-3, 4, 12), x_dtype)
    a = (2 * dj.downsample(2) @ dj.convolve(q, "full") @ (0.5 * dj.convolve(r, "full"))).on(x)
    y, z = a(x), a.plan("off")(x)
    assert y.dtype == z.dtype == a.codomain.dtype
    assert_close(y, z, units=8)
    g = a.on(jax.ShapeDtypeStruct((12,), jnp.result_type(x.dtype, jnp.float32)))
    assert g.T.plan().codomain.dtype == g.domain.dtype


def test_half_precision_taps_are_not_multiplied_together():
    a = (dj.convolve(kernels(3).astype(jnp.bfloat16), "full") @ dj.convolve(kernels(3).astype(jnp.bfloat16), "full"))
    assert len(a.on(jax.ShapeDtypeStruct((9,), jnp.bfloat16)).plan().maps) == 2


def test_planned_maps_take_leading_batch_axes_and_other_dtypes():
    a = (dj.downsample(2) @ dj.convolve([1.0, 2, 1]) @ dj.pad((1, 1), "reflect")).on((9,))
    x = RNG.normal(size=(3, 2, 9))
    assert_close(a(x), np.einsum("on,abn->abo", matrix(a), x), units=16)
    assert a(x.astype(np.float32)).shape == (3, 2, 6)


def test_two_traced_scalars_fold_into_one_filter():
    @jax.jit
    def f(c, d, x):
        return (c * (dj.convolve([1.0, 2.0], "full") @ (d * dj.upsample(2))))(x)

    x = RNG.normal(size=6)
    want = 6 * matrix((dj.convolve([1.0, 2.0], "full") @ dj.upsample(2)).on((6,))) @ x
    assert_close(f(2.0, 3.0, x), want, units=16)


def test_a_plan_of_nested_maps_reaches_inside():
    inner = dj.downsample(2) @ dj.convolve([1, 2, 1])
    bank = dj.stack([inner, dj.stack([inner, dj.downsample(2)]) @ dj.convolve([1, 1])]).on((16,))
    first, second = bank.plan().maps
    assert isinstance(first, Stage)
    assert isinstance(second, Chain) and isinstance(second.maps[0].maps[0], Stage)
    assert (matrix(bank.plan()) == matrix(bank)).all()


def test_plans_of_equal_bytes_and_other_dtypes_are_apart():
    """15 as four bits with a sign is -1; both dtypes are written |V1."""
    signed, unsigned = (np.array([15, 1]).astype(d) for d in (ml_dtypes.int4, ml_dtypes.uint4))
    np.testing.assert_array_equal(dj.convolve(signed, "full")(jnp.ones(2)), [-1, 0, 1])
    np.testing.assert_array_equal(dj.convolve(unsigned, "full")(jnp.ones(2)), [15, 16, 1])


def test_taps_count_by_their_number_and_not_by_their_precision():
    """FCN-32s' kernel in float64 takes two one-axis filters as its float32 copy does."""
    w = dj.filters.bilinear(32)
    kernel = np.einsum("hw,oi->hwoi", np.outer(w, w), np.eye(21))
    assert kernel.dtype == np.float64
    for taps in (kernel, kernel.astype(np.float32)):
        assert dj.conv_transpose(taps, strides=32).on((16, 16, 21)).cost().planned.multiply_adds == 10_999_296
