"""The state of a run as one pytree of arrays, and the jitted step that advances it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from deconvjax.segmentation.training import building
from deconvjax.segmentation.training.config import Config

Arrays = Any  # a pytree of arrays


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """state = (params, rest, memory, average, step): parameters, what else the model keeps, the optimizer's memory, ...

    >>> import dataclasses
    >>> [field.name for field in dataclasses.fields(State)]
    ['params', 'rest', 'memory', 'average', 'step']
    """

    params: Arrays
    rest: Arrays
    memory: Arrays
    average: Arrays
    step: jax.Array


class Trainer:
    """(state, batch) -> (state, loss): what stays fixed meanwhile, the model's structure, optimizer, loss and devices.

    Images may be float32 in [0, 1]; the model sees them centred, in [-1, 1].

    >>> Trainer(Config(head="fcn32s"), classes=3).classes
    3
    """

    def __init__(self, config: Config, classes: int):
        self.config, self.classes = config, classes
        self.optimizer = building.optimizer(config)
        self.loss = building.loss(config)
        self.structure = nnx.split(nnx.eval_shape(lambda: building.model(config, classes)), nnx.Param, ...)[0]
        self.mesh = Mesh(np.array(jax.devices()), ("batch",))
        self.step = jax.jit(self._step, donate_argnums=0)
        self.logits = jax.jit(self.predict)

    def fresh(self, weights: str = "") -> State:
        """The state before the first step; with `weights`, the backbone's come from that file."""
        model = building.model(self.config, self.classes)
        if weights:
            building.pretrain(model, weights)
        _, params, rest = nnx.split(model, nnx.Param, ...)
        copy = jax.tree_util.tree_map(jnp.copy, params)
        state = State(params, rest, self.optimizer.init(params), copy, jnp.zeros((), jnp.int32))
        return jax.device_put(state, NamedSharding(self.mesh, PartitionSpec()))

    def share(self, batch: Any) -> Any:
        """A batch laid over all local devices, along its first axis where that divides."""
        size = len(self.mesh.devices.ravel())
        even = all(leaf.shape[0] % size == 0 for leaf in jax.tree_util.tree_leaves(batch))
        return jax.device_put(batch, NamedSharding(self.mesh, PartitionSpec("batch" if even else None)))

    def _model(self, params: Arrays, rest: Arrays, train: bool) -> Any:
        model = nnx.merge(self.structure, params, rest)
        model.train() if train else model.eval()
        return model

    def _step(self, state: State, image: jax.Array, mask: jax.Array) -> tuple[State, dict[str, jax.Array]]:
        config = self.config

        def objective(params: Arrays, part: tuple[jax.Array, jax.Array], rest: Arrays) -> tuple[jax.Array, Arrays]:
            rest = jax.tree_util.tree_map(lambda leaf: leaf, rest)  # nnx lets a trace write only to its own variables
            model = self._model(params, rest, train=True)
            value = self.loss(model(_centred(part[0])).astype(jnp.float32), part[1].astype(jnp.int32))
            return value, nnx.split(model, nnx.Param, ...)[2]

        parts = jax.tree_util.tree_map(lambda x: x.reshape(config.accumulate, -1, *x.shape[1:]), (image, mask))

        def accumulate(carry: Any, part: Any) -> tuple[Any, jax.Array]:
            total, rest = carry
            (value, rest), gradient = jax.value_and_grad(objective, has_aux=True)(state.params, part, rest)
            return (jax.tree_util.tree_map(jnp.add, total, gradient), rest), value

        carry = (jax.tree_util.tree_map(jnp.zeros_like, state.params), state.rest)
        if config.accumulate == 1:  # a loop of one would only keep XLA from seeing through it
            carry, values = accumulate(carry, jax.tree_util.tree_map(lambda x: x[0], parts))
        else:
            carry, values = jax.lax.scan(accumulate, carry, parts)
        total, rest = carry
        gradient = jax.tree_util.tree_map(lambda g: g / config.accumulate, total)
        updates, memory = self.optimizer.update(gradient, state.memory, state.params)
        params = optax.apply_updates(state.params, updates)
        decay = jnp.minimum(config.ema, (1 + state.step) / (10 + state.step))
        average = jax.tree_util.tree_map(lambda a, p: a + (1 - decay).astype(a.dtype) * (p - a), state.average, params)
        report = {"loss": values.mean(), "gradient_norm": optax.tree.norm(gradient)}
        return State(params, rest, memory, average, state.step + 1), report

    def predict(self, state: State, image: jax.Array) -> jax.Array:
        """Float32 logits of the averaged parameters."""
        return self._model(state.average, state.rest, train=False)(_centred(image)).astype(jnp.float32)


@functools.lru_cache(maxsize=8)
def trainer_of(config: Config, classes: int) -> Trainer:
    """The trainer of a config: one, so that a run resumed or evaluated in the same process is compiled once."""
    return Trainer(config, classes)


def forward(trainer: Trainer, state: State) -> Callable[[Any], jax.Array]:
    """images -> logits with this state's averaged parameters, laid over all local devices where the batch divides."""
    return lambda image: trainer.logits(state, trainer.share(image))


def _centred(image: jax.Array) -> jax.Array:
    return 2 * image - 1
