"""The site's generators say what the package says, and its check finds what is broken."""

import doctest
import inspect
import re
import sys

import pytest

import deconvjax
from deconvjax.cli import COMMANDS
from deconvjax.draw.figures import FIGURES as ARITHMETIC
from deconvjax.rewrite import LAWS
from docs import api, docstrings, gallery, links, markup, repository, tables
from tests.house import ROOT, docstring_faults
from tests.test_house import public_names

PAGES = tuple(api.pages())
NAMED = {name for page in PAGES for name in page.names}


def test_every_public_name_is_on_one_page_of_its_own_module():
    wanted = {name.replace("dj.", "deconvjax.") for name, value in public_names() if not inspect.ismodule(value)}
    assert not wanted - NAMED
    assert len(NAMED) == sum(len(page.names) for page in PAGES)
    assert len({page.path for page in PAGES}) == len(PAGES)
    titles = {page.title for page in PAGES}
    assert {"check", "compat", "compat.torch", "draw", "filters", "nn", "segmentation", "engine"} <= titles


def test_a_name_that_its_module_shares_is_the_function():
    shared = [name for name in NAMED if api.where(name) != name]
    assert {"deconvjax.nn.swap", "deconvjax.draw.matrix", "deconvjax.check.checkerboard"} <= set(shared)
    for name in shared:
        assert getattr(sys.modules[name], name.rpartition(".")[2]) is api.value(name)


def test_the_vocabulary_is_grouped_as_the_package_groups_it():
    grouped = [name for _, names in api.vocabulary() for name in names]
    assert sorted(grouped) == sorted(deconvjax.__all__)
    titles = [title for title, _ in api.vocabulary()]
    assert [title for title in titles if f"# {title}.\n" not in inspect.getsource(deconvjax)] == []


def test_every_name_of_the_api_opens_with_an_equation_and_runs():
    names = {name: api.value(name) for name in NAMED}
    faults = {fault for name, value in names.items() if inspect.isroutine(value) or isinstance(value, type)
              for fault in docstring_faults(name, value)}
    # A run of training is an example too long for a docstring: notebook 5 has it.
    faults -= {f"deconvjax.segmentation.training.{name}: no example in the docstring" for name in ("train", "forward")}
    assert not faults, "\n".join(sorted(faults))


def test_the_laws_are_the_rewrites_own():
    rows = [line.split(" | ") for line in tables.laws().splitlines() if re.match(r"\| \d+ \| ", line)]
    assert [row[1] for row in rows] == [law.name for law in LAWS]
    assert [row[4].rstrip(" |") for row in rows] == ["always" if law.lossless else "the plan" for law in LAWS]
    assert all(len(row) == 5 for row in rows)


def test_the_commands_are_the_programs_own(capsys):
    page = tables.commands()
    assert re.findall(r"^## (\w+)$", page, re.M) == list(COMMANDS)
    assert page.count("usage: deconvjax") == 1 + len(COMMANDS)
    assert capsys.readouterr() == ("", "")


def test_every_framework_has_a_row_in_every_table():
    page = tables.frameworks()
    for source in ("torch", "keras", "caffe", "onnx", "flax", "theano", "deconvjax"):
        assert page.count(f"\n| {source} | ") == len(tables.CALLS)


def test_figures_belong_to_public_names_and_are_drawn_in_both_palettes():
    assert set(gallery.FIGURES) <= NAMED
    light, dark = (gallery.svg(gallery.FIGURES["deconvjax.upsample"], theme) for theme in gallery.THEMES)
    assert light != dark
    assert light == gallery.svg(gallery.FIGURES["deconvjax.upsample"], "light")
    assert all(f"figures/{name}_transposed-dark.gif" in gallery.page() for name in ARITHMETIC)


def test_pages_of_the_repository_are_found_by_glob():
    found = repository.sources()
    assert {path.relative_to(ROOT).as_posix() for path in ROOT.glob("notebooks/*.ipynb")} <= set(found)
    assert len({repository.page_of(source) for source in found}) == len(found)
    home = repository.page("README.md")
    assert "](notebooks/3-laws-and-plans.md)" in home
    assert "](figures/operator-dark.svg#only-dark)" in home
    assert "<picture>" not in home


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "pages").glob("*.md")), ids=lambda path: path.name)
def test_examples_of_written_pages_run(path, x32):
    blocks = re.findall(r"^```pycon\n(.*?)^```$", path.read_text("utf-8"), re.M | re.S)
    assert len(blocks) == path.read_text("utf-8").count("```pycon")
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(doctest.DocTestParser().get_doctest("\n".join(blocks), {}, path.name, str(path), 0))
    assert runner.summarize(verbose=False).failed == 0 < runner.tries


@pytest.mark.parametrize("module", [api, docstrings, gallery, links, markup, repository, tables],
                         ids=lambda module: module.__name__)
def test_examples_of_the_generators_run(module):
    failed, tried = doctest.testmod(module)
    assert failed == 0
    assert tried or module is gallery or module is tables


def test_docstrings_become_markdown():
    text = docstrings.markdown("y = a*b: of `k*x`, c*d\n\nArgs:\n    a, b: of [x].\n        More*.\n\n"
                               "Raises:\n    TypeError: no. ValueError, ShapeError: none.\n\nSo:\n\n    a*b\n\n"
                               ">>> 1\n1")
    assert '<p class="equation">y = a&#42;b</p>' in text
    assert "Of <code>k&#42;x</code>, c&#42;d." in text
    assert "    a: of &#91;x&#93;.\n        More&#42;.\n    b: of &#91;x&#93;.\n" in text
    assert "    TypeError: no\n    ValueError, ShapeError: none." in text
    assert "```text\na*b\n```" in text
    assert "```pycon\n>>> 1\n1\n```" in text


GOOD = {"index.html": '<a href="a/b.html#here">b</a><a href="#top"></a><p id="top"></p><img src="a/c.png">',
        "a/b.html": '<p id="here"></p><a href="../index.html#top"></a><a href="/a/b.html"></a><a href="https://x.org">'
                    '</a><link rel="stylesheet" href="s.css"><img src="data:image/png;base64,AA">',
        "a/s.css": "p { background: url('c.png') }", "a/c.png": ""}
BAD = (
    ({"index.html": '<a href="a/b.html#gone">'}, "index.html: a/b.html#gone: no such anchor"),
    ({"index.html": '<a href="a/d.html">'}, "index.html: a/d.html: no such page"),
    ({"index.html": '<img src="gone.png">'}, "index.html: gone.png: no such file"),
    ({"index.html": '<script src="https://x.org/a.js">'}, "index.html: fetches https://x.org/a.js"),
    ({"index.html": '<link rel="stylesheet" href="//x.org/a.css">'}, "index.html: fetches //x.org/a.css"),
    ({"index.html": '<img srcset="a/c.png 1x, http://x.org/c.png 2x">'}, "index.html: fetches http://x.org/c.png"),
    ({"index.html": "<style>@import 'https://x.org/f.css';</style>"}, "index.html: fetches https://x.org/f.css"),
    ({"index.html": '<p style="background: url(https://x.org/c.png)">'}, "index.html: fetches https://x.org/c.png"),
    ({"index.html": '<pre class="mermaid">'}, "index.html: fetches //a diagram for which the theme loads mermaid"),
    ({"a/s.css": "@font-face { src: url(https://x.org/f.woff) }"}, "a/s.css: fetches https://x.org/f.woff"),
)


def test_a_sound_site_passes():
    assert list(links.faults(GOOD)) == []
    assert links.external(GOOD) == ["https://x.org"]


@pytest.mark.parametrize(("change", "complaint"), BAD)
def test_a_broken_site_is_refused(change, complaint):
    assert list(links.faults(GOOD | change))[0] == complaint


def test_the_check_fails_on_a_broken_folder_and_on_an_empty_one(tmp_path, capsys):
    assert links.main(str(tmp_path)) == 1
    (tmp_path / "index.html").write_text('<a href="gone.html">')
    assert links.main(str(tmp_path)) == 1
    (tmp_path / "index.html").write_text('<a href="index.html">')
    assert links.main(str(tmp_path)) == 0
    assert "1 pages, 0 faults" in capsys.readouterr().out
