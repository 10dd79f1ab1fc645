"""A local server with the OpenAI chat interface that behaves as it is told, well or badly."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Call:
    """One request, and the ways to answer it."""

    def __init__(self, handler: BaseHTTPRequestHandler, server: "LlmServer", number: int) -> None:
        self._handler = handler
        self._server = server
        self.number = number
        """How many came before it."""
        size = int(handler.headers.get("Content-Length", 0))
        self.raw = handler.rfile.read(size).decode()
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.path = handler.path

    @property
    def request(self) -> dict[str, Any]:
        return json.loads(self.raw)

    @property
    def question(self) -> str:
        return self.request["messages"][-1]["content"]

    def send(self, status: int, body: bytes, *, length: int | None = None, **headers: str) -> None:
        """A reply; `length` may lie about its size, underscores in header names are hyphens."""
        self._handler.send_response(status)
        fields = {"Content-Type": "application/json", "Content-Length": str(length or len(body)), **headers}
        for name, content in fields.items():
            self._handler.send_header(name.replace("_", "-"), content)
        self._handler.end_headers()
        self._handler.wfile.write(body)

    def document(self, document: Any) -> None:
        self.send(200, json.dumps(document).encode())

    def say(self, content: Any) -> None:
        """A completion that holds `content`."""
        self.document(completion(content))

    def start(self) -> None:
        """The head of a reply without a length."""
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", "application/json")
        self._handler.end_headers()

    def write(self, chunk: bytes) -> None:
        self._handler.wfile.write(chunk)
        self._handler.wfile.flush()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        import socket
        import struct

        connection = self._handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def closed(self) -> bool:
        return self._server.closing.is_set()

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than the server lives."""
        self._server.closing.wait(seconds)


def completion(content: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": "local",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


class LlmServer:
    """Answers each call by `behaviour`, and remembers the calls."""

    def __init__(self, behaviour: Callable[[Call], None]) -> None:
        self.behaviour = behaviour
        self.calls: list[Call] = []
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                call = Call(self, outer, len(outer.calls))
                outer.calls.append(call)
                # A client that gives up closes the connection while an answer is written.
                try:
                    outer.behaviour(call)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                del format, args

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                del request, client_address

        self._http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def start(self) -> None:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def serving(behaviour: Callable[[Call], None]) -> Iterator[LlmServer]:
    server = LlmServer(behaviour)
    server.start()
    try:
        yield server
    finally:
        server.close()
