"""Weights of torch in our models: replicas with torchvision's names and structure, random weights, the same logits."""

import collections
import json

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from deconvjax.segmentation.models import VGG16, FCNResNet, ResNet
from deconvjax.segmentation.weights import WeightError, load_weights, names_and_shapes, read_weights

pytestmark = pytest.mark.peers
SAFE = {"float32": "F32", "int64": "I64", "bfloat16": "BF16", "float16": "F16"}


@pytest.fixture(scope="module")
def torch():
    import torch

    torch.manual_seed(0)
    return torch


@pytest.fixture(scope="module")
def replica(torch):
    from tests.peers import torchvision_replica

    return torchvision_replica


# ---- files -----------------------------------------------------------------------------------------------------------
def zipped(torch, state, path):
    torch.save(state, path)


def streamed(torch, state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


def safetensors(torch, state, path):
    """Written by hand, from the format's own description."""
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in state.items():
        raw = tensor.numpy().tobytes()
        header[name] = {"dtype": SAFE[str(tensor.dtype).removeprefix("torch.")], "shape": list(tensor.shape),
                        "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


WRITERS = {"zip": zipped, "stream": streamed, "safetensors": safetensors}


@nnx.jit
def both(model, x):
    """Logits and auxiliary logits, in one program for each size."""
    return model(x), model.auxiliary_logits(x)


@nnx.jit
def maps(model, x):
    return model(x)


def images(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def channels_first(torch, x):
    return torch.from_numpy(np.moveaxis(x, -1, 1).copy())


def close(ours, theirs):
    theirs = np.moveaxis(theirs.detach().numpy(), 1, -1)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * np.abs(theirs).max())


# ---- the tests -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", WRITERS)
def test_fcn_resnet_gives_torchs_logits(torch, replica, kind, tmp_path):
    theirs = replica.with_random_statistics(replica.FCN((1, 2, 2, 2), 8, 5))
    path = tmp_path / "weights"
    WRITERS[kind](torch, theirs.state_dict(), path)
    ours = FCNResNet((1, 2, 2, 2), classes=5, auxiliary=True, width=8, rngs=nnx.Rngs(1))
    ours.eval()
    report = load_weights(ours, read_weights(path))
    counters = {name for name in theirs.state_dict() if name.endswith("num_batches_tracked")}
    assert set(report.left_out) == counters
    assert set(report.loaded) | counters == set(theirs.state_dict())
    for size in ((64, 64), (57, 71), (33, 100), (41, 17)) if kind == "zip" else ((37, 50),):
        x = images(2, *size, 3)
        out, auxiliary = theirs(channels_first(torch, x))
        for mine, its in zip(both(ours, jnp.asarray(x)), (out, auxiliary), strict=True):
            close(np.asarray(mine), its)


@pytest.mark.parametrize("depth, blocks", [(50, (3, 4, 6, 3)), (101, (3, 4, 23, 3))])
def test_the_full_models_have_torchvisions_names_and_shapes(torch, replica, depth, blocks):
    with torch.device("meta"):
        state = replica.FCN(blocks, 64, 21).state_dict()
    model = nnx.eval_shape(lambda: FCNResNet(depth, auxiliary=True, rngs=nnx.Rngs(0)))
    slots = names_and_shapes(model)
    assert slots == {name: tuple(tensor.shape) for name, tensor in state.items()
                     if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize("kind", WRITERS)
def test_vgg16_is_fully_convolutional_with_the_classifiers_weights(torch, replica, kind, tmp_path):
    theirs = replica.vgg(32)
    WRITERS[kind](torch, theirs.state_dict(), tmp_path / "vgg")
    ours = VGG16(pad=1, width=1 / 32, rngs=nnx.Rngs(0))
    ours.eval()
    report = load_weights(ours, read_weights(tmp_path / "vgg"))
    assert report.left_out == ("classifier.6.weight", "classifier.6.bias")
    x = images(2, 224, 224, 3) if kind == "zip" else images(1, 224, 224, 3)
    features = theirs["features"](channels_first(torch, x))
    top = theirs["classifier"][:5](features.flatten(1))  # up to the ReLU behind fc7: 224 is the size it was made for
    found = maps(ours, jnp.asarray(x))
    close(np.asarray(found["pool5"]), features)
    np.testing.assert_allclose(np.asarray(found["fc7"])[:, 0, 0], top.detach().numpy(), atol=2e-5)


def test_names_of_torchs_fcn_ports_are_known():
    net = VGG16(width=1 / 64, rngs=nnx.Rngs(0))
    arrays = {}
    for stage, (channels, count) in enumerate(((1, 2), (2, 2), (4, 3), (8, 3), (8, 3)), 1):
        for n in range(1, count + 1):
            conv = net.convs[len(arrays) // 2]
            kh, kw, few, outer = conv.kernel.shape
            assert outer == channels
            arrays[f"conv{stage}_{n}.weight"] = images(outer, few, kh, kw)
            arrays[f"conv{stage}_{n}.bias"] = images(outer)
    arrays |= {"fc6.weight": images(64, 8, 7, 7), "fc6.bias": images(64), "fc7.weight": images(64, 64, 1, 1),
               "fc7.bias": images(64), "score_fr.weight": images(21, 64, 1, 1), "upscore2.weight": images(21, 21, 4, 4)}
    report = load_weights(net, arrays)
    assert report.left_out == ("score_fr.weight", "upscore2.weight")
    np.testing.assert_array_equal(net.fc6.kernel[...], arrays["fc6.weight"].transpose(2, 3, 1, 0))


def test_dtypes_strides_and_sharing_survive_the_file(torch, tmp_path):
    base = torch.arange(24.0).reshape(4, 6)
    state = collections.OrderedDict(
        whole=base, turned=base.T, slice=base[1:, ::2], scalar=torch.tensor(3.5), half=base.half(),
        brain=base.bfloat16(), double=base.double(), count=torch.tensor(7), flags=base > 3, empty=torch.zeros(0, 3),
        parameter=torch.nn.Parameter(base.clone()), byte=base.to(torch.uint8), complex=base.to(torch.complex64))
    for writer in (zipped, streamed):
        writer(torch, state, tmp_path / "file")
        found = read_weights(tmp_path / "file")
        assert list(found) == list(state)
        for name, tensor in state.items():
            want = tensor.detach().float().numpy() if name == "brain" else tensor.detach().numpy()
            assert found[name].shape == want.shape
            np.testing.assert_array_equal(found[name].astype(want.dtype), want)
            assert found[name].dtype.name == str(tensor.dtype).removeprefix("torch."), name


def test_files_that_are_more_than_weights_are_refused(torch, tmp_path):
    path = tmp_path / "file.pt"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(WeightError, match=r"holds more than tensors; got torch\.nn\.modules\.linear\.Linear"):
        read_weights(path)
    torch.save({"model": torch.nn.Linear(2, 2).state_dict(), "epoch": 3}, path)
    with pytest.raises(WeightError, match=r"no tensors: model, epoch.*key='model'"):
        read_weights(path)
    assert set(read_weights(path, key="model")) == {"weight", "bias"}


def test_a_resnet_alone_leaves_its_classifier_out(torch, replica):
    theirs = replica.with_random_statistics(replica.Backbone((1, 1, 1, 1), 8))
    arrays = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    ours = ResNet((1, 1, 1, 1), width=8, rngs=nnx.Rngs(0))
    ours.eval()
    report = load_weights(ours, arrays | {"fc.weight": np.zeros((10, 256), np.float32)})
    assert "fc.weight" in report.left_out
    x = images(1, 45, 52, 3)
    close(np.asarray(maps(ours, jnp.asarray(x))["layer4"]), theirs(channels_first(torch, x))[1])
