"""Check a built site: every link and anchor inside it leads somewhere, and nothing is fetched from elsewhere.

`python -m docs.links site` prints what is wrong and fails where anything is.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, by tag; an `<a href>` waits for a click.
_FETCHED = {"script": ("src",), "link": ("href",), "img": ("src", "srcset"), "source": ("src", "srcset"),
            "iframe": ("src",), "video": ("src", "poster"), "audio": ("src",), "embed": ("src",), "object": ("data",),
            "input": ("src",), "track": ("src",), "use": ("href", "xlink:href"), "image": ("href", "xlink:href")}
_IN_CSS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
_ELSEWHERE = re.compile(r"^(?:[a-z]+:)?//")


@dataclass
class Found(HTMLParser):
    """What one page contains: its anchors, what it links to, what a browser fetches for it.

    >>> found = Found.of('<a href="b.html#c" id="d"></a><img src="e.png">')
    >>> found.anchors, found.links, found.fetched
    ({'d'}, ['b.html#c'], ['e.png'])
    """

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    style: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, text: str) -> Found:
        """Read a page."""
        found = cls()
        found.feed(text)
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect a tag's addresses."""
        given = {name: value for name, value in attrs if value}
        self.style = tag == "style"
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag in ("a", "area") and "href" in given:
            self.links.append(given["href"])
        if "mermaid" in given.get("class", "").split():
            self.fetched.append("//a diagram for which the theme loads mermaid")
        if tag == "link" and given.get("rel") in ("canonical", "next", "prev", "alternate"):
            return
        for name in _FETCHED.get(tag, ()):
            for part in given.get(name, "").split(",") if name == "srcset" else [given.get(name, "")]:
                self.fetched += part.split()[:1]
        self.fetched += in_css(given.get("style", ""))

    def handle_data(self, data: str) -> None:
        """Addresses in a style sheet within the page."""
        if self.style:
            self.fetched += in_css(data)


def in_css(text: str) -> list[str]:
    """Addresses that a style sheet fetches.

    >>> in_css("@import 'a.css'; b { background: url(c.png) }")
    ['a.css', 'c.png']
    """
    return [first or second for first, second in _IN_CSS.findall(text)]


def faults(files: Mapping[str, str]) -> Iterator[str]:
    """One line for each broken link, missing anchor and thing fetched from elsewhere. `files`: path -> text.

    >>> list(faults({"a.html": '<a href="b.html#c"></a>', "b.html": '<script src="https://x.org/y.js"></script>'}))
    ['b.html: fetches https://x.org/y.js', 'a.html: b.html#c: no such anchor']
    """
    pages = {path: Found.of(text) for path, text in files.items() if path.endswith(".html")}
    sheets = {path: in_css(text) for path, text in files.items() if path.endswith(".css")}
    for path, fetched in [*((path, page.fetched) for path, page in pages.items()), *sheets.items()]:
        for address in fetched:
            if _ELSEWHERE.match(address):
                yield f"{path}: fetches {address}"
            elif not address.startswith(("data:", "#")) and _target(path, address)[0] not in files:
                yield f"{path}: {address}: no such file"
    for path, page in pages.items():
        for link in page.links:
            if urlsplit(link).scheme or _ELSEWHERE.match(link):
                continue
            file, anchor = _target(path, link)
            if file not in files:
                yield f"{path}: {link}: no such page"
            elif anchor and file in pages and anchor not in pages[file].anchors | {"__top"}:
                yield f"{path}: {link}: no such anchor"


def external(files: Mapping[str, str]) -> list[str]:
    """Links that leave the site; they are listed, not followed."""
    found = {link for path, text in files.items() if path.endswith(".html") for link in Found.of(text).links}
    return sorted(link for link in found if urlsplit(link).scheme in ("http", "https"))


def _target(path: str, link: str) -> tuple[str, str]:
    """(file, anchor) of a link on the page `path`; a folder means its index."""
    parts = urlsplit(link)
    base = "" if parts.path.startswith("/") else posixpath.dirname(path)
    file = posixpath.normpath(posixpath.join(base, unquote(parts.path).lstrip("/"))) if parts.path else path
    return ("index.html" if file == "." else file), unquote(parts.fragment)


def read(folder: Path) -> dict[str, str]:
    """Every file of a built site; only pages and style sheets are read, others are there by name."""
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") if path.suffix in (".html", ".css") else ""
            for path in sorted(folder.rglob("*")) if path.is_file()}


def main(folder: str) -> int:
    """Print what is wrong; 0 where nothing is."""
    files = read(Path(folder))
    wrong, away = list(faults(files)), external(files)
    pages = sum(path.endswith(".html") for path in files)
    print("\n".join(["links out of the site, not followed:", *(f"  {link}" for link in away)]))
    print("\n".join(wrong))
    print(f"{pages} pages, {len(wrong)} faults")
    return 0 if pages and not wrong else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
