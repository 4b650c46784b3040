"""nn.Conv and nn.ConvTranspose do what flax.nnx's do: arguments, parameters, checkpoints, numbers, gradients."""

import inspect
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from deconvjax import nn
from deconvjax.axis import Axis
from deconvjax.errors import ShapeError
from tests.tolerance import assert_close

PAIRS = [(nn.Conv, nnx.Conv), (nn.ConvTranspose, nnx.ConvTranspose)]
F64 = {"param_dtype": jnp.float64}


def data(*shape, dtype=np.float64):
    return jnp.asarray(np.random.default_rng(sum(shape)).standard_normal(shape), dtype)


def drawn(kind, count, seed):
    """Configurations (kernel_size, options, space) that Flax accepts and that leave something."""
    choose = random.Random(seed)
    made = []
    while len(made) < count:
        ndim = choose.choice([1, 1, 2, 3]) if kind is nn.Conv else choose.choice([1, 1, 2, 2, 3])
        size = tuple(choose.randint(1, 5 if ndim < 3 else 3) for _ in range(ndim))
        space = tuple(choose.randint(3, 7 if ndim < 3 else 4) for _ in range(ndim))
        each = choose.choice([lambda f, _: f(), lambda f, n: tuple(f() for _ in range(n))])
        options = {"strides": each(lambda: choose.randint(1, 4), ndim),
                   "kernel_dilation": each(lambda: choose.randint(1, 3), ndim), "use_bias": choose.random() < 0.5}
        names = ["SAME", "VALID", "CIRCULAR"]
        if kind is nn.Conv:
            names += ["REFLECT", "SAME_LOWER"] + ["CAUSAL"] * (ndim == 1)
            options["feature_group_count"] = choose.choice([1, 2])
        else:
            options["transpose_kernel"] = choose.random() < 0.5
        explicit = [choose.randint(0, 4), [choose.randint(0, 4) for _ in size],
                    [(choose.randint(-1, 5), choose.randint(-1, 5)) for _ in size]]
        options["padding"] = choose.choice([*names, *explicit])
        if kind is nn.Conv and not isinstance(options["padding"], str):
            options["input_dilation"] = each(lambda: choose.randint(1, 3), ndim)
        if options.get("transpose_kernel") and options["padding"] == "CIRCULAR":
            continue  # the documented difference, below
        made.append((size, options, space))
    return made


def numbers(key, shape, dtype):
    """An initialiser that compiles nothing: JAX's would be compiled anew for each shape."""
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape), dtype)


RNGS = nnx.Rngs(0)


def both(kind, flax_kind, size, options):
    """Our layer and Flax's on the same numbers."""
    return tuple(k(4, 6, size, **options, **F64, kernel_init=numbers, bias_init=numbers, rngs=RNGS)
                 for k in (kind, flax_kind))


def compare(kind, flax_kind, cases):
    pairs, inputs = [], []
    for size, options, space in cases:
        ours, theirs = both(kind, flax_kind, size, options)
        x = data(2, *space, 4)
        shape = nnx.eval_shape(theirs, x).shape
        if 0 in shape:  # Flax returns nothing without a word; we say so
            with pytest.raises(ShapeError, match="nothing would come out"):
                nnx.eval_shape(ours, x)
            continue
        pairs.append((ours, theirs))
        inputs.append(x)

    @nnx.jit
    def run(pairs, inputs):  # one program for all cases: compiling is what costs time here
        return [tuple(layer(x) for layer in pair) for pair, x in zip(pairs, inputs, strict=True)]

    for got, want in run(pairs, inputs):
        assert_close(got, want, units=64)
    return len(pairs)


@pytest.mark.parametrize(("kind", "flax_kind"), PAIRS)
def test_same_numbers_for_every_padding(kind, flax_kind):
    assert compare(kind, flax_kind, drawn(kind, 14, seed=1)) > 9


def stage_of(layer, x):
    """(axes, flipped, groups) of the one stage that our layer is."""
    stage = nn.as_map(layer, x)
    return list(stage.geometry), stage.flip, stage.groups


def conv_of(layer, x, size):
    """The same of the one convolution in Flax's program, read from the parameters that XLA is given."""
    eqns = jax.make_jaxpr(layer)(x).eqns
    (eqn,) = [e for e in eqns if e.primitive.name == "conv_general_dilated"]
    p = eqn.params
    columns = zip(x.shape[1:-1], size, p["rhs_dilation"], p["lhs_dilation"], p["window_strides"], strict=True)
    axes = [Axis(*column, *pads).normal for column, pads in zip(columns, p["padding"], strict=True)]
    return axes, any(e.primitive.name == "rev" for e in eqns), p["feature_group_count"]


@pytest.mark.parametrize(("kind", "flax_kind"), PAIRS)
def test_the_same_geometry_as_the_program_of_flax(kind, flax_kind):
    """Hundreds of configurations without compiling one: what our layer and Flax's primitive compute."""
    checked = 0
    for size, options, space in drawn(kind, 300, seed=5):
        if options["padding"] in ("CIRCULAR", "REFLECT", "CAUSAL"):
            continue  # not one convolution in Flax; compared by their numbers
        ours, theirs = both(kind, flax_kind, size, options)
        x = jax.ShapeDtypeStruct((2, *space, 4), np.float64)
        if 0 in jax.eval_shape(theirs, x).shape:
            with pytest.raises(ShapeError, match="nothing would come out"):
                jax.eval_shape(ours, x)
            continue
        assert stage_of(ours, x) == conv_of(theirs, x, size), (size, options, space)
        checked += 1
    assert checked > 120


@pytest.mark.parametrize(("kind", "flax_kind"), PAIRS)
def test_borders_that_flax_builds_from_several_operations(kind, flax_kind):
    names = ["CIRCULAR", "REFLECT", "CAUSAL"] if kind is nn.Conv else ["CIRCULAR"]
    grid = [(k, s, d, n) for k, s, d, n in [(1, 2, 1, 4), (2, 1, 2, 5), (4, 1, 1, 3), (5, 3, 1, 4), (4, 4, 2, 3)]]
    options = {"transpose_kernel": False} if kind is nn.ConvTranspose else {}
    compare(kind, flax_kind, [((k,), {"strides": s, "kernel_dilation": d, "padding": name, **options}, (n,))
                              for name in names for k, s, d, n in grid])


@pytest.mark.parametrize(("kind", "flax_kind"), PAIRS)
def test_the_spellings_that_flax_accepts(kind, flax_kind):
    """'same' is not 'SAME' in Flax's transposed convolution: there it pads as a convolution does, at stride 1 only."""
    cases = [((k,), {"padding": name, "kernel_dilation": d}, (6,))
             for name in ("same", "Same_lower", "valid") for k, d in ((4, 1), (2, 3))]
    cases = [(*case[:1], {**case[1], **more}, case[2]) for case in cases for more in (
        [{"strides": 2}] if kind is nn.Conv else [{"transpose_kernel": False}, {"transpose_kernel": True}])]
    assert compare(kind, flax_kind, cases) == len(cases)
    for name in ("circular", "reflect", "causal"):  # refused by both, not reinterpreted
        for layer in (kind, flax_kind):
            with pytest.raises((ValueError, RuntimeError), match="(?i)padding"):
                nnx.eval_shape(layer(4, 6, (3,), padding=name, kernel_init=numbers, rngs=RNGS), data(2, 6, 4))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 27))
@pytest.mark.parametrize(("kind", "flax_kind"), PAIRS)
def test_same_numbers_over_thousands(kind, flax_kind, seed):
    compare(kind, flax_kind, drawn(kind, 100, seed))


@pytest.mark.parametrize(("kind", "flax_kind"), PAIRS)
def test_every_argument_of_flax_with_its_default(kind, flax_kind):
    ours, theirs = (inspect.signature(k.__init__).parameters for k in (kind, flax_kind))
    assert list(ours)[: len(theirs)] == list(theirs)  # in the same order, ours after them
    for name, parameter in theirs.items():
        assert ours[name].kind == parameter.kind
        if "_init" in name:  # initialisers are closures: equal where they draw the same
            draws = [p.default(jax.random.key(0), (3, 2, 4), jnp.float32) for p in (ours[name], parameter)]
            assert (draws[0] == draws[1]).all()
        else:
            assert ours[name].default == parameter.default
    assert issubclass(kind, flax_kind)


@pytest.mark.parametrize(("kind", "flax_kind"), PAIRS)
@pytest.mark.parametrize("transpose_kernel", [False, True])
def test_parameters_metadata_and_checkpoints(kind, flax_kind, transpose_kernel):
    options = {"strides": 2, "padding": "SAME", "param_dtype": jnp.bfloat16,
               "kernel_metadata": {"out_sharding": (None, None, "model")}, "bias_metadata": {"note": "b"}}
    if kind is nn.ConvTranspose:
        options["transpose_kernel"] = transpose_kernel
    with jax.set_mesh(jax.make_mesh((2,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))):
        ours, theirs = (k(4, 6, (3,), **options, rngs=nnx.Rngs(params=7)) for k in (kind, flax_kind))
        fresh = [k(4, 6, (3,), **options, rngs=nnx.Rngs(params=8)) for k in (kind, flax_kind)]
    mine, yours = (nnx.to_flat_state(nnx.state(layer)) for layer in (ours, theirs))
    assert dict(mine).keys() == dict(yours).keys() == {("kernel",), ("bias",)}
    for path, variable in yours:
        own = dict(mine)[path]
        assert type(own) is type(variable) and own.get_metadata() == variable.get_metadata()
        assert own[...].dtype == variable[...].dtype and (own[...] == variable[...]).all()
    x = data(2, 8, 4, dtype=np.float32)
    for source, loaded in ((ours, fresh[1]), (theirs, fresh[0])):
        nnx.update(loaded, nnx.state(source))
        assert_close(loaded(x), source(x))


@pytest.mark.parametrize(("kind", "flax_kind"), PAIRS)
def test_same_gradients(kind, flax_kind):
    def loss(layer, x):
        return (layer(x) ** 3).sum()

    for size, options, space in drawn(kind, 60, seed=11)[:4]:
        ours, theirs = both(kind, flax_kind, size, options)
        x = data(2, *space, 4)
        if 0 in nnx.eval_shape(theirs, x).shape:
            continue
        (got, got_x), (want, want_x) = (nnx.jit(nnx.grad(loss, argnums=(0, 1)))(k, x) for k in (ours, theirs))
        assert_close(got_x, want_x, units=512)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            assert_close(a, b, units=512)


@pytest.mark.parametrize(("kind", "flax_kind"), PAIRS)
@pytest.mark.parametrize(
    ("options", "x_dtype"),
    [
        ({}, jnp.bfloat16),  # promoted to the parameters' float32
        ({"dtype": jnp.bfloat16}, jnp.float32),
        ({"dtype": jnp.bfloat16, "preferred_element_type": jnp.float32}, jnp.float32),
        ({"param_dtype": jnp.bfloat16}, jnp.bfloat16),
        ({"param_dtype": jnp.complex64}, jnp.float32),
        ({"promote_dtype": lambda args, dtype: tuple(None if a is None else a.astype(jnp.float16) for a in args)},
         jnp.float32),
        ({"mask": np.tril(np.ones((3, 4, 4)))}, jnp.float32),
        ({"mask": np.ones((3, 4, 4), bool), "use_bias": False}, jnp.int32),
        ({"precision": "highest"}, jnp.float32),
        ({"precision": lax.Precision.HIGH}, jnp.float32),
    ],
)
def test_dtypes_masks_and_precision(kind, flax_kind, options, x_dtype):
    x = (8 * data(2, 6, 4)).astype(x_dtype)
    layers = [k(4, 4, 3, **options, kernel_init=numbers, bias_init=numbers, rngs=RNGS) for k in (kind, flax_kind)]
    got, want = nnx.jit(lambda layers, x: [layer(x) for layer in layers])(layers, x)
    assert got.dtype == want.dtype
    assert_close(got, want, units=32)
    assert layers[0].kernel[...].dtype == layers[1].kernel[...].dtype


@pytest.mark.parametrize(("kind", "flax_kind"), PAIRS)
def test_any_batch_axes_and_none(kind, flax_kind):
    ours, theirs = both(kind, flax_kind, (3, 2), {"strides": 2})
    for batch in [(), (1,), (2, 3)]:
        x = data(*batch, 5, 6, 4)
        assert_close(ours(x), theirs(x), units=32)
    x = np.asarray(data(3, 5, 6, 4))
    assert_close(jax.vmap(ours)(x), ours(x), units=32)


def test_flax_runs_where_only_flax_can():
    seen = []

    def custom(*args, **options):
        seen.append(options)
        return lax.conv_general_dilated(*args, **options)

    layer = nn.Conv(4, 6, (3,), conv_general_dilated=custom, rngs=nnx.Rngs(0))
    want = nnx.Conv(4, 6, (3,), rngs=nnx.Rngs(0))(data(2, 8, 4))
    assert_close(layer(data(2, 8, 4)), want)
    assert len(seen) == 1


def test_explicit_sharding_goes_through():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        x = jax.device_put(data(4, 8, 4), jax.sharding.NamedSharding(mesh, jax.P("data")))
        ours, theirs = both(nn.Conv, nnx.Conv, (3,), {})
        assert jax.typeof(ours(x)) == jax.typeof(theirs(x)) == jax.typeof(jax.jit(ours)(x))
        up, flax_up = both(nn.ConvTranspose, nnx.ConvTranspose, (4,), {"strides": 2})
        assert jax.typeof(up(x)) == jax.typeof(flax_up(x)) == jax.typeof(jax.jit(up)(x))
        assert_close(ours(x, jax.P("data")), theirs(x, jax.P("data")))


def test_linen_users_need_one_line(key):
    layer = nnx.bridge.to_linen(nn.ConvTranspose, 4, 6, (4, 4), strides=2)
    x = data(1, 5, 5, 4)
    variables = layer.init(key, x)
    assert variables["params"]["kernel"].shape == (4, 4, 4, 6)
    theirs = nnx.bridge.to_linen(nnx.ConvTranspose, 4, 6, (4, 4), strides=2)
    assert_close(layer.apply(variables, x), theirs.apply(variables, x), units=32)
