"""The safetensors format: eight bytes of length, a JSON header, raw numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from deconvjax.errors import complaint
from deconvjax.segmentation.weights.errors import WeightError

DTYPES: dict[str, Any] = {
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "U16": np.uint16, "I16": np.int16, "U32": np.uint32,
    "I32": np.int32, "U64": np.uint64, "I64": np.int64, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
    "F32": np.float32, "F64": np.float64, "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
}


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """{name: array}; the numbers are copied as they stand, little-endian."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > len(data) - 8:
        raise _broken(path, f"a header of {size} bytes in a file of {len(data)}", "a header inside the file")
    try:
        header = json.loads(data[8:8 + size].decode("utf-8"), object_pairs_hook=_unique)
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError) as error:
        raise _broken(path, f"a header that is not read: {error}", "a JSON object with every name once") from error
    if not isinstance(header, dict):
        raise _broken(path, f"a header that is a {type(header).__name__}", "a JSON object")
    header.pop("__metadata__", None)
    body = memoryview(data)[8 + size:]
    return {name: _array(path, name, entry, body) for name, entry in header.items()}


def _array(path: Path, name: str, entry: Any, body: memoryview) -> np.ndarray:
    try:
        kind, shape, (start, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"the entry {entry!r:.80} of {name}", "dtype, shape and data_offsets") from error
    if kind not in DTYPES:
        raise _broken(path, f"dtype {kind!r} of {name}", f"one of {', '.join(DTYPES)}")
    dtype = np.dtype(DTYPES[kind])
    counted = all(isinstance(n, int) and n >= 0 for n in (*shape, start, stop))
    if not counted or stop > len(body) or stop - start != math.prod(shape) * dtype.itemsize:
        raise _broken(path, f"bytes {start} to {stop} of {len(body)} for {name}, shape {shape}, {kind}",
                      "the bytes of that shape, inside the file")
    return np.frombuffer(body[start:stop], dtype).reshape(shape).copy()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise KeyError(f"{key} stands twice")
        found[key] = value
    return found


def _broken(path: Path, got: str, expected: str) -> WeightError:
    return WeightError(complaint("read_weights", f"{path.name} is not a whole safetensors file", got=got,
                                 expected=expected, fix="fetch or write the file again"))
