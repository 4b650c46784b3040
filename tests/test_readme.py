"""What the README says is so: its example runs, its verbs, commands and names exist, its links lead somewhere."""

import doctest
import re

import jax
import pytest

import deconvjax as dj
from deconvjax.cli import COMMANDS
from tests.house import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_the_examples_print_what_they_show(x32):
    flags = doctest.NORMALIZE_WHITESPACE
    blocks = re.findall(r"^```python\n(>>> .*?)^```$", README, re.M | re.S)
    assert blocks
    runner = doctest.DocTestRunner(optionflags=flags)
    for block in blocks:
        runner.run(doctest.DocTestParser().get_doctest(block, {}, "README.md", "README.md", 0))
    assert runner.summarize(verbose=False).failed == 0 < runner.tries


def test_make_verbs_and_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    code = " ".join(re.findall(r"`[^`]+`|^ {4}.*$", README, re.M))
    verbs = set(re.findall(r"\bmake ([a-z-]+)\b", code))
    assert {"demo", "test"} <= verbs
    assert not [verb for verb in verbs if f"\n{verb}:" not in makefile]
    commands = set(re.findall(r"(?:python -m )deconvjax ([a-z]+)", README))
    assert commands <= set(COMMANDS)


def test_names_exist():
    """Every lower-case word in code in the list of maps is in the vocabulary."""
    maps = re.search(r"- \*\*Maps\.\*\*(.*?);", README, re.S)
    names = re.findall(r"`([a-z_]+)`", maps.group(1)) if maps else []
    assert len(names) > 15
    assert not [name for name in names if not hasattr(dj, name)]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:|#)([^)#]+)", README))) or ["README.md"])
def test_links_lead_to_files(target):
    assert (ROOT / target).exists()


def test_the_figures_name_the_version_they_were_measured_with():
    pinned = re.search(r"^jax==(.*)$", (ROOT / "constraints.txt").read_text(), re.M).group(1)
    assert f"jax {pinned}" in README
    assert jax.__version__.startswith("0.1")
