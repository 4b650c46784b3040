"""|<A x, y> - <x, A.H y>| <= c eps ||A x|| ||y||: checks of maps, and what their evidence is worth.

`check.adjoint(A)`, `check.linear(f, domain)`, `check.compare(A, reference)`, `check.all(A)` return frozen reports that
are true where all is well; `check.close(got, want)` is the tolerance behind them; `check.MapTests` brings all of it to
another project's pytest; `check.oracle` has every operator once more as NumPy loops.
"""

from deconvjax.check import oracle
from deconvjax.check.adjointness import adjoint
from deconvjax.check.checkerboard import Checkerboard, checkerboard
from deconvjax.check.comparison import close, compare
from deconvjax.check.everything import check_all as all
from deconvjax.check.linearity import linear
from deconvjax.check.reference import reference
from deconvjax.check.reports import AdjointReport, AllReport, CompareReport, LinearReport, Probe, Report
from deconvjax.check.testing import MapTests

__all__ = [
    "AdjointReport",
    "AllReport",
    "Checkerboard",
    "CompareReport",
    "LinearReport",
    "MapTests",
    "Probe",
    "Report",
    "adjoint",
    "all",
    "checkerboard",
    "close",
    "compare",
    "linear",
    "oracle",
    "reference",
]
