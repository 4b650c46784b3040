"""Segmentation scores from one confusion matrix over the whole split, exactly as FCN's score script counts them."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deconvjax.errors import ShapeError, complaint


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ConfusionMatrix:
    """H[t, p] = number of pixels of true class t predicted as p; rows are ground truth.

    A pytree of static shape, so it goes through jit, scan and `jax.lax.psum`; `update` returns a new one. Labels
    outside [0, classes) are dropped. Counts are int32: a cell holds 2.1e9 pixels; `numpy()` gives int64 to add up more,
    and a matrix of NumPy counts is added to on the host, in int64.

    >>> import jax.numpy as jnp
    >>> matrix = ConfusionMatrix.empty(2).update(jnp.array([0, 0, 1, 255]), jnp.array([0, 1, 1, 1]))
    >>> print(matrix.counts)
    [[1 1]
     [0 1]]
    >>> print(f"{matrix.pixel_accuracy():.4f} {matrix.mean_iu():.4f}")
    0.6667 0.5000
    """

    counts: jax.Array | np.ndarray

    @classmethod
    def empty(cls, classes: int) -> ConfusionMatrix:
        """No pixels counted yet."""
        if isinstance(classes, bool) or not isinstance(classes, (int, np.integer)) or classes < 1:
            raise ValueError(complaint("ConfusionMatrix", "classes must be a positive int", got=repr(classes),
                                       expected="an int >= 1", fix="pass the number of classes, background included"))
        return cls(jnp.zeros((classes, classes), jnp.int32))

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.counts.shape[-1]

    def update(self, labels: jax.Array, predictions: jax.Array) -> ConfusionMatrix:
        """H + the pixels of one batch; `predictions` are class numbers (argmax of the logits)."""
        labels, predictions = jnp.asarray(labels), jnp.asarray(predictions)
        if labels.shape != predictions.shape:
            raise ShapeError(complaint("ConfusionMatrix.update", "labels and predictions differ in shape",
                                       got=f"{labels.shape} and {predictions.shape}", expected="equal shapes",
                                       fix="pass logits.argmax(-1) as predictions"))
        for name, array in (("labels", labels), ("predictions", predictions)):
            if not jnp.issubdtype(array.dtype, jnp.integer):
                raise TypeError(complaint("ConfusionMatrix.update", f"{name} are class numbers",
                                          got=f"dtype {array.dtype}", expected="an integer dtype",
                                          fix="pass logits.argmax(-1) as predictions"))
        n = self.classes
        true, guess = labels.reshape(-1).astype(jnp.int32), predictions.reshape(-1).astype(jnp.int32)
        counted = (true >= 0) & (true < n) & (guess >= 0) & (guess < n)
        cell = jnp.where(counted, true * n + guess, n * n)
        added = jnp.bincount(cell, length=n * n + 1)[:-1].reshape(n, n)
        return ConfusionMatrix(_added(self.counts, added.astype(jnp.int32)))

    def merge(self, other: ConfusionMatrix) -> ConfusionMatrix:
        """H1 + H2: what two devices or two shards counted."""
        if self.counts.shape != other.counts.shape:
            raise ShapeError(complaint("ConfusionMatrix.merge", "different numbers of classes",
                                       got=f"{self.classes} and {other.classes}", expected="the same number",
                                       fix="count both with the same label map"))
        return ConfusionMatrix(_added(self.counts, other.counts))

    def numpy(self) -> np.ndarray:
        """The counts on the host as int64."""
        return np.asarray(self.counts).astype(np.int64)

    def pixel_accuracy(self) -> float:
        """tr(H)/sum(H)."""
        h = self.numpy()
        return _ratio(np.trace(h), h.sum())

    def mean_accuracy(self) -> float:
        """mean over classes that occur of H[c,c]/row_c."""
        h = self.numpy()
        return _nanmean(np.diag(h), h.sum(1))

    def class_iu(self) -> np.ndarray:
        """H[c,c]/(row_c + column_c - H[c,c]); NaN for a class neither present nor predicted."""
        h = self.numpy()
        return _divide(np.diag(h), h.sum(1) + h.sum(0) - np.diag(h))

    def mean_iu(self) -> float:
        """mean over classes of intersection over union."""
        h = self.numpy()
        return _nanmean(np.diag(h), h.sum(1) + h.sum(0) - np.diag(h))

    def frequency_weighted_iu(self) -> float:
        """sum over classes that occur of (row_c/sum(H)) IU_c."""
        h = self.numpy()
        frequency, iu = _divide(h.sum(1), np.full(len(h), h.sum())), self.class_iu()
        there = h.sum(1) > 0
        return float((frequency[there] * iu[there]).sum()) if there.any() else float("nan")

    def summary(self) -> dict[str, float]:
        """The four scores of FCN's table, by name."""
        return {"pixel_accuracy": self.pixel_accuracy(), "mean_accuracy": self.mean_accuracy(),
                "mean_iu": self.mean_iu(), "frequency_weighted_iu": self.frequency_weighted_iu()}


def _added(a: Any, b: Any) -> Any:
    """a + b: on the host where one of them is, for JAX would narrow int64."""
    on_host = isinstance(a, np.ndarray) or isinstance(b, np.ndarray)
    return np.add(a, b, dtype=np.int64) if on_host else a + b


def _divide(above: Any, below: Any) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=np.asarray(below) > 0)


def _ratio(above: Any, below: Any) -> float:
    return float(above) / float(below) if below else float("nan")


def _nanmean(above: Any, below: Any) -> float:
    values = _divide(above, below)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
