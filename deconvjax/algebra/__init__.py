"""The algebra of linear maps: what every map can do, and the maps made of maps."""

from deconvjax.algebra.blocks import BlockDiagonal, Row, Stack, block_diagonal, row, stack
from deconvjax.algebra.combine import Cast, Chain, Scaled, Sum
from deconvjax.algebra.linear_map import LinearMap
from deconvjax.algebra.trivial import Atomic, Identity, Zero, atomic, identity, zero
from deconvjax.algebra.upstairs import UPSTAIRS, final_map, static

__all__ = [
    "UPSTAIRS", "Atomic", "BlockDiagonal", "Cast", "Chain", "Identity", "LinearMap", "Row", "Scaled", "Stack", "Sum",
    "Zero", "atomic", "block_diagonal", "final_map", "identity", "row", "stack", "static", "zero",
]
