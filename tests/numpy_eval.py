"""What a bound map does, computed from its record by loops and slices of NumPy: no JAX, no code of the library.

It reads only the fields of the maps (taps, pads, factors ...) and their definitions, so that the matrix before and
after a rewriting can be compared exactly, in integers, thousands of times.
"""

import numpy as np


def matrix(a) -> np.ndarray:
    """The dense matrix of a bound map, (out, in), of int64 or whatever its arrays promote to."""
    sizes = [int(np.prod(leaf.shape)) for leaf in a.space.leaves]
    total, start, inputs = sum(sizes), 0, []
    for leaf, size in zip(a.space.leaves, sizes, strict=True):
        eye = np.zeros((total, size), dtype=np.int64)
        eye[start + np.arange(size), np.arange(size)] = 1
        inputs.append(eye.reshape(total, *leaf.shape))
        start += size
    x = inputs[0] if a.space.is_array else tuple(inputs)
    y = apply(a, x)
    columns = [np.reshape(part, (total, -1)) for part in (y if isinstance(y, tuple) else (y,))]
    return np.concatenate(columns, axis=1).T


def apply(a, x):
    """a(x) for x with one leading batch axis."""
    return EVALUATE[type(a).__name__](a, x)


def stage(a, x):
    axes = [x.ndim + axis for axis in a.axes]
    ndim = len(axes)
    taps = np.ones((1,) * ndim, np.int64) if a.taps is None else np.asarray(a.taps)
    if a.flip:  # read backwards, and from the outputs of each group to its inputs
        taps = taps[tuple(slice(None, None, -1) for _ in range(ndim))]
        if a.groups is not None:
            *window, few, outer = taps.shape
            turned = np.zeros((*window, outer // a.groups, few * a.groups), taps.dtype)
            for g in range(a.groups):
                for i in range(few):
                    for o in range(outer // a.groups):
                        turned[..., o, g * few + i] = taps[..., i, g * (outer // a.groups) + o]
            taps = turned
    if a.conjugate:
        taps = taps.conj()
    for axis, rate in zip(axes, a.rates, strict=True):
        x = _pad(_stuff(x, axis, rate.up), axis, rate.lo, rate.hi)
    total = None
    for index in np.ndindex(*taps.shape[:ndim]):
        piece = x
        for axis, rate, j, window in zip(axes, a.rates, index, taps.shape, strict=False):
            out = (x.shape[axis] - rate.dilation * (window - 1) - 1) // rate.down + 1
            first = j * rate.dilation
            piece = piece[_along(x.ndim, axis, slice(first, first + (out - 1) * rate.down + 1, rate.down))]
        part = piece * taps[index] if a.groups is None else _channels(piece, taps[index], a.groups)
        total = part if total is None else total + part
    return total


def _channels(x, k, groups):
    few, outer = k.shape
    parts = [x[..., g * few:(g + 1) * few] @ k[:, g * (outer // groups):(g + 1) * (outer // groups)]
             for g in range(groups)]
    return np.concatenate(parts, axis=-1)


def _along(ndim, axis, cut):
    return tuple(cut if i == axis else slice(None) for i in range(ndim))


def _stuff(x, axis, up):
    if up == 1:
        return x
    shape = list(x.shape)
    shape[axis] = (shape[axis] - 1) * up + 1
    z = np.zeros(shape, x.dtype)
    z[_along(x.ndim, axis, slice(None, None, up))] = x
    return z


def _pad(x, axis, lo, hi):
    widths = [(0, 0)] * x.ndim
    widths[axis] = (max(lo, 0), max(hi, 0))
    x = np.pad(x, widths)
    return x[_along(x.ndim, axis, slice(max(-lo, 0), x.shape[axis] - max(-hi, 0)))]


def extend(a, x):
    for axis, (lo, hi) in zip(a.axes, a.widths, strict=True):
        x = _extend(x, x.ndim + axis, lo, hi, a.mode, a.fold)
    return x


def _extend(x, axis, lo, hi, mode, fold):
    size = x.shape[axis] - (lo + hi if fold else 0)
    source = np.pad(np.arange(size), (lo, hi), mode=mode)
    x = np.moveaxis(x, axis, 0)
    if fold:
        y = np.zeros((size, *x.shape[1:]), x.dtype)
        for n, m in enumerate(source):
            y[m] += x[n]
    else:
        y = x[source]
    return np.moveaxis(y, 0, axis)


def reindex(a, x):
    lead = x.shape[: x.ndim - len(a.split)]
    x = x.reshape(*lead, *[size for axis in a.split for size in axis])
    x = x.transpose(*range(len(lead)), *[len(lead) + place for place in a.order])
    shape, at = list(lead), len(lead)
    for count in a.join:
        shape.append(int(np.prod(x.shape[at:at + count])))
        at += count
    return x.reshape(shape)


def _add(terms):
    terms = list(terms)
    if isinstance(terms[0], tuple):
        return tuple(sum(each[1:], each[0]) for each in zip(*terms, strict=True))
    return sum(terms[1:], terms[0])


def _times(scalar, y):
    return tuple(_times(scalar, part) for part in y) if isinstance(y, tuple) else y * np.asarray(scalar)


def _chain(a, x):
    for part in reversed(a.maps):
        x = apply(part, x)
    return x


def _zero(a, x):
    batch = (x[0] if isinstance(x, tuple) else x).shape[0]
    parts = tuple(np.zeros((batch, *leaf.shape), np.int64) for leaf in a.target.leaves)
    return parts[0] if a.target.is_array else parts


EVALUATE = {
    "Stage": stage,
    "Extend": extend,
    "Reindex": reindex,
    "Identity": lambda a, x: x,
    "Zero": _zero,
    "Cast": lambda a, x: x,
    "Scaled": lambda a, x: _times(a.scalar, apply(a.map, x)),
    "Chain": _chain,
    "Sum": lambda a, x: _add(apply(part, x) for part in a.maps),
    "Stack": lambda a, x: tuple(apply(part, x) for part in a.maps),
    "Row": lambda a, x: _add(apply(part, each) for part, each in zip(a.maps, x, strict=True)),
    "BlockDiagonal": lambda a, x: tuple(apply(part, each) for part, each in zip(a.maps, x, strict=True)),
    "Atomic": lambda a, x: apply(a.map, x),
    "Diagonal": lambda a, x: x * np.asarray(a.values),
}
