"""Scores of a model on a data set: whole images in buckets, or sliding windows, scales and mirror images averaged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.errors import complaint
from deconvjax.segmentation.data import Dataset, evaluation_batches
from deconvjax.segmentation.data.augment import rescale
from deconvjax.segmentation.metrics import ConfusionMatrix

Forward = Callable[[Any], jax.Array]


@dataclass(frozen=True)
class Inference:
    """probabilities = mean over scales, mirrors and windows of softmax(logits): how one image is read.

    Attributes:
        window: side of a sliding square window with half overlap; 0 runs the whole image at once.
        scales: the image is read at each of these scales, probabilities averaged.
        flip: and mirrored.

    >>> uniform = lambda images: np.zeros((*images.shape[:3], 4), np.float32)
    >>> Inference(flip=True)(uniform, np.zeros((8, 8, 3), np.float32), 4)[0, 0]
    array([0.25, 0.25, 0.25, 0.25], dtype=float32)
    """

    window: int = 0
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        if self.window < 0:
            raise ValueError(complaint("--window", "the side of a window is negative", got=self.window,
                                       expected="a number of pixels, or 0 for whole images", fix="--window 0"))
        if not self.scales or not all(0 < scale < math.inf for scale in self.scales):
            raise ValueError(complaint("--scales", "images are read at positive scales", got=self.scales,
                                       expected="one or more numbers above 0", fix="--scales 1"))

    def __call__(self, forward: Forward, image: np.ndarray, classes: int) -> np.ndarray:
        """Mean softmax (H, W, classes) of one image (H, W, 3)."""
        total = np.zeros((*image.shape[:2], classes), np.float32)
        views = 0
        for scale in self.scales:
            scaled = image if scale == 1.0 else _resized(image, scale)
            for mirrored in (False, True)[: 1 + self.flip]:
                view = scaled[:, ::-1] if mirrored else scaled
                scores = self._scores(forward, np.ascontiguousarray(view), classes)
                scores = scores[:, ::-1] if mirrored else scores
                total += np.asarray(jax.image.resize(jnp.asarray(scores), (*image.shape[:2], classes), "linear"))
                views += 1
        return total / views

    def _scores(self, forward: Forward, image: np.ndarray, classes: int) -> np.ndarray:
        side = self.window
        if not side:
            padded = _to_multiple(image, 32)
            return np.asarray(jax.nn.softmax(forward(padded[None])))[0, : image.shape[0], : image.shape[1]]
        padded = _at_least(image, side)
        total = np.zeros((*padded.shape[:2], classes), np.float32)
        count = np.zeros((*padded.shape[:2], 1), np.float32)
        for top in _starts(padded.shape[0], side):
            for left in _starts(padded.shape[1], side):
                here = (slice(top, top + side), slice(left, left + side))
                total[here] += np.asarray(jax.nn.softmax(forward(padded[here][None])))[0]
                count[here] += 1
        return (total / count)[: image.shape[0], : image.shape[1]]


def evaluate(forward: Forward, dataset: Dataset, *, batch: int = 8, inference: Inference | None = None,
             watch: Callable[[Iterable], Iterable] = lambda it: it) -> ConfusionMatrix:
    """H[t, p] = number of pixels of class t that were read as p, over every sample of `dataset`.

    Args:
        forward: images (B, H, W, 3) -> logits.
        dataset: what to score on.
        batch: images per call where whole images are read once.
        inference: windows, scales and flips; None reads whole images in batches.
        watch: wraps the iteration (a progress bar).

    >>> from deconvjax.segmentation.data import Digits
    >>> background = lambda images: np.eye(11, dtype=np.float32)[np.zeros(images.shape[:3], int)]
    >>> scenes = Digits("validation", size=(32, 32), count=2)
    >>> int(evaluate(background, scenes, batch=2).counts.sum()) <= 2 * 32 * 32
    True
    """
    empty = ConfusionMatrix.empty(len(dataset.classes))
    total, last = empty.numpy(), empty
    for labels, guess in _readings(forward, dataset, batch, inference, watch):
        last, before = empty.update(jnp.asarray(labels), jnp.asarray(guess)), last
        total += before.numpy()  # while the device is at work on `last`
    return ConfusionMatrix(total + last.numpy())


def _readings(forward: Forward, dataset: Dataset, batch: int, inference: Inference | None,
              watch: Callable[[Iterable], Iterable]) -> Iterator[tuple[Any, Any]]:
    """(labels, predictions), over every sample once."""
    if inference is None or inference == Inference():
        for padded, _ in watch(evaluation_batches(dataset, batch=batch)):
            yield padded.mask, forward(jnp.asarray(padded.image)).argmax(-1)
        return
    for index in watch(range(len(dataset))):
        sample = dataset[index]
        yield sample.mask, inference(forward, sample.image, len(dataset.classes)).argmax(-1)


def _resized(image: np.ndarray, scale: float) -> np.ndarray:
    return rescale(image, np.zeros(image.shape[:2], np.uint8), scale)[0]


def _to_multiple(image: np.ndarray, multiple: int) -> np.ndarray:
    """Grey behind and below, so that few shapes are compiled."""
    pads = [(0, -n % multiple) for n in image.shape[:2]]
    return np.pad(image, [*pads, (0, 0)], constant_values=0.5)


def _at_least(image: np.ndarray, side: int) -> np.ndarray:
    pads = [(0, max(0, side - n)) for n in image.shape[:2]]
    return np.pad(image, [*pads, (0, 0)], constant_values=0.5)


def _starts(size: int, side: int) -> list[int]:
    """Half-overlapping windows that cover `size`, the last one flush with the end."""
    return sorted({*range(0, max(1, size - side + 1), max(1, side // 2)), size - side})
