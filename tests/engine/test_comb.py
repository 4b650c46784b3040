"""Polyphase geometry against its definition."""

import random

import numpy as np
import pytest

from deconvjax.axis import Axis
from deconvjax.engine.comb import comb
from tests.engine.oracle import random_axis


def spread(axis, skip, phases):
    """Samples from the first to the last that the combs of one position read, one after the other."""
    reads = [
        ((r - skip) * axis.down + j * axis.dilation - axis.lo) // axis.up
        for r in range(phases)
        for j in range(axis.window)
        if ((r - skip) * axis.down + j * axis.dilation - axis.lo) % axis.up == 0
    ]
    return max(reads) - min(reads) if reads else 0


def test_the_skip_is_the_first_of_the_narrowest():
    r, chosen = random.Random(0), set()
    for _ in range(1500):
        axis = random_axis(r, size=9, window=9, dilation=5, up=7, down=5, pad=9)
        c = comb(axis)
        spreads = [spread(axis, skip, c.phases) for skip in range(c.phases)]
        assert c.skip == spreads.index(min(spreads)), axis
        assert comb(axis, aligned=True).skip == 0
        chosen.add(c.skip)
    assert len(chosen) > 4


def test_hundreds_of_combs_are_found_at_once():
    """Of 512 combs every skip is compared, and this ends."""
    c = comb(Axis(size=2000, window=20_000, up=512, down=147, lo=9000, hi=9000))
    assert c.phases == 512 and c.out == len(range(0, 512 * 1999 + 1 + 18_000 - 20_000 + 1, 147))


def test_no_skip_of_hundreds_is_narrower():
    axis = Axis(size=2000, window=600, up=512, down=147, lo=300, hi=300)
    c = comb(axis)
    narrowest = spread(axis, c.skip, c.phases)
    assert all(spread(axis, skip, c.phases) >= narrowest for skip in (0, 1, 100, 255, 256, 510, 511))


@pytest.mark.parametrize("down", [1, 2, 3, 8])
def test_transposed_combs_are_the_taps_in_order(down):
    """Of every window and padding: they are padded and turned, not gathered; not those of a spread window."""
    for window in range(1, 3 * down + 2):
        for lo in range(window):
            for aligned in (False, True):
                c = comb(Axis(64, window, down=down, lo=lo, hi=window).normal.T, aligned)
                assert c.first is not None
                order = c.first + np.arange(c.width * c.phases).reshape(c.width, c.phases)[:, ::-1]
                np.testing.assert_array_equal(np.where((order >= 0) & (order < window), order, -1), c.table)
    assert comb(Axis(64, 3, down=4, dilation=3).normal.T).first is None
