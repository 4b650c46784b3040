"""F, T and W in NumPy from the definition, and random stages: shares no code with the engine.

y[n] = sum_j k[j] z[n*down + j*dilation - lo],   z[m*up] = x[m]
"""

import random

import numpy as np

from deconvjax.axis import Axis
from deconvjax.engine import Spec


def links(axis):
    """S[n, j, m] = 1 where output n reads input m through tap j."""
    n, j, m = np.ogrid[: axis.out, : axis.window, : axis.size]
    return (n * axis.down + j * axis.dilation - axis.lo == m * axis.up).astype(np.int64)


def _equation(spec, missing):
    """einsum of x (b, m.., g, i), k (j.., i, g, o), y (b, n.., g, o) over the links, leaving one of the three out."""
    rank = len(spec.axes)
    n, j, m = "ABC"[:rank], "DEF"[:rank], "GHI"[:rank]
    parts = {"x": f"b{m}gi", "k": f"{j}igo", "y": f"b{n}go"}
    if spec.groups is None:
        parts = {"x": f"b{m}g", "k": j, "y": f"b{n}g"}
    links_ = [f"{n[a]}{j[a]}{m[a]}" for a in range(rank)]
    return ",".join([*links_, *[v for k, v in parts.items() if k != missing]]) + "->" + parts[missing]


def _split(a, spec):
    g = spec.groups
    return a if g is None else a.reshape(*a.shape[:-1], g, a.shape[-1] // g)


def _joined(a, spec):
    return a if spec.groups is None else a.reshape(*a.shape[:-2], -1)


def _run(spec, missing, *operands):
    dtype = np.result_type(*operands)
    tables = [links(a).astype(dtype) for a in spec.axes]
    z = np.einsum(_equation(spec, missing), *tables, *[_split(a, spec) for a in operands], optimize=True)
    assert np.isfinite(z).all()
    return _joined(z, spec)


def stage(x, k, spec):
    """F."""
    return _run(spec, "y", x, k)


def transpose(y, k, spec):
    """T."""
    return _run(spec, "x", k, y)


def taps_gradient(x, y, spec):
    """W."""
    return _run(spec, "k", x, y)


def random_axis(r, size=6, window=4, dilation=3, up=4, down=4, pad=4):
    """An axis whose window fits."""
    while True:
        a = Axis(
            size=r.randint(1, size),
            window=r.randint(1, window),
            dilation=r.randint(1, dilation),
            up=r.randint(1, up),
            down=r.randint(1, down),
            lo=r.randint(-2, pad),
            hi=r.randint(-2, pad),
        )
        if a.out >= 1:
            return a


def random_stage(seed, ranks=(1, 1, 1, 2, 2, 3), groups=(None, 1, 1, 2, 3), depthwise=None, batch=2, **limits):
    """(spec, x, k, y) of small integers in float64, so that every result is exact."""
    r = random.Random(seed)
    rank = r.choice(ranks)
    if rank == 3:
        limits = {"size": 3, "window": 3, "pad": 2} | limits
    g = r.choice(groups)
    spec = Spec(tuple(random_axis(r, **limits) for _ in range(rank)), g)
    batch, few, many = r.randint(1, batch), r.randint(1, 3), r.randint(1, 3)
    if depthwise or (depthwise is None and r.random() < 0.25):
        few = 1
    cin, cout = (few, few) if g is None else (g * few, g * many)
    taps = spec.window if g is None else (*spec.window, few, cout)
    draw = np.random.default_rng(seed)
    shapes = ((batch, *spec.size, cin), taps, (batch, *spec.out, cout))
    return spec, *(draw.integers(-4, 5, shape).astype(np.float64) for shape in shapes)
