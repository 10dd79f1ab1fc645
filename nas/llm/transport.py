"""One call to an OpenAI-compatible server, bounded in time and bytes.

A read time-out starts anew with every byte, and a name's resolution has none, so a deadline over the whole
call is kept beside them: the call runs in an event loop of its own, in a thread that is left behind if need
be.
"""

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from functools import cache
from importlib import import_module
from typing import Any, Protocol, TypeVar

from ...runtime.requires import need
from .reply import CallError, excerpt, wait_of

T = TypeVar("T")

_SLACK_S = 0.5
"""What a cancelled call gets to close its socket."""
_REFUSAL_BYTES = 20_000
"""Bytes read of a reply that is an error."""
_TRANSIENT = (408, 409, 425, 429)


class Transport(Protocol):
    """One verb: what a server answers to a request."""

    def post(self, payload: dict[str, Any], *, seconds: float) -> bytes:
        """The body of a successful reply.

        Raises:
            CallError: there is none within `seconds`.
        """
        ...


class OpenAiTransport:
    """Calls through the `openai` library, without its retries and without redirects."""

    def __init__(self, *, url: str, key: str | None, max_bytes: int) -> None:
        need("openai", extra="nas")
        # Its first import and the certificates take seconds, which are no call's.
        import_module("openai")
        _tls()
        self._url = url
        self._key = key
        self._max_bytes = max_bytes

    def post(self, payload: dict[str, Any], *, seconds: float) -> bytes:
        """See `Transport.post`."""
        return _within(seconds, lambda: self._call(payload, seconds))

    async def _call(self, payload: dict[str, Any], seconds: float) -> bytes:
        import openai

        http_client = openai.DefaultAsyncHttpxClient(
            verify=_tls(), follow_redirects=False, event_hooks={"response": [_judge]}
        )
        client = openai.AsyncOpenAI(
            base_url=self._url,
            api_key=self._key or "none",
            max_retries=0,
            timeout=seconds,
            http_client=http_client,
            # A few compressed kilobytes can unfold to gigabytes before anybody counts them.
            default_headers={"Accept-Encoding": "identity"},
        )
        try:
            async with client, client.chat.completions.with_streaming_response.create(**payload) as response:
                return await _read(response.iter_bytes(), self._max_bytes)
        except openai.APITimeoutError as error:
            raise CallError(f"no reply within {seconds:.3g} s") from error
        except openai.APIConnectionError as error:
            # Versions before 3 wrap what a hook raises.
            if isinstance(error.__cause__, CallError):
                raise error.__cause__ from None
            raise CallError(f"no connection: {_said(error.__cause__ or error)}") from error
        except _broken() as error:
            raise CallError(f"the call broke off: {_said(error)}") from error


def _said(error: BaseException) -> str:
    return excerpt(str(error)) or type(error).__name__


def _http_libraries() -> list[Any]:
    """Libraries under openai: httpx2, and before its version 3 httpx."""
    return [sys.modules[name] for name in ("httpx2", "httpx") if name in sys.modules]


def _broken() -> tuple[type[Exception], ...]:
    """Errors of a call that breaks off: the library's own and those of the libraries under it."""
    import openai

    below = [error for m in _http_libraries() for error in (m.HTTPError, m.StreamError, m.InvalidURL)]
    return (openai.OpenAIError, OSError, ValueError, *below)


@cache
def _tls() -> Any:
    """The library's own TLS settings, made once: reading the certificates takes longer than a local call."""
    return _http_libraries()[0].create_ssl_context()


async def _judge(response: Any) -> None:
    """Stop at a reply that is no success, before the library reads all of its body."""
    headers = response.headers
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise CallError(
            f"the reply is compressed ({excerpt(encoding, 40)}), which was not asked for", final=True
        )
    status = response.status_code
    if status == 200:
        return
    if 300 <= status < 400:
        where = excerpt(headers.get("location", "nowhere"))
        raise CallError(
            f"the server redirects to {where}; redirects are not followed", status=status, final=True
        )
    raw = await _read(response.aiter_raw(), _REFUSAL_BYTES, cut=True)
    raise CallError(
        f"HTTP {status}: {excerpt(raw.decode('utf-8', 'replace'))}",
        status=status,
        retry_after_s=wait_of(headers.get("retry-after"), now_s=time.time()),
        final=status < 500 and status not in _TRANSIENT,
    )


async def _read(chunks: Any, most: int, *, cut: bool = False) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > most:
            if cut:
                break
            raise CallError(f"the reply is longer than {most} bytes", final=True)
    return bytes(body[:most])


def _within(seconds: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, or to the deadline."""
    box: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    async def bounded() -> T:
        return await asyncio.wait_for(work(), seconds)

    def run() -> None:
        try:
            box.put((asyncio.run(bounded()), None))
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits
            box.put((None, error))

    # A daemon: a resolver that hangs must not keep the process from ending.
    threading.Thread(target=run, daemon=True, name="xopt-llm").start()
    try:
        result, error = box.get(timeout=seconds + _SLACK_S)
    except queue.Empty:
        raise CallError(f"no reply within {seconds:.3g} s") from None
    if isinstance(error, TimeoutError):
        raise CallError(f"no reply within {seconds:.3g} s") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
