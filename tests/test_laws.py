"""Every law: an example on which it fires and keeps the matrix, and one on which its side condition fails.

Matrices are NumPy's (`numpy_eval`), in integers, so equality is exact. What each refusal protects is also shown: the
rewriting that the law would have made is wrong there.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax.algebra import BlockDiagonal, Cast, Chain, Identity, Row, Scaled, Stack, Sum, Zero
from deconvjax.axis import Rate
from deconvjax.leaves.extend import Extend
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite import LAWS, simplify
from deconvjax.space import Space
from tests.numpy_eval import matrix

RNG = np.random.default_rng(3)


def ints(*shape):
    return RNG.integers(1, 5, shape)


def space(*shape, dtype=np.int64):
    return jax.ShapeDtypeStruct(shape, dtype)


def after(*maps, on):
    """The maps bound in a row, outermost first."""
    bound, here = [], on
    for part in reversed(maps):
        bound.insert(0, part.on(here))
        here = bound[0].codomain
    return tuple(bound)


def stage(*shape, **rate):
    return Stage(ints(*shape) if shape else None, (Rate(**rate),), (-1,))


X9, IMAGE, CHANNELS = space(9), space(6, 6), space(6, 4)
UP2, DOWN2, DOWN3 = dj.upsample(2), dj.downsample(2), dj.downsample(3)
WRAP = Extend(((1, 1),), (-1,), "wrap")
THREE = dj.convolve([1, 2, 3], "full")
PAIR = Space.join((Space.of(X9), Space.of(X9)))
KERNEL = Stage(ints(3, 4, 8), (Rate(lo=1, hi=1),), (-2,), 1)
ALIKE = Stage(np.array([2, 5])[:, None, None] * np.eye(4, dtype=int), (Rate(lo=1),), (-2,), 1)
MASK = (stage(lo=2, hi=0), stage(lo=-1, hi=0))  # a crop, and zeros put back where it cropped

CASES = {
    "zero inside": (after(DOWN2, Zero(), on=X9), None),
    "zero outside": (after(Zero(), DOWN2, on=X9), None),
    "identity inside": (after(DOWN2, Identity(), on=X9), None),
    "identity outside": (after(Identity(), DOWN2, on=X9), None),
    "idle cast": ((Cast(Space.of(X9), Space.of(X9)),), (Cast(Space.of(space(9, dtype=np.float64)), Space.of(X9)),)),
    "one filter for all": (after(ALIKE, on=CHANNELS), after(KERNEL, on=CHANNELS)),
    "common factor": (after(stage(up=4, down=6), on=X9), after(stage(2, up=4, down=6), on=X9)),
    "unused taps": (after(stage(5, up=2, down=2, lo=2, hi=2), on=X9), after(THREE, on=X9)),
    "one tap": (after(stage(1, up=2), on=X9), after(stage(2, up=2), on=X9)),
    "lone sample": (after(stage(3, lo=2, hi=-8), on=X9), after(THREE, on=X9)),
    "zero terms": (
        (Sum(after(Zero(), on=X9) + after(Identity(), on=X9), Space.of(X9)),),
        (Sum(after(Identity(), on=X9) * 2, Space.of(X9)),),
    ),
    "equal terms": (
        (Sum(after(THREE, on=X9) + after(dj.convolve([4, 0, -3], "full"), on=X9), Space.of(X9)),),
        (Sum(after(dj.convolve([1, 2, 3]), on=X9) + after(Identity(), on=X9), Space.of(X9)),),
    ),
    "windows add": (after(dj.pad((1, 2)), dj.pad((2, 0)), on=X9), after(*MASK, on=X9)),
    "decimations multiply": (
        after(DOWN3, dj.downsample(2, phase=1), on=X9),
        after(stage(down=2, lo=1), stage(down=2, lo=-2), on=X9),
    ),
    "stuffings multiply": (after(dj.upsample(3), UP2, on=X9), after(stage(up=2, lo=2), stage(up=2, lo=-1), on=X9)),
    "decimation of stuffed": (
        after(DOWN2, dj.upsample(6), on=X9),
        after(stage(down=2, lo=2), stage(up=2, lo=-2), on=X9),
    ),
    "coprime rates commute": (after(UP2, DOWN3, on=X9), after(UP2, DOWN2, on=X9)),
    "pulses unite": (after(dj.crop((1, 0)), UP2, on=X9), after(dj.pad((1, 0)), dj.downsample(2, phase=2), on=space(8))),
    "pulses trim": (after(stage(up=2, lo=-2), DOWN2, on=X9), after(UP2, DOWN2, on=X9)),
    "pulse of filtered": (after(DOWN2, THREE, on=X9), after(dj.pad((1, 1)), dj.convolve([1, 2, 3]), on=X9)),
    "filter of pulse": (after(THREE, UP2, on=X9), after(dj.convolve([1, 2, 3]), dj.crop((1, 1)), on=X9)),
    "idle samples": (after(stage(2, dilation=2, down=2), dj.convolve([1, 2, 3]), on=X9), after(THREE, THREE, on=X9)),
    "filters in line": (
        after(dj.convolve([1, 2]), THREE, on=X9),
        after(dj.convolve([1, 2, 3]), dj.convolve([4, 5, 6]), on=X9),
    ),
    "noble identity": (
        after(stage(2, up=2, dilation=2), stage(2, down=2, dilation=2), on=X9),
        after(stage(2, up=2), stage(3, down=2), on=X9),
    ),
    "weights in line": (
        after(stage(2), stage(2, up=3, dilation=2), on=space(2)),
        after(stage(2, lo=1, hi=1), stage(2, up=3, dilation=2), on=space(2)),
    ),
    "empty border": (after(dj.pad((0, 0), "reflect"), on=X9), after(dj.pad((1, 0), "reflect"), on=X9)),
    "unread border": (
        after(dj.crop((1, 1)), dj.pad((2, 1), "reflect"), on=X9),
        after(DOWN2, dj.pad((2, 2), "wrap"), on=X9),
    ),
    "empty fold": (
        after(Extend(((2, 2),), (-1,), "edge", fold=True), dj.pad((1, 2)), on=X9),
        after(Extend(((2, 2),), (-1,), "edge", fold=True), THREE, on=X9),
    ),
    "borders add": (
        after(dj.pad((1, 2), "edge"), dj.pad((2, 1), "edge"), on=X9),
        after(dj.pad((1, 2), "reflect"), dj.pad((2, 1), "reflect"), on=X9),
    ),
    "permutation undone": (
        after(dj.pixel_unshuffle(2), dj.pixel_shuffle(2), on=space(3, 3, 4)),
        after(dj.pixel_unshuffle(2), dj.pixel_shuffle(2, order="DCR"), on=space(3, 3, 8)),
    ),
    "cast inside": (
        (Stage(ints(2), (Rate(),), (-1,), weak=False).on(X9), Cast(Space.of(X9), Space.of(space(9, dtype=np.int32)))),
        (dj.convolve([1, 2]).on(X9), Cast(Space.of(X9), Space.of(space(9, dtype=np.int32)))),
    ),
    "row of stack": (
        (Row(after(Identity(), on=X9) * 2, PAIR), Stack(after(Identity(), on=X9) * 2, Space.of(X9))),
        None,
    ),
    "blocks of stack": (
        (BlockDiagonal(after(DOWN2, on=X9) * 2, PAIR), Stack(after(Identity(), on=X9) * 2, Space.of(X9))),
        None,
    ),
    "row of blocks": ((Row(after(DOWN2, on=X9) * 2, PAIR), BlockDiagonal(after(Identity(), on=X9) * 2, PAIR)), None),
    "blocks of blocks": (
        (BlockDiagonal(after(DOWN2, on=X9) * 2, PAIR), BlockDiagonal(after(Identity(), on=X9) * 2, PAIR)),
        None,
    ),
    "zero taps": (after(dj.convolve([0, 3, 0, 5], "full"), on=X9), after(THREE, on=X9)),
    "separable taps": (
        after(dj.convolve(np.outer([1, 2, 3], [2, 5])), on=IMAGE),
        after(dj.convolve([[1, 2], [3, 4]]), on=IMAGE),
    ),
    "scalar outside": (
        after(Scaled(3, Identity()), THREE, on=X9),
        after(Scaled(np.int64(3), Identity()), Stage(ints(3).astype(np.int32), (Rate(),), (-1,), weak=False), on=X9),
    ),
    "weights outside": (
        after(dj.diagonal(ints(8)), KERNEL, on=CHANNELS),
        after(dj.diagonal(ints(6, 1)), KERNEL, on=CHANNELS),
    ),
    "weights inside": (
        after(KERNEL, dj.diagonal(ints(4)), on=CHANNELS),
        after(KERNEL, dj.diagonal(ints(6, 1)), on=CHANNELS),
    ),
    "shuffled kernel": (
        after(dj.pixel_shuffle(2, order="DCR"), dj.conv(ints(3, 3, 2, 8)), on=space(4, 4, 2)),
        after(dj.pixel_shuffle(2), dj.conv(ints(3, 3, 2, 8), strides=2), on=space(4, 4, 2)),
    ),
    "kernel of unshuffled": (
        after(dj.conv(ints(3, 3, 8, 2)), dj.pixel_unshuffle(2), on=space(4, 4, 2)),
        after(dj.conv(ints(3, 3, 8, 2), strides=2), dj.pixel_unshuffle(2), on=space(8, 8, 2)),
    ),
    "folded is circular": (
        after(Extend(((1, 1),), (-1,), "wrap", fold=True), stage(3, up=2, lo=2, hi=3), on=X9),
        after(Extend(((1, 1),), (-1,), "wrap", fold=True), stage(3, up=2, lo=1, hi=4), on=X9),
    ),
    "circular filters meet": (after(WRAP, stage(3, down=3), WRAP, on=X9), after(WRAP, stage(3, down=2), WRAP, on=X9)),
    "filters merge": (
        after(KERNEL, Stage(ints(3, 2, 4), (Rate(lo=2, hi=2),), (-2,), 1), on=space(6, 2)),
        after(KERNEL, Stage(ints(3, 2, 4), (Rate(lo=1, hi=1),), (-2,), 1), on=space(6, 2)),
    ),
}
BY_NAME = {law.name: law for law in LAWS}
ALWAYS = {name for name, case in CASES.items() if case[1] is None}


def composed(maps):
    return maps[0] if len(maps) == 1 else Chain(maps, maps[-1].space)


def test_every_law_is_proved_and_refused_here():
    assert list(BY_NAME) and set(BY_NAME) == set(CASES)
    assert len(BY_NAME) == len(LAWS)
    for law in LAWS:
        assert "=" in law.equation, law


@pytest.mark.parametrize("name", CASES)
def test_a_law_fires_and_keeps_the_matrix(name):
    operands = CASES[name][0]
    result = BY_NAME[name](*operands)
    assert result is not None, f"{name} refuses {composed(operands)!r}"
    want = matrix(composed(operands))
    got = matrix(result)
    assert got.shape == want.shape and (got == want).all()
    assert [leaf.dtype for leaf in result._codomain().leaves] == [leaf.dtype for leaf in operands[0]._codomain().leaves]


@pytest.mark.parametrize("name", sorted(set(CASES) - ALWAYS))
def test_a_law_refuses_where_its_condition_fails(name):
    operands = CASES[name][1]
    assert BY_NAME[name].speaks(*operands), "a refusal is of operands the law is about"
    assert BY_NAME[name](*operands) is None


def test_a_same_filter_after_a_same_filter_differs_at_the_border():
    """The refusal of `filters in line` is no caution: the merged filter is another map."""
    a, b = dj.convolve([1, 2, 3]), dj.convolve([4, 5, 6])
    two = matrix((a @ b).on(X9))
    one = matrix(dj.convolve(np.convolve([1, 2, 3], [4, 5, 6]), "same").on(X9))
    assert (two[2:-2] == one[2:-2]).all() and (two[0] != one[0]).any() and (two[-1] != one[-1]).any()


def test_laws_match_by_structure_through_jit_and_round_trips():
    a = (dj.downsample(2) @ dj.convolve(np.array([1.0, 2, 3])) @ dj.pad((1, 1), "wrap")).on((8,))
    b = jax.tree_util.tree_unflatten(*reversed(jax.tree_util.tree_flatten(a)))
    c = (dj.downsample(2) @ dj.convolve(np.array([1.0, 2, 3])) @ dj.pad((1, 1), "wrap")).on((8,))
    assert simplify(a) == simplify(b) == simplify(c)
    seen = []

    @jax.jit
    def inside(m):
        seen.append(simplify(m)._label())
        return simplify(m)._apply(jnp.arange(8.0))

    y = inside(a)
    assert seen == [simplify(a)._label()]
    np.testing.assert_allclose(y, matrix(a) @ np.arange(8.0), rtol=1e-6)
    assert (dj.pixel_unshuffle(2) @ dj.pixel_shuffle(2)).on((2, 2, 4)).simplify() == dj.identity.on((2, 2, 4))


def test_equal_terms_merge_by_value_and_not_by_identity():
    q = np.array([1.0, -2.0, 1.0])
    twice = (dj.convolve(q) + dj.convolve(q.copy())).on((9,)).simplify()
    assert isinstance(twice, Stage) and (matrix(twice) == 2 * matrix(dj.convolve(q).on((9,)))).all()
    none = (dj.downsample(2) - dj.downsample(2)).on((9,)).simplify()
    assert isinstance(none, Zero)


def test_transposes_go_through_chains_sums_and_stacks():
    h, g = dj.convolve([1, 2, 3], "full"), dj.convolve([1, -1, 2], "full")
    bank = dj.stack([dj.downsample(2) @ h, dj.downsample(2) @ g]).on(X9)
    back = bank.T
    assert type(back).__name__ == "Row" and [type(part).__name__ for part in back.maps] == ["Chain", "Chain"]
    slim = back.simplify()
    assert all(isinstance(part, Stage) and part.rates[0].up == 2 for part in slim.maps)
    assert (matrix(slim) == matrix(bank).T).all()
    total = (h + 2 * g).on(X9)
    assert (matrix(total.T.simplify()) == matrix(total).T).all()


def test_the_gram_of_a_decimator_is_one_low_rate_filter():
    full = (dj.downsample(2) @ dj.convolve([1, 2, 3, 4, 5], "full")).on(X9)
    valid = (dj.downsample(2) @ dj.convolve([1, 2, 3, 4, 5], "valid")).on(space(11))
    circular = (dj.downsample(2) @ dj.convolve([1, 2, 3, 4, 5], "wrap")).on(space(12))
    for a in (valid, circular):
        gram = a @ a.T
        planned = gram.plan()
        busy = [part for part in getattr(planned, "maps", (planned,)) if isinstance(part, Stage)]
        assert len(busy) == 1 and busy[0].rates[0].up == busy[0].rates[0].down == 1 and busy[0].window == (5,), planned
        assert (matrix(planned) == matrix(a) @ matrix(a).T).all()
    zero_border = (full @ full.T).plan()  # the transpose crops what "full" added, so the two do not merge
    assert len(zero_border.maps) == 2 and (matrix(zero_border) == matrix(full) @ matrix(full).T).all()


def test_a_scalar_leaves_a_chain_only_where_it_may_stand_outside():
    """1j before a real part is not 1j behind it, and 0.5 before integers are extended is not 0.5 behind."""
    k = np.array([[1, 0, 0, 0], [1j, 1, 0, 0], [0, 1j, 1, 0], [0, 0, 1j, 1]])
    a = dj.convolve([1, 1j]).on((4,))
    i = dj.identity.on(jax.ShapeDtypeStruct((4,), jnp.complex64))
    z = np.array([1 + 2j, 3 - 1j, 0.5j, 2], np.complex64)
    both = (a @ a.T) @ (1j * i) + (a @ a.T) @ (2j * i)
    want = k @ (k.T @ (1j * z)).real + k @ (k.T @ (2j * z)).real
    np.testing.assert_allclose(both(z), want, rtol=1e-6)
    np.testing.assert_allclose(both.simplify().plan("off")(z), want, rtol=1e-6)
    edge = (dj.pad((1, 1), "edge") @ (0.5 * dj.identity)).on(jax.ShapeDtypeStruct((4,), jnp.int32))
    twice = edge + edge
    assert twice(jnp.arange(4)).dtype == twice.codomain.dtype == twice.plan().codomain.dtype
    np.testing.assert_array_equal(twice(jnp.arange(4)), [0, 0, 1, 2, 3, 3])
    imaginary = (dj.convolve([1, 2]) @ (1j * dj.identity)).on((4,))
    assert (imaginary + imaginary).plan().domain.dtype == jnp.float32
