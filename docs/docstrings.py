"""Docstrings of this house as Markdown: the equation in a box of its own, examples as sessions, signs kept as they are.

A Griffe extension (mkdocstrings reads docstrings through Griffe), and the same function for module docstrings.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import griffe

from docs.markup import fence, literal, prose, sentence

_EQUATION = re.compile(r"=|<-|->|↦|≡|:=")
_SECTION = re.compile(r"^(Args|Raises|Returns|Attributes|Yields):$")
_LABEL = re.compile(r"^(Source|Sources|Shapes|Dtypes|Shape|Errors): ")
_ITEM = re.compile(r"^    (\*{0,2}\w[\w, *]*): (.*)$")


def opening(text: str) -> tuple[str, str]:
    """(equation, sentence) of a docstring's first paragraph; ("", paragraph) where it has no equation.

    >>> opening("y[n] = x[k*n]: keeps every k-th sample.")
    ('y[n] = x[k*n]', 'keeps every k-th sample.')
    """
    text = " ".join(text.split())
    left, colon, right = text.partition(": ")
    if colon and _EQUATION.search(left):
        return left, right
    if colon and _EQUATION.search(right) and len(left) < 60:
        return right.rstrip("."), left
    return (text.rstrip("."), "") if _EQUATION.search(text) else ("", text)


def markdown(docstring: str, equation: bool = True) -> str:
    """Markdown of a docstring, sections of Google's style left for Griffe to read.

    >>> print(markdown("y = x*x: a square"))
    <p class="equation">y = x&#42;x</p>
    <BLANKLINE>
    A square.
    """
    first, _, rest = docstring.strip().partition("\n\n")
    formula, words = opening(first) if equation else ("", " ".join(first.split()))
    head = [f'<p class="equation">{literal(formula.replace("`", ""))}</p>'] if formula else []
    head += [sentence(words)] if words else []
    return "\n\n".join([*head, "\n".join(_lines(rest.split("\n")))]).strip()


def _lines(lines: list[str]) -> Iterator[str]:
    """The rest, block by block: sections, sessions, indented text as it stands, prose."""
    at = 0
    while at < len(lines):
        line = lines[at]
        if _SECTION.match(line):
            end = _while(lines, at + 1, lambda text: not text or text.startswith("    "))
            yield from ["", line, *_items([text for text in lines[at + 1:end] if text], line == "Raises:"), ""]
        elif line.lstrip().startswith(">>> "):
            end = _while(lines, at, lambda text: bool(text.strip()))
            indent = len(line) - len(line.lstrip())
            yield from ["", fence("\n".join(text[indent:] for text in lines[at:end]), "pycon"), ""]
        elif line.startswith("    "):
            end = _while(lines, at, lambda text: not text or text.startswith("    "))
            yield from ["", fence("\n".join(text[4:] for text in lines[at:end])), ""]
        else:
            end = at + 1
            label = _LABEL.match(line)
            yield f"**{label[1]}:** {prose(line[label.end():])}" if label else prose(line)
        at = end


def _while(lines: list[str], at: int, holds: Any) -> int:
    return next((n for n in range(at, len(lines)) if not holds(lines[n])), len(lines))


def _items(lines: list[str], raises: bool) -> Iterator[str]:
    """Items of a section; one that speaks of several arguments is said for each, and lines that go on are indented."""
    groups: list[list[str]] = []
    for line in lines:
        if (_ITEM.match(line) and not line.startswith("     ")) or not groups:
            groups.append([line])
        else:
            groups[-1].append(line)
    for first, *more in [part for group in groups for part in _errors(group)]:
        found = _ITEM.match(first)
        for name in found[1].split(", ") if found and not raises else [found[1] if found else ""]:
            yield f"    {name}: {prose(found[2])}" if found else prose(first)
            yield from (f"        {prose(line.strip())}" for line in more)


def _errors(lines: list[str]) -> list[list[str]]:
    """An item of `Raises` that goes on to other errors after a full stop or semicolon, as an item for each."""
    text = " ".join(line.strip() for line in lines if line)
    parts = re.split(r"[.;] (?=(?:[A-Z]\w*Error(?:, | or )?)+: )", text)
    return [[f"    {part}"] for part in parts] if len(parts) > 1 else [lines]


class Docstrings(griffe.Extension):
    """Every docstring of the package, rewritten where it is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Griffe calls this for every module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = markdown(inspect.cleandoc(obj.docstring.value), equation=not obj.is_attribute)
