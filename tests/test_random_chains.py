"""Random chains: simplify and plan keep the matrix exactly, cost no more, are idempotent, and forget the brackets.

5,000 chains by default, 20,000 with `make test-slow`. Everything is in integers and NumPy (`numpy_eval`), so a border
sample that differs is seen exactly. The laws that fired, and those that refused, are counted and printed.
"""

import collections
import sys

import jax
import numpy as np
import pytest

from deconvjax.algebra import Chain
from deconvjax.rewrite import LAWS, Record, simplify, work
from deconvjax.rewrite.plan import planned_map
from tests.numpy_eval import matrix
from tests.random_chains import bracketed, random_chain

# Equations without a side condition: there is nothing to refuse.
UNCONDITIONAL = {"zero inside", "zero outside", "identity inside", "identity outside",
                 "row of stack", "blocks of stack", "row of blocks", "blocks of blocks"}  # fmt: skip


def chain_of(maps):
    return Chain(maps, maps[-1].space)


def cheaper_or_equal(a, b):
    return a.price <= b.price and a.multiply_adds <= b.multiply_adds


def check(number, seen):
    """One chain through everything that must hold of it."""
    rng = np.random.default_rng([20160923, number])
    maps = random_chain(rng)
    a = chain_of(maps)
    record = Record(refused=[])
    normal = simplify(a)
    planned = planned_map(a, record)
    seen["fired"].update(firing.law.name for firing in record.fired)
    seen["refused"].update(law.name for law in record.refused)
    seen["kinds"].update(type(part).__name__ for part in maps)
    want = matrix(a)
    for name, equal in (("simplify", normal), ("plan", planned)):
        got = matrix(equal)
        assert got.shape == want.shape and (got == want).all(), f"chain {number}: {name} changes {a!r} into {equal!r}"
    assert cheaper_or_equal(work(normal), work(a)), f"chain {number}: simplify makes {a!r} dearer"
    assert cheaper_or_equal(work(planned), work(normal)), f"chain {number}: plan makes {normal!r} dearer"
    assert simplify(normal) == normal, f"chain {number}: simplify is not idempotent on {a!r}"
    assert planned_map(planned, Record()) == planned, f"chain {number}: plan is not idempotent on {a!r}"
    again = simplify(bracketed(rng, maps, simplify))
    assert again == normal, f"chain {number}: other brackets make {again!r} of {a!r}, not {normal!r}"


def run(count):
    seen = {"fired": collections.Counter(), "refused": collections.Counter(), "kinds": collections.Counter()}
    for number in range(count):
        check(number, seen)
    return seen


def report(seen, least, capsys):
    with capsys.disabled():
        lines = [f"  {law.name:24s} fired {seen['fired'][law.name]:7d}   refused {seen['refused'][law.name]:7d}"
                 for law in LAWS]
        print("", *lines, sep="\n", file=sys.stderr)
    rare = [law.name for law in LAWS if seen["fired"][law.name] < least]
    never_refused = [law.name for law in LAWS if law.name not in UNCONDITIONAL and seen["refused"][law.name] < least]
    assert not rare and not never_refused, (rare, never_refused)


def test_5000_random_chains(capsys):
    seen = run(5000)
    assert set(seen["kinds"]) >= {"Stage", "Extend", "Scaled", "Reindex", "Diagonal", "Cast", "Row", "Stack", "Sum"}
    report(seen, 20, capsys)


@pytest.mark.slow
def test_20000_random_chains(capsys):
    report(run(20000), 100, capsys)


def test_plans_in_float64_agree_to_1e_12():
    """A sample of the chains through JAX itself: the plan that A(x) runs against the same map run as written."""
    compared = 0
    for number in range(0, 400, 10):
        rng = np.random.default_rng([20160923, number])
        a = chain_of(random_chain(rng))
        leaves, treedef = jax.tree_util.tree_flatten(a)
        if not a.space.is_array or not a._codomain().is_array or a.space.dtype != np.int64:
            continue
        noisy = [rng.normal(size=np.shape(leaf)) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
        b = jax.tree_util.tree_unflatten(treedef, noisy)
        want = matrix(b)
        x = rng.normal(size=a.space.shape)
        floating = planned_map(b, Record())
        got = matrix(floating)
        assert np.abs(got - want).max(initial=0) <= 1e-12 * max(np.abs(want).max(initial=0), 1), b
        del x
        compared += 1
    assert compared >= 25
