"""The window in motion: every step of `draw.arithmetic` as a GIF or a self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from matplotlib.animation import FuncAnimation, PillowWriter

from deconvjax.algebra import LinearMap
from deconvjax.draw.arithmetic import lines, paint
from deconvjax.draw.style import blank, drawing
from deconvjax.errors import complaint


def animate(a: LinearMap, path: str | Path, *, seconds: float = 0.5, theme: str = "light") -> Path:
    """frame[n] = arithmetic(A, step=n), one for each output sample in row-major order, written to `path`.

    Args:
        a: what `draw.arithmetic` draws: a bound 1-D or 2-D stage.
        path: where to write; the suffix chooses the format.
        seconds: how long a frame stays.
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
    steps = 1
    for line in lines(a):
        steps *= len(line.reads)
    with drawing(theme) as colours:
        figure, (left, right) = blank(8.2, 4.4, 2, (1.4, 1.0))

        def frame(step: int) -> list[object]:
            left.clear()
            right.clear()
            paint(left, right, a, step, colours)
            return []

        film = FuncAnimation(figure, frame, frames=steps, interval=1000 * seconds)  # type: ignore[arg-type]
        if target.suffix == ".gif":
            film.save(target, writer=PillowWriter(fps=max(1, round(1 / seconds))), dpi=80)
        else:
            target.write_text(film.to_jshtml(fps=max(1, round(1 / seconds))), encoding="utf-8")
    return target
