"""The tree obeys the rules of tests/house.py, and every rule refuses a bad sample."""

import importlib
import inspect
import pkgutil
import subprocess
import types
from pathlib import Path

import pytest

import deconvjax
from tests import house
from tests.house import ROOT

SUBMODULES = ("filters", "check", "solve", "draw", "shard", "interop", "compat", "nn", "segmentation")
TEXT = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".ipynb", ".cfg", ".json", ".jsonl", ".html", ".css", ".js", ""}


def read(paths):
    return [(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in sorted(paths)]


def ours(*folders):
    return read(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tracked():
    """The repository's own text files; without git (a source archive), everything that is not hidden."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        paths = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [p for p in ROOT.rglob("*") if not any(s.startswith(".") for s in p.relative_to(ROOT).parts)]
    return read(p for p in paths if p.is_file() and p.suffix in TEXT and p.name != "LICENSE")


def none_of(faults):
    """Fail with every fault on a line of its own."""
    listed = list(faults)
    assert not listed, "\n" + "\n".join(listed)


PACKAGE_RULES = [
    house.floors,
    house.deferred_imports,
    house.strangers,
    house.private_jax,
    house.long_files,
    house.backends,
]


@pytest.mark.parametrize("rule", PACKAGE_RULES, ids=lambda rule: rule.__name__)
def test_the_package(rule):
    sources = ours("deconvjax")
    assert len(sources) > 10, "the package was not found"
    none_of(rule(sources))


@pytest.mark.parametrize("rule", [house.private_jax, house.long_files], ids=lambda rule: rule.__name__)
def test_tests_and_benchmarks(rule):
    none_of(rule(ours("tests", "benchmarks", "docs")))


def test_nothing_names_a_machine():
    files = tracked()
    assert {"pyproject.toml", "README.md", "Makefile"} <= {path for path, _ in files}
    none_of(house.machine_paths(files))


def public_names():
    """What users see: the vocabulary, and what the public submodules (and theirs) define or export."""
    yield from ((f"dj.{name}", getattr(deconvjax, name)) for name in deconvjax.__all__)
    for part in SUBMODULES:
        if not any((ROOT / "deconvjax" / form).exists() for form in (f"{part}.py", f"{part}/__init__.py")):
            continue
        module = importlib.import_module(f"deconvjax.{part}")
        inside = pkgutil.iter_modules(module.__path__) if part == "compat" else ()  # users call compat.torch.conv2d
        open_doors = [f"deconvjax.compat.{found.name}" for found in inside if found.name[0] != "_"]
        for home in [module, *map(importlib.import_module, open_doors)]:
            defined = [name for name, value in vars(home).items() if getattr(value, "__module__", "") == home.__name__]
            for name in getattr(home, "__all__", [name for name in defined if name[0] != "_"]):
                yield f"{home.__name__}.{name}", getattr(home, name)


def test_public_names_have_an_equation_and_an_example():
    names = {f"{name}": value for name, value in public_names() if not isinstance(value, types.ModuleType)}
    callables = {name: value for name, value in names.items() if inspect.isroutine(value) or isinstance(value, type)}
    assert callables
    none_of(fault for name, value in callables.items() for fault in house.docstring_faults(name, value))


# Each rule with sources it must refuse and the complaint, then sources it must accept.
BAD = [
    (house.floors, [("deconvjax/axis.py", "import deconvjax.algebra")], "axis imports algebra, a floor above"),
    (house.floors, [("deconvjax/ops/a.py", "from deconvjax import check")], "ops imports check, a floor above"),
    (house.floors, [("deconvjax/ops/a.py", "if X:\n from deconvjax.nn.b import c")], "ops imports nn"),
    (house.floors, [("deconvjax/ops/a.py", "import deconvjax as dj")], "imports the whole package"),
    (house.floors, [("deconvjax/ops/a.py", "from .rate import b")], "relative import"),
    (house.floors, [("deconvjax/newcomer.py", "")], "newcomer has no floor"),
    (
        house.floors,
        [("deconvjax/ops/a.py", "import deconvjax.read.b"), ("deconvjax/read/b.py", "from deconvjax.ops import a")],
        "in a circle",
    ),
    (house.deferred_imports, [("deconvjax/a.py", "def f():\n    from deconvjax.axis import Axis")], "deferred"),
    (house.deferred_imports, [("deconvjax/a.py", "try:\n    import deconvjax.axis\nfinally: pass")], "deferred"),
    (house.deferred_imports, [("deconvjax/a.py", "class A:\n    from . import b")], "deferred"),
    (house.deferred_imports, [("deconvjax/ops/a.py", "m.import_module('deconvjax.nn')")], "dynamic import"),
    (house.strangers, [("deconvjax/compat/torch.py", "def f():\n    import torch")], "compat may not import torch"),
    (house.strangers, [("deconvjax/compat/flax.py", "from flax import nnx")], "compat may not import flax"),
    (house.strangers, [("deconvjax/read/a.py", "import matplotlib.pyplot")], "read may not import matplotlib"),
    (house.strangers, [("deconvjax/solve/a.py", "__import__('scipy')")], "solve may not import scipy"),
    (house.strangers, [("deconvjax/axis.py", "import jax.numpy as jnp")], "axis may not import jax"),
    (house.strangers, [("deconvjax/__init__.py", "import flax")], "deconvjax may not import flax"),
    (house.private_jax, [("deconvjax/a.py", f"from {house.PRIVATE_JAX} import core")], "private JAX"),
    (house.private_jax, [("deconvjax/a.py", "x = 1\nimport jax._other")], "a.py:2: private JAX"),
    (house.long_files, [("deconvjax/a.py", "x = 1\n" * 301)], "301 lines, at most 300"),
    (house.backends, [("deconvjax/leaves/a.py", "jit(f, backend='GPU')")], "names a backend"),
    (house.backends, [("deconvjax/leaves/a.py", "jax.default_backend()")], "names a backend"),
    (house.backends, [("deconvjax/read/a.py", "platform_dependent(x, cpu=f)")], "names a backend"),
    (house.machine_paths, [("README.md", "see /ro" + "ot/notes")], "belongs to one machine"),
    (house.machine_paths, [("pyproject.toml", 'x = "file:/' + '/x"')], "belongs to one machine"),
    (house.machine_paths, [("Makefile", "pip install --index-" + "url x")], "belongs to one machine"),
    (house.machine_paths, [("a.md", "curl 127.0" + ".0.1")], "belongs to one machine"),
]
GOOD = [
    (house.floors, [("deconvjax/nn/a.py", "from deconvjax.axis import Axis")]),
    (house.floors, [("deconvjax/cli.py", "import deconvjax")]),
    (house.floors, [("deconvjax/ops/a.py", "import deconvjax.read.b"), ("deconvjax/read/b.py", "import numpy")]),
    (house.deferred_imports, [("deconvjax/a.py", "from deconvjax.axis import Axis\ndef f():\n    import json")]),
    (house.deferred_imports, [("deconvjax/a.py", "if TYPE_CHECKING:\n    from deconvjax.axis import Axis")]),
    (house.strangers, [("deconvjax/nn/a.py", "from flax import nnx\nimport jax, functools")]),
    (house.strangers, [("deconvjax/draw/a.py", "import matplotlib")]),
    (house.private_jax, [("deconvjax/a.py", "from jax.extend import core")]),
    (house.long_files, [("deconvjax/a.py", "x = 1\n" * 300)]),
    (house.backends, [("deconvjax/engine/a.py", "jax.default_backend() == 'cpu'")]),
    (house.backends, [("deconvjax/leaves/a.py", "x = 'cpus'")]),
    (house.machine_paths, [("a.md", "https://example.org/work/root/ ./work/x v1.10.2.3 pip install -c x.txt")]),
]


@pytest.mark.parametrize(("rule", "sources", "complaint"), BAD)
def test_a_rule_refuses(rule, sources, complaint):
    faults = list(rule(sources))
    assert faults and complaint in faults[0]


@pytest.mark.parametrize(("rule", "sources"), GOOD)
def test_a_rule_accepts(rule, sources):
    assert not list(rule(sources))


def test_the_docstring_rule():
    def good():
        """y = x.

        >>> good()
        """

    def wordy():
        """Do something.

        y = x

        >>> wordy()
        """

    def silent():
        """y = x, and no example."""

    assert not list(house.docstring_faults("good", good))
    assert "does not open with an equation" in next(house.docstring_faults("wordy", wordy))
    assert "no example" in next(house.docstring_faults("silent", silent))
    assert "no docstring" in next(house.docstring_faults("bare", lambda: 0))


def test_every_rule_is_tested_both_ways():
    rules = {*PACKAGE_RULES, house.machine_paths}
    assert {rule for rule, *_ in BAD} == rules == {rule for rule, *_ in GOOD}


def test_the_readme_and_the_makefile_agree():
    makefile, readme = ((ROOT / Path(name)).read_text() for name in ("Makefile", "README.md"))
    assert "make demo" in readme and "make test" in readme
    assert all(f"\n{verb}:" in makefile for verb in ("demo", "test", "check"))
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 40
