"""Every exchange with the model as a line of JSON, and the log as a model that can be asked again.

Two kinds of line: `exchange` (a question, what came, what it was read as) and, when a proposal is made,
`proposal` (which networks were taken, and from whom). A kill can tear the last line; it is left out when
read, and closed before the next is written, for a line glued to it would be lost with it.
"""

import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...runtime.errors import DataError, OutputError
from .client import Message
from .reply import Reply, Try


class Log:
    """Appends lines, each on disk before the search goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, kind: str, **facts: Any) -> None:
        """Append one line.

        Raises:
            OutputError: the disk refused.
        """
        line = json.dumps(
            {"kind": kind, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **facts}
        )
        try:
            with self._path.open("ab+") as file:
                if file.seek(0, os.SEEK_END) and not _ends_a_line(file):
                    line = "\n" + line
                file.write(line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error

    def exchange(
        self,
        *,
        proposal: int,
        turn: int,
        asked: Sequence[Message],
        reply: Reply,
        parsed: dict[str, Any] | None,
    ) -> None:
        """Log a question with what came of it."""
        self.write(
            "exchange",
            proposal=proposal,
            turn=turn,
            request=list(asked),
            seconds=round(sum(t.seconds for t in reply.tries), 3),
            parsed=parsed,
            **{**asdict(reply), "tries": [asdict(t) for t in reply.tries]},
        )


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; torn ones are left out.

    Raises:
        DataError: the file cannot be read, or none of its lines is of such a log.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"cannot read the log {path}: {error.strerror or error}") from error
    read = list(_objects(lines))
    if not read and any(line.strip() for line in lines):
        raise DataError(f"{path} is no log of a language model: no line of it is an exchange or a proposal")
    return read


def _objects(lines: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            read = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(read, dict) and read.get("kind") in ("exchange", "proposal"):
            yield read


class Replay:
    """Answers as a log has it: the replies of the same proposal, in their order, and no server."""

    def __init__(self, path: Path) -> None:
        self._waiting: dict[int, deque[Reply]] = {}
        for line in read_log(path):
            if line["kind"] != "exchange":
                continue
            number = line.get("proposal", -1)
            # A search that was killed within a proposal made it anew.
            if line.get("turn") == 0 or number not in self._waiting:
                self._waiting[number] = deque()
            self._waiting[number].append(_reply(line, path))
        self.proposal = 0
        """Which proposal is being made; the proposer says so."""

    def ask(self, messages: Sequence[Message], schema: dict[str, Any], *, until_s: float) -> Reply:
        """See `Asker.ask`."""
        del messages, schema, until_s
        waiting = self._waiting.get(self.proposal)
        return waiting.popleft() if waiting else Reply(fault="the log holds no further reply")


def _reply(line: dict[str, Any], path: Path) -> Reply:
    text, fault = line.get("text"), line.get("fault")
    if not (isinstance(text, str) or isinstance(fault, str)):
        raise DataError(f"{path} is damaged: an exchange of it holds neither a text nor a fault")
    return Reply(
        text=text if isinstance(text, str) else None,
        fault=fault if isinstance(fault, str) else None,
        tokens=line.get("tokens") or {},
        structured=bool(line.get("structured")),
        tries=(Try(seconds=0.0),),
    )
