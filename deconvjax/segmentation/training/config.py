"""Everything that decides a training run, in one record that is written beside its checkpoints."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deconvjax.errors import complaint

CHOICES: dict[str, tuple[str, ...]] = {
    "data": ("digits", "folder", "voc"),
    "model": ("tiny", "vgg16", "resnet50"),
    "head": ("fcn32s", "fcn16s", "fcn8s", "unet", "fpn"),
    "upsampling": ("fixed", "depthwise", "dense"),
    "loss": ("cross_entropy", "focal", "dice", "jaccard", "lovasz", "cross_entropy+dice", "ohem"),
    "optimizer": ("adamw", "adam", "sgd"),
    "schedule": ("cosine", "poly", "constant"),
    "precision": ("float32", "bfloat16"),
}

RANGES: tuple[tuple[str, Callable[[float], bool], tuple[str, ...]], ...] = (  # NaN is in none of them
    ("at least 1", lambda value: 1 <= value,
     ("steps", "batch", "crop", "accumulate", "evaluate_every", "save_every", "validation_count")),
    ("finite and at least 0", lambda value: 0 <= value < math.inf, ("scale", "warmup", "weight_decay", "seed")),
    ("finite and above 0", lambda value: 0 < value < math.inf, ("learning_rate",)),
    ("above 0", lambda value: 0 < value, ("clip",)),
    ("from 0 to 1", lambda value: 0 <= value <= 1, ("ema",)),
)
ROOTS = {"folder": "the folder of images/, masks/ and labels.txt", "voc": "the folder of JPEGImages/, or SBD's of img/"}

HELP: dict[str, str] = {
    "data": "digit scenes (no download), a folder of images/ and masks/, or PASCAL VOC's layout",
    "root": "folder of the data set", "split": "what is trained on", "validation_split": "what is scored",
    "strict": "refuse files that cannot be used instead of skipping them", "model": "backbone",
    "weights": "a .pth or .safetensors file of torchvision's for the backbone to start from",
    "head": "segmentation head", "upsampling": "bilinear and fixed, or learned: one kernel a channel, or a full one",
    "steps": "optimizer steps", "batch": "images a step", "crop": "side of what is learned from",
    "flip": "mirror half of the images", "scale": "scale jitter, in octaves", "loss": "loss over pixels",
    "optimizer": "update rule", "schedule": "learning rate after the warm-up", "learning_rate": "its largest value",
    "warmup": "steps of linear warm-up", "weight_decay": "of kernels", "clip": "largest norm of the gradient",
    "precision": "of activations; parameters stay float32", "ema": "decay of the averaged parameters that predict",
    "accumulate": "parts a batch is computed in", "evaluate_every": "steps between scores",
    "save_every": "steps between checkpoints", "validation_count": "digit scenes scored",
    "seed": "of everything random",
}


@dataclass(frozen=True)
class Config:
    """config -> run: data, model, optimisation. Two runs of one config on one machine end bit-equal on a CPU.

    >>> Config(steps=10).steps, Config.from_json(Config(head="fpn").to_json()).head
    (10, 'fpn')
    """

    data: str = "digits"
    root: str = ""
    split: str = "train"
    validation_split: str = "validation"
    strict: bool = False
    model: str = "tiny"
    weights: str = ""
    head: str = "fcn8s"
    upsampling: str = "fixed"
    steps: int = 4200
    batch: int = 8
    crop: int = 96
    flip: bool = False
    scale: float = 0.0
    loss: str = "cross_entropy+dice"
    optimizer: str = "adamw"
    schedule: str = "cosine"
    learning_rate: float = 3e-3
    warmup: int = 50
    weight_decay: float = 1e-4
    clip: float = 1.0
    precision: str = "float32"
    ema: float = 0.99
    accumulate: int = 1
    evaluate_every: int = 800
    save_every: int = 200
    validation_count: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(complaint(f"--{name.replace('_', '-')}", "unknown choice",
                                           got=repr(getattr(self, name)), expected=", ".join(allowed),
                                           fix=f"use {allowed[0]}"))
        for words, holds, names in RANGES:
            for name in names:
                if not holds(getattr(self, name)):
                    raise ValueError(complaint(f"--{name.replace('_', '-')}", f"must be {words}",
                                               got=getattr(self, name), expected=f"a number {words}",
                                               fix="leave it out for the default"))
        if self.weights and self.model == "tiny":
            raise ValueError(complaint("--weights", "nobody has trained this model before", got="--model tiny",
                                       expected="vgg16 or resnet50", fix="--model vgg16"))
        if self.data != "digits" and not self.root:
            raise ValueError(complaint("--root", "this data set lives in a folder", got="no --root",
                                       expected=ROOTS[self.data], fix="--root DIR"))

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Config:
        """From `to_json`'s text; unknown keys are refused by name."""
        found: dict[str, Any] = json.loads(text)
        odd = set(found) - {field.name for field in dataclasses.fields(cls)}
        if odd:
            raise ValueError(complaint("config", "keys of another version", got=", ".join(sorted(odd)),
                                       expected="the keys of this version's Config", fix="remove them"))
        return cls(**found)
