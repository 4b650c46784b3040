"""Batches, as pure functions of the step: Grain shuffles, augments in threads, and resumes at any step exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import grain
import numpy as np

from deconvjax.segmentation.data.augment import Augment, window
from deconvjax.segmentation.data.sample import Dataset, Sample

EPOCHS = 2**31  # as good as endless; Grain's own endless stream has no length that Python can hold at batch 1


class Batch(NamedTuple):
    """mask[b, i, j] = class of image[b, i, j]: image float32 (B, H, W, 3), mask uint8 (B, H, W).

    >>> Batch(np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 8, 8), np.uint8)).mask.shape
    (2, 8, 8)
    """

    image: np.ndarray
    mask: np.ndarray


def training_batches(dataset: Dataset, augment: Augment, *, batch: int, seed: int, start: int = 0, threads: int = 2,
                     prefetch: int = 4) -> Iterator[Batch]:
    """step -> Batch, from step `start` on: endless, shuffled, augmented; the same ones whatever happened before.

    Args:
        dataset: random-access samples.
        augment: applied with a generator that Grain seeds per sample and epoch.
        batch: samples per batch; the last, short batch of an epoch runs into the next epoch.
        seed: of order and augmentation.
        start: number of batches already consumed.
        threads, prefetch: how many batches are prepared ahead, and by how many threads.

    >>> from deconvjax.segmentation.data import Augment, Digits
    >>> scenes = Digits("train", size=(32, 32), count=4)
    >>> next(training_batches(scenes, Augment((16, 16)), batch=2, seed=0, threads=1)).image.shape
    (2, 16, 16, 3)
    """
    stream = (
        grain.MapDataset.source(_Source(dataset)).seed(seed).shuffle().repeat(EPOCHS)
        .random_map(lambda sample, rng: augment(sample, rng))
        .batch(batch, batch_fn=_stack)
    )
    iterator: Any = iter(stream.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=prefetch)))
    if start:
        iterator.set_state({"next_index": start})
    return iterator


def bucket(shape: tuple[int, int], multiple: int = 64) -> tuple[int, int]:
    """padded = multiple*ceil(shape/multiple): the padded shape of an image, so that few programs are compiled.

    >>> bucket((375, 500))
    (384, 512)
    """
    return tuple(-(-n // multiple) * multiple for n in shape)  # type: ignore[return-value]


def evaluation_batches(dataset: Dataset, *, batch: int, multiple: int = 64) -> Iterator[tuple[Batch, list[Sample]]]:
    """dataset -> (Batch, samples), ...: every sample once, with others of its bucket, padded with grey and label 255.

    The second entry holds the samples themselves, fewer than `batch` where a batch was filled up (with masks of 255).

    >>> from deconvjax.segmentation.data import Digits
    >>> scenes = Digits("validation", size=(32, 48), count=3)
    >>> [(padded.image.shape, len(samples)) for padded, samples in evaluation_batches(scenes, batch=2)]
    [((2, 64, 64, 3), 2), ((2, 64, 64, 3), 1)]
    """
    waiting: dict[tuple[int, int], list[Sample]] = {}
    for index in range(len(dataset)):
        sample = dataset[index]
        group = waiting.setdefault(bucket(sample.mask.shape, multiple), [])
        group.append(sample)
        if len(group) == batch:
            yield _padded(group, bucket(sample.mask.shape, multiple), batch), list(group)
            group.clear()
    for shape, group in waiting.items():
        if group:
            yield _padded(group, shape, batch), group


class _Source:
    """A Dataset as Grain wants it."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Sample:
        return self.dataset[int(index)]


def _stack(samples: Sequence[Sample]) -> Batch:
    return Batch(np.stack([s.image for s in samples]).astype(np.float32), np.stack([s.mask for s in samples]))


def _padded(samples: Sequence[Sample], shape: tuple[int, int], batch: int) -> Batch:
    pairs = [window(s.image, s.mask, shape) for s in samples]
    image, mask = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
    missing = batch - len(samples)
    image = np.concatenate([image, np.full((missing, *image.shape[1:]), 0.5, image.dtype)])
    mask = np.concatenate([mask, np.full((missing, *mask.shape[1:]), 255, mask.dtype)])
    return Batch(image.astype(np.float32), mask)
