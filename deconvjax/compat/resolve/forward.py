"""Forward convolutions: where each framework puts the pads of one axis, in integers."""

from __future__ import annotations

from deconvjax.axis import Axis
from deconvjax.compat.resolve.common import Pads, Periodic, dilated, refuse, same, strided


def torch_conv(size: int, window: int, *, stride: int = 1, padding: int | str = 0, dilation: int = 1,
               operator: str = "torch.conv") -> Axis:
    """out = (i + 2p - K)//s + 1; 'same' needs stride 1 and pads the odd sample behind.

    >>> torch_conv(5, 3, stride=2, padding=1).out
    3
    """
    if isinstance(padding, int):
        return strided(operator, size, window, stride, dilation, (padding, padding))
    if padding not in ("valid", "same"):
        raise refuse(operator, "unknown padding string", got=repr(padding), expected="'valid', 'same' or ints",
                     fix="use padding='same', 'valid' or a number")
    if padding == "same" and stride != 1:
        raise refuse(operator, "padding='same' is not supported for strided convolutions", got=f"stride={stride}",
                     expected="stride=1", fix="give the padding as ints")
    total = dilated(window, dilation) - 1 if padding == "same" else 0
    return strided(operator, size, window, stride, dilation, (total // 2, total - total // 2))


def lax_conv(size: int, window: int, *, stride: int = 1, padding: str | Pads = "VALID", input_dilation: int = 1,
             dilation: int = 1, operator: str = "lax.conv_general_dilated") -> Axis:
    """out = ((i-1) u + 1 + lo + hi - K)//s + 1: `lax.conv_general_dilated`.

    SAME, SAME_LOWER, VALID in any case, or pads; strings need lhs_dilation 1.

    >>> lax_conv(5, 3, stride=2, padding="same_lower").lo, lax_conv(6, 3, stride=2, padding="same_lower").lo
    (1, 1)
    """
    if not isinstance(padding, str):
        return strided(operator, size, window, stride, dilation, padding, input_dilation)
    word = padding.upper()
    if word not in ("SAME", "SAME_LOWER", "VALID"):
        raise refuse(operator, "unknown padding string", got=repr(padding),
                     expected="'SAME', 'SAME_LOWER', 'VALID' or pairs", fix="give explicit pairs (lo, hi)")
    if input_dilation != 1:
        raise refuse(operator, "string padding is not implemented with lhs_dilation", got=repr(padding),
                     expected="explicit pairs (lo, hi)", fix="give the padding as pairs")
    pads = (0, 0) if word == "VALID" else same(size, window, stride, dilation, word == "SAME_LOWER")
    return strided(operator, size, window, stride, dilation, pads)


def flax_conv(size: int, window: int, *, stride: int = 1, padding: str | Pads = "SAME", input_dilation: int = 1,
              dilation: int = 1, operator: str = "flax.Conv") -> Axis | Periodic:
    """out = ((i-1) u + 1 + lo + hi - K)//s + 1: as lax, plus CAUSAL (K-1, 0) and CIRCULAR (periodic borders).

    >>> flax_conv(5, 3, padding="CAUSAL").lo, flax_conv(5, 4, padding="CIRCULAR").before
    (2, (1, 2))
    """
    if padding == "CIRCULAR":
        spare = dilated(window, dilation) - 1
        before = (spare // 2, spare - spare // 2)
        longer = strided(operator, size + spare, window, stride, dilation, (0, 0), input_dilation)
        return Periodic(longer, before)
    if padding == "CAUSAL":
        return strided(operator, size, window, stride, dilation, (dilation * (window - 1), 0), input_dilation)
    return lax_conv(size, window, stride=stride, padding=padding, input_dilation=input_dilation, dilation=dilation,
                    operator=operator)


def keras_conv(size: int, window: int, *, stride: int = 1, padding: str = "valid", dilation: int = 1,
               operator: str = "keras.Conv") -> Axis:
    """out = (i + lo + hi - K)//s + 1 for 'valid', 'same', and 'causal' (K-1, 0) in one dimension.

    >>> keras_conv(5, 3, stride=2, padding="same").out
    3
    """
    if padding == "causal":
        return strided(operator, size, window, stride, dilation, (dilation * (window - 1), 0))
    if padding not in ("valid", "same"):
        raise refuse(operator, "the `padding` argument must be one of 'valid', 'same', 'causal'", got=repr(padding),
                     expected="'valid', 'same' or, in 1-D, 'causal'", fix="keras takes no explicit pads")
    pads = same(size, window, stride, dilation) if padding == "same" else (0, 0)
    return strided(operator, size, window, stride, dilation, pads)


def onnx_conv(size: int, window: int, *, stride: int = 1, pads: Pads = (0, 0), dilation: int = 1,
              auto_pad: str = "NOTSET", operator: str = "onnx.conv") -> Axis:
    """out = (i + begin + end - K)//s + 1: `pads`, or SAME_UPPER (odd pad behind), SAME_LOWER (in front), VALID.

    >>> onnx_conv(5, 4, auto_pad="SAME_LOWER").lo, onnx_conv(5, 4, auto_pad="SAME_UPPER").lo
    (2, 1)
    """
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        pads = same(size, window, stride, dilation, auto_pad == "SAME_LOWER")
    return strided(operator, size, window, stride, dilation, (0, 0) if auto_pad == "VALID" else pads)
