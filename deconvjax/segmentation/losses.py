"""Losses over pixels: logits `(..., classes)`, integer labels `(...)`, and a label that is never counted.

Every loss is jit-safe (static shapes: pixels are masked, not removed), works in the dtype of the logits with sums in at
least float32, and has a gradient of exactly zero at ignored pixels. A label that is no class is refused; in a trace,
where its value is not known, the loss is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from deconvjax.errors import ShapeError, complaint
from deconvjax.ops.arguments import integer

IGNORE = 255  # PASCAL VOC's void label


def cross_entropy(logits: jax.Array, labels: jax.Array, *, ignore_label: int | None = IGNORE,
                  class_weights: Any = None, label_smoothing: float = 0.0, reduction: str = "mean") -> jax.Array:
    """loss = -sum_p w[y_p] log softmax(z_p)[y_p], over the pixels whose label is not `ignore_label`.

    Args:
        logits: (..., classes).
        labels: (...), integers in [0, classes) or `ignore_label`.
        ignore_label: pixels with this label count for nothing; None counts all.
        class_weights: (classes,), a factor for each true class.
        label_smoothing: e in [0, 1] moves e of the target's mass to the uniform distribution (weights act per class).
        reduction: "mean" divides by the summed weights of the counted pixels (0 where there are none), "sum" is Caffe's
            `normalize=False`, "none" keeps one value per pixel.

    Source: `torch.nn.functional.cross_entropy` (2.13) and ONNX SoftmaxCrossEntropyLoss, whose numbers it reproduces.

    >>> import jax.numpy as jnp
    >>> logits, labels = jnp.zeros((2, 2, 4)), jnp.array([[0, 1], [255, 3]])
    >>> print(f"{cross_entropy(logits, labels):.4f} {cross_entropy(logits, labels, reduction='sum'):.4f}")
    1.3863 4.1589
    """
    z, valid, safe, known = _read(logits, labels, ignore_label, "cross_entropy")
    if isinstance(label_smoothing, Tracer) or not 0 <= label_smoothing <= 1:
        raise ValueError(complaint("cross_entropy", "label_smoothing is a share of the target's mass",
                                   got=label_smoothing, expected="a Python number from 0 to 1",
                                   fix="label_smoothing=0.1, as a static argument of jit"))
    weights = jnp.ones(z.shape[-1], z.dtype) if class_weights is None else _weights(class_weights, z, "cross_entropy")
    here = jnp.where(valid, weights[safe] * known, 0)
    losses = here * optax.softmax_cross_entropy_with_integer_labels(z, safe)
    if label_smoothing:
        spread = -(jax.nn.log_softmax(z) * weights).sum(-1) / z.shape[-1]
        losses = (1 - label_smoothing) * losses + label_smoothing * jnp.where(valid, spread, 0)
    return _reduced(losses, here.sum(), reduction, "cross_entropy")


def focal(logits: jax.Array, labels: jax.Array, *, gamma: float = 2.0, ignore_label: int | None = IGNORE,
          class_weights: Any = None, reduction: str = "mean") -> jax.Array:
    """loss = -sum_p w[y_p] (1 - q_p)^gamma log q_p, with q_p the softmax probability of the true class.

    Source: Lin et al., Focal Loss, arXiv:1708.02002, with softmax over classes. gamma = 0 is cross entropy.

    >>> import jax.numpy as jnp
    >>> print(f"{focal(jnp.zeros((1, 2)), jnp.array([0])):.4f}")
    0.1733
    """
    z, valid, safe, known = _read(logits, labels, ignore_label, "focal")
    log_q = -optax.softmax_cross_entropy_with_integer_labels(z, safe)
    weights = jnp.ones(z.shape[-1], z.dtype) if class_weights is None else _weights(class_weights, z, "focal")
    here = jnp.where(valid, weights[safe] * known, 0)
    # -expm1(log q) = 1 - q without cancellation; the floor keeps d/dz of a power finite where q rounds to 1
    rest = jnp.maximum(-jnp.expm1(log_q), jnp.finfo(z.dtype).tiny)
    return _reduced(-here * rest**gamma * log_q, here.sum(), reduction, "focal")


def tversky(logits: jax.Array, labels: jax.Array, *, alpha: float = 0.5, beta: float = 0.5, gamma: float = 1.0,
            smooth: float = 0.0, ignore_label: int | None = IGNORE, class_weights: Any = None) -> jax.Array:
    """loss = mean_c (1 - (TP_c + s)/(TP_c + alpha FP_c + beta FN_c + s))^gamma, over classes that occur in the labels.

    Soft counts over all counted pixels of the batch: TP = sum q y, FP = sum q (1-y), FN = sum (1-q) y.

    Source: Salehi et al., arXiv:1706.05721; gamma: Abraham and Khan, arXiv:1810.07842.

    >>> import jax.numpy as jnp
    >>> print(f"{tversky(10 * jnp.eye(3), jnp.arange(3)):.4f}")
    0.0001
    """
    z, valid, safe, known = _read(logits, labels, ignore_label, "tversky")
    classes = z.shape[-1]
    q = jnp.where(valid[..., None], jax.nn.softmax(z), 0).reshape(-1, classes)
    y = jax.nn.one_hot(safe, classes, dtype=z.dtype) * known[..., None]
    y = jnp.where(valid[..., None], y, 0).reshape(-1, classes)
    hit, predicted, true = (q * y).sum(0), q.sum(0), y.sum(0)
    below = hit + alpha * (predicted - hit) + beta * (true - hit) + smooth
    score = (hit + smooth) / jnp.where(below > 0, below, 1)
    # a class with no pixel has nothing to score; 1 - score >= 0, the floor keeps the power differentiable
    losses = jnp.maximum(1 - score, jnp.finfo(z.dtype).eps if gamma < 1 else 0) ** gamma
    weights = jnp.ones(classes, z.dtype) if class_weights is None else _weights(class_weights, z, "tversky")
    weights = jnp.where(true > 0, weights, 0)
    return (losses * weights).sum() / jnp.maximum(weights.sum(), jnp.finfo(z.dtype).tiny)


def dice(logits: jax.Array, labels: jax.Array, *, smooth: float = 0.0, ignore_label: int | None = IGNORE,
         class_weights: Any = None) -> jax.Array:
    """loss = mean_c 1 - (2 sum q y + s)/(sum q + sum y + s): Tversky with alpha = beta = 1/2.

    Source: Milletari et al., V-Net, arXiv:1606.04797 (without squares).

    >>> import jax.numpy as jnp
    >>> print(f"{dice(jnp.zeros((4, 2)), jnp.array([0, 0, 1, 1])):.4f}")
    0.5000
    """
    return tversky(logits, labels, smooth=smooth / 2, ignore_label=ignore_label, class_weights=class_weights)


def jaccard(logits: jax.Array, labels: jax.Array, *, smooth: float = 0.0, ignore_label: int | None = IGNORE,
            class_weights: Any = None) -> jax.Array:
    """loss = mean_c 1 - (sum q y + s)/(sum q + sum y - sum q y + s): Tversky with alpha = beta = 1.

    >>> import jax.numpy as jnp
    >>> print(f"{jaccard(jnp.zeros((4, 2)), jnp.array([0, 0, 1, 1])):.4f}")
    0.6667
    """
    return tversky(logits, labels, alpha=1.0, beta=1.0, smooth=smooth, ignore_label=ignore_label,
                   class_weights=class_weights)


def lovasz_softmax(logits: jax.Array, labels: jax.Array, *, ignore_label: int | None = IGNORE,
                   class_weights: Any = None) -> jax.Array:
    """loss = mean_c <sorted errors of class c, gradient of the Lovasz extension of its Jaccard loss>.

    errors m_p = 1 - q_p[c] on pixels of class c, q_p[c] elsewhere, sorted downwards; over classes that occur.

    Source: Berman, Triki and Blaschko, arXiv:1705.08790, algorithm 1.

    >>> import jax.numpy as jnp
    >>> print(f"{lovasz_softmax(jnp.zeros((4, 2)), jnp.array([0, 0, 1, 1])):.4f}")
    0.5000
    """
    z, valid, safe, known = _read(logits, labels, ignore_label, "lovasz_softmax")
    classes = z.shape[-1]
    q = jax.nn.softmax(z).reshape(-1, classes)
    counted = valid.reshape(-1)
    y = jax.nn.one_hot(safe.reshape(-1), classes, dtype=z.dtype) * (counted * known.reshape(-1))[:, None]

    def of_class(truth: jax.Array, probability: jax.Array) -> jax.Array:
        errors = jnp.where(counted, jnp.abs(truth - probability), -1.0)  # ignored pixels sort last ...
        order = jnp.argsort(-errors)
        there = counted[order]
        hits = (truth * counted)[order]
        union = truth.sum() + jnp.cumsum(jnp.where(there, 1 - hits, 0))
        intersection = truth.sum() - jnp.cumsum(hits)
        loss = 1 - intersection / jnp.maximum(union, 1)
        steps = jnp.diff(loss, prepend=0.0)
        return (jnp.where(there, errors[order], 0) * steps).sum()  # ... and add nothing

    losses = jax.vmap(of_class, in_axes=1)(y, q)
    weights = jnp.ones(classes, z.dtype) if class_weights is None else _weights(class_weights, z, "lovasz_softmax")
    weights = jnp.where(y.sum(0) > 0, weights, 0)
    return (losses * weights).sum() / jnp.maximum(weights.sum(), jnp.finfo(z.dtype).tiny)


def ohem(losses: jax.Array, labels: jax.Array, *, threshold: float = 0.7, keep: int = 100_000,
         ignore_label: int | None = IGNORE) -> jax.Array:
    """loss = mean of the hard pixels: those with loss > -log(threshold), and at least the `keep` hardest ones.

    Args:
        losses: one value per pixel, `cross_entropy(..., reduction="none")`.
        labels: the same shape; ignored pixels are never hard.
        threshold: a pixel is hard while the probability of its true class is below this.
        keep: how many of the hardest are kept at least (all, where there are fewer). NaN counts as hard.

    Source: Shrivastava et al., arXiv:1604.03540, in the form segmentation libraries use.

    >>> import jax.numpy as jnp
    >>> print(ohem(jnp.array([0.1, 0.2, 3.0, 9.0]), jnp.array([0, 0, 0, 255]), keep=2))
    1.6
    """
    losses, (labels, valid) = _wide(losses), _counted(labels, ignore_label, "ohem")
    if losses.shape != labels.shape or not losses.size:
        raise ShapeError(complaint("ohem", "one loss for each label", got=f"{losses.shape} for labels {labels.shape}",
                                   expected="equal shapes with at least one pixel",
                                   fix='losses=cross_entropy(logits, labels, reduction="none")'))
    keep = min(integer(keep, "ohem", "keep", 0), losses.size)
    flat, valid = jnp.where(valid, losses, -jnp.inf).reshape(-1), valid.reshape(-1)
    least = -jnp.sort(-flat)[keep - 1] if keep else jnp.inf
    easy = (flat <= -np.log(threshold)) & (flat < least)  # false of NaN, which must reach the sum
    chosen = valid & ~easy
    return jnp.where(chosen, flat, 0).sum() / jnp.maximum(chosen.sum(), 1)


def deep_supervision(losses: Sequence[jax.Array], weights: Sequence[float]) -> jax.Array:
    """loss = sum_i weights[i] losses[i]: the main head's loss and its auxiliaries'.

    >>> import jax.numpy as jnp
    >>> print(deep_supervision([jnp.float32(1.0), jnp.float32(2.0)], [1.0, 0.5]))
    2.0
    """
    if len(losses) != len(weights):
        raise ValueError(complaint("deep_supervision", "one weight for each loss", got=f"{len(weights)} weights",
                                   expected=f"{len(losses)}", fix="weights=[1.0, 0.4] for a main and one aux head"))
    return sum((w * each for w, each in zip(weights, losses, strict=True)), start=jnp.zeros(()))


def _read(logits: Any, labels: Any, ignore_label: int | None, operator: str) -> tuple[jax.Array, ...]:
    """(wide logits, mask of counted pixels, labels that are safe to index with, 1 or NaN where a label is no class)."""
    z, (labels, valid) = _wide(logits), _counted(labels, ignore_label, operator)
    if z.ndim < 1 or z.shape[:-1] != labels.shape:
        raise ShapeError(complaint(operator, "labels do not fit the logits", got=f"{labels.shape} for {z.shape}",
                                   expected=f"labels of shape {z.shape[:-1]}",
                                   fix="logits are (..., classes), labels (...) without one-hot"))
    odd = valid & ((labels < 0) | (labels >= z.shape[-1]))
    if not isinstance(odd, Tracer) and odd.is_fully_addressable and odd.any():
        raise ValueError(complaint(operator, "labels are no class", got=", ".join(map(str, np.unique(labels[odd])[:8])),
                                   expected=f"0 to {z.shape[-1] - 1}, or ignore_label={ignore_label}",
                                   fix="give the logits of every class, or mark these pixels with ignore_label"))
    # not into z: XLA's exp of a constant NaN is undefined on a CPU (jaxlib 0.10)
    return z, valid, jnp.where(valid & ~odd, labels, 0), jnp.where(odd, jnp.nan, jnp.ones((), z.dtype))


def _counted(labels: Any, ignore_label: int | None, operator: str) -> tuple[jax.Array, jax.Array]:
    """(labels, mask of counted pixels), the labels wide enough that none of them wraps around to `ignore_label`."""
    labels = jnp.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(complaint(operator, "labels are class numbers", got=f"dtype {labels.dtype}",
                                  expected="an integer dtype", fix="labels.astype(jnp.int32), or argmax of one-hot"))
    labels = labels.astype(jnp.int64 if labels.dtype.itemsize == 8 else jnp.int32)
    return labels, jnp.ones(labels.shape, bool) if ignore_label is None else labels != ignore_label


def _weights(class_weights: Any, z: jax.Array, operator: str) -> jax.Array:
    weights = jnp.asarray(class_weights, z.dtype)
    if weights.shape != (z.shape[-1],):
        raise ShapeError(complaint(operator, "one weight for each class", got=f"class_weights of shape {weights.shape}",
                                   expected=f"({z.shape[-1]},)", fix="give the weight of every class in order"))
    return weights


def _wide(logits: jax.Array) -> jax.Array:
    """At least float32: a sum over 10^5 pixels in bfloat16 would stop growing at 256."""
    logits = jnp.asarray(logits)
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))


def _reduced(losses: jax.Array, count: jax.Array, reduction: str, operator: str) -> jax.Array:
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if reduction == "mean":
        return losses.sum() / jnp.maximum(count, jnp.finfo(losses.dtype).tiny)
    raise ValueError(complaint(operator, "unknown reduction", got=repr(reduction), expected='"mean", "sum" or "none"',
                               fix='reduction="mean"'))
