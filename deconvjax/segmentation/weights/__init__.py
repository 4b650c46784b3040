"""Weights trained elsewhere: files of tensors read without the framework that wrote them, and laid into our models."""

from deconvjax.segmentation.weights.files import WeightError, read_weights
from deconvjax.segmentation.weights.load import Report, load_weights, names_and_shapes
from deconvjax.segmentation.weights.normalization import IMAGENET, Normalization, absorb_normalization

__all__ = ["IMAGENET", "Normalization", "Report", "WeightError", "absorb_normalization", "load_weights",
           "names_and_shapes",
           "read_weights"]
