"""Random bound chains in integers: 1-3 axes, channels and groups, every rate, window, dilation, phase and border."""

import jax
import numpy as np

from deconvjax.algebra import BlockDiagonal, Cast, Chain, Identity, Row, Scaled, Stack, Sum, Zero
from deconvjax.axis import Rate
from deconvjax.errors import ShapeError
from deconvjax.leaves.diagonal import Diagonal
from deconvjax.leaves.extend import Extend
from deconvjax.leaves.reindex import Reindex, shuffle
from deconvjax.leaves.stage import Stage
from deconvjax.space import Space
from tests.random_maps import LARGEST, MOST, random_map


def random_chain(rng, longest=6):
    """The maps of a chain, outermost first, each bound to what the one behind it gives."""
    family = rng.choice(
        [_mixed, _pulses, _channels, _circular, _tuples, _casts, _separable, _borders, _across_rates, _weights],
        p=[0.3, 0.15, 0.14, 0.08, 0.09, 0.06, 0.03, 0.04, 0.09, 0.02])
    return family(rng, longest)


def _mixed(rng, longest):
    ndim = int(rng.choice([1, 1, 1, 2, 2, 3]))
    channels = bool(rng.random() < 0.4)
    top = {1: LARGEST, 2: 5, 3: 3}[ndim]
    shape = tuple(int(n) for n in rng.integers(1, top + 1, ndim)) + ((int(rng.choice([1, 2, 4])),) if channels else ())
    return _grow(rng, _space(shape), longest, lambda space: random_map(rng, space, ndim, channels))


def _grow(rng, space, longest, draw):
    """Maps put in front of each other until there are enough; draws that do not fit are left out."""
    maps = []
    for _ in range(int(rng.integers(1, longest + 1))):
        part = draw(space)
        if part is not None:
            maps.insert(0, part)
            space = part.codomain
    return tuple(maps) or (Identity().on(space),)


def _space(shape, dtype=np.int64):
    return jax.ShapeDtypeStruct(tuple(map(int, shape)), dtype)


def _bound(part, space):
    """`part` on `space`, or None where it does not fit or grows too large."""
    try:
        bound = part.on(space)
    except ShapeError:
        return None
    return bound if bound._codomain().size <= MOST else None


def _pulses(rng, longest):
    """Rates and windows as the vocabulary writes them."""
    def draw(space):
        k, offset = int(rng.integers(1, 5)), int(rng.integers(-2, 3))
        kinds = {"up": Rate(up=k, hi=k - 1), "down": Rate(down=k, lo=-int(rng.integers(0, k))),
                 "pad": Rate(lo=int(rng.integers(0, 3)), hi=int(rng.integers(0, 3))),
                 "crop": Rate(lo=-int(rng.integers(0, 2)), hi=-int(rng.integers(0, 2))),
                 "shift": Rate(lo=offset, hi=-offset)}
        if rng.random() < 0.25:  # a sample cropped by one rate change, zeros put in its place by the next
            up, down = (k, 1) if rng.random() < 0.6 else (1, k)
            crop = Rate(up, down, 1, -k, 0)
            pad = Rate(up, down, 1, (k * k if up > 1 else 1) + int(rng.integers(0, 2)) * down, up - 1)
            both = _bound(Chain((Stage(None, (pad,), (-1,)), Stage(None, (crop,), (-1,)))), space)
            return both
        rate = kinds[str(rng.choice(list(kinds), p=[0.36, 0.4, 0.08, 0.08, 0.08]))]
        if rng.random() < 0.5:  # windows of any kind around it
            rate = Rate(rate.up, rate.down, 1, int(rng.integers(-2, 4)), int(rng.integers(-2, 4)))
        return _bound(Stage(None, (rate,), (-1,)), space)

    return _grow(rng, _space((int(rng.choice([3, 6, 12, 24, 36])),)), longest, draw)


def _taps(rng, *shape):
    return rng.integers(-2, 3, shape)


def _channels(rng, longest):
    """Sub-pixel convolutions, permutations and their transposes, weights of channels, multiples."""
    def draw(space):
        *size, c = space.shape
        kinds = ["conv", "conv", "conv", "shuffle", "unshuffle", "unshuffle", "back", "weights", "alike"]
        kind = str(rng.choice(kinds))
        order = str(rng.choice(["CRD", "DCR"]))
        if kind == "conv":
            groups = int(rng.choice([g for g in (1, 1, 2) if c % g == 0]))
            cout = int(rng.choice([4, 8, 4 * c]))
            kernel, rate = _taps(rng, int(rng.integers(1, 4)), c // groups, cout), Rate(same="upper")
            if rng.random() < 0.3:
                kernel, rate = kernel[:2], Rate(down=int(rng.integers(1, 3)))
            return _bound(Stage(kernel, (rate,), (-2,), groups), space)
        if kind == "shuffle":
            return _bound(shuffle((int(rng.choice([2, 4])),), order), space)
        if kind == "unshuffle":
            r = int(rng.choice([2, 4]))
            if size[-1] % r:
                return None
            return shuffle((r,), order).on(_space((*size[:-1], size[-1] // r, c * r)))._transpose()
        if kind == "back" and hasattr(draw, "last") and draw.last.codomain == space:
            return draw.last._transpose()
        if kind == "weights":
            shape = [(c,), (1, c), (size[-1], 1)][int(rng.integers(0, 3))]
            return Diagonal(_taps(rng, *shape), True).on(space)
        if kind == "alike":
            q = _taps(rng, 2)
            kernel = q[:, None, None] * np.eye(c, dtype=int)
            if rng.random() < 0.5:
                kernel[0, 0, 0] += 1
            return _bound(Stage(kernel, (Rate(lo=1),), (-2,), 1), space)
        return None

    def remembering(space):
        part = draw(space)
        if isinstance(part, Reindex):
            draw.last = part
        return part

    return _grow(rng, _space((int(rng.integers(2, 7)), int(rng.choice([1, 2, 4])))), longest, remembering)


def _circular(rng, longest):
    """Circular filters, decimated or not, and their transposes."""
    def draw(space):
        n, taps = space.shape[0], int(rng.integers(1, 4))
        k = int(rng.choice([1, 1, 2, 3]))
        wrap = Extend(((taps - 1, int(rng.integers(0, 2))),), (-1,), "wrap")
        if rng.random() < 0.3 and n % k == 0:
            border = wrap.on(space)
            return Chain((Stage(_taps(rng, taps), (Rate(down=k, hi=-wrap.widths[0][1] % k),), (-1,)), border)).on(space)
        if rng.random() < 0.5:
            return _bound(Chain((Stage(_taps(rng, taps), (Rate(down=k),), (-1,)), wrap)), space)
        forward = _bound(Chain((Stage(_taps(rng, taps), (Rate(down=k),), (-1,)), wrap)), _space((n * k,)))
        if forward is None or forward.codomain != space:
            return None
        fold, stage = forward.T.maps
        if rng.random() < 0.4:  # one sample of the filter's output cropped: no longer circular
            rate = stage.rates[0]
            stage = _bound(Stage(stage.taps, (Rate(rate.up, 1, 1, rate.lo - 1, rate.hi + 1),), (-1,), flip=True), space)
            return Chain((fold, stage)).on(space) if stage is not None else None
        return forward.T

    return _grow(rng, _space((int(rng.integers(2, 9)),)), min(longest, 4), draw)


def _tuples(rng, longest):
    """Filter banks: stacks, blocks, rows and sums of small maps, some of them equal."""
    space = _space((int(rng.integers(2, 6)),))

    def same_size(here):
        n, taps = here.shape[0], int(rng.integers(1, 3))
        kind = str(rng.choice(["filter", "filter", "shift", "identity", "zero", "scaled", "chain"]))
        one = {"filter": Stage(_taps(rng, taps), (Rate(lo=taps - 1),), (-1,)), "identity": Identity(), "zero": Zero(),
               "shift": Stage(None, (Rate(lo=1, hi=-1),), (-1,)), "scaled": Scaled(2, Identity())}
        if kind == "chain":
            return Chain((one["filter"], one["shift"])).on(here)
        return one[kind].on(here) if n > 1 or kind != "shift" else Identity().on(here)

    if rng.random() < 0.3:  # no stack: the signal is a pair
        pair = Space.join((Space.of(space), Space.of(space)))
        maps = [BlockDiagonal((same_size(space), same_size(space)), pair) for _ in range(int(rng.integers(1, 4)))]
        if rng.random() < 0.6:
            maps.insert(0, Row((same_size(space), same_size(space)), pair))
        return tuple(maps)
    parts = 2
    stack = Stack(tuple(same_size(space) for _ in range(parts)), Space.of(space))
    maps = [stack]
    for _ in range(int(rng.integers(0, 3))):
        inner = maps[0]._codomain()
        blocks = tuple(same_size(part) for part in inner.tree)
        maps.insert(0, BlockDiagonal(blocks, inner))
    inner = maps[0]._codomain()
    if rng.random() < 0.8:
        maps.insert(0, Row(tuple(same_size(part) for part in inner.tree), inner))
        if rng.random() < 0.6:
            again = [same_size(space) for _ in range(int(rng.integers(1, 4)))]
            maps.insert(0, Sum(tuple(again + again[:int(rng.integers(0, 2))]), Space.of(space)))
    return tuple(maps)


def _borders(rng, longest):
    """Borders on borders."""
    def draw(space):
        widths = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (1, 2)))
        fold = rng.random() < 0.4
        if rng.random() < 0.4:  # zeros where the border is folded
            pad = Stage(None, (Rate(lo=int(rng.integers(0, 3)), hi=int(rng.integers(0, 3))),), (-1,))
            return _bound(Chain((Extend(widths, (-1,), "edge", fold=True), pad)), space)
        mode = str(rng.choice(["edge", "edge", "wrap"]))
        return _bound(Extend(widths, (int(rng.choice([-2, -1])),), mode, fold), space)

    return _grow(rng, _space(rng.integers(3, 6, 2)), longest, draw)


def _across_rates(rng, longest):
    """Filters on stuffed zeros after filters that decimate: the noble identities, whether factors fit or not."""
    def draw(space):
        k, fits = int(rng.integers(2, 4)), int(rng.integers(0, 3))
        if rng.random() < 0.5:
            slow = Stage(_taps(rng, 2) if fits else None, (Rate(down=k, dilation=k if fits else 1),), (-1,))
            return _bound(Chain((Stage(_taps(rng, 2), (Rate(up=k, dilation=k),), (-1,)), slow)), space)
        if rng.random() < 0.5:
            rate = Rate(up=k, dilation=k if fits else 1, hi=k * int(rng.integers(0, 2)))
            return _bound(Stage(_taps(rng, 2), (rate,), (-1,)), space)
        return _bound(Stage(_taps(rng, 2) if fits else None, (Rate(down=k),), (-1,)), space)

    return _grow(rng, _space((int(rng.integers(6, 13)),)), longest, draw)


def _weights(rng, longest):
    """Filters whose every tap meets one sample, between filters that take such weights in, or cannot."""
    def draw(space):
        n = space.shape[0]
        if n == 2 and rng.random() < 0.6:
            dilation = int(rng.integers(1, 4))
            return _bound(Stage(_taps(rng, 2), (Rate(up=dilation + 1, dilation=dilation),), (-1,)), space)
        rate = Rate(dilation=int(rng.integers(1, 3)), down=int(rng.integers(1, 3)))
        return _bound(Stage(_taps(rng, 2), (rate,), (-1,)), space)

    return _grow(rng, _space((int(rng.integers(2, 6)),)), longest, draw)


def _casts(rng, longest):
    """Narrow integers, cast before a filter that may or may not widen them itself; numbers that do not fit taps."""
    if rng.random() < 0.4:
        space = _space((int(rng.integers(2, 7)),))
        narrow = Stage(_taps(rng, 3).astype(np.int32), (Rate(lo=1),), (-1,), weak=False)
        scalar = np.int64(rng.integers(2, 4)) if rng.random() < 0.7 else 2
        return (Scaled(scalar, Identity()).on(narrow.on(space).codomain), narrow.on(space))
    space = _space((int(rng.integers(2, 7)),), np.int32)
    target = Space.of(_space(space.shape, rng.choice([np.int32, np.int64])))
    stage = Stage(_taps(rng, 2), (Rate(lo=int(rng.integers(0, 2))),), (-1,), weak=bool(rng.random() < 0.5))
    cast = Cast(target, Space.of(space))
    return (stage.on(cast.codomain), cast)


def _separable(rng, longest):
    """Windows of rank one, large enough that two passes are cheaper, and filters that are not."""
    def draw(space):
        window = [int(n) for n in rng.integers(3, 5, 2)]
        taps = np.outer(_taps(rng, window[0]), _taps(rng, window[1]))
        if rng.random() < 0.3:
            taps = _taps(rng, *window)
        rates = tuple(Rate(down=int(rng.choice([1, 1, 2])), lo=n // 2, hi=(n - 1) // 2) for n in window)
        return _bound(Stage(taps, rates, (-2, -1)), space)

    return _grow(rng, _space(rng.integers(5, 9, 2)), min(longest, 2), draw)


def bracketed(rng, maps, simplify):
    """The chain of `maps` with random brackets, each bracket simplified on its own before it is put into the next."""
    if len(maps) == 1:
        return maps[0]
    cut = int(rng.integers(1, len(maps)))
    left, right = (bracketed(rng, part, simplify) for part in (maps[:cut], maps[cut:]))
    whole = Chain((left, right), right.space)
    return simplify(whole) if rng.random() < 0.7 else whole
