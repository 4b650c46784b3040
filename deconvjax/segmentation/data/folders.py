"""The two directory layouts: a folder of images and masks, and PASCAL VOC's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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

    labels.txt has a line for each class, in order: `name`, or `name r g b` where masks are RGB (the name `void` with a
    colour marks pixels that are not counted). With root/train.txt and root/validation.txt those name the splits;
    without them every k-th file, in order of name, is kept for validation.

    Args:
        root: the folder.
        split: "train", "validation" or "all".
        strict: refuse files that cannot be used instead of skipping them.
        validation: the share kept for validation where no split files exist.
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
    names = _split(base, sorted(set(images) & set(masks)), split, validation)
    absent = [name for name in names if name not in images]
    if absent:
        raise DataError(complaint("folder", f"{base / split}.txt names files that are not there",
                                  got=", ".join(absent[:5]), expected="names, without endings, of pictures in images/",
                                  fix="correct the list"))
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
    return {path.stem: path for path in sorted(where.iterdir()) if path.suffix.lower() in suffixes}


def _labels(path: Path) -> tuple[tuple[str, ...], Palette | None]:
    if not path.is_file():
        raise DataError(complaint("folder", "the classes have no names", got=f"no {path}",
                                  expected="labels.txt with a line for each class: name, or name r g b",
                                  fix="write it, background first"))
    classes: list[str] = []
    palette: Palette = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) not in (1, 4) or not all(word.isdigit() and int(word) < 256 for word in words[1:]):
            raise DataError(complaint(f"{path.name}:{number}", "not a label line", got=repr(line),
                                      expected="name, or name r g b with 0 to 255", fix="names take no spaces"))
        colour = tuple(map(int, words[1:]))
        if words[0] == "void":
            palette[colour] = VOID  # type: ignore[index]
            continue
        if colour:
            palette[colour] = len(classes)  # type: ignore[index]
        classes.append(words[0])
    return tuple(classes), palette or None


def _split(base: Path, names: list[str], split: str, validation: float) -> list[str]:
    listing = base / f"{split}.txt"
    if split == "all":
        return names
    if listing.is_file():
        return [line.strip() for line in listing.read_text("utf-8").splitlines() if line.strip()]
    if split not in ("train", "validation"):
        raise DataError(complaint("folder", "the split file is missing", got=str(listing),
                                  expected="train, validation or all, or a file of names", fix="check --split"))
    every = max(2, round(1 / validation))
    return [n for i, n in enumerate(names) if (i % every == 0) == (split == "validation")]
