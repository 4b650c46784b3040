"""Pictures of maps (needs matplotlib: `pip install deconvjax[draw]`). Every function returns a matplotlib Figure."""

from deconvjax.draw.animation import animate
from deconvjax.draw.arithmetic import arithmetic
from deconvjax.draw.chain import chain
from deconvjax.draw.checkerboard import checkerboard
from deconvjax.draw.contributions import contributions
from deconvjax.draw.explore import explore
from deconvjax.draw.figures import figures
from deconvjax.draw.interact import interact
from deconvjax.draw.matrix import matrix
from deconvjax.draw.spectrum import spectrum
from deconvjax.draw.upsamplers import upsamplers

__all__ = [
    "animate", "arithmetic", "chain", "checkerboard", "contributions", "explore", "figures",
    "interact", "matrix", "spectrum", "upsamplers",
]
