"""pixel_shuffle and pixel_unshuffle: permutations, in both channel orders, on any number of axes."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax.check import oracle
from tests.folded import evaluate, matrices
from tests.onnx_cases import node_cases

FACTORS = [(1,), (2,), (3,), (1, 1), (2, 2), (2, 3), (3, 1), (1, 2, 2), (2, 1, 3)]


@pytest.mark.parametrize("order", ["CRD", "DCR"])
def test_every_factor_equals_the_loops(order):
    rng = np.random.default_rng(0)
    draws = []
    for factor, lead, channels in product(FACTORS, ((), (2,), (2, 3)), (1, 2)):
        space = tuple(map(int, rng.integers(1, 4, len(factor))))
        draws.append((factor, rng.integers(-9, 10, (*lead, *space, channels * int(np.prod(factor))))))
    spread = evaluate(lambda: [dj.pixel_shuffle(f, order=order)(x) for f, x in draws])
    back = evaluate(lambda: [dj.pixel_unshuffle(f, order=order)(y) for (f, _), y in zip(draws, spread, strict=True)])
    turned = evaluate(lambda: [dj.pixel_shuffle(f, order=order).on(x).T(y)
                               for (f, x), y in zip(draws, spread, strict=True)])
    for (factor, x), y, again, transposed in zip(draws, spread, back, turned, strict=True):
        assert np.array_equal(y, oracle.pixel_shuffle(x, factor, order=order, ndim=len(factor)))
        assert np.array_equal(oracle.pixel_unshuffle(y, factor, order=order, ndim=len(factor)), x)
        assert np.array_equal(again, x) and np.array_equal(transposed, x)


def test_onnx_depth_to_space_and_back():
    cases = node_cases("test_depthtospace", "test_spacetodepth")
    assert len(cases) >= 4
    for case in cases.values():
        (x,), (want,) = case.inputs, case.outputs
        block = case.attributes["blocksize"]
        mode = case.attributes.get("mode", b"DCR").decode()
        build = dj.pixel_shuffle if case.operator == "DepthToSpace" else dj.pixel_unshuffle
        got = build(block, order=mode)(jnp.moveaxis(x, 1, -1))
        assert np.array_equal(np.moveaxis(np.asarray(got), -1, 1), want), case.name


def test_an_int_is_the_two_axes_of_an_image():
    assert dj.pixel_shuffle(2) == dj.pixel_shuffle((2, 2)) != dj.pixel_shuffle((2,))
    x = jnp.arange(16).reshape(2, 2, 4)
    assert dj.pixel_shuffle(2)(x)[..., 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    x = jnp.arange(8).reshape(1, 1, 8)
    assert dj.pixel_shuffle(2)(x)[..., 1].tolist() == [[4, 5], [6, 7]]  # channel 1 of (c, i, j)
    assert dj.pixel_shuffle(2, order="DCR")(x)[..., 1].tolist() == [[1, 3], [5, 7]]  # of (i, j, c)


def test_it_is_a_permutation_and_its_transpose_the_other_word():
    shuffle = dj.pixel_shuffle((2, 3)).on((2, 1, 12))
    (m,) = matrices([shuffle])
    assert (m.sum(0) == 1).all() and (m.sum(1) == 1).all() and ((m == 0) | (m == 1)).all()
    assert np.array_equal(m @ m.T, np.eye(24))
    assert shuffle.T == dj.pixel_unshuffle((2, 3)).on((4, 3, 2)) and shuffle.T.T == shuffle and shuffle.H == shuffle.T
    assert repr(shuffle.T) == "<pixel_unshuffle((2, 3)) : float32[4,3,2] -> float32[2,1,12]>"
    assert repr(dj.pixel_shuffle(3, order="DCR")) == "<pixel_shuffle(3, order='DCR')>"


@pytest.mark.parametrize("dtype", [jnp.bool_, jnp.int8, jnp.bfloat16, jnp.complex64])
def test_dtypes_are_kept(dtype):
    x = jnp.ones((2, 2, 4), dtype)
    assert dj.pixel_shuffle(2)(x).dtype == dj.pixel_unshuffle(2)(x).dtype == dtype


def test_under_jit_vmap_and_transposition():
    x = jnp.arange(48.0).reshape(3, 2, 2, 4)
    a = dj.pixel_shuffle(2)
    assert np.array_equal(jax.vmap(a)(x), a(x))
    assert np.array_equal(jax.jit(lambda a, x: a(x))(a, x), a(x))
    assert np.array_equal(jax.linear_transpose(a, x)(a(x))[0], x)


BAD = [
    (lambda: dj.pixel_shuffle(0), ValueError, "pixel_shuffle: factor must be positive; got 0"),
    (lambda: dj.pixel_shuffle(2.0), TypeError, "pixel_shuffle: factor must be an integer; got 2.0"),
    (lambda: dj.pixel_shuffle(()), dj.ShapeError, "pixel_shuffle: factor is empty"),
    (lambda: dj.pixel_unshuffle((2, -1)), ValueError, "pixel_unshuffle: factor must be positive; got -1"),
    (lambda: dj.pixel_shuffle(2, order="RCD"), ValueError, "unknown order; got 'RCD'.*'CRD', 'DCR'"),
    (lambda: dj.pixel_shuffle(2).on((4, 4, 6)), dj.ShapeError, r"axis -1 does not split; got 6 in .*a multiple of 4"),
    (lambda: dj.pixel_unshuffle(2).on((4, 5, 6)), dj.ShapeError, "axis -2 does not split; got 5 in .*a multiple of 2"),
    (lambda: dj.pixel_shuffle(2).on((4, 4)), dj.ShapeError, "too few axes"),
    (lambda: dj.pixel_shuffle(2).T, dj.UnboundError, "no shape yet"),
    (lambda: dj.pixel_shuffle(2).along((-3, -2)), dj.ShapeError, "cannot be laid along other axes"),
]


@pytest.mark.parametrize(("call", "kind", "pattern"), BAD)
def test_bad_input_is_refused_with_a_fix(call, kind, pattern):
    with pytest.raises(kind, match=pattern) as caught:
        call()
    assert "Fix:" in str(caught.value)
