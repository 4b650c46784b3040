"""A file of weights, whatever wrote it, as named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deconvjax.errors import complaint
from deconvjax.segmentation.weights.errors import WeightError
from deconvjax.segmentation.weights.safetensors_file import read_safetensors
from deconvjax.segmentation.weights.torch_file import read_torch


def read_weights(path: str | Path, key: str | None = None) -> dict[str, np.ndarray]:
    """path -> {name: array} of a `.safetensors` file, or of torch.save's `.pt` or `.pth`, without either library.

    Files of torch are pickles; only what rebuilds tensors is let through, and any other name in the file is refused,
    so a file from a stranger cannot run code.

    Args:
        path: the file. The format is found by what is inside.
        key: where the file holds a record of several things, the entry that is the state_dict ("model", "state_dict").

    Raises:
        WeightError: a file that is not whole, holds more than tensors, or another thing than a state_dict.
        OSError: no such file.

    Source: the format notes of safetensors 0.5; torch 2.13's serialization.

    >>> import json, os, tempfile
    >>> header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    >>> path = os.path.join(tempfile.mkdtemp(), "two.safetensors")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(len(header).to_bytes(8, "little") + header + np.float32([1, 2]).tobytes())
    >>> read_weights(path)
    {'w': array([1., 2.], dtype=float32)}
    """
    path = Path(path)
    with path.open("rb") as file:
        start = file.read(9)
    found = read_safetensors(path) if start[8:9] == b"{" else read_torch(path)
    if key is not None:
        if not isinstance(found, Mapping) or key not in found:
            raise _another(path, f"no entry {key!r}", "one of " + _keys(found), "name an entry that is there")
        found = found[key]
    if not isinstance(found, Mapping) or not found:
        raise _another(path, f"a {type(found).__name__}", "names and tensors",
                       "torch.save(model.state_dict(), path)")
    odd = [name for name, value in found.items() if not isinstance(value, np.ndarray)]
    if odd:
        inside = next((name for name in odd if isinstance(found[name], Mapping)), None)
        fix = f"read_weights(path, key={inside!r})" if inside else "torch.save(model.state_dict(), path)"
        raise _another(path, f"entries that are no tensors: {', '.join(map(str, odd[:6]))}", "tensors only", fix)
    return {str(name): np.array(value) for name, value in found.items()}


def _keys(found: object) -> str:
    return ", ".join(map(repr, list(found)[:8])) if isinstance(found, Mapping) else "none"


def _another(path: Path, got: str, expected: str, fix: str) -> WeightError:
    return WeightError(complaint("read_weights", f"{path.name} is not a state_dict", got=got, expected=expected,
                                 fix=fix))
