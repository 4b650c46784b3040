"""The photographs inside the scikit-image wheel: read in one place, by the data set and by the demo."""

from __future__ import annotations

import functools

import numpy as np
import skimage.data


@functools.cache
def photograph(name: str) -> np.ndarray:
    """uint8 (height, width, channels), 1 or 3 channels: a photograph by its scikit-image name, read-only.

    >>> photograph("camera").shape, photograph("coffee").shape
    ((512, 512, 1), (400, 600, 3))
    """
    found = getattr(skimage.data, name)()
    image = np.array(found[0] if isinstance(found, tuple) else found)  # the stereo pair: its left view
    image = image.reshape(*image.shape[:2], -1)
    image.setflags(write=False)
    return image
