"""`jnp` and `lax` as the strategies use them, in NumPy: runs their code as written, without tracing or compiling.

Stricter than JAX: slices that leave the array raise instead of being clamped, and so do operands of fewer axes.
"""

import types
from contextlib import contextmanager
from importlib import import_module

import numpy as np

NAMES = (
    *("banded", "bandrows", "blocks", "col2im", "columns", "combwise", "convolution", "dense", "direct", "fourier"),
    *("gram", "images", "layout", "library", "lower", "products", "rows", "shifted", "sides", "strided", "strips"),
    *("taps", "tapsum", "tiles"),
)
MODULES = tuple(import_module(f"deconvjax.engine.{name}") for name in NAMES)
ONEDNN = import_module("deconvjax.engine.onednn")


class Array(np.ndarray):
    """An ndarray with `.at[i].add(v)`, of which none gains axes by itself: `jax.numpy_rank_promotion` may forbid it."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **kwargs):
        ranks = {np.ndim(i) for i in inputs} - {0}
        assert method != "__call__" or ufunc.signature or len(ranks) < 2, f"{ufunc.__name__} of {ranks} axes"
        plain = lambda arrays: tuple(a.view(np.ndarray) if isinstance(a, Array) else a for a in arrays)  # noqa: E731
        result = getattr(ufunc, method)(*plain(inputs), **({"out": plain(out)} if out else {}), **kwargs)
        return result.view(Array) if isinstance(result, np.ndarray) else result

    @property
    def at(self):
        return _At(self)


class _At:
    def __init__(self, a):
        self.a = a

    def __getitem__(self, index):
        def add(values):
            out = self.a.copy()
            np.add.at(out, index, values)
            return out

        return types.SimpleNamespace(add=add)


def _zeros(shape, dtype=float):
    return np.zeros(shape, dtype).view(Array)


def _update(a, piece, start):
    a = a.copy()
    for s, n, size in zip(start, piece.shape, a.shape, strict=True):
        assert 0 <= s and s + n <= size, "written outside"
    a[tuple(slice(s, s + n) for s, n in zip(start, piece.shape, strict=True))] = piece
    return a


def _slice(a, start, sizes):
    for s, n, size in zip(start, sizes, a.shape, strict=True):
        assert 0 <= s and s + n <= size, "read outside"
    return a[tuple(slice(s, s + n) for s, n in zip(start, sizes, strict=True))]


def _loop(low, high, body, start):
    for i in range(low, high):
        start = body(i, start)
    return start


def _pad(a, value, widths):
    shape = [max(0, lo + hi + n + max(n - 1, 0) * step) for n, (lo, hi, step) in zip(a.shape, widths, strict=True)]
    assert all(lo >= 0 for lo, _, _ in widths) and all(hi >= 0 for _, hi, _ in widths)
    out = np.full(shape, value, a.dtype)
    out[tuple(slice(lo, lo + (n - 1) * (s + 1) + 1, s + 1) for n, (lo, _, s) in zip(a.shape, widths, strict=True))] = a
    return out.view(Array)


def _dot_general(a, b, dimensions, precision=None):
    (ca, cb), (ba, bb) = dimensions
    la, lb = list(range(a.ndim)), list(range(50, 50 + b.ndim))
    for i, j in zip((*ca, *ba), (*cb, *bb), strict=True):
        lb[j] = la[i]
    free_a = [la[i] for i in range(a.ndim) if i not in ca and i not in ba]
    free_b = [lb[j] for j in range(b.ndim) if j not in cb and j not in bb]
    names = {label: n for n, label in enumerate(dict.fromkeys([*la, *lb]))}
    pick = lambda labels: [names[v] for v in labels]  # noqa: E731
    return np.einsum(a, pick(la), b, pick(lb), pick([*[la[i] for i in ba], *free_a, *free_b])).view(Array)


def _convolution(
    x, k, window_strides, padding, lhs_dilation=None, rhs_dilation=None, dimension_numbers=None,
    feature_group_count=1, batch_group_count=1, precision=None,
):  # fmt: skip
    """b01f_01io->b01f from its definition, one tap at a time; groups of the batch each with their own outputs."""
    if batch_group_count > 1:
        pairs = zip(np.split(x, batch_group_count), np.split(k, batch_group_count, -1), strict=True)
        more = (window_strides, padding, lhs_dilation, rhs_dilation)
        return np.concatenate([_convolution(a, b, *more) for a, b in pairs], -1).view(Array)
    rank = x.ndim - 2
    lhs, rhs = lhs_dilation or [1] * rank, rhs_dilation or [1] * rank
    pads = [(0, 0)] * rank if padding == "VALID" else padding
    z = _pad(x, 0, [(0, 0, 0), *[(0, 0, d - 1) for d in lhs], (0, 0, 0)])
    low, high = [max(lo, 0) for lo, _ in pads], [max(hi, 0) for _, hi in pads]
    z = np.pad(z, [(0, 0), *zip(low, high, strict=True), (0, 0)])
    z = z[
        (slice(None), *[slice(max(-lo, 0), n - max(-hi, 0)) for n, (lo, hi) in zip(z.shape[1:-1], pads, strict=True)])
    ]
    window = k.shape[:rank]
    out = [
        (n - d * (w - 1) - 1) // s + 1 for n, d, w, s in zip(z.shape[1:-1], rhs, window, window_strides, strict=True)
    ]
    g, cout = feature_group_count, k.shape[-1]
    y = np.zeros((x.shape[0], *out, cout), np.result_type(x, k))
    for at in np.ndindex(*window):
        cut = [
            slice(j * d, j * d + (n - 1) * s + 1, s) for j, d, n, s in zip(at, rhs, out, window_strides, strict=True)
        ]
        piece = z[(slice(None), *cut)].reshape(x.shape[0], *out, g, -1)
        y += np.einsum("...gi,igo->...go", piece, k[at].reshape(-1, g, cout // g)).reshape(y.shape)
    return y.view(Array)


def _gather(a, starts, numbers, sizes, mode):
    """Slices of `sizes` from `starts` on, their numbers along the one axis of the result that no slice has."""
    offsets, collapsed, mapped = numbers
    assert mode == "promise_in_bounds" and all(sizes[i] == 1 for i in collapsed)
    beside = next(i for i in range(len(offsets) + 1) if i not in offsets)
    found = []
    for at in starts:
        low = np.zeros(a.ndim, int)
        low[list(mapped)] = at
        assert (low >= 0).all() and (low + sizes <= a.shape).all(), "read outside"
        found.append(a[tuple(slice(s, s + n) for s, n in zip(low, sizes, strict=True))].squeeze(collapsed))
    return np.stack(found, beside).view(Array)


def _static_slice(a, low, high, steps):
    assert all(0 <= s <= e <= n for s, e, n in zip(low, high, a.shape, strict=True)), "read outside"
    return a[tuple(slice(*cut) for cut in zip(low, high, steps, strict=True))]


def _library_convolution(x, k, strides, pads, dilation, groups=1, turned=False):
    """What `onednn.convolution` may be asked for, and no more: oneDNN ends the process, or waits, where this fails."""
    assert groups == 1 or not turned, "a kernel in the other order, of groups"
    k = k.swapaxes(-1, -2) if turned else k
    assert len(strides) in (1, 2, 3) and min(min(p) for p in pads) >= 0, "padding"
    if groups > 1 and min(k.shape[-2], k.shape[-1] // groups) == 1:
        assert x.shape[-1] == k.shape[-1] == groups and len(strides) > 1 and max(dilation) == 1, "one channel per group"
    assert x.dtype == k.dtype == np.float32 and 0 not in (*x.shape, *k.shape)
    spans = [d * (w - 1) + 1 for d, w in zip(dilation, k.shape, strict=False)]
    assert all(n + sum(p) >= w for n, p, w in zip(x.shape[1:-1], pads, spans, strict=True)), "window"
    return _convolution(x, k, strides, pads, rhs_dilation=dilation, feature_group_count=groups)


def _own_precision(a, nexp, nmant):
    assert (nexp, nmant) == (np.finfo(a.dtype).nexp, np.finfo(a.dtype).nmant), "rounded"
    return a


def _library_product(a, b):
    assert a.dtype == b.dtype == np.float32 and a.shape[1] == b.shape[1] and 0 not in (*a.shape, *b.shape)
    assert a.shape[0] in (1, b.shape[0])
    return (a.transpose(0, 2, 1) @ b).view(Array)


def _library_products(a, b):
    assert a.dtype == b.dtype == np.float32 and a.shape[0] == 1 and 0 not in (*a.shape, *b.shape)
    return (a @ b).view(Array)


LIBRARY = {
    "convolution": _library_convolution,
    "product": _library_product,
    "products": _library_products,
}
jnp = types.SimpleNamespace(
    array=np.array,
    zeros=_zeros,
    zeros_like=lambda a: _zeros(a.shape, a.dtype),
    stack=lambda parts, axis=0: np.stack(parts, axis).view(Array),
    concatenate=lambda parts, axis=0: np.concatenate(parts, axis).view(Array),
    transpose=np.transpose,
    moveaxis=np.moveaxis,
    swapaxes=np.swapaxes,
    repeat=lambda a, n, axis: np.repeat(a, n, axis),
    broadcast_to=lambda a, shape: np.array(np.broadcast_to(a, shape)).view(Array),
    expand_dims=np.expand_dims,
    tile=np.tile,
    eye=np.eye,
    fft=np.fft,
    conj=np.conj,
    iscomplexobj=np.iscomplexobj,
    issubdtype=np.issubdtype,
    floating=np.floating,
    float32=np.float32,
    finfo=np.finfo,
)
lax = types.SimpleNamespace(
    add=np.add,
    rev=lambda a, axes: np.flip(a, axes),
    transpose=np.transpose,
    reduce_precision=_own_precision,
    dynamic_update_slice=_update,
    dynamic_slice=_slice,
    optimization_barrier=lambda a: a,
    fori_loop=_loop,
    pad=_pad,
    full_like=lambda a, value, shape: np.full(shape, value, a.dtype).view(Array),
    dot_general=_dot_general,
    conv_general_dilated=_convolution,
    Precision=types.SimpleNamespace(HIGHEST=None),
    ConvDimensionNumbers=lambda *a: a,
    slice=_static_slice,
    gather=_gather,
    map=lambda f, parts: np.stack([f(part) for part in parts]).view(Array),
    GatherDimensionNumbers=lambda **n: tuple(n.values()),
)


@contextmanager
def numpy_backend():
    """Inside, the strategies compute with NumPy."""
    ours = {"jnp": jnp, "lax": lax, "once": lambda f, shape, *operands: f(*operands)}
    saved = [(m, name, getattr(m, name)) for m in MODULES for name in ours if hasattr(m, name)]
    ours |= LIBRARY
    saved += [(ONEDNN, name, getattr(ONEDNN, name)) for name in LIBRARY]
    for module, name, _ in saved:
        setattr(module, name, ours[name])
    try:
        yield
    finally:
        for module, name, value in saved:
            setattr(module, name, value)


def array(a):
    """A NumPy array that understands `.at`."""
    return np.asarray(a).view(Array)
