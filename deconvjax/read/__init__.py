"""Readings of a bound map: its cost, its explanation, its sparse matrix."""

from deconvjax.algebra import UPSTAIRS
from deconvjax.read.cost import Cost, cost
from deconvjax.read.sparse import sparse
from deconvjax.read.text import Explanation, explain

UPSTAIRS.cost, UPSTAIRS.explain, UPSTAIRS.sparse = cost, explain, sparse

__all__ = ["Cost", "Explanation", "cost", "explain", "sparse"]
