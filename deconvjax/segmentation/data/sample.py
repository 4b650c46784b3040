"""One labelled picture, and what every data set must be: a sequence of them that knows its classes."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from deconvjax.errors import complaint

VOID = 255  # the label that is never counted


class Sample(NamedTuple):
    """mask[i, j] = class of image[i, j], or 255: image float32 (H, W, 3) in [0, 1], mask uint8 (H, W).

    `name` is for messages and files.

    >>> Sample(np.zeros((2, 2, 3), np.float32), np.full((2, 2), VOID, np.uint8), "nothing").mask.shape
    (2, 2)
    """

    image: np.ndarray
    mask: np.ndarray
    name: str


class Dataset(Protocol):
    """index -> Sample: a random-access sequence of samples that knows its classes.

    >>> from deconvjax.segmentation.data import Digits
    >>> scenes: Dataset = Digits("validation", size=(32, 32), count=3)
    >>> len(scenes), scenes[0].image.shape, len(scenes.classes)
    (3, (32, 32, 3), 11)
    """

    classes: tuple[str, ...]

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Sample `index`; the same one each time."""
        ...


class DataError(ValueError):
    """A data set that cannot be trained on as it is: the message names the files."""


def check_mask(mask: np.ndarray, classes: int, name: str) -> np.ndarray:
    """The mask as uint8, or DataError naming the values that are no class."""
    odd = np.setdiff1d(np.unique(mask), [*range(classes), VOID])
    if odd.size:
        raise DataError(complaint(name, "mask values are no class", got=", ".join(map(str, odd[:8])),
                                  expected=f"0 to {classes - 1}, or {VOID} for pixels that are not counted",
                                  fix="give the right number of classes, or a palette or label map"))
    return mask.astype(np.uint8)
