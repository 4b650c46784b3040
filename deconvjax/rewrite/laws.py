"""The laws, in the order in which they are tried."""

from __future__ import annotations

from deconvjax.rewrite.law import Law
from deconvjax.rewrite.laws_filters import COSTED_FILTER_LAWS, FILTER_LAWS
from deconvjax.rewrite.laws_rates import RATE_LAWS, RATE_LAWS_OF_ONE
from deconvjax.rewrite.laws_trivial import TRIVIAL_LAWS

LAWS: tuple[Law, ...] = (
    *TRIVIAL_LAWS,
    *RATE_LAWS_OF_ONE,
    *RATE_LAWS,
    *FILTER_LAWS,
    *COSTED_FILTER_LAWS,
)
