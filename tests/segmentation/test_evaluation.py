"""Windows, scales and flips put every pixel's score back where it belongs."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from deconvjax.segmentation import ConfusionMatrix
from deconvjax.segmentation.data import Digits, Sample
from deconvjax.segmentation.training import Inference, evaluate


def pointwise(image):
    """A "model" that reads only the pixel itself: whatever the window, its answer is known."""
    return jnp.stack([4 * image[..., 0], 4 - 4 * image[..., 0]], axis=-1)


@pytest.mark.parametrize("inference", [
    Inference(), Inference(window=16), Inference(flip=True), Inference(window=24, flip=True), Inference(window=64),
])
def test_scores_stay_in_place(inference):
    image = np.random.default_rng(0).random((37, 53, 3)).astype(np.float32)
    got = inference(pointwise, image, 2)
    logits = np.asarray(pointwise(image), np.float64)
    want = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_scales_are_averaged_on_the_image_s_own_grid():
    """A horizontal ramp is linear, so reading it smaller or larger changes it only at the border."""
    image = np.repeat(np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (48, 64))[..., None], 3, -1)
    one = Inference()(pointwise, image, 2)
    several = Inference(scales=(0.5, 1.0, 2.0))(pointwise, image, 2)
    np.testing.assert_allclose(several[:, 4:-4], one[:, 4:-4], atol=2e-3)


class Two:
    """A data set of two samples of different sizes."""

    classes = ("dark", "bright")

    def __len__(self):
        return 2

    def __getitem__(self, index):
        image = np.random.default_rng(index).random((30 + 40 * index, 41, 3)).astype(np.float32)
        mask = np.asarray(pointwise(image).argmax(-1)).astype(np.uint8)
        mask[:3] = 255
        return Sample(image, mask, str(index))


@pytest.mark.parametrize("inference", [None, Inference(window=16, flip=True)])
def test_evaluate_counts_every_pixel_once(inference):
    matrix = evaluate(pointwise, Two(), batch=2, inference=inference)
    assert matrix.numpy().sum() == (27 + 67) * 41
    assert matrix.mean_iu() == 1.0


def test_a_split_of_many_pixels_does_not_overflow(x32, monkeypatch):
    """As if each of two batches had 1.5 * 2^30 pixels."""
    monkeypatch.setattr(ConfusionMatrix, "update", lambda self, *_: ConfusionMatrix(self.counts + 3 * 2**29))
    dark = evaluate(lambda images: np.zeros((*images.shape[:3], 2)), Two(), batch=2)
    assert (dark.numpy() == 3 * 2**30).all()


@pytest.mark.parametrize("options", [{"window": -5}, {"scales": ()}, {"scales": (1.0, 0.0)}, {"scales": (-1.0,)},
                                     {"scales": (float("nan"),)}])
def test_refusals(options):
    with pytest.raises(ValueError, match=f"--{next(iter(options))}: "):
        Inference(**options)


def test_digit_classes_are_named():
    assert Digits("validation", count=1).classes[1] == "0"
