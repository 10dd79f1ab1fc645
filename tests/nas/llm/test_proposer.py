"""A language model's part in a search: taken up, corrected, logged, replayed, resumed."""

import json
import os
from pathlib import Path

import pytest

from xopt.nas import Trial
from xopt.nas.llm.client import LlmSettings
from xopt.nas.llm.log import read_log
from xopt.nas.llm.proposer import LlmProposer, make_llm_proposer
from xopt.nas.problem import Problem
from xopt.nas.proposers.surrogate import Surrogate
from xopt.runtime.errors import DataError, UsageError

from .faults import FAULTS
from .server import Call, serving
from .small_space import LIMITS, problem, trials

KEY = "sk-a-key-nobody-may-see"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def _proposer(url: str | None = None, *, searched: Problem | None = None, **changes) -> LlmProposer:
    chosen = {
        "url": url,
        "model": "local" if url else None,
        "call_s": 5.0,
        "tries": 2,
        "backoff_s": 0.01,
        **changes,
    }
    return make_llm_proposer(searched or problem(), LlmSettings(**chosen), limits=LIMITS)


def _search(proposer: LlmProposer, rounds: int, history: list[Trial] | None = None) -> list[Trial]:
    history = list(history or [])
    for _ in range(rounds):
        history += trials(*proposer.propose(history, 2))
    return history


def _codes(history: list[Trial]) -> list[str]:
    return [trial.code for trial in history]


def _varied(call: Call) -> None:
    """A model that knows the space, and is not always well."""
    replies = (
        '{"candidates": ["12200", "11200", "21200"]}',
        "I cannot help with that.",
        "Sorry! Then perhaps:\n1. [2, 1, 2, 1, 0]\n2. [9, 9, 9, 9, 9]",
        None,
        "22222",
        "- 12110\n- 21110",
    )
    call.say(replies[call.number % len(replies)])


def test_the_models_candidates_are_among_what_is_proposed():
    with serving(lambda call: call.say('{"candidates": ["12200", "11200", "21200", "12100"]}')) as server:
        proposer = _proposer(server.url)
        history = _search(proposer, 4)
    assert 1 <= proposer.memory.by_model <= 4
    assert {pick.code for pick in proposer.memory.picks.values() if pick.by_model} <= set(_codes(history))


def test_a_silent_model_leaves_the_search_of_the_surrogate():
    searched = problem()
    with serving(FAULTS["refuses"]) as server:
        history = _search(_proposer(server.url, searched=searched), 5)
    alone: list[Trial] = []
    for _ in range(5):
        alone += trials(*Surrogate(searched).propose(alone, 2))
    assert _codes(history) == _codes(alone)


def test_a_refusal_is_answered_once_with_what_was_wrong():
    with serving(FAULTS["over the limits"]) as server:
        _search(_proposer(server.url), 1)
    assert len(server.calls) == 2
    first, second = (call.request["messages"] for call in server.calls)
    assert second[:2] == first
    assert "22222 is not allowed: 400 parameters" in second[3]["content"]


def test_the_model_hears_of_the_results():
    with serving(_varied) as server:
        history = _search(_proposer(server.url), 3)
    last = server.calls[-1].request["messages"][1]["content"]
    assert all(f"{trial.code}, {trial.value:.5g}, " in last for trial in history[:4])


def test_a_model_that_is_gone_is_asked_three_times_and_then_rests():
    with serving(FAULTS["401"]) as server:
        _search(_proposer(server.url), 13)
        assert len(server.calls) == 3
        _search(_proposer(server.url), 2)
    assert len(server.calls) == 5


def test_the_user_is_told_once_that_the_model_is_silent(caplog):
    with serving(FAULTS["401"]) as server:
        _search(_proposer(server.url), 3)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "HTTP 401" in caplog.text


def test_every_exchange_is_in_the_log_and_the_key_is_not(tmp_path):
    def behave(call: Call) -> None:
        if call.number == 0:
            call.send(500, f"wrong key {KEY}".encode())
        elif call.number == 1:
            call.say(f"Your key {KEY} is fine: 12200")
        else:
            call.say("no")

    with serving(behave) as server:
        _search(_proposer(server.url, log=tmp_path / "log.jsonl"), 2)
    text = (tmp_path / "log.jsonl").read_text()
    assert KEY not in text
    assert "Your key [key] is fine" in text
    lines = read_log(tmp_path / "log.jsonl")
    assert [(line["kind"], line["proposal"]) for line in lines] == [
        ("exchange", 1), ("proposal", 1), ("exchange", 2), ("exchange", 2), ("proposal", 2),
    ]  # fmt: skip
    assert [t["status"] for t in lines[0]["tries"]] == [500, None]
    assert lines[0]["parsed"]["codes"] == ["12200"]
    assert lines[0]["request"][0]["role"] == "system"


def test_no_file_and_no_message_holds_the_key(tmp_path, caplog, monkeypatch):
    caplog.set_level("DEBUG")
    with serving(_varied) as server:
        _search(_proposer(server.url, log=tmp_path / "log.jsonl"), 4)
    assert KEY not in caplog.text
    assert KEY not in (tmp_path / "log.jsonl").read_text()


@pytest.mark.parametrize(
    "behave", [_varied, *(FAULTS[n] for n in ("503 every other time", "half JSON", "decoys"))]
)
def test_a_replay_proposes_the_same_without_server_and_key(tmp_path, monkeypatch, behave):
    with serving(behave) as server:
        history = _search(_proposer(server.url, log=tmp_path / "log.jsonl"), 6)
    monkeypatch.delenv("OPENAI_API_KEY")
    again = _proposer(replay=tmp_path / "log.jsonl", log=tmp_path / "again.jsonl")
    assert _codes(_search(again, 6)) == _codes(history)
    assert _codes(_search(_proposer(replay=tmp_path / "again.jsonl"), 6)) == _codes(history)


def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path):
    def by_history(call: Call) -> None:
        """Replies that depend on what was asked alone."""
        number = call.raw.count(", 0.")
        call.say(json.dumps({"candidates": ["12200", "21200", "11200", "12100", "21100"][number % 4 :]}))

    with serving(by_history) as server:
        whole = _search(_proposer(server.url, log=tmp_path / "whole.jsonl"), 8)
        half = _search(_proposer(server.url, log=tmp_path / "halves.jsonl"), 4)
        resumed = _proposer(server.url, log=tmp_path / "halves.jsonl")
        assert resumed.memory.proposals == 4
        assert _codes(_search(resumed, 4, half)) == _codes(whole)
    assert _codes(_search(_proposer(replay=tmp_path / "halves.jsonl"), 8)) == _codes(whole)


def test_a_log_is_not_replayed_into_itself(tmp_path):
    (tmp_path / "log.jsonl").write_text("")
    with pytest.raises(UsageError, match="cannot be replayed and written at once"):
        _proposer(replay=tmp_path / "log.jsonl", log=Path(os.path.relpath(tmp_path)) / "log.jsonl")


def test_a_damaged_proposal_is_named(tmp_path):
    (tmp_path / "log.jsonl").write_text(
        '{"kind": "proposal", "answered": true, "offers": [], "picks": [{}]}\n'
    )
    with pytest.raises(DataError, match="damaged"):
        _proposer("http://127.0.0.1:9/v1", log=tmp_path / "log.jsonl")


@pytest.mark.parametrize("key", ["two words", "k\u00e9y", "line\nbreak"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UsageError) as caught:
        _proposer("http://127.0.0.1:9/v1")
    assert key not in str(caught.value)
    assert "OPENAI_API_KEY" in str(caught.value)


def test_another_variable_can_hold_the_key(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-mine")
    with serving(lambda call: call.say("12200")) as server:
        _search(_proposer(server.url, key_variable="MY_KEY"), 1)
    assert server.calls[0].headers["authorization"] == "Bearer sk-mine"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "needs its address and its name"),
        ({"url": "http://x/v1"}, "needs its address and its name"),
        ({"url": "localhost:8000", "model": "m"}, "must be an address"),
        ({"url": "ftp://x/v1", "model": "m"}, "must be an address"),
        ({"url": "http://[::1/v1", "model": "m"}, "must be an address"),
        ({"url": "http:///v1", "model": "m"}, "must be an address"),
        ({"url": "http://me:secret@x/v1", "model": "m"}, "no name and no password"),
        ({"url": "http://x/v1", "model": "m", "tries": 0}, "tries must be above 0, got 0"),
        ({"url": "http://x/v1", "model": "m", "call_s": float("nan")}, "call_s must be above 0, got nan"),
        ({"url": "http://x/v1", "model": "m", "repairs": -1}, "repairs must be 0 or more, got -1"),
    ],
)
def test_settings_check_themselves(settings, said):
    with pytest.raises(UsageError, match=said) as caught:
        LlmSettings(**settings)
    assert "secret" not in str(caught.value)


def test_candidates_of_before_are_kept_for_later():
    def once(call: Call) -> None:
        codes = ["21220", "22120", "12220", "21211", "12211", "11221", "22211", "12121"]
        call.say(json.dumps({"candidates": codes}) if call.number == 0 else "no more")

    with serving(once) as server:
        proposer = _proposer(server.url)
        history = _search(proposer, 1)
        kept, taken = set(proposer.memory.passed_over), proposer.memory.by_model
        assert len(kept) >= 5
        _search(proposer, 3, history)
    later = {pick.code for pick in proposer.memory.picks.values() if pick.by_model}
    assert len(later) > taken
    assert kept & later
