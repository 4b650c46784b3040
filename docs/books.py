"""Notebooks as pages: their Markdown, code and committed outputs, pictures as files, formulas as MathML.

Nothing is run here: `make notebooks` runs them. MathML is drawn by the browser itself, so no script is fetched for it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from latex2mathml.converter import convert
from nbconvert import MarkdownExporter
from nbformat import NotebookNode, read

from docs.repository import linked

_DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.S)
_INLINE = re.compile(r"(?<![\\$\w])\$(?!\s)([^$\n]+?)(?<!\s)\$(?![$\w])")
_WIDGET = "application/vnd.jupyter.widget-view+json"


def page(path: Path) -> tuple[str, dict[str, bytes]]:
    """(Markdown, pictures by file name) of a notebook with its outputs as committed."""
    book = read(path, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = formulas(linked(cell.source, f"notebooks/{path.name}"))
        else:
            cell.outputs = list(_shown(cell.outputs))
    text, resources = MarkdownExporter().from_notebook_node(book, {"unique_key": path.stem, "output_files_dir": "."})
    pictures = {Path(name).name: data for name, data in resources["outputs"].items()}
    return _outputs(text), pictures


def formulas(text: str) -> str:
    """$$ x $$ and $ x $ as MathML; code stays as it is."""
    pieces = re.split(r"(```.*?```|`[^`\n]+`)", text, flags=re.S)
    for n in range(0, len(pieces), 2):
        pieces[n] = _DISPLAY.sub(lambda m: f"\n\n<div>{convert(m[1].strip(), display='block')}</div>\n\n", pieces[n])
        pieces[n] = _INLINE.sub(lambda m: convert(m[1]), pieces[n])
    return "".join(pieces)


def _shown(outputs: list[NotebookNode]) -> Iterator[NotebookNode]:
    """Outputs as a page can show them: what was printed in one piece, formulas as MathML, widgets as their pictures."""
    for kind, group in itertools.groupby(outputs, lambda output: output.get("name")):
        several = list(group)
        if kind:
            several[0].text = "".join(output.text for output in several)
            yield several[0]
            continue
        for output in several:
            data = output.get("data", {})
            if "text/latex" in data:
                formula = convert(data.pop("text/latex").strip().strip("$"), display="block")
                data["text/html"] = f"<div>{formula}</div>"
            if _WIDGET not in data or any(kind.startswith("image/") for kind in data):
                yield output


def _outputs(text: str) -> str:
    """What a cell printed, in a block of its own kind."""
    def block(found: re.Match[str]) -> str:
        printed = "\n".join(line[4:] for line in found[0].strip("\n").split("\n")).rstrip()
        return f"\n\n``` {{ .text .output }}\n{printed}\n```\n\n" if printed else "\n\n"

    code = re.split(r"(^```.*?^```$)", text, flags=re.S | re.M)
    code[::2] = [re.sub(r"\n\n(?:    .*\n|\n(?=    ))+", block, piece) for piece in code[::2]]
    return "".join(code)
