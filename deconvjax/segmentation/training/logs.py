"""Where a run tells what it does: a progress bar, a line of JSON per record, TensorBoard."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter
from tqdm import tqdm


class Logs:
    """OUT/log.jsonl and OUT/tensorboard; on standard error a bar with loss, images per second and time left."""

    def __init__(self, out: Path, *, start: int, steps: int, batch: int, quiet: bool = False):
        out.mkdir(parents=True, exist_ok=True)
        self.file = (out / "log.jsonl").open("a", encoding="utf-8")
        self.board = SummaryWriter(str(out / "tensorboard"))
        self.bar = tqdm(total=steps, initial=start, unit="step", disable=quiet, dynamic_ncols=True)
        self.batch, self.since, self.done = batch, time.perf_counter(), start

    def advance(self, step: int, loss: float) -> None:
        """Move the bar to `step`."""
        passed = time.perf_counter() - self.since
        rate = (step - self.done) * self.batch / passed if passed else 0.0
        self.bar.set_postfix_str(f"loss {loss:.4f}, {rate:.0f} images/s", refresh=False)
        self.bar.update(step - self.bar.n)

    def record(self, step: int, **values: Any) -> None:
        """One line of log.jsonl, and its numbers to TensorBoard."""
        self.file.write(json.dumps({"step": step, **values}) + "\n")
        self.file.flush()
        for name, value in values.items():
            if isinstance(value, (int, float)):
                self.board.add_scalar(name, value, step)

    def say(self, line: str) -> None:
        """A line above the bar."""
        self.bar.write(line)

    def close(self) -> None:
        """Flush and close everything."""
        self.bar.close()
        self.board.close()
        self.file.close()
