"""The integers behind the laws: two axes as one, and one record for equal axes, against matrices."""

import jax
import numpy as np

from deconvjax.algebra import Chain
from deconvjax.axis import Axis, Rate
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite.geometry import reduced, unite
from deconvjax.rewrite.one_to_one import is_one_to_one, meetings, smallest_rates
from tests.numpy_eval import matrix


def space(*shape):
    return jax.ShapeDtypeStruct(shape, np.int64)


def test_the_fusion_of_two_axes_is_exact_wherever_it_is_made():
    """Random small pairs, every rate, dilation and window: `unite` against matrices."""
    rng = np.random.default_rng(0)
    made = refused = 0
    for _ in range(4000):
        size, w1, w2, u1, d1, u2, d2, l1, l2 = (int(rng.integers(1, top)) for top in (5, 4, 4, 4, 4, 4, 4, 3, 3))
        pads = [int(n) for n in rng.integers(-2, 4, 4)]
        inner = Axis(size, w1, l1, u1, d1, *pads[:2])
        if inner.out < 1:
            continue
        outer = Axis(inner.out, w2, l2, u2, d2, *pads[2:])
        if outer.out < 1:
            continue
        first = _of(inner, rng).on(space(size))
        stages = _of(outer, rng).on(first.codomain), first
        want = matrix(Chain(stages, stages[-1].space))
        fusion = unite(outer, inner)
        if fusion is None:
            refused += 1
            continue
        k_i, k_o = (
            np.zeros(spread * (len(s.taps) - 1) + 1, np.int64)
            for s, spread in ((stages[1], fusion.inner_spacing), (stages[0], fusion.outer_spacing))
        )
        k_i[:: fusion.inner_spacing], k_o[:: fusion.outer_spacing] = stages[1].taps, stages[0].taps
        taps = np.convolve(k_i, k_o)[:: fusion.axis.dilation]
        one = Stage(taps, (Rate.of(fusion.axis),), (-1,)).on(space(size))
        assert (matrix(one) == want).all(), (outer, inner)
        made += 1
    assert made > 1000 and refused > 300


def test_weights_on_single_samples_have_one_record_whatever_rates_they_were_written_with():
    """Random small axes: `smallest_rates` keeps the matrix, and every axis of one line of meetings becomes the same."""
    rng = np.random.default_rng(1)
    records, changed = {}, 0
    for _ in range(20000):
        size, up, down, dilation = (int(rng.integers(1, top)) for top in (4, 6, 4, 6))
        axis = Axis(size, 2, dilation, up, down, *(int(n) for n in rng.integers(-3, 4, 2))).normal
        if axis.out < 1 or meetings(axis) is None or reduced(axis) is None:
            continue
        slim = smallest_rates(reduced(axis))
        taps = np.array([2, 3])
        here, there = (matrix(Stage(taps, (Rate.of(each),), (-1,)).on(space(size))) for each in (axis, slim))
        assert (here == there).all(), (axis, slim)
        if is_one_to_one(axis):
            assert records.setdefault((here.shape, here.tobytes()), slim) == slim
            changed += slim != axis
    assert len(records) > 50 and changed > 100


def _of(axis, rng):
    return Stage(rng.integers(1, 9, axis.window), (Rate.of(axis),), (-1,))
