"""No telemetry: OpenVINO and NNCF report usage when they are imported; under xopt they do not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Import openvino or nncf inside this block, and they send nothing.

    `import openvino` alone sends an event (openvino.tools.ovc does), with no opt-in asked. Both packages
    fall back to a stub of their own where `openvino_telemetry` cannot be imported; a None entry in
    sys.modules is Python's documented way to make it so.
    """
    name = "openvino_telemetry"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)
