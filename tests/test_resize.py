"""resize: the loops' matrix for every method, border and factor; jax.image.resize to the last sample of the border."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax import filters
from deconvjax.check import oracle
from tests import numpy_eval
from tests.tolerance import assert_close

QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
METHODS = ("nearest", "bilinear", "cubic", "lanczos3", "area")
BORDERS = ("renormalize", "edge", "zero")
FACTORS = [Fraction(up, down) for up in range(1, 8) for down in range(1, 8) if np.gcd(up, down) == 1] + [16, 33]


def f64(*shape):
    return jax.ShapeDtypeStruct(shape, np.float64)


@pytest.mark.parametrize("method", METHODS)
def test_every_factor_size_and_border_is_the_matrix_of_the_loops(method):
    count = 0
    for factor in FACTORS:
        for n in (1, 2, 3, 4, 5, 7, 10):
            if n * factor < 1:
                continue
            for border in BORDERS:
                bound = dj.resize(factor, method, border=border, axes=-1).on(f64(n))
                want = oracle.resize(np.eye(n), factor, method, border=border).T
                got = numpy_eval.matrix(bound)
                assert bound.codomain.shape == (int(n * factor),)
                assert got.shape == want.shape, (factor, n, border)
                assert np.abs(got - want).max() < 1e-13, (factor, n, border)
                count += 1
    assert count > 600


def test_the_parameter_of_keys():
    for a in (-0.5, -0.75, -1, 0):
        for factor in (3, Fraction(2, 3), Fraction(1, 2)):
            got = numpy_eval.matrix(dj.resize(factor, "cubic", border="edge", axes=-1, a=a).on(f64(6)))
            assert_close(got, oracle.resize(np.eye(6), factor, "cubic", border="edge", a=a).T)


# What jax.image.resize calls its methods, and ours.
JAX = {"nearest": "nearest", "linear": "bilinear", "cubic": "cubic", "lanczos3": "lanczos3", "area": "area"}
SIZES = [(1, 5), (2, 4), (2, 7), (3, 2), (4, 9), (5, 5), (5, 3), (6, 1), (7, 14), (8, 12), (9, 4), (12, 7), (16, 5)]


@pytest.mark.parametrize("antialias", [False, True])
def test_renormalised_borders_equal_jax_image_resize_everywhere(antialias):
    rng = np.random.default_rng(3)
    xs = [rng.standard_normal((n, 2)) for n, _ in SIZES]

    def ours(xs):
        return [dj.resize(Fraction(m, n), method, axes=-2, antialias=antialias)(x)
                for x, (n, m) in zip(xs, SIZES, strict=True) for method in JAX.values()]

    def theirs(xs):
        return [jax.image.resize(x, (m, 2), method, antialias=antialias)
                for x, (n, m) in zip(xs, SIZES, strict=True) for method in JAX]

    got = jax.jit(ours).lower(xs).compile(QUICK)(xs)
    want = jax.jit(theirs).lower(xs).compile(QUICK)(xs)
    assert len(got) == 5 * len(SIZES)
    for each, wanted in zip(got, want, strict=True):
        assert_close(each, wanted, units=64)


def test_images_volumes_and_the_transpose_against_jax():
    rng = np.random.default_rng(5)
    image = rng.standard_normal((2, 6, 5, 3)).astype(np.float32)
    for factor, shape in (((2, Fraction(3, 5)), (12, 3)), ((Fraction(1, 3), 1), (2, 5))):
        want = jax.image.resize(image, (2, *shape, 3), "cubic", antialias=False)
        assert_close(dj.resize(factor, "cubic", axes=(-3, -2))(image), want, units=32)
    volume = rng.standard_normal((2, 3, 4))
    resize = dj.resize((2, Fraction(2, 3), Fraction(1, 2)), axes=(-3, -2, -1))
    assert_close(resize(volume), jax.image.resize(volume, (4, 2, 2), "linear", antialias=False), units=32)
    bound = resize.on(volume)
    y = rng.standard_normal((4, 2, 2))
    stock = jax.linear_transpose(lambda v: jax.image.resize(v, (4, 2, 2), "linear", antialias=False), f64(2, 3, 4))
    assert_close(bound.T(y), stock(y)[0], units=32)
    assert_close(bound.T(y), jax.linear_transpose(resize, f64(2, 3, 4))(y)[0])


def test_a_size_the_factor_does_not_divide_keeps_the_factor():
    """floor(n*factor) samples at the spacing asked for, not at n_out/n: torch's scale_factor rule."""
    xs = [np.random.default_rng(n).standard_normal(n) for n in (4, 5, 7)]
    scale = jax.image.scale_and_translate

    def theirs(xs):
        return [scale(x, (2 * x.size // 3,), (0,), jnp.array([2 / 3]), jnp.zeros(1), "linear", antialias=False)
                for x in xs]

    want = jax.jit(theirs).lower(xs).compile(QUICK)(xs)
    got = jax.jit(lambda xs: [dj.resize(Fraction(2, 3), axes=-1)(x) for x in xs]).lower(xs).compile(QUICK)(xs)
    for each, wanted in zip(got, want, strict=True):
        assert_close(each, wanted, units=64)


def test_it_is_one_stage_for_each_axis_with_the_filters_taps():
    for f in (2, 3, 4, 8, 15, 32):
        for method, taps in (("nearest", filters.nearest), ("bilinear", filters.bilinear), ("cubic", filters.cubic),
                             ("lanczos3", filters.lanczos)):
            stage = dj.resize(f, method, border="zero", axes=-1).on((9,))
            (geometry,) = stage.geometry
            assert (geometry.up, geometry.down, geometry.out) == (f, 1, 9 * f)
            assert_close(np.trim_zeros(np.asarray(stage.taps, float)), np.trim_zeros(taps(f)))
    (geometry,) = dj.resize(Fraction(2, 3), border="zero", axes=-1).on((9,)).geometry
    assert (geometry.up, geometry.down, geometry.out) == (2, 3, 6)
    assert repr(dj.resize(Fraction(1, 3), "nearest", axes=-1)) == "<downsample(3, phase=1)>"
    assert dj.resize(1, "nearest", axes=(-3, -2)) == dj.identity


def test_values_that_can_be_read():
    assert numpy_eval.matrix(dj.resize(2, axes=-1).on(f64(3))).tolist() == [
        [1, 0, 0], [0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0.75, 0.25], [0, 0.25, 0.75], [0, 0, 1]]
    assert numpy_eval.matrix(dj.resize(2, border="zero", axes=-1).on(f64(2))).tolist() == [
        [0.75, 0], [0.75, 0.25], [0.25, 0.75], [0, 0.75]]
    assert numpy_eval.matrix(dj.resize(Fraction(3, 2), "nearest", axes=-1).on(f64(2))).tolist() == [
        [1, 0], [0, 1], [0, 1]]  # (n + 1/2)*2/3 = 1/3, 1, 5/3
    assert numpy_eval.matrix(dj.resize(Fraction(1, 2), axes=-1).on(f64(4))).tolist() == [
        [0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]
    area = numpy_eval.matrix(dj.resize(Fraction(2, 3), "area", axes=-1).on(f64(3)))
    assert_close(area, np.array([[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]]))
    # torch.nn.functional.interpolate([1, 2, 4], scale_factor=2, mode="bicubic"), rows of a constant image
    cubic = dj.resize(2, "cubic", border="edge", a=-0.75, axes=-1)(jnp.array([1.0, 2.0, 4.0]))
    assert cubic.tolist() == [0.89453125, 1.15625, 1.5625, 2.55859375, 3.58203125, 4.2109375]


def test_dtypes():
    for dtype in (jnp.int32, jnp.uint8, jnp.bfloat16, jnp.float16, jnp.float32, jnp.complex64):
        x = jnp.arange(5).astype(dtype)
        assert dj.resize(Fraction(7, 5), "nearest", axes=-1)(x).dtype == dtype
        assert dj.resize(2, axes=-1)(x).dtype == jnp.result_type(dtype, 1.0)
        assert dj.resize(1, axes=-1)(x).dtype == jnp.result_type(dtype, 1.0)
    assert dj.resize(Fraction(7, 5), "nearest", axes=-1)(np.arange(5)).tolist() == [0, 1, 1, 2, 3, 3, 4]
    assert_close(dj.resize(2, "cubic", axes=-1)(jnp.full(6, 3, jnp.bfloat16)), jnp.full(12, 3, jnp.bfloat16), units=1)


def test_it_goes_through_jit_as_an_argument_and_along_other_axes():
    x = np.random.default_rng(0).standard_normal((4, 6))
    a = dj.resize(Fraction(3, 2), "cubic", axes=-1)
    assert_close(jax.jit(lambda a, x: a(x))(a, x), a(x), units=64)  # taps traced: the row sums are traced too
    assert_close(a.along(-2)(x), a(x.T).T)
    edge = dj.resize(Fraction(3, 2), "cubic", border="edge", axes=-1)
    assert_close(edge.along(-2)(x), edge(x.T).T)
    both = dj.resize((2, Fraction(1, 2)), axes=(-2, -1))
    assert_close(both(x), dj.resize((Fraction(1, 2), 2), axes=(-1, -2))(x))
    assert_close(both.along((-1, -2))(x), both(x.T).T)


def test_constants_stay_constant_and_straight_lines_straight():
    for method in METHODS:
        for factor in (2, 3, Fraction(5, 3), Fraction(3, 4), Fraction(1, 2)):
            for antialias in (False, True):
                for border in ("renormalize", "edge"):
                    a = dj.resize(factor, method, border=border, axes=-1, antialias=antialias).on(f64(12))
                    assert_close(numpy_eval.matrix(a).sum(1), np.ones(a.codomain.shape))
    line = np.arange(40.0)
    for method in ("bilinear", "cubic"):
        a = numpy_eval.matrix(dj.resize(Fraction(4, 3), method, axes=-1).on(f64(40)))
        want = (np.arange(53) + 0.5) * 3 / 4 - 0.5
        assert_close((a @ line)[6:-6], want[6:-6])


BAD = [
    (lambda: dj.resize(1.5, axes=-1), TypeError, r"resize: factor must be exact.*got 1\.5.*Fraction\(3, 2\)"),
    (lambda: dj.resize(float("nan"), axes=-1), TypeError, "factor must be exact"),
    (lambda: dj.resize(0, axes=-1), ValueError, "resize: factor must be positive; got 0"),
    (lambda: dj.resize(Fraction(-1, 2), axes=-1), ValueError, "factor must be positive; got -1/2"),
    (lambda: dj.resize(True, axes=-1), TypeError, "factor must be an integer"),
    (lambda: dj.resize("2", axes=-1), TypeError, "factor must be an integer"),
    (lambda: dj.resize((2, 2, 2), axes=(-2, -1)), dj.ShapeError, "factor and axes do not go together"),
    (lambda: dj.resize((), axes=()), dj.ShapeError, "resize"),
    (lambda: dj.resize(2, axes=0), dj.ShapeError, "axes count from the end"),
    (lambda: dj.resize(2, axes=(-1, -1)), dj.ShapeError, "axes are repeated"),
    (lambda: dj.resize(2, "linear", axes=-1), ValueError, "resize: unknown method; got 'linear'.*bilinear"),
    (lambda: dj.resize(2, 3, axes=-1), TypeError, "resize: unknown method"),
    (lambda: dj.resize(2, axes=-1, border="clamp"), ValueError, "resize: unknown border; got 'clamp'.*renormalize"),
    (lambda: dj.resize(2, axes=-1, antialias=1), TypeError, "antialias is a switch"),
    (lambda: dj.resize(2, axes=-1, a=-0.75), ValueError, "a is the parameter of the cubic kernel"),
    (lambda: dj.resize(2, "cubic", axes=-1, a="b"), TypeError, "a must be a number"),
    (lambda: dj.resize(2, "cubic", axes=-1, a=2), ValueError, "a is out of range"),
    (lambda: dj.resize(2, "cubic", axes=-1, a=float("nan")), ValueError, "a is out of range"),
    (lambda: dj.resize(Fraction(1, 4), axes=-1).on((3,)), dj.ShapeError, "too short: nothing would come out"),
    (lambda: dj.resize(2, axes=-3).on((4, 4)), dj.ShapeError, "too few axes"),
    (lambda: dj.resize(2, axes=-1).T, dj.UnboundError, "has no shape yet"),
]


@pytest.mark.parametrize(("call", "kind", "pattern"), BAD)
def test_bad_input_is_refused_with_a_fix(call, kind, pattern):
    with pytest.raises(kind, match=pattern) as caught:
        call()
    assert "Fix:" in str(caught.value)
