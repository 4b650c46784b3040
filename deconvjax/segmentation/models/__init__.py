"""Backbones and the reference FCNs."""

from deconvjax.segmentation.models.backbone import Backbone, TinyBackbone, Wrapped, evenly
from deconvjax.segmentation.models.reference import Segmenter, fcn, fcn8s, fcn8s_atonce, fcn16s, fcn32s
from deconvjax.segmentation.models.resnet import FCNResNet, ResNet
from deconvjax.segmentation.models.vgg import VGG16

__all__ = [
    "VGG16", "Backbone", "FCNResNet", "ResNet", "Segmenter", "TinyBackbone", "Wrapped", "evenly", "fcn", "fcn16s",
    "fcn32s", "fcn8s", "fcn8s_atonce",
]
