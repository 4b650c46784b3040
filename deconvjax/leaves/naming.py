"""What a stage is called: the word of the vocabulary that would build it, and its symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deconvjax.leaves.stage import Stage


def label(stage: Stage) -> str:
    """`downsample(4)`, `convolve(9 taps)`, `conv(3x3, 8->16, strides=2)`: derived from the structure, never stored."""
    if stage.taps is None:
        return _pulse_label(stage)
    if stage.groups is None:
        return _filter_label(stage)
    return _channel_label(stage)


def latex(stage: Stage) -> str:
    r"""The stage in signal-processing notation: \downarrow_k, \uparrow_k, q *."""
    up, down = _each(r.up for r in stage.rates), _each(r.down for r in stage.rates)
    words = [rf"\downarrow_{{{down}}}"] if down != 1 else []
    if stage.taps is not None:
        tall = r"^{\mathsf{T}}" if stage.flip and stage.groups is not None else ""
        words.append(rf"(q{tall}*)")
    elif up == down == 1:
        words.append(rf"\mathrm{{{_pulse_label(stage)}}}".replace("_", r"\_"))
    if up != 1:
        words.append(rf"\uparrow_{{{up}}}")
    return r"\,".join(words)


def _each(values: Any) -> Any:
    """One number where all axes agree, else the tuple."""
    several = tuple(values)
    return several[0] if len(set(several)) == 1 else several


def _where(stage: Stage) -> str:
    n = len(stage.axes)
    trailing = tuple(range(-n, 0))
    return "" if stage.axes == trailing else f", axes={stage.axes if n > 1 else stage.axes[0]}"


def _pulse_label(stage: Stage) -> str:
    up, down = _each(r.up for r in stage.rates), _each(r.down for r in stage.rates)
    lo, hi = [r.lo for r in stage.rates], [r.hi for r in stage.rates]
    pairs = _each(zip(lo, hi, strict=True))
    where = _where(stage)
    if up == down == 1:
        if all(a == -b for a, b in zip(lo, hi, strict=True)):
            return f"shift({_each(lo)}{where})"
        if all(a <= 0 and b <= 0 for a, b in zip(lo, hi, strict=True)):
            return f"crop({_each((-a, -b) for a, b in zip(lo, hi, strict=True))}{where})"
        return f"pad({pairs}{where})"
    if up == 1 and all(r.lo <= 0 for r in stage.rates):
        phase = _each(-a for a in lo)
        return f"downsample({down}{f', phase={phase}' if phase != 0 else ''}{where})"
    if down == 1 and all(r.lo == 0 and 0 <= r.hi < r.up for r in stage.rates):
        return f"upsample({up}{where})"
    return f"rate(up={up}, down={down}, pads={pairs}{where})"


def _filter_label(stage: Stage) -> str:
    up, down = _each(r.up for r in stage.rates), _each(r.down for r in stage.rates)
    taps = "x".join(map(str, stage.window)) + " taps"
    word = "upfirdn" if up != 1 or down != 1 else "convolve" if stage.flip else "correlate"
    rates = f", up={up}, down={down}" if word == "upfirdn" else ""
    dilation = _each(r.dilation for r in stage.rates)
    return f"{word}({taps}{rates}{f', dilation={dilation}' if dilation != 1 else ''}{_where(stage)})"


def _channel_label(stage: Stage) -> str:
    up, down = _each(r.up for r in stage.rates), _each(r.down for r in stage.rates)
    window = "x".join(map(str, stage.window)) or "1"
    word = "conv_transpose" if stage.flip else "conv"
    stride, stuffing = (up, down) if stage.flip else (down, up)
    options = {"strides": stride, "input_dilation": stuffing, "groups": stage.groups,
               "kernel_dilation": _each(r.dilation for r in stage.rates)}
    shown = "".join(f", {name}={value}" for name, value in options.items() if value != 1)
    return f"{word}({window}, {stage.channels[0]}->{stage.channels[1]}{shown})"
