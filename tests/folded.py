"""Many small maps in one program whose inputs are constants.

XLA folds such a program while it compiles, evaluating what the library lowered to, so that a map costs milliseconds
where a compilation of its own would cost a tenth of a second.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

import deconvjax as dj

QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def evaluate(compute: Callable[[], Any]) -> Any:
    """`compute()`, traced and folded as one program, its arrays as NumPy arrays."""
    return jax.tree_util.tree_map(np.asarray, jax.jit(compute).lower().compile(QUICK)())


def units(space: Any) -> Any:
    """Every unit vector of a domain (a pytree of arrays), stacked in front."""
    leaves, tree = jax.tree_util.tree_flatten(space)
    total, start, stacked = sum(int(np.prod(leaf.shape)) for leaf in leaves), 0, []
    for leaf in leaves:
        size = int(np.prod(leaf.shape))
        stacked.append(np.eye(total, size, -start).astype(leaf.dtype).reshape(total, *leaf.shape))
        start += size
    return jax.tree_util.tree_unflatten(tree, stacked)


def dense(images: Any) -> np.ndarray:
    """The matrix whose columns are these images of unit vectors."""
    return np.concatenate([np.asarray(y).reshape(len(y), -1) for y in jax.tree_util.tree_leaves(images)], axis=1).T


def matrices(maps: Sequence[dj.LinearMap]) -> list[np.ndarray]:
    """The dense matrix of every bound map."""
    return [dense(images) for images in evaluate(lambda: [a(units(a.domain)) for a in maps])]
