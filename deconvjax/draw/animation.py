"""The window in motion: every step of `draw.arithmetic` as a GIF or a self-contained HTML page."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from deconvjax.algebra import LinearMap
from deconvjax.draw.arithmetic import Scene, scene
from deconvjax.draw.style import drawing
from deconvjax.errors import complaint


def animate(a: LinearMap, path: str | Path, *, seconds: float = 0.5, x: Any = None, unread: int = 0,
            theme: str = "light") -> Path:
    """frame[n] = arithmetic(A, step=n), one for each output sample in row-major order, written to `path`.

    Args:
        a: what `draw.arithmetic` draws: a bound 1-D or 2-D stage.
        path: where to write; the suffix chooses the format.
        seconds: how long a frame stays.
        x, unread: as in `draw.arithmetic`.
        theme: "light" or "dark".

    >>> import deconvjax as dj, tempfile, pathlib
    >>> A = dj.convolve([1, 2, 1]).on((4,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dj.draw.animate(A, pathlib.Path(folder) / "window.gif").stat().st_size > 1000
    True
    """
    target = Path(path)
    if target.suffix not in (".gif", ".html"):
        raise ValueError(complaint("draw.animate", "the suffix chooses the format", got=repr(target.suffix),
                                   expected=".gif or .html", fix=f"write to {target.with_suffix('.gif').name}"))
    with drawing(theme) as colours:
        figure, shown = scene(a, colours, x=x, unread=unread)
        steps = math.prod(shown.outs)
        if target.suffix == ".gif":
            _gif(figure, shown, steps, target, seconds)
        else:
            film = FuncAnimation(figure, lambda step: shown.show(step) or [], frames=steps,  # type: ignore[arg-type]
                                 interval=1000 * seconds)
            target.write_text(film.to_jshtml(fps=max(1, round(1 / seconds))), encoding="utf-8")
    return target


def _gif(figure: Figure, shown: Scene, steps: int, target: Path, seconds: float) -> None:
    """All frames with the first one's layout and palette, so that nothing but the window moves."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(80)
    frames: list[Image.Image] = []
    for step in range(steps):
        shown.show(step)
        canvas.draw()
        figure.set_layout_engine("none")
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        frames.append(picture.quantize(128, palette=frames[0] if frames else None, dither=Image.Dither.NONE))
    frames[0].save(target, save_all=True, append_images=frames[1:], duration=round(1000 * seconds), loop=0)
