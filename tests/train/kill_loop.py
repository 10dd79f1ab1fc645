"""Kills a training at random moments, over and over, and says whether it could always be resumed.

    python tests/train/kill_loop.py --kills 100 --ranks 2

Each training runs in forked processes: torch is imported once. Every other kill happens inside a file
operation on the run folder (the process ends itself there), the rest at random times. What comes out in the
end is compared with the same training left alone.
"""

import argparse
import json
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

import accelerate
import numpy as np
import torch
import torch._dynamo
from tiny import TINY, free_port, write_data

from xopt.datasets import open_source
from xopt.train.loop import train
from xopt.train.run_checkpointer import Interval
from xopt.train.trainer import Trainer
from xopt.train.training_state import States

# What every training imports sooner or later, so that no fork has to.
PRELOADED = (accelerate, torch._dynamo)
EVERY = 3
SCHEDULER_S = 10.0
"""Seconds after which a launcher ends what is left of a training that has lost a process."""
RECIPE = replace(TINY, epochs=5, ema=0.9, rotation=5, sampling="balanced")


class Loop:
    """Starts trainings, kills them and looks at what they leave."""

    def __init__(self, folder: Path, ranks: int, seed: int) -> None:
        self.folder, self.ranks = folder, ranks
        self.random = random.Random(seed)
        self.dataset = open_source(write_data(folder, train=64))
        # One number that a training keeps up to date, and that survives it: how many steps it has done.
        self.steps = mmap.mmap(-1, 8)
        self.lost: list[int] = []
        self.inside = 0
        self.left_waiting = 0

    def start(self, run: Path, every: Interval, dies_at: int = 0) -> list[int]:
        """Fork the processes of one training; the first one ends at its `dies_at`th file operation."""
        port = free_port() if self.ranks > 1 else 0
        return [self._fork(run, every, rank, port, dies_at if rank == 0 else 0) for rank in range(self.ranks)]

    def _fork(self, run: Path, every: Interval, rank: int, port: int, dies_at: int) -> int:
        child = os.fork()
        if child:
            return child
        try:
            if self.ranks > 1:
                os.environ |= {
                    "RANK": str(rank),
                    "LOCAL_RANK": str(rank),
                    "WORLD_SIZE": str(self.ranks),
                    "LOCAL_WORLD_SIZE": str(self.ranks),
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": str(port),
                }
            self._watch(run, rank, dies_at)
            train(self.dataset, RECIPE, run=run, resume=True, checkpoint_every=every, device="cpu")
        except (Exception, SystemExit):  # noqa: BLE001
            # Not yet at the end: a rank whose neighbour was killed says so and goes.
            if self.ranks == 1:
                traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _watch(self, run: Path, rank: int, dies_at: int) -> None:
        step, count = Trainer._step, 0

        def counted(trainer, *arguments):
            rate = step(trainer, *arguments)
            if rank == 0:
                self.steps[:8] = struct.pack("<q", trainer.steps)
            return rate

        Trainer._step = counted
        if not dies_at:
            return

        def audit(event: str, arguments: tuple) -> None:
            nonlocal count
            touched = event in ("open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir")
            if touched and str(arguments[0]).startswith(str(run)):
                count += 1
                if count == dies_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(audit)

    def finish(self, run: Path) -> None:
        """Let a training come to its end."""
        for child in self.start(run, Interval(steps=EVERY)):
            if os.waitpid(child, 0)[1]:
                raise SystemExit(f"a training that was left alone failed: {run}")

    def kill(self, run: Path) -> bool:
        """Start, kill, look; whether the training got to its end before."""
        before = saved_step(run)
        self.steps[:8] = struct.pack("<q", before)
        inside = len(self.lost) % 2 == 0
        started = time.monotonic()
        children = self.start(
            run, Interval(steps=EVERY), dies_at=self.random.randint(1, 120) if inside else 0
        )
        alive = set(children)
        patience = 300.0 if inside else self.random.uniform(0.02, 0.5) * self.ranks
        killed = None
        while alive:
            done, status = os.waitpid(-1, os.WNOHANG)
            if done:
                alive.discard(done)
                if killed is None and os.WIFSIGNALED(status):
                    killed = time.monotonic()
                    self.inside += inside
                continue
            now = time.monotonic()
            if killed is None and now - started > patience:
                os.kill(self.random.choice(list(alive)), signal.SIGKILL)
                killed = now
            if killed is not None and now - killed > SCHEDULER_S:
                # One that has not met its neighbour yet waits for it for long; a launcher ends it.
                self.left_waiting += len(alive)
                for child in alive:
                    os.kill(child, signal.SIGKILL)
                killed = float("inf")
            time.sleep(0.002)
        if killed is None:
            return True
        reached = struct.unpack("<q", self.steps[:8])[0]
        self.lost.append(reached - saved_step(run))
        return False


def saved_step(run: Path) -> int:
    """The step of the newest state; reading it proves that it is complete."""
    if not (run / "states").is_dir():
        return 0
    found = States(run).load()
    return 0 if found is None else int(found[0]["steps"])


def content(run: Path) -> dict[str, np.ndarray]:
    """All that a finished training comes to: last and best weights, optimizer, every step's loss."""
    state, best = States(run).load()
    arrays = {f"best.{key}": tensor.numpy() for key, tensor in best.items()}
    for part in ("network", "average"):
        arrays |= {f"{part}.{key}": tensor.numpy() for key, tensor in state[part].items()}
    for number, slots in state["optimizer"]["state"].items():
        arrays |= {f"optimizer.{number}.{key}": np.asarray(value) for key, value in slots.items()}
    rows = (run / "steps.csv").read_text().splitlines()[1:]
    arrays["steps"] = np.array([[float(cell) for cell in row.split(",")] for row in rows])
    return arrays


def differences(run: Path, reference: Path) -> list[str]:
    """Names of what is not the same to the last bit."""
    ours, theirs = content(run), content(reference)
    return [
        name for name in ours.keys() | theirs.keys() if not np.array_equal(ours.get(name), theirs.get(name))
    ]


def main() -> None:
    """Print what happened as JSON; the exit code says whether all was well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        loop = Loop(Path(name), options.ranks, options.seed)
        reference = Path(name) / "reference"
        loop.finish(reference)
        different, runs = [], 0
        while len(loop.lost) < options.kills:
            run = Path(name) / f"run{runs}"
            runs += 1
            while len(loop.lost) < options.kills and not loop.kill(run):
                print(f"{len(loop.lost)} kills", file=sys.stderr)
            loop.finish(run)
            different += differences(run, reference)
    facts = {
        "kills": len(loop.lost),
        "inside_a_file_operation": loop.inside,
        "ended_by_the_scheduler": loop.left_waiting,
        "runs": runs,
        "most_steps_lost": max(loop.lost),
        "interval": EVERY,
        "different": different,
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(facts))
    sys.exit(bool(different) or max(loop.lost) > EVERY)


if __name__ == "__main__":
    main()
