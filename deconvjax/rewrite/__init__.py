"""Laws of equality, the normal form they lead to, and the plan that chooses the cheapest equal term."""

from deconvjax.algebra import UPSTAIRS
from deconvjax.rewrite.law import Law, law
from deconvjax.rewrite.laws import LAWS
from deconvjax.rewrite.simplify import Firing, Record, simplify

UPSTAIRS.simplify = simplify

__all__ = ["LAWS", "Firing", "Law", "Record", "law", "simplify"]
