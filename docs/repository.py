"""Pages that exist in the repository already, for readers of the code: the README, notebooks, benchmarks, changes.

Their links lead to files; on the site they lead to the pages made of those files.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md",
         "notebooks/README.md": "notebooks/index.md"}
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def sources() -> list[str]:
    """Every file of the repository that becomes a page, by glob: a new notebook or table of results is there at once.

    >>> "README.md" in sources()
    True
    """
    found = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("benchmarks/results/*.md")]
    return [*PAGES, *sorted(path.relative_to(ROOT).as_posix() for path in found)]


def page_of(source: str) -> str:
    """The page of the site made of a file of the repository.

    >>> page_of("README.md"), page_of("notebooks/3-laws-and-plans.ipynb"), page_of("benchmarks/results/cpu.md")
    ('index.md', 'notebooks/3-laws-and-plans.md', 'benchmarks/cpu.md')
    """
    folder = source.partition("/")[0]
    return PAGES.get(source, f"{folder}/{PurePosixPath(source).stem}.md")


def linked(text: str, source: str) -> str:
    """Markdown whose links to files that have a page lead to that page; links to other files become plain words.

    >>> linked("[a](notebooks/README.md) [b](LICENSE) [c](https://example.org)", "README.md")
    '[a](notebooks/index.md) b [c](https://example.org)'
    """
    known = set(sources())

    def target(found: re.Match[str]) -> str:
        words, link, anchor = found.groups()
        if ":" in link:
            return found[0]
        file = os.path.normpath(PurePosixPath(source).parent / link)
        there = os.path.relpath(page_of(file), PurePosixPath(page_of(source)).parent)
        return f"[{words}]({there}{anchor or ''})" if file in known else words

    return _LINK.sub(target, text)


def page(source: str) -> str:
    """The page of a Markdown file: links lead to pages, the light and dark picture follow the site's palette."""
    text = (ROOT / source).read_text("utf-8")
    for picture in re.findall(r"<picture>.*?</picture>", text, re.S):
        files = re.findall(r"docs/pages/(\S+?-(light|dark)\.svg)", picture)
        title = re.search(r'alt="([^"]*)"', picture)
        shown = " ".join(f"![{title[1] if title else ''}]({file}#only-{theme})" for file, theme in sorted(set(files)))
        text = text.replace(picture, shown)
    return linked(re.sub(r"^```python\n(?=>>> )", "```pycon\n", text, flags=re.M), source)
