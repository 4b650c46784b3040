"""Scenes of real handwritten digits over real photographs: a segmentation task that needs no download."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from deconvjax.errors import complaint
from deconvjax.segmentation.data.photographs import photograph
from deconvjax.segmentation.data.sample import Sample

CLASSES = ("background", *map(str, range(10)))
PHOTOGRAPHS = {
    "train": ("astronaut", "rocket", "stereo_motorcycle", "coins", "brick", "grass", "moon", "page"),
    "validation": ("coffee", "chelsea", "camera", "gravel"),
}
WRITERS = {"train": slice(0, 1347), "validation": slice(1347, None)}  # the 1,797 digits in their order, by writer


class Digits:
    """Scene i = photograph crop + handwritten digits, all drawn from a generator seeded by (seed, split, i).

    Classes: 0 background, 1 to 10 the digits 0 to 9. Photographs and digits of the two splits are disjoint (the digits
    by writer), so a score on "validation" is on things never seen. Pixels at a digit's soft rim are labelled 255.

    Args:
        split: "train" or "validation".
        count: number of scenes.
        size: (height, width).
        seed: another seed, other scenes.

    Source: scikit-learn's copy of the UCI handwritten digits; photographs in the scikit-image wheel.

    >>> scene = Digits("train", count=4, size=(64, 80))[2]
    >>> scene.image.shape, scene.mask.dtype.name, int(scene.mask[scene.mask < 255].max()) <= 10
    ((64, 80, 3), 'uint8', True)
    """

    classes = CLASSES

    def __init__(self, split: str = "train", *, count: int = 4096, size: tuple[int, int] = (96, 96), seed: int = 0):
        if split not in PHOTOGRAPHS:
            raise ValueError(complaint("digits", "unknown split", got=repr(split), expected="'train' or 'validation'",
                                       fix='split="train"'))
        self.split, self.count, self.size, self.seed = split, count, size, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, list(PHOTOGRAPHS).index(self.split), index])
        image = _background(rng, PHOTOGRAPHS[self.split], self.size)
        mask = np.zeros(self.size, np.uint8)
        glyphs, labels = _glyphs(self.split)
        for _ in range(rng.integers(4, 9)):
            pick = rng.integers(len(glyphs))
            _paste(rng, image, mask, glyphs[pick], int(labels[pick]) + 1)
        return Sample(image, mask, f"{self.split}_{index:05d}")


@functools.cache
def _glyphs(split: str) -> tuple[np.ndarray, np.ndarray]:
    found: Any = load_digits()
    return found.images[WRITERS[split]].astype(np.float32) / 16, found.target[WRITERS[split]]


def _background(rng: np.random.Generator, names: tuple[str, ...], size: tuple[int, int]) -> np.ndarray:
    whole = photograph(names[rng.integers(len(names))])
    height, width = whole.shape[:2]
    zoom = rng.uniform(1.0, max(1.0, min(3.0, height / size[0], width / size[1])))
    take = min(height, int(size[0] * zoom)), min(width, int(size[1] * zoom))
    top, left = (int(rng.integers(0, n - t + 1)) for n, t in zip((height, width), take, strict=True))
    part = whole[top:top + take[0], left:left + take[1]]
    crop = Image.fromarray(np.repeat(part, 3, -1) if part.shape[-1] == 1 else part)
    image = np.asarray(crop.resize((size[1], size[0]), Image.Resampling.BILINEAR), np.float32) / 255
    return np.ascontiguousarray(image[:, ::-1] if rng.random() < 0.5 else image)


def _paste(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray, glyph: np.ndarray, label: int) -> None:
    """One digit, enlarged and turned a little, in a colour that stands out from what it covers."""
    side = int(rng.integers(26, 43))
    side = min(side, *mask.shape)
    picture = Image.fromarray(glyph).resize((side, side), Image.Resampling.BICUBIC)
    ink = np.clip(np.asarray(picture.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR)), 0, 1)
    for _ in range(10):
        top, left = (int(rng.integers(0, n - side + 1)) for n in mask.shape)
        here = (slice(top, top + side), slice(left, left + side))
        if not mask[here][ink >= 0.25].any():
            break
    else:
        return  # no room left: a digit written over another could not be read
    under = image[here]
    colour = rng.uniform(0, 1, 3).astype(np.float32)
    mean = under.mean((0, 1))
    if np.abs(colour - mean).max() < 0.5:  # invisible ink would be an unfair question
        colour = np.where(mean > 0.5, 0, 1).astype(np.float32)
    image[here] = under + ink[..., None] * (colour - under)
    mask[here] = np.where(ink >= 0.5, label, np.where(ink >= 0.25, 255, mask[here]))
