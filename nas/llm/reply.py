"""Replies to a question: the model's text, or in one line why there is none."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

_SHOWN = 200
"""Characters of foreign text in a message of ours."""


class CallError(Exception):
    """Why a call brought no text. It stays inside `nas.llm`: a search goes on without the model."""

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        final: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        """HTTP status, where one came."""
        self.retry_after_s = retry_after_s
        """Seconds that the server asks to wait."""
        self.final = final
        """Whether the same question would fail again."""


@dataclass(frozen=True, kw_only=True)
class Try:
    """One call of several for a question."""

    seconds: float
    fault: str | None = None
    status: int | None = None


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The reply to one question, or the reason for none."""

    text: str | None = None
    """The model's words; None where no call brought any."""
    fault: str | None = None
    """Why there is no text."""
    tokens: dict[str, int] = field(default_factory=dict)
    """The server's own count: `prompt`, `completion`."""
    structured: bool = False
    """Whether the server was asked to keep to a JSON schema."""
    tries: tuple[Try, ...] = ()


def excerpt(text: str, most: int = _SHOWN) -> str:
    """Foreign text on one line, cut to `most` characters."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else f"{line[:most]}..."


def read_completion(body: bytes) -> tuple[str, dict[str, int]]:
    """The text and the token counts of a chat completion.

    Raises:
        CallError: not JSON, or not a completion that holds text.
    """
    try:
        document = json.loads(body)
    # Nesting deeper than the stack, and integers of more than 4,300 digits, are no JSON of a server's either.
    except (ValueError, RecursionError) as error:
        shown = excerpt(body[:800].decode("utf-8", "replace"), 80)
        raise CallError(f"the reply is not JSON: {shown or 'it is empty'}") from error
    message = _at(_at(_at(document, "choices"), 0), "message")
    text = _text(_at(message, "content")) or _text(_at(message, "refusal"))
    if text is None:
        raise CallError(f"the reply holds no text: {excerpt(json.dumps(document), 80)}")
    # JSON can write half a surrogate pair, which nothing can encode again.
    return text.encode("utf-8", "replace").decode("utf-8"), _tokens(_at(document, "usage"))


def _at(document: Any, key: str | int) -> Any:
    """One step into foreign JSON: None where there is no such thing."""
    if isinstance(key, str):
        return document.get(key) if isinstance(document, dict) else None
    return document[key] if isinstance(document, list) and len(document) > key else None


def _text(content: Any) -> str | None:
    """A message's content: a string, or parts of which some are text."""
    if isinstance(content, str):
        return content if content.strip() else None
    if not isinstance(content, list):
        return None
    parts = [_at(part, "text") for part in content]
    joined = "\n".join(part for part in parts if isinstance(part, str))
    return joined if joined.strip() else None


def _tokens(usage: Any) -> dict[str, int]:
    counted = {name: _at(usage, f"{name}_tokens") for name in ("prompt", "completion")}
    return {name: n for name, n in counted.items() if type(n) is int and 0 <= n < 10**9}


def wait_of(value: str | None, *, now_s: float) -> float | None:
    """Seconds of a Retry-After header: a number, or a date (RFC 9110, 10.2.3); None where it says nothing.

    Args:
        value: the header's text.
        now_s: the time, in seconds since the epoch.
    """
    from email.utils import parsedate_to_datetime

    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now_s
        except (ValueError, TypeError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
