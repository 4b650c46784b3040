"""ONNX's own backend node tests, as data: the operator, its attributes, inputs and expected outputs."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import helper, numpy_helper


@dataclass(frozen=True)
class NodeCase:
    """One node test."""

    name: str
    operator: str
    attributes: dict[str, Any]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


@functools.cache
def _all() -> tuple[Any, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # generating the cases overflows float8 casts on purpose
        import onnx.backend.test.case.node as node_tests

        return tuple(node_tests.collect_testcases(None))


def node_cases(*prefixes: str) -> dict[str, NodeCase]:
    """The one-node tests whose names start with one of `prefixes`, function expansions left out."""
    found = {}
    for case in _all():
        if not case.name.startswith(prefixes) or "expanded" in case.name or len(case.model.graph.node) != 1:
            continue
        node = case.model.graph.node[0]
        inputs, outputs = case.data_sets[0]
        given = iter(inputs)
        found[case.name] = NodeCase(
            case.name, node.op_type, {a.name: helper.get_attribute_value(a) for a in node.attribute},
            tuple(_array(next(given)) if name else None for name in node.input), tuple(map(_array, outputs)))
    return found


def _array(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, (np.ndarray, np.generic)) else numpy_helper.to_array(value)
