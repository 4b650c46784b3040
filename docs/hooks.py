"""MkDocs builds the site from these pages: each is made from the package or the repository while the site is built."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import deconvjax as dj
from docs import api, books, gallery, repository, tables

GENERATED = {"gallery.md": gallery.page, "laws.md": tables.laws, "frameworks.md": tables.frameworks,
             "command-line.md": tables.commands, "api/index.md": api.index}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation: fixed at the top, the package's own order below."""
    def of(folder: str) -> list[str]:
        return [repository.page_of(name) for name in repository.sources() if name.startswith(folder)]

    paths = [page.path for page in api.pages()]
    config.nav = [
        {"Home": "index.md"}, "question.md", {"Notebooks": of("notebooks")}, "gallery.md", "frameworks.md", "laws.md",
        {"Benchmarks": [{Path(page).stem.replace("_", " "): page} for page in of("benchmarks")]}, "command-line.md",
        {"API": ["api/index.md", {"dj": [path for path in paths if path.startswith("api/dj-")]},
                 *_nested([path for path in paths if not path.startswith("api/dj-")])]},
        {"Project": ["contributing.md", "changelog.md"]},
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is generated."""
    for path, content in contents():
        files.append(File.generated(config, path, content=content))
    return files


def contents() -> Iterator[tuple[str, str | bytes]]:
    """(file of the site's source, its content) for everything that is not written by hand."""
    for path, write in GENERATED.items():
        yield path, write()
    for page in api.pages():
        yield page.path, page.text()
    for source in repository.sources():
        if not source.endswith(".ipynb"):
            yield repository.page_of(source), repository.page(source)
            continue
        text, pictures = books.page(repository.ROOT / source)
        yield repository.page_of(source), text
        yield from ((f"notebooks/{name}", picture) for name, picture in pictures.items())
    yield from figures()


def figures() -> Iterator[tuple[str, bytes]]:
    """Every figure in both palettes, and the page with sliders."""
    for theme in gallery.THEMES:
        yield from ((f"figures/{name}-{theme}.svg", gallery.svg(text, theme))
                    for name, text in gallery.FIGURES.items())
        yield from ((f"figures/{name}", film) for name, film in gallery.films(theme).items())
    with tempfile.TemporaryDirectory() as folder:
        yield "explore.html", dj.draw.explore(Path(folder) / "explore.html").read_bytes()


def _nested(paths: list[str]) -> list[Any]:
    """The pages of the API; those of a package's modules under the package."""
    nav: list[Any] = []
    for path in paths:
        package = re.sub(r"\..*", "", path.removesuffix(".md"))
        inside = [other for other in paths if other.startswith(f"{package}.") and not other == f"{package}.md"]
        if path == f"{package}.md" and inside:
            nav.append({package.removeprefix("api/"): [path, *inside]})
        elif path == f"{package}.md":
            nav.append(path)
    return nav
