"""Laws of equality, the normal form they lead to, and the plan that chooses the cheapest equal term."""

from deconvjax.algebra import UPSTAIRS
from deconvjax.rewrite.law import Law, law
from deconvjax.rewrite.laws import LAWS
from deconvjax.rewrite.plan import fired_laws, plan
from deconvjax.rewrite.price import Work, work
from deconvjax.rewrite.simplify import Firing, Record, simplify

UPSTAIRS.simplify, UPSTAIRS.plan = simplify, plan

__all__ = ["LAWS", "Firing", "Law", "Record", "Work", "fired_laws", "law", "plan", "simplify", "work"]
