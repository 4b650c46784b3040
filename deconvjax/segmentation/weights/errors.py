"""What a file of weights is refused with."""

from __future__ import annotations

from deconvjax.errors import DeconvError


class WeightError(DeconvError, ValueError):
    """A file of weights cannot be read, or does not fit the model; the message names the keys."""
