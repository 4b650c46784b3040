"""|<A x, y> - <x, A.H y>| <= 8 eps max(||A x|| ||y||, ||x|| ||A.H y||): the dot test, calibrated."""

from __future__ import annotations

from typing import Any

import numpy as np

from deconvjax.check.comparison import against_oracle
from deconvjax.check.reports import AdjointReport, Probe
from deconvjax.check.subject import Subject, subject_of
from deconvjax.check.vectors import (
    KINDS,
    draw,
    entry_of_row,
    eps_of,
    generator,
    inner,
    norm,
    place,
    real_matrix,
    require_counts,
    wide,
)

LIMIT = 8.0


def adjoint(a: Any, probes: int = 8, key: Any = None, *, domain: Any = None, dense: int = 48) -> AdjointReport:
    """|<A x, y> - <x, A.H y>| <= 8 eps max(||A x|| ||y||, ||x|| ||A.H y||): is A.H the adjoint of A?

    Inner products are accumulated in float64 on the host; eps is that of the least precise dtype involved, and integers
    must agree exactly. Half of the probes sit on the border, where adjoints go wrong. Where the map is linear over the
    reals only, or goes between real and complex, real parts are compared. bfloat16 and float16 maps are run in float32.
    Maps of at most `dense` entries on both sides are also compared entry by entry, and maps made of this library's
    leaves with the NumPy oracle, because an adjoint that was derived from A proves nothing by agreeing with it.

    Args:
        a: a bound LinearMap, or a pair of functions `(forward, adjoint)` together with `domain`.
        probes: how many pairs (x, y), at least 1. All eight kinds of pairs are tried with 8.
        key: None (always the same probes), an int, or a JAX key.
        domain: binds an unbound map; required for functions.
        dense: largest size that is compared entry by entry; 0 never does.

    Raises:
        UnboundError: no domain is known. TypeError: `a` is neither, or key is none. ValueError: probes below 1.

    Source: Claerbout, Earth Soundings Analysis, 1992 (the dot-product test); the scaling bounds rounding alone.

    >>> import deconvjax as dj
    >>> report = adjoint(dj.downsample(2).on((100,)))
    >>> bool(report), report.worst < 8
    (True, True)
    >>> import numpy as np
    >>> print(adjoint((np.cumsum, np.cumsum), domain=(3,)).first_wrong_row)
    (0,): A has [1. 0. 0.], A.H has [1. 1. 1.]
    """
    require_counts("check.adjoint", probes, dense)
    subject = subject_of(a, domain, "check.adjoint")
    rng = generator(key, "check.adjoint")
    tried = tuple(_probe(subject, rng, KINDS[i % len(KINDS)]) for i in range(probes))
    errors = [probe.error for probe in tried]
    row = _first_wrong_row(subject) if max(subject.domain.size, subject.codomain.size) <= dense else None
    oracle = against_oracle(subject, rng)
    worst = float(np.max(errors))
    ok = bool(np.all(np.array(errors) <= LIMIT)) and not row and (oracle is None or oracle.ok)
    notes = subject.notes
    if oracle is not None and not oracle.ok:
        notes += (f"A itself differs from the NumPy oracle: {oracle.verdict}; {oracle.first_wrong_row}",)
    scale, scales = _scale(tried)
    dtype = "/".join(sorted({leaf.dtype.name for s in (subject.domain, subject.codomain) for leaf in s.leaves}))
    return AdjointReport(subject.name, ok, worst, LIMIT, dtype, _evidence(subject, row, oracle), notes, tried, scale,
                         scales, row or "")  # fmt: skip


def _probe(subject: Subject, rng: np.random.Generator, kinds: tuple[str, str]) -> Probe:
    x, y = draw(rng, subject.domain, kinds[0]), draw(rng, subject.codomain, kinds[1])
    ax, ahy = wide(subject.forward(x)), wide(subject.adjoint(y))
    x, y = wide(x), wide(y)
    name = f"x {kinds[0]}, y {kinds[1]}"
    if ahy.shape != x.shape or ax.shape != y.shape:
        return Probe(f"{name}: A.H y has {ahy.size} entries, not {x.size}", np.nan, np.nan, np.inf)
    left, right = inner(ax, y), inner(x, ahy)
    if subject.over_reals:
        left, right = left.real, right.real
    eps = eps_of(subject.domain, subject.codomain)
    if eps == 0:
        bits = min(leaf.dtype.itemsize * 8 for s in (subject.domain, subject.codomain) for leaf in s.leaves)
        gap = (int(left) - int(right)) % 2**bits  # integer arithmetic wraps, and so may the gap
        return Probe(name, int(left), int(right), 0.0 if gap == 0 else np.inf)
    scale = max(norm(ax) * norm(y), norm(x) * norm(ahy))
    gap = abs(left - right)
    error = gap / (eps * scale) if scale > 0 else (0.0 if gap == 0 else np.inf)
    return Probe(name, left.item(), right.item(), float(error) if np.isfinite(error) else np.inf)


def _scale(tried: tuple[Probe, ...]) -> tuple[complex, bool]:
    """s of least squares in left = s right, and whether it leaves nothing."""
    left, right = (np.array([complex(getattr(p, side)) for p in tried]) for side in ("left", "right"))
    power = (np.abs(right) ** 2).sum()
    if not (np.isfinite(power) and power > 0 and np.isfinite(left).all()):
        return np.nan, False
    s = complex((right.conj() * left).sum() / power)
    s = s.real if s.imag == 0 else s
    explained = bool(np.abs(left - s * right).max() <= 1e-4 * np.abs(left).max())
    return s, explained and abs(s - 1) > 1e-6


def _first_wrong_row(subject: Subject) -> str:
    """Where the dense matrices of A and of A.H, each probed on its own, first differ; empty where they agree."""
    forward = real_matrix(subject.forward, subject.domain, subject.codomain)
    backward = real_matrix(subject.adjoint, subject.codomain, subject.domain).T
    if forward.shape != backward.shape:
        return f"A is {forward.shape[0]}x{forward.shape[1]}, A.H transposed is {backward.shape[0]}x{backward.shape[1]}"
    eps = eps_of(subject.domain, subject.codomain)
    bound = LIMIT * eps * max(np.abs(forward).max(initial=0), np.abs(backward).max(initial=0))
    wrong = np.flatnonzero((~(np.abs(forward - backward) <= bound)).any(axis=1))
    if not wrong.size:
        return ""
    row = int(wrong[0])
    shown = [np.array2string(m[row, :8], precision=4, separator=" ") for m in (forward, backward)]
    more = " (first 8)" if forward.shape[1] > 8 else ""
    return f"{place(subject.codomain, entry_of_row(subject.codomain, row))}: A has {shown[0]}, A.H has {shown[1]}{more}"


def _evidence(subject: Subject, row: str | None, oracle: Any) -> str:
    if subject.map is None:
        said = ["the functions were given apart: agreement shows that they belong together, not that they are right"]
    else:
        said = ["A.H is derived from A, so agreement by itself is not independent evidence"]
    if row == "":
        said.append("the dense matrices of A and A.H, probed apart, agree entry by entry")
    if oracle is not None:
        agrees = "agrees" if oracle.ok else "does not agree"
        said.append(f"A {agrees} with the NumPy oracle, which shares no code with it")
    elif subject.map is not None:
        said.append("no oracle knows this map: use check.compare(A, reference)")
    return "; ".join(said)


