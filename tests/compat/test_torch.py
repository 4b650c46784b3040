"""torch's functions on torch's layout: the OpInfo sample table, forward convolutions, resampling, refusals."""

import numpy as np
import pytest

import deconvjax as dj
from deconvjax.compat import torch
from deconvjax.errors import NotLinearError, ShapeError
from tests.compat.oracles import conv_nd, conv_transpose_nd
from tests.tolerance import assert_close

# PyTorch's OpInfo samples of nn.functional.conv_transpose{1,2,3}d: x, w, (stride, padding, output_padding, dilation,
# groups), y. Two of them have an output_padding larger than the stride, allowed because of the dilation.
OPINFO = [
    ((1, 3, 4), (3, 3, 3), (2, 2, 1, 1, 1), (1, 3, 6)),
    ((2, 2, 4), (2, 2, 4), (3, 1, 2, 4, 2), (2, 4, 22)),
    ((1, 1, 4), (1, 1, 4), (2, 1, 1, 2, 1), (1, 1, 12)),
    ((1, 1, 4), (1, 2, 3), (2, 1, 1, 1, 1), (1, 2, 8)),
    ((1, 4, 5), (4, 8, 3), (1, 0, 0, 1, 1), (1, 8, 7)),
    ((1, 3, 4, 4), (3, 3, 3, 3), (2, 2, 1, 1, 1), (1, 3, 6, 6)),
    ((2, 2, 4, 4), (2, 2, 4, 5), ((3, 2), (1, 2), (2, 3), 4, 2), (2, 4, 22, 22)),
    ((1, 1, 4, 5), (1, 1, 4, 3), (2, 1, 1, (2, 3), 1), (1, 1, 12, 14)),
    ((1, 1, 4, 3), (1, 2, 3, 4), (2, 1, 1, 1, 1), (1, 2, 8, 7)),
    ((2, 4, 4, 4), (4, 1, 3, 3), (1, 0, 0, 1, 4), (2, 4, 6, 6)),
    ((1, 2, 5, 5), (2, 4, 3, 3), (1, 0, 0, 1, 1), (1, 4, 7, 7)),
    ((1, 3, 4, 4, 4), (3, 3, 3, 3, 3), (2, 2, 1, 1, 1), (1, 3, 6, 6, 6)),
    ((2, 2, 4, 4, 4), (2, 2, 4, 5, 6), ((3, 2, 1), (1, 2, 3), (2, 3, 1), 4, 2), (2, 4, 22, 22, 19)),
    ((1, 1, 4, 5, 2), (1, 1, 4, 3, 1), (2, 1, 1, (2, 3, 2), 1), (1, 1, 12, 14, 2)),
    ((1, 1, 4, 3, 4), (1, 2, 3, 4, 5), (2, 1, 1, 1, 1), (1, 2, 8, 7, 10)),
    ((1, 4, 5, 5, 5), (4, 8, 3, 3, 3), (1, 0, 0, 1, 1), (1, 8, 7, 7, 7)),
]


def each(value, n):
    return (value,) * n if isinstance(value, int) else value


def integers(*shape, seed=0):
    """Small random integers as floats: every product and sum is exact."""
    return np.random.default_rng([seed, *shape]).integers(-4, 5, shape).astype(np.float64)


@pytest.mark.parametrize("x, w, arguments, y", OPINFO)
def test_opinfo(x, w, arguments, y):
    """Shape and values of each sample, batched and not."""
    n, (stride, padding, extra, dilation, groups) = len(x) - 2, arguments
    a = getattr(torch, f"conv_transpose{n}d")(integers(*w), None, stride, padding, extra, groups, dilation)
    data, p = integers(*x, seed=1), each(padding, n)
    want = conv_transpose_nd(data, integers(*w), each(stride, n), each(dilation, n), p, y[2:], groups)
    bound = a.on(data)
    assert bound.codomain.shape == y
    assert np.array_equal(np.asarray(bound(data)), want)
    assert a.on(x[1:]).codomain.shape == y[1:]


def test_unbatched_input():
    a, x = torch.conv_transpose2d(integers(4, 3, 3, 2), stride=2), integers(4, 5, 6)
    assert np.array_equal(np.asarray(a(x)), np.asarray(a(x[None])[0]))


def test_conv_is_the_transpose_of_conv_transpose():
    """Same weight, same arguments: the two functions are each other's transpose, as records of one stage."""
    w = integers(4, 3, 3, 4)
    down = torch.conv2d(w, stride=(2, 3), padding=(1, 2), dilation=(2, 1)).on((2, 3, 12, 13))
    up = torch.conv_transpose2d(w, stride=(2, 3), padding=(1, 2), dilation=(2, 1), output_size=(12, 13))
    assert down.T == up.on(down.codomain)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_conv(n):
    shape, window = (2, 4, 7, 6, 5)[: n + 2], (3, 2, 2)[:n]
    w, x = integers(6, 2, *window), integers(*shape)
    a = getattr(torch, f"conv{n}d")(w, stride=2, padding=1, dilation=2, groups=2)
    assert np.array_equal(np.asarray(a(x)), conv_nd(x, w, (2,) * n, (2,) * n, ((1, 1),) * n, 2))


def test_same_puts_the_odd_sample_behind():
    a = torch.conv1d(np.array([[[1.0, 0, 0, 0]]]), padding="same")
    assert np.asarray(a(np.array([[1.0, 2, 3, 4]])))[0].tolist() == [0, 1, 2, 3]


def test_output_size():
    w = np.ones((2, 3, 3, 3))
    for size in (9, 10):
        assert torch.conv_transpose2d(w, stride=2, padding=1, output_size=(size, 9)).on(
            (1, 2, 5, 5)).codomain.shape == (1, 3, size, 9)
    assert torch.conv_transpose2d(w, stride=2, output_size=(1, 3, 12, 11)).on((2, 5, 5)).codomain.shape == (3, 12, 11)


def test_gradient_reaches_the_weight_in_its_own_layout():
    import jax
    w, x = integers(2, 3, 3, 3), integers(1, 2, 4, 4)
    gradient = jax.grad(lambda w: torch.conv_transpose2d(w, stride=2)(x).sum())(jax.numpy.asarray(w))
    want = np.broadcast_to(x[0].sum((1, 2))[:, None, None, None], w.shape)
    assert_close(gradient, want)


def test_explain_names_the_chain():
    up = torch.conv_transpose2d(np.ones((8, 3, 4, 4)), stride=2, padding=1).on((1, 8, 16, 16))
    assert "conv_transpose(4x4, 8->3, strides=2)" in repr(up)
    stage = next(part for part in up.parts if hasattr(part, "geometry"))
    assert [axis.alignment for axis in stage.geometry] == [(0.5, -0.25)] * 2


def test_pixel_shuffle_is_the_vocabularys_on_the_other_layout():
    x = integers(2, 12, 3, 5)
    want = dj.pixel_shuffle(2)(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert np.array_equal(torch.pixel_shuffle(2)(x), want)
    assert np.array_equal(torch.pixel_unshuffle(2)(want), x)
    assert torch.pixel_shuffle(2).on(x.shape).T == torch.pixel_unshuffle(2).on(want.shape)


def test_unfold_and_fold():
    """Columns of windows, channels slowest; fold adds them back."""
    x = integers(2, 3, 6, 7)
    columns = np.asarray(torch.unfold((2, 3), dilation=(1, 2), padding=(1, 0), stride=(2, 1))(x))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    want = [padded[:, :, 2 * r:2 * r + 2, c:c + 5:2].reshape(2, -1) for r in range(4) for c in range(3)]
    assert np.array_equal(columns, np.stack(want, -1))
    folded = torch.fold((6, 7), (2, 3), dilation=(1, 2), padding=(1, 0), stride=(2, 1))
    back, counted = np.asarray(folded(columns)), np.asarray(folded(np.ones_like(columns)))
    assert np.array_equal(back, x * counted)  # every sample as often as windows hold it


def test_max_unpool2d():
    """The pooled values back where they came from; where two windows chose one sample it is not doubled."""
    indices = np.array([[[0, 2], [6, 8]]])
    got = torch.max_unpool2d(indices, 2, output_size=(3, 3), stride=2)(np.array([[[1.0, 2], [3, 4]]]))
    assert np.asarray(got)[0].tolist() == [[1, 0, 2], [0, 0, 0], [3, 0, 4]]
    twice = torch.max_unpool2d(np.array([[[4, 4], [4, 4]]]), 2, stride=1)(np.array([[[7.0, 7], [7, 7]]]))
    assert np.asarray(twice)[0].tolist() == [[0, 0, 0], [0, 7, 0], [0, 0, 0]]


def test_max_unpool2d_traced():
    import jax
    indices = np.array([[[4, 4], [4, 4]]])
    run = jax.jit(lambda switches, x: torch.max_unpool2d(switches, 2, stride=1)(x))
    assert np.asarray(run(indices, np.array([[[7.0, 7], [7, 7]]])))[0].tolist() == [[0, 0, 0], [0, 7, 0], [0, 0, 0]]


def test_interpolate_whole_factors_are_stages():
    for mode in ("nearest", "bilinear", "bicubic"):
        bound = torch.interpolate(scale_factor=2, mode=mode).on((1, 3, 8, 8))
        assert "upfirdn" in repr(bound), repr(bound)
    assert "8x8 -> 12x12" in repr(torch.interpolate(size=(12, 12), mode="bilinear").on((1, 3, 8, 8)))


LINE = [[1, 0, 0], [0.785714, 0.214286, 0], [0.309524, 0.690476, 0], [0, 0.833333, 0.166667], [0, 0.357143, 0.642857],
        [0, 0, 1]]
PLANE = [[1, 0], [0.875, 0.125], [0.458333, 0.541667], [0.041667, 0.958333]]
FRACTIONAL = {  # what PyTorch 2.13 gives for unit pulses along the last axis: whole sizes, a fractional scale
    "linear": ({"scale_factor": 2.1}, LINE), "bilinear": ({"scale_factor": (1.0, 2.4)}, PLANE),
    "trilinear": ({"scale_factor": (1.0, 1.0, 2.4)}, PLANE),
    "bicubic": ({"scale_factor": (1.0, 2.4)}, [[1.109755, -0.109755], [0.895508, 0.104492], [0.453161, 0.546839],
                                               [0.032516, 0.967484]]),
    "corners": ({"size": (1, 2), "mode": "bilinear", "align_corners": True, "antialias": True},
                [[0.25, 0.375, 0.25, 0.125], [0, 0, 1 / 3, 2 / 3]]),
    "a corner": ({"size": (1, 1), "mode": "bicubic", "align_corners": True, "antialias": True},
                 [[1.125, -0.125, 0, 0]]),
}


@pytest.mark.parametrize("case", FRACTIONAL)
def test_interpolate_by_its_own_ratio(case):
    options, want = FRACTIONAL[case]
    mode = options.get("mode", case)
    n, space = len(want[0]), {"linear": 1, "trilinear": 3}.get(mode, 2)
    pulses = np.eye(n).reshape(n, *(1,) * space, n)
    got = np.asarray(torch.interpolate(**{"mode": mode, **options})(pulses))
    assert np.allclose(got.reshape(n, -1).T, want, atol=1e-6)


def test_nearest_on_small_planes_copies_and_doubles_whatever_the_scale():
    """PyTorch 2.13: n where out = in, n >> 1 where out = 2 in; not on lines, in volumes, or from 129 rows + columns."""
    x, nearest = np.arange(8.0), torch.interpolate
    assert np.asarray(nearest(scale_factor=(1.1, 1.0))(x.reshape(1, 1, 8, 1))).ravel().tolist() == x.tolist()
    assert np.asarray(nearest(scale_factor=(2.05, 1.0))(x[:2].reshape(1, 1, 2, 1))).ravel().tolist() == [0, 0, 1, 1]
    below = [0, 0, 1, 2, 3, 4, 5, 6]
    assert np.asarray(nearest(scale_factor=1.1)(x.reshape(1, 1, 8))).ravel().tolist() == below
    assert np.asarray(nearest(scale_factor=(1.1, 1, 1))(x.reshape(1, 1, 8, 1, 1))).ravel().tolist() == below
    for width, want in ((120, x.tolist()), (121, below)):
        wide = np.broadcast_to(x[:, None], (8, width))[None, None]
        assert np.asarray(nearest(scale_factor=(1.1, 1.0))(wide))[0, 0, :, 0].tolist() == want


def test_interpolate_takes_batch_axes_in_front():
    x = integers(2, 3, 4, 5, 6)
    a = torch.interpolate((7, 4), mode="bilinear")
    assert np.array_equal(np.asarray(a(x))[1, 2], a(x[1, 2]))


class Parameter:
    """What NumPy sees of a torch.nn.Parameter."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self.array

    def __array__(self, *_, **__):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")


def test_parameters_of_torch_are_weights():
    w, x = integers(2, 3, 3, 3), integers(1, 2, 4, 4)
    assert np.array_equal(torch.conv_transpose2d(Parameter(w))(x), torch.conv_transpose2d(w)(x))
    layer = {"weight": Parameter(w), "bias": Parameter(w[0, :, 0, 0])}
    found = dj.compat.convert(layer, source="torch", target="flax")
    assert np.array_equal(found["kernel"], w.transpose(2, 3, 0, 1)[::-1, ::-1])
    assert np.array_equal(found["bias"], w[0, :, 0, 0])


@pytest.mark.parametrize("build, pattern", [
    (lambda: torch.conv_transpose2d(np.ones((2, 2, 3, 3)), np.ones(2)), r"torch\.conv_transpose2d: .*bias.*affine"),
    (lambda: torch.conv_transpose2d(np.ones((2, 2, 3))), r"weight has the wrong rank.*\(I, O, k0, k1\)"),
    (lambda: torch.conv_transpose2d(np.ones((3, 2, 3, 3)), groups=2), r"groups do not divide"),
    (lambda: torch.conv_transpose2d(np.ones((2, 2, 3, 3)), stride=0), r"stride must be positive"),
    (lambda: torch.conv_transpose2d(np.ones((2, 2, 3, 3)), stride=2.0), r"stride must be an integer"),
    (lambda: torch.conv_transpose2d(np.ones((2, 2, 3, 3)), stride=(1, 2, 3)), r"stride has the wrong number"),
    (lambda: torch.conv_transpose2d(np.ones((2, 2, 3, 3)), padding=-1), r"padding must be at least 0"),
    (lambda: torch.conv_transpose2d(np.ones((2, 2, 3, 3)), stride=2, output_padding=2),
     r"output padding must be smaller than either stride or dilation"),
    (lambda: torch.conv_transpose2d(np.ones((2, 2, 3, 3)), output_size=(1,)), r"output_size must have 2, 3 or 4"),
    (lambda: torch.conv_transpose2d(np.ones((2, 2, 3, 3)), stride=2, output_size=(13, 13)).on((2, 5, 5)),
     r"requested an output size of 13; got an input of 5, expected an output_size from 11 to 12.*axis -2"),
    (lambda: torch.conv_transpose1d(np.ones((1, 1, 3)), padding=3).on((1, 1, 2)), r"the output would be empty"),
    (lambda: torch.conv_transpose2d(np.ones((2, 2, 3, 3))).on((3, 5, 5)), r"expected input to have 2 channels"),
    (lambda: torch.conv_transpose2d(np.ones((2, 2, 3, 3))).on((5, 5)), r"too few axes"),
    (lambda: torch.conv2d(np.ones((2, 2, 3, 3)), padding="same", stride=2), r"not supported for strided"),
    (lambda: torch.conv2d(np.ones((2, 2, 3, 3)), padding="full").on((2, 5, 5)), r"unknown padding string"),
    (lambda: torch.conv2d(np.full((2, 2, 3, 3), np.nan)), r"not finite"),
    (lambda: torch.conv2d([["a"]]), r"weight must be numbers"),
    (lambda: torch.interpolate(), r"only one of size or scale_factor"),
    (lambda: torch.interpolate(2, 2), r"only one of size or scale_factor"),
    (lambda: torch.interpolate(2, mode="cubic"), r"unknown mode"),
    (lambda: torch.interpolate(2, align_corners=True), r"align_corners option can only be set"),
    (lambda: torch.interpolate(2, mode="area", antialias=True), r"restricted to bilinear and bicubic"),
    (lambda: torch.interpolate(scale_factor=0.1).on((1, 1, 4)), r"would be empty"),
    (lambda: torch.interpolate(scale_factor=-1), r"must be a positive number"),
    (lambda: torch.interpolate((2, 2), mode="linear"), r"works on 1 space axes"),
    (lambda: torch.interpolate((2, 2, 2, 2)), r"only 3-D, 4-D and 5-D inputs.*got 4 entries"),
    (lambda: torch.interpolate(2).on((2, 2)), r"only 3-D, 4-D and 5-D inputs"),
    (lambda: torch.interpolate(2).on((1,) * 6), r"only 3-D, 4-D and 5-D inputs"),
    (lambda: torch.pixel_shuffle(0), r"upscale_factor must be positive"),
    (lambda: torch.pixel_shuffle(2).on((1, 6, 3, 3)), r"does not split"),
    (lambda: torch.max_unpool2d(np.array([[[9]]]), 2), r"found an invalid max index"),
    (lambda: torch.max_unpool2d(np.array([[[0]]]), 2, output_size=(9, 9)), r"invalid output_size"),
    (lambda: torch.fold((4, 4), 2).on((1, 5, 9)), r"not divisible by the product of kernel_size"),
    (lambda: torch.fold((4, 4), 2).on((1, 4, 8)), r"number of sliding blocks"),
    (lambda: torch.unfold(5).on((1, 1, 3, 3)), r"too short: nothing would come out"),
])
def test_what_torch_refuses(build, pattern):
    with pytest.raises((ShapeError, NotLinearError, TypeError, ValueError), match=pattern):
        build()
