"""Pads of both signs on one axis: XLA's own convolution on a CPU reads beyond x there (jaxlib 0.10.2)."""

import jax
import numpy as np
import pytest

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec
from tests.engine.maps import MAPS, ORACLES, operands

BOTH = Axis(12, 3, lo=-1, hi=1)
CASES = [
    (Spec((BOTH, BOTH), 2), 16, 4),  # the gradient in grouped taps that was wrong, or NaN
    (Spec((BOTH, BOTH), 1), 8, 8),
    (Spec((Axis(12, 3, lo=2, hi=-2), BOTH), 1), 16, 16),
    (Spec((Axis(1, 4, lo=10, hi=1),) * 3, 1), 3, 2),
    (Spec((Axis(9, 3, down=2, lo=-2, hi=3), Axis(9, 3, up=2, lo=-1, hi=2)), 1), 4, 4),
    (Spec((Axis(4, 2, lo=-4, hi=3),), 1), 2, 2),  # nothing of x is read
]


@pytest.mark.parametrize("name", ["direct", "dense", None])
def test_pads_of_both_signs_are_the_definition(name):
    draw = np.random.default_rng(0)
    data = []
    for spec, cin, cout in CASES:
        shapes = (4, *spec.size, cin * spec.groups), (*spec.window, cin, cout * spec.groups)
        shapes = *shapes, (4, *spec.out, cout * spec.groups)
        data.append(tuple(draw.integers(-4, 5, shape).astype(np.float32) for shape in shapes))

    def program(data):
        with engine.strategy(name):
            return [
                {kind: MAPS[kind](*operands(spec, kind, *d), spec) for kind in MAPS}
                for (spec, *_), d in zip(CASES, data, strict=True)
            ]

    for (spec, *_), d, got in zip(CASES, data, jax.jit(program)(data), strict=True):
        for kind, oracle_map in ORACLES.items():
            want = oracle_map(*operands(spec, kind, *d), spec)
            np.testing.assert_array_equal(got[kind], want, err_msg=f"{name} {kind} {spec}")
