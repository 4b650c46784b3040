"""Data sets for segmentation: digit scenes that need no download, folders of images and masks, PASCAL VOC."""

from deconvjax.segmentation.data.augment import Augment
from deconvjax.segmentation.data.digits import Digits
from deconvjax.segmentation.data.files import Files
from deconvjax.segmentation.data.folders import VOC_CLASSES, folder, voc
from deconvjax.segmentation.data.loading import Batch, bucket, evaluation_batches, training_batches
from deconvjax.segmentation.data.sample import VOID, DataError, Dataset, Sample

__all__ = [
    "VOC_CLASSES", "VOID", "Augment", "Batch", "DataError", "Dataset", "Digits", "Files", "Sample", "bucket",
    "evaluation_batches", "folder", "training_batches", "voc",
]
