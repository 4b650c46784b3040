"""The three maps, their oracles, and small-integer operands for both."""

import numpy as np

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec
from tests.engine import oracle

MAPS = {"F": engine.stage, "T": engine.transpose, "W": engine.taps_gradient}
ORACLES = {"F": oracle.stage, "T": oracle.transpose, "W": oracle.taps_gradient}
UP = Spec((Axis(6, 3, 1, 2, 1, 1, 2), Axis(5, 2, 2, 1, 1, 0, 1)), 2)
DOWN = Spec((Axis(7, 3, 1, 1, 2, 1, 1),), 1)


def operands(spec, kind, x, k, y):
    return {"F": (x, k), "T": (y, k), "W": (x, y)}[kind]


def draw(spec, few=2, many=3, batch=2, dtype=np.float64, seed=0, lead=()):
    """x, k, y of small integers."""
    r = np.random.default_rng(seed)
    g = spec.groups
    cin, cout = (few, few) if g is None else (g * few, g * many)
    taps = spec.window if g is None else (*spec.window, few, cout)
    shapes = (batch, *spec.size, cin), taps, (batch, *spec.out, cout)
    out = [r.integers(-4, 5, (*lead, *s)).astype(dtype) for s in shapes]
    if np.issubdtype(dtype, np.complexfloating):
        out = [a + 1j * r.integers(-4, 5, a.shape).astype(a.real.dtype) for a in out]
    return out
