"""From a config to its parts: data sets, model, optimizer, loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from deconvjax.nn.heads import FCNHead, FPNHead, UNetDecoder
from deconvjax.segmentation import losses
from deconvjax.segmentation.data import Dataset, Digits, folder, voc
from deconvjax.segmentation.models import VGG16, ResNet, Segmenter, TinyBackbone
from deconvjax.segmentation.training.config import Config
from deconvjax.segmentation.weights import Report, absorb_normalization, load_weights, read_weights

_LEVELS = {
    "tiny": ("pool4", "pool3", "pool2", "pool1"),
    "vgg16": ("fc7", "pool4", "pool3", "pool2"),
    "resnet50": ("layer4", "layer3", "layer2", "layer1"),
}
_FCN = {"fcn32s": 1, "fcn16s": 2, "fcn8s": 3}


def datasets(config: Config) -> tuple[Dataset, Dataset]:
    """(training, validation)."""
    if config.data == "digits":
        size = (config.crop, config.crop)
        return (Digits("train", size=size, count=1 << 20, seed=config.seed),
                Digits("validation", size=size, count=config.validation_count))
    find: Callable[..., Dataset] = folder if config.data == "folder" else voc
    return (find(config.root, config.split, strict=config.strict),
            find(config.root, config.validation_split, strict=config.strict))


def model(config: Config, classes: int) -> Segmenter:
    """A fresh model, its numbers fixed by the seed."""
    rngs = nnx.Rngs(config.seed)
    dtype = jnp.bfloat16 if config.precision == "bfloat16" else None
    make: dict[str, Callable[..., Any]] = {"tiny": TinyBackbone, "vgg16": VGG16,
                                           "resnet50": partial(ResNet, 50, dilated=False)}
    backbone = make[config.model](dtype=dtype, rngs=rngs)
    levels = _LEVELS[config.model]
    options: dict[str, Any] = {"upsampling": config.upsampling, "dtype": dtype, "rngs": rngs}
    if config.head in _FCN:
        head: Any = FCNHead(backbone.features, classes, levels=levels[:_FCN[config.head]], **options)
    elif config.head == "unet":
        widths = tuple(backbone.features[name].channels for name in levels[1:])
        head = UNetDecoder(backbone.features, classes, levels=levels, widths=widths, **options)
    else:
        head = FPNHead(backbone.features, classes, levels=levels, width=64, **options)
    return Segmenter(backbone, head)


def pretrain(segmenter: Segmenter, path: str) -> Report:
    """The backbone's weights from a file of torchvision's, made to read images in [-1, 1]."""
    backbone = segmenter.backbone
    report = load_weights(backbone, read_weights(path))
    if isinstance(backbone, ResNet):
        absorb_normalization(backbone.conv1, backbone.bn1)
    else:
        absorb_normalization(backbone.convs[0])
    return report


def schedule(config: Config) -> optax.Schedule:
    """Learning rate by optimizer step: linear warm-up, then cosine, (1 - t)^0.9, or constant."""
    warmup = min(config.warmup, config.steps // 2)
    rest = max(1, config.steps - warmup)
    after = {
        "cosine": lambda: optax.cosine_decay_schedule(config.learning_rate, rest),
        "poly": lambda: optax.polynomial_schedule(config.learning_rate, 0.0, 0.9, rest),
        "constant": lambda: optax.constant_schedule(config.learning_rate),
    }[config.schedule]()
    if not warmup:
        return after
    return optax.join_schedules([optax.linear_schedule(0.0, config.learning_rate, warmup), after], [warmup])


def optimizer(config: Config) -> optax.GradientTransformation:
    """Clipped gradients into AdamW, Adam or SGD with momentum 0.9; biases and norms do not decay."""
    rate = schedule(config)

    def decays(params: Any) -> Any:
        return jax.tree_util.tree_map(lambda leaf: leaf.ndim > 1, params)

    rules = {
        "adamw": lambda: optax.adamw(rate, weight_decay=config.weight_decay, mask=decays),
        "adam": lambda: optax.adam(rate),
        "sgd": lambda: optax.chain(optax.add_decayed_weights(config.weight_decay, decays),
                                   optax.sgd(rate, momentum=0.9)),
    }
    return optax.chain(optax.clip_by_global_norm(config.clip), rules[config.optimizer]())


def loss(config: Config) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """(logits, labels) -> scalar."""
    simple: dict[str, Callable[..., jax.Array]] = {
        "cross_entropy": losses.cross_entropy, "focal": losses.focal, "dice": losses.dice, "jaccard": losses.jaccard,
        "lovasz": losses.lovasz_softmax,
    }
    if config.loss in simple:
        return simple[config.loss]
    if config.loss == "ohem":
        return lambda z, y: losses.ohem(losses.cross_entropy(z, y, reduction="none"), y, keep=max(1, y.size // 16))
    return lambda z, y: losses.cross_entropy(z, y) + losses.dice(z, y)
