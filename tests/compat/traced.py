"""What a framework on JAX hands to XLA, read from its traced program: pads, stuffing, dilation, groups, reversal."""

import jax
from jax.extend import core


def convolution(function, *shapes):
    """(pads, lhs_dilation, strides, rhs_dilation, groups, reversed?) of the one convolution in `function`."""
    found, reverses = [], []

    def walk(jaxpr):
        for equation in jaxpr.eqns:
            name = equation.primitive.name
            if name == "conv_general_dilated":
                found.append(equation.params)
            elif name == "rev":
                reverses.append(equation)
            for value in equation.params.values():
                if isinstance(value, core.ClosedJaxpr):
                    walk(value.jaxpr)
                elif isinstance(value, core.Jaxpr):
                    walk(value)

    walk(jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(shape, "float32") for shape in shapes)).jaxpr)
    assert len(found) == 1, f"{len(found)} convolutions"
    p = found[0]
    return (tuple(map(tuple, p["padding"])), tuple(p["lhs_dilation"]), tuple(p["window_strides"]),
            tuple(p["rhs_dilation"]), p["feature_group_count"], bool(reverses))


def of_axes(axes, groups, flip):
    """The same record, from our axes."""
    return (tuple((a.lo, a.hi) for a in axes), tuple(a.up for a in axes), tuple(a.down for a in axes),
            tuple(a.dilation for a in axes), groups, flip)


def same(theirs, axes, groups, flip):
    """Equal up to the sample that no window reads."""
    ours = of_axes([a.normal for a in axes], groups, flip)
    pads = tuple((lo, hi - (a.padded - a.taps) % a.down) for (lo, hi), a in zip(theirs[0], axes, strict=True))
    return (pads, *theirs[1:]) == ours
