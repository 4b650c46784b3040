"""What a check found: frozen, true where all is well, readable when printed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Probe:
    """left = <A x, y>, right = <x, A.H y>, error = |left - right| / (eps scale): one pair of test vectors.

    >>> print(Probe("x anywhere, y border", 1.0, 1.0, 0.25))
    x anywhere, y border        0.25 eps
    """

    kind: str
    left: complex
    right: complex
    error: float

    def __str__(self) -> str:
        return f"{self.kind:24} {self.error:8.3g} eps"


@dataclass(frozen=True)
class Report:
    """ok <=> worst <= limit: what every report has. `worst` and `limit` count in eps of `dtype` (integers: eps = 1).

    >>> bool(Report("A", ok=True, worst=0.5, limit=8.0, dtype="float32"))
    True
    """

    name: str
    ok: bool
    worst: float
    limit: float
    dtype: str
    evidence: str = ""
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.ok

    @property
    def verdict(self) -> str:
        """One line: passed or failed, and by how much."""
        word = "ok" if self.ok else "FAILED"
        return f"{word}: worst {self.worst:.3g} eps, limit {self.limit:.3g} ({self.dtype})"

    def __str__(self) -> str:
        return "\n".join([f"{self.title} of {self.name}: {self.verdict}", *(f"  {line}" for line in self.lines())])

    @property
    def title(self) -> str:
        """The word before the name."""
        return "check"

    def lines(self) -> list[str]:
        """What stands below the verdict."""
        return [*([f"evidence: {self.evidence}"] if self.evidence else []), *(f"note: {note}" for note in self.notes)]


@dataclass(frozen=True)
class AdjointReport(Report):
    """|<A x, y> - <x, A.H y>| <= limit * eps * scale for every probe, and on small maps A = (A.H).H entry by entry.

    `scale` is the least-squares s in <A x, y> = s <x, A.H y>: 1 for an adjoint; where `scales` is True, s explains the
    whole difference (A.H is off by that factor). `first_wrong_row` names the first row in which the dense matrices of A
    and A.H, probed apart, differ (empty where they agree or the map is large).

    >>> AdjointReport("A", ok=True, worst=0.2, limit=8.0, dtype="float32").scale
    1.0
    """

    probes: tuple[Probe, ...] = ()
    scale: complex = 1.0
    scales: bool = False
    first_wrong_row: str = ""

    @property
    def title(self) -> str:
        """The word before the name."""
        return "adjoint"

    def lines(self) -> list[str]:
        """The probes, what they tell of a wrong adjoint, the evidence."""
        out = [str(probe) for probe in self.probes]
        if not self.ok and self.scales:
            out.append(f"<Ax, y> = {self.scale:.6g} <x, A.H y> in every probe: the adjoint is off by that factor")
        elif not self.ok and self.probes:
            out.append(f"<Ax, y> = {self.scale:.6g} <x, A.H y> at best: no factor explains the difference")
        if self.first_wrong_row:
            out.append(f"first wrong row: {self.first_wrong_row}")
        return out + super().lines()


@dataclass(frozen=True)
class LinearReport(Report):
    """f(0) = 0, f(c x) = c f(x), f(x + y) = f(x) + f(y): the laws tried, each with its error in eps.

    `complex_linear` is False where f(i x) = i f(x) fails: f is linear over the reals only (None for real domains).

    >>> print(LinearReport("f", ok=False, worst=9.0, limit=8.0, dtype="float32", laws=(("f(0) = 0", 9.0),)))
    linearity of f: FAILED: worst 9 eps, limit 8 (float32)
      f(0) = 0                        9 eps
    """

    laws: tuple[tuple[str, float], ...] = ()
    complex_linear: bool | None = None

    @property
    def title(self) -> str:
        """The word before the name."""
        return "linearity"

    def lines(self) -> list[str]:
        """One line for each law."""
        out = [f"{law:24} {error:8.3g} eps" for law, error in self.laws]
        if self.complex_linear is False:
            out.append("linear over the reals only: f(i x) is not i f(x)")
        return out + super().lines()


@dataclass(frozen=True)
class CompareReport(Report):
    """max |A x - R x| <= limit * eps * max |R x|: two maps on the same inputs; on small ones two matrices.

    `first_wrong_row` names the first entry (or matrix row) that differs, with both values.

    >>> CompareReport("A", ok=True, worst=0.0, limit=8.0, dtype="int32").first_wrong_row
    ''
    """

    first_wrong_row: str = ""
    scale: complex = 1.0

    @property
    def title(self) -> str:
        """The word before the name."""
        return "comparison"

    def lines(self) -> list[str]:
        """Where they differ, and the factor between them."""
        out = [f"first wrong row: {self.first_wrong_row}"] if self.first_wrong_row else []
        if not self.ok:
            out.append(f"A = {self.scale:.6g} R in the least-squares sense")
        return out + super().lines()


@dataclass(frozen=True)
class AllReport(Report):
    """ok = every law of a linear map holds: one report for each.

    >>> part = Report("A", ok=False, worst=99.0, limit=8.0, dtype="float32")
    >>> print(AllReport("A", ok=False, worst=99.0, limit=8.0, dtype="float32", parts=(("adjoint", part),)))
    all checks of A: FAILED: worst 99 eps, limit 8 (float32)
      adjoint             FAILED: worst 99 eps, limit 8 (float32)
    """

    parts: tuple[tuple[str, Report], ...] = field(default=())

    @property
    def title(self) -> str:
        """The word before the name."""
        return "all checks"

    def __getitem__(self, name: str) -> Report:
        return dict(self.parts)[name]

    def lines(self) -> list[str]:
        """One line for each law, and the whole of what failed."""
        out = []
        for name, part in self.parts:
            out.append(f"{name:19} {part.verdict}")
            out += [] if part.ok else [f"    {line}" for line in part.lines()]
        return out + super().lines()
