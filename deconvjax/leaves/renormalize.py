"""A filter whose rows are made to sum to 1: what a border takes away is given back to the samples that are left."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves.diagonal import Diagonal
from deconvjax.leaves.stage import Stage
from deconvjax.space import Space


@final_map
class Renormalize(LinearMap):
    """y = A(x) / A(1): the average with the weights of A over the samples that exist.

    It has no sizes and no transpose of its own: bound, it is `diagonal(1 / A(1)) @ A`, or A where every row sums to 1
    already. `stage` has scalar taps.
    """

    stage: Stage
    space: Space | None = static(default=None)

    @property
    def parts(self) -> tuple[LinearMap, ...]:
        """The stage."""
        return (self.stage,)

    def _bind(self, space: Space) -> LinearMap:
        bound = self.stage.on(space.tree)
        assert isinstance(bound, Stage)
        sums = row_sums(bound)
        constant = isinstance(sums, np.ndarray)
        if constant:
            if (np.abs(sums) < _NOISE).any():
                raise ShapeError(complaint(self._label(), "a window holds only padding, so there is nothing to average",
                                           got=f"pads {[(r.lo, r.hi) for r in bound.rates]} on {space}",
                                           expected="at least one sample in each window",
                                           fix="pad by less than the window"))
            sums = np.where(np.abs(sums - 1) < _NOISE, 1.0, sums)
            if (sums == 1).all():
                return bound
        return (Diagonal(1 / sums, weak=bound.weak) @ bound).on(space.tree)

    def _conj(self) -> LinearMap:
        return self

    def _along(self, axes: tuple[int, ...]) -> LinearMap:
        stage = self.stage.along(axes)
        assert isinstance(stage, Stage)
        return Renormalize(stage)

    def _label(self) -> str:
        return f"renormalize({self.stage._label()})"

    def _latex(self) -> str:
        return rf"\mathrm{{diag}}(A1)^{{-1}} A,\ A = {self.stage._latex()}"


_NOISE = 64 * np.finfo(np.float64).eps  # the sum of some hundred taps that were divided by their sum


def row_sums(stage: Stage) -> Any:
    """A(1) of a bound stage of scalar taps, the sum of the taps that meet a sample; it lies over the trailing axes."""
    taps = stage.correlation_taps
    xp = np if isinstance(taps, np.ndarray) else jnp
    sums = taps.astype(np.float64) if xp is np else taps
    for g in stage.geometry:
        read = np.arange(g.out)[:, None] * g.down + np.arange(g.window) * g.dilation - g.lo
        meets = (read >= 0) & (read < g.dense) & (read % g.up == 0)
        sums = xp.tensordot(sums, meets.astype(sums.dtype), ((0,), (1,)))  # the axis just summed comes back last
    shape = [1] * -min(stage.axes)
    for axis, g in zip(stage.axes, stage.geometry, strict=True):
        shape[axis] = g.out
    return sums.reshape(shape)
