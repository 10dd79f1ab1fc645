"""A question to the model: several calls within a deadline, and what each server was found to take."""

import random
import time
from collections.abc import Sequence
from typing import Any, Protocol

from .reply import CallError, Reply, Try, read_completion
from .settings import LlmSettings
from .transport import Transport

Message = dict[str, str]
"""`role` and `content`, as the chat interface has them."""

_LEAST_S = 0.05
"""A shorter call than this is not begun."""
_SECRET = 8
"""Characters from which a key is one."""
_NO_SCHEMA = (400, 404, 415, 422, 501)
"""How servers refuse a `response_format` that they do not know."""


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
