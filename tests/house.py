"""The rules of the house, as functions from sources to complaints. `test_house.py` applies them, and tests them.

A source is a pair (path, text); a path is relative to the repository, like "deconvjax/ops/rate.py".
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "deconvjax"
Source = tuple[str, str]

# Imports go down this list, never up. A new module of the package gets its place here first.
FLOORS = (
    ("axis", "filters", "errors"),
    ("engine",),
    ("space", "algebra"),
    ("leaves",),
    ("ops", "read", "rewrite"),
    ("check", "solve", "draw", "shard", "interop"),
    ("compat", "nn"),
    ("segmentation",),
    ("demo", "cli", "__main__"),
)
FLOOR = {name: height for height, names in enumerate(FLOORS) for name in names}

# Who may import what, beside the standard library. No one else may, so compat cannot import a foreign framework.
EVERYONE = {"jax", "numpy", "ml_dtypes", PACKAGE}
MAY_IMPORT = {
    "axis": {"numpy"},
    "filters": {"numpy"},
    "errors": set(),
    "draw": EVERYONE | {"matplotlib", "PIL", "ipywidgets"},  # PIL comes with matplotlib
    "nn": EVERYONE | {"flax", "optax"},
    "segmentation": EVERYONE | {"flax", "optax", "orbax", "grain", "skimage", "sklearn", "PIL", "tqdm",
                                "tensorboardX", "scipy"},
    "demo": EVERYONE | {"flax", "optax", "skimage", "tqdm"},  # draws through draw
}
BACKENDS = {"cpu", "gpu", "cuda", "rocm", "tpu"}
BACKEND_QUESTIONS = {"default_backend", "platform_dependent"}
PRIVATE_JAX = "jax._" + "src"
MAX_LINES = 300

# Written so that this file does not itself contain what it looks for.
MACHINE = re.compile(
    r"(?<![\w.])/(?:work|root|home|Users|opt|tmp|mnt|var/tmp)/"
    r"|index-" + "url|find-" + "links|file:/" + "/|local" + "host"
    r"|(?<![\w.])(?:10|127|192\.168)(?:\.\d{1,3}){2,3}\b(?!\.)"
)


def part_of(path: str) -> str:
    """The part of the package a file belongs to: "deconvjax/ops/rate.py" -> "ops", the package's own file -> ""."""
    pieces = Path(path).with_suffix("").parts[1:]
    return "" if pieces == ("__init__",) else pieces[0]


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of every import; a relative one starts with a dot.

    Names of dynamic imports given as literals (`import_module("x")`, `__import__("x")`) count as well.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            dots, module = "." * node.level, node.module or ""
            yield from ((node.lineno, f"{dots}{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def own_part(name: str) -> str | None:
    """The part an imported name points at, "" for the package itself, None for a stranger."""
    pieces = name.split(".")
    if pieces[0] != PACKAGE:
        return None
    return pieces[1] if len(pieces) > 1 and pieces[1] in FLOOR else ""


def floors(sources: Iterable[Source]) -> Iterator[str]:
    """Imports go down, by absolute name, and the parts of one floor do not import each other in a circle."""
    beside: dict[str, set[str]] = {}
    for path, text in sources:
        part = part_of(path)
        if part and part not in FLOOR:
            yield f"{path}: {part} has no floor; give it one in tests/house.py"
            continue
        for line, name in imports(ast.parse(text)):
            target = own_part(name)
            if name.startswith("."):
                yield f"{path}:{line}: relative import {name}"
            elif target is None or not part:
                continue
            elif target == "" and FLOOR[part] < FLOOR["cli"]:
                yield f"{path}:{line}: imports the whole package ({name}), which stands above it"
            elif target and FLOOR[target] > FLOOR[part]:
                yield f"{path}:{line}: {part} imports {target}, a floor above it"
            elif target and target != part and FLOOR[target] == FLOOR[part]:
                beside.setdefault(part, set()).add(target)
    for part in sorted(beside):
        seen, todo = set(), set(beside[part])
        while todo:
            seen.add(step := todo.pop())
            todo |= beside.get(step, set()) - seen
        if part in seen:
            yield f"{part} imports itself in a circle through {', '.join(sorted(seen - {part}))}"


def deferred_imports(sources: Iterable[Source]) -> Iterator[str]:
    """Imports of the package stand at the top of a file: neither in a function or class, nor under an `if` or `try`.

    `if TYPE_CHECKING:` at the top is for annotations and never runs; the floors hold for it all the same.
    """
    for path, text in sources:
        tree = ast.parse(text)
        for_types = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test).endswith("TYPE_CHECKING")]
        top = {id(node) for node in [*tree.body, *(inner for block in for_types for inner in block.body)]}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in top:
                for line, name in imports(node):
                    if own_part(name) is not None or name.startswith("."):
                        yield f"{path}:{line}: deferred import of {name}"
        if part_of(path):  # the package's own __init__ may open optional submodules on demand
            calls = ast.walk(tree)
            for line, name in (i for n in calls if isinstance(n, ast.Call) for i in imports(ast.Expression(n))):
                if own_part(name) is not None:
                    yield f"{path}:{line}: dynamic import of {name}"


def strangers(sources: Iterable[Source]) -> Iterator[str]:
    """Only nn, segmentation and demo know Flax, only draw matplotlib; no part imports what the table does not grant."""
    for path, text in sources:
        part = part_of(path)
        granted = MAY_IMPORT.get(part, EVERYONE)
        for line, name in imports(ast.parse(text)):
            root = name.split(".")[0]
            if root and root not in granted and root != PACKAGE and root not in sys.stdlib_module_names:
                yield f"{path}:{line}: {part or PACKAGE} may not import {root}"


def private_jax(sources: Iterable[Source]) -> Iterator[str]:
    """Nothing private of JAX, in code or in text."""
    for path, text in sources:
        for line, content in enumerate(text.splitlines(), 1):
            if PRIVATE_JAX in content:
                yield f"{path}:{line}: private JAX"
        for line, name in imports(ast.parse(text)):
            if re.match(r"jax(lib)?(\.\w+)*\._[a-z]", name):
                yield f"{path}:{line}: private JAX"


def long_files(sources: Iterable[Source], limit: int = MAX_LINES) -> Iterator[str]:
    """No file over 300 lines."""
    for path, text in sources:
        if (lines := len(text.splitlines())) > limit:
            yield f"{path}: {lines} lines, at most {limit}"


def backends(sources: Iterable[Source]) -> Iterator[str]:
    """Only engine names a backend or asks which one runs."""
    for path, text in sources:
        if part_of(path) == "engine":
            continue
        for node in ast.walk(ast.parse(text)):
            named = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower() in BACKENDS
            asked = (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")) in BACKEND_QUESTIONS
            if named or asked:
                yield f"{path}:{getattr(node, 'lineno', 0)}: names a backend outside engine"


def machine_paths(files: Iterable[Source]) -> Iterator[str]:
    """Nothing names a machine's folders, a host of its network or a package index."""
    for path, text in files:
        for line, content in enumerate(text.splitlines(), 1):
            if found := MACHINE.search(content):
                yield f"{path}:{line}: {found.group()!r} belongs to one machine"


def docstring_faults(name: str, value: object) -> Iterator[str]:
    """A public name opens with an equation (a kind of exception with a sentence) and has an example that runs."""
    text = (getattr(value, "__doc__", None) or "").strip()
    if not text:
        yield f"{name}: no docstring"
        return
    opening = text.split("\n\n")[0]
    is_error = isinstance(value, type) and issubclass(value, BaseException)
    if not is_error and not re.search(r"=|<-|->|↦|≡|:=", opening):
        yield f"{name}: the docstring does not open with an equation: {opening.splitlines()[0]!r}"
    if not is_error and ">>> " not in text:
        yield f"{name}: no example in the docstring"
