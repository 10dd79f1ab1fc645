"""Seconds that the phases of an export or a quantization took."""

import time


class Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """Per phase, in order."""
        self._start = self._since = time.perf_counter()

    @property
    def total(self) -> float:
        """Seconds since the clock was made."""
        return time.perf_counter() - self._start

    def lap(self, phase: str) -> None:
        """End a phase, which began with the one before."""
        now = time.perf_counter()
        self.seconds[phase] = round(now - self._since, 2)
        self._since = now
