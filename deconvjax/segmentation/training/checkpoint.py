"""Checkpoints with Orbax: written aside and renamed, last and best kept, refused where they do not fit."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from deconvjax.errors import complaint
from deconvjax.segmentation.training.config import Config
from deconvjax.segmentation.training.state import State

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written, read, or used for this model."""


class Checkpoints:
    """OUT/last = the newest two states, OUT/best = the best one; OUT/config.json beside them.

    A save is complete or absent: Orbax writes a temporary folder and renames it, so a process killed in the middle
    leaves the previous checkpoint as it was. A run that went back to an earlier step finds later ones: those of "last"
    could not be read, that of "best" was scored and never reached again. They give way when it saves that step or one
    before it.

    >>> Checkpoints("nowhere").newest("best") is None
    True
    """

    def __init__(self, out: str | Path):
        self.out = Path(out).resolve()

    def write_config(self, config: Config, classes: tuple[str, ...]) -> None:
        """Record the run in OUT/config.json, in one move; what was recorded there before is replaced."""
        path = self.out / "config.json"
        self.out.mkdir(parents=True, exist_ok=True)
        record = json.dumps({"config": json.loads(config.to_json()), "classes": list(classes)}, indent=2)
        aside = path.with_suffix(".tmp")
        aside.write_text(record, "utf-8")
        aside.replace(path)

    def read_config(self) -> tuple[Config, tuple[str, ...]]:
        """The config and class names of the run in this folder."""
        path = self.out / "config.json"
        try:
            record = json.loads(path.read_text("utf-8"))
            return Config.from_json(json.dumps(record["config"])), tuple(record["classes"])
        except (OSError, KeyError, json.JSONDecodeError) as problem:
            raise CheckpointError(complaint("checkpoint", "this folder holds no run", got=f"{path}: {problem}",
                                            expected="a folder that `train --out` wrote",
                                            fix="check --run")) from problem

    def save(self, which: str, state: State, score: float | None = None) -> None:
        """Write `state` as the newest of `which` ("last" or "best")."""
        try:
            with self._given_way(which, int(state.step)), self._manager(which, 2 if which == "last" else 1) as manager:
                manager.save(int(state.step), args=ocp.args.Composite(
                    state=ocp.args.StandardSave(_named(state)), score=ocp.args.JsonSave({"score": score})), force=True)
        except Exception as problem:  # Orbax raises whatever its storage layer met
            full, cause = _full(problem), _cause(problem)
            if not full and cause is None:
                raise
            raise CheckpointError(complaint(
                "checkpoint", "could not be written; the last good one is untouched",
                got=str(cause or problem).splitlines()[0],
                expected=f"room in {self.out}" if full else f"a folder that can be written: {self.out}",
                fix="free some space and start again: the run resumes" if full else
                "mend the folder and start again: the run resumes")) from problem

    def newest(self, which: str = "last") -> int | None:
        """Step of the newest checkpoint, None where there is none."""
        if not (self.out / which).is_dir():
            return None
        with self._manager(which) as manager:
            return manager.latest_step()

    def best_score(self) -> float:
        """The score of the best checkpoint, -inf where there is none that can be read."""
        step = self.newest("best")
        if step is None:
            return float("-inf")
        whole = ocp.args.Composite(state=ocp.args.StandardRestore(), score=ocp.args.JsonRestore())
        with self._manager("best") as manager:
            try:
                return float(manager.restore(step, args=whole)["score"]["score"])
            except Exception:  # noqa: BLE001 - Orbax raises whatever its storage layer met
                return float("-inf")

    def load(self, like: State, which: str = "last") -> State:
        """The newest readable state of `which`, laid out as `like`.

        A truncated checkpoint is passed over for the one before it; of another model, it is refused.
        """
        problems = []
        with self._manager(which) as manager:
            for step in sorted(manager.all_steps(), reverse=True):
                try:
                    # names and shapes first: a wrong model is an error, not a damaged file
                    found = manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore()))["state"]
                except Exception as problem:  # noqa: BLE001 - Orbax raises whatever its storage layer met
                    problems.append(f"step {step}: {str(problem).splitlines()[0]:.120}")
                    continue
                return _unnamed(found, like, f"{self.out / which}/{step}")
        raise CheckpointError(complaint("checkpoint", "no checkpoint could be read",
                                        got="; ".join(problems) or f"no step in {self.out / which}",
                                        expected="a complete checkpoint",
                                        fix="train again, or take the other --checkpoint, last or best"))

    @contextmanager
    def _given_way(self, which: str, step: int) -> Iterator[None]:
        """Checkpoints from `step` on out of the way while it is written: gone afterwards, back where that failed."""
        folder, aside = self.out / which, self.out / f"{which}.aside"
        later = [path for path in folder.glob("*") if path.name.isdigit() and int(path.name) >= step]
        if later:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
        try:
            for path in later:
                path.rename(aside / path.name)
            yield
        except BaseException:
            for path in later:
                if not path.exists():
                    (aside / path.name).rename(path)
            raise
        shutil.rmtree(aside, ignore_errors=True)

    def _manager(self, which: str, keep: int | None = None) -> Any:
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=keep is not None,
                                               enable_async_checkpointing=False,
                                               cleanup_tmp_directories=keep is not None)
        return ocp.CheckpointManager(self.out / which, options=options)


def _chain(problem: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it was raised from."""
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


def _cause(problem: BaseException) -> OSError | None:
    """The system's own error along the chain."""
    return next((each for each in _chain(problem) if isinstance(each, OSError)), None)


def _full(problem: BaseException) -> bool:
    """Whether the disk or the quota is full, by errno; TensorStore passes the system's error on as its text only."""
    return any(each.errno in _NO_ROOM if isinstance(each, OSError) else
               any(os.strerror(code) in str(each) for code in _NO_ROOM) for each in _chain(problem))


def _named(state: State) -> dict[str, Any]:
    """{path: array} of every leaf, random keys as their numbers."""
    flat, _ = jax.tree_util.tree_flatten_with_path(state)
    return {_name(path): np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf) for path, leaf in flat}


def _unnamed(found: dict[str, Any], like: State, where: str) -> State:
    flat, structure = jax.tree_util.tree_flatten_with_path(like)
    wanted = {_name(path): np.shape(jax.random.key_data(leaf) if _is_key(leaf) else leaf) for path, leaf in flat}
    given = {name: np.shape(array) for name, array in found.items()}
    if wanted != given:
        odd = sorted(name for name in {*wanted, *given} if wanted.get(name) != given.get(name))
        raise CheckpointError(complaint(where, "a checkpoint of another model",
                                        got=f"{odd[0]}: {given.get(odd[0], 'absent')}",
                                        expected=f"{wanted.get(odd[0], 'absent')} ({len(odd)} arrays differ)",
                                        fix="use the config the checkpoint was trained with"))
    leaves = [_like(found[_name(path)], leaf) for path, leaf in flat]
    return jax.tree_util.tree_unflatten(structure, leaves)


def _like(array: Any, leaf: Any) -> Any:
    value = jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf)) if _is_key(leaf) else array
    return jax.device_put(value, leaf.sharding) if hasattr(leaf, "sharding") else value


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path).replace("/", "|")


def _is_key(x: Any) -> bool:
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
