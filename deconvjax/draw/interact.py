"""Sliders in a notebook: kernel, stride, padding, dilation, output padding; window and matrix follow them."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from deconvjax.algebra import LinearMap
from deconvjax.draw.arithmetic import arithmetic
from deconvjax.draw.matrix import matrix
from deconvjax.draw.style import THEMES
from deconvjax.draw.style import theme as theme_of
from deconvjax.errors import complaint
from deconvjax.ops.channel import conv, conv_transpose

# name: (what the slider is called, least, greatest)
RANGES = {
    "size": ("input size", 1, 8), "kernel": ("kernel", 1, 5), "stride": ("stride", 1, 4), "padding": ("padding", 0, 4),
    "dilation": ("dilation", 1, 3), "output_padding": ("output padding", 0, 3), "step": ("output number", 0, 24),
}


class Panel:
    """(settings) -> (map, figures): what `interact` shows. Its sliders are `controls`, and may be moved from Python.

    `map` is the map along one axis, `plane` the same along both, each None where the settings allow none and `problem`
    says why; `figures` are the two drawings of the settings.

    >>> panel = interact(3, kernel=3, stride=2)
    >>> panel.set(padding=0).map.codomain.shape
    (7, 1)
    """

    def __init__(self, transposed: bool, settings: dict[str, int], theme: str):
        widgets = _ipywidgets()
        theme_of(theme)
        self.theme = theme
        self.controls: dict[str, Any] = {
            "transposed": widgets.ToggleButtons(options=[("transposed convolution", True), ("convolution", False)],
                                                value=transposed)}
        for name, (title, low, high) in RANGES.items():
            self.controls[name] = widgets.IntSlider(value=settings[name], min=low, max=high, description=title,
                                                    style={"description_width": "7.5em"})
        self._message = widgets.HTML()
        self._pictures = [widgets.Image(format="png"), widgets.Image(format="png")]
        sliders = list(self.controls.values())[1:]
        columns = [widgets.VBox(sliders[i::2]) for i in range(2)]
        self.box = widgets.VBox([self.controls["transposed"], widgets.HBox(columns), self._message, *self._pictures])
        self.map: LinearMap | None = None
        self.plane: LinearMap | None = None
        self.problem = ""
        self.figures: list[Figure] = []
        self._quiet = False
        for control in self.controls.values():
            control.observe(self._moved, names="value")
        self.redraw()

    def set(self, **settings: Any) -> Panel:
        """Move several sliders at once, and redraw once."""
        if odd := sorted(set(settings) - set(self.controls)):
            raise ValueError(complaint("Panel.set", "no such slider", got=", ".join(odd),
                                       expected=", ".join(self.controls), fix="panel.set(stride=3)"))
        self._quiet = True
        self.controls["step"].max = 1 << 20  # the end of the outputs is known after the others have moved
        try:
            for name, value in settings.items():
                self.controls[name].value = value
        finally:
            self._quiet = False
        self.redraw()
        return self

    def redraw(self) -> None:
        """Bind the maps of the present settings, and draw them."""
        at = {name: control.value for name, control in self.controls.items()}
        self.controls["output_padding"].disabled = not at["transposed"]
        try:
            self.map, self.plane = (self._bound(at, axes) for axes in (1, 2))
            self.problem = ""
        except ValueError as refusal:  # ShapeError among them
            self.map = self.plane = None
            self.problem, self.figures = str(refusal), []
        if self.map is not None and self.plane is not None:
            steps = int(np.prod(self.plane.codomain.shape))
            step = min(at["step"], steps - 1)
            self._quiet = True  # the slider's new end moves its knob, which must not draw again
            self.controls["step"].max = steps - 1
            self.controls["step"].value = step
            self._quiet = False
            self.figures = [arithmetic(self.plane, step, theme=self.theme),
                            matrix(self.map, stencil=False, theme=self.theme)]
        self._message.value = f"<b>{self.problem}</b>" if self.problem else ""
        for picture, png in zip(self._pictures, [*map(_png, self.figures), b"", b""], strict=False):
            picture.value = png

    def _bound(self, at: dict[str, Any], axes: int) -> LinearMap:
        taps = np.arange(1.0, at["kernel"] + 1, dtype=np.float32)
        kernel = (taps if axes == 1 else np.outer(taps, taps))[..., None, None]
        shape = (at["size"],) * axes + (1,)
        if not at["transposed"]:
            return conv(kernel, strides=at["stride"], padding=at["padding"], kernel_dilation=at["dilation"]).on(shape)
        return conv_transpose(kernel, strides=at["stride"], padding=at["padding"], kernel_dilation=at["dilation"],
                              output_padding=at["output_padding"]).on(shape)

    def _moved(self, _: Any) -> None:
        if not self._quiet:
            self.redraw()

    def _repr_png_(self) -> bytes:
        """Both drawings, one over the other: what is seen where no kernel runs."""
        shown = [Image.open(io.BytesIO(_png(figure))).convert("RGB") for figure in self.figures]
        size = (max((s.width for s in shown), default=1), max(1, sum(s.height for s in shown)))
        page, top = Image.new("RGB", size, THEMES[self.theme].paper), 0
        for picture in shown:
            page.paste(picture, (0, top))
            top += picture.height
        data = io.BytesIO()
        page.save(data, "png")
        return data.getvalue()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return {**self.box._repr_mimebundle_(**options), "image/png": self._repr_png_(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"Panel({self.problem or self.map})"


def interact(size: int = 3, kernel: int = 3, *, stride: int = 2, padding: int = 1, dilation: int = 1,
             output_padding: int = 0, step: int = 0, transposed: bool = True, theme: str = "light") -> Panel:
    """out = (n-1) s - 2p + d(k-1) + 1 + a, live: sliders that redraw `arithmetic` and `matrix` (needs ipywidgets).

    The kernel is 1, 2, 3, ...; along both axes in the upper picture, along one in the lower. The arguments are where
    the sliders start. In a saved notebook the last pictures stay to be seen without a kernel.

    Args:
        size: samples of the input along each axis.
        kernel, stride, padding, dilation, output_padding: of `conv` and `conv_transpose`.
        step: which output's window is shown.
        transposed: the transposed convolution, or the convolution.
        theme: "light" or "dark".

    Raises:
        ImportError: ipywidgets is missing.

    >>> panel = interact(kernel=3, stride=2)
    >>> panel.controls["stride"].value = 3
    >>> print(panel.map)
    <conv_transpose(3, 1->1, strides=3) : float32[3,1] -> float32[7,1]>
    """
    given = {"size": size, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation,
             "output_padding": output_padding, "step": step}
    for name, value in given.items():
        _, low, high = RANGES[name]
        if name != "step" and not low <= value <= high:
            raise ValueError(complaint("draw.interact", f"{name} lies outside its slider", got=value,
                                       expected=f"{low} to {high}", fix="draw.arithmetic and draw.matrix take any map"))
    return Panel(transposed, given, theme)


def _png(figure: Figure) -> bytes:
    page = io.BytesIO()
    figure.savefig(page, format="png", dpi=80)
    return page.getvalue()


def _ipywidgets() -> Any:
    try:
        return importlib.import_module("ipywidgets")
    except ImportError as missing:
        raise ImportError(complaint("draw.interact", "sliders need ipywidgets", got=f"no module {missing.name}",
                                    expected="ipywidgets 8", fix="pip install 'deconvjax[notebook]'")) from missing
