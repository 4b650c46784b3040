"""`col2im`: few results of many channels by one product of all samples: which layers, which numbers, what is copied."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconvjax import engine
from deconvjax.axis import Axis
from deconvjax.engine import Spec, choice, col2im, onednn
from tests.engine.maps import ORACLES
from tests.engine.test_onednn import needs_onednn

SAME = Spec((Axis(24, 3, lo=1, hi=1),) * 2)
DOUBLED = Spec((Axis(32, 4, down=2, lo=1, hi=1),) * 2)  # transposed: 4 x 4 taps, twice as large
SPACE = Spec((Axis(16, 3, down=2, lo=0, hi=1), Axis(12, 3, down=2, lo=0, hi=1), Axis(8, 3, down=2, lo=0, hi=1)))
DILATED = Spec((Axis(40, 5, dilation=3, lo=6, hi=6),))
CROPPED = Spec((Axis(20, 3, lo=-2, hi=1), Axis(9, 5, lo=4, hi=-1)))
HEADS = [("F", SAME, 64, 1), ("T", DOUBLED, 64, 3), ("T", SPACE, 48, 1), ("F", DILATED, 40, 2), ("F", CROPPED, 33, 2)]


def drawn(kind, spec, cin, cout, dtype=np.float32):
    """Operands of F, or of T, with `cin` channels going in, and the map."""
    r = np.random.default_rng(0)
    size, channels = (spec.size, (cin, cout)) if kind == "F" else (spec.out, (cout, cin))
    x, k = r.standard_normal((2, *size, cin)), r.standard_normal((*spec.window, *channels))
    run = engine.stage if kind == "F" else engine.transpose
    return x.astype(dtype), k.astype(dtype), lambda x, k: run(x, k, spec)


@pytest.mark.parametrize("strategy", ["col2im", "library", None])
@pytest.mark.parametrize(("kind", "spec", "cin", "cout"), HEADS)
def test_numbers(kind, spec, cin, cout, strategy):
    """|error| <= 4 eps sum|k||x|, term by term."""
    x, k, run = drawn(kind, spec, cin, cout)
    with engine.strategy(strategy):
        got = jax.jit(run)(x, k)
    wide = [a.astype(np.float64) for a in (x, k)]
    bound = 4 * np.finfo(np.float32).eps * ORACLES[kind](*map(abs, wide), spec)
    assert (abs(got - ORACLES[kind](*wide, spec)) <= bound).all()


@pytest.mark.parametrize(("kind", "spec", "cin", "cout"), HEADS)
def test_chosen(kind, spec, cin, cout):
    """Without oneDNN's convolution too, and for float64."""
    shape = (4, *spec.size, cin if kind == "F" else cout)
    out = cout if kind == "F" else cin
    assert choice.choose(spec, kind, shape, "float64", channels_out=out) == "col2im"
    large = (4 * 64, *shape[1:])
    assert choice.choose(spec, kind, large, "float32", channels_out=out) == ("col2im", "library")[onednn.available()]
    assert choice.choose(spec, kind, shape, "float32", "cuda", channels_out=out) != "col2im"


@needs_onednn
def test_few_results_of_small_layers():
    """Where a convolution multiplies no more it is left to oneDNN, but for a few samples, whose product XLA fuses."""
    small, patches = Spec((Axis(48, 4, down=2, lo=1, hi=1),) * 2), Spec((Axis(48, 2, down=2),) * 2)
    assert not col2im.cheaper(small.T, 16, 3)
    for spec, batch, cout, strategy in ((small, 2, 3, "col2im"), (small, 8, 3, "library"), (patches, 2, 3, "library")):
        assert choice.choose(spec, "T", (batch, 48, 48, cout), "float32", channels_out=16) == strategy


def test_not_chosen():
    """Many results, or many numbers between the product and the sums."""
    assert not col2im.cheaper(SAME, 64, 64)
    assert not col2im.cheaper(SAME, 16, 16)
    assert not col2im.cheaper(Spec((Axis(64, 3, down=2, lo=0, hi=1),) * 2).T, 64, 64)
    assert not col2im.cheaper(Spec((Axis(8, 7, lo=3, hi=3),) * 2), 16, 2)
    assert not col2im.fits(Spec((Axis(1000, 200),)))
    assert not col2im.fits(DOUBLED)
    assert not col2im.fits(Spec((Axis(24, 3),), 2))


def compiled(strategy, kind, spec, cin, cout):
    x, k, run = drawn(kind, spec, cin, cout)
    with engine.strategy(strategy):
        return jax.jit(run).lower(x, k).compile()


@needs_onednn
@pytest.mark.parametrize(("strategy", "found"), [("col2im", "f32[384,27]"), ("library", "f32[2,9,7,5,27]")])
def test_no_tap_is_multiplied_that_does_not_exist(strategy, found):
    """3 x 3 x 3 taps, not the 64 places of 8 combs by 8 samples; the call pads its result by itself."""
    text = compiled(strategy, "T", SPACE, 48, 1).as_text()
    assert found in text
    assert ("pad(" in text) == (strategy == "col2im")


@needs_onednn
def test_x_is_not_copied():
    """jax#31662: 64 channels to one, 3 x 3 x 3, twice as large."""
    spec = Spec(tuple(Axis(2 * n, 3, down=2, lo=0, hi=1) for n in (64, 64, 32)))
    x, k = jax.ShapeDtypeStruct((1, 64, 64, 32, 64), jnp.float32), jax.ShapeDtypeStruct((3, 3, 3, 1, 64), jnp.float32)
    held = jax.jit(lambda x, k: engine.transpose(x, k, spec)).lower(x, k).compile().memory_analysis()
    assert held.temp_size_in_bytes < 0.6 * (held.argument_size_in_bytes + held.output_size_in_bytes)
