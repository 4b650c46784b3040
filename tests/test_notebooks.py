"""The committed notebooks: numbered, listed, run to the end without a warning, their printed checks true."""

import json
import re

import pytest

from tests.house import ROOT

FOLDER = ROOT / "notebooks"
BOOKS = sorted(FOLDER.glob("*.ipynb"), key=lambda path: int(path.name.split("-")[0]))


def cells(book, kind="code"):
    return [cell for cell in json.loads(book.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def test_numbered_and_listed_in_order():
    names = [book.name for book in BOOKS]
    assert [int(name.split("-")[0]) for name in names] == list(range(1, 8))
    assert re.findall(r"\]\(([\w-]+\.ipynb)\)", (FOLDER / "README.md").read_text("utf-8")) == names
    for number, book in enumerate(BOOKS, 1):
        title = "".join(cells(book, "markdown")[0]["source"]).splitlines()[0]
        said = re.sub(r"[^a-z ]", "", title.split("·")[1].lower()).split()
        assert title.startswith(f"# {number} · ") and said == book.stem.split("-")[1:]


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_ran_to_the_end(book):
    code = cells(book)
    assert len(code) > 5
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    pictures = 0
    for cell in code:
        for output in cell["outputs"]:
            assert output["output_type"] != "error" and output.get("name") != "stderr"
            data = output.get("data", {})
            pictures += "image/png" in data
            assert not any("widget" in kind for kind in data), "a saved notebook shows pictures, not dead sliders"
    assert pictures > 0 or "frameworks" in book.stem


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_every_printed_check_is_true(book):
    printed = [line for cell in cells(book) for output in cell["outputs"]
               for line in "".join(output.get("text", "")).splitlines()]
    assert not [line for line in printed if re.search(r"(^|[ :])False$", line)]


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_links_lead_somewhere(book):
    text = "\n".join("".join(cell["source"]) for cell in cells(book, "markdown"))
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", text):
        assert (FOLDER / target).exists(), target


def test_the_verbs_run_them_all():
    """By glob, with no name left out."""
    runner, makefile = (FOLDER / "run.py").read_text("utf-8"), (ROOT / "Makefile").read_text("utf-8")
    assert 'HERE.glob("*.ipynb")' in runner and not re.search(r"\d-[a-z]+-[a-z]", runner)
    assert "notebooks/run.py --write" in makefile and "notebooks/run.py --short" in makefile
