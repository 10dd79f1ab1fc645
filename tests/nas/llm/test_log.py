"""The log of the exchanges: what is in it, torn lines, and asking it again."""

import json
from dataclasses import asdict

import pytest

from xopt.nas.llm.log import Log, Replay, read_log
from xopt.nas.llm.memory import Made, Memory, Pick
from xopt.nas.llm.reply import Reply, Try
from xopt.runtime.errors import DataError, OutputError


def _write(
    log: Log, *, proposal: int, turn: int = 0, text: str | None = "12120", fault: str | None = None
) -> None:
    log.exchange(
        proposal=proposal,
        turn=turn,
        asked=[{"role": "user", "content": "which?"}],
        reply=Reply(text=text, fault=fault, tokens={"prompt": 3}, tries=(Try(seconds=0.5),)),
        parsed={"codes": ["12120"], "complaints": []},
    )


def _texts(replay: Replay, proposal: int) -> list[str | None]:
    replay.proposal = proposal
    return [replay.ask([], {}, until_s=0).text for _ in range(3)]


def test_a_line_holds_request_reply_parse_result_time_and_tokens(tmp_path):
    _write(Log(tmp_path / "log"), proposal=1)
    line = json.loads((tmp_path / "log").read_text())
    assert line["request"] == [{"role": "user", "content": "which?"}]
    assert line["text"] == "12120"
    assert line["parsed"]["codes"] == ["12120"]
    assert line["seconds"] == 0.5
    assert line["tokens"] == {"prompt": 3}
    assert line["time"].endswith("+00:00")


def test_replies_come_back_by_proposal_and_in_their_order(tmp_path):
    log = Log(tmp_path / "log")
    _write(log, proposal=1, text="a")
    _write(log, proposal=1, turn=1, text="b")
    _write(log, proposal=2, text=None, fault="no reply within 60 s")
    replay = Replay(tmp_path / "log")
    assert _texts(replay, 2) == [None] * 3
    assert _texts(replay, 1) == ["a", "b", None]


def test_of_a_proposal_made_anew_after_a_kill_the_last_exchanges_count(tmp_path):
    log = Log(tmp_path / "log")
    _write(log, proposal=1, text="a")
    _write(log, proposal=1, turn=1, text="b")
    _write(log, proposal=1, text="c")
    assert _texts(Replay(tmp_path / "log"), 1) == ["c", None, None]


def test_a_torn_last_line_is_left_out_and_nothing_after_it_is_lost(tmp_path):
    log = Log(tmp_path / "log")
    _write(log, proposal=1)
    _write(log, proposal=2)
    whole = (tmp_path / "log").read_bytes()
    (tmp_path / "log").write_bytes(whole[:-30])
    assert [line["proposal"] for line in read_log(tmp_path / "log")] == [1]
    _write(log, proposal=3)
    assert [line["proposal"] for line in read_log(tmp_path / "log")] == [1, 3]


@pytest.mark.parametrize("content", ["a text\n", "[1, 2]\n", '{"kind": "other"}\n', "[" * 100_000])
def test_another_file_is_no_log(tmp_path, content):
    (tmp_path / "log").write_text(content)
    with pytest.raises(DataError, match="is no log of a language model"):
        read_log(tmp_path / "log")


def test_a_log_that_is_absent_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the log .*absent"):
        Replay(tmp_path / "absent")


def test_an_exchange_without_text_or_fault_is_damaged(tmp_path):
    (tmp_path / "log").write_text('{"kind": "exchange", "proposal": 1}\n')
    with pytest.raises(DataError, match="damaged"):
        Replay(tmp_path / "log")


def test_a_log_that_cannot_be_written_is_an_error_in_one_line(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*log"):
        Log(tmp_path / "absent" / "log").write("proposal")


def _pick(code: str, *, by_model: bool) -> Pick:
    return Pick(code=code, by_model=by_model, mean=0.25, spread=0.5)


def test_what_was_known_comes_back_from_the_log(tmp_path):
    memory = Memory()
    made = [
        Made(answered=True, offers=["12120", "11111"], picks=[_pick("12120", by_model=True)]),
        Made(answered=False, offers=[], picks=[_pick("22000", by_model=False)]),
        Made(answered=True, offers=["10000"], picks=[]),
        *[Made(answered=False, offers=[], picks=[])] * 3,
        Made(answered=None, offers=[], picks=[]),
    ]
    log = Log(tmp_path / "log")
    for one in made:
        memory.add(one)
        log.write("proposal", **asdict(one))
    restored = Memory.restored(read_log(tmp_path / "log"))
    assert restored == memory
    assert list(restored.passed_over) == ["10000", "11111"]
    assert (restored.proposals, restored.asked, restored.answered, restored.by_model) == (7, 6, 2, 1)


def test_a_model_that_says_nothing_three_times_rests_for_ten_proposals():
    memory = Memory()
    for _ in range(3):
        assert memory.rest == 0
        memory.add(Made(answered=False, offers=[], picks=[]))
    for left in range(10, 0, -1):
        assert memory.rest == left
        memory.add(Made(answered=None, offers=[], picks=[]))
    assert memory.rest == 0
