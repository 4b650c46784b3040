"""TensorFlow's `tf.nn.conv{1,2,3}d_transpose`: the gradient of a convolution whose input had `output_shape`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.compat import resolve
from deconvjax.compat.core.layer import Rule, channels_first, channels_last, layer
from deconvjax.compat.core.weights import CONV_TRANSPOSE
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integers, length, numbers, one_of, pairs

Ints = int | Sequence[int]


def conv1d_transpose(filters: Any, output_shape: Ints, strides: Ints, padding: str = "SAME", data_format: str = "NWC",
                     dilations: Ints | None = None) -> LinearMap:
    """y[o, stride*i + dilation*j - before] += w[j, o, c] x[i, c]: `tf.nn.conv1d_transpose`.

    Arguments as `conv2d_transpose`'s; data_format "NWC" or "NCW".

    >>> import numpy as np
    >>> conv1d_transpose(np.ones((3, 2, 3)), (2, 12, 2), 2).on((2, 6, 3)).codomain.shape
    (2, 12, 2)
    """
    return _transpose(1, filters, output_shape, strides, padding, data_format, dilations)


def conv2d_transpose(filters: Any, output_shape: Ints, strides: Ints, padding: str | Sequence[Any] = "SAME",
                     data_format: str = "NHWC", dilations: Ints | None = None) -> LinearMap:
    """y[o, stride*i + dilation*j - before] += w[j, o, c] x[i, c]: `tf.nn.conv2d_transpose`.

    Args:
        filters: (kh, kw, O, I/groups).
        output_shape: sizes of the space axes, or all four; with all four, output channels beyond O are groups. The
            batch entry is not looked at.
        strides: int, one for each space axis, or all four.
        padding: "SAME" (output_shape between (i-1)*stride + 1 and i*stride), "VALID" (from (i-1)*stride + K, less than
            stride more), or EXPLICIT: four pairs such as [[0, 0], [1, 1], [1, 1], [0, 0]].
        data_format: "NHWC" or "NCHW".
        dilations: spacing of the taps, as strides.

    Shapes: (N, H, W, I) to output_shape, N being any batch axes.

    Raises:
        ShapeError: a size of the input that the forward convolution of output_shape does not give.

    Source: TensorFlow, `conv_grad_shape_utils`.

    >>> import numpy as np
    >>> conv2d_transpose(np.ones((3, 3, 2, 3)), (2, 13, 9, 2), 2, "VALID").on((2, 6, 4, 3)).codomain.shape
    (2, 13, 9, 2)
    """
    return _transpose(2, filters, output_shape, strides, padding, data_format, dilations)


def conv3d_transpose(filters: Any, output_shape: Ints, strides: Ints, padding: str = "SAME",
                     data_format: str = "NDHWC", dilations: Ints | None = None) -> LinearMap:
    """y[o, stride*i + dilation*j - before] += w[j, o, c] x[i, c]: `tf.nn.conv3d_transpose`.

    Arguments as `conv2d_transpose`'s; data_format "NDHWC" or "NCDHW".

    >>> import numpy as np
    >>> conv3d_transpose(np.ones((3, 3, 3, 2, 3)), (2, 10, 12, 8, 2), 2).on((2, 5, 6, 4, 3)).codomain.shape
    (2, 10, 12, 8, 2)
    """
    return _transpose(3, filters, output_shape, strides, padding, data_format, dilations)


def _transpose(ndim: int, filters: Any, output_shape: Ints, strides: Ints, padding: Any, data_format: str,
               dilations: Ints | None) -> LinearMap:
    name, space = f"tensorflow.conv{ndim}d_transpose", "DHW"[-ndim:]
    formats = (f"N{space}C", f"NC{space}")
    last = one_of(data_format, formats, name, "data_format") == formats[0]
    read = channels_last(ndim) if last else channels_first(ndim)
    kernel, groups = CONV_TRANSPOSE["tensorflow"], 1
    array = numbers(filters, name, "filters")[0]
    if length(output_shape) == ndim + 2 and array.ndim == ndim + 2:
        channels = integers((output_shape[read[-1]],), 1, name, "output_shape", 1)[0]  # type: ignore[index]
        groups, spare = divmod(channels, array.shape[-2])
        if spare:
            raise ShapeError(complaint(name, "output_shape does not match the output channels of filters",
                                       got=f"{channels} channels, filters of shape {tuple(array.shape)}",
                                       expected=f"{array.shape[-2]} (or a multiple: groups)", fix="check output_shape"))
    columns = (_space(strides, ndim, read, name, "strides"), _paddings(padding, ndim, last, name),
               _space(1 if dilations is None else dilations, ndim, read, name, "dilations"),
               _space(output_shape, ndim, read, name, "output_shape"))
    rules = [Rule.of(resolve.tensorflow_transpose, operator=name, stride=s, padding=p, dilation=d, output_shape=o)
             for s, p, d, o in zip(*columns, strict=True)]
    return layer(name, filters, kernel, rules, read, groups=groups, argument="filters")


def _space(value: Ints, ndim: int, read: tuple[int, ...], name: str, argument: str) -> tuple[int, ...]:
    """The entries of the space axes: one for all, one for each, or one for each axis of the array."""
    count = length(value)
    if count == ndim + 2:
        value = tuple(value)  # type: ignore[arg-type]
        others = (value[0], value[read[-1]])
        if argument != "output_shape" and others != (1, 1):
            raise ShapeError(complaint(name, f"{argument} of the batch and channel axes must be 1", got=value,
                                       expected="1 for N and C", fix=f"give {argument} for the space axes only"))
        value = [value[axis] for axis in read[:-1]]
    elif count == 1:
        value = value[0]  # type: ignore[index]
    elif count is None and argument == "output_shape" and ndim > 1:
        raise ShapeError(complaint(name, "output_shape needs a size for each axis", got=value,
                                   expected=f"{ndim} or {ndim + 2} sizes", fix="give the sizes of the space axes"))
    return integers(value, ndim, name, argument, 1)


def _paddings(padding: Any, ndim: int, last: bool, name: str) -> tuple[Any, ...]:
    if isinstance(padding, str):
        return (one_of(padding, ("SAME", "VALID"), name, "padding", " or four pairs" if ndim == 2 else ""),) * ndim
    if ndim != 2:
        raise ShapeError(complaint(name, "explicit padding is only in conv2d_transpose", got=repr(padding),
                                   expected="'SAME' or 'VALID'", fix="use deconvjax.conv_transpose with pairs"))
    every = pairs(padding, ndim + 2, name, "padding", 0)
    inner = every[1:-1] if last else every[2:]
    if (every[0], every[-1] if last else every[1]) != ((0, 0), (0, 0)):
        raise ShapeError(complaint(name, "batch and channel axes cannot be padded", got=padding,
                                   expected="(0, 0) for N and C", fix="pad the space axes only"))
    return inner
