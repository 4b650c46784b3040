"""`deconvjax predict`: masks and overlays for pictures, or the model as one exported file."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from deconvjax.errors import complaint
from deconvjax.segmentation.data import DataError
from deconvjax.segmentation.data.files import PICTURES, read_image
from deconvjax.segmentation.training.evaluate_command import inference_arguments
from deconvjax.segmentation.training.evaluation import Inference
from deconvjax.segmentation.training.exporting import export_model
from deconvjax.segmentation.training.options import refused, trained
from deconvjax.segmentation.training.picture import write_mask, write_overlay
from deconvjax.segmentation.training.state import forward


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, which pictures, where to."""
    parser.add_argument("--run", required=True, dest="folder", help="folder that `train --out` wrote")
    parser.add_argument("--checkpoint", choices=("best", "last"), default="best", help="which state")
    parser.add_argument("--out", default="predictions", help="folder for NAME.png and NAME_overlay.png")
    parser.add_argument("--export", default="", metavar="FILE", help="write the model as a jax.export file instead")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), metavar=("H", "W"), help="size of --export")
    parser.add_argument("--platforms", nargs="+", default=None, help="platforms of --export, by JAX's names")
    parser.add_argument("images", nargs="*", help="pictures, or folders of pictures")
    inference_arguments(parser)


@refused
def run(options: argparse.Namespace) -> int:
    """Write what was asked for and say where."""
    inference = Inference(options.window, tuple(options.scales), options.flip)
    _, classes, trainer, state = trained(options.folder, options.checkpoint)
    if options.export:
        written = export_model(trainer, state, options.export, size=tuple(options.size), platforms=options.platforms)
        print(f"wrote {written}")
        return 0
    paths, target = _pictures(options.images), Path(options.out)
    targets = _targets(paths, target)
    target.mkdir(parents=True, exist_ok=True)
    for path, (masked, overlaid) in zip(tqdm(paths, unit="image"), targets, strict=True):
        image = read_image(path)
        mask = inference(forward(trainer, state), image, len(classes)).argmax(-1)
        write_mask(mask, masked)
        write_overlay(image, mask, overlaid)
    print(f"wrote {2 * len(paths)} pictures to {target}")
    return 0


def _pictures(given: list[str]) -> list[Path]:
    found: list[Path] = []
    for word in given:
        path = Path(word)
        found += sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES) if path.is_dir() else [path]
    missing = [str(path) for path in found if not path.is_file()]
    if missing or not found:
        raise DataError(complaint("predict", "no picture to read" if not found else "no such file",
                                  got=", ".join(missing[:5]) or "an empty list", expected="pictures or folders of them",
                                  fix="deconvjax predict --run RUN picture.jpg"))
    return list(dict.fromkeys(found))


def _targets(paths: list[Path], folder: Path) -> list[tuple[Path, Path]]:
    """(mask, overlay) of each picture: no two of them one file, and none of them a picture that is read."""
    found = [(folder / f"{path.stem}.png", folder / f"{path.stem}_overlay.png") for path in paths]
    taken = {path.resolve(): path for path in paths}
    for path, pair in zip(paths, found, strict=True):
        for target in pair:
            other = taken.setdefault(target.resolve(), target)
            if other is not target:
                raise DataError(complaint("--out", "a file would be written over", got=f"{target} for {path}",
                                          expected=f"it to be free: {other} is read or written too",
                                          fix="choose another --out, or give pictures of one name one at a time"))
    return found
