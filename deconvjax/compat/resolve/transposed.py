"""Transposed convolutions: the 27 ways in which frameworks place one axis, in integers.

The row numbers are those of the table in the compat documentation (`deconvjax.compat.table` prints it for one call).
"""

from __future__ import annotations

from deconvjax.axis import Axis
from deconvjax.compat.resolve.common import Pads, Periodic, adjoint, dilated, refuse, same, scattered, stuffed
from deconvjax.compat.resolve.forward import lax_conv


def lax_transpose(size: int, window: int, *, stride: int = 1, padding: str | Pads = (0, 0), dilation: int = 1,
                  use_consistent_padding: bool = False, operator: str = "lax.conv_transpose") -> Axis:
    """Rows 1-5. SAME gives i*s, VALID i*s + max(K-s, 0); pads are those of the zero-stuffed input, (a, b) -> (lo, hi),
    unless `use_consistent_padding` makes them those of the forward convolution.

    >>> lax_transpose(4, 3, stride=2, padding=(1, 1)).out, lax_transpose(4, 3, stride=2, padding="SAME").out
    (7, 8)
    """
    taps = dilated(window, dilation)
    if padding == "SAME":
        lo = taps - 1 if stride > taps - 1 else -(-(taps + stride - 2) // 2)
        return stuffed(operator, size, window, stride, dilation, lo, taps + stride - 2 - lo)
    if padding == "VALID":
        return stuffed(operator, size, window, stride, dilation, taps - 1, stride - 1 + max(taps - stride, 0))
    if isinstance(padding, str):
        if use_consistent_padding or stride != 1:
            raise refuse(operator, "this string is not understood with a stride", got=repr(padding),
                         expected="'SAME', 'VALID' (upper case) or pairs", fix="use 'SAME', 'VALID' or pairs (lo, hi)")
        return lax_conv(size, window, padding=padding, dilation=dilation, operator=operator)  # it falls through to conv
    if use_consistent_padding:
        return scattered(operator, size, window, stride, dilation, padding)
    return stuffed(operator, size, window, stride, dilation, *padding)


def lax_adjoint(size: int, window: int, *, out: int, stride: int = 1, padding: Pads = (0, 0), dilation: int = 1,
                operator: str = "linear_transpose(lax.conv)") -> Axis:
    """Row 6. lo = K-1-p_lo: `jax.linear_transpose` of a strided convolution whose input had `out` samples.

    >>> [lax_adjoint(3, 3, out=n, stride=2, padding=(1, 1)).hi for n in (5, 6)]
    [1, 2]
    """
    return adjoint(operator, size, window, stride, dilation, padding, out)


def flax_transpose(size: int, window: int, *, stride: int = 1, padding: str | Pads = "SAME", dilation: int = 1,
                   transpose_kernel: bool = False, operator: str = "flax.ConvTranspose") -> Axis | Periodic:
    """Rows 7, 8. lo, hi = p for an int or pair p, as lax without `use_consistent_padding`.

    CIRCULAR adds what VALID has beyond `i*s` samples back at the other end; `transpose_kernel` decides which end takes
    the odd one. (For strides other than 2 the result is not the transpose of Flax's Conv: it is shifted by a sample.)

    >>> flax_transpose(4, 4, stride=2, padding=(2, 2)).out, flax_transpose(4, 5, padding="CIRCULAR").after
    (8, (2, 2))
    """
    if padding == "CIRCULAR":
        axis = lax_transpose(size, window, stride=stride, padding="VALID", dilation=dilation, operator=operator)
        spare = axis.out - size * stride
        before = (spare + 1) // 2 if transpose_kernel else spare // 2
        return Periodic(axis, after=(before, spare - before))
    if padding == "CAUSAL":
        raise refuse(operator, "CAUSAL is documented by Flax but always raises there", got="'CAUSAL'",
                     expected="'SAME', 'VALID', 'CIRCULAR', ints or pairs", fix="deconvjax.nn.ConvTranspose has CAUSAL")
    return lax_transpose(size, window, stride=stride, padding=padding, dilation=dilation, operator=operator)


def equinox_transpose(size: int, window: int, *, stride: int = 1, padding: str | Pads = (0, 0), output_padding: int = 0,
                      dilation: int = 1, padding_mode: str = "ZEROS",
                      operator: str = "equinox.ConvTranspose") -> Axis | Periodic:
    """Rows 9, 10. lo = K-1-p0, hi = K-1-p1+a; for SAME the output_padding a makes the output i*s - a.

    `padding_mode="CIRCULAR"` (SAME or SAME_LOWER, output_padding 0) is the transpose of the periodic convolution.

    >>> equinox_transpose(5, 3, stride=2, padding="SAME", output_padding=1).out
    9
    """
    if not 0 <= output_padding < stride:
        raise refuse(operator, "must have `output_padding < stride`", got=f"output_padding={output_padding}",
                     expected=f"0 to {stride - 1}", fix="use a smaller output_padding or a larger stride")
    if padding_mode == "CIRCULAR" and (padding not in ("SAME", "SAME_LOWER") or output_padding):
        raise refuse(operator, "padding_mode='CIRCULAR' is only implemented for 'SAME' or 'SAME_LOWER'",
                     got=f"padding={padding!r}, output_padding={output_padding}",
                     expected="padding 'SAME' or 'SAME_LOWER', output_padding 0", fix="use padding='SAME'")
    if padding == "VALID":
        padding = (0, 0)
    if not isinstance(padding, str):
        return scattered(operator, size, window, stride, dilation, padding, output_padding)
    if padding not in ("SAME", "SAME_LOWER"):
        raise refuse(operator, "unknown padding string", got=repr(padding),
                     expected="'SAME', 'SAME_LOWER', 'VALID', ints or pairs", fix="give explicit pairs")
    spare = dilated(window, dilation) - stride + output_padding
    total = max(spare, 0)
    before = (total + (padding == "SAME_LOWER")) // 2
    axis = scattered(operator, size, window, stride, dilation, (before, total - before), max(-spare, 0))
    if padding_mode == "ZEROS":
        return axis
    wrap = axis.lo // stride, axis.hi // stride  # whole input samples are read around the end, the rest stays zero
    return Periodic(stuffed(operator, size + sum(wrap), window, stride, dilation, axis.lo % stride, axis.hi % stride),
                    before=wrap)


def haiku_transpose(size: int, window: int, *, stride: int = 1, padding: str | Pads = "SAME",
                    output_shape: int | None = None, operator: str = "haiku.ConvNDTranspose") -> Axis:
    """Rows 11, 12. out = output_shape: the transpose of the forward SAME or VALID convolution; without it, as lax.

    >>> axis = haiku_transpose(10, 5, stride=2, padding="SAME", output_shape=20)
    >>> axis.lo, axis.hi
    (3, 2)
    """
    if output_shape is None:
        return lax_transpose(size, window, stride=stride, padding=padding, operator=operator)
    if padding not in ("SAME", "VALID"):
        raise refuse(operator, "`output_shape` needs padding 'VALID' or 'SAME'", got=repr(padding),
                     expected="'VALID' or 'SAME'", fix="drop output_shape, or the explicit padding")
    return tensorflow_transpose(size, window, stride=stride, padding=padding, output_shape=output_shape,
                                operator=operator)


def keras_transpose(size: int, window: int, *, stride: int = 1, padding: str = "valid",
                    output_padding: int | None = None, dilation: int = 1,
                    operator: str = "keras.ConvTranspose") -> Axis:
    """Rows 13-15. out = i*s, or (i-1)*s + K%2 + output_padding ('same'): output_padding None and 0 differ.

    'valid' gives (i-1)*s + max(K, s), or (i-1)*s + K + output_padding.

    >>> [keras_transpose(5, 3, stride=2, padding="same", output_padding=a).out for a in (None, 0, 1)]
    [10, 9, 10]
    """
    taps = dilated(window, dilation)
    if padding not in ("valid", "same"):
        raise refuse(operator, "the `padding` argument must be one of 'valid', 'same'", got=repr(padding),
                     expected="'valid' or 'same'", fix="keras takes no explicit pads: use one of the two words")
    if output_padding is not None and not 0 <= output_padding < stride:
        raise refuse(operator, "`output_padding` must be strictly less than `strides`",
                     got=f"output_padding={output_padding}, strides={stride}", expected=f"None, or 0 to {stride - 1}",
                     fix="use output_padding=None for the usual size")
    if padding == "valid":
        extra = max(taps, stride) - taps if output_padding is None else output_padding
        return scattered(operator, size, window, stride, dilation, (0, 0), extra)
    total = stride + taps - 2 if output_padding is None else taps + taps % 2 - 2 + output_padding
    lo = min(-(-total // 2), taps - 1)
    return stuffed(operator, size, window, stride, dilation, lo, total - lo)


def tensorflow_transpose(size: int, window: int, *, output_shape: int, stride: int = 1, padding: str | Pads = "SAME",
                         dilation: int = 1, operator: str = "tensorflow.conv_transpose") -> Axis:
    """Rows 16-18. out = output_shape: the gradient of its forward convolution, with SAME, VALID or EXPLICIT pads.

    >>> [tensorflow_transpose(4, 3, stride=2, output_shape=o).lo for o in (7, 8)]
    [1, 2]
    """
    if padding == "SAME":
        expected, pads = -(-output_shape // stride), same(output_shape, window, stride, dilation)
    elif isinstance(padding, str) and padding != "VALID":
        raise refuse(operator, "unknown padding", got=repr(padding), expected="'SAME', 'VALID' or explicit pairs",
                     fix="spell it 'SAME' or 'VALID'")
    else:
        pads = (0, 0) if isinstance(padding, str) else padding
        expected = (output_shape + sum(pads) - dilated(window, dilation)) // stride + 1
    if expected != size:
        raise refuse(operator, "the size of the input does not match output_shape", got=f"input {size}",
                     expected=f"{expected}: the forward convolution of output_shape {output_shape}",
                     fix=f"with input {size}, SAME allows output_shape {(size - 1) * stride + 1} to {size * stride}, "
                         f"VALID {(size - 1) * stride + dilated(window, dilation)} and up to {stride - 1} more")
    return adjoint(operator, size, window, stride, dilation, pads, output_shape)


def torch_transpose(size: int, window: int, *, stride: int = 1, padding: int = 0, output_padding: int = 0,
                    dilation: int = 1, output_size: int | None = None, operator: str = "torch.conv_transpose") -> Axis:
    """Rows 19, 20. out = (i-1) s - 2p + K + a with a < max(s, d); `output_size` chooses a among s values.

    >>> torch_transpose(3, 3, stride=2, padding=1, output_padding=1).out, torch_transpose(3, 3, output_size=5).out
    (6, 5)
    """
    taps = dilated(window, dilation)
    if output_size is not None:
        least = (size - 1) * stride - 2 * padding + taps
        if not least <= output_size < least + stride:
            raise refuse(operator, f"requested an output size of {output_size}", got=f"an input of {size}",
                         expected=f"an output_size from {least} to {least + stride - 1}", fix="choose one of those")
        output_padding = output_size - least
    elif not 0 <= output_padding < max(stride, dilation):
        raise refuse(operator, "output padding must be smaller than either stride or dilation",
                     got=f"output_padding={output_padding}, stride={stride}, dilation={dilation}",
                     expected=f"0 to {max(stride, dilation) - 1}", fix="use a smaller output_padding")
    return scattered(operator, size, window, stride, dilation, (padding, padding), output_padding)


def caffe_deconvolution(size: int, window: int, *, stride: int = 1, pad: int = 0, dilation: int = 1,
                        operator: str = "caffe.deconvolution") -> Axis:
    """Row 21. out = s (i-1) + K - 2p.

    >>> caffe_deconvolution(16, 64, stride=32).out
    544
    """
    return scattered(operator, size, window, stride, dilation, (pad, pad))


def theano_transpose(size: int, window: int, *, stride: int = 1, border_mode: str | Pads = "valid",
                     output_shape: int | None = None, dilation: int = 1,
                     operator: str = "theano.conv2d_transpose") -> Axis:
    """Row 22. out = output_shape: the gradient of a convolution with pads 0 ('valid'), K//2 ('half'), K-1 ('full').

    >>> theano_transpose(3, 3, stride=2, border_mode="half", output_shape=6).lo
    1
    """
    taps = dilated(window, dilation)
    words: dict[str, Pads] = {"valid": (0, 0), "half": (taps // 2, taps // 2),
                              "full": (taps - 1, taps - 1)}
    if isinstance(border_mode, str) and border_mode not in words:
        raise refuse(operator, "invalid border_mode", got=repr(border_mode),
                     expected="'valid', 'full', 'half', an int or pairs", fix="use one of those")
    pads = words[border_mode] if isinstance(border_mode, str) else border_mode
    if output_shape is None:
        if stride != 1:
            raise refuse(operator, "output_shape is required when input_dilation > 1", got="output_shape=None",
                         expected=f"{(size - 1) * stride + taps - sum(pads)} and up to {stride - 1} more",
                         fix="say which of these sizes the output shall have")
        output_shape = size - 1 + taps - sum(pads)
    return adjoint(operator, size, window, stride, dilation, pads, output_shape)


def onnx_transpose(size: int, window: int, *, stride: int = 1, pads: Pads = (0, 0), output_padding: int = 0,
                   dilation: int = 1, auto_pad: str = "NOTSET", output_shape: int | None = None,
                   operator: str = "onnx.conv_transpose") -> Axis:
    """Rows 23-25. out = s (i-1) + a + K - sum(pads); `output_shape` makes the pads, SAME_UPPER with the odd one behind,
    everything else with it in front. Where the pads would be negative the zeros go to the end (ONNX Runtime).

    >>> onnx_transpose(3, 3, stride=3, output_shape=10).out, onnx_transpose(3, 2, stride=3, auto_pad="SAME_UPPER").out
    (10, 8)
    """
    taps = dilated(window, dilation)
    if not 0 <= output_padding < max(stride, dilation):
        raise refuse(operator, "output_padding must be less than the stride or dilation",
                     got=f"output_padding={output_padding}", expected=f"0 to {max(stride, dilation) - 1}",
                     fix="use output_shape to append more")
    natural = stride * (size - 1) + output_padding + taps
    if output_shape is None and auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        output_shape = min(size * stride, natural)  # a kernel shorter than the stride: clamped, as ONNX Runtime does
    if output_shape is not None:
        total = natural - output_shape
        small, large = total // 2, total - total // 2
        pads = (0, total) if total < 0 else (small, large) if auto_pad == "SAME_UPPER" else (large, small)
    elif auto_pad == "VALID":
        pads = (0, 0)
    return scattered(operator, size, window, stride, dilation, pads, output_padding)


def onednn_deconvolution(size: int, window: int, *, dst: int, stride: int = 1, pad_left: int = 0, pad_right: int = 0,
                         dilation: int = 0, operator: str = "onednn.deconvolution") -> Axis:
    """Row 26. out = dst, any whose forward convolution gives the input; dilation counts from 0.

    >>> onednn_deconvolution(3, 3, dst=6, stride=2, pad_left=1).hi
    2
    """
    return adjoint(operator, size, window, stride, dilation + 1, (pad_left, pad_right), dst)


def cudnn_backward_data(size: int, window: int, *, out: int, stride: int = 1, pad: int = 0, dilation: int = 1,
                        operator: str = "cudnn.convolution_backward_data") -> Axis:
    """Row 27. out = what the output descriptor says; the pads are symmetric.

    >>> cudnn_backward_data(3, 3, out=6, stride=2, pad=1).hi
    2
    """
    return adjoint(operator, size, window, stride, dilation, (pad, pad), out)
