"""How a language model is asked: where, for how long, how often."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ...runtime.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class LlmSettings:
    """One language model behind an OpenAI-compatible address, or the log of one.

    Raises:
        UsageError: no model is named and no log is replayed, or a bound is out of range.
    """

    url: str | None = None
    """Base address of the server, such as `http://localhost:8000/v1`. Redirects are not followed."""
    model: str | None = None
    """What the server calls the model."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key. The key is sent to `url` alone and never written down."""
    candidates: int = 8
    """Networks asked for at a time; the surrogate chooses among them."""
    call_s: float = 60.0
    """Seconds that one call may take, from the name's resolution to the last byte."""
    proposal_s: float = 180.0
    """Seconds that one proposal may spend on the model in all: calls, waits and the repair turn."""
    tries: int = 4
    """Calls for one question, where the server is busy, fails or breaks off."""
    repairs: int = 1
    """Times that the model is told what was wrong with its reply and asked again."""
    backoff_s: float = 0.5
    """Seconds before the second call for one question; doubled each time. A Retry-After is obeyed instead."""
    max_reply_bytes: int = 1_000_000
    """Bytes of a reply, after which reading stops."""
    max_results: int = 60
    """Results in a prompt: the best and the most recent of a longer history."""
    log: Path | None = None
    """File to which every exchange is appended, as JSON lines."""
    replay: Path | None = None
    """Such a file to take the replies from; no server is asked."""

    def __post_init__(self) -> None:
        if self.replay is None:
            self._check_server()
        for name in ("candidates", "call_s", "proposal_s", "tries", "max_reply_bytes", "max_results"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("repairs", "backoff_s"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} must be 0 or more, got {getattr(self, name)}")

    def _check_server(self) -> None:
        if not self.url or not self.model:
            raise UsageError(
                "a language model needs its address and its name: "
                "--llm-url http://HOST:PORT/v1 --llm-model NAME"
            )
        try:
            parts = urlsplit(self.url)
            addressed = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            addressed = False
        if not addressed:
            raise UsageError(
                f"--llm-url must be an address such as http://localhost:8000/v1, got {self.url!r}"
            )
        # An address is written into logs and messages.
        if parts.username is not None or parts.password is not None:
            raise UsageError(
                f"--llm-url must hold no name and no password; put the key into {self.key_variable}"
            )
