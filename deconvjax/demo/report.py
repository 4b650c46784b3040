"""One HTML file with the text, the tables and the pictures in it: nothing is fetched when it is opened."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass, field
from pathlib import Path

from deconvjax.draw.style import Figure

STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24;
       background: #fff; }
h1 { font-size: 1.7rem; } h2 { margin-top: 2.4rem; border-bottom: 1px solid #c7ccd1; padding-bottom: .2rem; }
pre { background: #f4f5f6; padding: .8rem 1rem; white-space: pre-wrap; font-size: .86rem; line-height: 1.35; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; } figcaption { color: #4a525b; font-size: .92rem; }
table { border-collapse: collapse; } th, td { padding: .3rem .9rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 2px solid #c7ccd1; }
td.best { font-weight: 700; }
"""


@dataclass
class Report:
    """title, then sections of paragraphs, text, tables and pictures, in the order in which they are added."""

    title: str
    folder: Path
    parts: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        """A section begins."""
        self.parts.append(f"<h2>{html.escape(text)}</h2>")

    def paragraph(self, text: str) -> None:
        """Running text."""
        self.parts.append(f"<p>{html.escape(text)}</p>")

    def text(self, text: str) -> None:
        """What the terminal shows, as it stands there."""
        self.parts.append(f"<pre>{html.escape(text)}</pre>")

    def picture(self, name: str, figure: Figure, caption: str) -> None:
        """A figure: written as `name`.png into the folder, and into the page itself."""
        path = self.folder / f"{name}.png"
        figure.savefig(path, dpi=110)
        data = base64.b64encode(path.read_bytes()).decode()
        self.parts.append(f'<figure><img alt="{html.escape(caption, quote=True)}" src="data:image/png;base64,{data}">'
                          f"<figcaption>{html.escape(caption)}</figcaption></figure>")

    def table(self, rows: dict[str, dict[str, float]], first: str) -> None:
        """Numbers by row and column; the largest of a row is bold."""
        columns = list(next(iter(rows.values())))
        head = "".join(f"<th>{html.escape(column)}</th>" for column in [first, *columns])
        body = "".join(
            f"<tr><td>{html.escape(name)}</td>"
            + "".join(f'<td{" class=best" if row[c] == max(row.values()) else ""}>{row[c]:.2f}</td>' for c in columns)
            + "</tr>" for name, row in rows.items()
        )
        self.parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def write(self) -> Path:
        """report.html in the folder."""
        path = self.folder / "report.html"
        title = html.escape(self.title)
        path.write_text(
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width"><title>{title}</title><style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n'
            + "\n".join(self.parts) + "\n</body></html>\n", encoding="utf-8",
        )
        return path
