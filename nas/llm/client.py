"""Questions to a language model: several calls within a deadline, and the settings of both."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from ...runtime.errors import UsageError
from .reply import CallError, Reply, Try, read_completion
from .transport import Transport

Message = dict[str, str]
"""`role` and `content`, as the chat interface has them."""

_LEAST_S = 0.05
"""A shorter call than this is not begun."""
_SECRET = 8
"""Characters from which a key is one."""
_NO_SCHEMA = (400, 404, 415, 422, 501)
"""How servers refuse a `response_format` that they do not know."""


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


class Asker(Protocol):
    """One verb: what the model says to messages."""

    def ask(self, messages: Sequence[Message], schema: dict[str, Any], *, until_s: float) -> Reply:
        """A reply, or why there is none; never later than `until_s` on the monotonic clock."""
        ...


class Client:
    """Asks a server, again where that helps."""

    def __init__(self, transport: Transport, settings: LlmSettings, *, key: str | None = None) -> None:
        self._transport = transport
        self._settings = settings
        # Local servers take any key: to cut a "1" out of a reply would cut the networks out.
        self._secret = key if key is not None and len(key) >= _SECRET else None
        self._takes_schema = True
        """Until the server has refused once: then no proposal spends a call on it again."""

    def ask(self, messages: Sequence[Message], schema: dict[str, Any], *, until_s: float) -> Reply:
        """See `Asker.ask`."""
        tries: list[Try] = []
        refused = 0
        while True:
            # Some servers answer an unknown response_format with a 500, so the last call does without.
            last = len(tries) - refused + 1 >= self._settings.tries
            structured = self._takes_schema and not (last and self._settings.tries > 1)
            began = time.monotonic()
            try:
                text, tokens = self._call(messages, schema if structured else None, until_s)
            except CallError as fault:
                seconds = time.monotonic() - began
                tries.append(Try(seconds=seconds, fault=self._redact(fault.reason), status=fault.status))
                if structured and fault.status in _NO_SCHEMA:
                    self._takes_schema = False
                    refused = 1
                    continue
                if fault.final or last or not self._wait(fault, len(tries), until_s):
                    return Reply(fault=tries[-1].fault, structured=structured, tries=tuple(tries))
                continue
            tries.append(Try(seconds=time.monotonic() - began))
            return Reply(text=self._redact(text), tokens=tokens, structured=structured, tries=tuple(tries))

    def _call(
        self, messages: Sequence[Message], schema: dict[str, Any] | None, until_s: float
    ) -> tuple[str, dict[str, int]]:
        seconds = min(self._settings.call_s, until_s - time.monotonic())
        if seconds < _LEAST_S:
            raise CallError("the time for this proposal is spent", final=True)
        payload: dict[str, Any] = {"model": self._settings.model, "messages": list(messages)}
        if schema is not None:
            payload["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "candidates", "strict": True, "schema": schema},
            }
        return read_completion(self._transport.post(payload, seconds=seconds))

    def _wait(self, fault: CallError, tried: int, until_s: float) -> bool:
        """Wait before the next call; False, at once, where the deadline comes first."""
        backoff_s = self._settings.backoff_s * 2 ** (tried - 1)
        # Several searches that were turned away together must not come back together.
        wait_s = (
            fault.retry_after_s if fault.retry_after_s is not None else backoff_s * random.uniform(0.5, 1)
        )
        if time.monotonic() + wait_s > until_s - _LEAST_S:
            return False
        time.sleep(wait_s)
        return True

    def _redact(self, text: str) -> str:
        """Servers repeat a key that they refuse; no log may hold it."""
        return text.replace(self._secret, "[key]") if self._secret else text
