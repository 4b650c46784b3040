"""Files of weights written byte by byte, from the formats' descriptions: no torch, no safetensors."""

import json
import zipfile


def text(word):
    return b"X" + len(word).to_bytes(4, "little") + word.encode()


def number(n):
    return b"J" + n.to_bytes(4, "little", signed=True)


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(key, kind, size, shape, strides, offset=0):
    """The opcodes of torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, False, OrderedDict())."""
    reference = b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"Storage\n" + text(key) + text("cpu")
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + reference + number(size) + b"tQ" + number(offset)
            + numbers(shape) + numbers(strides) + b"\x89ccollections\nOrderedDict\n)Rt" + b"R")


def state_dict(entries):
    """The opcodes of OrderedDict with these entries, torch's `_metadata` beside them."""
    items = b"".join(text(name) + code for name, code in entries.items())
    metadata = b"}" + text("_metadata") + b"}sb"
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u" + metadata + b"."


def torch_zip(path, program, storages, byteorder="little"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", program)
        archive.writestr("weights/byteorder", byteorder)
        for key, raw in storages.items():
            archive.writestr(f"weights/data/{key}", raw)


def safetensors(path, arrays, **changes):
    header, body = {"__metadata__": {"format": "np"}}, b""
    kinds = {"float32": "F32", "bfloat16": "BF16", "int64": "I64", "bool": "BOOL"}
    for name, array in arrays.items():
        raw = array.tobytes()
        header[name] = {"dtype": kinds[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [len(body), len(body) + len(raw)], **changes}
        body += raw
    code = json.dumps(header).encode()
    path.write_bytes(len(code).to_bytes(8, "little") + code + body)
