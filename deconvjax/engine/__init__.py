"""F, T and W of one multirate stage as JAX primitives: transposable, differentiable to any order, batchable.

stage(x, k)  ->  y      transpose(y, k)  ->  x      taps_gradient(x, y)  ->  k
"""

from deconvjax.engine.choice import choose, strategy
from deconvjax.engine.cost import cost
from deconvjax.engine.primitives import stage, taps_gradient, transpose
from deconvjax.engine.spec import Spec

__all__ = ["Spec", "choose", "cost", "stage", "strategy", "taps_gradient", "transpose"]
