"""explain(): what is written, which laws fire, what runs, and what each costs."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from fractions import Fraction

import jax

from deconvjax import engine
from deconvjax.algebra import Atomic, BlockDiagonal, Chain, LinearMap, Row, Scaled, Stack, Sum
from deconvjax.axis import compose_alignment
from deconvjax.leaves.extend import Extend
from deconvjax.leaves.reindex import Reindex
from deconvjax.leaves.stage import Stage
from deconvjax.rewrite import Firing, Work, fired_laws, plan, work
from deconvjax.rewrite.laws_channels import shuffle_factor

Line = tuple[str, str, str, str, str, str]
HEAD: Line = ("map", "gives", "multiply-adds", "bytes", "runs as", "alignment")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A = A as planned, by the laws that fired: both map by map, as text or, in a notebook, as HTML.

    `multiply-adds` and `bytes` are of one signal of the domain; `runs as` is the engine's strategy on this machine;
    `alignment` says on which coordinate of a map's input its output n is centred.

    >>> import deconvjax as dj
    >>> found = (dj.downsample(2) @ dj.convolve([1, 2, 1])).on((9,)).explain()
    >>> found.cost_written.multiply_adds, found.cost_planned.multiply_adds
    (25, 13)
    """

    written: tuple[Line, ...]
    planned: tuple[Line, ...]
    fired: tuple[Firing, ...]
    cost_written: Work
    cost_planned: Work
    title: str

    def __str__(self) -> str:
        width = [max(len(line[i]) for line in (HEAD, *self.written, *self.planned)) for i in range(len(HEAD))]

        def table(lines: tuple[Line, ...]) -> list[str]:
            return ["  " + "  ".join(cell.rjust(w) if 2 <= i <= 3 else cell.ljust(w)
                                     for i, (cell, w) in enumerate(zip(line, width, strict=True))).rstrip()
                    for line in (HEAD, *lines)]

        laws = [f"  {f.law.name}: {f.before}  =>  {f.after}\n      {f.law.equation}" for f in self.fired]
        return "\n".join([
            self.title, "",
            "as written, innermost last:", *table(self.written), _total(self.cost_written), "",
            "laws:", *(laws or ["  none: it runs as written"]), "",
            "as planned:", *table(self.planned), _total(self.cost_planned),
        ])  # fmt: skip

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        def table(lines: tuple[Line, ...]) -> str:
            head = "".join(f"<th style='text-align:left'>{name}</th>" for name in HEAD)
            rows = "".join(f"<tr>{''.join(_cell(i, cell) for i, cell in enumerate(line))}</tr>" for line in lines)
            return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

        laws = "".join(f"<li><b>{html.escape(f.law.name)}</b>: <code>{html.escape(f.before)}</code> ⇒ "
                       f"<code>{html.escape(f.after)}</code><br><small>{html.escape(f.law.equation)}</small></li>"
                       for f in self.fired)
        return (f"<div><p><code>{html.escape(self.title)}</code></p><p><b>as written</b>{_total(self.cost_written)}</p>"
                f"{table(self.written)}<p><b>laws</b></p><ol>{laws or '<li>none: it runs as written</li>'}</ol>"
                f"<p><b>as planned</b>{_total(self.cost_planned)}</p>{table(self.planned)}</div>")


def explain(a: LinearMap) -> Explanation:
    """Explanation = (A as written, the laws that fired, A as planned), with costs, strategies and alignments.

    >>> import deconvjax as dj
    >>> print(explain((dj.downsample(2) @ dj.convolve([1, 2, 1])).on((9,))))
    <downsample(2) @ convolve(3 taps) : float32[9] -> float32[5]>
    <BLANKLINE>
    as written, innermost last:
      map                            gives       multiply-adds  bytes  runs as  alignment
      downsample(2)                  float32[5]              0     40  slice    2n
      convolve(3 taps)               float32[9]             25     84  ...  n
      total: 25 multiply-adds, 84 bytes
    <BLANKLINE>
    laws:
      pulse of filtered: downsample(2) @ convolve(3 taps)  =>  upfirdn(3 taps, up=1, down=2)
          ↓k o (q*) = strided q*;  crop, pad and shift go into its window;  ↑k o (q*) = (↑k q)* o ↑k
    <BLANKLINE>
    as planned:
      map                            gives       multiply-adds  bytes  runs as  alignment
      upfirdn(3 taps, up=1, down=2)  float32[5]             13     68  ...  2n
      total: 13 multiply-adds, 68 bytes
    """
    planned = plan(a)
    return Explanation(tuple(_lines(a, 0)), tuple(_lines(planned, 0)), fired_laws(a), work(a), work(planned), repr(a))


def _lines(a: LinearMap, depth: int) -> list[Line]:
    indent = "  " * depth
    if isinstance(a, Chain):
        return [line for part in a.maps for line in _lines(part, depth)]
    if isinstance(a, (Sum, Stack, Row, BlockDiagonal)):
        own = (indent + type(a).__name__.lower(), str(a._codomain()), *_numbers(work(a)), "", "")
        return [own, *(line for part in a.maps for line in _lines(part, depth + 1))]
    return [(indent + a._label(), str(a._codomain()), *_numbers(work(a)), strategy(a), alignment(a))]


def _numbers(counted: Work) -> tuple[str, str]:
    return f"{counted.multiply_adds:,}", f"{counted.bytes:,}"


def _total(counted: Work) -> str:
    return "  total: {} multiply-adds, {} bytes".format(*_numbers(counted))


def _cell(place: int, text: str) -> str:
    align = "right" if place in (2, 3) else "left"
    inside = f"<code>{html.escape(text)}</code>" if place == 0 else html.escape(text)
    return f"<td style='text-align:{align};white-space:pre'>{inside}</td>"


def strategy(a: LinearMap) -> str:
    """The engine's name for how a stage runs here; what the other maps are made of."""
    if not isinstance(a, Stage):
        return {"Extend": "slices", "Identity": "", "Zero": "", "Scaled": "product", "Diagonal": "product",
                "Reindex": "reshape", "Cast": "", "Opaque": "jaxpr", "Reassemble": "tap sum", "Atomic": "as written",
                "Select": "gather"}.get(type(a).__name__, "")
    geometry = a.geometry
    if a.taps is None:
        return "pad, slice" if any(g.up > 1 or g.lo > 0 or g.hi > 0 for g in geometry) else "slice"
    spec, far = a.spec, a._codomain() if a.flip else a.space
    assert far is not None
    first = min(a.axes)
    lead = math.prod(far.shape[:first])
    rest = math.prod(far.shape) // lead // math.prod(spec.size)
    cout = None if a.groups is None else a.channels[0 if a.flip else 1]
    platform = jax.devices()[0].platform
    dtype = a._codomain().dtype
    return engine.choose(spec, "T" if a.flip else "F", (lead, *spec.size, rest), dtype, platform, channels_out=cout)


def alignment(a: LinearMap) -> str:
    """The input coordinate on which output n is centred, `scale*n + offset`, one for each axis that differs."""
    found = alignments(a)
    texts = [_affine(*pair) for pair in found.values()]
    return "" if not found else texts[0] if len(set(texts)) == 1 else ", ".join(texts)


def alignments(a: LinearMap) -> dict[int, tuple[Fraction, Fraction]]:
    """axis -> (scale, offset) of stages, borders and permutations in a row; nothing for axes without such numbers.

    Axes are those of the output; through a permutation they are followed to the axis of the input they come from.

    >>> import deconvjax as dj
    >>> alignments((dj.convolve([1, 1], "full") @ dj.upsample(2)).on((4,)))
    {-1: (Fraction(1, 2), Fraction(-1, 4))}
    """
    return {axis: pair for axis, pair in _followed(a, {}).items() if pair is not None}


Affine = tuple[Fraction, Fraction]
_SAME: Affine = Fraction(1), Fraction(0)


def _followed(a: LinearMap, before: dict[int, Affine | None]) -> dict[int, Affine | None]:
    """The coordinates of a's output in those `before` is written in; None where there is no such number."""
    if isinstance(a, Chain):
        for part in reversed(a.maps):
            before = _followed(part, before)
        return before
    if isinstance(a, (Scaled, Atomic)):
        return _followed(a.map, before)
    own: dict[int, Affine] = {}
    if isinstance(a, Stage):
        own = {axis: g.alignment for axis, g in zip(a.axes, a.geometry, strict=True)}
    elif isinstance(a, Extend):
        sign = 1 if a.fold else -1
        own = {axis: (Fraction(1), Fraction(sign * lo)) for axis, (lo, _) in zip(a.axes, a.widths, strict=True)}
    elif isinstance(a, Reindex):
        own, before = _reindexed(a, before)
    return before | {axis: None if (old := before.get(axis, _SAME)) is None else compose_alignment(pair, old)
                     for axis, pair in own.items()}


def _reindexed(a: Reindex, before: dict[int, Affine | None]) -> tuple[dict[int, Affine], dict[int, Affine | None]]:
    """Pixel shuffles place samples; other axes are moved whole, or lose their numbers where they are cut and joined."""
    for part, up in ((a, True), (a._transpose(), False)):
        found = shuffle_factor(part)  # type: ignore[arg-type]
        if found is not None:
            places = zip(range(-len(found[0]) - 1, -1), found[0], strict=True)
            half = {axis: (Fraction(1, r), Fraction(1 - r, 2 * r)) if up else (Fraction(r), Fraction(r - 1, 2))
                    for axis, r in places}
            return half, before
    ins, outs = len(a.split), len(a.join)
    first = [sum(map(len, a.split[:axis])) for axis in range(ins)]
    whole = {tuple(range(at, at + len(parts))): axis - ins for axis, (at, parts) in enumerate(zip(first, a.split,
                                                                                                  strict=True))}
    after: dict[int, Affine | None] = {axis + ins - outs: pair for axis, pair in before.items() if axis < -ins}
    at = 0
    for axis, count in enumerate(a.join):
        source = whole.get(a.order[at:at + count])
        at += count
        if source is None:
            after[axis - outs] = None
        elif source in before:
            after[axis - outs] = before[source]
    return {}, after


def _affine(scale: Fraction, offset: Fraction) -> str:
    times = "" if scale.numerator == 1 else str(scale.numerator)
    body = f"{times}n" if scale.denominator == 1 else f"{times}n/{scale.denominator}"
    return body if offset == 0 else f"{body} {'+' if offset > 0 else '-'} {abs(offset)}"


