"""The targets of a GPU, and whether the records reach them: the first table of its results."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.targets import Target, fastest, moves, values

CEILING = 0.6  # of the nearer ceiling: what only moves numbers
DENSE = 0.95  # time(peer)/time(ours), the better peer: what multiplies
PEERS = ("lax_us", "torch_us")


def targets(records: Sequence[dict]) -> list[Target]:
    """Both, for each precision and column that was measured; no bound is set for whole training steps."""
    found = []
    for mode, column in dict.fromkeys((r["mode"], r["column"]) for r in records if r["column"] != "step"):
        for what, number, bound, moving in (
            ("nearer ceiling, depthwise, bilinear and FIR", _of_ceiling, CEILING, True),
            ("better peer, dense and grouped", _of_peer, DENSE, False),
        ):
            mine = values([r for r in records if r["mode"] == mode and moves(r["row"]) == moving], number, column)
            if mine:
                found.append(Target(f"{mode} {column}", what, bound, None, False, tuple(mine)))
    return found


def _of_ceiling(r: dict) -> float:
    return r["of_ceiling"]


def _of_peer(r: dict) -> float:
    return fastest(r, PEERS) / r["ours_us"]
