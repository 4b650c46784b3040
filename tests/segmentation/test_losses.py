"""Losses against ONNX's own vectors and against loops written from the definitions."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconvjax.errors import ShapeError
from deconvjax.segmentation import losses
from tests.onnx_cases import node_cases
from tests.tolerance import assert_close

RNG = np.random.default_rng(7)
LOGITS = RNG.normal(size=(2, 4, 5, 3)).astype(np.float32)
LABELS = RNG.integers(0, 3, size=(2, 4, 5))
LABELS[0, :2] = 255
WEIGHTS = np.array([0.5, 1.0, 2.0], np.float32)


CASES = node_cases("test_sce_", "test_nllloss_")
NAMES = sorted(CASES)


def test_onnx_names():
    assert len(NAMES) == 52 and sum("ignore_index" in case.attributes for case in CASES.values()) == 25


@pytest.mark.parametrize("name", NAMES)
def test_onnx(name):
    case = CASES[name]
    scores, labels = jnp.asarray(np.moveaxis(case.inputs[0], 1, -1)), case.inputs[1]
    weights = case.inputs[2] if len(case.inputs) > 2 else None
    ignore = case.attributes.get("ignore_index")
    reduction = case.attributes.get("reduction", b"mean").decode()
    got = losses.cross_entropy(scores, jnp.asarray(labels), ignore_label=ignore, class_weights=weights,
                               reduction=reduction)
    if case.operator == "NegativeLogLikelihoodLoss":  # takes log-probabilities: undo the normalisation logits get
        factor = _factor(labels, weights, ignore)
        shift = jax.nn.logsumexp(scores, -1) * factor
        got = got - {"none": shift, "sum": shift.sum(), "mean": shift.sum() / factor.sum()}[reduction]
    assert_close(got, case.outputs[0], scale=float(labels.size) if reduction == "sum" else 4.0)


def _factor(labels, weights, ignore):
    valid = np.ones(labels.shape, bool) if ignore is None else labels != ignore
    safe = np.where(valid, labels, 0)
    return np.where(valid, 1.0 if weights is None else weights[safe], 0.0)


def probabilities():
    e = np.exp(LOGITS.astype(np.float64))
    return e / e.sum(-1, keepdims=True)


def kept():
    return LABELS != 255


def by_class(score):
    """mean over present classes of 1 - score(q, y) on the kept pixels, in NumPy."""
    q, y = probabilities()[kept()], LABELS[kept()]
    return np.mean([1 - score(q[:, c], (y == c).astype(float)) for c in range(3) if (y == c).any()])


def test_dice_jaccard_tversky():
    want = by_class(lambda q, y: 2 * (q * y).sum() / (q.sum() + y.sum()))
    assert_close(losses.dice(LOGITS, LABELS), want, scale=1, dtype=np.float32)
    assert_close(losses.jaccard(LOGITS, LABELS),
                 by_class(lambda q, y: (q * y).sum() / (q.sum() + y.sum() - (q * y).sum())), scale=1, dtype=np.float32)
    want = by_class(
        lambda q, y: (q * y).sum() / ((q * y).sum() + 0.3 * (q * (1 - y)).sum() + 0.7 * ((1 - q) * y).sum()))
    assert_close(losses.tversky(LOGITS, LABELS, alpha=0.3, beta=0.7), want, scale=1, dtype=np.float32)


def test_focal():
    q = np.take_along_axis(probabilities(), np.where(kept(), LABELS, 0)[..., None], -1)[..., 0][kept()]
    want = np.mean(-((1 - q) ** 2) * np.log(q))
    assert_close(losses.focal(LOGITS, LABELS, gamma=2.0), want, scale=2, dtype=np.float32)
    zero = losses.focal(LOGITS, LABELS, gamma=0.0)
    assert_close(zero, losses.cross_entropy(LOGITS, LABELS), scale=2, dtype=np.float32)


def test_lovasz_is_the_set_function_at_hard_predictions():
    """At 0/1 predictions the Lovasz extension equals the Jaccard loss of the sets themselves."""
    guess = RNG.integers(0, 3, size=LABELS.shape)
    logits = jnp.asarray(200.0 * np.eye(3)[guess])
    y, g = LABELS[kept()], guess[kept()]
    want = np.mean([1 - ((y == c) & (g == c)).sum() / ((y == c) | (g == c)).sum() for c in range(3) if (y == c).any()])
    assert_close(losses.lovasz_softmax(logits, LABELS), want, scale=1, dtype=np.float32)


def test_lovasz_by_definition():
    """Greedy definition: errors sorted downwards, each weighted by the increase of the Jaccard set loss."""
    q, y = probabilities()[kept()], LABELS[kept()]
    total = []
    for c in range(3):
        truth = y == c
        errors = np.abs(truth - q[:, c])
        wrong, before, loss = np.zeros(len(y), bool), 0.0, 0.0
        for p in np.argsort(-errors, kind="stable"):
            wrong[p] = True
            right = (truth & ~wrong).sum()
            now = 1 - right / (truth | wrong).sum()
            loss += errors[p] * (now - before)
            before = now
        total.append(loss)
    assert_close(losses.lovasz_softmax(LOGITS, LABELS), np.mean(total), scale=1, dtype=np.float32)


def test_ohem_keeps_the_hardest():
    each = losses.cross_entropy(LOGITS, LABELS, reduction="none")
    hard = np.sort(np.asarray(each, np.float64)[kept()])[::-1]
    assert_close(losses.ohem(each, LABELS, threshold=1e-9, keep=5), hard[:5].mean(), scale=hard[0], dtype=np.float32)
    above = hard[hard > -np.log(0.7)]
    assert 5 < len(above) < len(hard)
    assert_close(losses.ohem(each, LABELS, threshold=0.7, keep=5), above.mean(), scale=hard[0], dtype=np.float32)


def test_ohem_of_none_kept_and_of_what_is_not_finite():
    each, labels = np.array([0.1, 0.2, 3.0, 9.0]), np.array([0, 0, 0, 255])
    ohem = jax.jit(losses.ohem, static_argnames="keep")
    assert ohem(each, labels, keep=0) == 3.0
    for value in (np.nan, np.inf):
        assert ohem(np.array([0.1, 0.2, 3.0, value]), labels, keep=0) == 3.0
        assert not np.isfinite(ohem(np.array([value, 1.0, 2.0, 9.0]), labels, keep=0))
        assert not np.isfinite(ohem(np.full(4, value), labels, keep=9))


EACH = [losses.cross_entropy, losses.focal, losses.dice, losses.jaccard, losses.lovasz_softmax,
        functools.partial(losses.tversky, gamma=0.75)]


ODD = LABELS.copy()
ODD[1, 0] = -1, 3, 0, 1, 2


def test_a_label_that_is_no_class_in_a_trace():
    """NaN for every loss."""
    traced = jax.jit(lambda labels: [loss(LOGITS, labels) for loss in EACH])
    assert np.isnan(traced(ODD)).all()
    assert np.isfinite(traced(LABELS)).all()


@pytest.mark.parametrize("loss", EACH)
def test_a_label_that_is_no_class(loss):
    """Named; 255 is no label of int8, and -1 none of uint8."""
    with pytest.raises(ValueError, match="labels are no class; got -1, 3, expected 0 to 2, or ignore_label=255"):
        loss(LOGITS, ODD)
    with pytest.raises(ValueError, match="got -1"):
        loss(LOGITS, np.where(ODD == -1, -1, 0).astype(np.int8))
    with pytest.raises(ValueError, match="got 255"):
        loss(LOGITS, LABELS.astype(np.uint8), ignore_label=-1)


@pytest.mark.parametrize("loss", EACH)
def test_gradients_are_zero_at_ignored_pixels(loss):
    gradient = np.asarray(jax.jit(jax.grad(lambda z: loss(z, LABELS)))(jnp.asarray(LOGITS)))
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[0, :2]).max() == 0 < np.abs(gradient[0, 2:]).max()
    everything = np.full_like(LABELS, 255)
    assert float(loss(jnp.asarray(LOGITS), everything)) == 0.0


def test_sums_do_not_saturate_in_bfloat16():
    logits, labels = jnp.zeros((100_000, 2), jnp.bfloat16), jnp.zeros(100_000, jnp.int32)
    assert_close(losses.cross_entropy(logits, labels, reduction="sum"), 100_000 * np.log(2), scale=100_000, units=64)


def test_refusals():
    with pytest.raises(ShapeError, match=r"cross_entropy: labels do not fit.*\(2, 4\).*labels of shape \(2, 4, 5\)"):
        losses.cross_entropy(LOGITS, LABELS[..., 0])
    with pytest.raises(TypeError, match="class numbers.*float"):
        losses.dice(LOGITS, LABELS.astype(float))
    with pytest.raises(ShapeError, match=r"one weight for each class.*\(3,\)"):
        losses.focal(LOGITS, LABELS, class_weights=[1.0, 2.0])
    with pytest.raises(ValueError, match="unknown reduction.*'total'"):
        losses.cross_entropy(LOGITS, LABELS, reduction="total")
    for smoothing in (1.5, -3, np.nan):
        with pytest.raises(ValueError, match="label_smoothing is a share.*a Python number from 0 to 1"):
            losses.cross_entropy(LOGITS, LABELS, label_smoothing=smoothing)
    with pytest.raises(ValueError, match="label_smoothing is a share.*a Python number from 0 to 1"):
        jax.jit(lambda smoothing: losses.cross_entropy(LOGITS, LABELS, label_smoothing=smoothing))(0.1)
    for each, labels in ((jnp.ones((2, 3)), jnp.zeros(3, int)), (jnp.ones(0), jnp.zeros(0, int))):
        with pytest.raises(ShapeError, match="ohem: one loss for each label"):
            losses.ohem(each, labels)
    with pytest.raises(TypeError, match="ohem: labels are class numbers.*float"):
        losses.ohem(jnp.ones(3), jnp.zeros(3))
    with pytest.raises(ValueError, match="ohem: keep must be at least 0"):
        losses.ohem(jnp.ones(3), jnp.zeros(3, int), keep=-1)
    with pytest.raises(ValueError, match="one weight for each loss"):
        losses.deep_supervision([jnp.zeros(())], [1.0, 0.4])
