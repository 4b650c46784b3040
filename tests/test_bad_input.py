"""Malformed uses: each is refused by name, with what was got, what was expected, and the fix, and never deeper down."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deconvjax as dj
from deconvjax import NotLinearError, ShapeError, UnboundError

K = np.ones((3, 2, 4))
IMAGE = np.ones((3, 3, 2, 4))
X = np.ones(6)
DOMAIN = jax.ShapeDtypeStruct((4,), np.float32)


def bound(a, *shape):
    return a.on(shape)


# what is done · the error · words of its message, in order
BAD = {
    # factors
    "factor 0": (lambda: dj.upsample(0), ValueError, "upsample: factor must be positive; got 0, expected an int >= 1"),
    "factor -2": (lambda: dj.downsample(-2), ValueError, "downsample: factor .* got -2, .*use factor=1"),
    "factor 2.0": (lambda: dj.upsample(2.0), TypeError,
        "upsample: factor must be an integer; got 2.0, expected an int"),
    "factor True": (lambda: dj.upsample(True), TypeError, "upsample: factor must be an integer; got True"),
    "factor '2'": (lambda: dj.upsample("2"), TypeError, "upsample: factor must be an integer; got '2'"),
    "factor None": (lambda: dj.downsample(None), TypeError, "downsample: factor must be an integer; got None"),
    "no factors": (lambda: dj.upsample(()), ShapeError, "upsample: factor is empty"),
    "a traced factor": (lambda: jax.jit(lambda k: dj.upsample(k)(X))(2), TypeError,
                        "upsample: factor is structure, so it cannot be traced.*static argument"),
    "factors for other axes": (lambda: dj.upsample((2, 3), axes=-1), ShapeError,
                               "upsample: factor and axes do not go together; got 2 entries in factor, 1 in axes=-1"),
    "a negative phase": (lambda: dj.downsample(2, phase=-1), ValueError,
        "downsample: phase must be at least 0; got -1"),
    "a phase per axis too many": (lambda: dj.downsample(2, phase=(0, 1), axes=-1), ShapeError,
                                  "downsample: phase and axes do not go together; got 2 entries in phase"),
    "a phase behind the end": (lambda: bound(dj.downsample(2, phase=6), 4), ShapeError,
                               r"downsample.*axis -1 of float32\[4\] is too short.*got 4 samples"),
    "a fractional shift": (lambda: dj.shift(0.5, axes=-1), TypeError, "shift: offset must be an integer; got 0.5"),
    "shift without axes": (lambda: dj.shift(1), TypeError, "axes"),
    "up 0": (lambda: dj.upfirdn([1, 2], up=0), ValueError, "upfirdn: up must be positive; got 0"),
    "down 1.5": (lambda: dj.upfirdn([1, 2], down=1.5), TypeError, "upfirdn: down must be an integer; got 1.5"),
    "strides 0": (lambda: dj.conv(K, strides=0), ValueError, "conv: strides must be positive; got 0"),
    "three strides for a line": (lambda: dj.conv(K, strides=(1, 2, 3)), ShapeError,
                                 "conv: strides has the wrong number of entries; got .1, 2, 3., expected an int, or 1"),
    "dilation 0": (lambda: dj.conv(K, kernel_dilation=0), ValueError, "conv: kernel_dilation must be positive; got 0"),
    "input dilation -1": (lambda: dj.conv(K, input_dilation=-1), ValueError, "conv: input_dilation must be positive"),
    # axes
    "a positive axis": (lambda: dj.upsample(2, axes=0), ShapeError,
                        "upsample: axes count from the end.*got axes=0.*the last axis is -1"),
    "a repeated axis": (lambda: dj.convolve([[1]], axes=(-1, -1)), ShapeError,
        "convolve: axes are repeated; got axes="),
    "no axes": (lambda: dj.upsample(2, axes=()), ShapeError, "upsample: axes count from the end"),
    "a float axis": (lambda: dj.upsample(2, axes=-1.0), TypeError, "upsample: axes must be an integer; got -1.0"),
    "an axis the array has not": (lambda: dj.upsample(2, axes=-3)(X), ShapeError,
                                  r"upsample.*too few axes; got shape \(6,\), expected at least 3 axes"),
    "taps for more axes than named": (lambda: dj.convolve(np.ones((2, 2)), axes=-1), ShapeError,
                                      "convolve: taps and axes do not go together; got 2 entries in taps"),
    "along a positive axis": (lambda: dj.upsample(2).along(0), ShapeError, "upsample.*axes count from the end"),
    "a bound map along": (lambda: bound(dj.upsample(2), 3).along(-2), ShapeError,
        "a bound map has its axes.*before .on"),
    "an image operator along one axis": (lambda: dj.upsample((2, 2)).along(-2), ShapeError,
                                         "upsample.*too few axes to lay the map along"),
    "channels cannot be laid elsewhere": (lambda: dj.conv(K).along((-3,)), ShapeError, "conv.*cannot be laid along"),
    # windows
    "a width alone": (lambda: dj.pad(2), ShapeError, r"pad: cannot read widths; got 2, expected \(lo, hi\).*\(1, 2\)"),
    "three widths": (lambda: dj.pad((1, 2, 3)), ShapeError, "pad: cannot read widths"),
    "negative widths": (lambda: dj.pad((-1, 2)), ValueError, "pad: widths must be at least 0; got -1"),
    "float widths": (lambda: dj.crop((0.5, 1)), TypeError, "crop: widths must be an integer; got 0.5"),
    "an unknown border": (lambda: dj.pad((1, 1), "mirror"), ValueError,
                          "pad: unknown mode; got 'mirror', expected 'zero', 'reflect'"),
    "a border that is no word": (lambda: dj.pad((1, 1), 3), TypeError, "pad: unknown mode; got 3"),
    "everything cropped": (lambda: dj.crop((3, 3))(X), ShapeError,
        "crop.*axis -1 .* is too short: nothing would come out"),
    "pairs for other axes": (lambda: dj.crop(((1, 1), (0, 0)), axes=-1), ShapeError, "crop: widths and axes do not go"),
    # taps
    "empty taps": (lambda: dj.convolve([]), ShapeError, r"convolve: taps is empty; got shape \(0,\)"),
    "words for taps": (lambda: dj.convolve("abc"), TypeError, "convolve: taps must be numbers; got 'abc'"),
    "no taps": (lambda: dj.correlate(None), TypeError, "correlate: taps must be numbers; got None"),
    "objects for taps": (lambda: dj.convolve([object()]), TypeError, "convolve: taps must be numbers"),
    "truth for taps": (lambda: dj.convolve([True, False]), TypeError, "convolve: taps must be numbers.*astype"),
    "ragged taps": (lambda: dj.convolve([[1, 2], [3]]), ShapeError, "convolve: taps is ragged"),
    "one number for taps": (lambda: dj.convolve(3.0), ShapeError, "convolve: taps must have an axis.*c \\* A"),
    "NaN among the taps": (lambda: dj.convolve([1.0, np.nan]), ValueError, "convolve: taps is not finite; got .*nan"),
    "infinite taps": (lambda: dj.upfirdn([np.inf]), ValueError, "upfirdn: taps is not finite"),
    "NaN in a kernel": (lambda: dj.conv(K * np.nan), ValueError, "conv: kernel is not finite"),
    "NaN on a diagonal": (lambda: dj.diagonal([np.nan]), ValueError, "diagonal: values is not finite"),
    "taps longer than the signal": (lambda: dj.convolve(np.ones(7), "valid")(X), ShapeError,
                                    r"convolve\(7 taps\).*too short.*got 6 samples.*expected at least 7.*pad by 1"),
    "taps longer than the padded signal": (lambda: dj.convolve(np.ones(9), (1, 1))(X), ShapeError,
        "expected at least 9"),
    "too many crops": (lambda: dj.convolve(np.ones(2), (-3, -3))(X), ShapeError, "nothing would come out"),
    # paddings
    "an unknown padding": (lambda: dj.convolve([1], "middle"), ValueError,
                           r"convolve: unknown padding; got 'middle', expected 'same', .* or one \(lo, hi\)"),
    "one pair for a plane": (lambda: dj.convolve(np.ones((2, 2)), (1, 1)), ShapeError,
                             r"convolve: cannot read padding; got \(1, 1\), expected 2 pairs"),
    "a float pad": (lambda: dj.convolve([1, 2], (0.5, 1)), TypeError, "convolve: padding must be an integer; got 0.5"),
    "upfirdn same": (lambda: dj.upfirdn([1], padding="same"), ValueError, "upfirdn: unknown padding; got 'same'"),
    "small letters": (lambda: dj.conv(K, padding="same"), ValueError,
        "conv: unknown padding; got 'same', expected 'SAME'"),
    "causal": (lambda: dj.conv_transpose(K, padding="CAUSAL"), ValueError, "conv_transpose: unknown padding"),
    "a float padding": (lambda: dj.conv(K, padding=1.5), TypeError, "conv: padding must be an integer; got 1.5"),
    "pairs for a plane on a line": (lambda: dj.conv(K, padding=((1, 1), (1, 1))), ShapeError,
        "conv: cannot read padding"),
    # channels
    "a kernel without channels": (lambda: dj.conv(np.ones((3, 3))), ShapeError,
                                  r"conv: the kernel has too few axes; got shape \(3, 3\), expected \(\*window, in"),
    "an empty kernel": (lambda: dj.conv(np.ones((0, 2, 4))), ShapeError, "conv: kernel is empty"),
    "channels that differ": (lambda: dj.conv(K)(np.ones((6, 3))), ShapeError,
                             r"conv\(3, 2->4\): the channels do not fit the kernel; got 3 in shape \(6, 3\), exp.* 2"),
    "channels of the other side": (lambda: dj.conv_transpose(K)(np.ones((6, 2))), ShapeError,
                                   "conv_transpose.*channels do not fit.*got 2 .*expected 4 channels"),
    "groups that do not divide": (lambda: dj.conv(K, groups=3), ShapeError,
                                  "conv: groups must divide the output channels of the kernel; got groups=3"),
    "groups 0": (lambda: dj.conv(K, groups=0), ValueError, "conv: groups must be positive; got 0"),
    "groups 2.0": (lambda: dj.conv(K, groups=2.0), TypeError, "conv: groups must be an integer; got 2.0"),
    "an image without its channels": (lambda: dj.conv(IMAGE)(np.ones((5, 2))), ShapeError,
                                      r"conv.*the input has too few axes; got shape \(5, 2\), expected at least 3"),
    "a window wider than an image": (lambda: dj.conv(IMAGE, padding="VALID")(np.ones((5, 2, 2))), ShapeError,
                                     "axis -2 of .* is too short.*got 2 samples"),
    # conv_transpose
    "output_padding of a stride": (lambda: dj.conv_transpose(K, strides=2, padding="VALID", output_padding=2),
                                   ValueError, "conv_transpose: .*got output_padding=2, expected 0 <= output_.* < 2"),
    "output_padding around a circle": (lambda: dj.conv_transpose(K, strides=2, padding="CIRCULAR", output_padding=1),
                                       ValueError, "padding CIRCULAR.*got output_padding=1, expected 0 <= .* < 1"),
    "negative output_padding": (lambda: dj.conv_transpose(K, output_padding=-1), ValueError,
                                "conv_transpose: output_padding must be at least 0; got -1"),
    "two output sizes": (lambda: dj.conv_transpose(K, strides=2, output_padding=1, output_shape=9), ValueError,
                         "conv_transpose: output_shape and output_padding both fix the output size"),
    "an output_shape per axis too many": (lambda: dj.conv_transpose(K, output_shape=(4, 4)), ShapeError,
                                          "conv_transpose: output_shape has the wrong number of entries"),
    "an output_shape too small": (lambda: dj.conv_transpose(K, padding="VALID", output_shape=2), ShapeError,
                                  "conv_transpose: output_shape is too short.*got 2 samples.*expected at least 3"),
    "an output_shape of another size": (lambda: dj.conv_transpose(K, strides=2, output_shape=8)(np.ones((5, 4))),
                                        ShapeError, "wrong size for the output_shape asked for; got 5 samples.* 4"),
    "a crop beyond all": (lambda: dj.conv_transpose(IMAGE, strides=2, padding=16)(np.ones((5, 5, 4))), ShapeError,
                          r"conv_transpose.*nothing would come out.*Fix: lower the padding, lo \+ hi, by 22"),
    "no size to pool": (lambda: dj.max_pool_switches(None, 2, 2), TypeError, "max_pool_switches: there is no array"),
    "NaN for a factor": (lambda: dj.resize(float("nan"), axes=-1), TypeError,
                         r"resize: factor must be exact.*factor=Fraction\(3, 2\), or Fraction\(size_out, size_in\)"),
    "next to no factor": (lambda: dj.resize(1e-9, axes=-1), TypeError, r"factor=Fraction\(3, 2\)"),
    # diagonal, tuples, algebra
    "a diagonal that does not fit": (lambda: dj.diagonal([1, 2, 3])(X), ShapeError,
                                     r"diagonal\(3\): values do not lie over.*got values of shape \(3,\)"),
    "a diagonal that would broadcast x": (lambda: dj.diagonal(np.ones((2, 6)))(X), ShapeError, r"diagonal\(2x6\)"),
    "an empty stack": (lambda: dj.stack([]), TypeError, "stack: maps must be a non-empty list"),
    "functions in a row": (lambda: dj.row([np.sin]), TypeError, "row: maps must be .*got ufunc.*linear_map"),
    "one map, not a list": (lambda: dj.block_diagonal(dj.upsample(2)), TypeError, "block_diagonal: maps must be"),
    "nothing in a stack": (lambda: dj.stack(None), TypeError, "stack: maps must be a non-empty list.*got NoneType"),
    "a number in a row": (lambda: dj.row(3), TypeError, "row: maps must be a non-empty list.*got int"),
    "nothing on a diagonal": (lambda: dj.block_diagonal(None), TypeError, "block_diagonal: maps must be.*NoneType"),
    "a list for a row": (lambda: dj.row([dj.upsample(2), dj.identity]).on([(2,), (4,)]), ShapeError,
                         r"row: .*a plain tuple; got a list, \[float32\[2\], float32\[4\]\].*pass tuple\(x\)"),
    "a namedtuple for blocks": (lambda: dj.block_diagonal([dj.identity] * 4)(dj.filters.wavelet("db2")), ShapeError,
                                "block_diagonal: .*a plain tuple; got a WaveletBank, "),
    "a row of two on three arrays": (lambda: dj.row([dj.identity] * 2)((X, X, X)), ShapeError,
        "row: wrong number of inputs"),
    "a row landing apart": (lambda: dj.row([dj.identity, dj.upsample(2)])((X, X)), ShapeError,
                            "the terms of a row land in different shapes"),
    "a sum landing apart": (lambda: (dj.identity + dj.upsample(2)).on((4,)), ShapeError,
                            r"the terms of a sum land in different shapes; got float32\[4\], float32\[8\]"),
    "a composition that clashes": (lambda: (dj.crop((2, 2)) @ dj.downsample(2) @ dj.convolve([1, 2, 3])).on((4,)),
                                   ShapeError,
                                   r"crop.*\n  crop\(\(2, 2\)\) @ downsample\(2\) @ convolve\(3 taps\)\n  \^+ was"),
    "bound maps that do not meet": (lambda: bound(dj.upsample(2), 4) @ bound(dj.upsample(2), 4), ShapeError,
                                    r"does not lie in the domain.*got float32\[8\], expected float32\[4\]"),
    "a map plus a number": (lambda: dj.identity + 1, TypeError,
                            r"identity \+ ...: .*got 1, expected a LinearMap.*c \* identity"),
    "a map times an array": (lambda: dj.identity * np.ones(3), TypeError,
                               r"identity \* ...: .*got ndarray of shape \(3,\), expected a scalar.*diagonal"),
    "an array times a map": (lambda: np.ones(3) * dj.identity, TypeError, r"got ndarray of shape \(3,\)"),
    "an array before a map": (lambda: X @ dj.upsample(2), TypeError,
                              r"\.\.\. @ upsample\(2\): .*got ndarray of shape \(6,\), .*A\.T\(x\) for x @ A"),
    "a JAX array before a map": (lambda: jnp.ones(3) @ dj.identity, TypeError,
                                  r"\.\.\. @ identity: .*A\.T\(x\) for x @ A"),
    "an array minus a map": (lambda: np.ones(3) - dj.identity, TypeError, "expected a LinearMap"),
    "a map times a map": (lambda: dj.identity * dj.identity, TypeError, "expected a scalar.*write A @ B for a product"),
    "atomic of a function": (lambda: dj.atomic(np.sin), TypeError, "atomic: it fences a map; got ufunc"),
    # binding and application
    "T unbound": (lambda: dj.upsample(2).T, UnboundError,
        r"upsample\(2\).T: the map has no shape yet.*Fix: A.on\(shape\).T"),
    "H unbound": (lambda: dj.convolve([1]).H, UnboundError, "the map has no shape yet"),
    "matrix unbound": (lambda: dj.upsample(2).matrix(), UnboundError,
        r"upsample\(2\).matrix\(\): the map has no shape yet"),
    "sparse unbound": (lambda: dj.upsample(2).sparse(), UnboundError, "the map has no shape yet"),
    "explain unbound": (lambda: dj.upsample(2).explain(), UnboundError, "the map has no shape yet"),
    "domain unbound": (lambda: dj.upsample(2).domain, UnboundError, "the map has no shape yet"),
    "codomain unbound": (lambda: (dj.upsample(2) @ dj.identity).codomain, UnboundError, "the map has no shape yet"),
    "bound elsewhere": (lambda: bound(dj.upsample(2), 4)(X), ShapeError,
        r"does not lie in the domain.*got float64\[6\]"),
    "an empty axis": (lambda: dj.upsample(2)(np.ones(0)), ShapeError,
        "an axis of length 0 holds nothing.*drop the empty"),
    "an empty batch": (lambda: bound(dj.upsample(2), 4)(np.ones((0, 4))), ShapeError, "an axis of length 0"),
    "an empty domain": (lambda: dj.upsample(2).on((3, 0)), ShapeError, r"an axis of length 0.*got float32\[3,0\]"),
    "a negative size": (lambda: dj.upsample(2).on((-3,)), ShapeError, r"a shape holds sizes; got \(-3,\)"),
    "a size, not a shape": (lambda: dj.upsample(2).on(4), TypeError, r"a domain is a shape.*got 4.*write \(4,\)"),
    "a domain of words": (lambda: dj.upsample(2).on("4"), TypeError, "cannot read a shape and dtype; got str"),
    "a list of numbers": (lambda: dj.upsample(2)([1, 2, 3]), TypeError, "a map acts on arrays; got int.*jnp.asarray"),
    "a number": (lambda: dj.upsample(2)(3.0), TypeError, "a map acts on arrays; got float"),
    "a scalar array": (lambda: dj.upsample(2)(np.float32(3)), ShapeError, "the input has too few axes"),
    "an array of words": (lambda: dj.upsample(2)(np.array(["a"])), TypeError, "a map acts on numbers; got dtype"),
    "a tuple for one array": (lambda: dj.upsample(2)((X, X)), ShapeError, "one array is needed"),
    "integers with a real transpose": (lambda: dj.convolve([0.5]).on(jax.ShapeDtypeStruct((4,), np.int32)).T, TypeError,
                                       "the transpose would have to give integers"),
    # functions
    "an affine function": (lambda: dj.linear_map(lambda x: x + 1, DOMAIN), NotLinearError, "linear_map: .*affine"),
    "a constant function": (lambda: dj.linear_map(lambda x: jnp.ones(3), DOMAIN), NotLinearError,
        "linear_map: .*constant"),
    "a square": (lambda: dj.linear_map(lambda x: x * x, DOMAIN), NotLinearError, "linear_map: "),
    "relu": (lambda: dj.linear_map(jax.nn.relu, DOMAIN), NotLinearError, "linear_map: "),
    "abs": (lambda: dj.linear_map(jnp.abs, DOMAIN), NotLinearError, "linear_map: "),
    "sort": (lambda: dj.linear_map(jnp.sort, DOMAIN), NotLinearError, "linear_map: "),
    "max": (lambda: dj.linear_map(jnp.max, DOMAIN), NotLinearError, "linear_map: "),
}


@pytest.mark.parametrize("use", BAD)
def test_bad_input_is_refused_with_a_reason(use):
    act, error, words = BAD[use]
    with pytest.raises(error) as caught:
        act()
    message = str(caught.value)
    assert re.search(words, message, re.DOTALL), message
    if use != "shift without axes":  # Python's own words
        assert "got " in message and "expected " in message and "Fix: " in message, message
    assert not re.search(r"XLA|xla|aval|Tracer<|lhs_dilation|conv_general|jaxpr", message), message


INSIDE_JIT = ["taps longer than the signal", "channels that differ", "an axis the array has not", "everything cropped",
              "a diagonal that does not fit", "bound elsewhere", "an image without its channels"]


@pytest.mark.parametrize("use", INSIDE_JIT)
def test_the_same_inside_jit(use):
    act, error, words = BAD[use]
    with pytest.raises(error, match="(?s)" + words):
        jax.jit(act)()


class Tensor:
    """As torch's: copied by NumPy only, and not while a gradient is asked for."""

    def __init__(self, requires_grad, device="cpu"):
        self.requires_grad, self.device = requires_grad, device

    def detach(self):
        return Tensor(False, self.device)

    def __array__(self, dtype=None):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.device != "cpu":
            raise TypeError("can't convert cuda:0 device type tensor to numpy.")
        return np.array([1.0, 2.0], np.float32)


def test_tensors_are_taps():
    for tensor in (Tensor(False), Tensor(True)):
        assert dj.convolve(tensor) == dj.convolve(np.array([1, 2], np.float32))
    for tensor in (Tensor(False, "cuda:0"), [Tensor(True)]):
        with pytest.raises(TypeError, match="convolve: taps must be numbers; got .*Fix: convert taps first"):
            dj.convolve(tensor)
    given = np.ones(3)
    a = dj.convolve(given)
    given[0] = 7  # the map has its own copy
    assert a == dj.convolve(np.ones(3))


def test_there_are_many():
    assert len(BAD) >= 60
