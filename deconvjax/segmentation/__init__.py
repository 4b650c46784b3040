"""Segmentation: losses, metrics."""

from deconvjax.segmentation import losses
from deconvjax.segmentation.metrics import ConfusionMatrix

__all__ = ["ConfusionMatrix", "losses"]
