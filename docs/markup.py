"""Text into Markdown that no processor misreads: equations are full of `*`, `_`, `<`, `[` and `|`."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLAIN = set(" .,;:()=+/-'\"?!%")
_IN_PROSE = {"*": "&#42;", "<": "&lt;", ">": "&gt;", "[": "&#91;", "]": "&#93;", "|": "&#124;"}


def literal(text: str) -> str:
    """Every sign that Markdown or HTML could read becomes an entity: the text is shown as it is.

    >>> literal("y[n] = a*b")
    'y&#91;n&#93; = a&#42;b'
    """
    return "".join(c if c.isalnum() or c in _PLAIN or ord(c) > 127 else f"&#{ord(c)};" for c in text)


def code(text: str) -> str:
    """Inline code, in a table too.

    >>> code("|x|")
    '<code>&#124;x&#124;</code>'
    """
    return f"<code>{literal(text)}</code>"


def prose(text: str) -> str:
    """A sentence with `code` in it: the code becomes inline code, and outside of it nothing is markup.

    >>> prose("c*r of `a*b`")
    'c&#42;r of <code>a&#42;b</code>'
    """
    pieces = re.split(r"`([^`]+)`", text)
    plain = ("".join(_IN_PROSE.get(c, c) for c in piece) for piece in pieces[::2])
    coded = [code(piece) for piece in pieces[1::2]]
    return "".join(a + b for a, b in zip(plain, [*coded, ""], strict=True))


def sentence(text: str) -> str:
    """`prose` with a capital and a full stop.

    >>> sentence("interpolation")
    'Interpolation.'
    """
    text = text.strip()
    if text and text[-1] not in ".!?:":
        text += "."
    return prose(text[:1].upper() + text[1:])


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table of cells that are markup already.

    >>> print(table(["a", "b"], [["1", "2"]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fence(text: str, language: str = "text") -> str:
    """A block of code; its fence is longer than any inside.

    >>> print(fence("a"))
    ```text
    a
    ```
    """
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"
