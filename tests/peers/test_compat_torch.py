"""compat.torch against torch itself: rows 19 and 20, forward convolutions, resampling, patches, unpooling."""

import random

import numpy as np
import pytest

from deconvjax import compat
from deconvjax.compat import resolve
from deconvjax.compat import torch as ours
from deconvjax.compat.core.interpolate import torch_axis
from deconvjax.errors import ShapeError
from tests.compat.oracles import run_stage
from tests.tolerance import assert_close

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore:Using padding='same'")]


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


@pytest.fixture(scope="module")
def functional(torch):
    return torch.nn.functional


def integers(rng, *shape):
    return np.array([rng.randint(-9, 9) for _ in range(int(np.prod(shape)))], np.float64).reshape(shape)


@pytest.fixture(scope="module")
def tensor(torch):
    return lambda array: torch.from_numpy(np.ascontiguousarray(array))


@pytest.mark.parametrize("row", [19, 20])
def test_transposed_rows(row, torch, functional, tensor):
    """2500 calls each: what torch refuses is refused, everything else has its size and values."""
    rng, done, refused = random.Random(row), 0, 0
    layer = torch.nn.ConvTranspose1d(1, 1, 1)
    while done < 2500:
        i, k, s, d, p = rng.randint(1, 8), rng.randint(1, 5), rng.randint(1, 4), rng.randint(1, 3), rng.randint(0, 5)
        x, w = integers(rng, i), integers(rng, k)
        arguments = {"stride": s, "padding": p, "dilation": d}
        size, extra = None, rng.randint(0, 4)
        if row == 20:
            size = (i - 1) * s - 2 * p + d * (k - 1) + 1 + rng.randint(-1, s)
        try:
            if size is not None:
                layer.stride, layer.padding, layer.dilation, layer.kernel_size = (s,), (p,), (d,), (k,)
                extra = layer._output_padding(tensor(x)[None, None], [size], (s,), (p,), (k,), 1, (d,))[0]
            want = functional.conv_transpose1d(tensor(x)[None, None], tensor(w)[None, None], output_padding=extra,
                                               **arguments).numpy().ravel()
        except (RuntimeError, ValueError):
            want = np.zeros(0)
        more = {"output_size": size} if row == 20 else {"output_padding": extra}
        if not len(want):
            refused += 1
            with pytest.raises(ShapeError):
                resolve.torch_transpose(i, k, **arguments, **more)
            continue
        axis = resolve.torch_transpose(i, k, **arguments, **more)
        assert np.array_equal(run_stage(axis, x, w[::-1]), want), (i, k, arguments, more)
        done += 1
    assert refused > 100


def test_forward_rows(functional, tensor):
    rng = random.Random(0)
    for _ in range(2000):
        i, k, s, d = rng.randint(1, 9), rng.randint(1, 4), rng.randint(1, 4), rng.randint(1, 3)
        padding = rng.choice([0, 1, 2, "valid", "same"])
        s = 1 if padding == "same" else s
        x, w = integers(rng, i), integers(rng, k)
        try:
            want = functional.conv1d(tensor(x)[None, None], tensor(w)[None, None], None, s, padding, d).numpy().ravel()
        except RuntimeError:
            with pytest.raises(ShapeError):
                resolve.torch_conv(i, k, stride=s, padding=padding, dilation=d)
            continue
        axis = resolve.torch_conv(i, k, stride=s, padding=padding, dilation=d)
        assert np.array_equal(run_stage(axis, x, w), want)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_whole_layers(n, groups, functional, tensor):
    """Random geometry on every axis, channels, groups, batched and not."""
    rng = random.Random(n)
    for _ in range(3):
        s, d = [rng.randint(1, 3) for _ in range(n)], [rng.randint(1, 2) for _ in range(n)]
        p, k = [rng.randint(0, 2) for _ in range(n)], [rng.randint(2, 4) for _ in range(n)]
        a = [rng.randrange(max(pair)) for pair in zip(s, d, strict=True)]
        x, w = integers(rng, 2, 4, *(rng.randint(3, 5) for _ in range(n))), integers(rng, 4, 3, *k)
        name = f"conv_transpose{n}d"
        want = getattr(functional, name)(tensor(x), tensor(w), None, s, p, a, groups, d).numpy()
        layer = getattr(ours, name)(w, None, s, p, a, groups, d)
        assert np.array_equal(layer(x), want)
        assert np.array_equal(layer(x[0]), want[0])
        back = getattr(functional, f"conv{n}d")(tensor(want), tensor(w), None, s, p, d, groups).numpy()
        inside = tuple(slice(size) for size in x.shape)  # an output_padding >= stride makes room for one window more
        assert np.array_equal(layer.on(x.shape).T(want.astype(np.float32)), back[inside])


def test_interpolation_weights(torch, functional):
    """2000 axes of random size, mode and ratio: the matrix torch applies, found by feeding it unit pulses."""
    rng = random.Random(0)
    for _ in range(2000):
        size = rng.randint(1, 12)
        mode = rng.choice(["nearest", "nearest-exact", "linear", "area", "bicubic", "bilinear"])
        corners = mode in ("linear", "bilinear", "bicubic") and rng.random() < 0.5
        antialias = mode in ("bilinear", "bicubic") and rng.random() < 0.5
        out, scale = rng.choice([(rng.randint(1, 20), None), (None, rng.choice([0.5, 0.7, 1.3, 2, 2.5, 3]))])
        if scale is not None and size * scale < 1:
            continue
        recompute = scale is not None and rng.random() < 0.5
        flat = mode in ("bilinear", "bicubic")
        options = {"align_corners": corners} if mode in ("linear", "bilinear", "bicubic") else {}
        options |= {"antialias": antialias} if flat else {}
        pulses = torch.eye(size, dtype=torch.float64)[:, None]
        if flat:
            pulses = pulses[:, :, None]
            target = (1, out) if out else None
            scales = (1.0, float(scale)) if scale else None
        else:
            target, scales = out, scale
        got = functional.interpolate(pulses, target, scales, mode, recompute_scale_factor=recompute or None, **options)
        want = got.reshape(size, -1).numpy().T
        weights = torch_axis(size, mode=mode, out=out, scale=None if scale is None else float(scale),
                             recompute=recompute, align_corners=corners, antialias=antialias)
        matrix = np.eye(size)[list(weights)] if isinstance(weights, tuple) else weights
        assert matrix.shape == want.shape, (size, mode, out, scale)
        assert np.abs(matrix - want).max() < 1e-6, (size, mode, out, scale, corners, antialias, recompute)


@pytest.mark.parametrize("mode, shape, options", [
    ("nearest", (2, 3, 5), {"scale_factor": 3}), ("linear", (2, 3, 5), {"scale_factor": 3}),
    ("bilinear", (2, 3, 5, 6), {"scale_factor": 2}), ("bicubic", (2, 3, 5, 6), {"scale_factor": (2, 3)}),
    ("bilinear", (2, 3, 5, 6), {"size": (7, 4)}), ("bilinear", (2, 3, 9, 8), {"size": (4, 3), "antialias": True}),
    ("bicubic", (2, 3, 5, 6), {"size": (7, 13), "align_corners": True}), ("area", (2, 3, 5, 6), {"size": (2, 9)}),
    ("trilinear", (1, 2, 3, 4, 5), {"scale_factor": 2}), ("nearest-exact", (1, 2, 3, 4, 5), {"size": (5, 4, 9)}),
    ("trilinear", (1, 2, 3, 4, 5), {"scale_factor": 1.5, "recompute_scale_factor": True}),
    ("linear", (2, 3, 3), {"scale_factor": 2.1}), ("trilinear", (1, 2, 3, 4, 5), {"scale_factor": 2.1}),
    ("bicubic", (2, 3, 5, 6), {"scale_factor": 2.1}), ("bilinear", (2, 3, 5, 6), {"scale_factor": (3.05, 2.1)}),
    ("nearest", (1, 3, 8, 5), {"scale_factor": (1.1, 2.05)}), ("nearest", (1, 3, 8, 5, 4), {"scale_factor": 1.1}),
    ("nearest", (1, 3, 99, 8), {"scale_factor": (1.003, 2.05)}),
    ("nearest", (1, 3, 99, 40), {"scale_factor": (1.003, 1.01)}),
])
def test_interpolate(mode, shape, options, functional, tensor):
    x = np.random.default_rng(0).normal(size=shape)
    want = functional.interpolate(tensor(x), mode=mode, **options).numpy()
    assert_close(ours.interpolate(mode=mode, **options)(x), want, units=1e4)


def test_parameters(torch):
    layer = torch.nn.ConvTranspose2d(4, 6, 3, groups=2)
    found = compat.convert(dict(layer.named_parameters()), source="torch", target="equinox", groups=2)
    assert found["weight"].shape == (6, 2, 3, 3) and found["bias"].shape == (6, 1, 1)
    x = np.random.default_rng(0).normal(size=(1, 4, 5, 5)).astype(np.float32)
    want = (layer(torch.from_numpy(x)) - layer.bias[:, None, None]).detach().numpy()
    assert_close(ours.conv_transpose2d(layer.weight, groups=2)(x), want, units=64)


def test_rearrangements(functional, tensor):
    rng = random.Random(3)
    x = integers(rng, 2, 12, 4, 6)
    assert np.array_equal(ours.pixel_shuffle(2)(x), functional.pixel_shuffle(tensor(x), 2).numpy())
    assert np.array_equal(ours.pixel_unshuffle(2)(x), functional.pixel_unshuffle(tensor(x), 2).numpy())
    for k, d, p, s in ((3, 1, 0, 1), ((2, 3), (2, 1), (1, 0), (1, 2))):
        want = functional.unfold(tensor(x), k, d, p, s)
        assert np.array_equal(ours.unfold(k, d, p, s)(x), want.numpy())
        back = functional.fold(want, (4, 6), k, d, p, s).numpy()
        assert np.array_equal(ours.fold((4, 6), k, d, p, s)(want.numpy()), back)


def test_max_unpool(functional, tensor):
    """Overlapping and padded pooling windows too: one sample chosen twice is not doubled."""
    x = tensor(np.random.default_rng(4).normal(size=(2, 3, 7, 8)))
    for k, s, p in ((2, 2, 0), (3, 2, 1), (3, 1, 0)):
        y, indices = functional.max_pool2d(x, k, s, p, return_indices=True)
        want = functional.max_unpool2d(y, indices, k, s, p, output_size=(7, 8)).numpy()
        got = ours.max_unpool2d(indices.numpy(), k, s, p, output_size=(7, 8))(y.numpy())
        assert np.array_equal(got, want)
