"""The laws, in the order in which they are tried."""

from __future__ import annotations

from deconvjax.rewrite.law import Law
from deconvjax.rewrite.laws_blocks import BLOCK_LAWS, BLOCK_LAWS_OF_ONE
from deconvjax.rewrite.laws_borders import BORDER_LAWS, COSTED_BORDER_LAWS
from deconvjax.rewrite.laws_channels import CHANNEL_LAWS, COSTED_CHANNEL_LAWS
from deconvjax.rewrite.laws_filters import COSTED_FILTER_LAWS, FILTER_LAWS, FILTER_LAWS_OF_ONE
from deconvjax.rewrite.laws_rates import RATE_LAWS, RATE_LAWS_OF_ONE
from deconvjax.rewrite.laws_trivial import TRIVIAL_LAWS
from deconvjax.rewrite.laws_values import VALUE_LAWS, VALUE_LAWS_OF_ONE

LAWS: tuple[Law, ...] = (
    # Lossless: `simplify` applies them, and no order of doing so matters.
    *TRIVIAL_LAWS,
    *VALUE_LAWS_OF_ONE,
    *RATE_LAWS_OF_ONE,
    *FILTER_LAWS_OF_ONE,
    *BLOCK_LAWS_OF_ONE,
    *RATE_LAWS,
    *FILTER_LAWS,
    *BORDER_LAWS,
    *CHANNEL_LAWS,
    *BLOCK_LAWS,
    # Equal but not always cheaper: the plan decides.
    *VALUE_LAWS,
    *COSTED_CHANNEL_LAWS,
    *COSTED_BORDER_LAWS,
    *COSTED_FILTER_LAWS,
)
