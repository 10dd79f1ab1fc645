"""State dicts from anywhere: read without running anything, matched to a network's own names.

The published CheXNet checkpoints come wrapped, prefixed, with the parameter names of torchvision 0.2 and
with the sigmoid inside the head; each of these layouts is undone only where the result is a name that the
network has and the original is not.
"""

import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ..runtime.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor, nn

SUFFIXES = (".safetensors", ".pth", ".pt", ".pth.tar")
"""Weights files by suffix; all but the first are torch's own format."""

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
"""Keys under which training scripts store the state dict beside epoch, optimizer and so on."""

PREFIXES = ("module.", "model.", "net.", "backbone.")
"""What nn.DataParallel and wrapping classes put before every name, besides the architecture's own name."""

# What torch's readers were seen to raise on cut and flipped files.
_DAMAGED = (
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
)
_COUNTER = "num_batches_tracked"
_NAMED = 4


def read_weights(content: bytes, name: str) -> "dict[str, Tensor]":
    """Read the bytes of a safetensors or torch file into tensors on the CPU.

    A torch file is a pickle; it is read with `weights_only=True`, which builds tensors and plain
    containers and refuses to import or call anything else.

    Args:
        content: the whole file.
        name: the file's name, for its suffix and for messages.

    Raises:
        CheckpointError: not readable as the format its suffix claims, or holding other objects.
    """
    return _read_safetensors(content, name) if name.endswith(".safetensors") else _read_torch(content, name)


def load_into(network: "nn.Module", weights: "Mapping[str, Tensor]", *, architecture: str, name: str) -> int:
    """Copy weights into a network, undoing the public layouts' names; every weight has to find its place.

    Args:
        network: filled in place, exactly: no name may be left over on either side. Only BatchNorm's
            step counters, which inference does not use, may be absent.
        weights: as read by `read_weights`.
        architecture: the network's name, which some layouts use as a prefix.
        name: the file's name, for messages.

    Returns:
        how many names had to be translated.

    Raises:
        CheckpointError: missing, unknown, wrongly shaped or non-finite weights, each named.
    """
    expected = network.state_dict()
    matched, translated = _match(weights, set(expected), architecture=architecture, name=name)
    absent = [key for key in expected if key not in matched and not key.endswith(_COUNTER)]
    unknown = [key for key in matched if key not in expected and not key.endswith(_COUNTER)]
    if absent or unknown:
        kinds = (("missing", absent), ("unknown", unknown))
        found = [f"{len(keys)} {what} ({_some(keys)})" for what, keys in kinds if keys]
        raise CheckpointError(
            f"{name} does not hold the weights of {architecture}: {' and '.join(found)}; "
            "check the architecture it was trained as (--arch)"
        )
    kept = {key: matched[key] for key in expected if key in matched}
    _check_shapes(kept, expected, architecture=architecture, name=name)
    check_finite(kept, name=name)
    network.load_state_dict({**expected, **kept})
    return translated


def check_finite(weights: "Mapping[str, Tensor]", *, name: str) -> None:
    """Check that no weight is NaN or infinite.

    Raises:
        CheckpointError: some are; the message names the first.
    """
    floats = {key: tensor for key, tensor in weights.items() if tensor.is_floating_point()}
    odd = [key for key, tensor in floats.items() if not bool(tensor.isfinite().all())]
    if odd:
        raise CheckpointError(
            f"{name} has NaN or infinite weights in {len(odd)} places ({_some(odd)}): its training diverged "
            "or the file is damaged; take an earlier checkpoint"
        )


def _read_safetensors(content: bytes, name: str) -> "dict[str, Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        weights: dict[str, Tensor] = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{name} is no readable safetensors file ({error}); copy it again") from error
    return weights


def _read_torch(content: bytes, name: str) -> "dict[str, Tensor]":
    import torch

    try:
        with warnings.catch_warnings():
            # Of other pickle protocols than torch's own; what cannot be read fails by itself.
            warnings.simplefilter("ignore")
            loaded = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # Several paragraphs of advice follow in torch's message, among them to switch the protection off.
        refused = re.search(r"GLOBAL (\S+)", str(error))
        if refused is None:
            raise CheckpointError(f"{name} is no readable torch checkpoint; copy it again") from error
        raise CheckpointError(
            f"{name} holds more than tensors ({refused[1]}), which could run code, so it is not opened; if "
            "you trust it, save its state_dict() alone, best as safetensors"
        ) from error
    except _DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{name} is no readable torch checkpoint ({reason}); copy it again") from error
    return _unwrap(loaded, name)


def _unwrap(loaded: Any, name: str) -> "dict[str, Tensor]":
    import torch

    while isinstance(loaded, Mapping):
        inner = next((loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), Mapping)), None)
        if inner is None:
            break
        loaded = inner
    if not isinstance(loaded, Mapping) or not loaded:
        raise CheckpointError(
            f"{name} holds a {type(loaded).__name__}, not a state dict; save the network's state_dict()"
        )
    if odd := [str(key) for key, value in loaded.items() if not isinstance(value, torch.Tensor)]:
        raise CheckpointError(
            f"{name} holds {len(odd)} entries that are no tensors ({_some(odd)}); save the state_dict() alone"
        )
    return {str(key): value for key, value in loaded.items()}


def _match(
    weights: "Mapping[str, Tensor]", expected: set[str], *, architecture: str, name: str
) -> "tuple[dict[str, Tensor], int]":
    matched: dict[str, Tensor] = {}
    translated = 0
    for key, tensor in weights.items():
        own = _translate(key, expected, architecture)
        if own in matched:
            raise CheckpointError(f"{name} holds {own} twice, once as {key}; save the state_dict() again")
        matched[own] = tensor
        translated += own != key
    return matched, translated


def _translate(key: str, expected: set[str], architecture: str) -> str:
    """The network's own name for a stored one; an unknown one comes back without its wrapping prefixes."""
    prefixes = (*PREFIXES, f"{architecture}.")
    bare = key
    while bare not in expected:
        prefix = next((p for p in prefixes if bare.startswith(p)), None)
        if prefix is None:
            break
        bare = bare.removeprefix(prefix)
    # torchvision before 0.3 named the parts of a dense layer norm.1, conv.1, ...: a dot too many.
    joined = re.sub(r"\.(norm|relu|conv)\.([12])\.", r".\1\2.", bare)
    # nn.Sequential(Linear, Sigmoid) as the head: the same linear layer, and a sigmoid without weights.
    for candidate in (bare, joined, re.sub(r"^(classifier|fc)\.0\.", r"\1.", bare)):
        if candidate in expected:
            return candidate
    return joined


def _check_shapes(
    weights: "Mapping[str, Tensor]", expected: "Mapping[str, Tensor]", *, architecture: str, name: str
) -> None:
    wrong = [
        f"{key} is {tuple(tensor.shape)}, not {tuple(expected[key].shape)}"
        for key, tensor in weights.items()
        if tensor.shape != expected[key].shape
    ] or [
        f"{key} is {tensor.dtype}, not {expected[key].dtype}"
        for key, tensor in weights.items()
        if tensor.is_floating_point() != expected[key].is_floating_point()
    ]
    if wrong:
        raise CheckpointError(
            f"{name} has {len(wrong)} weights of another kind than this {architecture}: {_some(wrong)}; "
            "check the architecture, the number of classes and the input channels"
        )


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:_NAMED]) + (", ..." if len(listed) > _NAMED else "")
