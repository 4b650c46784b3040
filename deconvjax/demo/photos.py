"""The photographs inside the scikit-image wheel, in two sets that share no scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deconvjax.segmentation.data import photographs

TRAINING = ("astronaut", "rocket", "stereo_motorcycle", "coins", "brick", "grass")
HELD_OUT = ("camera", "coffee", "chelsea", "immunohistochemistry")


def photograph(name: str, multiple: int = 1) -> np.ndarray:
    """x in [0, 1], float32, (height, width, channels): a photograph by its scikit-image name, 1 or 3 channels.

    Rows and columns that do not fill a `multiple` are left off at the bottom and right, so that decimation by it loses
    nothing.

    >>> photograph("coffee", multiple=8).shape
    (400, 600, 3)
    """
    image = photographs.photograph(name).astype(np.float32) / 255
    height, width = (size // multiple * multiple for size in image.shape[:2])
    return image[:height, :width]


def planes(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """(h, w, c) -> c arrays (h, w, 1): every colour as a grey picture of its own, which is how the layer sees it.

    >>> [plane.shape for plane in planes([np.zeros((4, 6, 3)), np.zeros((2, 2, 1))])]
    [(4, 6, 1), (4, 6, 1), (4, 6, 1), (2, 2, 1)]
    """
    return [image[..., channel : channel + 1] for image in images for channel in range(image.shape[-1])]
