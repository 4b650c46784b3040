"""Thirty-two compositions by name: written as signal processing writes them, compiled to what an expert would call.

Beside each stands the best hand-written form in `jax.lax`. Compared are the FLOPs of both compiled programs
(`cost_analysis`), the library's stages lowered by "direct", one `lax.conv_general_dilated` each, so that both sides are
counted by the same rule: what is tested is the plan, not the engine's own lowerings, which cost_analysis cannot compare
(a matrix product with zeros in it, a sum of shifted slices). And the values must agree.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import deconvjax as dj
from deconvjax import engine, filters

RNG = np.random.default_rng(7)
Q9, Q5, Q4, Q3 = (RNG.normal(size=n).astype(np.float32) for n in (9, 5, 4, 3))
LO, HI = (np.asarray(q, np.float32) for q in (RNG.normal(size=4), RNG.normal(size=4)))


def conv1(x, taps, down=1, up=1, pads=(0, 0), dilation=1):
    """One correlation of a 1-D signal."""
    taps = jnp.asarray(taps)[:, None, None]
    y = lax.conv_general_dilated(x[None, :, None], taps, (down,), [pads], (up,), (dilation,), ("NHC", "HIO", "NHC"))
    return y[0, :, 0]


def conv2(x, kernel, down=1, up=1, pads="SAME", dilation=1, groups=1):
    """One correlation of an image (H, W, C)."""
    pair = lambda n: n if isinstance(n, tuple) else (n, n)  # noqa: E731
    y = lax.conv_general_dilated(x[None], jnp.asarray(kernel), pair(down), pads, pair(up), pair(dilation),
                                 ("NHWC", "HWIO", "NHWC"), groups)  # fmt: skip
    return y[0]


def rows_then_columns(x, taps, down=1, up=1, pads=(0, 0)):
    """A separable filter of an image (H, W): the last axis first."""
    z = conv2(x[..., None], taps[None, :, None, None], (1, down), (1, up), [(0, 0), pads])
    return conv2(z, taps[:, None, None, None], (down, 1), (up, 1), [pads, (0, 0)])[..., 0]


def columns_then_rows(x, taps, down=1, up=1, pads=(0, 0)):
    """The same, the first axis first."""
    return rows_then_columns(x.T, taps, down, up, pads).T


def kernel(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def analysis(h=LO, g=HI):
    return dj.stack([dj.downsample(2) @ dj.convolve(q, "full") for q in (h, g)])


def tree(levels):
    """x -> (..., (detail, (detail, approximation))): the low band split again and again."""
    low, high = (dj.downsample(2) @ dj.convolve(q, "full") for q in (LO, HI))
    return dj.stack([high, low if levels == 1 else tree(levels - 1) @ low])


def tree_by_hand(x, levels):
    low, high = (conv1(x, q[::-1], 2, pads=(3, 3)) for q in (LO, HI))
    return high, (low if levels == 1 else tree_by_hand(low, levels - 1))


def tree_back_by_hand(bands, sizes):
    high, rest = bands
    low = rest if len(sizes) == 1 else tree_back_by_hand(rest, sizes[1:])
    n = sizes[0]
    pads = (0, n + 3 - (2 * low.shape[0] - 1))
    return conv1(low, LO, up=2, pads=pads) + conv1(high, HI, up=2, pads=pads)


def wrap1(x, lo, hi):
    return jnp.concatenate([x[x.shape[0] - lo:], x, x[:hi]])


def gram_taps(q, k):
    full = np.correlate(q, q, "full")
    middle = len(q) - 1
    return full[middle % k::k]


B5 = np.asarray(filters.binomial(5), np.float32)
UP4 = np.array([1, 3, 3, 1], np.float32) / 4
K338, K334, K48 = kernel(3, 3, 8, 12), kernel(3, 3, 4, 8), kernel(3, 3, 8, 4)
NARROW_IN, NARROW_OUT = kernel(3, 3, 16, 1), kernel(3, 3, 1, 16)
DILATED = [kernel(3, 3, 8, 8) for _ in range(3)]
BIL = {f: np.asarray(filters.bilinear(f), np.float32) for f in (2, 8, 32)}
DEEP4 = np.tile(UP4[None, :, None, None], (1, 1, 1, 4))
BLUR = dj.downsample(2) @ dj.convolve(Q5, "wrap")


def fcn_kernel(f, classes=1):
    return np.outer(BIL[f], BIL[f])[:, :, None, None] * np.eye(classes, dtype=np.float32)


def one_axis(f):
    return BIL[f]


def fcn_by_hand(x):
    for f in (2, 2, 8):
        k = one_axis(f)
        x = rows_then_columns(x, k, up=f, pads=(len(k) - 1 - f // 2, len(k) - 1 - f // 2))
    return x


def fcn(f):
    return dj.conv_transpose(fcn_kernel(f), strides=f, padding=f // 2)


def nearest_kernel():
    """conv3x3 of a doubled image, as a transposed convolution: the kernel convolved with a 2x2 box."""
    box = np.zeros((4, 4, *K334.shape[2:]), np.float32)
    for i in range(2):
        for j in range(2):
            box[i:i + 3, j:j + 3] += K334
    return box


def pooled_kernel():
    out = np.zeros((4, 4, *K334.shape[2:]), np.float32)
    for i in range(2):
        for j in range(2):
            out[i:i + 3, j:j + 3] += K334 / 4
    return out


def laplacian():
    blur = dj.convolve(B5)
    down = dj.downsample(2) @ blur
    up = 2 * blur @ dj.upsample(2)
    return dj.stack([down, dj.identity - up @ down])


def laplacian_by_hand(x):
    low = conv1(x, B5, 2, pads=(2, 1))
    return low, x + conv1(low, -2 * B5, up=2, pads=(2, 3))


def shuffled(x, r=2):
    h, w, c = x.shape
    y = x.reshape(h, w, c // r**2, r, r).transpose(0, 3, 1, 4, 2)
    return y.reshape(h * r, w * r, c // r**2)


def unshuffled_kernel(k, r=2):
    """(w, w, C r r, out) as (r w, r w, C, out): conv of pixel_unshuffle(r) as one strided conv."""
    w, _, c, out = k.shape
    return k.reshape(w, w, c // r**2, r, r, out).transpose(0, 3, 1, 4, 2, 5).reshape(w * r, w * r, c // r**2, out)


def flip(k):
    return k[::-1]


CASES = {
    "blur then decimate": (
        dj.downsample(2) @ dj.convolve(Q9), (128,), lambda x: conv1(x, flip(Q9), 2, pads=(4, 3))),
    "blur then decimate, an image": (
        dj.downsample((2, 2)) @ dj.convolve(np.outer(B5, B5)), (32, 32),
        lambda x: rows_then_columns(x, B5, 2, pads=(2, 1))),
    "interpolate x3": (
        dj.convolve(Q9) @ dj.upsample(3), (64,), lambda x: conv1(x, flip(Q9), up=3, pads=(4, 6))),
    "interpolate x3, decimate /2": (
        dj.downsample(2) @ dj.convolve(Q9) @ dj.upsample(3), (64,),
        lambda x: conv1(x, flip(Q9), 2, 3, pads=(4, 5))),
    "two-channel analysis": (
        analysis(), (64,), lambda x: tuple(conv1(x, flip(q), 2, pads=(3, 3)) for q in (LO, HI))),
    "two-channel synthesis": (
        dj.row([dj.convolve(q, "full") @ dj.upsample(2) for q in (LO, HI)]), ((32,), (32,)),
        lambda x: conv1(x[0], flip(LO), up=2, pads=(3, 4)) + conv1(x[1], flip(HI), up=2, pads=(3, 4))),
    "3-level wavelet tree": (tree(3), (64,), lambda x: tree_by_hand(x, 3)),
    "3-level wavelet tree, transposed": (
        tree(3).on((64,)).T, None, lambda x: tree_back_by_hand(x, (64, 34, 19))),
    "Laplacian pyramid level": (laplacian(), (64,), laplacian_by_hand),
    "FCN's three-stage upsampling": (
        fcn(8) @ fcn(2) @ fcn(2), (6, 6, 1), lambda x: fcn_by_hand(x[..., 0])[..., None]),
    "FCN-32s, one 64x64 bilinear kernel": (
        fcn(32), (4, 4, 1), lambda x: rows_then_columns(x[..., 0], one_axis(32), up=32, pads=(47, 47))[..., None]),
    "upfirdn2d, up 2": (
        dj.upfirdn(np.outer(UP4, UP4), 2, 1, ((2, 2), (2, 2))), (16, 16),
        lambda x: rows_then_columns(x, UP4, up=2, pads=(2, 2))),
    "upfirdn2d, down 2": (
        dj.upfirdn(np.outer(UP4, UP4), 1, 2, ((1, 1), (1, 1))), (16, 16),
        lambda x: rows_then_columns(x, UP4, 2, pads=(1, 1))),
    "upfirdn2d chain, up 2 then down 2": (
        dj.upfirdn(UP4, 1, 2, (1, 1)) @ dj.upfirdn(UP4, 2, 1, (3, 3)), (64,),
        lambda x: conv1(x, np.convolve(UP4, UP4)[::2], pads=(2, 2))),
    "StyleGAN2 down layer: blur, strided conv": (
        dj.conv(K334, strides=2, padding="VALID")
        @ dj.convolve(np.outer(UP4, UP4), ((2, 2), (2, 2))).along((-3, -2)), (16, 16, 4),
        lambda x: conv2(conv2(conv2(x, DEEP4, pads=[(0, 0), (2, 2)], groups=4),
                              DEEP4.swapaxes(0, 1), pads=[(2, 2), (0, 0)], groups=4), K334, 2, pads="VALID")),
    "A.H A of a circular blur and decimation": (
        BLUR.on((64,)).H @ BLUR.on((64,)), None,
        lambda x: conv1(wrap1(conv1(wrap1(x, 2, 1), flip(Q5), 2), 1, 1), Q5, up=2, pads=(0, 1))),
    "A A.H of a circular blur and decimation": (
        BLUR.on((64,)) @ BLUR.on((64,)).H, None, lambda x: conv1(wrap1(x, 2, 2), gram_taps(Q5, 2))),
    "sub-pixel convolution": (
        dj.pixel_shuffle(2) @ dj.conv(K338), (12, 12, 8), lambda x: shuffled(conv2(x, K338))),
    "convolution of pixel_unshuffle": (
        dj.conv(K48, padding="VALID") @ dj.pixel_unshuffle(2), (16, 16, 2),
        lambda x: conv2(x, unshuffled_kernel(K48), 2, pads="VALID")),
    "dilated stack, rates 1 2 4": (
        dj.conv(DILATED[2], kernel_dilation=4) @ dj.conv(DILATED[1], kernel_dilation=2) @ dj.conv(DILATED[0]),
        (16, 16, 8),
        lambda x: conv2(conv2(conv2(x, DILATED[0]), DILATED[1], dilation=2), DILATED[2], dilation=4)),
    "noble identity, up": (
        dj.convolve(np.kron(Q3, [1, 0])[:5].astype(np.float32), "full") @ dj.upsample(2), (64,),
        lambda x: lax.pad(conv1(x, flip(Q3), pads=(2, 2)), np.float32(0), [(0, 1, 1)])),
    "noble identity, down": (
        dj.downsample(3) @ dj.convolve(np.kron(Q3, [1, 0, 0])[:7].astype(np.float32), "full"), (66,),
        lambda x: conv1(x[::3], flip(Q3), pads=(2, 2))),
    "down 2 of up 2": (dj.downsample(2) @ dj.upsample(2), (64,), lambda x: x),
    "down 2, up 6, down 5": (dj.downsample(2) @ dj.upsample(6) @ dj.downsample(5), (60,),
                             lambda x: lax.pad(x[::5], np.float32(0), [(0, 2, 2)])),
    "polyphase component": (
        dj.downsample(2) @ dj.convolve(Q9, "full") @ dj.upsample(2), (64,),
        lambda x: conv1(x, flip(Q9[::2]), pads=(4, 4))),
    "nearest x2, then conv": (
        dj.conv(K334) @ dj.resize(2, "nearest", axes=(-3, -2)), (10, 10, 4),
        lambda x: conv2(x, nearest_kernel(), up=2, pads=[(2, 2)] * 2)),
    "conv, then average pool": (
        dj.average_pool(2, 2, "VALID") @ dj.conv(K334, padding="VALID"), (18, 18, 4),
        lambda x: conv2(x, pooled_kernel(), 2, pads="VALID")),
    "average pool of average pool": (
        dj.average_pool(2, 2, "VALID") @ dj.average_pool(2, 2, "VALID"), (16, 16, 1),
        lambda x: rows_then_columns(x[..., 0], np.full(4, 0.25, np.float32), 4)[..., None]),
    "3x3 after 3x3 through one channel": (
        dj.conv(NARROW_OUT) @ dj.conv(NARROW_IN), (12, 12, 16), lambda x: conv2(conv2(x, NARROW_IN), NARROW_OUT)),
    "two filters in full": (
        dj.convolve(Q4, "full") @ dj.convolve(Q5, "full"), (64,),
        lambda x: conv1(x, flip(np.convolve(Q4, Q5)), pads=(7, 7))),
    "a sum of filters": (
        dj.convolve(Q5) + 2 * dj.convolve(B5), (64,), lambda x: conv1(x, flip(Q5 + 2 * B5), pads=(2, 2))),
    "valid, written as a crop of full": (
        dj.crop((4, 4)) @ dj.convolve(Q5, "full"), (64,), lambda x: conv1(x, flip(Q5))),
}


def compiled(f, x):
    """(FLOPs, f(x)) of the compiled program."""
    program = jax.jit(f).lower(x).compile()
    analysis = program.cost_analysis()
    return float((analysis[0] if isinstance(analysis, list) else analysis).get("flops", 0.0)), program(x)


@pytest.mark.parametrize("name", CASES)
def test_composition_costs_what_the_best_hand_written_call_costs(name, x32):
    a, domain, by_hand = CASES[name]
    bound = a if domain is None else a.on(domain)
    x = jax.tree_util.tree_map(lambda s: RNG.normal(size=s.shape).astype(np.float32), bound.domain)
    with engine.strategy("direct"):
        (ours, got), (theirs, want) = compiled(lambda x: bound(x), x), compiled(by_hand, x)
    for y, z in zip(jax.tree_util.tree_leaves(got), jax.tree_util.tree_leaves(want), strict=True):
        assert y.shape == z.shape, (y.shape, z.shape)
        np.testing.assert_allclose(y, z, rtol=0, atol=2e-5 * max(1.0, float(jnp.abs(z).max())))
    print(f"{name}: {ours:.0f} FLOPs, by hand {theirs:.0f}")
    assert ours <= 1.05 * theirs, f"{name}: {ours:.0f} FLOPs, by hand {theirs:.0f}; {bound.plan()!r}"


def test_there_are_thirty():
    assert len(CASES) >= 30
