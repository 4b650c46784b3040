"""cost, explain and sparse: numbers against counting, text against what ran, triplets against the matrix."""

import html.parser
import time
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax.algebra import Chain
from deconvjax.axis import Rate
from deconvjax.leaves.reindex import REST, Reindex
from deconvjax.leaves.stage import Stage
from deconvjax.read.text import alignments
from deconvjax.rewrite import Work, work
from tests.numpy_eval import matrix
from tests.random_chains import random_chain
from tests.tolerance import assert_close

RNG = np.random.default_rng(5)


# ---- cost -----------------------------------------------------------------------------------------------------------
def test_multiply_adds_are_the_products_with_samples():
    """For taps without zeros they are the non-zero entries of the matrix of positions, channels included."""
    checked = 0
    for number in range(900):
        for part in random_chain(np.random.default_rng([1, number])):
            if not isinstance(part, Stage) or part.taps is None:
                continue
            ones = Stage(np.ones_like(part.taps), part.rates, part.axes, part.groups, part.flip).on(part.domain)
            shared = matrix(ones)  # a sample that meets two taps in one output counts twice: rates keep them apart
            assert work(part).multiply_adds == shared.sum(), part
            checked += 1
    assert checked > 500


def test_bytes_are_samples_read_taps_and_all_that_is_written():
    a = dj.convolve(np.ones(5), "valid").on((100,))
    assert a.cost().planned == Work(96 * 5, 4 * (100 + 5 + 96))
    b = dj.upsample(4).on(jax.ShapeDtypeStruct((10,), jnp.bfloat16))
    assert b.cost().bytes == 2 * (10 + 40) and b.cost().multiply_adds == 0
    c = (dj.downsample(2) @ dj.convolve(np.ones(4), "valid")).on((101,))
    assert c.cost().written.multiply_adds == 98 * 4 and c.cost().multiply_adds == 49 * 4
    assert dj.identity.on((8,)).cost().planned == Work()


def test_cost_needs_a_bound_map():
    for ask in ("cost", "explain", "sparse"):
        with pytest.raises(dj.UnboundError, match=ask):
            getattr(dj.upsample(2), ask)()


# ---- explain --------------------------------------------------------------------------------------------------------
def test_explain_says_what_was_what_fired_and_what_runs():
    a = (dj.downsample(2) @ dj.convolve([1, 2, 1]) @ (3 * dj.upsample(3))).on((20,))
    told = a.explain()
    text = str(told)
    assert repr(told) == text and told.written and told.planned and told.fired
    for part in (*a.maps, a.plan()):
        assert part._label() in text
    assert "float32[60]" in text and "float32[30]" in text
    assert f"{a.cost().written.multiply_adds:,} multiply-adds" in text
    assert f"{a.cost().multiply_adds:,} multiply-adds, {a.cost().bytes:,} bytes" in text
    for firing in told.fired:
        assert firing.law.name in text and firing.law.equation in text and firing.before in text
    assert told.planned[0][4] and told.planned[0][5] == "2n/3"
    assert "none: it runs as written" in str(dj.convolve([1, 2, 1]).on((9,)).explain())
    bank = dj.stack([dj.downsample(2), dj.identity]).on((8,)).explain()
    assert "stack" in str(bank) and "  downsample(2)" in str(bank)


def test_explain_has_an_html_form():
    told = (dj.downsample(2) @ dj.convolve([1, 2, 1])).on((20,)).explain()

    class Reader(html.parser.HTMLParser):
        open_tags, text, tables = [], "", 0

        def handle_starttag(self, tag, attrs):
            self.tables += tag == "table"
            if tag != "br":
                self.open_tags.append(tag)

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

        def handle_data(self, data):
            self.text += data

    reader = Reader()
    reader.feed(told._repr_html_())
    assert not reader.open_tags and reader.tables == 2
    for cell in (cell for line in (*told.written, *told.planned) for cell in line):
        assert cell in reader.text
    assert "<downsample(2) @ convolve(3 taps)" in reader.text and told.fired[0].law.equation in reader.text


def test_alignment_of_a_chain_is_composed():
    """Where interpolation keeps straight lines, output n shows the coordinate on which it is said to be centred."""
    for a in (dj.convolve(dj.filters.bilinear(4)) @ dj.upsample(4), dj.downsample(3) @ dj.convolve([1, 2, 1]),
              dj.convolve(dj.filters.bilinear(3), "full") @ dj.upsample(3) @ dj.pad((1, 1), "edge")):  # fmt: skip
        bound = a.on((12,))
        (scale, offset), = alignments(bound).values()
        row = bound.codomain.shape[0] // 2
        weights = matrix(bound)[row]
        assert float(scale * row + offset) == pytest.approx(weights @ np.arange(12) / weights.sum())


def test_alignment_follows_axes_through_permutations():
    """Channels first, (C, H, W): an axis of the output is the one of the input that it comes from."""
    last = Reindex(((REST,),) * 3, (1, 2, 0), (1, 1, 1))
    layer = dj.conv(np.ones((3, 5, 2, 4)), strides=(2, 3), padding="VALID")
    bound = (Reindex(((REST,),) * 3, (2, 0, 1), (1, 1, 1)) @ layer @ last).on((2, 15, 20))
    assert bound.codomain.shape == (4, 7, 6)
    assert alignments(bound) == {-2: (Fraction(2), Fraction(1)), -1: (Fraction(3), Fraction(2))}
    batch = Reindex(((REST,), (REST,)), (0, 1), (2,)) @ dj.downsample(2, axes=-3)  # the last two joined: -3 is now -2
    assert alignments(batch.on((8, 3, 5))) == {-2: (Fraction(2), Fraction(0))}
    assert alignments((Reindex(((REST,), (REST,)), (0, 1), (2,)) @ dj.downsample((2, 2))).on((8, 6))) == {}


def test_alignment_of_pixel_shuffles_is_that_of_their_kernels():
    conv, shuffle = dj.conv(np.ones((3, 3, 2, 8))), dj.pixel_shuffle(2)
    bound = (shuffle @ conv).on((4, 6, 2))
    merged = Stage(np.ones((6, 6, 2, 2)), (Rate(up=2, lo=3, hi=3),) * 2, (-3, -2), 1)  # sub-pixel convolution as one
    assert alignments(bound) == alignments(merged.on((4, 6, 2))) and merged.on((4, 6, 2)).codomain == bound.codomain
    back = (dj.pixel_unshuffle(2) @ shuffle @ conv).on((4, 6, 2))
    assert alignments(back) == alignments(conv.on((4, 6, 2)))


# ---- sparse ---------------------------------------------------------------------------------------------------------
def dense(m):
    """BCOO as NumPy, without compiling anything."""
    out = np.zeros(m.shape, np.asarray(m.data).dtype)
    indices = np.asarray(m.indices)
    assert len({tuple(pair) for pair in indices}) == m.nse, "one entry for each place"
    out[indices[:, 0], indices[:, 1]] = np.asarray(m.data)
    return out


def test_sparse_is_the_matrix_and_stores_its_non_zeros():
    for number in range(300):
        maps = random_chain(np.random.default_rng([2, number]))
        a = Chain(maps, maps[-1].space)
        want, m = matrix(a), a.sparse()
        assert m.shape == want.shape and (dense(m) == want).all(), a
        assert m.nse == np.count_nonzero(want), a


@pytest.mark.parametrize("a", [
    dj.resize(2, axes=(-3, -2)), dj.resize(3, "cubic", border="edge", axes=-2), dj.average_pool(2, 2, "SAME"),
    dj.pixel_shuffle(2), dj.conv(RNG.normal(size=(3, 3, 2, 8)), groups=2, padding="CIRCULAR"),
    dj.conv_transpose(jnp.asarray(RNG.normal(size=(3, 3, 2, 4))), strides=2),
    dj.reassemble(RNG.normal(size=(10, 12, 3, 3, 2)), 2, groups=2),
    dj.reassemble(jnp.asarray(RNG.normal(size=(10, 12, 3, 3, 2))), 2, groups=2).on((5, 6, 4)).T,
    dj.diagonal(RNG.normal(size=(6, 1))), dj.convolve([1j, 2, 3 - 1j], axes=-2),
], ids=str)  # fmt: skip
def test_sparse_of_every_leaf(a):
    bound = a if a.is_bound else a.on(jax.ShapeDtypeStruct((5, 6, 4), np.float64))
    assert_close(dense(bound.sparse()), np.asarray(bound.matrix()), units=64)
    assert bound.sparse().dtype == bound.codomain.dtype


def test_sparse_of_unpooling_and_of_an_opaque_map():
    x = jnp.asarray(RNG.normal(size=(3, 4, 6, 2)))
    y, switches = dj.max_pool_switches(x, (2, 2), 2)
    up = dj.unpool(switches, (4, 6)).on(y)
    assert_close(dense(up.T.sparse()) @ np.asarray(x).ravel(), np.asarray(y).ravel())
    assert (dense(up.sparse()) == dense(up.T.sparse()).T).all()
    a = dj.linear_map(lambda v: jnp.cumsum(v) - v, jax.ShapeDtypeStruct((5,), np.float64))
    assert_close(dense(a.sparse()), np.tril(np.ones((5, 5)), -1))


def test_sparse_taps_may_be_traced():
    x = jnp.asarray(RNG.normal(size=8))

    def loss(q):
        return jnp.sum((dj.downsample(2) @ dj.convolve(q)).on(x).sparse() @ x)

    want = jax.grad(lambda q: jnp.sum((dj.downsample(2) @ dj.convolve(q))(x)))(jnp.ones(3))
    assert_close(jax.grad(loss)(jnp.ones(3)), want, units=16)


def test_sparse_of_a_million_samples_takes_seconds():
    start = time.process_time()
    m = dj.convolve(np.arange(1.0, 10.0)).on((10**6,)).sparse()
    assert m.nse == 9 * 10**6 - 20 and m.shape == (10**6, 10**6)
    assert time.process_time() - start < 20
