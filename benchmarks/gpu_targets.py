"""The targets of a GPU, and whether the records reach them: the first table of its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.targets import Target, Value, moves

CEILING = 0.6  # of the nearer ceiling: what only moves numbers
DENSE = 0.95  # time(peer)/time(ours), the better peer: what multiplies
PEERS = ("lax_us", "torch_us")


def targets(records: Sequence[dict]) -> list[Target]:
    """Both, for each precision and column that was measured; no bound is set for whole training steps."""
    found = []
    for mode, column in dict.fromkeys((r["mode"], r["column"]) for r in records if r["column"] != "step"):
        mine = [r for r in records if (r["mode"], r["column"]) == (mode, column)]
        for what, number, least, moving in (
            ("nearer ceiling, depthwise, bilinear and FIR", _of_ceiling, CEILING, True),
            ("better peer, dense and grouped", _of_peer, DENSE, False),
        ):
            values = _values([r for r in mine if moves(r["row"]) == moving], number)
            if values:
                found.append(Target(f"{mode} {column}", what, least, None, False, values))
    return found


def _values(records: Sequence[dict], number: Callable[[dict], float | None]) -> tuple[Value, ...]:
    found = [(number(r), r["row"]) for r in records]
    return tuple(Value(n, row) for n, row in found if n is not None)


def _of_ceiling(r: dict) -> float | None:
    return r.get("of_ceiling")


def _of_peer(r: dict) -> float | None:
    """Where ours and a peer were measured."""
    peers = [r[p] for p in PEERS if p in r]
    return min(peers) / r["ours_us"] if peers and "ours_us" in r else None
