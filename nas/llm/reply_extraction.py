"""Lists of operations in what a model wrote, the answer before the explanation around it.

Models write them as JSON, in fences, numbered, with bullets, with comments, as strings of digits, an
operation a line, and they repeat other networks while they explain. Nothing is evaluated, and every pass is
linear in the text: patterns have no nested repeats, and what they may cross is bounded.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .reply import excerpt

_ANSWER_KEYS = (
    "candidates", "candidate", "architectures", "architecture", "networks", "network", "proposals",
    "proposal", "suggestions", "answer", "codes", "code", "operations", "layers", "list", "next",
)  # fmt: skip
_MOST = 1_000
"""Lists taken from one reply."""
_LIST_CHARS = 4_000
"""Characters of one list with its comments: a longer one is no network."""

_FENCE = re.compile(r"^[ \t]{0,8}(?:```|~~~)", re.MULTILINE)
_ANSWER = re.compile(
    r"\b(?:answer|final (?:list|choice|selection|proposals?|candidates?))\b[*_`\"' ]{0,4}[:\n]", re.IGNORECASE
)
_EXPLAINS = re.compile(
    r"\b(?:previous(?:ly)?|prior|earlier|so far|tried|avoid|instead|rather than|not|unlike|worse|baseline"
    r"|current|for example|for instance|e\.g|such as|compared?|history|already|would be|rejected|never)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?:[-*+•>|]|\d{1,3}[.:])?[ \t]{0,4}(?:[^\[\]{}#]{0,40}(?:[:=]|->|→))?")
"""What may stand before a list that has its line for itself: a bullet, a number, a short label."""
_LISTS = " \t0123456789,;\"'`*()[]{}"
"""What other lists on the same line, and quotes around this one, are made of."""
_IN_LIST = re.compile(r"[\[\]]|#[^\n]*|//[^\n]*")
_SPLIT = re.compile(r"[\s,;]+")
_INTEGER = re.compile(r"-?[0-9]{1,6}")
_TOKEN = re.compile(r"[0-9]+|[^\W\d]+|->|[^\s]")
_ONE_A_LINE = re.compile(
    r"(?:[-*+•] {0,3})?"
    r"(?:\**(?:layer|block|position|stage|l)? {0,2}\(?([0-9]{1,3})\)?\** {0,2}(?:->|[.):=]) {0,3})?"
    r"\**(?:op(?:eration)?|id|choice)?(?: id)? {0,2}[:=]? {0,2}([0-9])\**(?![\w.])"
    r"[,;]? {0,8}(?:(?:#|//|\(|[:–-] {0,3}(?![\d ])).{0,300})?",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class WrittenList:
    """A list of operations as it was written."""

    digits: tuple[int, ...]
    shown: str
    """Its text, for a message about it."""


def find(text: str, layers: int) -> list[list[WrittenList]]:
    """The lists of a reply by how much they look like its answer, the most first.

    JSON comes first, then what stands alone in a fence, what stands alone on its line, and last what stands
    within a sentence. Where the text names its answer ("Final answer:"), only what follows counts, if that is
    anything.

    Args:
        text: the model's words.
        layers: how many operations a network has. Lists of another length are found too where they are
            written as lists, so that the model can be told.
    """
    thought, mark, rest = text.rpartition("</think>")
    if mark:
        text = rest if rest.strip() else thought
    documents = _unique(found for document in _documents(text) for found in _in_json(document, layers))
    placed = sorted(_in_text(text, layers), key=lambda item: item[0])[:_MOST]
    marks = [mark.end() for mark in _ANSWER.finditer(text)]
    for end in reversed(marks[-50:]):
        answered = [item for item in placed if item[0] >= end]
        if answered:
            placed = answered
            break
    fences = _fences(text)
    tiers: list[list[WrittenList]] = [documents, [], [], []]
    for start, found, alone in placed:
        fenced = any(a <= start < b for a, b in fences)
        rank = 3 if not alone or _explains(text, start) else 1 if fenced else 2
        tiers[rank].append(found)
    return [_unique(iter(tier)) for tier in tiers if tier]


def _unique(found: Iterator[WrittenList]) -> list[WrittenList]:
    kept: dict[tuple[int, ...], WrittenList] = {}
    for one in found:
        kept.setdefault(one.digits, one)
        if len(kept) >= _MOST:
            break
    return list(kept.values())


def _fences(text: str) -> list[tuple[int, int]]:
    """Begin and end of fenced blocks, the markers left out; an open one runs to the end."""
    marks = [m.end() for m in _FENCE.finditer(text)][:40]
    if len(marks) % 2:
        marks.append(len(text) + 3)
    return [(a, b - 3) for a, b in zip(marks[::2], marks[1::2], strict=True)]


def _documents(text: str) -> Iterator[Any]:
    """JSON in a reply: the whole, a fenced block, or what stands between the outermost braces."""
    blocks = [text]
    for start, end in _fences(text):
        _, _, block = text[start:end].partition("\n")
        blocks.append(block)
    blocks.append(text[text.find("{") : text.rfind("}") + 1])
    for block in blocks:
        block = block.strip()
        if block[:1] not in ("{", "["):
            continue
        try:
            yield json.loads(block)
        except (ValueError, RecursionError):
            continue


def _in_json(document: Any, layers: int) -> Iterator[WrittenList]:
    """Lists in a document; of an object with a key that names an answer, only what is under it."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        whole = _as_list(value, layers)
        if whole is not None:
            yield whole
        elif isinstance(value, dict):
            named = [value[key] for key in _ANSWER_KEYS if key in value]
            waiting.extend(reversed(named or list(value.values())))
        elif isinstance(value, list):
            # [12122122, 21211211]: each number is a network.
            waiting.extend(str(v) if type(v) is int else v for v in reversed(value[:_MOST]))


def _as_list(value: Any, layers: int) -> WrittenList | None:
    if isinstance(value, dict) and len(value) == layers:
        value = list(value.values())
    if isinstance(value, str):
        return _written(value) if len(value) <= _LIST_CHARS else None
    if not isinstance(value, list) or not 1 < len(value) <= _MOST:
        return None
    parts = [v.strip() if isinstance(v, str) else str(v) for v in value if type(v) in (int, str)]
    if len(parts) < len(value) or not all(len(p) == 1 and p in "0123456789" for p in parts):
        return None
    return WrittenList(digits=tuple(map(int, parts)), shown=excerpt(json.dumps(value), 60))


def _written(value: str) -> WrittenList | None:
    """A string that is nothing but a list: "12122122", "1,2,1", "[1, 2, 1]", "1-2-1"."""
    bare = value.strip().strip("[]()").strip()
    parts = list(bare) if bare.isalnum() else re.split(r"[\s,;|-]+", bare)
    if len(parts) < 2 or not all(len(p) == 1 and p in "0123456789" for p in parts):
        return None
    return WrittenList(digits=tuple(map(int, parts)), shown=excerpt(value, 60))


def _in_text(text: str, layers: int) -> Iterator[tuple[int, WrittenList, bool]]:
    """Position of each list, the list, and True where it has its line for itself."""
    for start, found in _bracketed(text):
        yield start, found, _alone(text, start)
    string = re.compile(rf"(?<![\w.])[0-9]{{{layers}}}(?!\w|\.\w)")
    for match in string.finditer(text):
        found = WrittenList(digits=tuple(map(int, match[0])), shown=match[0])
        yield match.start(), found, _alone(text, match.start())
    for start, found in _spaced(text, layers):
        yield start, found, _alone(text, start)
    for start, found in _one_a_line(text, layers):
        yield start, found, True


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", max(0, position - 200), position) + 1 or max(0, position - 200)


def _alone(text: str, start: int) -> bool:
    before = text[_line_start(text, start) : start].rstrip(_LISTS).lstrip()
    return _LABEL.fullmatch(before) is not None


def _explains(text: str, start: int) -> bool:
    """True where the words before a list on its line, or the heading above it, speak of something else."""
    begin = _line_start(text, start)
    if _EXPLAINS.search(text, begin, start):
        return True
    above = text[max(0, begin - 200) : begin].rstrip()
    heading = above[above.rfind("\n") + 1 :]
    return heading.endswith(":") and _EXPLAINS.search(heading) is not None


def _bracketed(text: str) -> Iterator[tuple[int, WrittenList]]:
    """Innermost [...] of integers; comments within may hold anything."""
    position = text.find("[")
    while position >= 0:
        start, parts = position, []
        position += 1
        closed = False
        for match in _IN_LIST.finditer(text, position, start + _LIST_CHARS):
            parts.append(text[position : match.start()])
            position = match.end()
            if match[0] == "[":
                start, parts = match.start(), []
            closed = match[0] == "]"
            if closed:
                break
        words = [word.strip("\"'`") for word in _SPLIT.split(" ".join(parts).strip())] if closed else []
        if len(words) > 1 and all(_INTEGER.fullmatch(word) for word in words):
            yield start, WrittenList(digits=tuple(map(int, words)), shown=excerpt(text[start:position], 60))
        position = text.find("[", position)


def _spaced(text: str, layers: int) -> Iterator[tuple[int, WrittenList]]:
    """Digits with the same separator on a line, exactly as many as there are layers: 1, 2, 1 or 1-2-1."""
    begin = 0
    for line in text.splitlines(keepends=True):
        run: list[re.Match[str]] = []
        between = separator = ""
        for token in _TOKEN.finditer(line):
            if not (token[0].isascii() and token[0].isdigit()):
                between += token[0]
                continue
            joined = bool(run) and len(between) <= 2 and (len(run) == 1 or between == separator)
            if not (joined and _separates(between)) or len(token[0]) > 1:
                yield from _run(run, begin, layers)
                run = []
            if len(token[0]) == 1:
                separator = between if run else ""
                run.append(token)
            between = ""
        yield from _run(run, begin, layers)
        begin += len(line)


def _separates(between: str) -> bool:
    return between in ("", ",", "-", "->", "→", "|", "/", ";")


def _run(run: list[re.Match[str]], begin: int, layers: int) -> Iterator[tuple[int, WrittenList]]:
    if len(run) == layers:
        digits = tuple(int(token[0]) for token in run)
        yield begin + run[0].start(), WrittenList(digits=digits, shown="".join(map(str, digits)))


def _one_a_line(text: str, layers: int) -> Iterator[tuple[int, WrittenList]]:
    """An operation a line, numbered or with bullets, over exactly as many lines as there are layers."""
    run: list[int] = []
    start, following, begin = 0, None, 0
    for line in [*text.splitlines(keepends=True), "end"]:
        bare = line.strip()
        match = _ONE_A_LINE.fullmatch(bare) if len(bare) <= 400 else None
        number = int(match[1]) if match and match[1] else None
        continues = match is not None and bool(run) and number == following
        if bare and run and not continues:
            if len(run) == layers:
                yield start, WrittenList(digits=tuple(run), shown="".join(map(str, run)))
            run = []
        if match:
            if not run:
                start = begin
            run.append(int(match[2]))
            following = number + 1 if number is not None else None
        begin += len(line)
