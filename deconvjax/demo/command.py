"""`deconvjax demo`: a camera, its transpose, a layer that learns to undo it, a network of such layers."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import flax
import jax
import numpy as np

from deconvjax import check
from deconvjax.demo import pictures
from deconvjax.demo.camera import FACTOR, SPACE, camera, interpolators
from deconvjax.demo.model import Upsampler
from deconvjax.demo.photos import HELD_OUT, TRAINING, photograph, planes
from deconvjax.demo.report import Report
from deconvjax.demo.segment import recipe, segment
from deconvjax.demo.training import Patches, psnr, train

SCENE = "chelsea"
CENTRES = {"camera": (0.27, 0.49), "coffee": (0.42, 0.44), "chelsea": (0.38, 0.52), "immunohistochemistry": (0.5, 0.4)}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `deconvjax demo`."""
    parser.add_argument("--out", type=Path, default=Path("demo-report"), metavar="DIR", help="folder for the results")
    parser.add_argument("--steps", type=_at_least(1), default=1200, metavar="N", help="training steps")
    parser.add_argument("--segmentation-steps", type=_at_least(0), default=4200, metavar="N",
                        help="training steps of the segmentation network; 0 leaves it out")
    parser.add_argument("--seed", type=_at_least(0), default=0, metavar="N", help="seed of both trainings")


def run(options: argparse.Namespace) -> int:
    """The demo, all of it; returns the exit code."""
    started = time.monotonic()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "report.html").touch()
    except OSError as error:
        print(f"deconvjax demo: cannot write into --out {options.out}: {error.strerror or error}", file=sys.stderr)
        return 1
    report = Report("A deconvolution layer is not a deconvolution", options.out)
    report.paragraph("It is the transpose of a strided convolution. Below, a camera that blurs and decimates is "
                     "composed as a linear map, its transpose is checked and shown not to be its inverse, and a "
                     "transposed convolution learns from photographs to undo as much of the camera as it can. "
                     "Then a network made of such layers learns to say what every pixel shows.")
    show_operator(report)
    show_transpose(report)
    table, losses, model = learn(report, options.steps, options.seed)
    steps = options.segmentation_steps
    scores = segment(report, recipe(steps, options.seed)) if steps else None
    seconds = time.monotonic() - started
    versions = f"Python {platform.python_version()}, jax {jax.__version__}, flax {flax.__version__}"
    report.heading("How this page was made")
    report.text(f"python -m deconvjax demo --steps {options.steps} --segmentation-steps {steps} --seed {options.seed}\n"
                f"{seconds:.0f} s, {versions}")
    np.save(options.out / "taps.npy", np.asarray(model.taps[...])[..., 0, 0])
    (options.out / "results.json").write_text(json.dumps(
        {"psnr": table, "losses": losses, "steps": options.steps, "seed": options.seed, "seconds": round(seconds, 1),
         "segmentation": scores}, indent=1))
    print(f"\n{report.write()}   {seconds:.0f} s")
    return 0


def show_operator(report: Report) -> None:
    """A = downsample(4) @ convolve(gaussian): the map, its adjointness, a small one as matrix beside its transpose."""
    image = photograph(SCENE, FACTOR)
    a = camera().along(SPACE).on(image)
    adjoint = check.adjoint(a)
    small = camera(axes=1, sigma=1.2, border="same").on((12,))
    matrix = np.array2string(np.asarray(small.matrix()).round(2), suppress_small=True, max_line_width=200)
    transpose = np.array2string(np.asarray(small.T.matrix()).round(2), suppress_small=True, max_line_width=200)
    _say(report, "1  The camera: blur, then keep every fourth sample of every fourth row",
         f"A   = {a}\nA.T = {a.T}", str(adjoint),
         f"A small one, {small}, as a matrix, and its transpose:\n{matrix}\n\n{transpose}")
    report.picture("matrix", pictures.matrices(np.asarray(small.matrix())), "The small camera as a matrix: every "
                   "output reads a blurred stretch of the input. Its transpose: every sample paints that stretch.")


def show_transpose(report: Report) -> None:
    """x, A x, A.T A x: the transpose puts samples back in place, and does not sharpen what the blur took."""
    image = photograph(SCENE, FACTOR)
    a = camera().along(SPACE).on(image)
    seen = np.asarray(a(image))
    back = np.asarray(a.T(seen)) * FACTOR**2
    _say(report, "2  The transpose is not the inverse",
         f"x {image.shape}   A x {seen.shape}   A.T A x {back.shape}\n"
         f"{FACTOR**2} A.T A x against x: {psnr(back, image):.2f} dB, "
         f"relative error {np.linalg.norm(back - image) / np.linalg.norm(image):.1%}")
    shown = [(f"x   {_size(image)}", image), (f"A x   {_size(seen)}", seen),
             (f"{FACTOR**2} · Aᵀ A x   {_size(back)}", back)]
    report.picture("transpose", pictures.row(shown, 4.2), "A photograph, what the camera keeps of it, and the "
                   f"transpose of the camera applied to that (times {FACTOR**2}, or it would be dark): samples are "
                   "back in their places, each painted as a blob: blurred once more, and with the "
                   "checkerboard that transposed convolutions are known for.")


def learn(report: Report, steps: int, seed: int) -> tuple[dict[str, dict[str, float]], list[float], Upsampler]:
    """Train on some photographs, print PSNR on others for nearest, bilinear, cubic and learned."""
    model = Upsampler()
    start = np.asarray(model.taps[...])[..., 0, 0]
    high = planes([photograph(name, FACTOR) for name in TRAINING])
    a = camera().along(SPACE)
    patches = Patches([np.asarray(a(plane)) for plane in high], high, model.reach)
    _say(report, f"3  Learning to undo it: {start.shape[0]}x{start.shape[1]} taps of a transposed convolution",
         f"photographs to learn from: {', '.join(TRAINING)}\nphotographs never seen:    {', '.join(HELD_OUT)}")
    losses = train(model, patches, steps=steps, seed=seed)
    table: dict[str, dict[str, float]] = {}
    views = {}
    for name in HELD_OUT:
        image = photograph(name, FACTOR)
        seen = a(image)
        restored = {method: np.asarray(up(seen)) for method, up in interpolators().items()}
        restored["learned"] = np.asarray(model.restore(seen))
        table[name] = {method: psnr(picture, image) for method, picture in restored.items()}
        titles = [("photograph", image)] + [(f"{m}\n{table[name][m]:.2f} dB", p) for m, p in restored.items()]
        views[name] = [(title, pictures.zoom(p, CENTRES[name])) for title, p in titles]
    table["mean"] = {method: float(np.mean([row[method] for row in table.values()])) for method in table[HELD_OUT[0]]}
    print(text := _aligned(table))
    gain = table["mean"]["learned"] - table["mean"]["cubic"]
    print(f"learned over cubic: {gain:+.2f} dB on average")
    report.table(table, "PSNR, dB")
    report.paragraph(f"Learned over cubic: {gain:+.2f} dB on average, on photographs that were not trained on. The "
                     "learned layer is linear, as the others are; it knows the blur and the statistics of photographs.")
    report.picture("psnr", pictures.bars({name: table[name] for name in HELD_OUT}), "Photographs never trained on.")
    for name, view in views.items():
        report.picture(f"zoom-{name}", pictures.row(view, 2.4), f"{name}: a part of it, each method's own picture; the "
                       "figures are for the whole photograph.")
    report.picture("taps", pictures.taps(start, np.asarray(model.taps[...])[..., 0, 0]),
                   "The taps before and after. Negative lobes around the peak undo the blur.")
    report.picture("learning", pictures.learning(losses), "The course of the training.")
    (report.folder / "psnr.txt").write_text(text + "\n")
    return table, losses, model


def _say(report: Report, heading: str, *blocks: str) -> None:
    """The same words to the terminal and to the report."""
    report.heading(heading)
    print(f"\n{heading}\n")
    for block in blocks:
        print(block + "\n")
        report.text(block)


def _aligned(table: dict[str, dict[str, float]]) -> str:
    """The table as text."""
    columns = list(next(iter(table.values())))
    lines = [f"{'PSNR, dB':22}" + "".join(f"{column:>10}" for column in columns)]
    lines += [f"{name:22}" + "".join(f"{row[column]:10.2f}" for column in columns) for name, row in table.items()]
    return "\n".join(lines)


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[0]} × {picture.shape[1]}"


def _at_least(minimum: int) -> Callable[[str], int]:
    """A parser of integers >= minimum, for argparse."""

    def integer(text: str) -> int:
        if (number := int(text)) < minimum:
            raise argparse.ArgumentTypeError(f"must be at least {minimum}, got {number}")
        return number

    return integer
