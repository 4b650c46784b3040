"""What one application costs, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from deconvjax.algebra import LinearMap
from deconvjax.rewrite import Work, plan, work


@dataclass(frozen=True, slots=True)
class Cost:
    """(written, planned) = work of A as it stands and of what `A(x)` runs.

    >>> import deconvjax as dj
    >>> c = (dj.downsample(2) @ dj.convolve([1, 2, 1])).on((9,)).cost()
    >>> c.multiply_adds, c.written.multiply_adds
    (13, 25)
    """

    written: Work
    planned: Work

    @property
    def multiply_adds(self) -> int:
        """Products with samples of the signal that `A(x)` makes."""
        return self.planned.multiply_adds

    @property
    def bytes(self) -> int:
        """Bytes that `A(x)` reads and writes."""
        return self.planned.bytes


def cost(a: LinearMap) -> Cost:
    """cost = (work(A), work(plan(A))): multiply-adds and bytes of one signal of the domain, as written and as planned.

    Multiply-adds are exact: products with stuffed or padded zeros are not counted. Bytes are those of the samples read,
    the taps, and everything written; between maps of a chain a pure rate change writes its zeros only.

    >>> import deconvjax as dj
    >>> cost(dj.convolve([1, 2, 1]).on((9,)))
    Cost(written=Work(multiply_adds=25, bytes=84), planned=Work(multiply_adds=25, bytes=84))
    """
    return Cost(work(a), work(plan(a)))
