"""Several processes, as torchrun starts them, train what one process does."""

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from xopt.datasets import load_images, open_source, phantoms  # noqa: E402
from xopt.models import load_checkpoint  # noqa: E402
from xopt.runtime.errors import DependencyError, DeviceError, TrainingError, UsageError  # noqa: E402
from xopt.train.distributed import Processes, launched  # noqa: E402
from xopt.train.inputs import normalise  # noqa: E402
from xopt.train.loop import train  # noqa: E402
from xopt.train.losses import Loss, Targets  # noqa: E402
from xopt.train.recipe import Recipe  # noqa: E402
from xopt.train.results import read_history  # noqa: E402
from xopt.train.training_state import States  # noqa: E402

from .tiny import free_port  # noqa: E402

RECIPE = Recipe(
    architecture="macro-1200-stem8-depths2.2-widths16.24-head32",
    epochs=2,
    learning_rate=0.003,
    optimizer="sgd",
    size=40,
    crop=32,
    channels=1,
    mean=(0.5,),
    std=(0.25,),
    # Neither a batch nor the 23 images of val can be shared out evenly.
    batch_size=11,
    accumulate=1,
    ema=0.9,
    clip_norm=5.0,
    rotation=5,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    phantoms.write(folder, count=168, seed=1, size=48)
    return folder


def environment():
    # One thread each: two processes share two cores.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"OMP_NUM_THREADS": "1", "PATH": path}


def launch(launcher, *words):
    return subprocess.run(
        [*launcher, "-m", "xopt", "train", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(),
        check=False,
    )


def torchrun(processes):
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        f"--nproc-per-node={processes}",
        "--master-addr=127.0.0.1",
        f"--master-port={free_port()}",
    ]


def losses(run: Path):
    with (run / "steps.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """The same training by one process and by two."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.to_toml())
    done = launch(
        torchrun(2), "--recipe", recipe, "--data", data, "--out", folder / "double", "--device", "cpu"
    )
    assert done.returncode == 0, done.stderr
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(open_source(data), RECIPE, run=folder / "single", device="cpu")
    torch.set_num_threads(threads)
    return folder / "single", folder / "double", done


@pytest.mark.slow
def test_two_processes_have_one_process_s_loss_curve(runs):
    single, double, _ = runs
    assert len(losses(single)) == 20
    np.testing.assert_allclose(losses(double), losses(single), rtol=1e-4)


@pytest.mark.slow
def test_two_processes_come_to_the_same_metrics_and_weights(runs):
    single, double, _ = runs
    for ours, theirs in zip(
        *(read_history((run / "history.csv").read_text()) for run in (double, single)), strict=True
    ):
        assert ours.val_loss == pytest.approx(theirs.val_loss, rel=1e-4)
        # Rounding turns the order of images that are nearly tied, one pair of some thousands each.
        assert ours.val_auc == pytest.approx(theirs.val_auc, abs=0.005)
        assert ours.val_accuracy == pytest.approx(theirs.val_accuracy, abs=0.02)
    # Of the last step: which epoch is the best may turn with a pair that is nearly tied.
    weights = [States(run).load()[0]["network"] for run in (double, single)]
    for key, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][key], rtol=1e-3, atol=2e-4, msg=key)


@pytest.mark.slow
def test_only_the_first_process_prints(runs):
    *_, done = runs
    assert done.stdout.count("val mean AUC") == 1
    assert len(re.findall(r"^\s+1/2 ", done.stderr, flags=re.MULTILINE)) == 1


@pytest.mark.slow
def test_accelerate_and_mpirun_start_two_processes_too(data, tmp_path):
    folder = Path(sys.executable).parent
    for program in ("accelerate", "mpirun"):
        if not (folder / program).exists():
            pytest.skip(f"no {program} here")
    hosts = tmp_path / "hosts"
    hosts.write_text("localhost\n")
    launcher = [
        folder / "accelerate",
        "launch",
        "--cpu",
        "--num-processes=2",
        "--num-machines=1",
        # On CPUs accelerate leaves it to mpirun, and without a list of machines it starts one process.
        f"--mpirun-hostfile={hosts}",
        "--mixed-precision=no",
        f"--main-process-port={free_port()}",
    ]
    # Without it each process has BatchNorm statistics of its own.
    settings = replace(RECIPE, epochs=1, sync_batch_norm=False)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(settings.to_toml())
    run = tmp_path / "run"
    done = launch(map(str, launcher), "--recipe", recipe, "--data", data, "--out", run, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("val mean AUC") == 1
    # A state has the random numbers of every process.
    assert len(States(run).load()[0]["random"]) == 2
    (epoch,) = read_history((run / "history.csv").read_text())
    assert epoch.val_loss == pytest.approx(loss_of(run, open_source(data), settings), rel=1e-4)


def loss_of(run, dataset, recipe):
    """The validation loss of the network that a run has kept."""
    val = dataset.split("val")
    images = torch.from_numpy(load_images(val, recipe.preprocessing()))[:, 4:36, 4:36]
    with torch.no_grad():
        logits = load_checkpoint(run).network(normalise(images, recipe.preprocessing()))
    wanted = Targets(labels_BC=torch.from_numpy(val.labels_NC).float())
    return Loss(recipe, dataset.split("train").labels_NC).sum(logits, wanted).item() / val.labels_NC.size


def test_without_a_launcher_there_is_one_process(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "PMI_RANK", "PMI_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert launched() == (0, 1)


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"RANK": "1", "WORLD_SIZE": "2"}, (1, 2)),
        ({"PMI_RANK": "3", "PMI_SIZE": "4"}, (3, 4)),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "8"}, (0, 8)),
        # A Slurm shell that was left over: one process is one process.
        ({"RANK": "5", "WORLD_SIZE": "1"}, (0, 1)),
        ({"RANK": "", "WORLD_SIZE": "many"}, (0, 1)),
    ],
)
def test_each_launcher_says_who_is_who_in_its_own_words(monkeypatch, variables, found):
    for name in ("RANK", "WORLD_SIZE", "PMI_RANK", "PMI_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert launched() == found


def test_memory_that_is_not_there_is_one_line():
    with (
        pytest.raises(TrainingError, match=r"not enough memory on cpu .*set a smaller batch_size"),
        Processes("cpu").explaining(),
    ):
        torch.empty(1 << 60)


def test_devices_that_are_not_here_are_named():
    with pytest.raises(UsageError, match="--device must be one of auto, cpu, cuda, hpu, got 'tpu'"):
        Processes("tpu")
    with pytest.raises(DependencyError, match="habana_frameworks"):
        Processes("hpu")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match=r"no CUDA device .* use --device cpu"):
            Processes("cuda")


@pytest.fixture
def first_of_two(monkeypatch):
    """This process as the first of two, by Hydra's words; a function that sets more."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    words = {"PMI_RANK": "0", "PMI_SIZE": "2", "MPI_LOCALRANKID": "0", "MPI_LOCALNRANKS": "2"}
    # What a process sets for itself on its way is taken back, too.
    more = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
    for name, value in (words | more).items():
        monkeypatch.setenv(name, value)

    def say(**changes):
        for name, value in changes.items():
            monkeypatch.setenv(name, value)

    return say


def test_several_machines_need_the_address_of_the_first(first_of_two, monkeypatch):
    first_of_two(LOCAL_WORLD_SIZE="1", MASTER_ADDR="")
    with pytest.raises(UsageError, match=r"1 of 2 processes are on this machine, .*; set MASTER_ADDR"):
        Processes("cpu")


def test_a_port_that_another_training_has_is_one_line(first_of_two):
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        first_of_two(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(other.getsockname()[1]))
        with pytest.raises(DeviceError, match=r"process 0 of 2 could not join .*in use.* set MASTER_PORT"):
            Processes("cpu")


def test_a_process_that_never_comes_is_not_waited_for_long(first_of_two, monkeypatch):
    monkeypatch.setattr("xopt.train.distributed._MEETING_S", 1)
    first_of_two(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()))
    with pytest.raises(DeviceError, match=r"process 0 of 2 could not join the others \(Timed out.*1/2"):
        Processes("cpu")


@pytest.mark.slow
def test_when_one_process_dies_the_other_says_so_and_the_run_resumes(data, tmp_path):
    recipe = tmp_path / "recipe.toml"
    # More epochs than can pass before the kill.
    recipe.write_text(replace(RECIPE, epochs=100_000).to_toml())
    run = tmp_path / "run"
    words = ["--recipe", recipe, "--data", data, "--out", run, "--device", "cpu"]
    # mpirun would end the survivor itself; here it is left to find out.
    port = str(free_port())
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "xopt", "train", *map(str, words), "--checkpoint-every", "2steps"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment()
            | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_PORT": port},
        )
        for rank in range(2)
    ]
    deadline = time.monotonic() + 120
    while not list(run.glob("states/*-*/state.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    ranks[1].send_signal(signal.SIGKILL)
    _, said = ranks[0].communicate(timeout=120)
    ranks[1].communicate()
    assert ranks[0].returncode == 1
    lines = [line for line in said.splitlines() if line.startswith("xopt:")]
    assert len(lines) == 1
    assert "another process of this training is gone" in lines[0]
    assert "start all processes again with --resume" in lines[0]
    assert States(run).load() is not None
