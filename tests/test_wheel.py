"""The wheel works in an empty environment: imported from elsewhere, with nothing but its own dependencies."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from deconvjax.cli import COMMANDS
from tests.house import ROOT

pytestmark = pytest.mark.slow

EXAMPLE = """
import doctest, pathlib, sys
import deconvjax
assert "site-packages" in deconvjax.__file__, deconvjax.__file__
blocks = pathlib.Path(sys.argv[1]).read_text("utf-8").split("```python\\n")[1:]
text = "\\n".join(block.split("```")[0] for block in blocks)
runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
runner.run(doctest.DocTestParser().get_doctest(text, {}, "README.md", None, 0))
assert runner.summarize().failed == 0 < runner.tries
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--build-constraint", ROOT / "constraints.txt", "-w", folder, ROOT], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def empty(wheel, tmp_path_factory):
    """The folder of programs of a fresh environment that has the wheel and what the wheel asks for."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                    "-c", ROOT / "constraints.txt", wheel], check=True)
    return programs


def run(words, folder) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run([*map(str, words)], cwd=folder, env=clean, capture_output=True, text=True)


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    files = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    assert {file.parts[0].split("-")[0] for file in files} == {"deconvjax"}
    written = {path.relative_to(ROOT) for path in (ROOT / "deconvjax").rglob("*")
               if path.is_file() and "__pycache__" not in path.parts}
    assert written <= files


def test_the_readme_runs(empty, tmp_path):
    done = run([empty / "python", "-W", "error", "-c", EXAMPLE, ROOT / "README.md"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_lists_every_command(empty, tmp_path):
    done = run([empty / "deconvjax", "--help"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(re.search(rf"^ +{name}\b", done.stdout, re.M) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_runs_or_names_the_extra_it_needs(name, empty, tmp_path):
    done = run([empty / "deconvjax", name, "--help"], tmp_path)
    if not COMMANDS[name].extra:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode in (0, 1)
    if done.returncode == 1:
        assert f"pip install 'deconvjax[{COMMANDS[name].extra}]'" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_pictures_name_their_extra(empty, tmp_path):
    done = run([empty / "deconvjax", "explore", "--out", "page.html"], tmp_path)
    assert (done.returncode, "deconvjax[draw]" in done.stderr) == (1, True), done.stderr
    done = run([empty / "python", "-c", "import deconvjax as dj; dj.draw"], tmp_path)
    assert done.returncode == 1
    assert "matplotlib" in done.stderr
    assert "pip install 'deconvjax[draw]'" in done.stderr
