"""F, T and W as three JAX primitives: the three partial transposes of one trilinear form <y, F(x, k)>.

Each one's derivative and transpose is another of the three with the same spec, so the family is closed to any order.
The strategy is chosen when the primitive is bound or lowered, never by the caller's arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AxisType, NamedSharding, PartitionSpec, auto_axes, reshard

from deconvjax.engine import lower, onednn, triton
from deconvjax.engine.choice import override
from deconvjax.engine.spec import Shape, Spec, stage_shape, taps_shape, transpose_shape
from deconvjax.errors import complaint

stage_p = Primitive("deconvjax_stage")
transpose_p = Primitive("deconvjax_transpose")
taps_gradient_p = Primitive("deconvjax_taps_gradient")


def stage(x: Array, taps: Array, spec: Spec) -> Array:
    """y[n] = sum_j k[j] z[n*down + j*dilation - lo], z = zero-stuffed x: the stage F.

    x `(B, *size, Cin)`, taps `(*window, Cin//groups, Cout)` or `(*window,)` where `spec.groups` is None; gives
    `(B, *out, Cout)` in the operands' common dtype. Shapes that do not fit raise `ShapeError`, mixed or boolean
    dtypes `TypeError`.

    >>> from deconvjax.axis import Axis
    >>> x, k = jnp.arange(4.0).reshape(1, 4, 1), jnp.ones(2)
    >>> stage(x, k, Spec((Axis(size=4, window=2, down=2),), groups=None)).ravel().tolist()
    [1.0, 5.0]
    """
    return _bind(stage_p, x, taps, spec)


def transpose(y: Array, taps: Array, spec: Spec) -> Array:
    """x[m] = sum over n, j with n*down + j*dilation - lo = m*up of k[j] y[n]: T, the transpose of F in x.

    y `(B, *out, Cout)`, taps as in `stage`; gives `(B, *size, Cin)`. No conjugation.

    >>> from deconvjax.axis import Axis
    >>> y, k = jnp.arange(2.0).reshape(1, 2, 1), jnp.array([1.0, 10.0])
    >>> transpose(y, k, Spec((Axis(size=4, window=2, down=2),), groups=None)).ravel().tolist()
    [0.0, 0.0, 1.0, 10.0]
    """
    return _bind(transpose_p, y, taps, spec)


def taps_gradient(x: Array, y: Array, spec: Spec) -> Array:
    """k[j] = sum_n y[n] z[n*down + j*dilation - lo]: W, the transpose of F in the taps.

    x `(B, *size, Cin)`, y `(B, *out, Cout)`; gives the shape of the taps.

    >>> from deconvjax.axis import Axis
    >>> x, y = jnp.arange(4.0).reshape(1, 4, 1), jnp.ones((1, 2, 1))
    >>> taps_gradient(x, y, Spec((Axis(size=4, window=2, down=2),), groups=None)).tolist()
    [2.0, 4.0]
    """
    return _bind(taps_gradient_p, x, y, spec)


def _bind(prim: Primitive, a: Array, b: Array, spec: Spec) -> Array:
    a, b = jnp.asarray(a), jnp.asarray(b)
    axes = _varying(a) | _varying(b)
    if axes:  # inside shard_map: both operands must vary over the same mesh axes, which makes a psum when transposed
        a, b = (lax.pcast(x, tuple(axes - _varying(x)), to="varying") if axes - _varying(x) else x for x in (a, b))
    return prim.bind(a, b, spec=spec.normal, strategy=override())


def _varying(x: Any) -> frozenset:
    """Mesh axes over which x differs from device to device (shard_map); empty elsewhere."""
    kind = jax.typeof(x)
    manual = getattr(kind, "manual_axis_type", None)
    return frozenset(getattr(kind, "vma", ()) if manual is None else manual.varying)


def _result(shape: Shape, a: Any, batched: bool) -> Any:
    """The abstract result: varies over the mesh axes of its operands, and keeps a sharded batch sharded."""
    spec = a.sharding.spec[0] if batched and len(a.sharding.spec) else None
    sharding = NamedSharding(
        a.sharding.mesh, PartitionSpec(spec, *[None] * (len(shape) - 1)) if shape else PartitionSpec()
    )
    return a.update(shape=shape, weak_type=False, sharding=sharding)


@partial(jax.jit, static_argnames=("prim", "spec", "strategy"))
def _compiled(a: Array, b: Array, *, prim: Primitive, spec: Spec, strategy: str | None) -> Array:
    return prim.bind(a, b, spec=spec, strategy=strategy)


def _evaluate(a: Array, b: Array, **static: Any) -> Array:
    """Outside of any program: compiled, as JAX's own primitives are, under `jax.disable_jit` too."""
    if not getattr(jax.config, "jax_disable_jit", False):
        return _compiled(a, b, **static)
    with jax.disable_jit(False):
        return _compiled(a, b, **static)


def _register(prim: Primitive, shape: Callable[..., Shape], left: Callable, right: Callable, rule: Callable) -> None:
    def aval(a: Any, b: Any, *, spec: Spec, strategy: str | None) -> Any:
        del strategy
        if a.dtype != b.dtype or a.dtype == jnp.bool_:
            raise TypeError(
                complaint(
                    prim.name.removeprefix("deconvjax_"),
                    "operands need one numeric dtype",
                    got=f"{a.dtype} and {b.dtype}",
                    expected="the same float, complex or integer dtype",
                    fix="cast one operand with .astype",
                )
            )
        return _result(shape(spec, a.shape, b.shape), a, prim is not taps_gradient_p)

    def batch(args: Any, dims: Any, *, spec: Spec, strategy: str | None) -> Any:
        a, b = (x if d is None else jnp.moveaxis(x, d, 0) for x, d in zip(args, dims, strict=True))
        if 0 in a.shape or 0 in b.shape:
            inner = shape(spec, *(x.shape if d is None else x.shape[1:] for x, d in zip((a, b), dims, strict=True)))
            return jnp.zeros(((b if dims[0] is None else a).shape[0], *inner), a.dtype), 0
        bind = partial(prim.bind, strategy=strategy)
        return rule(bind, a, b, spec, dims[0] is not None, dims[1] is not None), 0

    prim.def_impl(partial(_evaluate, prim=prim))
    prim.def_abstract_eval(aval)
    ad.defbilinear(prim, left, right)
    batching.primitive_batchers[prim] = batch

    def lowering(target: lower.Target) -> Callable:
        return mlir.lower_fun(
            _any_mesh(partial(lower.BY_KIND[prim.name], target=target), aval), multiple_results=False
        )

    def register(platform: str, calling: lower.Target, available: Callable[[], bool]) -> None:
        plain, with_calls = lowering(lower.Target(platform)), lowering(calling)

        def either(context: Any, *operands: Any, **static: Any) -> Any:
            if not (_stays_here(context) and available()):
                return plain(context, *operands, **static)
            with triton.quietly() if calling.triton else nullcontext():
                return with_calls(context, *operands, **static)

        mlir.register_lowering(prim, either, platform=platform)

    for platform in (None, "rocm", "tpu"):
        mlir.register_lowering(prim, lowering(lower.Target(platform or "default")), platform=platform)
    register("cpu", lower.Target("cpu", onednn=True), onednn.available)
    register("cuda", lower.Target("cuda", triton=True), triton.available)


def _stays_here(context: Any) -> bool:
    """Whether a program that is being lowered is for one device of this process, and not to be exported."""
    module = context.module_context
    devices = getattr(module.axis_context, "num_devices", None)
    return devices == 1 and not getattr(module.lowering_parameters, "for_export", True)


def _any_mesh(run: Callable[..., Array], aval: Callable) -> Callable[..., Array]:
    """Strategies reshape and slice as they like, so explicit mesh axes are left to the partitioner inside them."""

    def lowered(a: Array, b: Array, **static: Any) -> Array:
        if not _explicit(jax.typeof(a).sharding):
            return run(a, b, **static)
        out = aval(jax.typeof(a), jax.typeof(b), **static).sharding
        left: Any = auto_axes
        return left(partial(run, **static), out_sharding=out)(a, b)

    return lowered


def _explicit(sharding: Any) -> bool:
    """Whether types say how arrays lie on the mesh."""
    return AxisType.Explicit in getattr(sharding.mesh, "axis_types", ())


def _placed(value: Array, primal: Any) -> Array:
    """A cotangent where its operand is: on an explicit mesh the two must be sharded alike."""
    sharding = primal.aval.sharding
    return reshard(value, sharding) if _explicit(sharding) else value


# The six partial transposes: of F in x and taps, of T in y and taps, of W in x and y.
def _f_left(ct, x, taps, **p):
    return _placed(transpose_p.bind(ct, taps, **p), x)


def _f_right(ct, x, taps, **p):
    return _placed(taps_gradient_p.bind(x, ct, **p), taps)


def _t_left(ct, y, taps, **p):
    return _placed(stage_p.bind(ct, taps, **p), y)


def _t_right(ct, y, taps, **p):
    return _placed(taps_gradient_p.bind(ct, y, **p), taps)


def _w_left(ct, x, y, **p):
    return _placed(transpose_p.bind(y, ct, **p), x)


def _w_right(ct, x, y, **p):
    return _placed(stage_p.bind(x, ct, **p), y)


# Batching. Data fold into the batch, taps into channels (group-major), both into groups.
def _into_batch(x: Array) -> Array:
    return x.reshape(-1, *x.shape[2:])


def _into_channels(x: Array, groups: int) -> Array:
    """(n, …, g*c) -> (…, g*n*c): the batch becomes channels inside each group."""
    n, *rest, c = x.shape
    x = jnp.moveaxis(x.reshape(n, *rest, groups, c // groups), 0, -2)
    return x.reshape(*rest, n * c)


def _from_channels(x: Array, n: int, groups: int) -> Array:
    *rest, c = x.shape
    x = jnp.moveaxis(x.reshape(*rest, groups, n, c // groups // n), -2, 0)
    return x.reshape(n, *rest, c // n)


def _into_inner(taps: Array) -> Array:
    """(n, *window, in/g, out) -> (*window, n*in/g, out)."""
    taps = jnp.moveaxis(taps, 0, -3)
    return taps.reshape(*taps.shape[:-3], -1, taps.shape[-1])


def _widen(spec: Spec, groups: int) -> Spec:
    return Spec(spec.axes, groups, spec.precision)


def _filters(taps: Array, count: int) -> Array:
    """n scalar filters as depthwise ones: (n, *window) -> (n, *window, 1, count)."""
    return jnp.broadcast_to(taps[..., None, None], (*taps.shape, 1, count))


def _batch_stage(bind, x, taps, spec, has_x, has_taps):
    if not has_taps:
        y = bind(_into_batch(x), taps, spec=spec)
        return y.reshape(x.shape[0], -1, *y.shape[1:])
    n = taps.shape[0]
    groups = spec.groups
    if groups is None:
        groups = x.shape[-1]
        taps = _filters(taps, groups)
    if not has_x:
        return _from_channels(bind(x, _into_channels(taps, groups), spec=_widen(spec, groups)), n, groups)
    y = bind(_into_channels(x, 1), _into_channels(taps, 1), spec=_widen(spec, n * groups))
    return _from_channels(y, n, 1)


def _batch_transpose(bind, y, taps, spec, has_y, has_taps):
    if not has_taps:
        x = bind(_into_batch(y), taps, spec=spec)
        return x.reshape(y.shape[0], -1, *x.shape[1:])
    n = taps.shape[0]
    groups = spec.groups
    if groups is None:
        groups = y.shape[-1]
        taps = _filters(taps, groups)
    if not has_y:
        return _from_channels(bind(y, _into_inner(taps), spec=_widen(spec, groups)), n, groups)
    x = bind(_into_channels(y, 1), _into_channels(taps, 1), spec=_widen(spec, n * groups))
    return _from_channels(x, n, 1)


def _batch_taps_gradient(bind, x, y, spec, has_x, has_y):
    scalar = spec.groups is None
    groups = (x if has_x else y).shape[-1] if scalar else spec.groups
    if has_x and has_y:
        taps = bind(_into_channels(x, 1), _into_channels(y, 1), spec=_widen(spec, x.shape[0] * groups))
        taps = _from_channels(taps, x.shape[0], 1)
    elif has_y:
        taps = bind(x, _into_channels(y, groups), spec=_widen(spec, groups))
        taps = _from_channels(taps, y.shape[0], groups)
    else:
        taps = bind(_into_channels(x, groups), y, spec=_widen(spec, groups))
        taps = taps.reshape(*taps.shape[:-2], x.shape[0], -1, taps.shape[-1])
        taps = jnp.moveaxis(taps, -3, 0)
    return taps.sum((-2, -1)).astype(taps.dtype) if scalar else taps


_register(stage_p, stage_shape, _f_left, _f_right, _batch_stage)
_register(transpose_p, transpose_shape, _t_left, _t_right, _batch_transpose)
_register(taps_gradient_p, taps_shape, _w_left, _w_right, _batch_taps_gradient)
