"""The pages of the API, from the package itself: which module has which public names, in what groups."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import deconvjax
from docs.docstrings import markdown, opening
from docs.gallery import FIGURES, figure_markdown, short
from docs.markup import code, sentence, table

PACKAGE = "deconvjax"
# What users do not import from: its public names are in the vocabulary, or it is a command's.
INSIDE = {"algebra", "leaves", "ops", "errors", "space", "cli", "demo", "__main__"}


@dataclass(frozen=True)
class Page:
    """One page: its file, its title, what it says first, and the full names it documents.

    >>> next(pages()).path
    'api/dj-the-algebra.md'
    """

    path: str
    title: str
    intro: str
    names: tuple[str, ...]

    def text(self) -> str:
        """The page's Markdown: one directive for mkdocstrings for each name, its figure below it."""
        return "\n\n".join([f"# {self.title}", self.intro, *map(_entry, self.names)]) + "\n"


def pages() -> Iterator[Page]:
    """The vocabulary by its groups, then every public module by itself."""
    for group, names in vocabulary():
        title, _, more = group.partition(": ")
        slug = re.sub(r"\W+", "-", title.partition(", ")[0].lower())
        yield Page(f"api/dj-{slug}.md", title, sentence(more) if more else "",
                   tuple(f"{PACKAGE}.{name}" for name in names))
    for module in modules():
        title = module.__name__.removeprefix(PACKAGE + ".")
        names = tuple(f"{module.__name__}.{name}" for name in public(module))
        yield Page(f"api/{title}.md", title, markdown(module.__doc__ or ""), names)


def vocabulary() -> Iterator[tuple[str, list[str]]]:
    """(comment, names) for each group of `deconvjax/__init__.py`, in its order.

    >>> [names for title, names in vocabulary() if title == "Windows"]
    [['crop', 'pad']]
    """
    source = inspect.getsource(deconvjax).split("__all__")[0]
    for block in re.split(r"\n\n(?=# )", source)[1:]:
        title, _, imports = block.partition("\n")
        words = re.findall(r"\w+", " ".join(re.findall(r"import (.*)", imports)))
        if names := [word for word in words if word in deconvjax.__all__]:
            yield title.removeprefix("# ").rstrip("."), names


def modules() -> Iterator[ModuleType]:
    """Every public module and package, a package before what it holds."""
    for found in pkgutil.iter_modules(deconvjax.__path__):
        if found.name not in INSIDE and found.name[0] != "_":
            yield from _below(importlib.import_module(f"{PACKAGE}.{found.name}"))


def _below(module: ModuleType) -> Iterator[ModuleType]:
    yield module
    named = getattr(module, "__all__", ())
    for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
        inner = importlib.import_module(f"{module.__name__}.{found.name}")
        if getattr(module, found.name, None) is inner and (found.name in named or hasattr(inner, "__all__")):
            yield from _below(inner)


def public(module: ModuleType) -> list[str]:
    """What a module offers: `__all__`, else what it defines; modules have pages of their own."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    names = getattr(module, "__all__", [name for name in own if name[0] != "_"])
    return [name for name in names if not inspect.ismodule(getattr(module, name))]


def index() -> str:
    """The page of all names: what each is, in one line, and where it is explained."""
    parts = ["# API", "Every public name, its equation, and where it is explained. `dj` is `import deconvjax as dj`."]
    for page in pages():
        rows = [[f"[{code(short(name))}][{where(name)}]", *_summary(name)] for name in page.names]
        parts += [f"## [{page.title}]({page.path.removeprefix('api/')})",
                  table(["name", "is", ""], rows) if rows else page.intro.partition("\n\n")[0]]
    return "\n\n".join(parts) + "\n"


def value(name: str) -> object:
    """The object of a full name.

    >>> value("deconvjax.filters.box").__name__
    'box'
    """
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def where(name: str) -> str:
    """The full name under which Griffe finds it: a function that shares its module's name is looked for inside it.

    >>> where("deconvjax.nn.swap"), where("deconvjax.nn.Conv")
    ('deconvjax.nn.swap.swap', 'deconvjax.nn.Conv')
    """
    return f"{name}.{name.rpartition('.')[2]}" if getattr(value(name), "__module__", "") == name else name


def _summary(name: str) -> tuple[str, str]:
    found = value(name)
    documented = callable(found) or type(found).__module__.startswith(PACKAGE)
    first = (inspect.getdoc(found) or "").partition("\n\n")[0] if documented else ""
    formula, words = opening(first)
    return (code(formula.replace("`", "")) if formula else ""), (sentence(words) if words else "")


def _entry(name: str) -> str:
    """A directive for mkdocstrings, then the figure that belongs to the name."""
    label = name.rpartition(".")[2]
    directive = f"::: {where(name)}\n    options:\n      heading: {short(name)}\n      toc_label: {label}"
    return "\n\n".join([directive, *([figure_markdown(name, "../")] if name in FIGURES else [])])
