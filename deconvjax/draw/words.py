"""Labels of maps over several lines: broken between maps and between arguments, never inside a number or a pair."""

from __future__ import annotations

import re
import textwrap

_GLUE = "\N{NO-BREAK SPACE}"


def wrapped(label: str, room: int, most: int) -> list[str]:
    """Lines of at most `room` letters; what does not fit into `most` lines ends in an ellipsis.

    >>> wrapped("pad((1, 1), 'edge', axes=(-3, -2)) @ convolve(3 taps)", 24, 4)
    ["pad((1, 1), 'edge',", 'axes=(-3, -2))', '@ convolve(3 taps)']
    >>> wrapped("pad((1, 1), 'edge', axes=(-3, -2)) @ convolve(3 taps)", 24, 2)
    ["pad((1, 1), 'edge',", 'axes=(-3, -2)) …']
    """
    glued = re.sub(r"\([-\d, ]+\)", lambda pair: pair[0].replace(" ", _GLUE), label)
    glued = glued.replace(" taps", f"{_GLUE}taps").replace("@ ", f"@{_GLUE}")
    lines = textwrap.wrap(glued, room, break_on_hyphens=False, max_lines=most, placeholder=" …")
    return [line.replace(_GLUE, " ") for line in lines]
