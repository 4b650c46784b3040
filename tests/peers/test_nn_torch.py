"""The layers with torch's weights give torch's numbers, and its gradients where a layer has a formula of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from deconvjax import nn
from tests.tolerance import assert_close

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def torch():
    import torch

    torch.manual_seed(0)
    return torch


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def first(torch, x):
    """Channels-last NumPy to torch's channels-first, ready for gradients."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.asarray(x), -1, 1))).requires_grad_()


def last(t):
    return np.moveaxis(t.detach().numpy(), 1, -1)


def kernel(conv):
    """torch's (a, b, *window) to (*window, b, a): forward kernels of either layer."""
    return jnp.asarray(np.moveaxis(conv.weight.detach().numpy(), (0, 1), (-1, -2)))


def load(layer, conv):
    layer.kernel[...] = kernel(conv)
    if conv.bias is not None:
        layer.bias[...] = jnp.asarray(conv.bias.detach().numpy())


def build(kind, *args, **options):
    """The layer with parameters of zeros in float64: they are loaded, so none need be drawn."""
    abstract = nnx.eval_shape(lambda: kind(*args, **options, param_dtype=jnp.float64, rngs=nnx.Rngs(0)))
    graph, state = nnx.split(abstract)
    return nnx.merge(graph, jax.tree.map(lambda p: jnp.zeros(p.shape, p.dtype), state))


def same(torch, layer, theirs, x, units=256):
    """Values, and the gradient of <y, c> in x."""
    t = first(torch, x)
    want = theirs(t)
    c = numbers(*last(want).shape, seed=9)
    (want * first(torch, c).detach()).sum().backward()

    @jax.jit
    def both(x):
        return layer(x), jax.grad(lambda x: (layer(x) * c).sum())(x)

    y, grad = both(jnp.asarray(x))
    assert_close(y, last(want), units=units)
    assert_close(grad, last(t.grad), units=units)


@pytest.mark.parametrize(
    ("window", "stride", "pad", "extra", "dilation", "groups"),
    [((4, 4), 2, 1, 0, 1, 1), ((3, 3), (2, 3), 1, 1, 1, 2), ((3, 2), 3, (2, 0), (2, 3), (2, 4), 1),
     ((5, 1), 1, 2, 0, 1, 4)],
)
def test_conv_transpose(torch, window, stride, pad, extra, dilation, groups):
    theirs = torch.nn.ConvTranspose2d(4, 8, window, stride, pad, extra, groups, dilation=dilation, dtype=torch.float64)
    ours = build(nn.ConvTranspose, 4, 8, window, stride, torch_padding=pad, output_padding=extra,
                 kernel_dilation=dilation, feature_group_count=groups, transpose_kernel=True)
    load(ours, theirs)
    same(torch, ours, theirs, numbers(2, 5, 6, 4))


@pytest.mark.parametrize(("pad", "mode"), [(1, "zeros"), ("same", "circular"), ("same", "reflect")])
def test_conv(torch, pad, mode):
    theirs = torch.nn.Conv2d(4, 6, 3, padding=pad, dilation=2, groups=2, padding_mode=mode, dtype=torch.float64)
    padding = {"zeros": 1, "circular": "CIRCULAR", "reflect": "REFLECT"}[mode]
    ours = build(nn.Conv, 4, 6, (3, 3), padding=padding, kernel_dilation=2, feature_group_count=2)
    load(ours, theirs)
    same(torch, ours, theirs, numbers(2, 6, 7, 4))


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
@pytest.mark.parametrize("scale", [2, 3])
def test_upsample(torch, method, scale):
    name = {"nearest": "nearest-exact"}.get(method, method)
    theirs = torch.nn.Upsample(scale_factor=scale, mode=name)
    for options in ({}, {"learnable": True, "features": 3, "param_dtype": jnp.float64}):
        same(torch, nn.Upsample(scale, method, **options), theirs, numbers(2, 4, 5, 3))


def test_sub_pixel_convolution(torch):
    conv = torch.nn.Conv2d(3, 2 * 6 * 4, 3, padding=1, dtype=torch.float64)
    shuffle = torch.nn.PixelShuffle(2)
    ours = build(nn.PixelShuffle, 3, 12, (3, 3), 2)
    load(ours.conv, conv)
    same(torch, ours, lambda x: shuffle(conv(x)), numbers(2, 4, 5, 3))


@pytest.mark.parametrize(("taps", "stride"), [(3, 2), (4, 2), (5, 3)])
def test_blur_pool(torch, taps, stride):
    row = np.array([1.0])
    for _ in range(taps - 1):
        row = np.convolve(row, [1, 1])
    weight = torch.from_numpy(np.outer(row, row) / row.sum() ** 2)[None, None].repeat(3, 1, 1, 1)
    lo, hi = int((taps - 1) / 2), int(np.ceil((taps - 1) / 2))

    def theirs(x):
        padded = torch.nn.functional.pad(x, (lo, hi, lo, hi), mode="reflect")
        return torch.nn.functional.conv2d(padded, weight, stride=stride, groups=3)

    same(torch, nn.BlurPool(stride, taps), theirs, numbers(2, 7, 8, 3))


@pytest.mark.parametrize(("window", "stride", "pad"), [(2, 2, 0), (3, 2, 1), ((2, 3), (2, 3), 0)])
def test_max_pool_and_unpool(torch, window, stride, pad):
    x = numbers(2, 7, 9, 3)
    y, where = torch.nn.functional.max_pool2d(first(torch, x), window, stride, pad, return_indices=True)
    ours, switches = nn.MaxPool(window, stride, pad)(jnp.asarray(x))
    assert (np.asarray(ours) == last(y)).all() and (np.asarray(switches) == last(where)).all()
    if stride == window:  # where windows overlap torch keeps one of the values that meet; a transpose adds them
        back = torch.nn.functional.max_unpool2d(y, where, window, stride, pad, output_size=x.shape[1:3])
        assert (np.asarray(nn.MaxUnpool(window, stride)(ours, switches, x.shape[1:3])) == last(back)).all()
        natural = torch.nn.functional.max_unpool2d(y, where * 0, window, stride, pad)
        assert nn.MaxUnpool(window, stride)(ours, switches * 0).shape == last(natural).shape


def softmax_unfold(torch, x, logits, window, scale, groups):
    """sum_d softmax(logits)[p, d] x[p//s + d], by torch's unfold: logits (B, groups, K*K, sH, sW)."""
    b, c, h, w = x.shape
    patches = torch.nn.functional.unfold(x, window, padding=window // 2).view(b, c, window * window, h, w)
    patches = patches.repeat_interleave(scale, -2).repeat_interleave(scale, -1)
    weights = torch.softmax(logits, 2).repeat_interleave(c // groups, 1)
    return (patches * weights).sum(2)


@pytest.mark.parametrize(("scale", "groups"), [(2, 1), (3, 2)])
def test_carafe(torch, scale, groups):
    compress = torch.nn.Conv2d(8, 3, 1, dtype=torch.float64)
    encode = torch.nn.Conv2d(3, 25 * groups * scale**2, 3, padding=1, dtype=torch.float64)

    def theirs(x):  # kernel_normalizer and carafe of the reference
        mask = torch.nn.functional.pixel_shuffle(encode(compress(x)), scale)
        b, _, h, w = mask.shape
        return softmax_unfold(torch, x, mask.view(b, groups, 25, h, w), 5, scale, groups)

    ours = build(nn.Carafe, 8, scale, compressed=3, groups=groups)
    load(ours.compressor, compress)
    load(ours.encoder, encode)
    same(torch, ours, theirs, numbers(2, 5, 6, 8), units=1024)


def test_convex_upsample(torch):
    head, mask = (torch.nn.Conv2d(*args, dtype=torch.float64) for args in ((6, 7, 3, 1, 1), (7, 64 * 9, 1)))
    guide = numbers(2, 3, 4, 6, seed=1)

    def theirs(flow):  # RAFT.upsample_flow
        n, c, h, w = flow.shape
        logits = 0.25 * mask(torch.relu(head(first(torch, guide))))
        weights = torch.softmax(logits.view(n, 1, 9, 8, 8, h, w), 2)
        up = torch.nn.functional.unfold(8 * flow, [3, 3], padding=1).view(n, c, 9, 1, 1, h, w)
        return torch.sum(weights * up, 2).permute(0, 1, 4, 2, 5, 3).reshape(n, c, 8 * h, 8 * w)

    ours = build(nn.ConvexUpsample, 6, 8, hidden=7, gain=8.0)
    load(ours.head, head)
    load(ours.mask, mask)
    same(torch, lambda x: ours(x, guide), theirs, numbers(2, 3, 4, 2), units=1024)


@pytest.mark.parametrize("dynamic_scope", [False, True])
@pytest.mark.parametrize("style", ["lp", "pl"])
@pytest.mark.parametrize("scale", [2, 3])
def test_dysample(torch, style, dynamic_scope, scale):
    """By grid_sample on the paper's grid: pixel centres, init_pos, offsets x before y, border, align_corners=False."""
    groups, channels = 2, 4 * scale**2
    reads, writes = (channels, 2 * groups * scale**2) if style == "lp" else (4, 2 * groups)
    offset = torch.nn.Conv2d(reads, writes, 1, dtype=torch.float64)
    scope = torch.nn.Conv2d(reads, writes, 1, bias=False, dtype=torch.float64)
    f = torch.nn.functional

    def theirs(x):
        b, c, h, w = x.shape
        z = x if style == "lp" else f.pixel_shuffle(x, scale)
        o = offset(z) * (scope(z).sigmoid() * 0.5 if dynamic_scope else 0.25)
        o = o if style == "lp" else f.pixel_unshuffle(o, scale)
        steps = (torch.arange(scale, dtype=torch.float64) - (scale - 1) / 2) / scale
        rows, columns = torch.meshgrid(steps, steps, indexing="ij")
        o = o.view(b, 2, groups, scale, scale, h, w) + torch.stack([columns, rows])[None, :, None, :, :, None, None]
        at_y, at_x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
        at = o + torch.stack([at_x, at_y])[None, :, None, None, None]
        at = 2 * at / torch.tensor([w, h]).view(1, 2, 1, 1, 1, 1, 1) - 1
        at = f.pixel_shuffle(at.reshape(b, -1, h, w), scale).view(b, 2, groups, scale * h, scale * w)
        at = at.permute(0, 2, 3, 4, 1).flatten(0, 1)
        y = f.grid_sample(x.reshape(b * groups, c // groups, h, w), at, mode="bilinear", align_corners=False,
                          padding_mode="border")
        return y.view(b, c, scale * h, scale * w)

    ours = build(nn.DySample, channels, scale, groups=groups, style=style, dynamic_scope=dynamic_scope)
    load(ours.offset, offset)
    if dynamic_scope:
        load(ours.scope, scope)
    same(torch, ours, theirs, numbers(2, 4, 5, channels), units=4096)
