"""Aligned upsampling and the heads: FCN's crops as consequences, all sizes, against resize and loops."""

from __future__ import annotations

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from deconvjax.errors import ShapeError
from deconvjax.nn.aligned import KINDS, AlignedUpsample, Grid, Placement
from deconvjax.nn.heads import FCNHead, Feature, FPNHead, UNetDecoder
from deconvjax.segmentation.models.backbone import evenly
from deconvjax.segmentation.models.vgg import VGG16
from tests.tolerance import assert_close


@pytest.fixture(scope="module")
def vgg_features():
    return nnx.eval_shape(lambda: VGG16(width=1 / 64, rngs=nnx.Rngs(0))).features


def caffe_crops(features, levels):
    """Crop offsets as Caffe's nets apply them: each skip is cropped to the upsampled score's own grid."""
    grid, crops = features[levels[0]].grid, []
    for target in [*(features[name].grid for name in levels[1:]), Grid()]:
        factor = int(grid.scale / target.scale)
        kernel = 2 * factor  # deconvolution without padding: sample m sits at (m - (kernel-1)/2)/factor of its input
        up = Grid(grid.scale / factor, grid.offset - grid.scale * Fraction(kernel - 1, 2) / factor)
        crops.append((up.offset - target.offset) / target.scale)
        grid = up
    return crops


def test_fcn_crops(vgg_features):
    """19; 5 and 27; 5, 9 and 31: the skips are cropped by the positive ones, the score by the last."""
    assert [abs(c) for c in caffe_crops(vgg_features, ("fc7",))] == [19]
    assert [abs(c) for c in caffe_crops(vgg_features, ("fc7", "pool4"))] == [5, 27]
    assert [abs(c) for c in caffe_crops(vgg_features, ("fc7", "pool4", "pool3"))] == [5, 9, 31]
    place = Placement.between(vgg_features["fc7"].grid, Grid())
    assert (place.factor, place.first, len(place.taps)) == (32, -19, 64)
    f, size = 32, 64  # surgery.py's upsample_filt
    want = 1 - np.abs(np.arange(size) - (f - 0.5)) / f
    assert_close(np.array(place.taps), want)


def caffe_sizes(n):
    """Sizes of pool3, pool4 and fc7 for an image side n: pad 100, pools that round up, a 7-tap layer."""
    n += 198
    sizes = []
    for _ in range(5):
        n = -(-n // 2)
        sizes.append(n)
    return sizes[2], sizes[3], sizes[4] - 6


@pytest.mark.parametrize("levels", [("fc7",), ("fc7", "pool4"), ("fc7", "pool4", "pool3")])
def test_crops_are_legal_for_every_image_size(vgg_features, levels):
    """For all sides 1..2048: Caffe's crops lie inside what they crop, and our uncropped skips change no image pixel.

    Caffe drops the samples of a skip outside the upsampled score; here they stay. The image must not read them.
    """
    places = [Placement.between(a, b) for a, b in zip(
        [vgg_features[name].grid for name in levels], [*(vgg_features[n].grid for n in levels[1:]), Grid()],
        strict=True)]
    crops = [abs(int(c)) for c in caffe_crops(vgg_features, levels)]
    for side in range(1, 2049):
        pool3, pool4, fc7 = caffe_sizes(side)
        sizes = {"fc7": fc7, "pool4": pool4, "pool3": pool3}
        score, start = fc7, 0  # the fused score covers samples start ... start + score - 1 of its level
        for level, place, crop in zip([*levels[1:], None], places, crops, strict=True):
            upsampled = (score - 1) * place.factor + 2 * place.factor
            if level is None:
                assert crop + side <= upsampled
                first = -(-(0 - place.first - len(place.taps) + 1) // place.factor)
                last = (side - 1 - place.first) // place.factor
                assert start <= max(first, 0) or len(levels) == 1
                assert last < start + score or last >= sizes[levels[-1]]
            else:
                assert crop + upsampled <= sizes[level]
                start, score = crop, upsampled


@pytest.mark.parametrize("border", ["edge", "zero"])
def test_kinds_agree_and_equal_the_definition(border):
    """All three kinds are y[m] = sum_n x[n] h((m - f n - shift)/f), the border repeated or zero."""
    source, target = Grid(Fraction(3), Fraction(7, 4)), Grid(Fraction(1), Fraction(-1, 2))
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    size = (15, 13)
    shift = float(source.offset - target.offset)
    want = x
    for axis, m in zip((1, 2), size, strict=True):
        n = np.arange(-6, x.shape[axis] + 6)
        weights = np.maximum(0, 1 - np.abs(np.arange(m)[:, None] - 3 * n - shift) / 3)
        inside = (n >= 0) & (n < x.shape[axis])
        samples = np.take(want, np.clip(n, 0, x.shape[axis] - 1), axis=axis)
        if border == "zero":
            weights = weights * inside
        want = np.moveaxis(np.tensordot(weights, samples, axes=(1, axis)), 0, axis)
    for kind in KINDS:
        layer = AlignedUpsample(3, source, target, kind=kind, border=border, param_dtype=jnp.float64)
        assert_close(layer(jnp.asarray(x), size), want, units=32)


def test_edge_border_is_half_pixel_resize():
    x = jnp.asarray(np.random.default_rng(1).normal(size=(1, 5, 6, 2)))
    layer = AlignedUpsample(2, evenly(4), Grid(), kind="fixed")
    assert_close(layer(x, (20, 24)), jax.image.resize(x, (1, 20, 24, 2), "linear"), units=32)


def features():
    return {"a": Feature(3, evenly(2)), "b": Feature(4, evenly(4)), "c": Feature(5, evenly(8))}


def pyramid(height, width, key=0):
    rng = np.random.default_rng(key)
    return {name: jnp.asarray(rng.normal(size=(2, -(-height // s), -(-width // s), f.channels)), jnp.float32)
            for (name, f), s in zip(features().items(), (2, 4, 8), strict=True)}


HEADS = {
    "fcn": lambda kind: FCNHead(features(), 6, levels=("c", "b", "a"), upsampling=kind, rngs=nnx.Rngs(1)),
    "unet": lambda kind: UNetDecoder(features(), 6, levels=("c", "b", "a"), widths=(8, 8), upsampling=kind,
                                     rngs=nnx.Rngs(1)),
    "fpn": lambda kind: FPNHead(features(), 6, levels=("c", "b", "a"), width=8, upsampling=kind, rngs=nnx.Rngs(1)),
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_take_any_size(name):
    head = HEADS[name]("depthwise")
    run = nnx.jit(lambda head, x, size: head(x, size), static_argnums=2)
    for height, width in ((17, 23), (33, 40)):
        assert run(head, pyramid(height, width), (height, width)).shape == (2, height, width, 6)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("kind", ["depthwise", "dense"])
def test_heads_train(name, kind):
    """Every parameter of a head gets a finite gradient, the upsampling kernels a non-zero one."""
    head = HEADS[name](kind)
    if name == "fcn":
        for score in head.scores:  # zero scores would hide everything behind them
            score.kernel[...] = jnp.ones_like(score.kernel[...])

    def loss(head):
        return (head(pyramid(17, 23), (17, 23)) ** 2).mean()

    gradients = nnx.to_pure_dict(nnx.jit(nnx.grad(loss))(head))
    leaves = jax.tree_util.tree_flatten_with_path(gradients)[0]
    assert all(np.isfinite(leaf).all() for _, leaf in leaves)
    kernels = [leaf for path, leaf in leaves if "ups" in str(path) or "last" in str(path)]
    assert kernels and all(np.abs(leaf).max() > 0 for leaf in kernels)


def test_as_maps_are_the_stages():
    head = HEADS["fcn"]("fixed")
    shapes = {"a": (9, 12), "b": (5, 6), "c": (3, 3)}
    maps = head.as_maps(shapes, (17, 23))
    assert list(maps) == ["c->b", "b->a", "a->image"]
    x = jnp.asarray(np.random.default_rng(0).normal(size=(9, 12, 6)), jnp.float32)
    assert_close(maps["a->image"](x), head.ups[-1](x, (17, 23)))
    bound = maps["c->b"].on((3, 3, 6))
    assert bound.T.codomain.shape == (3, 3, 6)
    assert set(HEADS["fpn"]("fixed").as_maps(shapes, (17, 23))) == {"c->b", "b->a", "c->sum", "b->sum", "a->image"}
    assert set(HEADS["unet"]("fixed").as_maps(shapes, (17, 23))) == {"c->b", "b->a", "a->image"}


def test_fcn_head_starts_at_zero():
    assert float(jnp.abs(HEADS["fcn"]("fixed")(pyramid(17, 23), (17, 23))).max()) == 0


def test_refusals():
    with pytest.raises(ShapeError, match="whole number of times coarser.*3 over 2"):
        AlignedUpsample(2, Grid(Fraction(3)), Grid(Fraction(2)))
    with pytest.raises(ValueError, match="unknown kind.*'learned'"):
        AlignedUpsample(2, Grid(Fraction(2)), Grid(), kind="learned")
    with pytest.raises(ValueError, match="unknown border"):
        AlignedUpsample(2, Grid(Fraction(2)), Grid(), border="wrap")
    with pytest.raises(ValueError, match="FCNHead: levels name the feature maps.*'z'"):
        FCNHead(features(), 6, levels=("z",), rngs=nnx.Rngs(0))
    with pytest.raises(ShapeError, match="coarse to fine"):
        FPNHead(features(), 6, levels=("a", "b"), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="one kind of upsampling for each level"):
        FCNHead(features(), 6, levels=("c",), upsampling=("fixed", "fixed"), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="one width for each level"):
        UNetDecoder(features(), 6, levels=("c", "b"), widths=(8, 8), rngs=nnx.Rngs(0))
    with pytest.raises(ShapeError, match="did not give these feature maps"):
        HEADS["fcn"]("fixed")({"c": jnp.zeros((1, 3, 3, 5))}, (17, 23))
    with pytest.raises(ValueError, match="scales name levels of the head.*pool9"):
        FCNHead(features(), 6, levels=("c",), scales={"pool9": 0.1}, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="channels must be positive"):
        AlignedUpsample(0, Grid(Fraction(2)), Grid())
    with pytest.raises(TypeError, match="AlignedUpsample: parameters are trained"):
        AlignedUpsample(2, Grid(Fraction(2)), Grid(), kind="dense", param_dtype=int)
    with pytest.raises(ShapeError, match="AlignedUpsample: the input has too few axes"):
        AlignedUpsample(2, Grid(Fraction(2)), Grid())(jnp.ones(2), (4, 4))
    for build in HEADS.values():
        with pytest.raises(ShapeError, match=r"Head|Decoder: size is that of the image; got 12, expected \(H, W\)"):
            build("fixed")(pyramid(17, 23), 12)
        with pytest.raises(ShapeError, match=r"too few axes; got b of shape \(4,\)"):
            build("fixed")({**pyramid(17, 23), "b": jnp.ones(4)}, (17, 23))


def test_a_unet_treats_every_image_by_itself():
    """No batch axis, one or two: Flax's group normalisation knows one only, so it is given one here."""
    block = nnx.eval_shape(lambda: HEADS["unet"]("fixed")).blocks[0]
    rng = np.random.default_rng(0)
    nnx.update(block, jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape)), nnx.state(block)))
    x = jnp.asarray(rng.normal(size=(2, 2, 4, 4, 9)))

    @nnx.jit
    def run(block, x):
        want = x.reshape(4, 4, 4, 9)
        for conv, norm in zip(block.convs, block.norms, strict=True):
            want = jax.nn.relu(norm(conv(want)))
        return block(x), block(x[1, 0]), want

    two, none, want = run(block, x)
    assert_close(two, want.reshape(2, 2, 4, 4, 8), units=32)
    assert_close(none, want[2], units=32)


@pytest.mark.parametrize("name", HEADS)
def test_a_graphdef_can_be_a_static_argument(name):
    ours, theirs = (nnx.graphdef(nnx.eval_shape(lambda: HEADS[name]("dense"))) for _ in range(2))
    assert hash(ours) == hash(theirs) and ours == theirs


@pytest.mark.parametrize("kind", KINDS)
def test_heads_compute_in_their_dtype(kind):
    for build in (FCNHead, UNetDecoder, FPNHead):
        options = {"widths": (8, 8)} if build is UNetDecoder else {}
        head = nnx.eval_shape(lambda build=build, options=options: build(
            features(), 6, levels=("c", "b", "a"), upsampling=kind, dtype=jnp.bfloat16, rngs=nnx.Rngs(0), **options))
        x = {name: a.astype(jnp.bfloat16) for name, a in pyramid(17, 23).items()}
        assert nnx.eval_shape(lambda head, x: head(x, (17, 23)), head, x).dtype == jnp.bfloat16


def test_the_scales_of_levels():
    head = FCNHead(features(), 6, levels=("b",), scales={"b": 0.5}, rngs=nnx.Rngs(0))
    head.scores[0].kernel[...] = jnp.ones((1, 1, 4, 6), jnp.float32)
    x = {"b": jnp.ones((1, 1, 1, 4), jnp.float32)}
    assert_close(head(x, (2, 2)), np.full((1, 2, 2, 6), 2.0, np.float32))  # four channels, halved; constants stay
