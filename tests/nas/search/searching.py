"""A search on a formula in place of a training, for processes that are killed.

Tests put this folder on sys.path, so that workers find the module by the name it has here.
"""

import json
import os
import sys
import time
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np

from xopt.nas.problem import Problem
from xopt.nas.search.candidates import Outcome
from xopt.nas.search.engine import Engine
from xopt.nas.search.interrupts import Interrupts
from xopt.nas.search.local_workers import Device, LocalWorkerPool
from xopt.nas.search.outcome_files import Recorded, Results
from xopt.nas.search.settings import Budget
from xopt.nas.search.trial_store import TrialStore
from xopt.nas.search.worker_pool import Ended
from xopt.nas.space import Cost
from xopt.runtime.errors import DataError

LAYERS = 5


@dataclass(frozen=True)
class Digits:
    """3^5 = 243 codes, each a network of its own."""

    name: str = "digits"
    choices: tuple[int, ...] = (3,) * LAYERS

    def canonical(self, code):
        return code

    def cost(self, code):
        return Cost(parameters=1000 * (1 + sum(map(int, code))), macs=10_000)

    def features(self, codes):
        return np.array([[int(digit) for digit in code] for code in codes], dtype=np.float64)

    def architecture(self, code):
        return f"digits-{code}"

    def input_size(self, code):
        return 32


def worth(code):
    """Between 0 and 1, the more the larger the digits."""
    return sum(map(int, code)) / (2 * LAYERS)


@dataclass(frozen=True)
class Formula:
    """The worth of a code, after a while; every start and end is written to a log.

    A start whose outcome lies beside the log already is an `again`.
    """

    log: Path
    seconds: float = 0.0
    ends: str = ""
    """code=deed,...: kill, once (kill the first time), raise, data, slow (ends after three others)"""

    def open(self):
        return self

    def say(self, word, code):
        handle = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{word} {code} {os.getpid()}\n".encode())
        os.close(handle)

    def evaluate(self, assignment):
        known = [
            json.loads(path.read_text())["code"] for path in (self.log.parent / "results").glob("*.json")
        ]
        self.say("again" if assignment.code in known else "start", assignment.code)
        deed = dict(pair.split("=") for pair in self.ends.split(",") if pair).get(assignment.code)
        time.sleep(self.seconds)
        while deed == "slow" and len(log_of(self.log)[1]) < 3:
            time.sleep(0.01)
        if deed == "data":
            raise DataError("no data at x")
        if deed == "kill" or (deed == "once" and log_of(self.log)[0].count(assignment.code) == 1):
            os.kill(os.getpid(), 9)
        if deed == "raise":
            raise RuntimeError("nothing to learn\nhere")
        self.say("end", assignment.code)
        return Outcome(
            value=worth(assignment.code),
            curve=(worth(assignment.code) / 2, worth(assignment.code)),
            seconds=1.0,
        )


@dataclass
class InOrder:
    """Proposes the codes in the order of counting, and writes down what it was told."""

    codes: list = field(default_factory=lambda: ["".join(map(str, d)) for d in product(range(3), repeat=5)])
    told: list = field(default_factory=list)

    def propose(self, history, k):
        self.told.append(list(history))
        taken = {trial.code for trial in history}
        return [code for code in self.codes if code not in taken][:k]


def make_engine(folder, objective, *, workers=2, pool=None, url=None, owner="mine", name="test", **changes):
    """An engine whose workers are processes, as `xopt nas search` makes it."""
    space = Digits()
    results = Results(folder=folder / "results", context="formula", shared=changes.pop("shared", None))
    store = TrialStore.open(
        url or f"journal:{folder / 'search.journal'}",
        name,
        owner=owner,
        context="formula",
        space=space,
        objective="worth",
    )
    recorded = Recorded(objective, results)
    devices = (Device(name="cpu", environment={"OMP_NUM_THREADS": "1"}),) * workers
    settings = {
        "problem": Problem(space=space, allowed=lambda code: True),
        "proposer": InOrder(),
        "budget": Budget(candidates=6),
        **changes,
    }
    return Engine(store=store, results=results, pool=pool or LocalWorkerPool(recorded, devices), **settings)


@dataclass
class VirtualPool:
    """Devices on a clock of their own: no time passes, and no process is started."""

    hours: dict
    """How long each code takes."""
    size: int = 2
    barrier: bool = False
    """Whether nothing is handed back before all devices are free."""
    now_s: float = 0.0
    running: list = field(default_factory=list)

    def submit(self, assignment):
        assert len(self.running) < self.size
        self.running.append((self.now_s + 3600 * self.hours[assignment.code], assignment))

    def wait(self, timeout_s):
        self.running.sort(key=lambda pair: pair[0])
        ended = self.running if self.barrier else self.running[:1]
        self.running = self.running[len(ended) :]
        self.now_s = ended[-1][0]
        return [
            Ended(assignment=assignment, outcome=Outcome(value=worth(assignment.code), curve=(0.1,)))
            for _end, assignment in ended
        ]

    def close(self):
        self.running = []


def log_of(path):
    """How often each code was started, and ended."""
    lines = path.read_text().splitlines() if path.exists() else []
    words = [line.split() for line in lines]
    return [w[1] for w in words if w[0] == "start"], [w[1] for w in words if w[0] == "end"]


def main():
    """Search with the words FOLDER BUDGET SECONDS WORKERS [URL [OWNER [ENDS]]]; "" stands for None."""
    folder, budget, seconds, workers = Path(sys.argv[1]), *sys.argv[2:5]
    url, owner, ends = [*sys.argv[5:], "", "", ""][:3]
    objective = Formula(folder / "log", seconds=float(seconds), ends=ends)
    with Interrupts().caught() as interrupts:
        engine = make_engine(
            folder,
            objective,
            workers=int(workers),
            url=url or None,
            owner=owner or "mine",
            budget=Budget(candidates=int(budget)),
        )
        why = engine.run(interrupts)
    print(why)
