"""Scores against scikit-learn and the literal values of a small table."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score

from deconvjax.errors import ShapeError
from deconvjax.segmentation import ConfusionMatrix

RNG = np.random.default_rng(3)


def pair(classes=5, size=(3, 40, 41)):
    labels, guess = RNG.integers(0, classes, size), RNG.integers(0, classes, size)
    labels[0, :3] = 255
    return jnp.asarray(labels), jnp.asarray(guess)


def test_counts_and_scores_equal_scikit_learn():
    labels, guess = pair()
    matrix = jax.jit(ConfusionMatrix.update)(ConfusionMatrix.empty(5), labels, guess)
    y, p = np.asarray(labels)[labels != 255], np.asarray(guess)[labels != 255]
    assert (matrix.numpy() == confusion_matrix(y, p)).all()
    each = jaccard_score(y, p, average=None)
    np.testing.assert_allclose(matrix.class_iu(), each, rtol=1e-14)
    np.testing.assert_allclose(matrix.mean_iu(), each.mean(), rtol=1e-14)
    np.testing.assert_allclose(matrix.frequency_weighted_iu(), jaccard_score(y, p, average="weighted"), rtol=1e-14)
    np.testing.assert_allclose(matrix.pixel_accuracy(), (y == p).mean(), rtol=1e-14)


def test_absent_classes_are_left_out_of_means():
    """FCN's score script: nan for a class that neither occurs nor is predicted, nanmean over the rest."""
    matrix = ConfusionMatrix.empty(4).update(jnp.array([0, 0, 0, 1]), jnp.array([0, 0, 1, 1]))
    np.testing.assert_allclose(matrix.class_iu(), [2 / 3, 1 / 2, np.nan, np.nan])
    assert matrix.mean_iu() == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert matrix.mean_accuracy() == pytest.approx((2 / 3 + 1) / 2)
    assert matrix.frequency_weighted_iu() == pytest.approx(0.75 * 2 / 3 + 0.25 / 2)
    assert np.isnan(ConfusionMatrix.empty(2).mean_iu())


def test_accumulates_in_scan_and_over_devices():
    labels, guess = pair(size=(4, 8, 9))
    whole = ConfusionMatrix.empty(5).update(labels, guess)
    scanned, _ = jax.lax.scan(lambda m, batch: (m.update(*batch), None), ConfusionMatrix.empty(5), (labels, guess))
    assert (scanned.counts == whole.counts).all()
    halves = [ConfusionMatrix.empty(5).update(labels[part], guess[part]) for part in (slice(0, 2), slice(2, 4))]
    assert (halves[0].merge(halves[1]).counts == whole.counts).all()
    summed = jax.vmap(lambda y, p: jax.lax.psum(ConfusionMatrix.empty(5).update(y, p), "device"), axis_name="device")
    assert (summed(labels, guess).counts[0] == whole.counts).all()


def test_counts_on_the_host_do_not_overflow(x32):
    much = ConfusionMatrix(np.full((2, 2), 2**31 - 1))
    for matrix in (much.update([0, 0, 1, 1], [0, 1, 0, 1]), much.merge(ConfusionMatrix(jnp.ones((2, 2), jnp.int32)))):
        assert (matrix.numpy() == 2**31).all()


def test_refusals():
    assert ConfusionMatrix.empty(np.int64(2)).classes == 2
    with pytest.raises(ShapeError, match=r"labels and predictions differ.*\(2,\) and \(3,\)"):
        ConfusionMatrix.empty(2).update(jnp.zeros(2, int), jnp.zeros(3, int))
    with pytest.raises(TypeError, match="predictions are class numbers.*float"):
        ConfusionMatrix.empty(2).update(jnp.zeros(2, int), jnp.zeros(2))
    with pytest.raises(ValueError, match="classes must be a positive int"):
        ConfusionMatrix.empty(0)
    with pytest.raises(ShapeError, match="2 and 3"):
        ConfusionMatrix.empty(2).merge(ConfusionMatrix.empty(3))
