"""Weights by name into our models: every name accounted for, layers turned, and runs that start from them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from deconvjax.cli import main
from deconvjax.nn.heads import FCNHead
from deconvjax.segmentation.models import VGG16, FCNResNet, ResNet, Segmenter
from deconvjax.segmentation.training import Checkpoints, Config, Trainer, building, loop
from deconvjax.segmentation.weights import (
    IMAGENET,
    WeightError,
    absorb_normalization,
    load_weights,
    names_and_shapes,
)
from tests.segmentation.weight_files import safetensors

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def as_users_run_it(x32):
    """With x64 off."""


# ---- names -----------------------------------------------------------------------------------------------------------
def fitting(model):
    return {name: RNG.normal(size=shape).astype(np.float32) for name, shape in names_and_shapes(model).items()}


def blank(make):
    """make() with zeros for its numbers: its structure costs no compilation."""
    graph, state = nnx.split(nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0))))

    def zeros(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.key(0)
        return jnp.asarray(np.zeros(leaf.shape, leaf.dtype))

    return nnx.merge(graph, jax.tree_util.tree_map(zeros, state))


def tiny_resnet():
    return blank(partial(ResNet, (1, 1, 1, 1), width=4))


def test_every_name_is_accounted_for_or_nothing_changes():
    net = tiny_resnet()
    before = np.asarray(net.conv1.kernel[...])
    arrays = fitting(net)
    cases = [
        ({name: a for name, a in arrays.items() if "bn1" not in name}, r"missing: bn1\.weight, bn1\.bias.*and 12 more"),
        (arrays | {"layer5.0.conv1.weight": before}, r"unexpected: layer5\.0\.conv1\.weight"),
        (arrays | {"conv1.weight": np.zeros((4, 3, 3, 3), np.float32)},
         r"wrong shape or kind: conv1\.weight float32 \(4, 3, 3, 3\) \(needs \(4, 3, 7, 7\)\)"),
        (arrays | {"bn1.bias": np.zeros(4, np.int32)}, r"bn1\.bias int32"),
        ({f"module.{name}": a for name, a in arrays.items()}, r"strip the prefix: .*'module\.'"),
    ]
    for given, said in cases:
        with pytest.raises(WeightError, match=said):
            load_weights(net, given)
        np.testing.assert_array_equal(net.conv1.kernel[...], before)
    report = load_weights(net, arrays | {"fc.weight": before, "bn1.num_batches_tracked": np.array(3)})
    assert set(report.left_out) == {"fc.weight", "bn1.num_batches_tracked"} and set(report.loaded) == set(arrays)
    np.testing.assert_array_equal(net.conv1.kernel[...], arrays["conv1.weight"].transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(net.bn1.var[...], arrays["bn1.running_var"])
    with pytest.raises(TypeError, match="no names are known for this model; got Linear"):
        load_weights(nnx.Linear(2, 2, rngs=nnx.Rngs(0)), {})


def test_fully_connected_layers_become_convolutions():
    net = blank(partial(VGG16, width=1 / 64))
    arrays = fitting(net)
    assert arrays["classifier.0.weight"].shape == (64, 8 * 7 * 7)
    load_weights(net, arrays)
    x = RNG.normal(size=(1, 7, 7, 8)).astype(np.float32)
    want = arrays["classifier.0.weight"] @ x[0].transpose(2, 0, 1).ravel() + arrays["classifier.0.bias"]
    np.testing.assert_allclose(net.fc6(jnp.asarray(x))[0, 0, 0], want, rtol=2e-5, atol=2e-4)


def test_the_auxiliary_head_is_optional():
    plain, both = (blank(partial(FCNResNet, (1, 1, 1, 1), classes=3, width=4, auxiliary=it)) for it in (False, True))
    arrays = fitting(both)
    assert all(name.startswith("aux_classifier.") for name in load_weights(plain, arrays).left_out)
    assert load_weights(both, arrays).left_out == ()
    with pytest.raises(WeightError, match=r"missing: aux_classifier\.0\.weight"):
        load_weights(both, fitting(plain))
    with pytest.raises(ValueError, match="there is no auxiliary head"):
        plain.auxiliary_logits(jnp.ones((1, 16, 16, 3)))


@pytest.mark.parametrize("biased", [True, False])
def test_normalization_goes_into_the_first_layer(biased):
    conv = nnx.Conv(3, 5, (3, 3), padding="VALID", use_bias=biased, rngs=nnx.Rngs(0))
    norm = nnx.BatchNorm(5, use_running_average=True, rngs=nnx.Rngs(1))
    norm.mean[...] = jnp.arange(5.0)
    images = RNG.uniform(size=(1, 8, 8, 3)).astype(np.float32)
    want = norm(conv(jnp.asarray((images - IMAGENET.mean) / IMAGENET.std, jnp.float32)))
    absorb_normalization(conv, None if biased else norm)
    np.testing.assert_allclose(norm(conv(jnp.asarray(2 * images - 1))), want, atol=2e-5)
    with pytest.raises(ValueError, match="4 channels"):
        absorb_normalization(nnx.Conv(4, 5, (1, 1), rngs=nnx.Rngs(0)))


# ---- training from them ----------------------------------------------------------------------------------------------
def test_a_run_starts_from_a_files_weights_and_resumes_without_it(tmp_path, monkeypatch):
    def narrow(config, classes):
        backbone = blank(partial(VGG16, width=1 / 64))
        return Segmenter(backbone, blank(partial(FCNHead, backbone.features, classes, levels=("fc7",))))

    monkeypatch.setattr(building, "model", narrow)
    arrays = fitting(narrow(None, 2).backbone)
    path = tmp_path / "w.safetensors"
    safetensors(path, arrays | {"classifier.6.bias": np.zeros(10, np.float32)})
    config = Config(model="vgg16", head="fcn32s", weights=str(path))
    trainer, checkpoints = Trainer(config, 2), Checkpoints(tmp_path / "run")
    state = loop._start(trainer, checkpoints, config, ("a", "b"))
    flat = dict(nnx.to_flat_state(state.params))
    np.testing.assert_array_equal(flat["backbone", "fc7", "bias"][...], arrays["classifier.3.bias"])
    first = arrays["features.0.weight"].transpose(2, 3, 1, 0) / (2 * np.array(IMAGENET.std)[:, None])
    np.testing.assert_allclose(flat["backbone", "convs", 0, "kernel"][...], first, rtol=1e-6)
    checkpoints.save("last", state)
    path.unlink()
    again = loop._start(trainer, checkpoints, config, ("a", "b"))
    np.testing.assert_array_equal(dict(nnx.to_flat_state(again.params))["backbone", "fc7", "bias"][...],
                                  arrays["classifier.3.bias"])
    with pytest.raises(FileNotFoundError):
        loop._start(trainer, Checkpoints(tmp_path / "other"), config, ("a", "b"))
    assert not (tmp_path / "other" / "config.json").exists()


def test_a_resnets_mean_takes_the_normalization_in():
    net = tiny_resnet()
    arrays = fitting(net)
    load_weights(net, arrays)
    kernel = arrays["conv1.weight"].sum((2, 3)).astype(np.float64)
    absorb_normalization(net.conv1, net.bn1)
    want = arrays["bn1.running_mean"] - kernel @ ((0.5 - np.array(IMAGENET.mean)) / IMAGENET.std)
    np.testing.assert_allclose(net.bn1.mean[...], want, rtol=1e-5, atol=1e-5)


def test_weights_nobody_has_are_refused(tmp_path, capsys):
    assert main(["train", "--weights", "w", "--out", str(tmp_path / "run")]) == 1
    assert "--weights: nobody has trained this model before" in capsys.readouterr().err
