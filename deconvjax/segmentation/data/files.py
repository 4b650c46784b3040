"""Pictures and masks on disk: read, matched by name, refused or skipped with the reason, never silently used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy.io import loadmat

from deconvjax.errors import complaint
from deconvjax.segmentation.data.sample import VOID, DataError, Sample, check_mask

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
MASKS = (".png", ".bmp", ".tif", ".tiff", ".mat", ".npy")
Palette = dict[tuple[int, int, int], int]


@dataclass(frozen=True)
class Pair:
    """One picture and its mask, unread."""

    image: Path
    mask: Path


class Files:
    """index -> Sample(image, mask): pairs of files, every one read once before training starts.

    A pair that cannot be decoded, whose sizes differ, or whose mask holds a value that is no class is named and left
    out; with `strict` it ends the run. An empty result is always an error. A picture is turned as its EXIF tag says, as
    viewers show it; its mask is not.

    Args:
        pairs: what to read.
        classes: class names, in order; at most 255 of them, masks are bytes.
        palette: colour -> class for RGB masks.
        strict: refuse instead of skipping.
        say: where skipped files are named.

    >>> Files([Pair(Path("gone.jpg"), Path("gone.png"))], ["sky"], say=lambda line: print(line.partition(":")[0]))
    Traceback (most recent call last):
    ...
    deconvjax.segmentation.data.sample.DataError: data: no usable pair of image and mask is left; ...
    """

    def __init__(self, pairs: Sequence[Pair], classes: Sequence[str], *, palette: Palette | None = None,
                 strict: bool = False, say: Callable[[str], None] | None = None):
        self.classes = tuple(classes)
        if not 1 <= len(self.classes) <= VOID:
            raise DataError(complaint("data", "a mask cannot hold these classes", got=f"{len(self.classes)} classes",
                                      expected=f"1 to {VOID}: a mask is bytes, and {VOID} is not counted",
                                      fix="name the classes, or merge some"))
        self.palette = palette
        self.skipped: list[str] = []
        kept = []
        for pair in pairs:
            try:
                self._read(pair)
                kept.append(pair)
            except (OSError, ValueError, SyntaxError) as problem:  # Pillow raises SyntaxError for a broken PNG
                reason = f"{pair.image.name}: {problem}"
                if strict:
                    raise DataError(f"{reason}\n--strict: nothing is skipped; mend or remove the file") from problem
                self.skipped.append(reason)
                (say or say_to_user)(f"skipped {reason}")
        if not kept:
            raise DataError(complaint("data", "no usable pair of image and mask is left",
                                      got=f"{len(self.skipped)} skipped of {len(pairs)}",
                                      expected="at least one", fix="see the reasons above"))
        self.pairs = tuple(kept)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        return self._read(self.pairs[index])

    def _read(self, pair: Pair) -> Sample:
        image = read_image(pair.image)
        mask = check_mask(read_mask(pair.mask, self.palette), len(self.classes), pair.mask.name)
        if image.shape[:2] != mask.shape:
            raise DataError(complaint(pair.mask.name, "image and mask differ in size",
                                      got=f"{mask.shape} for an image of {image.shape[:2]}", expected="equal sizes",
                                      fix="export the mask at the image's resolution, turned as its EXIF tag says"))
        return Sample(image, mask, pair.image.stem)


def read_image(path: Path) -> np.ndarray:
    """float32 (H, W, 3) in [0, 1], turned as EXIF says; grey pictures, of 8 or 16 bits, become three equal channels."""
    with Image.open(path) as picture:
        turned = ImageOps.exif_transpose(picture)
        if turned.mode.startswith("I;16"):
            return np.repeat(np.asarray(turned).astype(np.float32)[..., None] / 65535, 3, -1)
        if turned.mode in ("I", "F"):
            raise DataError(complaint(path.name, "the values of black and white are not known",
                                      got=f"pixels of mode {turned.mode}", expected="8 or 16 bits a channel",
                                      fix="save the picture with 16 bits"))
        return np.asarray(turned.convert("RGB"), np.float32) / 255


def read_mask(path: Path, palette: Palette | None = None) -> np.ndarray:
    """Class numbers (H, W): indexed and grey images as they are, RGB ones through the palette, SBD's .mat files."""
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".mat":
        return _read_sbd(path)
    with Image.open(path) as picture:
        if picture.mode in ("P", "L", "I", "1") or picture.mode.startswith("I;16"):
            return np.asarray(picture).astype(np.int64)
        colours = np.asarray(picture.convert("RGB"))
    if palette is None:
        raise DataError(complaint(path.name, "the mask holds colours", got="an RGB image without a palette",
                                  expected="class numbers, or a palette",
                                  fix="add labels.txt: name r g b, a line each"))
    numbers = np.full(colours.shape[:2], -1, np.int64)
    for colour, label in palette.items():
        numbers[(colours == np.array(colour, np.uint8)).all(-1)] = label
    if (numbers < 0).any():
        y, x = np.argwhere(numbers < 0)[0]
        raise DataError(complaint(path.name, "a colour is not in the palette",
                                  got=f"{tuple(map(int, colours[y, x]))} at row {y}, column {x}",
                                  expected=f"one of {len(palette)} colours", fix="complete labels.txt"))
    return numbers


def _read_sbd(path: Path) -> np.ndarray:
    return np.asarray(loadmat(path, squeeze_me=True, struct_as_record=False)["GTcls"].Segmentation).astype(np.int64)


def say_to_user(line: str) -> None:
    """A line on standard error."""
    print(line, file=sys.stderr)
