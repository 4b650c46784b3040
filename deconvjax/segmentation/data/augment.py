"""What happens to a sample before it is learned from: flip, scale, crop, colour; all from one generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from deconvjax.segmentation.data.sample import VOID, Sample


@dataclass(frozen=True)
class Augment:
    """(image, mask) -> colour(crop(scale(flip(image)))), mask likewise: flips half the time, scales by 2^U(-s, s).

    Where the scaled picture is smaller than the crop, the rest is grey and labelled 255.

    Attributes:
        crop: (height, width) of what is learned from: every training batch has this one shape.
        flip: mirror left and right half of the time.
        scale: s in octaves.
        colour: relative strength of the changes of brightness, contrast and saturation.

    >>> sample = Sample(np.full((8, 8, 3), 0.5, np.float32), np.zeros((8, 8), np.uint8), "grey")
    >>> Augment((4, 6))(sample, np.random.default_rng(0)).image.shape
    (4, 6, 3)
    """

    crop: tuple[int, int]
    flip: bool = True
    scale: float = 0.5
    colour: float = 0.2

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample, changed."""
        image, mask = sample.image, sample.mask
        if self.flip and rng.random() < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        if self.scale:
            image, mask = rescale(image, mask, 2 ** rng.uniform(-self.scale, self.scale))
        image, mask = window(image, mask, self.crop, rng)
        if self.colour:
            image = _colour(image, rng, self.colour)
        return Sample(image, mask, sample.name)


def rescale(image: np.ndarray, mask: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Picture bilinear, mask nearest: classes are not averaged."""
    height, width = (max(1, round(n * factor)) for n in mask.shape)
    planes = [Image.fromarray(np.ascontiguousarray(image[..., c])).resize((width, height), Image.Resampling.BILINEAR)
              for c in range(image.shape[-1])]
    labels = Image.fromarray(np.ascontiguousarray(mask)).resize((width, height), Image.Resampling.NEAREST)
    return np.stack([np.asarray(p) for p in planes], -1), np.asarray(labels)


def window(image: np.ndarray, mask: np.ndarray, crop: tuple[int, int],
           rng: np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A crop at a random place (at the top left without `rng`), what lies outside grey and not counted."""
    short = [max(0, c - n) for c, n in zip(crop, mask.shape, strict=True)]
    if any(short):
        before = [int(rng.integers(0, s + 1)) if rng else 0 for s in short]
        pads = [(b, s - b) for b, s in zip(before, short, strict=True)]
        image = np.pad(image, [*pads, (0, 0)], constant_values=0.5)
        mask = np.pad(mask, pads, constant_values=VOID)
    top, left = (int(rng.integers(0, n - c + 1)) if rng else 0 for n, c in zip(mask.shape, crop, strict=True))
    return image[top:top + crop[0], left:left + crop[1]], mask[top:top + crop[0], left:left + crop[1]]


def _colour(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3).astype(np.float32)
    grey = image.mean(-1, keepdims=True)
    image = grey + saturation * (image - grey)
    mean = image.mean()
    return np.clip(brightness * (mean + contrast * (image - mean)), 0, 1).astype(np.float32)
