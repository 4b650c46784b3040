"""The two directory layouts: a folder of images and masks, and PASCAL VOC's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from deconvjax.errors import complaint
from deconvjax.segmentation.data.files import MASKS, PICTURES, Files, Pair, Palette, say_to_user
from deconvjax.segmentation.data.sample import VOID, DataError

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)


def folder(root: str | Path, split: str = "train", *, strict: bool = False, validation: float = 0.1,
           say: Callable[[str], None] | None = None) -> Files:
    """Sample = (root/images/NAME.jpg, root/masks/NAME.png), and root/labels.txt names the classes.

    labels.txt has a line for each class, in order: `name`, or `name r g b` where masks are RGB. `void` is no class: its
    colour marks pixels that are not counted; where masks hold numbers it needs none, 255 is void. root/train.txt and
    root/validation.txt name the splits; where one is missing it is what the other does not name, without both a
    share of the files, spread evenly over their names in order, is kept for validation. What root/test.txt names is
    in neither of these rests.

    Args:
        root: the folder.
        split: "train", "validation" or "all", or the name of a file of names: "test" reads root/test.txt.
        strict: refuse files that cannot be used instead of skipping them.
        validation: the share, from 0 to 1, kept for validation where no split files exist.
        say: where skipped files are named (standard error by default).

    >>> folder("gone")
    Traceback (most recent call last):
    ...
    deconvjax.segmentation.data.sample.DataError: folder: a folder is missing; ...
    """
    base = Path(root)
    images, masks = _entries(base / "images", PICTURES), _entries(base / "masks", MASKS)
    classes, palette = _labels(base / "labels.txt")
    lonely = sorted(set(images) - set(masks))
    if lonely and strict:
        raise DataError(complaint("folder", f"{len(lonely)} images have no mask", got=", ".join(lonely[:5]),
                                  expected="masks of the same names", fix="add the masks, or leave --strict out"))
    for name in lonely:
        (say or say_to_user)(f"skipped {images[name].name}: no mask of that name in {base / 'masks'}")
    names = _split(base, images, sorted(set(images) & set(masks)), split, validation)
    if not names:
        raise DataError(complaint("folder", f"the split {split!r} is empty", got=f"no name of {len(images)} images",
                                  expected="at least one", fix="name some in its .txt file, or change validation="))
    pairs = [Pair(images[name], masks[name]) for name in names if name in masks]
    return Files(pairs, classes, palette=palette, strict=strict, say=say)


def voc(root: str | Path, split: str = "train", *, masks: str = "SegmentationClass", strict: bool = False,
        say: Callable[[str], None] | None = None) -> Files:
    """Sample = (JPEGImages/NAME.jpg, SegmentationClass/NAME.png), NAME in ImageSets/Segmentation/SPLIT.txt: PASCAL VOC.

    SBD's folders (img, cls) are read too.

    Args:
        root: the folder that holds JPEGImages (VOC2012), or img and cls (SBD's `dataset`).
        split: the name of a split file: "train", "val", "trainval", "seg11valid".
        masks: folder of the masks; ignored for SBD.
        strict: refuse files that cannot be used instead of skipping them.
        say: where skipped files are named.

    >>> voc("gone")
    Traceback (most recent call last):
    ...
    deconvjax.segmentation.data.sample.DataError: voc: the split file is missing; ...
    """
    base = Path(root)
    sbd = (base / "cls").is_dir()
    listing = base / f"{split}.txt" if sbd else base / "ImageSets" / "Segmentation" / f"{split}.txt"
    if not listing.is_file():
        there = sorted(path.stem for path in listing.parent.glob("*.txt")) if listing.parent.is_dir() else []
        raise DataError(complaint("voc", "the split file is missing", got=str(listing),
                                  expected=f"one of {there}" if there else "ImageSets/Segmentation/*.txt or SBD's",
                                  fix="check --root and --split"))
    names = [line.split()[0] for line in listing.read_text("utf-8").splitlines() if line.strip()]
    where = ("img", "cls", ".mat") if sbd else ("JPEGImages", masks, ".png")
    pairs = [Pair(base / where[0] / f"{name}.jpg", base / where[1] / f"{name}{where[2]}") for name in names]
    return Files(pairs, VOC_CLASSES, strict=strict, say=say)


def _entries(where: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    if not where.is_dir():
        raise DataError(complaint("folder", "a folder is missing", got=str(where), expected="images/ and masks/",
                                  fix="check --root"))
    found: dict[str, Path] = {}
    for path in sorted(where.iterdir()):
        if path.suffix.lower() in suffixes and found.setdefault(path.stem, path) is not path:
            raise DataError(complaint("folder", "two files of one name", got=f"{found[path.stem]} and {path.name}",
                                      expected="names that differ without their endings", fix="remove one of the two"))
    return found


def _labels(path: Path) -> tuple[tuple[str, ...], Palette | None]:
    if not path.is_file():
        raise DataError(complaint("folder", "the classes have no names", got=f"no {path}",
                                  expected="labels.txt with a line for each class: name, or name r g b",
                                  fix="write it, background first"))
    classes: list[str] = []
    palette: Palette = {}
    colourless = 0
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) not in (1, 4) or not all(word.isdigit() and int(word) < 256 for word in words[1:]):
            raise DataError(complaint(f"{path.name}:{number}", "not a label line", got=repr(line),
                                      expected="name, or name r g b with 0 to 255", fix="names take no spaces"))
        colour: Any = tuple(map(int, words[1:]))
        if colour in palette:
            raise DataError(complaint(f"{path.name}:{number}", "a colour is given twice", got=repr(line),
                                      expected="a colour of its own on each line", fix="change one of the two"))
        if words[0] != "void":
            classes.append(words[0])
        elif not colour:
            colourless = number
        if colour:
            palette[colour] = VOID if words[0] == "void" else len(classes) - 1
    if colourless and palette:
        raise DataError(complaint(f"{path.name}:{colourless}", "void has no colour, but classes have", got="'void'",
                                  expected="void r g b", fix="give its colour, or leave the line out"))
    return tuple(classes), palette or None


def _split(base: Path, images: Mapping[str, Path], names: list[str], split: str, validation: float) -> list[str]:
    listing, other = base / f"{split}.txt", {"train": "validation", "validation": "train"}.get(split)
    if split == "all":
        return names
    if listing.is_file():
        return _listed(listing, images)
    if other is None:
        raise DataError(complaint("folder", "the split file is missing", got=str(listing),
                                  expected="train, validation or all, or a file of names", fix="check --split"))
    listed = base / f"{other}.txt"
    files = [path for path in (listed, base / "test.txt") if path.is_file()]
    taken = {name for path in files for name in _listed(path, images)}
    names = [name for name in names if name not in taken]
    if listed.is_file():
        return names
    if not 0 <= validation <= 1:
        raise DataError(complaint("folder", "validation is the share that is kept for it", got=validation,
                                  expected="a number from 0 to 1", fix="validation=0.1"))
    share = Fraction(validation).limit_denominator(1_000_000)
    kept = [i * share.numerator % share.denominator < share.numerator for i in range(len(names))]
    return [name for name, keep in zip(names, kept, strict=True) if keep == (split == "validation")]


def _listed(listing: Path, images: Mapping[str, Path]) -> list[str]:
    names = [line.strip() for line in listing.read_text("utf-8").splitlines() if line.strip()]
    absent = [name for name in names if name not in images]
    if absent:
        raise DataError(complaint("folder", f"{listing} names files that are not there", got=", ".join(absent[:5]),
                                  expected="names, without endings, of pictures in images/", fix="correct the list"))
    return names
