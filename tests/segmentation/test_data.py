"""Data sets on disk and made up: what is used, what is skipped and said, what is refused; batches by step."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from deconvjax.segmentation.data import (
    VOC_CLASSES,
    Augment,
    DataError,
    Digits,
    bucket,
    evaluation_batches,
    folder,
    training_batches,
    voc,
)
from deconvjax.segmentation.data.augment import rescale, window
from deconvjax.segmentation.data.digits import PHOTOGRAPHS, WRITERS
from deconvjax.segmentation.data.files import read_image
from deconvjax.segmentation.training.picture import write_mask

RNG = np.random.default_rng(0)


def picture(path, size=(20, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 255, (*size, 3)).astype(np.uint8)).save(path)


def mask(path, size=(20, 24), high=3, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(RNG.integers(0, high, size).astype(np.uint8), mode="L")
    if mode == "P":
        image = image.convert("L")
        image = Image.frombytes("P", image.size, image.tobytes())
        image.putpalette([0] * 768)
    image.save(path)


@pytest.fixture
def root(tmp_path):
    for name in ("a", "b", "c"):
        picture(tmp_path / "images" / f"{name}.jpg")
        mask(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "labels.txt").write_text("background\ncat\ndog\n")
    return tmp_path


def test_folder(root):
    found = folder(root, "all")
    assert len(found) == 3 and found.classes == ("background", "cat", "dog") and not found.skipped
    image, labels, name = found[1]
    assert image.shape == (20, 24, 3) and image.dtype == np.float32 and 0 <= image.min() <= image.max() <= 1
    assert labels.dtype == np.uint8 and name == "b"
    both = (folder(root, "train"), folder(root, "validation"))
    splits = [{found[i].name for i in range(len(found))} for found in both]
    assert splits == [{"b", "c"}, {"a"}]
    (root / "validation.txt").write_text("c\n")
    assert folder(root, "validation")[0].name == "c"


def test_a_split_that_names_absent_files(root):
    (root / "train.txt").write_text("a\nzebra\n")
    with pytest.raises(DataError, match=r"train.txt names files that are not there; got zebra"):
        folder(root, "train")
    with pytest.raises(DataError, match=r"the split file is missing; got .*test.txt"):
        folder(root, "test")


@pytest.mark.parametrize("listed, other", [("train", "validation"), ("validation", "train")])
def test_one_split_file_leaves_the_rest_to_the_other(root, listed, other):
    (root / f"{listed}.txt").write_text("b\n")
    splits = [[pair.image.stem for pair in folder(root, split).pairs] for split in (listed, other)]
    assert splits == [["b"], ["a", "c"]]
    (root / f"{listed}.txt").write_text("a\nb\nc\n")
    with pytest.raises(DataError, match=f"the split '{other}' is empty"):
        folder(root, other)
    (root / f"{listed}.txt").write_text("b.jpg\n")
    with pytest.raises(DataError, match=f"{listed}.txt names files that are not there"):
        folder(root, other)


def test_what_is_kept_for_the_test_is_in_no_rest(root):
    (root / "test.txt").write_text("b\n")

    def names(split, **options):
        return [pair.image.stem for pair in folder(root, split, **options).pairs]

    assert names("test") == ["b"] and names("all") == ["a", "b", "c"]
    assert names("validation", validation=0.5) + names("train", validation=0.5) == ["a", "c"]
    (root / "train.txt").write_text("a\n")
    assert names("validation") == ["c"]
    (root / "test.txt").write_text("b.jpg\n")
    with pytest.raises(DataError, match="test.txt names files that are not there"):
        folder(root, "validation")


def test_the_share_kept_for_validation(root):
    for share, count in ((0, 0), (1 / 3, 1), (0.5, 2), (0.67, 2), (1, 3)):
        found = [len(folder(root, split, validation=share)) if kept else 0
                 for split, kept in (("validation", count), ("train", 3 - count))]
        assert found == [count, 3 - count]
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(DataError, match="validation is the share.*a number from 0 to 1"):
            folder(root, validation=share)


@pytest.mark.parametrize("text, said", [
    ("a 0 0 0\nb 255 0 0\nc 255 0 0\n", "labels.txt:3: a colour is given twice; got 'c 255 0 0'"),
    ("a 0 0 0\nvoid\nb 255 0 0\n", "labels.txt:2: void has no colour, but classes have"),
    ("".join(f"c{i}\n" for i in range(256)), "a mask cannot hold these classes; got 256 classes, expected 1 to 255"),
    ("# none\n", "a mask cannot hold these classes; got 0 classes"),
], ids=["twice", "void", "many", "none"])
def test_labels_that_are_refused(root, text, said):
    (root / "labels.txt").write_text(text)
    with pytest.raises(DataError, match=said):
        folder(root, "all")


def test_as_many_classes_as_bytes_hold_and_a_void_of_index_masks(root):
    (root / "labels.txt").write_text("void\n" + "".join(f"c{i}\n" for i in range(255)))
    labels = RNG.integers(0, 256, (20, 24))
    np.save(root / "masks" / "a.npy", labels)
    (root / "masks" / "a.png").unlink()
    assert (folder(root, "all")[0].mask == labels).all()
    with pytest.raises(DataError, match="an indexed PNG has 256 colours; got .* to 299"):
        write_mask(labels.clip(299), root / "mask.png")


@pytest.mark.parametrize("name", ["images/a.png", "masks/a.npy"])
def test_two_files_of_one_name(root, name):
    (root / name).write_bytes(b"")
    with pytest.raises(DataError, match="folder: two files of one name; got .*a.* and a"):
        folder(root, "all")


def test_deep_and_turned_pictures(root):
    """16 bits keep their range, what has none is refused, EXIF turns a picture and not its mask."""
    deep = np.linspace(0, 65535, 480).astype(np.uint16).reshape(20, 24)
    for name in ("deep.png", "deep.tif"):
        Image.fromarray(deep).save(root / name)
        assert (read_image(root / name) == (deep / np.float32(65535))[..., None]).all()
    for pixels in (deep.astype(np.float32), deep.astype(np.int32)):
        Image.fromarray(pixels).save(root / "wide.tif")
        with pytest.raises(DataError, match="wide.tif: the values of black and white are not known; got pixels of"):
            read_image(root / "wide.tif")
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    upright = read_image(root / "images" / "a.jpg")
    with Image.open(root / "images" / "a.jpg") as shown:
        shown.rotate(90, expand=True).save(root / "images" / "a.jpg", exif=exif, quality=100, subsampling=0)
    assert np.abs(read_image(root / "images" / "a.jpg") - upright).mean() < 0.02
    assert len(folder(root, "all", strict=True)) == 3
    mask(root / "masks" / "a.png", size=(24, 20))
    with pytest.raises(DataError, match="image and mask differ in size.*EXIF"):
        folder(root, "all", strict=True)


def test_folder_with_a_palette(root):
    colours = np.array([[0, 0, 0], [255, 0, 0], [9, 9, 9]], np.uint8)
    labels = RNG.integers(0, 3, (20, 24))
    Image.fromarray(colours[labels]).save(root / "masks" / "a.png")
    (root / "labels.txt").write_text("background 0 0 0\ncat 255 0 0\nvoid 9 9 9\n")
    mask(root / "masks" / "b.png", high=2)
    mask(root / "masks" / "c.png", high=2)
    got = folder(root, "all")
    assert got.classes == ("background", "cat")
    assert (got[0].mask == np.where(labels == 2, 255, labels)).all()
    Image.fromarray(colours[labels] + 1).save(root / "masks" / "a.png")
    with pytest.raises(DataError, match=r"a\.jpg: a\.png: a colour is not in the palette.*row \d+, column \d+"):
        folder(root, "all", strict=True)


@pytest.mark.parametrize("damage, reason", [
    (lambda root: (root / "images" / "b.jpg").write_bytes(b"not a picture"), "cannot identify image file"),
    (lambda root: (root / "masks" / "b.png").write_bytes((root / "masks" / "b.png").read_bytes()[:60]), "b.jpg: "),
    (lambda root: mask(root / "masks" / "b.png", size=(20, 25)), "image and mask differ in size"),
    (lambda root: mask(root / "masks" / "b.png", high=200), "mask values are no class"),
], ids=["image", "truncated", "size", "values"])
def test_unusable_files_are_named(root, damage, reason):
    """Skipped by name, or with strict the end of the run; never trained on."""
    damage(root)
    said = []
    found = folder(root, "all", say=said.append)
    assert [found[i].name for i in range(len(found))] == ["a", "c"]
    assert len(said) == 1 and "b.jpg" in said[0] and reason in said[0]
    with pytest.raises(DataError, match="b.jpg.*(?s:.)*--strict"):
        folder(root, "all", strict=True)


def test_an_image_without_a_mask(root):
    (root / "masks" / "c.png").unlink()
    said = []
    assert len(folder(root, "all", say=said.append)) == 2 and "c.jpg" in said[0]
    with pytest.raises(DataError, match="1 images have no mask.*got c"):
        folder(root, "all", strict=True)


def test_nothing_left_is_an_error(root):
    (root / "labels.txt").write_text("background\n")
    with pytest.raises(DataError, match="no usable pair.*3 skipped of 3"):
        folder(root, "all", say=lambda line: None)


def test_layout_errors(tmp_path, root):
    with pytest.raises(DataError, match="a folder is missing.*images"):
        folder(tmp_path / "nowhere")
    (root / "labels.txt").write_text("cat 1 2\n")
    with pytest.raises(DataError, match=r"labels.txt:1: not a label line; got 'cat 1 2'"):
        folder(root)
    (root / "labels.txt").unlink()
    with pytest.raises(DataError, match="the classes have no names"):
        folder(root)


def test_voc_and_sbd(tmp_path):
    for name in ("one", "two"):
        picture(tmp_path / "JPEGImages" / f"{name}.jpg")
        mask(tmp_path / "SegmentationClass" / f"{name}.png", high=21, mode="P")
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("two\n")
    found = voc(tmp_path, "train")
    assert len(found) == 1 and found[0].name == "two" and found.classes == VOC_CLASSES
    with pytest.raises(DataError, match=r"the split file is missing.*seg11valid.*\['train'\]"):
        voc(tmp_path, "seg11valid")
    sbd = tmp_path / "sbd"
    picture(sbd / "img" / "x.jpg")
    labels = RNG.integers(0, 21, (20, 24)).astype(np.uint8)
    (sbd / "cls").mkdir()
    savemat(sbd / "cls" / "x.mat", {"GTcls": {"Segmentation": labels}})
    (sbd / "train.txt").write_text("x\n")
    assert (voc(sbd, "train")[0].mask == labels).all()


def test_digits_are_seeded_and_their_splits_disjoint():
    one, other = Digits("train", count=3, size=(64, 64)), Digits("train", count=3, size=(64, 64))
    assert all((a == b).all() for a, b in zip(one[2][:2], other[2][:2], strict=True))
    assert not (one[0].image == one[1].image).all()
    assert not (one[0].image == Digits("train", count=3, size=(64, 64), seed=1)[0].image).all()
    assert not set(PHOTOGRAPHS["train"]) & set(PHOTOGRAPHS["validation"])
    assert WRITERS["train"].stop == WRITERS["validation"].start
    seen = {int(v) for i in range(12) for v in np.unique(Digits("validation", count=12)[i].mask)}
    assert seen <= {*range(11), 255} and len(seen) > 6
    with pytest.raises(ValueError, match="digits: unknown split"):
        Digits("test")


def test_batches_are_functions_of_the_step():
    data, augment = Digits("train", count=7, size=(40, 40)), Augment((32, 32))
    first = training_batches(data, augment, batch=3, seed=5)
    batches = [next(first) for _ in range(5)]
    later = next(training_batches(data, augment, batch=3, seed=5, start=4))
    assert (later.image == batches[4].image).all() and (later.mask == batches[4].mask).all()
    assert batches[0].image.shape == (3, 32, 32, 3) and batches[0].mask.dtype == np.uint8
    assert not (next(training_batches(data, augment, batch=3, seed=6)).image == batches[0].image).all()


def test_batches_of_one_resume_too():
    data, augment = Digits("train", size=(32, 32), count=5), Augment((32, 32))
    pairs = training_batches(data, augment, batch=2, seed=5)
    singles = training_batches(data, augment, batch=1, seed=5)
    apart = np.concatenate([next(singles).image for _ in range(8)])
    assert (apart == np.concatenate([next(pairs).image for _ in range(4)])).all()
    later = next(training_batches(data, augment, batch=1, seed=5, start=8))
    assert (later.image == next(singles).image).all()


def test_augmentation_keeps_image_and_mask_together():
    """A picture whose red channel is its mask still is one after flip, scale and crop."""
    labels = (np.arange(40)[:, None] // 10 % 2 * np.ones((1, 40))).astype(np.uint8)
    image = np.repeat(labels[..., None], 3, -1).astype(np.float32)
    rng = np.random.default_rng(3)
    for _ in range(20):
        flipped, moved = window(*rescale(image[:, ::-1], labels[:, ::-1], 2 ** rng.uniform(-1, 1)), (32, 32), rng)
        inside = moved != 255
        assert (np.abs(flipped[..., 0] - moved)[inside] < 0.76).all()
        assert (flipped[~inside] == 0.5).all()


def test_evaluation_batches_lose_nothing():
    data = Digits("validation", count=5, size=(30, 50))
    seen = 0
    for batch, samples in evaluation_batches(data, batch=2, multiple=32):
        assert batch.image.shape == (2, 32, 64, 3)
        for row, sample in enumerate(samples):
            assert (batch.mask[row, :30, :50] == sample.mask).all() and (batch.mask[row, 30:] == 255).all()
        assert (batch.mask[len(samples):] == 255).all()
        seen += len(samples)
    assert seen == 5
    assert bucket((1, 64)) == (64, 64)
