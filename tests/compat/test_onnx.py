"""ONNX's own node tests: Conv, ConvTranspose, Resize, MaxUnpool, DepthToSpace, SpaceToDepth, Col2Im, Upsample."""

import collections
import functools
import warnings

import numpy as np
import pytest
from onnx import helper

from deconvjax.compat import onnx
from deconvjax.errors import NotLinearError, ShapeError
from tests.tolerance import assert_close

OPERATORS = {"Conv": 6, "ConvTranspose": 11, "Resize": 39, "MaxUnpool": 2, "DepthToSpace": 2, "SpaceToDepth": 4,
             "Col2Im": 5, "Upsample": 1}


@functools.cache
def cases():
    """The node tests by operator, as ONNX generates them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other operators' test data divide by zero on purpose
        from onnx.backend.test.case.node import collect_testcases
        found = collections.defaultdict(list)
        for case in collect_testcases(None):
            nodes = case.model.graph.node if case.model else ()
            if len(nodes) == 1 and nodes[0].op_type in OPERATORS:
                attributes = {a.name: helper.get_attribute_value(a) for a in nodes[0].attribute}
                inputs, outputs = case.data_sets[0]
                named = {name: value for name, value in zip((n for n in nodes[0].input if n), inputs, strict=True)}
                found[nodes[0].op_type].append((case.name, attributes, named, outputs[0]))
    return found


def build(operator, attributes, inputs):
    """(map, x, what to add) of a node."""
    x, *rest = inputs.values()
    if operator == "Conv":
        return onnx.conv(*rest, **attributes), x, 0
    if operator == "ConvTranspose":
        return onnx.conv_transpose(*rest, **attributes), x, 0
    if operator == "MaxUnpool":
        more = {"output_shape": rest[1]} if len(rest) > 1 else {}
        return onnx.max_unpool(rest[0], **attributes, **more), x, 0
    if operator == "Col2Im":
        return onnx.col2im(*rest, **attributes), x, 0
    if operator == "DepthToSpace":
        return onnx.depth_to_space(**attributes), x, 0
    if operator == "SpaceToDepth":
        return onnx.space_to_depth(**attributes), x, 0
    if operator == "Upsample":
        return onnx.upsample(rest[0], **attributes), x, 0
    named = {name: value for name, value in inputs.items() if name != "X"}
    value = attributes.pop("extrapolation_value", 0.0)
    outside = value * onnx.resize_outside(x.shape, **named, axes=attributes.get("axes")) if value else 0
    return onnx.resize(**named, **attributes), x, outside


@pytest.mark.parametrize("operator", OPERATORS)
def test_node_tests(operator):
    """Every node test of the operator, values and shapes, in float32 as stored."""
    found = cases()[operator]
    assert len(found) >= OPERATORS[operator]
    for name, attributes, inputs, want in found:
        a, x, more = build(operator, dict(attributes), inputs)
        got = np.asarray(a(x)) + more
        assert got.shape == want.shape, name
        assert_close(got, want.astype(got.dtype), units=16, dtype=np.float32)


def test_resize_that_changes_nothing():
    x = np.arange(6.0).reshape(1, 1, 2, 3)
    assert np.array_equal(onnx.resize(scales=[1, 1, 1, 1])(x), x)


def test_upsample_is_nearest_with_asymmetric_coordinates():
    assert np.array_equal(np.asarray(onnx.upsample([1, 1, 2, 3])(np.arange(4).reshape(1, 1, 2, 2)))[0, 0],
                          np.arange(4).reshape(2, 2).repeat(2, 0).repeat(3, 1))


# ---- ONNX Runtime's literal vectors (operator tests of its CPU provider) ----
def test_runtime_output_shape_2():
    """A 1x5 kernel 1, 2, 3, 2, 1 over 0..9, bias 1."""
    x = np.arange(10.0).reshape(1, 1, 1, 10)
    a = onnx.conv_transpose(np.array([1, 2, 3, 2, 1.0]).reshape(1, 1, 1, 5), output_shape=[1, 14])
    assert (np.asarray(a(x)).ravel() + 1).tolist() == [1, 2, 5, 11, 19, 28, 37, 46, 55, 64, 63, 51, 27, 10]


def test_runtime_group():
    """16 inputs of one sample, 4 groups."""
    a = onnx.conv_transpose(np.arange(32.0).reshape(16, 2, 1, 1), group=4)
    got = np.asarray(a(np.arange(16.0).reshape(1, 16, 1, 1))).ravel()
    assert got.tolist() == [28, 34, 252, 274, 732, 770, 1468, 1522]


def test_runtime_strides_and_dilations():
    a = onnx.conv_transpose(np.ones((1, 1, 1, 4)), strides=[1, 2], dilations=[1, 3])
    got = np.asarray(a(np.array([1.0, 2]).reshape(1, 1, 1, 2))).ravel()
    assert got.tolist() == [1, 0, 2, 1, 0, 2, 1, 0, 2, 1, 0, 2]


def test_runtime_asymmetric_pads():
    a = onnx.conv_transpose(np.ones((1, 1, 2)), pads=[1, 0])
    assert np.asarray(a(np.array([[[1, 2, 3, 4.0]]]))).ravel().tolist() == [3, 5, 7, 4]


def test_zeros_are_appended_where_the_natural_result_is_shorter():
    a = onnx.conv_transpose(np.ones((1, 1, 3)), strides=[3], output_shape=[10])
    assert np.asarray(a(np.ones((1, 1, 3)))).ravel().tolist() == [1] * 9 + [0]


def test_the_transpose_of_a_node_is_its_gradient():
    """An asymmetric kernel: the transpose of ConvTranspose is Conv with the same W, pads and strides."""
    w = np.arange(18.0).reshape(2, 1, 3, 3) - 7
    up = onnx.conv_transpose(w, strides=[2, 2], pads=[1, 1, 0, 1]).on((1, 2, 4, 5))
    down = onnx.conv(w, strides=[2, 2], pads=[1, 1, 0, 1]).on(up.codomain.shape)
    y = np.arange(np.prod(up.codomain.shape)).reshape(up.codomain.shape).astype(np.float32)
    assert_close(up.T(y), down(y))


@pytest.mark.parametrize("build, pattern", [
    (lambda: onnx.conv(np.ones((1, 1, 3)), np.ones(1)), r"onnx\.conv: .*bias.*affine"),
    (lambda: onnx.conv(np.ones((1, 1, 3)), auto_pad="SAME"), r"auto_pad"),
    (lambda: onnx.conv(np.ones((1, 1, 3)), pads=[1]), r"pads has the wrong number"),
    (lambda: onnx.conv(np.ones((1, 1, 3)), kernel_shape=[5]), r"kernel_shape does not fit W"),
    (lambda: onnx.conv(np.ones((3, 1, 3)), group=2), r"groups do not divide"),
    (lambda: onnx.conv_transpose(np.ones((1, 1, 3)), output_padding=[1]), r"output_padding must be less"),
    (lambda: onnx.conv_transpose(np.ones((1, 1, 3)), output_shape=[1, 2]), r"output_shape has the wrong number"),
    (lambda: onnx.conv_transpose(np.ones((1, 1, 3)), pads=[3, 3]).on((1, 1, 2)), r"output would be empty"),
    (lambda: onnx.conv_transpose(np.ones((1, 1, 3))).on((1, 2, 4)), r"expected input to have 1 channels"),
    (lambda: onnx.resize(), r"either scales or sizes"),
    (lambda: onnx.resize(scales=[1, 0]), r"scales must be positive"),
    (lambda: onnx.resize(scales=[0.1]).on((4,)), r"would be empty"),
    (lambda: onnx.resize(scales=["a", 1]), r"onnx\.resize: scales must be finite numbers; got 'a', expected"),
    (lambda: onnx.resize(scales=[2], cubic_coeff_a="a"), r"cubic_coeff_a must be finite numbers; got 'a', expected"),
    (lambda: onnx.resize(roi=["a", 1], scales=[2]), r"roi must be finite numbers; got 'a'"),
    (lambda: onnx.resize(scales=[2.0, 2.0], axes=[2, 2]), r"axes are repeated; got axes=\(2, 2\)"),
    (lambda: onnx.resize(scales=[2.0, 2.0], axes=[-1, 3]).on((1, 1, 4, 4)), r"axes are repeated; got axes=\(-1, 3\)"),
    (lambda: onnx.max_unpool(np.array([[[[0]]]]), [2, 2], strides=[2, 2], output_shape=5),
     r"output_shape is too small, or has the wrong rank; got 5, expected \(N, C, and at least \(2, 2\)\)"),
    (lambda: onnx.resize(scales=[2], mode="lanczos"), r"unknown mode"),
    (lambda: onnx.resize(roi=[0, 1, 2], scales=[2]), r"roi has the wrong number"),
    (lambda: onnx.resize(scales=[2], extrapolation_value=1.0), r"affine"),
    (lambda: onnx.max_unpool(np.array([[[[9]]]]), [2, 2]), r"invalid max index"),
    (lambda: onnx.max_unpool(np.array([[[[0.5]]]]), [2, 2]), r"should be integers"),
    (lambda: onnx.col2im([5, 5], [1, 5]).on((1, 6, 5)), r"not divisible by the product"),
    (lambda: onnx.col2im([5, 5], [1, 5]).on((1, 5, 6)), r"number of sliding blocks"),
    (lambda: onnx.depth_to_space(2).on((1, 6, 2, 2)), r"does not split"),
])
def test_what_onnx_refuses(build, pattern):
    with pytest.raises((ShapeError, NotLinearError, TypeError, ValueError), match=pattern):
        build()
