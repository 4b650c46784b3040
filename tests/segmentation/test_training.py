"""A run ends the same whether or not it was stopped; what cannot go on says why and leaves the last checkpoint."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from deconvjax.cli import main
from deconvjax.segmentation.training import CheckpointError, Checkpoints, Config, Trainer, TrainingError, loop, train
from deconvjax.segmentation.training.checkpoint import ocp
from deconvjax.segmentation.training.state import trainer_of

SMALL = Config(steps=6, batch=2, crop=32, save_every=2, evaluate_every=6, validation_count=2, warmup=2, scale=0.1)


@pytest.fixture(autouse=True)
def as_users_run_it(x32):
    """With x64 off."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("finished")
    with jax.enable_x64(False):
        train(SMALL, out, quiet=True)
    return out


def arrays(out, which="last"):
    """Every array of the newest checkpoint, by name."""
    with ocp.CheckpointManager(Path(out).resolve() / which) as manager:
        newest = ocp.args.Composite(state=ocp.args.StandardRestore())
        return manager.restore(manager.latest_step(), args=newest)["state"]


def assert_bit_equal(a, b):
    assert a.keys() == b.keys() and len(a) > 40
    assert [name for name in a if np.asarray(a[name]).tobytes() != np.asarray(b[name]).tobytes()] == []


def test_a_stopped_run_resumes_exactly(finished, tmp_path, monkeypatch):
    real = loop.training_batches

    def only_five(*args, **options):
        batches = real(*args, **options)
        for _ in range(5):
            yield next(batches)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "training_batches", only_five)
        with pytest.raises(KeyboardInterrupt):
            train(SMALL, tmp_path, quiet=True)
    assert Checkpoints(tmp_path).newest() == 4
    train(SMALL, tmp_path, quiet=True)
    assert_bit_equal(arrays(tmp_path), arrays(finished))


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_killed_run_resumes_exactly(finished, tmp_path, after):
    """SIGKILL once the log has reached a step, in the middle of whatever the process is doing."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in dataclasses.asdict(SMALL).items()
               if not isinstance(value, (bool, str))]
    command = [sys.executable, "-m", "deconvjax", "train", "--out", str(tmp_path), "--quiet", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        last = Checkpoints(tmp_path).out / "last"
        if (tmp_path / "log.jsonl").exists() and (after == 1 or (last.is_dir() and len(os.listdir(last)) * 2 >= after)):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, capture_output=True)
    assert_bit_equal(arrays(tmp_path), arrays(finished))


def test_logs(finished):
    records = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records] == [1, 6, 6]
    assert {"loss", "gradient_norm"} <= set(records[0]) and {"mean_iu", "pixel_accuracy"} <= set(records[2])
    assert any(path.stat().st_size for path in (finished / "tensorboard").iterdir())
    assert Checkpoints(finished).newest("best") == 6 and Checkpoints(finished).best_score() == records[2]["mean_iu"]


def test_a_run_that_diverges_ends(tmp_path, monkeypatch):
    """And what it made is neither saved nor scored, however well it would."""
    rising = iter(range(1, 41))
    monkeypatch.setattr(loop, "evaluate", lambda *_, **__: SimpleNamespace(summary=lambda: {"mean_iu": next(rising)}))
    wild = dataclasses.replace(SMALL, learning_rate=1e30, warmup=0, clip=1e30, optimizer="sgd", save_every=1, steps=40,
                               evaluate_every=1)
    with pytest.raises(TrainingError, match="the (loss|gradient norm) is nan at step.*last good"):
        train(wild, tmp_path, quiet=True)
    kept = Checkpoints(tmp_path)
    assert kept.newest() == kept.newest("best") == next(rising) - 1 > 0
    assert all(np.isfinite(array).all() for which in ("last", "best") for array in arrays(tmp_path, which).values())


@pytest.mark.parametrize("odd, said", [
    ({"loss": jnp.float32(1), "gradient_norm": jnp.float32(jnp.inf)}, "the gradient norm is inf at step 3"),
    ({"loss": jnp.float32(1), "state": (jnp.int32(3), jnp.array([1, jnp.nan]))}, "the state is nan at step 3"),
])
def test_what_is_not_finite(odd, said, tmp_path):
    with pytest.raises(TrainingError, match=f"{said}; got last good checkpoint: step none"):
        loop._finite(odd, 3, Checkpoints(tmp_path))


def test_checkpoint_of_another_model(finished):
    other = Trainer(dataclasses.replace(SMALL, head="fcn32s"), 11)
    with pytest.raises(CheckpointError, match="a checkpoint of another model.*arrays differ"):
        Checkpoints(finished).load(other.fresh())


def test_another_config_in_the_same_folder(finished):
    with pytest.raises(CheckpointError, match="holds another run; got another seed"):
        train(dataclasses.replace(SMALL, seed=1), finished, quiet=True)


def test_truncated_checkpoints(finished, tmp_path):
    """The newest damaged: the one before is used. All damaged: one clear message."""
    subprocess.run(["cp", "-r", f"{finished}/.", str(tmp_path)], check=True)
    like = trainer_of(SMALL, 11).fresh()
    for step, left in (("6", 4), ("4", None)):
        for path in (tmp_path / "last" / step / "state").rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
        if left is not None:
            assert int(Checkpoints(tmp_path).load(like).step) == left
    with pytest.raises(CheckpointError, match="no checkpoint could be read; got step 6.*step 4"):
        Checkpoints(tmp_path).load(like)


def test_a_run_that_went_back_saves_again(finished, tmp_path, monkeypatch):
    """A damaged step is written again; a best one of a later step gives way, but not to a save that fails."""
    subprocess.run(["cp", "-r", f"{finished}/.", str(tmp_path)], check=True)
    kept, like = Checkpoints(tmp_path), trainer_of(SMALL, 11).fresh()
    six = kept.load(like)
    for path in (tmp_path / "last" / "6" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    four = kept.load(like)
    assert int(four.step) == 4
    kept.save("last", six)
    assert_bit_equal(arrays(tmp_path), arrays(finished))
    assert sorted(os.listdir(tmp_path / "last")) == ["4", "6"]
    with monkeypatch.context() as patch:
        patch.setattr(ocp.CheckpointManager, "save", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EIO, "no")))
        with pytest.raises(CheckpointError, match="last good one is untouched"):
            kept.save("best", four, 1.0)
    assert_bit_equal(arrays(tmp_path, "best"), arrays(finished, "best"))
    kept.save("best", four, 1.0)
    assert (kept.newest("best"), kept.best_score()) == (4, 1.0)
    for path in (tmp_path / "best" / "4" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    assert kept.best_score() == float("-inf")


@pytest.mark.parametrize("raised, said", [
    (lambda: OSError(errno.ENOSPC, "No space left on device"), "No space left on device, expected room in"),
    (lambda: OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded, expected room in"),
    (lambda: chained(ValueError("could not finish"), OSError(errno.ENOSPC, "No space left")), "No space left.*room in"),
    (lambda: ValueError("INTERNAL: [OS error 28: ENOSPC No space left on device]"), "No space left.*room in"),
    (lambda: OSError(errno.EACCES, "Permission denied"), "Permission denied, expected a folder that can be written"),
], ids=["full", "quota", "chained", "text", "forbidden"])
def test_a_checkpoint_that_cannot_be_written(raised, said, finished, tmp_path, monkeypatch):
    subprocess.run(["cp", "-r", f"{finished}/.", str(tmp_path)], check=True)
    before = arrays(tmp_path)

    def fail(*args, **options):
        raise raised()

    monkeypatch.setattr(ocp.CheckpointManager, "save", fail)
    state = trainer_of(SMALL, 11).fresh()
    with pytest.raises(CheckpointError, match=f"last good one is untouched.*{said}"):
        Checkpoints(tmp_path).save("last", state)
    assert_bit_equal(arrays(tmp_path), before)


def test_a_defect_is_not_called_a_full_disk(finished, tmp_path, monkeypatch):
    def fail(*args, **options):
        raise ValueError("index out of range")

    monkeypatch.setattr(ocp.CheckpointManager, "save", fail)
    with pytest.raises(ValueError, match="index out of range"):
        Checkpoints(tmp_path).save("last", trainer_of(SMALL, 11).fresh())


def chained(problem, cause):
    problem.__cause__ = cause
    return problem


def test_commands(finished, tmp_path, capsys):
    """predict writes masks and overlays; --export writes a file that needs only JAX and gives the same logits."""
    shown = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    Image.fromarray(shown).save(tmp_path / "photo.png")
    out = tmp_path / "masks"
    assert main(["predict", "--run", str(finished), "--out", str(out), str(tmp_path / "photo.png")]) == 0
    with Image.open(out / "photo.png") as mask:
        assert mask.mode == "P" and mask.size == (50, 40)
    assert (out / "photo_overlay.png").is_file()
    file = tmp_path / "model.jaxexport"
    assert main(["predict", "--run", str(finished), "--export", str(file), "--size", "32", "64"]) == 0
    trainer = trainer_of(SMALL, 11)
    state = Checkpoints(finished).load(trainer.fresh(), "best")
    image = np.random.default_rng(1).random((1, 32, 64, 3)).astype(np.float32)
    np.save(tmp_path / "image.npy", image)
    subprocess.run([sys.executable, "-c", ALONE], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), trainer.logits(state, image), rtol=0, atol=1e-4)
    assert main(["evaluate", "--run", str(finished), "--flip", "--window", "32", "--scales", "1", "0.5"]) == 0
    assert "mean_iu" in capsys.readouterr().out


ALONE = """
import sys
import jax, numpy as np
from jax import export
model = export.deserialize(bytearray(open("model.jaxexport", "rb").read()))
np.save("logits.npy", model.call(np.load("image.npy")))
assert not {"deconvjax", "flax", "orbax", "grain"} & {name.split(".")[0] for name in sys.modules}
"""


def test_predict_writes_over_nothing(finished, tmp_path, capsys):
    words = ["predict", "--run", str(finished), "--out", str(tmp_path)]
    for name in ("x.png", "x.jpg", "x_overlay.jpg"):
        Image.new("RGB", (32, 32)).save(tmp_path / name)
    before = (tmp_path / "x.png").read_bytes()
    assert main([*words, str(tmp_path / "x.png")]) == 1
    assert "--out: a file would be written over; got" in capsys.readouterr().err
    assert (tmp_path / "x.png").read_bytes() == before
    words[-1] = str(tmp_path / "out")
    for pair in (("x.png", "x.jpg"), ("x.jpg", "x_overlay.jpg")):
        assert main([*words, *(str(tmp_path / name) for name in pair)]) == 1
        assert "--out: a file would be written over; got" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_data_of_other_classes_is_refused(finished, tmp_path, capsys):
    """A model of eleven classes on a folder of two: not scored, not trained further."""
    for kind, mode in (("images", "RGB"), ("masks", "L")):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for name in "ab":
            Image.new(mode, (32, 32)).save(tmp_path / "data" / kind / f"{name}.png")
    (tmp_path / "data" / "labels.txt").write_text("background\ncat\n")
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", str(finished), str(run)], check=True)
    record = json.loads((run / "config.json").read_text())
    record["config"] |= {"data": "folder", "root": str(tmp_path / "data"), "validation_split": "all"}
    (run / "config.json").write_text(json.dumps(record))
    before = arrays(run)
    assert main(["evaluate", "--run", str(run)]) == 1
    message = capsys.readouterr().err
    assert "evaluate: the data set has other classes than the model; got 2: background, cat" in message
    with pytest.raises(CheckpointError, match="holds another run; got another classes"):
        train(Checkpoints(run).read_config()[0], run, quiet=True)
    assert_bit_equal(arrays(run), before)


@pytest.mark.parametrize("words, said", [
    (["train", "--out", "x", "--data", "voc"], "--root: this data set lives in a folder"),
    (["train", "--out", "x", "--data", "folder"], "expected the folder of images/, masks/ and labels.txt. Fix: --root"),
    (["train", "--out", "x", "--data", "folder", "--root", "nowhere"], "folder: a folder is missing"),
    (["train", "--out", "x", "--steps", "0"], "--steps: must be at least 1"),
    *((["train", "--out", "x", f"--{name}={value}"], f"--{name}: must be ") for name, value in (
        ("learning-rate", -1), ("learning-rate", "nan"), ("clip", 0), ("ema", 2), ("ema", -1), ("warmup", -5),
        ("scale", -1), ("weight-decay", -1), ("seed", -1))),
    (["predict", "--run", "nowhere", "--scales", "1", "0", "--", "a.png"], "--scales: images are read at positive"),
    (["evaluate", "--run", "nowhere", "--window", "-5"], "--window: the side of a window is negative; got -5"),
    (["train", "--out", "x", "--batch", "3", "--accumulate", "2"], "--accumulate: the batch is divided into parts"),
    (["predict", "--run", "nowhere", "a.png"], "checkpoint: this folder holds no run"),
])
def test_one_message_instead_of_a_traceback(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    message = capsys.readouterr().err
    assert said in message and "Traceback" not in message
