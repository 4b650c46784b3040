"""Pages that are tables of the library: its laws, what a call becomes in other frameworks, its commands."""

from __future__ import annotations

import contextlib
import inspect
import io
import os

from deconvjax.cli import COMMANDS, main
from deconvjax.compat import table as compat_table
from deconvjax.rewrite import LAWS
from docs.docstrings import opening
from docs.markup import code, fence, literal, sentence, table

# One call of each kind that people move: its title, its framework, its arguments.
CALLS = (
    ("Twice the size, 4 taps", "torch", {"kernel_size": 4, "stride": 2, "padding": 1}),
    ("Twice the size, 3 taps", "torch", {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}),
    ("Twice the size, Keras' same", "keras", {"kernel_size": 3, "strides": 2, "padding": "same"}),
    ("Eight times, FCN's last layer", "caffe", {"kernel_size": 16, "stride": 8, "pad": 4}),
    ("Flax's default", "flax", {"kernel_size": 3, "strides": 2}),
    ("Groups", "torch", {"kernel_size": 4, "stride": 2, "padding": 1, "groups": 4}),
    ("Dilated", "torch", {"kernel_size": 3, "dilation": 2, "padding": 2}),
)


def laws() -> str:
    """The ordered tuple of laws as a table: what is equal, when, and who decides."""
    rows = [[str(n), law.name, *_said(law.equation, law.rewrite.__doc__), "always" if law.lossless else "the plan"]
            for n, law in enumerate(LAWS, 1)]
    return "\n\n".join([
        "# Laws", "A map is rewritten by the laws below, in this order, each with its condition at the border; where "
        "the condition fails the law refuses. Those marked *always* never cost more and lead to one result in any "
        "order: `A.simplify()` applies them. The others are equal but not always cheaper, so the plan counts the work "
        "and decides; `A.explain()` says which fired. `o` is composition, the right map first.",
        f"{len(rows)} laws, `deconvjax.rewrite.LAWS`; every one is tested against the definition in NumPy loops.",
        table(["", "law", "equation", "condition and remarks", "applied"], rows)]) + "\n"


def _said(equation: str, docstring: str | None) -> tuple[str, str]:
    """(the equation, its condition and whatever else the law's docstring says)."""
    formula, words = opening(equation)
    formula, _, condition = formula.partition("; ")
    rest = " ".join(inspect.cleandoc(docstring or "").partition("\n")[2].split())
    return code(formula), " ".join(sentence(text) for text in (condition, words, rest) if text)


def frameworks() -> str:
    """What a transposed convolution of one framework is called in all the others, from `compat.table`."""
    parts = ["# Moving between frameworks", _FRAMEWORKS]
    for title, source, arguments in CALLS:
        found = compat_table(source, **arguments)
        options = {name.removesuffix("_size").replace("_", "-"): value for name, value in arguments.items()}
        words = " ".join(f"--{name} {value}" for name, value in options.items())
        geometry = str(found).partition("\n\n")[0].split("\n")[1].strip()
        rows = [[row.framework, code(row.written) if row.possible else f"no: {literal(row.written)}",
                 code(row.weight) if row.possible else ""] for row in found.rows]
        parts += [f"## {title}", fence(f"python -m deconvjax convert --from {source} {words}", "console"),
                  code(geometry), table(["framework", "call", "kernel"], rows)]
    return "\n\n".join(parts) + "\n"


_FRAMEWORKS = """\
Thirteen dialects write the same transposed convolution in as many ways, with kernels stored in different orders, some
of them reversed. Two ways lead here:

- **Keep the call.** [`dj.compat`](api/compat.md) has every framework's own function, with its argument names, array
  layout and kernel layout: `compat.torch.conv_transpose2d(w, stride=2, padding=1)(x)`.
- **Translate it.** The tables below say what a call becomes, or why it cannot be said;
  [`compat.convert`][deconvjax.compat.convert] moves the kernel:
  `compat.convert(w, source="torch", target="deconvjax")`.

Each table is what [`compat.table`][deconvjax.compat.table] returns for the command above it. I and O are channels in
and out, k0 and k1 the window."""


def commands() -> str:
    """What `--help` prints, for the program and for every command."""
    parts = ["# Command line", "`deconvjax COMMAND`, or `python -m deconvjax COMMAND`. A command whose libraries are "
             "missing names the extra that installs them.", fence(printed("--help"))]
    for name, command in COMMANDS.items():
        needs = f"Needs `pip install 'deconvjax[{command.extra}]'`." if command.extra else "Needs no extra."
        parts += [f"## {name}", f"{sentence(command.summary)} {needs}", fence(printed(name, "--help"))]
    return "\n\n".join(parts) + "\n"


def printed(*words: str) -> str:
    """What `deconvjax WORDS` prints, 100 columns wide.

    >>> printed("convert", "--help").split()[:3]
    ['usage:', 'deconvjax', 'convert']
    """
    page, before = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        with contextlib.redirect_stdout(page), contextlib.suppress(SystemExit):
            main(words)
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    return page.getvalue()
