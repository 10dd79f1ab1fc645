"""The processes that share one training: started by torchrun, accelerate launch or mpirun, or just this one.

Accelerate sets the group up and wraps the network; it is imported only where there are several processes.
Images and labels are shared out by index (see train.sampling), so every process knows the whole batch, and
nothing but gradients, statistics and small numbers travels.
"""

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import DeviceError, TrainingError, UsageError, XoptError
from ..runtime.requires import need

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from torch import nn

T = TypeVar("T")

DEVICES = ("auto", "cpu", "cuda", "hpu")
# What the launchers say: torchrun and accelerate, MPICH and Intel MPI, Open MPI.
_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK")
_WORLDS = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
_LOCALS = ("LOCAL_RANK", "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK")
_LOCAL_WORLDS = ("LOCAL_WORLD_SIZE", "MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE")
_MEETING_S = 300
"""How long processes wait for each other at their start."""


def launched() -> tuple[int, int]:
    """This process's number and how many there are, as the launcher says; (0, 1) without one."""
    rank, world = _first(_RANKS, 0), _first(_WORLDS, 1)
    return (rank, world) if world > 1 else (0, 1)


def _first(names: tuple[str, ...], otherwise: int) -> int:
    found = next((os.environ[name] for name in names if os.environ.get(name, "").isdigit()), None)
    return otherwise if found is None else int(found)


class Processes:
    """One process's view of the training it shares."""

    def __init__(self, device: str = "auto") -> None:
        """Join the others, and choose a device.

        Args:
            device: one of DEVICES. `auto` takes an accelerator that torch itself knows, else the CPU;
                a plugin such as hpu's is imported only when it is named.

        Raises:
            UsageError: no such device is known, or the processes cannot know where the first one is.
            DeviceError: this machine lacks it, or the processes did not find each other.
            DependencyError: accelerate is not installed, and there are several processes.
        """
        if device not in DEVICES:
            raise UsageError(f"--device must be one of {', '.join(DEVICES)}, got {device!r}")
        self.rank, self.world = launched()
        self.accelerator: Accelerator | None = None
        self.device = _choose_device(device)
        if self.world > 1:
            self._join()

    @property
    def is_main(self) -> bool:
        """True in the first process, which alone prints and writes."""
        return self.rank == 0

    def describe(self) -> str:
        """Describe the processes and their device, as `cpu` or `8 x cuda`."""
        return self.device.type if self.world == 1 else f"{self.world} x {self.device.type}"

    def _join(self) -> None:
        need("accelerate", extra="train")
        from accelerate import Accelerator

        local = _first(_LOCAL_WORLDS, self.world)
        if local < self.world and not os.environ.get("MASTER_ADDR"):
            raise UsageError(
                f"{local} of {self.world} processes are on this machine, and nothing says where the first "
                "one is; set MASTER_ADDR to its machine's address (mpirun -genv or -x)"
            )
        # Accelerate looks for torchrun's names, except on CPUs.
        os.environ.update(RANK=str(self.rank), WORLD_SIZE=str(self.world))
        os.environ.setdefault("LOCAL_RANK", str(_first(_LOCALS, self.rank)))
        os.environ.setdefault("LOCAL_WORLD_SIZE", str(local))
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", "29500")
        try:
            self._meet()
            # Accelerate's own precision holds for the whole process; the recipe's is applied step by step.
            self.accelerator = Accelerator(cpu=self.device.type == "cpu", mixed_precision="no")
        except (RuntimeError, ValueError) as error:
            raise DeviceError(
                f"process {self.rank} of {self.world} could not join the others ({_line(error)}); "
                "check MASTER_ADDR, and set MASTER_PORT to a free port if another training has this one"
            ) from error
        self.device = self.accelerator.device
        atexit.register(_leave)

    def _meet(self) -> None:
        """Find the others on CPUs; mpirun leaves those waiting, half an hour, whose neighbour never comes."""
        if self.device.type != "cpu" or "TORCHELASTIC_RUN_ID" in os.environ:
            # The agents of torchrun have met already.
            return
        import torch.distributed as dist
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        patience = timedelta(seconds=_MEETING_S)
        store = TCPStore(address, port, self.world, self.is_main, timeout=patience)
        dist.init_process_group("gloo", store=store, rank=self.rank, world_size=self.world)

    def wrap(self, network: "nn.Module", *, sync_batch_norm: bool) -> "nn.Module":
        """The network whose gradients are averaged over all processes; itself where there is one."""
        if self.accelerator is None:
            return network
        if sync_batch_norm and self.device.type == "cpu":
            from .batch_norm import gather_batch_norm

            gather_batch_norm(network)
        elif sync_batch_norm:
            from torch import nn

            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        wrapped: nn.Module = self.accelerator.prepare_model(network)
        return wrapped

    def add_up(self, values: "torch.Tensor") -> "torch.Tensor":
        """The sum over all processes, in place."""
        if self.world > 1:
            import torch.distributed as dist

            dist.all_reduce(values)
        return values

    def share_statistics(self, network: "nn.Module") -> None:
        """Give every process the first one's BatchNorm statistics, which are what is saved."""
        if self.world == 1:
            return
        import torch.distributed as dist

        for buffer in network.buffers():
            dist.broadcast(buffer, src=0)

    def any(self, flag: bool) -> bool:
        """True where the flag is set in any process."""
        if self.world == 1:
            return flag
        import torch

        return bool(self.add_up(torch.tensor([float(flag)], device=self.device)).item() > 0)

    def gather(self, value: T) -> list[T]:
        """Every process's value, in order."""
        if self.world == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def together(self, work: Callable[[], T]) -> T:
        """Do the same in every process; where one fails, one error is raised, by the first that failed.

        Raises:
            XoptError: as `work` does.
            SystemExit: another process raised it.
        """
        result: Any = None
        failure: XoptError | None = None
        try:
            result = work()
        except XoptError as error:
            failure = error
        failed = [rank for rank, bad in enumerate(self.gather(failure is not None)) if bad]
        if not failed:
            done: T = result
            return done
        if failure is not None and failed[0] == self.rank:
            raise failure
        raise SystemExit(1)

    def on_main(self, work: Callable[[], T]) -> T | None:
        """Do something in the first process alone while the others wait; None is their result.

        Raises:
            XoptError, SystemExit: as `together`.
        """
        return self.together(lambda: work() if self.is_main else None)

    def share_rows(self, rows_NC: NDArray[np.float32], mine: NDArray[np.intp]) -> NDArray[np.float32]:
        """Put together rows that each process has computed some of; each row counts once.

        Args:
            rows_NC: float32 (N, C), of which only the rows of `mine` are right here.
            mine: which ones; no two processes have the same.
        """
        if self.world == 1:
            return rows_NC
        import torch

        known_NC = np.zeros_like(rows_NC)
        known_NC[mine] = rows_NC[mine]
        # All others add zero, which changes no bit.
        return self.add_up(torch.from_numpy(known_NC).to(self.device)).cpu().numpy()

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Give errors of memory, and of the network between processes, their one line.

        Raises:
            TrainingError: instead of torch's errors, or as it was raised, in the first process.
            SystemExit: the same in the others, where it is the same error.
        """
        try:
            yield
        except TrainingError as error:
            if self.is_main:
                raise
            raise SystemExit(error.exit_code) from None
        except RuntimeError as error:
            explained = self._explain(error)
            if explained is None:
                raise
            raise explained from error

    def _explain(self, error: RuntimeError) -> TrainingError | None:
        said = str(error).lower()
        if "out of memory" in said or "can't allocate memory" in said:
            return TrainingError(
                f"there is not enough memory on {self.device} ({_line(error)}); what was saved before is "
                "intact: set a smaller batch_size, with accumulate for the same step"
            )
        words = ("connection", "peer", "gloo", "nccl", "timed out", "socket", "broken pipe")
        if self.world == 1 or not any(word in said for word in words):
            return None
        return TrainingError(
            f"another process of this training is gone ({_line(error)}); what was saved before is intact: "
            "start all processes again with --resume"
        )


def _leave() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


def _choose_device(name: str) -> "torch.device":
    import torch

    if name == "hpu":
        need("habana_frameworks", extra="train")
        import importlib

        importlib.import_module("habana_frameworks.torch.core")
        return torch.device("hpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("this machine has no CUDA device that torch can use; use --device cpu")
    if name in ("cpu", "cuda"):
        return torch.device(name)
    found = torch.accelerator.current_accelerator(check_available=True)
    return torch.device("cpu") if found is None else found


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
