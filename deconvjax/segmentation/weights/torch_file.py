"""torch.save's files, read without torch: a pickle that may only rebuild tensors, and their numbers.

A pickle can run any code when it is loaded; this reader knows the half dozen names that a state_dict needs and refuses
every other by name. Both formats: the zip of torch 1.6 and later, and the stream of pickles before.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from deconvjax.errors import complaint
from deconvjax.segmentation.weights.errors import WeightError

STORAGES: dict[str, Any] = {
    "DoubleStorage": np.float64, "FloatStorage": np.float32, "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16, "LongStorage": np.int64, "IntStorage": np.int32, "ShortStorage": np.int16,
    "CharStorage": np.int8, "ByteStorage": np.uint8, "BoolStorage": np.bool_, "ComplexFloatStorage": np.complex64,
    "ComplexDoubleStorage": np.complex128,
}
MAGIC = 0x1950A86A20F9469CFC6C  # opens the stream of pickles
Fetch = Callable[[str, np.dtype, int], np.ndarray]


class Storage(NamedTuple):
    """What stands in a pickle for `torch.FloatStorage` and its like. A tuple, for a pickle can set attributes."""

    dtype: np.dtype


class Blank:
    """Numbers that follow in the stream: filled in once they are read."""

    def __init__(self, dtype: np.dtype, size: int):
        self.data = np.zeros(size, dtype)


class Tensor:
    """torch._utils._rebuild_tensor_v2: a view, as it was saved; checked, for strides may point anywhere.

    An object without attributes, not a function: a pickle can set those of a function.
    """

    __slots__ = ()

    def __call__(self, storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> np.ndarray:
        """The array."""
        data: np.ndarray = storage.data if isinstance(storage, Blank) else storage
        shape, steps = tuple(size), tuple(stride)
        ends = offset + sum((n - 1) * s for n, s in zip(shape, steps, strict=True)) if math.prod(shape) else offset - 1
        if min((offset, *shape, *steps)) < 0 or ends >= data.size:
            raise pickle.UnpicklingError(f"a tensor of shape {shape} reaches outside its {data.size} numbers")
        view = data[offset:]
        return np.lib.stride_tricks.as_strided(view, shape, tuple(s * data.itemsize for s in steps), writeable=False)


class Parameter:
    """torch._utils._rebuild_parameter: its tensor."""

    __slots__ = ()

    def __call__(self, data: Any, *_: Any) -> Any:
        """The tensor."""
        return data


ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): Tensor(),
    ("torch._utils", "_rebuild_parameter"): Parameter(),
    ("torch", "Size"): tuple,
    **{("torch", name): Storage(np.dtype(dtype)) for name, dtype in STORAGES.items()},
}


class Restricted(pickle.Unpickler):
    """An unpickler that knows `ALLOWED`, and refuses any other name."""

    def __init__(self, stream: BinaryIO, fetch: Fetch):
        super().__init__(stream)
        self.fetch = fetch

    def find_class(self, module: str, name: str) -> Any:
        """The few names of a state_dict."""
        if (module, name) not in ALLOWED:
            raise _Refused(f"{module}.{name}")
        return ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """("storage", kind, key, device, size): an array of numbers."""
        try:
            word, kind, key, _, size = pid[:5]
            dtype = kind.dtype
        except (TypeError, ValueError, AttributeError) as error:
            raise pickle.UnpicklingError(f"the reference {pid!r:.80}") from error
        if word != "storage":
            raise pickle.UnpicklingError(f"the reference {word!r}")
        return self.fetch(str(key), dtype, int(size))


class _Refused(Exception):
    """A name that a state_dict has no business with."""


def read_torch(path: Path) -> Any:
    """Whatever was saved, tensors as arrays: for a state_dict, {name: array}."""
    try:
        return _zipped(path) if zipfile.is_zipfile(path) else _stream(path)
    except _Refused as error:
        raise WeightError(complaint("read_weights", f"{path.name} holds more than tensors", got=str(error),
                                    expected="a state_dict: names and tensors",
                                    fix="save only the weights: torch.save(model.state_dict(), path)")) from None
    except (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError, IndexError, AttributeError, TypeError,
            ValueError, MemoryError, OverflowError) as error:
        if isinstance(error, WeightError):
            raise
        raise WeightError(complaint("read_weights", f"{path.name} is not a whole torch file", got=str(error),
                                    expected="what torch.save writes", fix="fetch or write the file again")) from error


def _zipped(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if "constants.pkl" in names or any(name.startswith("code/") for name in names):
            raise WeightError(complaint("read_weights", f"{path.name} is a TorchScript program", got="compiled code",
                                        expected="a state_dict", fix="torch.save(torch.jit.load(path).state_dict(), "
                                        "new_path)"))
        if "data.pkl" not in names:
            raise WeightError(complaint("read_weights", f"{path.name} is a zip, but not torch's",
                                        got=", ".join(sorted(names)[:4]) or "an empty archive", expected="data.pkl",
                                        fix="give the file that torch.save wrote"))
        order = archive.read(names["byteorder"]).decode() if "byteorder" in names else "little"

        def fetch(key: str, dtype: np.dtype, size: int) -> np.ndarray:
            raw = archive.read(names[f"data/{key}"])
            if len(raw) < size * dtype.itemsize:
                raise EOFError(f"storage {key} has {len(raw)} bytes, not {size * dtype.itemsize}")
            data = np.frombuffer(raw, dtype, size)
            return data.byteswap() if order == "big" else data

        return Restricted(io.BytesIO(archive.read(names["data.pkl"])), _once(fetch)).load()


def _once(fetch: Fetch) -> Fetch:
    """Storages that several tensors share are read once."""
    known: dict[str, np.ndarray] = {}

    def remembered(key: str, dtype: np.dtype, size: int) -> np.ndarray:
        if key not in known:
            known[key] = fetch(key, dtype, size)
        return known[key]

    return remembered


def _stream(path: Path) -> Any:
    """The format before torch 1.6: five pickles (magic, version, machine, object, keys), then the numbers."""
    blanks: dict[str, Any] = {}

    def promise(key: str, dtype: np.dtype, size: int) -> Any:
        return blanks.setdefault(key, Blank(dtype, size))

    with path.open("rb") as stream:
        if _load(stream) != MAGIC:
            raise WeightError(complaint("read_weights", f"{path.name} is not a file of torch.save",
                                        got="another pickle, or torch's tar of 2016", expected="a zip or a stream",
                                        fix="in torch: torch.save(torch.load(path, weights_only=True), new_path)"))
        _load(stream)
        machine = _load(stream)
        saved = Restricted(stream, promise).load()
        for key in _load(stream):
            size = int.from_bytes(stream.read(8), "little")
            data = blanks[str(key)].data
            raw = stream.read(size * data.itemsize)
            if size != data.size or len(raw) != data.nbytes:
                raise EOFError(f"storage {key} has {len(raw)} bytes, not {data.nbytes}")
            data[:] = np.frombuffer(raw, data.dtype)
            if isinstance(machine, Mapping) and not machine.get("little_endian", True):
                data.byteswap(inplace=True)
    return saved


def _load(stream: BinaryIO) -> Any:
    def nothing(key: str, *_: Any) -> Any:
        raise pickle.UnpicklingError(f"storage {key} out of place")

    return Restricted(stream, nothing).load()
