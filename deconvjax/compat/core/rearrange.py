"""What torch and ONNX do to channels-first images without filters: shuffles, patches, overlap-add, unpooling."""

from __future__ import annotations

import math
from functools import reduce
from operator import matmul
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.axis import Rate
from deconvjax.errors import ShapeError, complaint
from deconvjax.leaves import Stage
from deconvjax.leaves.reindex import REST, Reindex
from deconvjax.leaves.select import Select
from deconvjax.ops.arguments import numbers
from deconvjax.space import Space


def depth_to_space(r: int, order: str) -> LinearMap:
    """(C r r, H, W) -> (C, H r, W r); channels read as (c, u, v), "CRD", or (u, v, c), "DCR".

    >>> depth_to_space(2, "CRD").on((8, 3, 5)).codomain.shape
    (2, 6, 10)
    """
    channels = (REST, r, r) if order == "CRD" else (r, r, REST)
    c, u, v = (0, 1, 2) if order == "CRD" else (2, 0, 1)
    return Reindex((channels, (REST,), (REST,)), (c, 3, u, 4, v), (1, 2, 2))


def space_to_depth(r: int, order: str) -> LinearMap:
    """(C, H r, W r) -> (C r r, H, W): the inverse of `depth_to_space`.

    >>> space_to_depth(2, "DCR").on((2, 6, 10)).codomain.shape
    (8, 3, 5)
    """
    c, h, u, w, v = range(5)
    return Reindex(((REST,), (REST, r), (REST, r)), (c, u, v, h, w) if order == "CRD" else (u, v, c, h, w), (3, 1, 1))


def patches(kernel: tuple[int, ...], dilation: tuple[int, ...], pads: tuple[tuple[int, int], ...],
            stride: tuple[int, ...]) -> LinearMap:
    """(C, *space) -> (C prod(k), number of windows): every window of x as a column (im2col).

    A channelled stage whose taps are unit pulses, on each channel alone.
    """
    n, count = len(kernel), math.prod(kernel)
    taps = np.eye(count, dtype=np.int32).reshape(*kernel, 1, count)
    taps.setflags(write=False)
    rates = tuple(Rate(1, s, d, lo, hi) for s, d, (lo, hi) in zip(stride, dilation, pads, strict=True))
    alone = Reindex(((REST,),) * n + ((REST, 1),), tuple(range(n + 2)), (1,) * (n + 2))
    stage = Stage(taps, rates, tuple(range(-n - 1, -1)), 1)
    columns = Reindex(((REST,),) * (n + 2), (0, n + 1, *range(1, n + 1)), (2, n))
    return columns @ stage @ alone


@final_map
class Fold(LinearMap):
    """y[n*stride + j*dilation - lo] += x[j, n]: (C prod(k), windows) -> (C, *size), overlaps added (col2im).

    The transpose of `patches`, which is what binding gives.
    """

    name: str = static()
    size: tuple[int, ...] = static()
    kernel: tuple[int, ...] = static()
    dilation: tuple[int, ...] = static()
    pads: tuple[tuple[int, int], ...] = static()
    stride: tuple[int, ...] = static()
    space: Space | None = static(default=None)

    def _bind(self, space: Space) -> LinearMap:
        count = math.prod(self.kernel)
        if len(space.shape) < 2 or space.shape[-2] % count:
            raise ShapeError(complaint(self.name, "the rows are not divisible by the product of kernel_size", got=space,
                                       expected=f"(..., channels * {count}, windows)",
                                       fix="check kernel_size"))
        *batch, rows, columns = space.shape
        image = jax.ShapeDtypeStruct((*batch, rows // count, *self.size), space.dtype)
        unfold = patches(self.kernel, self.dilation, self.pads, self.stride).on(image)
        wanted = unfold.codomain.shape[-1]
        if wanted != columns:
            raise ShapeError(complaint(self.name, "the number of sliding blocks is wrong", got=f"{columns} in {space}",
                                       expected=f"{wanted} for size {self.size}, kernel {self.kernel}, stride "
                                       f"{self.stride}", fix="check output_size, kernel_size, padding and stride"))
        return unfold.T

    def _label(self) -> str:
        return f"{self.name}({'x'.join(map(str, self.kernel))} -> {'x'.join(map(str, self.size))})"


def unpool(indices: Any, size: tuple[int, ...], name: str) -> LinearMap:
    """(*batch, C, *pooled) -> (*batch, C, *size): every value put where its index says, zeros elsewhere.

    Where two indices of one plane agree the last one in row-major order stands, as it does on a CPU (they hold the same
    value when they come from a pooling).
    """
    n, count = len(size), math.prod(size)
    array = _integers(indices, name, n)
    pooled = array.shape[-n:]
    flat, spare = _last_ones(array.reshape(*array.shape[:-n], math.prod(pooled)), count, name)
    select = Select(flat.swapaxes(-1, -2), (count + spare,), scatter=True)
    to_last = Reindex((*((REST,),) * (n + 1),), (*range(1, n + 1), 0), (n, 1))
    to_first = Reindex((size, (REST,)), (n, *range(n)), (1,) * (n + 1))
    kept = [Stage(None, (Rate(hi=-spare),), (-2,))] if spare else []
    return reduce(matmul, [to_first, *kept, select, to_last])


def _integers(indices: Any, name: str, n: int) -> Any:
    array, _ = numbers(indices, name, "indices")
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(complaint(name, "elements in indices should be integers", got=array.dtype, expected="int64",
                                  fix="use the indices that the pooling returned"))
    if array.ndim < n + 1:
        raise ShapeError(complaint(name, "indices have too few axes", got=f"shape {array.shape}",
                                   expected=f"(*batch, channels, and {n} space axes)", fix="add the missing axes"))
    return array


def _last_ones(array: Any, count: int, name: str) -> tuple[Any, int]:
    """(indices, spare): those that a later one overwrites point to a spare sample behind the last, which is cut off."""
    flat = array.reshape(-1, array.shape[-1])
    planes, place = np.arange(flat.shape[0])[:, None], np.arange(flat.shape[1])
    if isinstance(flat, Tracer):
        last = jnp.zeros((flat.shape[0], count), int).at[planes, flat].max(place)
        return jnp.where(last[planes, flat] == place[None], flat, count).reshape(array.shape), 1
    flat = np.asarray(flat)
    if flat.min() < 0 or flat.max() >= count:
        bad = int(flat.min() if flat.min() < 0 else flat.max())
        raise ShapeError(complaint(name, "found an invalid max index", got=bad, expected=f"0 to {count - 1}",
                                   fix="check output_size, or the pooling that gave these indices"))
    last = np.zeros((flat.shape[0], count), int)
    last[planes, flat] = place
    stays = last[planes, flat] == place
    return np.where(stays, flat, count).reshape(array.shape), int(not stays.all())
