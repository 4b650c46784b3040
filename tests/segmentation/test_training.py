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


def test_a_nan_loss_ends_the_run(tmp_path):
    wild = dataclasses.replace(SMALL, learning_rate=1e30, warmup=0, clip=1e30, optimizer="sgd", save_every=1, steps=40)
    with pytest.raises(TrainingError, match="the loss is nan at step.*last good checkpoint"):
        train(wild, tmp_path, quiet=True)
    kept = Checkpoints(tmp_path)
    assert kept.newest() is None or np.isfinite(np.asarray(next(iter(arrays(tmp_path).values())))).all()


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


def test_the_averaged_parameters_are_what_predicts():
    """After n steps the average is the recursion a + (1 - d)(p - a), d = min(ema, (1 + n)/(10 + n))."""
    trainer = trainer_of(SMALL, 11)
    state = trainer.fresh()
    want = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(state.params)]
    rng = np.random.default_rng(5)
    for step in range(3):
        image, mask = rng.random((2, 32, 32, 3)).astype(np.float32), rng.integers(0, 11, (2, 32, 32)).astype(np.uint8)
        state, _ = trainer.step(state, image, mask)
        decay = min(SMALL.ema, (1 + step) / (10 + step))
        leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(state.params)]
        want = [a + (1 - decay) * (p - a) for a, p in zip(want, leaves, strict=True)]
    for got, average in zip(jax.tree.leaves(state.average), want, strict=True):
        assert np.abs(np.asarray(got) - average).max() <= 32 * np.finfo(np.float32).eps * max(1, np.abs(average).max())
    swapped = dataclasses.replace(state, params=state.average)
    image = rng.random((1, 32, 32, 3)).astype(np.float32)
    assert (trainer.logits(swapped, image) == trainer.logits(state, image)).all()


def test_accumulation_is_the_mean_of_its_parts():
    """One step over two halves equals one step on the mean of their gradients, computed apart."""
    config = dataclasses.replace(SMALL, optimizer="sgd", batch=4, warmup=0, clip=1e9, weight_decay=0.0,
                                 schedule="constant", learning_rate=1.0)
    rng = np.random.default_rng(0)
    image = jnp.asarray(rng.random((4, 32, 32, 3)), jnp.float32)
    mask = jnp.asarray(rng.integers(0, 11, (4, 32, 32)), jnp.uint8)

    def moved(config, image, mask):
        trainer = Trainer(config, 11)
        start = trainer.fresh()
        before = jax.tree_util.tree_map(np.asarray, start.params)
        after = trainer.step(start, image, mask)[0].params
        return jax.tree_util.tree_leaves(jax.tree_util.tree_map(lambda a, b: np.asarray(a) - b, after, before))

    both = moved(dataclasses.replace(config, accumulate=2), image, mask)
    parts = [moved(config, image[half], mask[half]) for half in (slice(0, 2), slice(2, 4))]
    scale = max(np.abs(leaf).max() for leaf in both)
    for whole, a, b in zip(both, *parts, strict=True):
        assert np.abs(whole - (a + b) / 2).max() <= 64 * np.finfo(np.float32).eps * scale


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
    (["train", "--out", "x", "--data", "folder", "--root", "nowhere"], "folder: a folder is missing"),
    (["train", "--out", "x", "--steps", "0"], "--steps: must be at least 1"),
    (["train", "--out", "x", "--batch", "3", "--accumulate", "2"], "--accumulate: the batch is divided into parts"),
    (["predict", "--run", "nowhere", "a.png"], "checkpoint: this folder holds no run"),
])
def test_one_message_instead_of_a_traceback(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    message = capsys.readouterr().err
    assert said in message and "Traceback" not in message


@pytest.mark.slow
def test_bfloat16_computes_narrow_and_remembers_wide():
    """Activations in bfloat16; parameters, gradients' sums and logits in float32, and the loss near float32's."""
    rng = np.random.default_rng(2)
    image, mask = rng.random((2, 32, 32, 3)).astype(np.float32), rng.integers(0, 11, (2, 32, 32)).astype(np.uint8)
    losses = {}
    for precision in ("float32", "bfloat16"):
        trainer = Trainer(dataclasses.replace(SMALL, precision=precision, warmup=0), 11)
        state = trainer.fresh()
        losses[precision] = []
        for _ in range(3):
            state, report = trainer.step(state, image, mask)
            losses[precision].append(float(report["loss"]))
        assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {np.dtype("float32")}
        assert trainer.logits(state, image).dtype == np.float32
    assert losses["bfloat16"] != losses["float32"]
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=0.05)
