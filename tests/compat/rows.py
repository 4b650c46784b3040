"""The harness of the row tests: draws, what the library computes from a resolver's word, and the comparison."""

import itertools
import random

import numpy as np
import pytest

from deconvjax.compat.resolve import Periodic
from deconvjax.errors import ShapeError
from tests.compat.oracles import run_stage, window_of

LIMIT = 2000
SPACE = list(itertools.product(range(1, 8), range(1, 6), range(1, 5), range(1, 4)))  # i, k, s, d


def draws(row):
    """i, k, s, d in random order, each combination before any is repeated; and the generator for the rest."""
    rng = random.Random(row)
    while True:
        order = list(SPACE)
        rng.shuffle(order)
        for i, k, s, d in order:
            yield rng, i, k, s, d


def data(rng, i, k):
    """Random integers: an asymmetric kernel is the rule, not the exception."""
    return (np.array([rng.randint(-9, 9) for _ in range(n)]) for n in (i, k))


def compute(placed, x, w, flip):
    """What the library computes from what a resolver said."""
    taps = w[::-1] if flip else w
    if not isinstance(placed, Periodic):
        return run_stage(placed, x, taps)
    x = np.pad(x, placed.before, mode="wrap")
    y = run_stage(placed.axis, x, taps)
    lo, hi = placed.after
    core = y[lo: len(y) - hi].copy()
    for n, value in itertools.chain(enumerate(y[:lo], -lo), enumerate(y[len(y) - hi:], len(core))):
        core[n % len(core)] += value
    return core


def check(row, case):
    """`case` gives (resolver, arguments, flip, expected) or None for a draw that the framework does not accept."""
    done = refused = 0
    for rng, i, k, s, d in draws(row):
        x, w = data(rng, i, k)
        found = case(rng, i, k, s, d, x, w)
        if found is None:
            continue
        resolver, arguments, flip, want = found
        where = f"row {row}: i={i} k={k} {arguments}"
        if len(want) < 1:
            refused += 1
            with pytest.raises(ShapeError):
                resolver(i, k, **arguments)
            continue
        placed = resolver(i, k, **arguments)
        assert placed.out == len(want), f"{where}: {placed.out} samples, expected {len(want)}"
        got = compute(placed, x, w, flip)
        assert np.array_equal(got, want), f"{where}: {got}, expected {want}"
        done += 1
        if done == LIMIT:
            return refused


def explicit(x, w, s, d, a, b):
    """Correlate the stuffed, padded input with the stuffed kernel."""
    stuffed = np.zeros((len(x) - 1) * s + 1, int)
    stuffed[::s] = x
    kernel = np.zeros((len(w) - 1) * d + 1, int)
    kernel[::d] = w
    padded = window_of(stuffed, -a, max(len(stuffed) + a + b, 0))
    return np.correlate(padded, kernel, "valid") if len(padded) >= len(kernel) else np.zeros(0, int)
