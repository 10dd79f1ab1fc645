"""`xopt doctor`: the abilities of this machine, and what they mean for INT8."""

import os
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from .backends.base import usable_cores
from .backends.openvino import PRECISION_HINT, import_openvino
from .requires import conflict

# Names as Linux prints them in /proc/cpuinfo, and what they are called.
_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX-VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_int8": "AMX INT8",
    "amx_bf16": "AMX BF16",
    "asimddp": "NEON dot product",
    "i8mm": "NEON I8MM",
}
_INT8_FEATURES = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
_BASE = ("numpy", "openvino", "pillow", "typer")
_LIBRARIES = (*_BASE, "pydicom", "onnxruntime", "onnx", "nncf", "torch", "torchvision")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The facts about a machine that decide how fast a bundle runs on it."""

    cpu: str
    cores: int
    """Cores this process may use."""
    memory_mb: float | None
    system: str
    python: str
    features: tuple[str, ...]
    """Instruction sets that matter here, as /proc/cpuinfo names them."""
    devices: dict[str, str]
    """OpenVINO devices and their full names."""
    capabilities: tuple[str, ...]
    """What OpenVINO's CPU plugin says it can compute in."""
    libraries: dict[str, str]
    int8: str
    """What the instruction sets mean for INT8, in a sentence."""
    conflict: str | None = None
    """Another distribution that installs a package `xopt` here, and how to mend it (see `find_conflict`)."""

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        return {**asdict(self), "features": list(self.features), "capabilities": list(self.capabilities)}


def examine() -> Machine:
    """Look at this machine; nothing is sent anywhere."""
    ov = import_openvino()
    core = ov.Core()
    features = cpu_features()
    return Machine(
        cpu=_cpu_name(),
        cores=usable_cores(),
        memory_mb=_memory_mb(),
        system=platform.platform(),
        python=platform.python_version(),
        features=features,
        devices={
            device: str(core.get_property(device, "FULL_DEVICE_NAME")) for device in core.available_devices
        },
        capabilities=tuple(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
        libraries=library_versions(),
        int8=int8_advice(features),
    )


def find_conflict() -> str | None:
    """Another distribution that installs a package `xopt`; reading what all of them hold takes a second."""
    return conflict(metadata.packages_distributions().get("xopt", ()))


def cpu_features() -> tuple[str, ...]:
    """The instruction sets of this CPU that matter for inference, as Linux names them."""
    flags: set[str] = set()
    for line in _cpuinfo():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            flags |= set(value.split())
    return tuple(name for name in _FEATURES if name in flags)


def int8_advice(features: tuple[str, ...]) -> str:
    """Advise on INT8 by the instruction sets, in a sentence."""
    dot_products = [_FEATURES[name] for name in features if name in _INT8_FEATURES]
    if dot_products:
        return (
            f"{', '.join(dot_products)} here: 8-bit dot products in one instruction, up to 4 x the "
            "multiply-accumulates of FP32; INT8 pays."
        )
    if "avx2" in features:
        return (
            "No 8-bit dot product (VNNI, AMX) here: INT8 reaches at most 2 x the multiply-accumulates of "
            "FP32, and bundles must be quantized against overflow, as xopt quantize does by default."
        )
    return "No vector instructions that xopt knows to help INT8: measure with xopt bench before choosing it."


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that decide about results and speed."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe(machine: Machine) -> str:
    """The facts as text."""
    named = ", ".join(_FEATURES[f] for f in machine.features) or "none that matter here"
    memory = "unknown" if machine.memory_mb is None else f"{machine.memory_mb / 1000:.1f} GB"
    lines = [
        f"CPU           {machine.cpu}, {machine.cores} cores usable, {memory} of memory",
        f"Instructions  {named}",
        f"INT8          {machine.int8}",
        f"Precision     pinned to {PRECISION_HINT}; OpenVINO's CPU plugin offers "
        + ", ".join(machine.capabilities),
        *(f"Device        {name}: {full}" for name, full in machine.devices.items()),
        f"System        {machine.system}, Python {machine.python}",
        f"Libraries     {', '.join(f'{name} {version}' for name, version in machine.libraries.items())}",
        *([f"Conflict      {machine.conflict}"] if machine.conflict else []),
    ]
    return "\n".join(lines)


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def _cpu_name() -> str:
    for line in _cpuinfo():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _memory_mb() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    except (ValueError, OSError):
        return None
