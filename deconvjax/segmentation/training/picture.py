"""Predictions as pictures: palette PNGs that open as masks anywhere, and overlays for the eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from deconvjax.errors import complaint
from deconvjax.segmentation.data.sample import VOID, DataError


def palette(classes: int = 256) -> np.ndarray:
    """PASCAL VOC's colours, uint8 (classes, 3): bit j of a class's number, three bits at a time, is bit 7-j of r, g, b.

    >>> palette(3).tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    """
    numbers = np.arange(classes)
    colours = np.zeros((classes, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((numbers >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colours


def write_mask(mask: np.ndarray, path: Path) -> None:
    """Class numbers, up to 255, as an indexed PNG in VOC's palette."""
    if mask.size and not 0 <= mask.min() <= mask.max() <= VOID:
        raise DataError(complaint(path.name, "an indexed PNG has 256 colours", got=f"{mask.min()} to {mask.max()}",
                                  expected="class numbers from 0 to 255", fix="save this mask with numpy.save"))
    picture = Image.fromarray(mask.astype(np.uint8), mode="P")
    picture.putpalette(palette().ravel().tolist())
    picture.save(path)


def overlay(image: np.ndarray, mask: np.ndarray, strength: float = 0.6) -> np.ndarray:
    """uint8 (H, W, 3): the picture, classes above 0 in colour over it."""
    colours = palette().astype(np.float32)[mask] / 255
    shown = ((mask > 0) & (mask != VOID))[..., None] * strength
    return np.round(255 * (image * (1 - shown) + colours * shown)).clip(0, 255).astype(np.uint8)


def write_overlay(image: np.ndarray, mask: np.ndarray, path: Path) -> None:
    """`overlay` as a PNG."""
    Image.fromarray(overlay(image, mask)).save(path)
