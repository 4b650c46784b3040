"""Files of weights built byte by byte, without torch: what is read of them, and what is refused."""

import io
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest

from deconvjax.segmentation.weights import WeightError, read_weights
from tests.segmentation.weight_files import number, safetensors, state_dict, tensor, text, torch_zip

RNG = np.random.default_rng(5)


def test_a_zip_of_torchs_is_read_with_its_strides(tmp_path):
    path, data = tmp_path / "w.pth", np.arange(12, dtype=np.float32)
    program = state_dict({"whole": tensor("0", "Float", 12, (3, 4), (4, 1)),
                          "turned": tensor("0", "Float", 12, (4, 3), (1, 4)),
                          "part": tensor("0", "Float", 12, (2, 2), (4, 2), offset=5),
                          "count": tensor("1", "Long", 1, (), ())})
    torch_zip(path, program, {"0": data.tobytes(), "1": np.int64(7).tobytes()})
    found = read_weights(path)
    grid = data.reshape(3, 4)
    want = {"whole": grid, "turned": grid.T, "part": grid[1:, 1::2], "count": np.int64(7)}
    assert list(found) == list(want)
    for name, array in want.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype and found[name].flags.owndata
    torch_zip(path, program, {"0": data.byteswap().tobytes(), "1": np.int64(7).byteswap().tobytes()}, "big")
    np.testing.assert_array_equal(read_weights(path)["whole"], grid)


def test_a_file_that_would_run_code_is_refused_by_name(tmp_path):
    path, trace = tmp_path / "w.pth", tmp_path / "was-here"

    class Bad:
        def __reduce__(self):
            return open, (str(trace), "w")

    for program in (pickle.dumps({"w": Bad()}, protocol=2), pickle.dumps(Bad(), protocol=4)):
        torch_zip(path, program, {})
        with pytest.raises(WeightError, match=r"holds more than tensors; got (__builtin__|_?io)\.open"):
            read_weights(path)
        path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + program)  # the old format's first word
        with pytest.raises(WeightError, match="open"):
            read_weights(path)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["torch\nFloatStorage", "torch._utils\n_rebuild_tensor_v2", "torch\nSize",
                                  "torch._utils\n_rebuild_parameter", "collections\nOrderedDict"])
@pytest.mark.parametrize("slots", [False, True])
def test_a_file_cannot_change_what_names_mean_for_the_next(name, slots, tmp_path):
    """BUILD sets attributes of whatever stands on the stack."""
    state = b"}" + b"".join(text(word) + text("mine") + b"s" for word in ("dtype", "__call__", "__defaults__"))
    state = b"(N" + state + b"t" if slots else state
    torch_zip(tmp_path / "bad", b"\x80\x02c" + name.encode() + b"\n" + state + b"b.", {})
    with pytest.raises(WeightError):
        read_weights(tmp_path / "bad")
    program = state_dict({"w": tensor("0", "Float", 1, (1,), (1,))})
    torch_zip(tmp_path / "good", program, {"0": np.float32([2]).tobytes()})
    assert read_weights(tmp_path / "good")["w"] == 2


@pytest.mark.parametrize("program, storages, said", [
    (state_dict({"w": tensor("0", "Float", 4, (5,), (1,))}), {"0": bytes(16)}, "reaches outside its 4 numbers"),
    (state_dict({"w": tensor("0", "Float", 4, (2,), (-1,), 3)}), {"0": bytes(16)}, "reaches outside"),
    (state_dict({"w": tensor("0", "Float", 4, (4,), (1,))}), {"0": bytes(12)}, "12 bytes, not 16"),
    (state_dict({"w": tensor("0", "Float", 4, (4,), (1,))}), {}, "data/0"),
    (state_dict({"w": tensor("0", "Quantized", 4, (4,), (1,))}), {"0": bytes(4)}, "torch.QuantizedStorage"),
    (state_dict({"w": number(3)}), {}, "entries that are no tensors: w"),
    (state_dict({}), {}, "a OrderedDict, expected names and tensors"),
    (state_dict({"w": number(3)})[:-9], {}, "not a whole torch file"),
])  # fmt: skip
def test_broken_torch_files_say_what_is_wrong(program, storages, said, tmp_path):
    torch_zip(tmp_path / "w.pth", program, storages)
    with pytest.raises(WeightError, match=said):
        read_weights(tmp_path / "w.pth")


def test_other_files_are_named(tmp_path):
    path = tmp_path / "w.pth"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("w/constants.pkl", b"")
        archive.writestr("w/data.pkl", b"")
    for raw, said in ((stream.getvalue(), "TorchScript program"), (stream.getvalue()[:40], "not a whole torch file"),
                      (pickle.dumps({"w": 1}), "not a file of torch.save"), (b"PNG", "not a whole torch file")):
        path.write_bytes(raw)
        with pytest.raises(WeightError, match=said):
            read_weights(path)
    with pytest.raises(FileNotFoundError):
        read_weights(tmp_path / "none")


def test_safetensors_files(tmp_path):
    path = tmp_path / "w.safetensors"
    arrays = {"w": RNG.normal(size=(2, 3)).astype(np.float32), "half": np.arange(3).astype(ml_dtypes.bfloat16),
              "n": np.array(4), "flags": np.array([True, False])}
    safetensors(path, arrays)
    found = read_weights(path)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    for changes, said in (({"dtype": "F4"}, "dtype 'F4' of w"), ({"data_offsets": [0, 99]}, "bytes 0 to 99 of"),
                          ({"shape": [7]}, r"shape \(7,\)"), ({"data_offsets": None}, "the entry")):
        safetensors(path, {"w": arrays["w"]}, **changes)
        with pytest.raises(WeightError, match=said):
            read_weights(path)
    path.write_bytes((99).to_bytes(8, "little") + b"{}")
    with pytest.raises(WeightError, match="a header of 99 bytes in a file of 10"):
        read_weights(path)
    path.write_bytes((22).to_bytes(8, "little") + b'{"w": null, "w": null}')
    with pytest.raises(WeightError, match="w stands twice"):
        read_weights(path)
