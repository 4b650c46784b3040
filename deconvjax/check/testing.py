"""Every law as a pytest test, for maps of other projects."""

from __future__ import annotations

from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.check.comparison import compare
from deconvjax.check.everything import (
    Law,
    adjointness,
    attempt,
    batched,
    compiled,
    derivative,
    double_adjoint,
    linearity,
    oracle,
    roundtrip,
    shapes,
)


class MapTests:
    """<A x, y> = <x, A.H y>, A(0) = 0, A.H.H = A, vjp = A.T, jit, vmap, shapes, pytree: subclass it, say which map.

    Write `make`, returning the map and the domain to bind it to, and pytest collects one test for each law. Write
    `reference`, too, wherever an independent account of the map exists (a matrix, a function of NumPy arrays): without
    one, maps that no oracle knows are compared with nothing but themselves.

    >>> import deconvjax as dj
    >>> class TestDecimation(MapTests):
    ...     def make(self):
    ...         return dj.downsample(2), (9,)
    ...
    ...     def reference(self):
    ...         return lambda x: x[::2]
    >>> TestDecimation().test_adjoint()
    """

    def make(self) -> tuple[LinearMap, Any]:
        """The map, and the domain to bind it to: a shape (float32), a ShapeDtypeStruct, or a pytree of these."""
        raise NotImplementedError("MapTests: write make(self), returning (map, domain)")

    def reference(self) -> Any:
        """What the map should be: a matrix, a function of NumPy arrays, or None to read the map's own structure."""
        return None

    def test_shapes(self) -> None:
        """A(x) has the shape and dtype of A.codomain, A.H(y) of A.domain."""
        self._try(shapes)

    def test_linear(self) -> None:
        """A(0) = 0, A(c x) = c A(x), A(x + y) = A(x) + A(y)."""
        self._try(linearity)

    def test_adjoint(self) -> None:
        """<A x, y> = <x, A.H y>."""
        self._try(adjointness)

    def test_adjoint_of_adjoint(self) -> None:
        """A.T.T = A, A.H.H = A, A.T.H = A.conj()."""
        self._try(double_adjoint)

    def test_vjp(self) -> None:
        """vjp(A, x)(y) = A.T y."""
        self._try(derivative)

    def test_jit(self) -> None:
        """jit(A)(x) = A(x)."""
        self._try(compiled)

    def test_vmap(self) -> None:
        """vmap(A)(xs) = (A(x1), A(x2), ...) = A(xs)."""
        self._try(batched)

    def test_pytree(self) -> None:
        """unflatten(flatten(A)) = A."""
        self._try(roundtrip)

    def test_reference(self) -> None:
        """A x = reference(x), or the oracle's."""
        truth = self.reference()
        self._try(oracle if truth is None else lambda a, key: compare(a, truth, key=key))

    def _try(self, law: Law) -> None:
        a, domain = self.make()
        report = attempt(law, a.on(domain))
        assert report.ok, str(report)
