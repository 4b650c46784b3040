"""The relations of convolution arithmetic: sizes of convolutions, pooling, and their transposes.

    o = floor((i + 2p - k)/s) + 1      transposed: o' = s(i'-1) + a + k - 2p,  a = (i + 2p - k) mod s

Numbered as in the report; every function takes integers of one axis and returns a size. A transposed relation takes the
size i' that the forward convolution gave, and the forward convolution's k, s, p.

Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016; Theano's tutorial of that name.
"""

from __future__ import annotations

from collections.abc import Callable

from deconvjax.axis import Axis
from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer


def convolution(i: int, k: int, s: int = 1, p: int = 0, d: int = 1) -> int:
    """o = floor((i + 2p - k - (k-1)(d-1))/s) + 1: relations 1 to 6 and 15 in one.

    >>> convolution(5, 3, s=2, p=1), convolution(7, 3, d=2)
    (3, 3)
    """
    i, k, s, p, d = _integers("convolution", i, k, s, p, d)
    return _size("convolution", Axis(i, k, d, down=s, lo=p, hi=p))


def pooling(i: int, k: int, s: int) -> int:
    """o = floor((i - k)/s) + 1: relation 7.

    >>> pooling(5, 3, 1)
    3
    """
    return convolution(i, k, s)


def transposed(i: int, k: int, s: int = 1, p: int = 0, a: int = 0, d: int = 1) -> int:
    """o' = s(i'-1) + a + K - 2p: relations 8 to 14 in one; a is what the forward convolution left over.

    >>> transposed(3, 3, s=2, p=1), transposed(3, 3, s=2, p=1, a=1)
    (5, 6)
    """
    i, k, s, p, d = _integers("transposed", i, k, s, p, d)
    a, taps = integer(a, "arithmetic.transposed", "a"), d * (k - 1) + 1
    if not 0 <= a < s:
        raise ShapeError(complaint("arithmetic.transposed", "a is a remainder of s", got=f"a={a}",
                                   expected=f"0 to {s - 1}", fix="use left_over(i, k, s, p)"))
    return _size("transposed", Axis(i, k, d, up=s, lo=taps - 1 - p, hi=taps - 1 - p + a))


def left_over(i: int, k: int, s: int = 1, p: int = 0, d: int = 1) -> int:
    """a = (i + 2p - K) mod s: the samples of i that its convolution does not read, torch's output_padding.

    >>> left_over(6, 3, s=2, p=1)
    1
    """
    i, k, s, p, d = _integers("left_over", i, k, s, p, d)
    return (i + 2 * p - (d * (k - 1) + 1)) % s


def half(k: int) -> int:
    """p = floor(k/2): same padding of an odd kernel.

    >>> convolution(5, 3, p=half(3))
    5
    """
    return integer(k, "arithmetic.half", "k", 1) // 2


def full(k: int) -> int:
    """p = k - 1: full padding.

    >>> convolution(5, 3, p=full(3))
    7
    """
    return integer(k, "arithmetic.full", "k", 1) - 1


RELATIONS: dict[int, Callable[..., int]] = {
    1: lambda i, k: convolution(i, k),
    2: lambda i, k, p: convolution(i, k, p=p),
    3: lambda i, k: convolution(i, k, p=half(k)),
    4: lambda i, k: convolution(i, k, p=full(k)),
    5: lambda i, k, s: convolution(i, k, s),
    6: lambda i, k, s, p: convolution(i, k, s, p),
    7: pooling,
    8: lambda i, k: transposed(i, k),
    9: lambda i, k, p: transposed(i, k, p=p),
    10: lambda i, k: transposed(i, k, p=half(k)),
    11: lambda i, k: transposed(i, k, p=full(k)),
    12: lambda i, k, s: transposed(i, k, s),
    13: lambda i, k, s, p: transposed(i, k, s, p),
    14: lambda i, k, s, p, a: transposed(i, k, s, p, a),
    15: lambda i, k, s, p, d: convolution(i, k, s, p, d),
}


def _integers(name: str, i: int, k: int, s: int, p: int, d: int) -> tuple[int, int, int, int, int]:
    name = f"arithmetic.{name}"
    return (integer(i, name, "i", 1), integer(k, name, "k", 1), integer(s, name, "s", 1), integer(p, name, "p"),
            integer(d, name, "d", 1))


def _size(name: str, axis: Axis) -> int:
    if axis.out < 1:
        raise ShapeError(complaint(f"arithmetic.{name}", "no such convolution", got=f"i={axis.size}, k={axis.window}",
                                   expected="at least one sample of output",
                                   fix="use a longer input, more padding or a shorter kernel"))
    return axis.out
