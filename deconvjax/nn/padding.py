"""Flax's padding arguments as geometry: integers only, one function for each layer.

Conv            pads of the input, or a border rule that extends it before a VALID stage
ConvTranspose   pads (lo, hi) of the zero-stuffed input, and for CIRCULAR how much is folded back
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from deconvjax.axis import Rate
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, is_pair, length

Widths = tuple[tuple[int, int], ...]

_ANY_CASE = ("SAME", "SAME_LOWER", "VALID")  # as jax.lax reads them


@dataclass(frozen=True, slots=True)
class Geometry:
    """Rates of the stage, and the border around it: `widths` extended before it, or folded back after it.

    `stuffing` is what must happen before the border is extended: a signal is stuffed with zeros, then padded.
    """

    rates: tuple[Rate, ...]
    mode: str = "zero"
    widths: Widths = ()
    stuffing: tuple[Rate, ...] = ()


def pads_of(padding: Any, ndim: int, operator: str, argument: str = "padding") -> Widths:
    """One (lo, hi) for each axis: from an int for all, or an int or a pair for each (Flax's rule)."""
    if length(padding) is None:
        each = integer(padding, operator, argument)
        return ((each, each),) * ndim
    if len(padding) != ndim:
        raise ShapeError(complaint(operator, f"{argument} has the wrong number of entries", got=padding,
                                   expected=f"an int, or {ndim} ints or (lo, hi) pairs, one for each axis",
                                   fix=f"give {argument} {ndim} entries"))
    return tuple(_pair(each, operator, argument) for each in padding)


def conv(padding: Any, taps: Sequence[int], rates: tuple[Rate, ...], operator: str) -> Geometry:
    """`padding` of a Conv whose dilated windows have `taps` samples; `rates` carry strides and dilations.

    >>> conv("CAUSAL", (3,), (Rate(),), "Conv").rates[0].lo
    2
    """
    name = _name(padding, ("SAME", "SAME_LOWER", "VALID", "CIRCULAR", "REFLECT", "CAUSAL"), operator, _ANY_CASE)
    if name in ("CIRCULAR", "REFLECT"):
        # The period of a stuffed signal counts its trailing zeros; a reflection turns at its last sample.
        tail = [r.up - 1 if name == "CIRCULAR" else 0 for r in rates]
        stuffing = tuple(Rate(r.up, hi=hi) for r, hi in zip(rates, tail, strict=True))
        return Geometry(tuple(replace(r, up=1) for r in rates), "wrap" if name == "CIRCULAR" else "reflect",
                        wrap_widths(taps), stuffing if any(r.up > 1 for r in rates) else ())
    if name in ("SAME", "SAME_LOWER"):
        return Geometry(tuple(replace(r, same="upper" if name == "SAME" else "lower") for r in rates))
    if name == "CAUSAL":
        _one_axis(taps, operator)
        return Geometry(tuple(replace(r, lo=n - 1) for r, n in zip(rates, taps, strict=True)))
    pads = ((0, 0),) * len(taps) if name == "VALID" else pads_of(padding, len(taps), operator)
    return Geometry(tuple(replace(r, lo=lo, hi=hi) for r, (lo, hi) in zip(rates, pads, strict=True)))


def conv_transpose(
    padding: Any, taps: Sequence[int], rates: tuple[Rate, ...], exact: bool, operator: str,
) -> Geometry:
    """`padding` of a ConvTranspose; `exact` chooses the transpose of Conv where Flax's own meaning is shifted.

    >>> conv_transpose("SAME", (4,), (Rate(up=2),), False, "ConvTranspose").rates[0]
    Rate(up=2, down=1, dilation=1, lo=2, hi=2, same='', size=None)
    """
    plain = () if any(r.up > 1 for r in rates) else tuple(map(str.lower, _ANY_CASE))
    name = _name(padding, ("SAME", "SAME_LOWER", "VALID", "CIRCULAR", "CAUSAL"), operator, plain)
    if name == "CIRCULAR":
        return _circular(taps, rates, exact)
    if name == "CAUSAL":
        _one_axis(taps, operator)
    if name in plain:
        pads = tuple(_plain(name, n) for n in taps)
    elif name:
        pads = tuple(_named(name, n, r.up, exact) for n, r in zip(taps, rates, strict=True))
    else:
        pads = pads_of(padding, len(taps), operator)
    return Geometry(tuple(replace(r, lo=lo, hi=hi) for r, (lo, hi) in zip(rates, pads, strict=True)))


def transposed_pads(pads: Widths, taps: Sequence[int]) -> Widths:
    """lo = K-1-p: pads of the forward convolution (torch, Keras, ONNX) as pads of the zero-stuffed input.

    >>> transposed_pads(((1, 1),), (4,))
    ((2, 2),)
    """
    return tuple((n - 1 - lo, n - 1 - hi) for (lo, hi), n in zip(pads, taps, strict=True))


def output_padding(value: Any, rates: tuple[Rate, ...], operator: str) -> tuple[int, ...]:
    """Samples appended on each axis, below max(stride, dilation) as in torch."""
    extra = integers(value, len(rates), operator, "output_padding", 0)
    for a, rate in zip(extra, rates, strict=True):
        if a and a >= max(rate.up, rate.dilation):
            raise ValueError(complaint(operator, "output_padding must be smaller than the stride or the dilation",
                                       got=f"output_padding={a}, stride={rate.up}, kernel_dilation={rate.dilation}",
                                       expected=f"0 <= output_padding < {max(rate.up, rate.dilation)}",
                                       fix="pad the output with jnp.pad where more zeros are wanted"))
    return extra


def wrap_widths(taps: Sequence[int]) -> Widths:
    """What CIRCULAR and REFLECT add in front and behind: (K-1)//2 and K//2."""
    return tuple(((n - 1) // 2, n // 2) for n in taps)


def _named(name: str, taps: int, stride: int, exact: bool) -> tuple[int, int]:
    total = taps + stride - 2  # n samples become n*stride
    if name == "VALID":
        return taps - 1, stride - 1 + max(taps - stride, 0)
    if name == "CAUSAL":
        return taps - 1, stride - 1
    lo = taps - 1 if stride > taps - 1 else -(-total // 2)
    if name == "SAME_LOWER" and exact:
        lo = total - lo if stride <= taps - 1 else lo  # the odd pad of the forward convolution is in front
    return lo, total - lo


def _plain(name: str, taps: int) -> tuple[int, int]:
    """Pads of an ordinary convolution, which Flax's transposed one is at stride 1 where the name is not upper case."""
    total = 0 if name == "valid" else taps - 1
    hi = total // 2 if name == "same_lower" else total - total // 2
    return total - hi, hi


def _circular(taps: Sequence[int], rates: tuple[Rate, ...], exact: bool) -> Geometry:
    widths, bound = [], []
    for n, rate in zip(taps, rates, strict=True):
        stride = rate.up
        if exact:  # the transpose of wrapping by wrap_widths: the stage reaches all of what was wrapped
            widths.append(((n - 1) // 2, n // 2))
            bound.append(replace(rate, lo=n - 1, hi=stride + n - 2))
        else:
            surplus = max(n - stride, 0)
            widths.append((surplus // 2, surplus - surplus // 2))
            bound.append(replace(rate, lo=n - 1, hi=stride - 1 + surplus))
    return Geometry(tuple(bound), "wrap", tuple(widths))


def _name(padding: Any, names: tuple[str, ...], operator: str, loose: tuple[str, ...]) -> str:
    """The name of a rule: one of `names`, or one of `loose` in any other spelling; "" for ints and pairs."""
    if not isinstance(padding, str):
        return ""
    if padding in names:
        return padding
    for name in loose:
        if padding.upper() == name.upper():
            return name
    raise ValueError(complaint(operator, "unknown padding", got=repr(padding),
                               expected=f"{', '.join(map(repr, names))}, an int, or (lo, hi) pairs",
                               fix=f"write {padding.upper()!r}" if padding.upper() in names else "name one of these"))


def _one_axis(taps: Sequence[int], operator: str) -> None:
    if len(taps) != 1:
        raise ValueError(complaint(operator, "causal padding is defined for one axis", got=f"{len(taps)} space axes",
                                   expected="kernel_size of one int", fix="write the (lo, hi) pairs of each axis"))


def _pair(value: Any, operator: str, argument: str) -> tuple[int, int]:
    if is_pair(value):
        return integer(value[0], operator, argument), integer(value[1], operator, argument)
    each = integer(value, operator, argument)
    return each, each
