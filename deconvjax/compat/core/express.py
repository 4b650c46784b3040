"""One transposed convolution in each framework's own arguments, or the reason why it has none.

    y[s i + d j - before] += x[i] w[j],      out = (i-1) s + K - before - after

Each function is the inverse of a resolver: its result, given back to that framework's function in `compat`, places
every axis as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from deconvjax.compat.core.sides import Side

Arguments = dict[str, Any]


class Impossible(Exception):
    """Why a framework cannot say it."""


Sides = Sequence[Side]


def is_same(side: Side) -> bool:
    """The transpose of a SAME convolution of i*s samples: JAX's and Keras' and TensorFlow's default."""
    return side.beyond == 0 and side.before == max(side.taps - side.s, 0) // 2


def is_valid(side: Side) -> bool:
    """The transpose of a VALID convolution: nothing cropped, i*s + max(K-s, 0) samples."""
    return side.before == 0 and side.beyond == max(side.taps - side.s, 0)


def lax(sides: Sides, groups: int) -> Arguments:
    """Strings or pairs of the zero-stuffed input; the kernel is the forward convolution's."""
    _no_periodic(sides)
    if groups != 1:
        raise Impossible("conv_transpose has no groups: conv_general_dilated with lhs_dilation and feature_group_count")
    padding = _word(sides) or tuple(side.pads for side in sides)
    return {"strides": tuple(side.s for side in sides), "padding": padding,
            **_unless(rhs_dilation=tuple(side.d for side in sides)), "transpose_kernel": True}


def flax(sides: Sides, groups: int) -> Arguments:
    """As lax; periodic axes where Flax's fold is the one asked for."""
    if groups != 1:
        raise Impossible("ConvTranspose has no groups (deconvjax.nn.ConvTranspose has feature_group_count)")
    steps = _unless(strides=tuple(side.s for side in sides), kernel_dilation=tuple(side.d for side in sides))
    if any(side.periodic for side in sides):
        spares = [max(side.taps - side.s, 0) for side in sides]
        for transposed in (True, False):
            if all(side.periodic and side.before % (side.s * (side.size or 1 << 30)) == (spare + transposed) // 2
                   for side, spare in zip(sides, spares, strict=True)):
                return {**steps, "padding": "CIRCULAR", "transpose_kernel": transposed}
        raise Impossible("its CIRCULAR is shifted against this one (deconvjax.nn.ConvTranspose is exact)")
    padding = _word(sides) or tuple(side.pads for side in sides)
    return {**steps, "padding": padding, "transpose_kernel": True}


def haiku(sides: Sides, groups: int) -> Arguments:
    """Strings or pairs of the zero-stuffed input."""
    _no_periodic(sides)
    if groups != 1 or any(side.d != 1 for side in sides):
        raise Impossible("ConvNDTranspose has neither groups nor dilation")
    return {**_unless(stride=tuple(side.s for side in sides)),
            "padding": _word(sides) or tuple(side.pads for side in sides)}


def equinox(sides: Sides, groups: int) -> Arguments:
    """Pads of the forward convolution, which may be negative."""
    steps = _unless(stride=tuple(side.s for side in sides), dilation=tuple(side.d for side in sides), groups=groups)
    if any(side.periodic for side in sides):
        for word, lower in (("SAME", 0), ("SAME_LOWER", 1)):
            if all(side.periodic and side.before == (max(side.taps - side.s, 0) + lower) // 2 for side in sides):
                return {**steps, "padding": word, "padding_mode": "CIRCULAR"}
        raise Impossible("its CIRCULAR has other borders")
    extra, pads = _appended(sides)
    return {**steps, "padding": pads, **_unless(0, output_padding=extra)}


def torch(sides: Sides, groups: int) -> Arguments:
    """One padding for both sides, and output_padding behind."""
    _no_periodic(sides)
    extra = tuple(side.before - side.after for side in sides)
    if any(side.before < 0 for side in sides):
        raise Impossible("it cannot add samples in front; pad the result with torch.nn.functional.pad")
    if any(a < 0 for a in extra):
        least = tuple(min(side.before, side.after) for side in sides)
        cut = tuple((side.before - p, side.after - p) for side, p in zip(sides, least, strict=True))
        raise Impossible("it crops both sides alike, plus output_padding behind; here more goes behind than in front: "
                         f"use padding={_short(least)} and crop {_short(cut)} off the result")
    if any(a >= max(side.s, side.d) for a, side in zip(extra, sides, strict=True)):
        raise Impossible(f"output_padding {_short(extra)} would not be smaller than stride or dilation; pad the result")
    return {**_unless(stride=tuple(side.s for side in sides)), **_unless(0, padding=tuple(s.before for s in sides)),
            **_unless(0, output_padding=extra), **_unless(groups=groups, dilation=tuple(side.d for side in sides))}


def caffe(sides: Sides, groups: int) -> Arguments:
    """One pad for both sides."""
    _no_periodic(sides)
    if any(side.before != side.after or side.before < 0 for side in sides):
        if all(side.before >= 0 and side.after >= 0 for side in sides):
            raise Impossible("it crops both sides alike: use pad 0 and a Crop layer with "
                             f"offset {_short(tuple(side.before for side in sides))}")
        raise Impossible("it cannot append samples")
    return {**_unless(stride=tuple(side.s for side in sides)), **_unless(0, pad=tuple(side.before for side in sides)),
            **_unless(dilation=tuple(side.d for side in sides), group=groups)}


def onnx(sides: Sides, groups: int) -> Arguments:
    """Pads of both sides and output_padding; output_shape where more is appended than that allows."""
    _no_periodic(sides)
    if any(side.before < 0 for side in sides):
        raise Impossible("pads cannot be negative: it adds no samples in front")
    steps = _unless(strides=[side.s for side in sides], dilations=[side.d for side in sides], group=groups)
    extra = [max(-side.after, 0) for side in sides]
    if all(a < max(side.s, side.d) for a, side in zip(extra, sides, strict=True)):
        pads = [side.before for side in sides] + [max(side.after, 0) for side in sides]
        return {**steps, **({"pads": pads} if any(pads) else {}), **({"output_padding": extra} if any(extra) else {})}
    if all(side.before == 0 and side.after <= 0 for side in sides):
        return {**steps, "output_shape": [side.out for side in sides]}
    raise Impossible("output_padding must be less than stride or dilation; pad the result")


def tensorflow(sides: Sides, groups: int) -> Arguments:
    """The gradient of a convolution: SAME, VALID, or EXPLICIT pads in 2-D, and the output's size."""
    _no_periodic(sides)
    steps = {"output_shape": tuple(side.out for side in sides), "strides": tuple(side.s for side in sides),
             **_unless(dilations=tuple(side.d for side in sides))}
    if groups != 1:
        raise Impossible("groups only by an output_shape with more channels than filters, and not on every device")
    if all(_gradient_of_same(side) for side in sides):
        return {**steps, "padding": "SAME"}
    if all(side.before == 0 and 0 <= -side.after < side.s for side in sides):
        return {**steps, "padding": "VALID"}
    if len(sides) != 2:
        raise Impossible("explicit padding is only in conv2d_transpose")
    return {**steps, "padding": ((0, 0), *_gradient(sides), (0, 0))}


def keras(sides: Sides, groups: int) -> Arguments:
    """'same' or 'valid', and an output_padding less than the stride."""
    _no_periodic(sides)
    if groups != 1:
        raise Impossible("Conv*DTranspose has no groups")
    if max(side.s for side in sides) > 1 and max(side.d for side in sides) > 1:
        raise Impossible("strides > 1 not together with dilation_rate > 1")
    steps = _unless(strides=tuple(side.s for side in sides), dilation_rate=tuple(side.d for side in sides))
    if all(is_same(side) for side in sides):
        return {**steps, "padding": "same"}
    if all(side.before == 0 and side.after == min(side.taps - side.s, 0) for side in sides):
        return {**steps, "padding": "valid"}
    if all(side.before == 0 and 0 <= -side.after < side.s for side in sides):
        return {**steps, "padding": "valid", "output_padding": tuple(-side.after for side in sides)}
    extra = tuple(side.taps - side.before - side.after - side.taps % 2 for side in sides)
    if all(0 <= a < side.s and side.pads[0] == min(-(-(sum(side.pads)) // 2), side.taps - 1)
           for a, side in zip(extra, sides, strict=True)):
        return {**steps, "padding": "same", "output_padding": extra}
    raise Impossible("only 'same' and 'valid', with an output_padding less than strides: no explicit pads")


def theano(sides: Sides, groups: int) -> Arguments:
    """Pads of the convolution it is the gradient of, and the output's size; two axes."""
    _no_periodic(sides)
    if len(sides) != 2:
        raise Impossible("conv2d_transpose has two space axes")
    return {"output_shape": (None, None, *(side.out for side in sides)), "border_mode": _gradient(sides),
            **_unless(input_dilation=tuple(side.s for side in sides), filter_dilation=tuple(side.d for side in sides)),
            "filter_flip": False, **_unless(num_groups=groups)}


def onednn(sides: Sides, groups: int) -> Arguments:
    """Pads of both sides and the output's size; dilation counts from zero."""
    _no_periodic(sides)
    before, after = zip(*_gradient(sides), strict=True)
    return {"dst": tuple(side.out for side in sides), **_unless(strides=tuple(side.s for side in sides)),
            **_unless(0, padding_l=before, padding_r=after, dilates=tuple(side.d - 1 for side in sides)),
            **_unless(groups=groups)}


def cudnn(sides: Sides, groups: int) -> Arguments:
    """One pad for both sides of the convolution it is the gradient of, and the output's size."""
    _no_periodic(sides)
    if any(side.before < 0 or not 0 <= side.before - side.after < side.s for side in sides):
        raise Impossible("pads are symmetric, and the output at most a stride longer")
    return {"out": tuple(side.out for side in sides), **_unless(stride=tuple(side.s for side in sides)),
            **_unless(0, pad=tuple(side.before for side in sides)),
            **_unless(dilation=tuple(side.d for side in sides), groups=groups)}


def deconvjax(sides: Sides, groups: int) -> Arguments:
    """The exact transpose: words or pads of the forward convolution, and output_padding."""
    steps = _unless(strides=tuple(side.s for side in sides), kernel_dilation=tuple(side.d for side in sides),
                    groups=groups)
    if any(side.periodic for side in sides):
        if all(side.periodic and side.before == (side.taps - 1) // 2 for side in sides):
            return {**steps, "padding": "CIRCULAR"}
        raise Impossible("CIRCULAR is the transpose of the centred periodic convolution; shift the result")
    if all(is_same(side) for side in sides):
        return {**steps, "padding": "SAME"}
    extra, pads = _appended(sides)
    return {**steps, "padding": pads if any(map(any, pads)) else "VALID", **_unless(0, output_padding=extra)}


EXPRESS: dict[str, Callable[[Sides, int], Arguments]] = {
    "deconvjax": deconvjax, "torch": torch, "tensorflow": tensorflow, "keras": keras, "flax": flax, "lax": lax,
    "haiku": haiku, "equinox": equinox, "onnx": onnx, "caffe": caffe, "theano": theano, "onednn": onednn,
    "cudnn": cudnn,
}


def _word(sides: Sides) -> str:
    return "SAME" if all(map(is_same, sides)) else "VALID" if all(map(is_valid, sides)) else ""


def _gradient_of_same(side: Side) -> bool:
    total = max(side.before + side.after, 0)
    return side.before == total // 2 and 1 <= side.taps - side.before - side.after <= side.s


def _gradient(sides: Sides) -> tuple[tuple[int, int], ...]:
    """Pads (>= 0) of a convolution whose gradient this is."""
    if any(side.before < 0 or -side.after >= side.s for side in sides):
        raise Impossible("the result is longer than what any convolution reads")
    return tuple((side.before, max(side.after, 0)) for side in sides)


def _appended(sides: Sides) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """output_padding where it may be (less than the stride), and pads, negative where it may not."""
    extra = tuple(-side.after if 0 < -side.after < side.s else 0 for side in sides)
    return extra, tuple((side.before, side.after + a) for side, a in zip(sides, extra, strict=True))


def _no_periodic(sides: Sides) -> None:
    if any(side.periodic for side in sides):
        raise Impossible("it has no periodic borders")


def _unless(usual: int = 1, **arguments: Any) -> Arguments:
    """The arguments that differ from `usual` somewhere."""
    return {name: value for name, value in arguments.items()
            if any(each != usual for each in (value if isinstance(value, (tuple, list)) else (value,)))}


def _short(values: tuple[Any, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else str(values)
