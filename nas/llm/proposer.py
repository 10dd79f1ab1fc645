"""A language model as a proposer: asked, read, told what was wrong, ranked beside the surrogate's own."""

import logging
import os
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from ...runtime.errors import DataError, UsageError
from ..problem import Known, Problem, Trial
from ..proposers.surrogate import Surrogate
from ..space import Limits
from . import prompt
from .client import Asker, Client, LlmSettings
from .log import Log, Replay, read_log
from .memory import Made, Memory
from .parser import parse
from .ranking import Ranker, choose
from .transport import OpenAiTransport

_log = logging.getLogger(__name__)


class LlmProposer:
    """See `problem.Proposer`. Whatever the model does, as many networks come as the surrogate would give."""

    def __init__(
        self,
        problem: Problem,
        settings: LlmSettings,
        *,
        asker: Asker,
        surrogate: Ranker,
        limits: Limits,
        memory: Memory | None = None,
    ) -> None:
        self._problem = problem
        self._settings = settings
        self._asker = asker
        self._surrogate = surrogate
        self._limits = limits
        self._journal = Log(settings.log) if settings.log is not None else None
        self.memory = memory or Memory()
        """What is known of the model so far."""

    def propose(self, history: Sequence[Trial], k: int) -> list[str]:
        """See `problem.Proposer.propose`. It returns within `proposal_s` and the surrogate's own time.

        Raises:
            OutputError: the log cannot be written.
        """
        taken = {trial.code for trial in history}
        answered, offers = (None, []) if self.memory.rest else self._ask(history, k, taken)
        pool = [code for code in self.memory.passed_over if code not in taken and code not in offers]
        known = Known.of(history, self._problem)
        picks = choose(
            self._surrogate,
            history,
            k,
            offers=[*offers, *pool],
            picks=self.memory.picks,
            targets=dict(zip(known.done, known.targets_N.tolist(), strict=True)),
        )
        made = Made(answered=answered, offers=offers, picks=picks)
        if self._journal is not None:
            self._journal.write("proposal", proposal=self.memory.proposals + 1, asked=k, **asdict(made))
        self.memory.add(made)
        return [pick.code for pick in picks]

    def _ask(self, history: Sequence[Trial], k: int, taken: Collection[str]) -> tuple[bool, list[str]]:
        """Ask the model: True where it said anything, and its candidates."""
        number = self.memory.proposals + 1
        until_s = time.monotonic() + self._settings.proposal_s
        wanted = max(self._settings.candidates, k)
        form = prompt.schema(self._problem.space)
        asked = prompt.messages(
            self._problem, history, candidates=wanted, limits=self._limits, most=self._settings.max_results
        )
        if isinstance(self._asker, Replay):
            self._asker.proposal = number
        answered = False
        for turn in range(1 + self._settings.repairs):
            reply = self._asker.ask(asked, form, until_s=until_s)
            parsed = parse(reply.text, self._problem, taken) if reply.text is not None else None
            if self._journal is not None:
                self._journal.exchange(
                    proposal=number,
                    turn=turn,
                    asked=asked,
                    reply=reply,
                    parsed=asdict(parsed) if parsed is not None else None,
                )
            if reply.text is None or parsed is None:
                self._warn(reply.fault, answered)
                return answered, []
            answered = True
            if parsed.codes:
                return True, list(parsed.codes)
            asked = prompt.repair(asked, reply.text, parsed, candidates=wanted)
        return answered, []

    def _warn(self, fault: str | None, answered: bool) -> None:
        """Say once in a row that the model is silent; the log holds every time."""
        if not answered and not self.memory.silent:
            _log.warning("the language model said nothing (%s); the surrogate goes on", fault)


def make_llm_proposer(
    problem: Problem,
    settings: LlmSettings,
    *,
    limits: Limits | None = None,
    surrogate: Ranker | None = None,
) -> LlmProposer:
    """The proposer of a search.

    A log that is there already is taken up where it ends, so that a search that was killed goes on with what
    it knew of the model; a replay needs no server and no key.

    Args:
        problem: what is searched.
        settings: how the model is asked.
        limits: what a network may cost, for the prompt; `problem.allowed` is the judge.
        surrogate: what ranks; the default proposer where none is given.

    Raises:
        DataError: the log or the replay cannot be read.
        DependencyError: the `openai` library is absent.
        UsageError: log and replay are one file, or the key cannot be sent.
    """
    return LlmProposer(
        problem,
        settings,
        asker=_asker(settings),
        surrogate=surrogate or Surrogate(problem),
        limits=limits or Limits(),
        memory=_memory(settings.log),
    )


def _asker(settings: LlmSettings) -> Asker:
    if settings.replay is not None:
        if settings.log is not None and settings.log.resolve() == settings.replay.resolve():
            raise UsageError(f"{settings.log} cannot be replayed and written at once; replay a copy of it")
        return Replay(settings.replay)
    key = os.environ.get(settings.key_variable, "").strip() or None
    # A library would put a key that no header can carry into its error message.
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise UsageError(f"the key in {settings.key_variable} holds spaces or other characters no key has")
    assert settings.url is not None
    transport = OpenAiTransport(url=settings.url, key=key, max_bytes=settings.max_reply_bytes)
    return Client(transport, settings, key=key)


def _memory(log: Path | None) -> Memory:
    if log is None or not log.exists():
        return Memory()
    try:
        return Memory.restored(read_log(log))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{log} is damaged: a proposal in it cannot be read; move it away") from error
