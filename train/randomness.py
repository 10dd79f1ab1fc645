"""torch's random numbers as values, so that a resumed training draws what it would have drawn."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from .distributed import Processes


def random_state(device: "torch.device") -> "dict[str, torch.Tensor]":
    """The generators of the CPU and of the device."""
    import torch

    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["device"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(states: "list[dict[str, torch.Tensor]]", processes: "Processes") -> None:
    """Set this process's generators; a process that was not there before keeps its own."""
    import torch

    if processes.rank >= len(states):
        return
    state = states[processes.rank]
    torch.set_rng_state(state["cpu"])
    if "device" in state and processes.device.type == "cuda":
        torch.cuda.set_rng_state(state["device"], processes.device)
