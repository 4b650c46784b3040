"""Leaves: the maps that do arithmetic."""

from deconvjax.leaves.stage import Stage

__all__ = ["Stage"]
