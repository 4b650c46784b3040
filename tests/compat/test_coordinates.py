"""Caffe: the 13 x 9 vector, the bilinear filler, crops; the coordinate algebra with Caffe's eleven tests and FCN."""


import numpy as np
import pytest

from deconvjax import filters
from deconvjax.compat import caffe
from deconvjax.compat.coordinates import (
    UnalignedError,
    blob,
    convolution,
    coordinate_map,
    crop_offset,
    cropped,
    deconvolution,
    pointwise,
    pooling,
    unmapped,
)
from deconvjax.errors import ShapeError
from tests.compat.oracles import conv_transpose_nd


def test_the_13_by_9_vector():
    """Caffe's own: ones (2,3,6,4), kernel 3, stride 2, ones, bias 0.1: 3.1, and 3 or 9 more where windows overlap."""
    y = np.asarray(caffe.deconvolution(np.ones((3, 4, 3, 3)), stride=2)(np.ones((2, 3, 6, 4)))) + 0.1
    assert y.shape == (2, 4, 13, 9)
    rows, columns = (np.isin(np.arange(n), np.arange(2, n - 2, 2)) for n in (13, 9))
    want = 3.1 + 3 * (rows[:, None] ^ columns) + 9 * (rows[:, None] & columns)
    assert np.abs(y - want).max() < 1e-5


def test_grouped_and_asymmetric():
    rng = np.random.default_rng(0)
    w, x = rng.integers(-4, 5, (6, 2, 3, 2)).astype(float), rng.integers(-4, 5, (1, 6, 4, 5)).astype(float)
    got = np.asarray(caffe.deconvolution(w, stride=(2, 3), pad=(1, 0), dilation=(1, 2), group=3)(x))
    assert np.array_equal(got, conv_transpose_nd(x, w, (2, 3), (1, 2), (1, 0), got.shape[2:], 3))


@pytest.mark.parametrize("factor", range(1, 34))
def test_bilinear_filler_is_the_filters_kernel(factor):
    k = 2 * factor - factor % 2
    assert np.allclose(caffe.bilinear_filler((5, 1, k, k))[3, 0], np.outer(filters.bilinear(factor),
                                                                         filters.bilinear(factor)), atol=1e-15)
    a = caffe.deconvolution(caffe.bilinear_filler((1, 1, k, k)), stride=factor, pad=-(-(factor - 1) // 2))
    assert a.on((1, 7, 9)).codomain.shape == (1, 7 * factor, 9 * factor)


def test_fcn32_shapes():
    """500 x 375 through FCN-32s: 16 x 12 scores, 544 x 416, cropped at 19."""
    up = caffe.deconvolution(caffe.bilinear_filler((21, 1, 64, 64)), stride=32, group=21)
    whole = caffe.crop((1, 21, 500, 375), offset=19) @ up
    assert up.on((1, 21, 16, 12)).codomain.shape == (1, 21, 544, 416)
    assert whole.on((1, 21, 16, 12)).codomain.shape == (1, 21, 500, 375)


def test_crop_values():
    x = np.arange(2 * 3 * 6 * 7).reshape(2, 3, 6, 7)
    assert np.array_equal(caffe.crop((2, 3, 4, 2), offset=(1, 3))(x), x[:, :, 1:5, 3:5])
    assert np.array_equal(caffe.crop((2, 2, 4, 2), axis=1, offset=(1, 1, 3))(x), x[:, 1:, 1:5, 3:5])
    assert np.array_equal(caffe.crop((2, 3, 4, 2), axis=-1, offset=3)(x), x[..., 3:5])


# ---- Caffe's eleven tests of its coordinate maps ----
def net(ks=3, stride=1, pad=0, pool=2, dstride=2, dpad=0):
    """data -> conv -> pool -> deconv of twice the stride."""
    data = blob("data")
    twice = [2 * s for s in dstride] if isinstance(dstride, (list, tuple)) else 2 * dstride
    return data, deconvolution(pooling(convolution(data, ks, stride, pad), pool, pool), twice, dstride, dpad)


def found(top, reference):
    a = coordinate_map(top, reference)
    return a.axis, a.scale, a.shift


def test_conv_pool_deconv():
    data, deconv = net()
    assert found(deconv, data) == (1, (1,), (0,))
    data, deconv = net(pool=4, dstride=4)
    assert found(deconv, data) == (1, (1,), (-1,))


def test_pass():
    data, deconv = net()
    relu = pointwise(deconv)
    for top in (relu, convolution(relu, 1)):
        assert found(top, data) == found(deconv, data)


@pytest.mark.parametrize("pad", range(11))
def test_padding(pad):
    plain = coordinate_map(*net()[::-1]).shift[0]
    assert coordinate_map(*net(pad=pad)[::-1]).shift == (plain - pad,)
    assert coordinate_map(*net(dpad=pad)[::-1]).shift == (plain + pad,)
    assert coordinate_map(*net(pad=pad, dpad=pad)[::-1]).shift == (plain,)


def test_multi_conv():
    data, aux = blob("data"), blob("aux")
    assert found(convolution(data, 5, 2), data) == found(convolution(aux, 5, 2), aux)


def test_rect():
    small, large = coordinate_map(*net()[::-1]), coordinate_map(*net(ks=5, stride=2, pad=10)[::-1])
    both = coordinate_map(*net(ks=[3, 5], stride=[1, 2], pad=[0, 10])[::-1])
    assert both.axis == small.axis == large.axis
    assert (both.scale, both.shift) == (small.scale + large.scale, small.shift + large.shift)


def test_nd_conv():
    data = blob("data")
    top = deconvolution(pooling(convolution(data, [3, 3, 3], [1, 1, 1], [0, 1, 2]), 2, 2), 4, 2)
    axis, a, b = found(top, data)
    assert axis == 1 and a == (1, 1, 1) and b[0] - 1 == b[1] and b[1] - 1 == b[2]


@pytest.mark.parametrize("offset", range(11))
def test_crop_of_crop(offset):
    data, deconv = net()
    axis, a, b = found(deconv, data)
    assert found(cropped(deconv, offset), data) == (axis, a, (b[0] + offset,))


def test_crop_helper():
    data, deconv = net()
    assert crop_offset(deconv, data) == 0


def test_catch_unconnected():
    data, deconv = net()
    with pytest.raises(RuntimeError, match=r"could not compute the map between two blobs"):
        coordinate_map(unmapped(deconv), data)


def test_catch_scale_mismatch():
    data, deconv = net(pool=3, dstride=2)
    with pytest.raises(ShapeError, match=r"scale mismatch on crop \(a = 3/2\)"):
        crop_offset(deconv, data)


def test_catch_negative_crop():
    data, deconv = net(dpad=10)
    with pytest.raises(ShapeError, match=r"cannot crop negative width \(b = 10\)"):
        crop_offset(deconv, data)


def test_catch_fractional_and_mixed_axes():
    data, deconv = net(pool=2, dstride=2)
    with pytest.raises(ShapeError, match=r"cannot crop non-integer width \(b = -1/2\)"):
        crop_offset(convolution(deconv, 2, pad=1), data)
    with pytest.raises(UnalignedError, match=r"different first axes"):
        coordinate_map(convolution(deconv, 3, axis=2), data)


# ---- FCN ----
def vgg(data):
    """VGG16 as FCN reads it: pad 100 on the first layer; pool3, pool4 and the scores."""
    top, pools = convolution(data, 3, pad=100), []
    for stage, layers in enumerate((2, 2, 3, 3, 3)):
        for _ in range(layers - (stage == 0)):
            top = pointwise(convolution(top, 3, pad=1))
        top = pooling(top, 2, 2)
        pools.append(top)
    score = convolution(convolution(convolution(top, 7), 1), 1)
    return convolution(pools[2], 1), convolution(pools[3], 1), score


def test_fcn32s_offset():
    data = blob("data")
    assert crop_offset(deconvolution(vgg(data)[2], 64, 32), data) == 19


def test_fcn16s_offsets():
    data = blob("data")
    _, pool4, score = vgg(data)
    up2 = deconvolution(score, 4, 2)
    assert crop_offset(pool4, up2) == 5
    fuse = pointwise(up2, cropped(pool4, 5))
    assert crop_offset(deconvolution(fuse, 32, 16), data) == 27


def test_fcn8s_offsets():
    data = blob("data")
    pool3, pool4, score = vgg(data)
    up2 = deconvolution(score, 4, 2)
    up4 = deconvolution(pointwise(up2, cropped(pool4, 5)), 4, 2)
    assert crop_offset(pool3, up4) == 9
    fuse = pointwise(up4, cropped(pool3, 9))
    assert crop_offset(deconvolution(fuse, 16, 8), data) == 31


def test_coordinates_agree_with_the_stages():
    """The algebra says where a blob lies; the stage of the same layer says where its samples are centred."""
    for k, s, p, d in ((4, 2, 1, 1), (3, 2, 0, 2), (63, 32, 0, 1), (5, 3, 2, 1)):
        up = caffe.deconvolution(np.zeros((1, 1, k)), s, p, d).on((1, 9))
        stage = next(part for part in up.parts if hasattr(part, "geometry"))
        scale, offset = stage.geometry[0].alignment
        assert coordinate_map(deconvolution(top := blob("x"), k, s, p, d), top).scale == (scale,)
        assert coordinate_map(deconvolution(top, k, s, p, d), top).shift == (offset,)


@pytest.mark.parametrize("build, pattern", [
    (lambda: caffe.bilinear_filler((1, 1, 3, 4)), r"filter must be square"),
    (lambda: caffe.bilinear_filler((1, 1, 4)), r"shape has the wrong number"),
    (lambda: caffe.crop(3), r"caffe\.crop: reference has no shape; got 3, expected"),
    (lambda: crop_offset("a", "b"), r"caffe\.coordinate_map: top must be a blob; got 'a', expected"),
    (lambda: pooling("a", 2), r"caffe\.coordinates\.convolution: bottom must be a blob; got 'a', expected"),
    (lambda: caffe.crop((1, 1, 4, 4), axis=4), r"axis is out of range"),
    (lambda: caffe.crop((1, 1, 4, 4), offset=1).on((1, 1, 4, 4)), r"crop for dimension -2 is out of bounds"),
    (lambda: caffe.crop((1, 1, 4, 4), offset=-1), r"offset must be at least 0"),
    (lambda: caffe.deconvolution(np.ones((1, 1, 3)), pad=2).on((1, 1)), r"output would be empty"),
    (lambda: caffe.deconvolution(np.ones((3, 1, 3)), group=2), r"groups do not divide"),
    (lambda: caffe.deconvolution(np.ones(3)), r"wrong rank"),
    (lambda: convolution(blob("x"), [3, 3], [1, 1, 1]), r"kernel_size has the wrong number"),
])
def test_what_caffe_refuses(build, pattern):
    with pytest.raises((ShapeError, ValueError, TypeError), match=pattern):
        build()
