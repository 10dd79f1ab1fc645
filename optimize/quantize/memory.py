"""How much memory a process has held."""

import sys
from pathlib import Path


def peak_memory_mb() -> float | None:
    """The most memory this process has held so far, in MB (10^6 bytes); None where the system is silent."""
    try:
        # Linux's own figure; getrusage's is inherited from the parent process.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
