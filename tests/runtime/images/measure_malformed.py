"""Decode every malformed kind in a child of its own and print what came of it, as JSON.

Run as a program by the tests: a crash, a hang or a memory bomb then ends a child and not the test run.
"""

import json
import os
import resource
import sys
from pathlib import Path

import numpy as np

from xopt.runtime.errors import InputError
from xopt.runtime.images.image import decode

from . import malformed_dicom, malformed_dicom_frames, malformed_jpeg, malformed_png  # noqa: F401
from .malformed_images import ANY, KINDS

CPU_SECONDS = 30
"""After which the system ends a child: many times what the slowest good file takes on a busy machine."""


def attempt(content: bytes, right: object) -> dict[str, object]:
    """Decode once: "refused", "right", "wrong", or the name of another exception."""
    message = ""
    try:
        image = decode(content)
        is_right = right is ANY or (right is not None and np.array_equal(image, right))
        outcome = "right" if is_right else "wrong"
    except InputError as error:
        outcome, message = "refused", str(error)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
        outcome, message = type(error).__name__, str(error)
    return {"outcome": outcome, "message": message}


def measured(content: bytes, right: object) -> dict[str, object]:
    """As `attempt`, in a child; adds the memory that it took beyond ours, in MB."""
    reader, writer = os.pipe()
    before_mb = resident_mb()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        answer = attempt(content, right)
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status, usage = os.wait4(child, 0)
    answer = json.loads(said) if said else {"outcome": f"died of {status}", "message": ""}
    return answer | {"mb": usage.ru_maxrss / 1024 - before_mb}


def resident_mb() -> float:
    """Memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Measure all kinds; loaded libraries are shared, so that only decoding is counted."""
    for name in ("dicom of no rows", "png without pixels", "jpeg without a frame"):
        attempt(*KINDS[name]())
    print(json.dumps({name: measured(*make()) for name, make in KINDS.items()}), file=sys.stdout)


if __name__ == "__main__":
    main()
