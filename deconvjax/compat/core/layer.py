"""Layer: a framework's layer as a map. Foreign axes outside, one channelled stage inside, pads settled when bound.

    P_out o (fold o stage o wrap) o P_in

wrap and fold are the periodic borders of Flax's and Equinox's CIRCULAR; all others have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import matmul
from typing import Any

from deconvjax.algebra import LinearMap, final_map, static
from deconvjax.axis import Axis, Rate
from deconvjax.compat.core.weights import Kernel, stage_taps
from deconvjax.compat.resolve import Periodic
from deconvjax.errors import NotLinearError, ShapeError, complaint
from deconvjax.leaves import Stage
from deconvjax.leaves.extend import Extend
from deconvjax.leaves.reindex import REST, Reindex
from deconvjax.ops.arguments import numbers
from deconvjax.space import Space


@dataclass(frozen=True, slots=True)
class Rule:
    """A resolver with its arguments for one axis: (size, window) -> Axis."""

    resolve: Callable[..., Axis | Periodic]
    options: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, resolve: Callable[..., Axis | Periodic], **options: Any) -> Rule:
        """`resolve(size, window, **options)`, hashable."""
        return cls(resolve, tuple(sorted(options.items())))

    def place(self, size: int, window: int) -> Axis | Periodic:
        """The axis for `size` samples and a window of `window` taps."""
        return self.resolve(size, window, **dict(self.options))


@final_map
class Layer(LinearMap):
    """y = P_out(stage(P_in(x))): the layer of another framework, before it has met its input.

    Binding gives the chain of permutations and stage it is made of. `read` names, for each of the axes (*space,
    channel) that the stage works on (with the batch in front where the framework does not put it first), the axis of x
    it is; `write` does so for the result.
    """

    taps: Any
    name: str = static()
    rules: tuple[Rule, ...] = static()
    read: tuple[int, ...] = static()
    write: tuple[int, ...] = static()
    groups: int = static(default=1)
    flip: bool = static(default=False)
    weak: bool = static(default=True)
    precision: Any = static(default=None)
    space: Space | None = static(default=None)

    @property
    def channels(self) -> tuple[int, int]:
        """(in, out)."""
        inner, outer = self.taps.shape[-2] * self.groups, self.taps.shape[-1]
        return (outer, inner) if self.flip else (inner, outer)

    def _bind(self, space: Space) -> LinearMap:
        shape = space.shape
        if len(shape) < len(self.read):
            raise ShapeError(complaint(self._label(), "the input has too few axes", got=f"shape {shape}",
                                       expected=f"at least {len(self.read)} axes: {self._layout()}",
                                       fix="add the missing axes to x"))
        if shape[self.read[-1]] != self.channels[0]:
            raise ShapeError(complaint(self._label(), f"expected input to have {self.channels[0]} channels",
                                       got=f"{shape[self.read[-1]]} on axis {self.read[-1]} of {space}",
                                       expected=f"{self.channels[0]}, in the layout {self._layout()}",
                                       fix="check the layout of x and of the weight, and groups"))
        n = len(self.rules)
        placed = [self._place(rule, shape[axis], window, axis, space)
                  for rule, axis, window in zip(self.rules, self.read[-n - 1:-1], self.taps.shape, strict=False)]
        maps = [_permute(_order(self.read)), *self._core(placed), _permute(_inverse(_order(self.write)))]
        return reduce(matmul, [each for each in reversed(maps) if each is not None]).on(space.tree)

    def _place(self, rule: Rule, size: int, window: int, axis: int, space: Space) -> Axis | Periodic:
        try:
            return rule.place(size, window)
        except ShapeError as error:
            raise ShapeError(f"{error} (axis {axis} of {space}, in {self._label()})") from None

    def _core(self, placed: Sequence[Axis | Periodic]) -> list[LinearMap]:
        """wrap, stage, fold in the order they act."""
        axes = tuple(range(-len(placed) - 1, -1))
        plain = tuple(p.axis if isinstance(p, Periodic) else p for p in placed)
        stage = Stage(self.taps, tuple(Rate.of(axis) for axis in plain), axes, self.groups, self.flip,
                      weak=self.weak, precision=self.precision)
        before, after = (tuple(getattr(p, side) if isinstance(p, Periodic) else (0, 0) for p in placed)
                         for side in ("before", "after"))
        wrap = [Extend(before, axes, "wrap")] if any(map(any, before)) else []
        fold = [Extend(after, axes, "wrap", fold=True)] if any(map(any, after)) else []
        return [*wrap, stage, *fold]

    def _layout(self) -> str:
        words = ("batch", *(f"space{i}" for i in range(len(self.rules))), "channels")[-len(self.read):]
        return "(*batch, " + ", ".join(word for _, word in sorted(zip(self.read, words, strict=True))) + ")"

    def _label(self) -> str:
        window = "x".join(map(str, self.taps.shape[:-2]))
        groups = f", groups={self.groups}" if self.groups != 1 else ""
        return f"{self.name}({window or '1'}, {self.channels[0]}->{self.channels[1]}{groups})"


def _order(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis + len(axes) for axis in axes)


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def _permute(order: tuple[int, ...]) -> LinearMap | None:
    """The leaf that puts the trailing axes in another order; None where they are in order already."""
    n = len(order)
    return None if order == tuple(range(n)) else Reindex(((REST,),) * n, order, (1,) * n)


def layer(name: str, weight: Any, kernel: Kernel, rules: Sequence[Rule], read: tuple[int, ...],
          write: tuple[int, ...] | None = None, *, groups: int = 1, bias: Any = None, precision: Any = None,
          argument: str = "weight") -> Layer:
    """The Layer of a foreign weight; refuses a bias, wrong ranks and groups that do not divide the channels."""
    if bias is not None:
        raise NotLinearError(complaint(name, "a layer with a bias is affine, not linear", got="a bias",
                                       expected="bias=None", fix="add the bias to the result: A(x) + bias"))
    array, weak = numbers(weight, name, argument)
    taps, flip = stage_taps(array, kernel, len(rules), groups, name, argument)
    return Layer(taps, name, tuple(rules), read, read if write is None else write, groups, flip, weak, precision)


def channels_first(ndim: int) -> tuple[int, ...]:
    """NCHW and its like.

    >>> channels_first(2)
    (-2, -1, -3)
    """
    return (*range(-ndim, 0), -ndim - 1)


def channels_last(ndim: int) -> tuple[int, ...]:
    """NHWC and its like.

    >>> channels_last(2)
    (-3, -2, -1)
    """
    return tuple(range(-ndim - 1, 0))
