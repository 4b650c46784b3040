"""What a stage costs: exact multiply-adds and the bytes that must move. Integers only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deconvjax.axis import Axis
from deconvjax.engine.spec import Spec


def reads(axis: Axis) -> int:
    """#{(n, j): n*down + j*dilation - lo is a sample of x, not a stuffed or padded zero}.

    >>> reads(Axis(size=3, window=2, up=2, lo=1, hi=1))
    6
    """
    common = math.gcd(axis.down, axis.up)
    step = axis.up // common
    inverse = pow(axis.down // common, -1, step) if step > 1 else 0
    total = 0
    for j in range(axis.window):
        shift = axis.lo - j * axis.dilation
        if shift % common:
            continue
        first = max(-(-shift // axis.down), 0)
        last = min((axis.dense - 1 + shift) // axis.down, axis.out - 1)
        start = first + (shift // common * inverse - first) % step
        total += max(last - start, -1) // step + 1 if last >= start else 0
    return total


def cost(spec: Spec, kind: str, batch: int, cin: int, cout: int, dtype: Any) -> tuple[int, int]:
    """(multiply-adds, bytes) = (B * prod(reads) * cin*cout/groups, itemsize * (|x| + |taps| + |y|)).

    The same for F, T and W, which read and write the same three arrays; `kind` is "F", "T" or "W". Scalar taps count
    one product per channel.

    >>> cost(Spec((Axis(size=8, window=4, down=2, lo=1, hi=1),)), "F", 1, 3, 5, "float32")
    (210, 416)
    """
    if kind not in ("F", "T", "W"):
        raise ValueError(f"cost: kind must be 'F', 'T' or 'W', got {kind!r}")
    pairs = cin if spec.groups is None else cin * cout // spec.groups
    products = batch * math.prod(reads(a) for a in spec.axes) * pairs
    x, y = math.prod(spec.size) * cin, math.prod(spec.out) * (cin if spec.groups is None else cout)
    taps = math.prod(spec.window) * (1 if spec.groups is None else pairs)
    return products, np.dtype(dtype).itemsize * (batch * (x + y) + taps)
