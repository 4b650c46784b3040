"""Keras 3's Conv{1,2,3}D and Conv{1,2,3}DTranspose: the layers' linear parts, called with the layers' arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deconvjax.algebra import LinearMap
from deconvjax.compat import resolve
from deconvjax.compat.core.layer import Rule, channels_first, channels_last, layer
from deconvjax.compat.core.weights import CONV, CONV_TRANSPOSE
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer, integers, length, one_of

Ints = int | Sequence[int]


def Conv1D(kernel: Any, strides: Ints = 1, padding: str = "valid", data_format: str = "channels_last",
           dilation_rate: Ints = 1, groups: int = 1) -> LinearMap:
    """y[n, o] = sum_{j,c} w[j, c, o] x[n*stride + j*dilation - before, c]: `keras.layers.Conv1D`, "causal" included.

    >>> import numpy as np
    >>> Conv1D(np.ones((3, 4, 8)), padding="causal").on((2, 16, 4)).codomain.shape
    (2, 16, 8)
    """
    return _conv(1, kernel, strides, padding, data_format, dilation_rate, groups)


def Conv2D(kernel: Any, strides: Ints = 1, padding: str = "valid", data_format: str = "channels_last",
           dilation_rate: Ints = 1, groups: int = 1) -> LinearMap:
    """y[n, o] = sum_{j,c} w[j, c, o] x[n*stride + j*dilation - before, c]: `keras.layers.Conv2D`.

    >>> import numpy as np
    >>> Conv2D(np.ones((3, 3, 4, 8)), strides=2, padding="same").on((2, 15, 15, 4)).codomain.shape
    (2, 8, 8, 8)
    """
    return _conv(2, kernel, strides, padding, data_format, dilation_rate, groups)


def Conv3D(kernel: Any, strides: Ints = 1, padding: str = "valid", data_format: str = "channels_last",
           dilation_rate: Ints = 1, groups: int = 1) -> LinearMap:
    """y[n, o] = sum_{j,c} w[j, c, o] x[n*stride + j*dilation - before, c]: `keras.layers.Conv3D`.

    >>> import numpy as np
    >>> Conv3D(np.ones((3, 3, 3, 4, 8))).on((2, 5, 5, 5, 4)).codomain.shape
    (2, 3, 3, 3, 8)
    """
    return _conv(3, kernel, strides, padding, data_format, dilation_rate, groups)


def Conv1DTranspose(kernel: Any, strides: Ints = 1, padding: str = "valid", output_padding: Ints | None = None,
                    data_format: str = "channels_last", dilation_rate: Ints = 1) -> LinearMap:
    """y[stride*i + dilation*j - before, o] += w[j, o, c] x[i, c]: `keras.layers.Conv1DTranspose`.

    Arguments as `Conv2DTranspose`'s.

    >>> import numpy as np
    >>> Conv1DTranspose(np.ones((2, 5, 4)), strides=3, padding="same", output_padding=2).on((2, 8, 4)).codomain.shape
    (2, 23, 5)
    """
    return _transpose(1, kernel, strides, padding, output_padding, data_format, dilation_rate)


def Conv2DTranspose(kernel: Any, strides: Ints = 1, padding: str = "valid", output_padding: Ints | None = None,
                    data_format: str = "channels_last", dilation_rate: Ints = 1) -> LinearMap:
    """y[stride*i + dilation*j - before, o] += w[j, o, c] x[i, c]: `keras.layers.Conv2DTranspose`.

    Args:
        kernel: (kh, kw, O, I), as `layer.kernel`.
        strides: int or one for each axis.
        padding: "valid" or "same".
        output_padding: None gives i*stride ("same") or (i-1)*stride + max(K, stride) ("valid"); an int less than the
            stride gives (i-1)*stride + K%2 + output_padding or (i-1)*stride + K + output_padding: 0 is not None.
        data_format: "channels_last" or "channels_first".
        dilation_rate: spacing of the taps; not together with strides > 1.

    Shapes: (N, H, W, I) to (N, H', W', O), N being any batch axes.

    Raises:
        ShapeError: what Keras refuses, and an empty result.

    Source: Keras 3.15.

    >>> import numpy as np
    >>> Conv2DTranspose(np.ones((4, 4, 3, 8)), strides=2, padding="same").on((1, 16, 16, 8)).codomain.shape
    (1, 32, 32, 3)
    """
    return _transpose(2, kernel, strides, padding, output_padding, data_format, dilation_rate)


def Conv3DTranspose(kernel: Any, strides: Ints = 1, padding: str = "valid", output_padding: Ints | None = None,
                    data_format: str = "channels_last", dilation_rate: Ints = 1) -> LinearMap:
    """y[stride*i + dilation*j - before, o] += w[j, o, c] x[i, c]: `keras.layers.Conv3DTranspose`.

    Arguments as `Conv2DTranspose`'s.

    >>> import numpy as np
    >>> Conv3DTranspose(np.ones((3, 3, 3, 5, 4)), strides=2).on((2, 4, 4, 4, 4)).codomain.shape
    (2, 9, 9, 9, 5)
    """
    return _transpose(3, kernel, strides, padding, output_padding, data_format, dilation_rate)


def _conv(ndim: int, kernel: Any, strides: Ints, padding: str, data_format: str, dilation_rate: Ints,
          groups: int) -> LinearMap:
    name = f"keras.Conv{ndim}D"
    padding = one_of(_lower(padding), ("valid", "same", "causal")[: 3 if ndim == 1 else 2], name, "padding")
    stride, dilation = _steps(ndim, strides, dilation_rate, name)
    rules = [Rule.of(resolve.keras_conv, operator=name, stride=s, padding=padding, dilation=d)
             for s, d in zip(stride, dilation, strict=True)]
    return layer(name, kernel, CONV["keras"], rules, _read(ndim, data_format, name),
                 groups=integer(groups, name, "groups", 1), argument="kernel")


def _transpose(ndim: int, kernel: Any, strides: Ints, padding: str, output_padding: Ints | None, data_format: str,
               dilation_rate: Ints) -> LinearMap:
    name = f"keras.Conv{ndim}DTranspose"
    padding = one_of(_lower(padding), ("valid", "same"), name, "padding")
    stride, dilation = _steps(ndim, strides, dilation_rate, name)
    extra = (None,) * ndim if output_padding is None else _each(output_padding, ndim, name, "output_padding", 0)
    rules = [Rule.of(resolve.keras_transpose, operator=name, stride=s, padding=padding, dilation=d, output_padding=a)
             for s, d, a in zip(stride, dilation, extra, strict=True)]
    for rule in rules:
        rule.place(64, 64)  # an output_padding that is not below its stride is refused now, not when bound
    return layer(name, kernel, CONV_TRANSPOSE["keras"], rules, _read(ndim, data_format, name), argument="kernel")


def _steps(ndim: int, strides: Ints, dilation_rate: Ints, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    stride = _each(strides, ndim, name, "strides", 1)
    dilation = _each(dilation_rate, ndim, name, "dilation_rate", 1)
    if max(stride) > 1 and max(dilation) > 1:
        raise ShapeError(complaint(name, "`strides > 1` not supported in conjunction with `dilation_rate > 1`",
                                   got=f"strides={stride}, dilation_rate={dilation}", expected="one of them 1",
                                   fix="deconvjax.conv and conv_transpose take both"))
    return stride, dilation


def _each(value: Ints, ndim: int, name: str, argument: str, minimum: int) -> tuple[int, ...]:
    value = value[0] if length(value) == 1 else value  # type: ignore[index]
    return integers(value, ndim, name, argument, minimum)


def _read(ndim: int, data_format: str, name: str) -> tuple[int, ...]:
    first = one_of(data_format, ("channels_last", "channels_first"), name, "data_format") == "channels_first"
    return channels_first(ndim) if first else channels_last(ndim)


def _lower(padding: Any) -> Any:
    return padding.lower() if isinstance(padding, str) else padding
